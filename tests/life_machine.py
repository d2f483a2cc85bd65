"""Rules of the whole machine: beside those that it builds on, commands from afar, time and power."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from keyless import issue
from keyless.claims import Action, Command
from tests.door_bench import HOUR, T0
from tests.life_bench import PHONES
from tests.life_guests import GUEST, NUMBERS
from tests.life_oracle import AGENT, BACKEND
from tests.life_terms import Look, Order, Permit, Verdict
from tests.life_trust import TrustRules
from tests.life_world import DAY, YEAR


class LifeMachine(TrustRules):
    def __init__(self) -> None:
        super().__init__()
        self.orders: list[tuple[Permit, Order, bytes, bytes]] = []

    # --- from afar

    @precondition(lambda self: any(it.holder in PHONES for it in self.law.permits))
    @rule(
        which=st.integers(0, 20), action=st.sampled_from([1, 1, 2, 8]), step=st.sampled_from([1, 1, 1, 0, -1]),
        late=st.sampled_from([60, 60, 60, -5]), stranger=st.sampled_from([False, False, False, True]),
        dated=st.booleans(),
    )  # fmt: skip
    def command(self, which: int, action: int, step: int, late: int, stranger: bool, dated: bool) -> None:
        it = self.pick(which, lambda it: it.holder in PHONES)
        assert it is not None
        if dated:
            self.bench.dates()
        signer = next(name for name in PHONES if (name != it.holder) is stranger)
        name = next(self.names).to_bytes(16, "big")
        counter = max(1, it.shown + step)
        exp = int(self.bench.at()) + late
        inner = issue.command(it.token, Command(name, Action(action), counter, exp), PHONES[signer])
        order = Order(action, counter, exp, signer, False)
        self.orders.append((it, order, name, issue.remote(it.token, inner)))
        self.send(*self.orders[-1])

    @precondition(lambda self: self.law.open not in (None, *NUMBERS))
    @rule(
        number=st.sampled_from(NUMBERS), holder=st.sampled_from(list(PHONES)), role=st.sampled_from([AGENT, BACKEND]),
        action=st.sampled_from([1, 2, 8]),
    )  # fmt: skip
    def a_guest_orders(self, number: int, holder: str, role: int, action: int) -> None:
        """While the operator's driver has the car."""
        self.mint(number, holder, role, -HOUR, 2 * HOUR, key=GUEST)
        self.command(0, action, 1, 60, False, True)

    @precondition(lambda self: self.orders)
    @rule(which=st.integers(0, 20))
    def replay(self, which: int) -> None:
        self.send(*self.orders[-1 - which % len(self.orders)])

    @precondition(lambda self: any(it.holder in PHONES for it in self.law.permits))
    @rule(
        which=st.integers(0, 20), action=st.sampled_from([1, 2]), moments=st.sampled_from([None, 1, 2, 3, 4, 5, 6]),
        step=st.sampled_from([0, -1]),
    )  # fmt: skip
    def command_across_a_power_cut(self, which: int, action: int, moments: int | None, step: int) -> None:
        """Also between the counter on disk and the relay."""
        for _ in range(2):
            self.command(which, action, 1, 60, False, True)
        self.bench.fuse = moments
        self.command(which, action, 1, 60, False, True)
        if self.bench.fuse is not None or moments is None:
            self.reboot("intact")
            self.follow(opens=set(), closes=False, cut=True)
        self.bench.dates()
        self.send(*self.orders[-1])
        self.command(which, action, step, 60, False, True)

    def send(self, it: Permit, order: Order, name: bytes, message: bytes) -> None:
        look, law = self.look(), self.law
        verdict = law.command(it, replace(order, known=name in self.known), look)
        answers = len(self.bench.answers)
        _, moves, cut = self.attempt(self.bench.door.command(message))
        told = [code for told, code, _, _ in self.bench.answers[answers:] if told == name.hex()]
        if told and order.by == it.holder:
            self.known.add(name)
            it.used = max(it.used, order.counter)
        if moves:
            it.used = max(it.used, order.counter)
        self.law.use_up([it], bool(moves), cut)
        it.shown = max(it.shown, order.counter)
        if verdict is Verdict.MUST_NOT:
            assert not moves, f"a command moved the lock: {order}"
            self.follow(opens=set(), closes=False, cut=cut)
            return
        if verdict is Verdict.MUST and not cut:
            assert told, "no answer"
            assert told[-1] != "refused", f"a command was refused: {self.bench.answers[-1]}"
        opens = {it.number} - {0} if order.action == 1 else set()
        self.follow(opens=opens, closes=order.action == 8, by=[it], moves=moves, cut=cut)

    # --- time and power

    @rule(seconds=st.sampled_from([1, 60, 60, 1_500, 1_500, 5_000, 20_000, 3 * DAY]))
    def time_passes(self, seconds: int) -> None:
        if self.bench.at() > T0 + 200 * DAY:
            return
        self.bench.clock.move(seconds)
        look = self.look()
        _, _, cut = self.attempt(self.bench.wait(4))
        self.follow(opens=set(), closes=self.forgotten(look), cut=cut)

    def forgotten(self, look: Look) -> bool:
        """R2."""
        return look.place is True and look.doors_open is not True and look.lo_s + 10 >= self.law.paid[0]

    @rule(
        wrong_s=st.sampled_from([0] * 8 + [HOUR, 3 * DAY, 10 * YEAR, -YEAR, -1024 * 7 * DAY]),
        hour=st.sampled_from([False, False, True]),
    )  # fmt: skip
    def receiver(self, wrong_s: int, hour: bool) -> None:
        self.lied = self.lied or wrong_s != 0
        self.bench.dates(wrong_s, hour)
        if not self.lied and self.bench.at() <= self.law.floor_s + DAY:
            self.law.floor_s = max(self.law.floor_s, self.bench.at() - (4_000 if hour else 6))
        look = self.look()
        _, _, cut = self.attempt(self.bench.wait(2))
        self.follow(opens=set(), closes=self.forgotten(look), cut=cut)

    @rule(
        floor=st.sampled_from(["intact"] * 10 + ["missing", "corrupt"] * 3 + ["ahead"]), dates=st.booleans(),
        home=st.sampled_from([True, False, None]),
    )  # fmt: skip
    def power_cut(self, floor: str, dates: bool, home: bool | None) -> None:
        self.reboot(floor)
        self.follow(opens=set(), closes=False, cut=True)
        if home is not None:
            self.parked(home)
        if dates:
            self.bench.dates()

    @rule(moments=st.integers(1, 10))
    def the_power_will_go(self, moments: int) -> None:
        self.bench.fuse = moments
