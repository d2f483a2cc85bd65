"""Rules of `life_machine.py`: what is done at the car with badges and cards, doors and the road."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from drivers.ports import Feedback, LockAction
from hil.badges import Card
from tests.door_bench import HOUR, SUN_META
from tests.life_oracle import EMERGENCY
from tests.life_terms import Look, Permit, Verdict
from tests.life_tokens import AT_READER, BADGES, CARDS, Issuing

WHO = st.sampled_from(AT_READER)
FORGED = Card.made(b"\x04DORA01", SUN_META, bytes(16))


class CarRules(Issuing):
    def __init__(self) -> None:
        super().__init__()
        self.readings: list[tuple[str, int, bytes]] = []
        self.counted: dict[str, int] = {}  # of each card the highest reading that surely counted
        self.shown: dict[str, int] = {}  # and the highest that was shown: a cut may have left its count

    def at_reader(
        self, who: str, work: Coroutine[Any, Any, Feedback], mine: list[Permit], verdict: Verdict, look: Look
    ) -> tuple[bool, list[LockAction]]:
        """mine: what is shown stands for these now. Answers whether the power went, and what moved."""
        law = self.law
        own = any(it.number == law.open for it in mine) and law.open is not None
        shown, moves, cut = self.attempt(work)
        rights = 0
        for it in mine:
            rights |= law.rights(it)
        if verdict is Verdict.MUST_NOT:
            assert not moves, f"{who} moved the lock: {moves}"
            assert cut or shown is Feedback.REFUSED
            self.follow(opens=set(), closes=False, cut=cut)
            return cut, moves
        assert all(rights & (1 if move is LockAction.UNLOCK else 10) for move in moves)
        if verdict is Verdict.MUST and not cut:
            assert shown is not Feedback.REFUSED, f"{who} was refused: {self.why()}"
        closes = (own and look.place is not False) or not own
        by = [it for it in mine if it.number == law.open] if own else mine
        closes = closes and not all(it.role == EMERGENCY and not it.number for it in by)
        law.use_up(by, bool(moves), cut)
        self.follow(opens=law.begins(mine, look), closes=closes, by=by, moves=moves, cut=cut)
        return cut, moves

    @rule(badge=WHO)
    def tap(self, badge: str) -> None:
        if badge in CARDS:
            message = CARDS[badge].read()
            self.readings.append((badge, CARDS[badge].counter, message))
            self.prove(*self.readings[-1])
            return
        look = self.look()
        mine = self.law.of_holder(badge, look)
        self.at_reader(badge, self.bench.tap(BADGES[badge]), mine, self.law.at_reader(mine, look), look)

    def prove(self, name: str, counter: int, message: bytes) -> None:
        """A reading of a card, of now or overheard: each counts once."""
        look = self.look()
        mine = self.law.of_holder(name, look)
        verdict = self.law.at_reader(mine, look)
        seen = self.counted.get(name, 0)
        if counter <= seen:
            mine, verdict = [], Verdict.MUST_NOT
        elif counter <= self.shown.get(name, 0):
            verdict = self.law.free(mine, look)
        self.shown[name] = max(counter, self.shown.get(name, 0))
        cut, moves = self.at_reader(name, self.bench.prove_card(message), mine, verdict, look)
        if moves or not cut:
            self.counted[name] = max(seen, counter)

    @precondition(lambda self: self.readings)
    @rule(which=st.integers(0, 9), how=st.sampled_from(["again", "number", "forged"]))
    def copy_of_a_card(self, which: int, how: str) -> None:
        name, counter, message = self.readings[-1 - which % len(self.readings)]
        look, nobody = self.look(), Verdict.MUST_NOT
        if how == "again":
            self.prove(name, counter, message)
        elif how == "number":
            self.at_reader("its number", self.bench.tap(CARDS[name].uid), [], nobody, look)
        else:
            self.at_reader("a forged card", self.bench.prove_card(FORGED.read()), [], nobody, look)

    @rule(card=st.sampled_from(list(CARDS)))
    def a_reading_again_after_a_cut(self, card: str) -> None:
        self.tap(card)
        self.reboot("intact")
        self.parked(True)
        self.prove(*self.readings[-1])

    @rule(badge=WHO)
    def tap_twice(self, badge: str) -> None:
        self.tap(badge)
        self.tap(badge)

    @rule(badge=WHO, home=st.booleans())
    def ride(self, badge: str, home: bool) -> None:
        """What the car is for."""
        self.tap(badge)
        self.drive(home, None)
        self.tap(badge)

    @rule(badge=WHO, cut=st.booleans())
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

    @rule(badge=WHO, hours=st.sampled_from([0, 9, 80]), other=st.sampled_from([None, *AT_READER]))
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

    @rule(home=st.booleans(), badge=st.sampled_from([None, None, *AT_READER]))
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
        self.moving, self.place, self.door_open, self.stands = True, None, False, False

    @rule(opened=st.booleans())
    def door(self, opened: bool) -> None:
        self.bench.say(door="yes" if opened else "no")
        self.door_open = opened

    @rule(mode=st.sampled_from(["obeys", "obeys", "obeys", "silent", "gone", "unsure"]))
    def relay(self, mode: str) -> None:
        self.bench.lock.mode = mode
