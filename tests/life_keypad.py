"""Rules of `life_machine.py`: codes of bookings, codes of the day, and who guesses (R11)."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from drivers.ports import Feedback
from hil import codes
from tests.door_bench import CODE_KEY, HOUR, VEHICLE
from tests.life_near import PhoneRules
from tests.life_oracle import AGENT, BACKEND, DRIVER, KEPT_S, TECHNICIAN
from tests.life_oracle_beside import (
    DESK,
    WITH_BOOKING,
    by_code,
    by_end_code,
    near,
    slot,
    slot_ends,
    slot_may,
    tried,
)
from tests.life_terms import Look, Permit, Verdict
from tests.life_world import DAY

NEIGHBOUR_KEY = bytes(32)  # another car's


class KeypadRules(PhoneRules):
    def __init__(self) -> None:
        super().__init__()
        self.ended_by_code: set[tuple[int, int]] = set()  # booking and day of codes that may have ended one

    # --- codes of bookings

    @precondition(lambda self: any(it.number for it in self.law.permits))
    @rule(which=st.integers(0, 20), kind=st.sampled_from([WITH_BOOKING, WITH_BOOKING, DESK]))
    def type_code(self, which: int, kind: int) -> None:
        it = self.pick(which, lambda it: it.number != 0)
        assert it is not None
        digits = codes.of_booking(CODE_KEY, it.number, it.revision, kind)
        look = self.look()
        same = [one for one in self.law.permits if (one.number, one.revision) == (it.number, it.revision)]
        named = [one for one in same if one.role in (DRIVER, AGENT) and one.stored != "no"]
        last = look.just_ended if self.law.open is None else self.law.open
        close = [one for one in named if one.number == last or near(one, look)]
        mine = [one for one in close if by_code(self.law, one, kind, look)]
        surely = any(self.surely_there(one, look) for one in close)
        verdict = self.law.at_reader(mine, look) if surely or not mine else self.law.free(mine, look)
        self.typed(digits, mine, verdict, look, Verdict.MUST if surely else Verdict.FREE if close else Verdict.MUST_NOT)

    @rule(role=st.sampled_from([TECHNICIAN, BACKEND]), hours=st.integers(1, 9))
    def a_code_of_who_has_none(self, role: int, hours: int) -> None:
        """Drivers and agents have one."""
        self.parked(True)
        self.deliver(self.mint(6, "carol", role, -HOUR, hours * HOUR, revision=self.law.seen.get(6, 0) + 1))
        self.type_code(0, WITH_BOOKING)

    def surely_there(self, it: Permit, look: Look) -> bool:
        """The car has it stored and believes it, whatever the time."""
        law = self.law
        if it.stored != "yes" or not law.genuine(it, look) or (it.number != law.open and law.barred(it)):
            return False
        return it.number == law.open or it.exp + KEPT_S >= law.erased_s

    @rule(times=st.sampled_from([1, 2, 5, 6]), wait=st.sampled_from([0, 0, 300, 601]))
    def guess(self, times: int, wait: int) -> None:
        for number in range(times):
            digits = codes.of_booking(NEIGHBOUR_KEY, number + 1, 0)
            self.typed(digits, [], Verdict.MUST_NOT, self.look(), Verdict.MUST_NOT)
        self.bench.clock.move(wait)

    @rule(which=st.integers(0, 2), before=st.sampled_from([4, 4, 3]))
    def guess_around_a_right_code(self, which: int, before: int) -> None:
        """It washes none of the wrong ones away."""
        day = int(self.bench.at() // DAY)
        self.guess(before, 0)
        self.type_slot(day, which)
        self.guess(1, 0)
        self.type_slot(day, which)

    @rule(digits=st.sampled_from(["1234567", "123456789", ""]))
    def type_another_length(self, digits: str) -> None:
        """It opens nothing and counts as nothing."""
        self.typed(digits, [], Verdict.MUST_NOT, self.look(), Verdict.MUST)

    # --- codes of the day

    @rule(back=st.sampled_from([0, 0, 0, 1, 1, -1, 2]), which=st.integers(0, 2), twice=st.booleans())
    def type_code_of_the_day(self, back: int, which: int, twice: bool) -> None:
        day = int(self.bench.at() // DAY) - back
        for _ in range(1 + twice):
            self.type_slot(day, which)

    def type_slot(self, day: int, which: int) -> None:
        law, look, it = self.law, self.look(), slot(day, which, VEHICLE)
        digits = codes.of_day(CODE_KEY, day, which)
        sent = [one for one in law.permits if one.number == it.number and one.stored != "no"]
        if not tried(law, it.number, day, look):
            self.typed(digits, [], Verdict.MUST_NOT, look, Verdict.MUST_NOT)
            return
        if sent:
            mine = [one for one in sent if by_code(law, one, DESK, look)]
            alone = [it] if slot_may(law, it, look) and not any(self.surely_there(one, look) for one in sent) else []
            surely = not alone and bool(mine)
            verdict = law.at_reader(mine, look) if surely else law.free([*mine, *alone], look)
            self.typed(digits, [*mine, *alone], verdict, look, Verdict.MUST)
            return
        mine = [it] if slot_may(law, it, look) else []
        verdicts = []
        soonest, latest = slot_ends(law, it, look)
        for it.paid_to in (soonest, latest):
            verdicts.append(law.at_reader(mine, look))
        verdict = verdicts[0] if verdicts[0] is verdicts[1] else law.free(mine, look)
        before = law.open
        self.typed(digits, mine, verdict, look, Verdict.MUST)
        if law.open == it.number and before != it.number:
            ends = f"{soonest} <= {law.paid[0]} <= {latest}"
            assert soonest <= law.paid[0] <= latest, f"the car is a code of the day's until {ends}"

    @rule(
        back=st.sampled_from([0, 0, 1]), which=st.integers(0, 2), begin=st.sampled_from([-HOUR, HOUR]),
        higher=st.booleans(),
    )  # fmt: skip
    def the_desk_sends_a_slots_token(self, back: int, which: int, begin: int, higher: bool) -> None:
        number = codes.number_of(int(self.bench.at() // DAY) - back, which)
        revision = self.law.seen.get(number, 0) + int(higher)
        self.deliver(self.mint(number, "carol", DRIVER, begin, 9 * HOUR, revision=revision))

    # --- codes of an end

    @rule(of_open=st.sampled_from([True] * 3 + [False]), back=st.sampled_from([0, 0, 0, 1, -1, 2]), cut=st.booleans())
    def type_code_of_an_end(self, of_open: bool, back: int, cut: bool) -> None:
        """R1: whatever the checks say; once, also after a restart."""
        number = self.law.open if of_open and self.law.open is not None else 5
        day = int(self.bench.at() // DAY) - back
        self.end_by_code(number, day)
        if cut:
            self.reboot("intact")
            self.follow(opens=set(), closes=False, cut=True)
        self.end_by_code(number, day)

    def end_by_code(self, number: int, day: int) -> None:
        law, look, resting = self.law, self.look(), self.tries.resting(self.bench.at())
        name, now_s = (number, day), self.bench.at()
        good = by_end_code(day, look) if number == law.open else Verdict.MUST_NOT
        verdict = Verdict.MUST_NOT if look.moving or resting is Verdict.MUST else good
        shown, moves, cut = self.attempt(self.bench.type(codes.to_end(CODE_KEY, number, day)))
        ended = bool(moves) or law.open != self.bench.bookings._open
        if verdict is Verdict.MUST_NOT:
            assert not moves, "a code of an end moved the lock"
        elif verdict is Verdict.MUST and resting is Verdict.MUST_NOT and not cut:
            assert shown is not Feedback.REFUSED, f"a code of an end was refused: {self.why()}"
        if ended or cut:
            self.ended_by_code.add(name)
        self.follow(opens=set(), closes=verdict is not Verdict.MUST_NOT, moves=moves, cut=cut)
        if good is not Verdict.MUST and resting is not Verdict.MUST:
            surely = good is Verdict.MUST_NOT and resting is Verdict.MUST_NOT and name not in self.ended_by_code
            self.tries.wrong(now_s, surely=surely and not cut)

    # --- one try

    def typed(self, digits: str, mine: list[Permit], verdict: Verdict, look: Look, known: Verdict) -> None:
        """known: whether the car surely knows these digits, surely not, or maybe: what it does not know counts."""
        now_s, resting = self.bench.at(), self.tries.resting(self.bench.at())
        if resting is Verdict.MUST:
            mine, verdict = [], Verdict.MUST_NOT
        elif resting is Verdict.FREE and verdict is Verdict.MUST:
            verdict = Verdict.FREE
        cut, _ = self.at_reader("a code", self.bench.type(digits), mine, verdict, look)
        if known is Verdict.MUST or resting is Verdict.MUST:
            return
        surely = known is Verdict.MUST_NOT and resting is Verdict.MUST_NOT and not cut
        self.tries.wrong(now_s, surely=surely)
