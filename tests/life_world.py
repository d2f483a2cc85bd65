"""Any order of bookings, taps, phones, commands, keys, lists, clocks, drives and power cuts, against `life_oracle.py`.

After every step: the door opened only if a permission held inside the clock's interval; whoever drives the open booking
was let in and out away from a station (R5); never two open bookings; intent on disk before movement; each intent has
one outcome, each opening and each end one signed receipt that says the same, their numbers without a gap; the interval
holds the true time while nobody lied, and the floor stays.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from agent.access import decision_record
from drivers.ports import LockAction
from keyless import issue
from keyless.claims import BadgeId, Claims, HolderKey, Role, badge_id
from keyless.clock import BUILD_S
from keyless.vehicle_key import VehicleKey
from tests import receipt_rules
from tests.door_bench import ALICE, BOB, CAR_SECRET, HOUR, OPERATOR, T0, VEHICLE
from tests.fakes.door import Cut
from tests.life_bench import LIMITED, MAIN, PHONES, STRANGER, LifeBench, keyset
from tests.life_oracle import (
    BACKEND,
    DRIVER,
    EMERGENCY,
    USE,
    Key,
    Law,
    Look,
    Order,
    Permit,
    Verdict,
    short,
)

CAR_PUBLIC = VehicleKey(CAR_SECRET).public
BADGES = {"alice": ALICE, "bob": BOB, "carol": b"\x04CARO"}
ALL, FEW = frozenset(range(1, 6)), frozenset({DRIVER})
DAY, YEAR = 86_400, 365 * 86_400
FIRST = (  # number 0 is no booking
    ("ed25519 phone", BACKEND, -HOUR, 30 * DAY), ("alice", DRIVER, -HOUR, 6 * HOUR), ("bob", DRIVER, HOUR, 30 * HOUR),
    ("p256 phone", DRIVER, -HOUR, 20 * HOUR), ("carol", DRIVER, 2 * DAY, DAY), ("p256 phone", EMERGENCY, -600, 1_800),
)  # fmt: skip
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # the power is cut above the disk, so the disk may be quick


class LifeWorld(RuleBasedStateMachine):
    """The promises; the rules are in `life_rules.py` and `life_machine.py`."""

    steps = cuts = moves = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        keys = [(MAIN, T0 + YEAR, ALL), (LIMITED, T0 + YEAR, FEW)]
        self.bench = LifeBench(Path(self.folder.name), keyset(1, keys, T0 + YEAR, 2))
        self.law = Law({key.kid: Key(end, roles) for key, end, roles in keys}, 1, T0 + YEAR, floor_s=BUILD_S)
        self.durable_s = BUILD_S  # of the floor, what is surely on disk
        self.place: bool | None = None
        self.door_open: bool | None = None
        self.moving = self.lied = False
        self.serial, self.numbers, self.names = itertools.count(1), itertools.count(1), itertools.count(1)
        self.orders: list[tuple[Permit, Order, bytes, bytes]] = []
        self.replayed: set[bytes] = set()
        self.known: set[bytes] = set()  # ids of commands that were answered

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize(proven=st.booleans())
    def start(self, proven: bool) -> None:
        async def begin() -> None:
            await self.bench.power_on()
            self.bench.park()
            self.bench.dates()
            if proven:
                await self.bench.prove()

        self.run(begin())
        self.began()
        self.parked(True)
        for number, (holder, role, begin, length) in enumerate(FIRST):
            self.deliver(self.mint(0 if role == EMERGENCY else number, holder, role, begin, length))

    # --- what the machine looks at

    def look(self) -> Look:
        now = self.bench.timekeeper.interval()
        return Look(now.lo_s, now.hi_s, self.place, self.door_open, self.moving, self.bench.door.locked())

    def parked(self, home: bool) -> None:
        self.bench.clock.move(1)
        self.bench.park(home)
        self.place, self.door_open, self.moving = home, False, False

    def began(self) -> None:
        """A boot: the car has said nothing yet, and the receiver neither."""
        self.place = self.door_open = None
        self.moving = False
        self.booted_s = self.bench.at()
        self.floor_at_boot = self.floor()
        assert self.floor_at_boot >= self.durable_s - 600, "the floor fell"  # it is written every ten minutes
        self.law.floor_s = min(self.law.floor_s, self.floor_at_boot)
        self.lied = self.floor_at_boot > self.bench.at() + 1
        self.vouched = self.floor_at_boot

    def floor(self) -> float:
        return float(str(self.bench.timekeeper.status()["floor_s"]))

    def heard(self, iat: int, look: Look) -> None:
        if not self.lied and (look.hi_s is None or iat <= look.hi_s):
            self.law.floor_s = max(self.law.floor_s, iat)
        self.vouched = max(self.vouched, iat)

    # --- one attempt, with whatever the power does meanwhile

    def attempt(self, work: Coroutine[Any, Any, Any]) -> tuple[Any, list[LockAction], bool]:
        """Answer, movements, and whether the power went; what was open before is still in the oracle."""
        before = len(self.bench.lock.moves)

        async def tried() -> Any:
            try:
                return await work
            except Cut:
                return None

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

    def follow(self, *, opens: set[int], closes: bool) -> None:
        """Take over what the door has open now, if that may be."""
        now = self.bench.under.booking
        number, law = now.booking if now is not None else None, self.law
        if number == law.open:
            self.carry(set())
            return
        if law.open is not None:
            assert closes, f"booking {law.open} must not close"
            law.ended.add(law.open)
        law.open = None
        if now is not None:
            assert number in opens, f"booking {number} must not open"
            law.open, law.paid = number, (now.paid_to_s, now.paid_to_s)
        mine = [it for it in law.permits if it.stored == "yes" and law.is_open(it) and not law.barred(it)]
        self.carry({it for it in mine if law.genuine(it, self.look())})
        law.drop_superseded()

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

    # --- tokens

    def mint(self, number: int, holder: str, role: int, begin: float, length: float, **more: Any) -> Permit:
        """begin: seconds from now; ten minutes of grace before, up to an hour after."""
        defect, revision = more.pop("defect", ""), more.pop("revision", 0)
        key = more.pop("key", MAIN)
        rights = more.pop("rights", 0xFFF)
        now, early, late = int(self.bench.at()), min(600, int(length) // 4), min(HOUR, int(length) // 4)
        nbf, exp = now + int(begin), now + int(begin + length)
        confirmation = BadgeId(badge_id(BADGES[holder])) if holder in BADGES else HolderKey(PHONES[holder].public)
        cti = next(self.serial).to_bytes(16, "big")
        claims = Claims(
            "other.example" if defect == "operator" else OPERATOR, bytes(8) if defect == "vehicle" else VEHICLE,
            exp, nbf, now, cti, confirmation, Role(role), rights, early, late, number, revision, 0,
        )  # fmt: skip
        signer = STRANGER if defect == "stranger" else key
        token = issue.token(claims, signer)
        if defect == "signature":
            token = token[:-1] + bytes([token[-1] ^ 1])
        ids = frozenset({short(b"token", cti), short(b"booking", number.to_bytes(8, "big")), confirmation.id})
        permit = Permit(
            token, number, role, holder, signer.kid, nbf, exp, nbf + early, exp - late, revision, now, rights & USE,
            ids, not defect,
        )  # fmt: skip
        self.law.permits.append(permit)
        return permit

    def deliver(self, it: Permit) -> None:
        look, verdict = self.look(), self.law.book(it, self.look())
        had = it.stored
        if it.sound:  # what is refused as old or revoked says what time it is, too
            self.vouched = max(self.vouched, it.iat)
        answer, moves, cut = self.attempt(self.bench.door.book(it.token))
        assert not moves
        if cut:
            held = it.token in self.bench.door._bookings._tokens.values()
            assert not held or verdict is Verdict.MUST or had != "no", "a token that must not be stored was"
            if held and verdict is Verdict.MUST:
                paid = self.law.paid
                self.law.stored(it)
                self.law.paid = min(paid[0], self.law.paid[0]), max(paid[1], self.law.paid[1])
            elif had == "no" and not held:
                it.stored = "no"
            self.carry(set())
            return
        accepted = type(answer).__name__ == "Booking"
        assert accepted == (verdict is Verdict.MUST), f"book: {verdict}, and the door said {answer}"
        if accepted:
            self.law.stored(it)
            self.heard(it.iat, look)
            self.carry({it} if self.law.is_open(it) and had != "yes" else set())

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
        self.run(self.replays_agree())
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

    async def replays_agree(self) -> None:
        """What the door decided since the last step comes out again from its record, byte for byte."""
        kept = await self.bench.store.read("decision/")
        for data in set(kept.values()) - self.replayed:
            found = decision_record.read(data)
            assert isinstance(found, decision_record.Record), found
            assert decision_record.decide_again(found) == bytes(found.decision), data
        self.replayed = set(kept.values())

    async def records_agree(self) -> None:
        facts = self.bench.facts
        open_: int | None = None
        for event in await facts("booking"):
            if event["event"] == "opened":
                assert open_ is None, "two open bookings"
                open_ = event["booking"]
            elif event["event"] == "closed":
                assert open_ == event["booking"]
                open_ = None
        assert open_ == self.law.open
        intents = {it["access"] for it in await facts("access", event="intent")}
        outcomes = [it["access"] for it in await facts("access", event="outcome")]
        assert len(set(outcomes)) == len(outcomes)
        pending = await self.bench.store.read("access/pending")
        assert len(intents - set(outcomes)) == len(pending), "an intent without outcome is the one still pending"
        _, rows = await self.bench.store.next_facts(0, 1 << 24, 100_000)
        receipt_rules.agree([json.loads(row.body) for row in rows], CAR_PUBLIC, VEHICLE)

    def teardown(self) -> None:
        if self.bench.task is not None:
            self.run(self.bench.crash())
        self.bench.done()
        self.runner.close()
        self.folder.cleanup()
