"""Rules of `life_machine.py`: bookings as they are sent, and what is done at the car."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from drivers.ports import Feedback, LockAction
from keyless import issue
from tests.door_bench import HOUR
from tests.life_bench import LIMITED, MAIN, PHONES
from tests.life_oracle import AGENT, BACKEND, DRIVER, EMERGENCY, TECHNICIAN, Verdict
from tests.life_world import BADGES, DAY, LifeWorld

HOLDERS = st.sampled_from([*BADGES, *BADGES, *PHONES])
ROLES = st.sampled_from([DRIVER] * 5 + [AGENT, TECHNICIAN, EMERGENCY, BACKEND, BACKEND])


class CarRules(LifeWorld):
    @rule(
        number=st.integers(1, 6), holder=HOLDERS, role=ROLES, key=st.sampled_from([MAIN, MAIN, MAIN, LIMITED]),
        begin=st.sampled_from([-HOUR] * 6 + [-3 * HOUR, 1_200, 2 * DAY]),
        length=st.sampled_from([2 * HOUR, 9 * HOUR, DAY]),
        defect=st.sampled_from([""] * 20 + ["operator", "vehicle", "stranger", "signature"]),
        rights=st.sampled_from([0xFFF] * 6 + [1, 2]), sent=st.sampled_from([True, True, True, False]),
        higher=st.sampled_from([0, 0, 0, 1, -1]),
    )  # fmt: skip
    def book(
        self, number: int, holder: str, role: int, key: issue.SigningKey, begin: int, length: int, defect: str,
        rights: int, sent: bool, higher: int,
    ) -> None:  # fmt: skip
        revision = max(0, self.law.seen.get(number, 0) + higher)
        if role in (EMERGENCY, BACKEND) and holder in PHONES:
            number = 0
        if role == EMERGENCY:
            begin, length = max(begin, -600), 1_800 if begin != -HOUR else 3_600
        permit = self.mint(
            number, holder, role, begin, length, key=key, defect=defect, rights=rights, revision=revision
        )  # fmt: skip
        if sent:
            self.deliver(permit)

    @precondition(lambda self: self.law.permits)
    @rule(which=st.integers(0, 99))
    def deliver_again(self, which: int) -> None:
        self.deliver(self.law.permits[-1 - which % len(self.law.permits)])

    @precondition(lambda self: self.law.permits)
    @rule(
        which=st.integers(0, 99), of_open=st.booleans(), change=st.sampled_from(["extend", "early end", "withdraw"]),
        other=st.sampled_from([None, None, *BADGES, *PHONES]),
    )  # fmt: skip
    def revise(self, which: int, of_open: bool, change: str, other: str | None) -> None:
        """other: a new phone, a colleague, another driver (R6, R12)."""
        own = [it for it in self.law.permits if it.number == self.law.open] if of_open else []
        pool = own or self.law.permits
        it = pool[-1 - which % len(pool)]
        begin = min(it.nbf - self.bench.at(), -HOUR)
        end = {"extend": 4 * HOUR, "early end": 0, "withdraw": begin + 1_201}[change]
        if it.role in (EMERGENCY, BACKEND):
            return
        length = min(end - begin + 600, 30 * DAY if it.role == DRIVER else 11 * HOUR)
        revision = self.law.seen.get(it.number, 0) + 1
        self.deliver(self.mint(it.number, other or it.holder, it.role, begin, length, revision=revision))

    # --- at the car

    @rule(badge=st.sampled_from(list(BADGES)))
    def tap(self, badge: str) -> None:
        look, law = self.look(), self.law
        verdict = law.tap(badge, look)
        mine = [it for it in law.permits if it.holder == badge and it.stored != "no" and law.may(it, look)]
        own = any(it.number == law.open for it in mine) and law.open is not None
        shown, moves, cut = self.attempt(self.bench.tap(BADGES[badge]))
        rights = 0
        for it in mine:
            rights |= law.rights(it)
        if verdict is Verdict.MUST_NOT:
            assert not moves, f"{badge} moved the lock: {moves}"
            assert cut or shown is Feedback.REFUSED
            self.follow(opens=set(), closes=False)
            return
        assert all(rights & (1 if move is LockAction.UNLOCK else 10) for move in moves)
        if verdict is Verdict.MUST and not cut:
            assert shown is not Feedback.REFUSED, f"{badge} was refused: {self.why()}"
        may_end = look.place is not False
        self.follow(opens={it.number for it in mine if it.number}, closes=(own and may_end) or not own)

    @rule(badge=st.sampled_from(list(BADGES)))
    def tap_twice(self, badge: str) -> None:
        self.tap(badge)
        self.tap(badge)

    @rule(badge=st.sampled_from(list(BADGES)), home=st.booleans())
    def ride(self, badge: str, home: bool) -> None:
        """What the car is for."""
        self.tap(badge)
        self.drive(home, None)
        self.tap(badge)

    @rule(badge=st.sampled_from(list(BADGES)), cut=st.booleans())
    def begins_again_after_its_end(self, badge: str, cut: bool) -> None:
        """R4: grace is not for a second drive."""
        self.parked(True)
        self.tap(badge)
        self.tap(badge)
        if cut:
            self.reboot("intact")
            self.parked(True)
        self.bench.clock.move(max(0, self.law.paid[1] - self.bench.at()) + 10)
        self.bench.dates()
        self.tap(badge)

    @rule(
        badge=st.sampled_from(list(BADGES)), hours=st.sampled_from([0, 9, 80]), other=st.sampled_from([None, *BADGES]),
    )  # fmt: skip
    def late_and_far_from_home(self, badge: str, hours: int, other: str | None) -> None:
        """R5; other: who is given the booking meanwhile (D20)."""
        self.ride(badge, False)
        self.bench.clock.move(hours * HOUR)
        if other is not None and self.law.permits:
            self.revise(0, True, "extend", other)
        self.tap(badge)
        self.tap(badge)

    def why(self) -> object:
        return self.run(self.bench.facts("refused"))[-1:]

    @rule(home=st.booleans(), badge=st.sampled_from([None, None, *BADGES]))
    def drive(self, home: bool, badge: str | None) -> None:
        self.rolls()
        self.attempt(self.bench.journey.tick())
        if badge is not None:
            self.rolls()
            self.tap(badge)
        self.bench.clock.move(300)
        self.parked(home)
        self.attempt(self.bench.journey.tick())

    def rolls(self) -> None:
        self.bench.say(ignition="on", speed=50.0, locked="no", door="no")
        self.moving, self.place, self.door_open = True, None, False

    @rule(opened=st.booleans())
    def door(self, opened: bool) -> None:
        self.bench.say(door="yes" if opened else "no")
        self.door_open = opened

    @rule(mode=st.sampled_from(["obeys", "obeys", "obeys", "silent", "gone", "unsure"]))
    def relay(self, mode: str) -> None:
        self.bench.lock.mode = mode
