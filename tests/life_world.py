"""Any order of bookings, taps, phones, codes, commands, keys, lists, clocks, drives and power cuts, against
`life_oracle.py` and `life_oracle_beside.py`.

After every step: the door opened only if a permission held inside the clock's interval; whoever drives the open booking
was let in and out away from a station and could start (R5); never two open bookings; intent on disk before movement;
each intent has one outcome, each opening and each end one signed receipt that says the same, their numbers without a
gap; the interval holds the true time while nobody lied, and the floor stays. What is done to the car: the rules, in the
modules that build on this one, each on the one before: `LifeWorld` here, `Issuing` (`life_tokens.py`), `CarRules`
(`life_rules.py`), `PhoneRules` (`life_near.py`), `KeypadRules` (`life_keypad.py`), `TrustRules` (`life_trust.py`),
`LifeMachine` (`life_machine.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from drivers.ports import LockAction
from keyless.clock import BUILD_S
from keyless.vehicle_key import VehicleKey
from tests.door_bench import CAR_SECRET, OPERATOR, T0, VEHICLE
from tests.fakes.door import Cut
from tests.life_bench import LIMITED, MAIN, keyset
from tests.life_fitted import FittedBench
from tests.life_guests import GUEST, MAIRIE
from tests.life_oracle import DRIVER, EMERGENCY, TECHNICIAN, Law
from tests.life_oracle_beside import Start, Talk, Tries, starts
from tests.life_records import Records
from tests.life_terms import Key, Look, Permit

CAR_PUBLIC = VehicleKey(CAR_SECRET).public
ALL, FEW = frozenset(range(1, 6)), frozenset({DRIVER})
GUESTS = ALL - {TECHNICIAN, EMERGENCY}
DAY, YEAR = 86_400, 365 * 86_400
SETTLING_S = 12  # after a start nothing is taken from the car before it has spoken
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # the power is cut above the disk, so the disk may be quick


class LifeWorld(RuleBasedStateMachine):
    """The promises."""

    steps = cuts = moves = 0

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        keys = {
            MAIN: Key(T0 + YEAR, ALL), LIMITED: Key(T0 + YEAR, FEW), GUEST: Key(T0 + YEAR, GUESTS, MAIRIE),
        }  # fmt: skip
        self.bench = FittedBench(Path(self.folder.name), keyset(1, keys, T0 + YEAR, 2))
        self.law = Law(OPERATOR, {key.kid: one for key, one in keys.items()}, 1, T0 + YEAR, floor_s=BUILD_S)
        self.records = Records(CAR_PUBLIC, VEHICLE)
        self.start_right, self.tries = Start(), Tries()
        self.talks: dict[str, Talk] = {}
        self.durable_s = BUILD_S  # of the floor, what is surely on disk
        self.place: bool | None = None
        self.door_open: bool | None = None
        self.moving = self.lied = self.stands = False
        self.serial, self.numbers, self.names = itertools.count(1), itertools.count(1), itertools.count(1)
        self.known: set[bytes] = set()  # ids of commands from afar that were answered

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    # --- what the machine looks at

    def look(self) -> Look:
        now = self.bench.timekeeper.interval()
        locked = self.bench.door.locked()
        just, left = self.bench.under.just_ended(self.bench.clock.now().ns), self.law.left
        assert just is None or (left is not None and just == left[0] and self.bench.at() - left[1] < 610)
        return Look(now.lo_s, now.hi_s, self.place, self.door_open, self.moving, locked, now.source, just)

    def parked(self, home: bool) -> None:
        self.bench.clock.move(1)
        self.bench.park(home)
        self.place, self.door_open, self.moving, self.stands = home, False, False, True

    def began(self) -> None:
        """A boot: the car has said nothing yet, and the receiver neither. No link has outlived it."""
        self.place = self.door_open = None
        self.moving = self.stands = False
        self.booted_s = self.bench.at()
        self.floor_at_boot = self.floor()
        assert self.floor_at_boot >= self.durable_s - 600, "the floor fell"  # it is written every ten minutes
        self.law.floor_s = min(self.law.floor_s, self.floor_at_boot)
        self.lied = self.floor_at_boot > self.bench.at() + 1
        self.vouched = self.floor_at_boot
        self.talks.clear()
        self.tries.restarted(self.booted_s)

    def floor(self) -> float:
        return float(str(self.bench.timekeeper.status()["floor_s"]))

    def heard(self, it: Permit, look: Look) -> None:
        """The operator's word says what time it is, a second issuer's does not."""
        if it.iss != OPERATOR:
            return
        self.vouched = max(self.vouched, it.iat)
        if not self.lied and (look.hi_s is None or it.iat <= look.hi_s):
            self.law.floor_s = max(self.law.floor_s, it.iat)

    # --- one attempt, with whatever the power does meanwhile

    def attempt(self, work: Coroutine[Any, Any, Any]) -> tuple[Any, list[LockAction], bool]:
        """Answer, movements, and whether the power went; what was open before is still in the oracle."""
        before = len(self.bench.lock.moves)

        async def tried() -> Any:
            try:
                answer = await work
                await self.bench.follow()
            except Cut:
                return None
            return answer

        answer = self.run(tried())
        cut = self.bench.dead
        moves = self.bench.lock.moves[before:]
        LifeWorld.moves += len(moves)
        if cut:
            self.reboot("intact")
        return answer, moves, cut

    def reboot(self, floor: str) -> None:
        async def again() -> None:
            await self.bench.crash()
            self.bench.spoil_floor(floor)
            await self.bench.power_on()

        if floor in ("missing", "corrupt"):
            self.law.floor_s = self.durable_s = BUILD_S
        self.run(again())
        LifeWorld.cuts += 1
        self.began()
        self.run(self.bench.wait(8))  # an intent without outcome gets it: what was decided before the cut still counts
        self.law.erased_until(self.bench.timekeeper.settled_lo_s())  # a start erases as well

    def follow(
        self, *, opens: set[int], closes: bool, by: Sequence[Permit] = (), moves: Sequence[LockAction] = (),
        cut: bool = False,
    ) -> None:  # fmt: skip
        """Take over what the door has open now, if that may be. by: who may have moved the lock so."""
        now = self.bench.under.booking
        number = now.booking if now is not None else None
        law, before = self.law, self.law.open
        if number != before:
            if before is not None:
                assert closes, f"booking {before} must not close"
                law.ended.add(before)
                law.doubtful.discard(before)
                law.left = before, self.bench.at()
            law.open = None
            if now is not None:
                assert number in opens, f"booking {number} must not open"
                law.open, law.paid, law.left = number, (now.paid_to_s, now.paid_to_s), None
                openers = {it.holder for it in by if it.number == number}
                law.opener = openers.pop() if len(openers) == 1 else None
            law.drop_superseded()
        self.carry(self.believed_now() if number != before else set())
        same = number is not None and number == before
        if number is None and before is not None:
            self.start_right.over()
        elif cut and by:
            self.start_right.doubted(same=same)
        elif LockAction.UNLOCK in moves and not cut:
            by_number = [it for it in by if it.number == number] or list(by)
            rights = starts(law, by_number)
            if number is None and any(it.number for it in by):  # it was fetched what lay in the car, and no more
                rights = None if any(not it.number for it in by) else False
            self.start_right.unlocked(rights, same=same)
        elif moves and number is None and not cut:
            self.start_right.over()

    def believed_now(self) -> set[Permit]:
        """Of the booking that has just begun."""
        law, look = self.law, self.look()
        mine = [it for it in law.permits if it.stored == "yes" and law.is_open(it) and not law.barred(it)]
        return {it for it in mine if law.genuine(it, look, exempt=it.iss == OPERATOR)}

    def carry(self, due: set[Permit]) -> None:
        """D20: take over what is believed for the open booking. due: what must be among it by now."""
        now, law, look = self.bench.under.booking, self.law, self.look()
        names = now.carried if now is not None else ()
        held = {it for it in law.permits if hashlib.sha256(it.token).digest()[:16].hex() in names}
        assert due <= held, "a token of the open booking that was believed is forgotten"
        for it in held - law.carried:
            assert law.is_open(it), "carried without driving the open booking"
            assert law.genuine(it, look), "carried and never believed"
        law.carried = held

    # --- after every step

    @invariant()
    def promises(self) -> None:
        LifeWorld.steps += 1
        if self.bench.task is None:
            return
        fuse, self.bench.fuse = self.bench.fuse, None
        assert all(self.bench.lock.seen_pending), "a movement without an intent on disk"
        self.clock_is_sound()
        self.run(self.records_agree())
        self.card_has_its_supply()
        self.durable_s = self.law.floor_s
        self.law.erased_until(self.bench.timekeeper.settled_lo_s())
        self.bench.fuse = fuse

    def clock_is_sound(self) -> None:
        now, at = self.bench.timekeeper.interval(), self.bench.at()
        assert now.lo_s >= self.law.floor_s, "time fell below the floor"
        up_s = at - self.booted_s + 10
        assert self.floor() <= self.vouched + max(DAY, up_s * 1.0002) + 10, "R19"
        if not self.lied:
            assert now.lo_s <= at + 1, f"{now} is after {at}"
            assert now.hi_s is None or at - 1 <= now.hi_s, f"{now} is before {at}"

    async def records_agree(self) -> None:
        await self.bench.follow()
        await self.records.take(self.bench.store)
        await self.records.replay(self.bench.store)
        assert self.records.open_ == self.law.open

    def card_has_its_supply(self) -> None:
        """R15. It is there at once for who may start; it is taken away from a car that stands."""
        may, through = self.start_right.may, self.bench.relay.through
        assert through or not may, "who has the car cannot start it"
        settled = self.stands and self.bench.at() - self.booted_s >= SETTLING_S
        assert not through or may is not False or not settled, "the car starts for nobody, or for who may not"

    def teardown(self) -> None:
        if self.bench.task is not None:
            self.run(self.bench.crash())
        self.bench.done()
        self.loop.close()
        self.folder.cleanup()
