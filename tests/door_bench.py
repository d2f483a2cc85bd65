"""A door with everything real behind it that a test can hold: database file, token files, verifier, minted tokens.

Only the lock and the reader are stand-ins here; `test_door_real.py` has them on ptys.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent.access.authority import Authority
from agent.access.bookings import Bookings
from agent.access.decision_log import DecisionLog
from agent.access.decisions import Decisions
from agent.access.door import Door
from agent.access.keypad import Keypad
from agent.access.lockwork import Lockwork
from agent.access.provers import Provers
from agent.access.receipts import NUMBER_FILE, Receipts
from agent.access.remote import Remote
from agent.access.scene import Scene
from agent.car.inputs import Sensed
from agent.car.journey import Journey
from agent.car.state import CarState
from agent.car.under_way import UnderWay
from agent.run.supervisor import Actuation
from agent.sync.forms import problems
from agent.sync.store import Store, StoreBroken
from config.privacy import KindPolicy, Policy, Work
from config.settings import Booking, Keyless, Lock, Settings, Station, Vehicle
from config.vocabulary import (
    CHARGE_STATUS,
    CHARGING,
    DOOR_FRONT_LEFT,
    ENERGY,
    IGNITION,
    LOCKED,
    ODOMETER,
    PLUGGED,
    SOC,
    SPEED,
    Signal,
)
from drivers.credentials import TokenPort
from drivers.ports import BadgeTap, CodeEntered, Feedback, Fix, Instant, LockPort
from keyless import issue
from keyless.claims import Action, BadgeId, Claims, Command, HolderKey, Interval, Role, badge_id
from keyless.trust import IssuerKey, KeySet, read_keyset
from keyless.vehicle_key import VehicleKey
from tests.fakes.clock import ManualClock
from tests.fakes.door import Answers, StandInLock, StandInReader

VEHICLE = bytes.fromhex("0011223344556677")
OPERATOR = "clem.example"
CAR_SECRET = b"\x11" * 32
CODE_KEY = bytes(range(32))
SUN_META, SUN_MASTER = bytes(range(16)), bytes(range(16, 32))
T0 = 1_800_000_000  # when the bench's clock starts, seconds since 1970
HOUR = 3_600
HOME_LAT, HOME_LON = 48.4331, 0.0998
HOME = Station("home", HOME_LAT, HOME_LON)
ALICE, BOB, MALLORY = b"\x01ALIC", b"\x02BOBB", b"\x03MALL"
ALWAYS = Work(days=["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from_="00:00", to="24:00")
TRACKS_STAFF = Policy(staff=KindPolicy(track=True, every_s=1.0, precision_m=1), work=ALWAYS)
NAMES = {
    "ignition": IGNITION, "speed": SPEED, "odometer": ODOMETER, "locked": LOCKED, "plugged": PLUGGED,
    "door": DOOR_FRONT_LEFT, "soc": SOC, "energy": ENERGY, "charging": CHARGING, "status": CHARGE_STATUS,
}  # fmt: skip


Bench = TypeVar("Bench", bound="DoorBench")


class DoorBench:
    """boot() and cut() are the power; tap(), say() and at() are the world."""

    def __init__(
        self, folder: Path, *, key_holder: bool = False, stations: Sequence[Station] = (HOME,), receiver: bool = True
    ) -> None:
        self.folder, self.receiver = folder, receiver
        self.signal, self.version = "BodyStatus", "test"  # what a proof of the lock holds for (D18)
        self.settings = Settings(
            Vehicle(VEHICLE.hex(), "zoe-ph1"), Keyless(OPERATOR, []), state=str(folder), station=list(stations),
            lock=Lock(confirm_s=0.0), booking=Booking(),
        )  # fmt: skip
        self.policy = TRACKS_STAFF
        self.code_key, self.sun_keys = CODE_KEY, (SUN_META, SUN_MASTER)
        self.alarms: list[tuple[str, bool]] = []
        self.clock = ManualClock()
        self.sensed = Sensed(key_returned=not key_holder)
        self.key_holder = key_holder
        self.unsure = False
        self.answers = Answers()
        self.heard: list[int] = []
        self.lock = StandInLock(self)
        self._boots = itertools.count(1)
        self._issuer, self._root = issue.new_key(), issue.new_key()
        self.phone = issue.new_key()
        self._serial = itertools.count(1)
        self.task: asyncio.Task[None] | None = None
        self.lost: set[str] = set()

    # --- power

    async def boot(self, reader: TokenPort | None = None, lock: LockPort | None = None) -> None:
        number = next(self._boots)
        elapsed = self.clock.now().ns if number > 1 else 0
        self._zero_s = T0 if number == 1 else self._zero_s + elapsed / 1e9
        self.clock = ManualClock(boot=f"{number:016x}")
        self.reader = StandInReader()
        self.store = Store(
            self.folder / "boitier.db", self.clock, self.stamp, VEHICLE.hex(), self.settings.buffer,
            version="1.0", car="zoe-ph1",
        )  # fmt: skip
        with contextlib.suppress(StoreBroken):  # and a start goes on without it (D14)
            await self.store.open()
        self.car = CarState(self.clock, self.settings.station, receiver=self.receiver)
        self.under = UnderWay()
        self.authority = self.believed()
        self.guard = Actuation()
        self.receipts = Receipts(OPERATOR, VEHICLE, self.folder / NUMBER_FILE)
        self.receipts.key = VehicleKey(CAR_SECRET)
        self.lockwork = lockwork = Lockwork(
            self.clock, self.store, lock or self.lock, self.car, self.under, self.guard, self.answers,
            receipts=self.receipts,
            vehicle=VEHICLE.hex(), signal=self.signal, version=self.version, confirm_s=self.settings.lock.confirm_s,
        )  # fmt: skip
        self.scene = scene = Scene(
            self.clock, self.car, self.under, self.interval, self.stamp, lockwork.locked, lambda: self.sensed,
            self.policy, key_holder=self.key_holder,
        )  # fmt: skip
        folder = self.folder / "bookings"
        bookings = Bookings(folder, self.store, self.authority, self.under, scene.now, self.heard.append)
        self.bookings = bookings
        kept = DecisionLog(self.store, "test")
        spoken = self.settings.language
        remote = Remote(self.store, self.authority, bookings, scene, lockwork, self.answers, kept, spoken)
        keypad = Keypad(self.clock, bookings, self.code_key, self.alarm)
        provers = Provers(*self.sun_keys)
        self.decisions = decisions = Decisions(
            self.store, scene, bookings, lockwork, keypad, provers, kept, spoken
        )  # fmt: skip
        self.door = Door(
            self.clock, self.store, scene, bookings, lockwork, decisions, remote, keypad, reader or self.reader,
            auto_close_s=600,
        )
        self.journey = Journey(self.clock, self.store, self.car, self.under, self.stamp, self.policy)
        await self.door.load()
        await self.journey.load()
        self.task = asyncio.create_task(self.door.run())

    async def off(self) -> None:
        """However it ends, the database file keeps what was committed; `test_store` and the guest cut real power."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.door.close()
        await self.store.close()

    async def cut(self) -> None:
        await self.off()
        await self.boot()

    # --- time

    def at(self) -> float:
        return self._zero_s + self.clock.now().ns / 1e9

    def interval(self, instant: Instant) -> Interval:
        now = self._zero_s + instant.ns / 1e9
        return Interval(T0, None, "none") if self.unsure else Interval(now, now + 1, "gnss")

    def stamp(self, instant: Instant) -> tuple[list[int] | None, str]:
        found = self.interval(instant)
        return (None, "none") if found.hi_s is None else ([int(found.lo_s * 1e3), int(found.hi_s * 1e3)], "gnss")

    # --- the issuer

    def believed(self) -> Authority:
        return Authority(VEHICLE, OPERATOR, self.keyset())

    def keyset(self) -> KeySet:
        key = IssuerKey(self._issuer.public, 0, T0 * 2, 0b111110)
        found = read_keyset(issue.keyset(1, T0 * 2, [key], [self._root]), [self._root.public], 1)
        assert isinstance(found, KeySet)
        return found

    def claims(self, booking: int, holder: bytes | None, begin: float, end: float, **more: Any) -> Claims:
        """begin, end: paid window in seconds from T0; ten minutes of grace on both sides. holder: badge, else the
        phone.
        """
        confirmation = HolderKey(self.phone.public) if holder is None else BadgeId(badge_id(holder))
        given: dict[str, Any] = {
            "iss": OPERATOR, "aud": VEHICLE, "exp": int(T0 + end) + 600, "nbf": int(T0 + begin) - 600, "iat": T0,
            "cti": next(self._serial).to_bytes(16, "big"), "confirmation": confirmation, "role": Role.DRIVER,
            "actions": 0xFFF, "early_s": 600, "late_s": 600, "booking": booking, "revision": 0, "flags": 0,
        }  # fmt: skip
        return Claims(**{**given, **more})

    def mint(self, booking: int, holder: bytes | None, begin: float, end: float, **more: Any) -> bytes:
        return issue.token(self.claims(booking, holder, begin, end, **more), self._issuer)

    def command(self, token: bytes, action: Action, counter: int, name: bytes | None = None, late: float = 60) -> bytes:
        wish = Command(name or counter.to_bytes(16, "big"), action, counter, int(self.at() + late))
        return issue.remote(token, issue.command(token, wish, self.phone))

    async def book(self, booking: int, holder: bytes | None, begin: float = 0, end: float = HOUR, **more: Any) -> bytes:
        token = self.mint(booking, holder, begin, end, **more)
        await self.door.book(token)
        return token

    # --- the world

    def say(self, **values: float | str) -> None:
        for name, value in values.items():
            if name not in self.lost:
                self.car.update(Signal(NAMES[name], value, self.clock.now().ns))

    def park(self, home: bool = True) -> None:
        """Standing, doors shut, with a fresh position."""
        self.say(ignition="off", speed=0.0, door="no")
        lat = HOME_LAT if home else HOME_LAT + 0.5
        self.car.fix(Fix(self.clock.now(), None, lat, HOME_LON, 3, 0.0, 9, True))

    async def tap(self, uid: bytes) -> Feedback:
        before = len(self.reader.shown)
        self.reader.presented.put_nowait(BadgeTap(uid, self.clock.now()))
        await self.until(lambda: len(self.reader.shown) > before)
        return self.reader.shown[-1]

    async def dies_moving(self, presented: BadgeTap | CodeEntered) -> None:
        """The power goes in the middle of the movement that this asks for."""
        self.lock.mode = "cut"
        self.reader.presented.put_nowait(presented)
        await self.until(lambda: self.task is not None and self.task.done(), door_may_end=True)
        self.lock.mode = "obeys"

    async def type(self, digits: str) -> Feedback:
        before = len(self.reader.shown)
        self.reader.presented.put_nowait(CodeEntered(digits, self.clock.now()))
        await self.until(lambda: len(self.reader.shown) > before)
        return self.reader.shown[-1]

    def alarm(self, name: str, holds: bool) -> None:
        """What changes."""
        if holds != dict(self.alarms).get(name, False):
            self.alarms.append((name, holds))

    async def until(self, condition: Any, *, door_may_end: bool = False) -> None:
        for _ in range(20_000):
            if condition():
                return
            if self.task is not None and self.task.done() and not door_may_end:
                self.task.result()
            await asyncio.sleep(0.0005)
        raise AssertionError("it never happened")

    async def wait(self, seconds: float) -> None:
        """Let the door's own clock strike, tick by tick: its work on the disk is real and takes real time."""
        for _ in range(round(seconds / 2)):
            await self.until(lambda: self.clock.sleepers > 0)
            await self.clock.advance(2)
        await self.until(lambda: self.clock.sleepers > 0)

    async def prove(self) -> None:
        assert (await self.door.prove_lock())["proven"] is True

    # --- what is on disk

    async def facts(self, kind: str | None = None, **match: object) -> list[dict[str, Any]]:
        _, rows = await self.store.next_facts(0, 1 << 24, 100_000)
        found = [json.loads(row.body) for row in rows]
        wrong = [problem for fact in found for problem in problems(fact["kind"], fact["body"])]
        assert not wrong, f"facts are not as the contract says: {wrong}"
        bodies = [fact["body"] for fact in found if kind is None or fact["kind"] == kind]
        return [body for body in bodies if all(body.get(name) == value for name, value in match.items())]


@contextlib.asynccontextmanager
async def at_home(it: Bench) -> AsyncIterator[Bench]:
    """Powered on, with nobody's booking."""
    await it.boot()
    it.park()
    yield it
    await it.off()
    assert all(it.lock.seen_pending), "the intent is on disk before every movement"


@pytest.fixture(name="bench")
async def the_bench(tmp_path: Path) -> AsyncIterator[DoorBench]:
    async with at_home(DoorBench(tmp_path)) as it:
        yield it
