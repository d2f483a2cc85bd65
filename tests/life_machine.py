"""Rules of the whole machine: beside those of `life_rules.py`, commands from afar, keys, lists, time and power."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from keyless import issue
from keyless.claims import Action, Command
from tests.door_bench import HOUR, OPERATOR, T0
from tests.life_bench import LIMITED, MAIN, PHONES, STRANGER, keyset
from tests.life_oracle import BACKEND, Key, Look, Order, Permit, Verdict
from tests.life_rules import CarRules
from tests.life_world import ALL, BADGES, DAY, FEW, YEAR


class LifeMachine(CarRules):
    # --- from afar

    @precondition(lambda self: any(it.holder in PHONES for it in self.law.permits))
    @rule(
        which=st.integers(0, 20), action=st.sampled_from([1, 1, 2, 8]), step=st.sampled_from([1, 1, 1, 0, -1]),
        late=st.sampled_from([60, 60, 60, -5]), stranger=st.sampled_from([False, False, False, True]),
        dated=st.booleans(),
    )  # fmt: skip
    def command(self, which: int, action: int, step: int, late: int, stranger: bool, dated: bool) -> None:
        pool = [it for it in self.law.permits if it.holder in PHONES]
        it = pool[-1 - which % len(pool)]
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
        it.shown = max(it.shown, order.counter)
        if verdict is Verdict.MUST_NOT:
            assert not moves, f"a command moved the lock: {order}"
            self.follow(opens=set(), closes=False)
            return
        if verdict is Verdict.MUST and not cut:
            assert told, "no answer"
            assert told[-1] != "refused", f"a command was refused: {self.bench.answers[-1]}"
        opens = {it.number} - {0} if order.action == 1 else set()
        self.follow(opens=opens, closes=order.action == 8)

    # --- what the car believes

    @precondition(lambda self: self.law.permits)
    @rule(
        what=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=2),
        step=st.sampled_from([1, 1, 1, 0, -1]), key=st.sampled_from([MAIN, MAIN, MAIN, LIMITED, STRANGER]),
    )  # fmt: skip
    def revoke(self, what: list[tuple[int, int]], step: int, key: issue.SigningKey) -> None:
        permits = self.law.permits
        ids = {[*sorted(permits[-1 - which % len(permits)].ids), LIMITED.kid][part] for which, part in what}
        sequence, now = max(0, self.law.sequence + step), int(self.bench.at())
        data = issue.revocations(OPERATOR, sequence, now + 14 * DAY, now, ids, key)
        look, known = self.look(), self.law.keys.get(key.kid)
        good = known is not None and BACKEND in known.roles and sequence >= self.law.sequence
        if known is None or look.lo_s > min(known.not_after, self.law.set_expires + 90 * DAY):
            good = False
        taken, cut = self.offer(data)
        if cut:
            authority = self.bench.provisioning._accepted
            assert (authority.sequence, authority.ids) in [
                (self.law.sequence, self.law.revoked), *([(sequence, frozenset(ids))] if good else [])
            ]  # fmt: skip
            self.law.sequence, self.law.revoked = authority.sequence, authority.ids
            return
        assert taken == good, "a revocation list was taken that must not be, or the other way round"
        if good:
            self.law.sequence, self.law.revoked = sequence, frozenset(ids)
            self.heard(now, look)

    @rule(
        step=st.sampled_from([1, 1, 1, 1, -1, -2]), roots=st.sampled_from([2, 2, 2, 2, 1]),
        keys=st.sampled_from(["both"] * 6 + ["limited may all", "main drivers", "main only", "short"]),
    )  # fmt: skip
    def rotate(self, step: int, roots: int, keys: str) -> None:
        version, now = max(1, self.law.version + step), int(self.bench.at())
        if version == self.law.version:
            return
        main = FEW if keys == "main drivers" else ALL
        entries = [(MAIN, now + (2 * HOUR if keys == "short" else YEAR), main)]
        if keys == "limited only":
            entries = []
        if keys != "main only":
            entries.append((LIMITED, now + YEAR, ALL if keys == "limited may all" else FEW))
        expires = now + (HOUR if keys == "short" else YEAR)
        good = roots >= 2 and version >= self.law.version
        taken, cut = self.offer(keyset(version, entries, expires, roots))
        if cut:
            held = self.bench.authority.keyset
            assert held is not None
            assert held.version == self.law.version or (good and held.version == version)
            good = held.version == version
        else:
            assert taken == good, "a key set was taken that must not be, or the other way round"
        if good:
            self.law.keys = {key.kid: Key(end, roles) for key, end, roles in entries}
            self.law.version, self.law.set_expires = version, expires
            # What is stored is judged anew: a token whose key is known again says anew when it was made, also to a box
            # whose floor was lost meanwhile.
            told = [it.iat for it in self.law.permits if it.stored != "no" and it.sound]
            self.vouched = max([self.vouched, *told])

    @rule(badge=st.sampled_from(list(BADGES)), cut=st.booleans())
    def a_key_is_dropped_on_the_way(self, badge: str, cut: bool) -> None:
        """D20."""
        self.ride(badge, False)
        self.rotate(1, 2, "limited only")
        if cut:
            self.power_cut("intact", True, False)
        self.tap(badge)
        self.tap(badge)
        self.parked(True)
        self.tap(badge)
        self.rotate(1, 2, "both")

    def offer(self, data: bytes) -> tuple[bool, bool]:
        answer, moves, cut = self.attempt(self.bench.provisioning.accept(data))
        assert not moves
        return answer is None and not cut, cut

    # --- time and power

    @rule(seconds=st.sampled_from([1, 60, 60, 1_500, 1_500, 5_000, 20_000]))
    def time_passes(self, seconds: int) -> None:
        if self.bench.at() > T0 + 200 * DAY:
            return
        self.bench.clock.move(seconds)
        look = self.look()
        self.attempt(self.bench.wait(4))
        self.follow(opens=set(), closes=self.forgotten(look))

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
        self.attempt(self.bench.wait(2))
        self.follow(opens=set(), closes=self.forgotten(look))

    @rule(
        floor=st.sampled_from(["intact"] * 10 + ["missing", "corrupt"] * 3 + ["ahead"]), dates=st.booleans(),
        home=st.sampled_from([True, False, None]),
    )  # fmt: skip
    def power_cut(self, floor: str, dates: bool, home: bool | None) -> None:
        self.reboot(floor)
        self.follow(opens=set(), closes=False)
        if home is not None:
            self.parked(home)
        if dates:
            self.bench.dates()

    @rule(moments=st.integers(1, 8))
    def the_power_will_go(self, moments: int) -> None:
        self.bench.fuse = moments
