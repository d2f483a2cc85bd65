"""The composition root: the parts of one car, top to bottom, each with what it needs. A list without logic.

What opens the door is built and started first, then systemd is told READY, then the rest follows (D24). What a part
does is in its own file; which settings are used is `startup.py`; what comes after READY is `rest.py`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from config.errors import ConfigError
from drivers.can.watch import BcmWatch
from drivers.clock import SystemClock
from drivers.fitted import Input
from drivers.local.notify import Notifier
from drivers.reader.badge import Reader

from ..access.authority import Authority
from ..access.bookings import Bookings
from ..access.decision_log import DecisionLog
from ..access.decisions import Decisions
from ..access.door import Door
from ..access.keypad import Keypad
from ..access.lockwork import Lockwork
from ..access.provers import Provers
from ..access.receipts import NUMBER_FILE, Receipts
from ..access.remote import Remote
from ..access.scene import Scene
from ..car.journey import Journey
from ..car.state import CarState
from ..car.under_way import UnderWay
from ..car.vehicle import Vehicle
from ..sync.store import Opened, Store, StoreBroken
from . import erasing, fitting, startup, vehicle_key
from .health import Alarms, Health
from .provisioning import Provisioning
from .startup import Chosen
from .supervisor import Actuation, Stage, Supervisor
from .timekeeper import Timekeeper
from .version import VERSION
from .watchdog import Watchdog

log = logging.getLogger(__name__)

USAGE = "usage: python -m agent [--config FILE] [--verbose]      (see: boitier run --help)"
# The door ticks every two seconds, but waits its turn behind the five commissioning cycles, which may take 40 s.
WITHIN_S = {"store": 30.0, "door": 60.0}
LOOK_EVERY_S = 5.0  # where systemd asks for no watchdog
RESULTS_WAITING = 64
LISTENING_TURNS = 8  # of the loop, until the reader's line is open: opening a line drops what came before
Result = Callable[[str, str, str, "int | None"], None]


class House:
    """Everything that stands between power-on and an open door.

    stop: set by whoever wants an orderly end. erasing: everything of people goes as the last act (P8); lose_unsent:
    also what waits for the backend.
    """

    stop: asyncio.Event
    erasing = False
    lose_unsent = False

    def __init__(self, chosen: Chosen) -> None:
        settings = chosen.settings
        self.chosen, self.settings, self.state = chosen, settings, Path(settings.state)
        self.clock = clock = SystemClock()
        self.notifier, self.alarms = Notifier(), Alarms()
        self.policy = fitting.policy(settings, self.alarms)
        self.busy = Actuation()
        self.supervisor = Supervisor(clock, self.busy, _jitter, self._part_off)

        # time and records
        self.timekeeper = Timekeeper(clock, self.state / "floor.json")
        stamp = self.timekeeper.stamp
        self.store = Store(
            self.state / "records.db", clock, stamp, settings.vehicle.id, settings.buffer,
            version=VERSION, car=settings.vehicle.car,
        )  # fmt: skip
        self.health = Health(clock, self.store, self.alarms)

        # the car: its lock signal now, the rest of its folder after READY
        self.folder, lock, self.told_lock = fitting.car(settings, self.alarms)
        self.car = CarState(clock, settings.station, receiver=settings.gnss.fitted)
        self.vehicle = Vehicle(clock, BcmWatch(settings.can.channel, clock), self.car, lock)
        self.under = UnderWay()
        self.journey = Journey(clock, self.store, self.car, self.under, stamp, self.policy)

        self._who_may_open()
        timeout_s = self.notifier.watchdog_timeout_s
        period_s = LOOK_EVERY_S if timeout_s is None else timeout_s / 3
        self.opened: Opened | None = None
        self.watchdog = Watchdog(clock, (self.store, self.door), WITHIN_S, self.notifier, period_s)

    def _who_may_open(self) -> None:
        """Keys, bookings, the lock and the one door before it."""
        clock, settings, told_lock, stamp = self.clock, self.settings, self.told_lock, self.timekeeper.stamp
        self.authority = Authority(bytes.fromhex(settings.vehicle.id), settings.keyless.operator)
        heard, interval = self.timekeeper.heard, self.timekeeper.interval
        self.provisioning = Provisioning(settings, self.authority, self.store, interval, heard)
        self.bookings = Bookings(self.state / "bookings", self.store, self.authority, self.under, interval, heard)
        self._results: deque[tuple[str, str, str, int | None]] = deque(maxlen=RESULTS_WAITING)
        self._answer: Result | None = None
        self.lock = fitting.lock(settings, clock, self.folder, self.alarms)
        self.closing: list[Callable[[], None]] = []  # of what is composed after READY
        self.inputs = fitting.inputs(settings, clock)
        self.loaded_key = vehicle_key.Loaded(None, "not loaded yet")
        self.receipts = Receipts(settings.keyless.operator, self.authority.vehicle, self.state / NUMBER_FILE)
        self.lockwork = lockwork = Lockwork(
            clock, self.store, self.lock, self.car, self.under, self.busy, self.result, receipts=self.receipts,
            vehicle=settings.vehicle.id, signal=told_lock, version=VERSION, confirm_s=settings.lock.confirm_s,
        )  # fmt: skip
        self.scene = scene = Scene(
            clock, self.car, self.under, interval, stamp, lockwork.locked, self.inputs.sensed, self.policy,
            key_holder=self.inputs.has(Input.KEY_HOLDER),
        )  # fmt: skip
        kept = DecisionLog(self.store, VERSION)
        language = settings.language
        self.remote = Remote(self.store, self.authority, self.bookings, scene, lockwork, self.result, kept, language)
        self.reader = Reader(settings.reader.device, settings.reader.baud, clock) if settings.reader.device else None
        keypad = Keypad(clock, self.bookings, bytes.fromhex(settings.keyless.code_key), self.alarms.judged)
        provers = Provers(*map(bytes.fromhex, settings.reader.sun_keys))
        self.decisions = decisions = Decisions(
            self.store, scene, self.bookings, lockwork, keypad, provers, kept, language
        )
        self.door = Door(
            clock, self.store, scene, self.bookings, lockwork, decisions, self.remote, keypad, self.reader,
            auto_close_s=settings.booking.auto_close_min * 60,
        )  # fmt: skip
        self.provisioning.changed = self.door.trust_changed
        self.provisioning.timed = lambda data: self.timekeeper.answered(data, self.authority)

    async def open_door(self) -> None:
        """Up to READY: records, keys, bookings, then the parts that a tap needs."""
        self.timekeeper.load()
        (self.state / "bookings").mkdir(parents=True, exist_ok=True)
        try:
            erasing.finish(self.state)
            self.opened = await self.store.open()
        except StoreBroken as error:
            log.error("starting without the database: %s", error)
        self.provisioning.load()
        self.loaded_key = vehicle_key.load(self.state, self.settings.vehicle.id)
        self.receipts.key = self.loaded_key.key
        self.door.past_s = self.timekeeper.settled_lo_s  # a receiver alone erases nothing (R19)
        await self.door.load()
        await self.journey.load()
        self.supervisor.add(self.store, Stage.STORE)
        self.supervisor.add(self.door, Stage.LOGIC)
        self.supervisor.add(self.vehicle, Stage.SOURCES)
        for _ in range(LISTENING_TURNS):
            await self.clock.sleep(0)
        self.notifier.ready(f"the car can be opened; settings: {self.chosen.file}")
        self.supervisor.add(self.watchdog, Stage.SOURCES)

    def result(self, identity: str, code: str, why: str, fact: int | None) -> None:
        """The answer to a remote command; waits here until the link is composed."""
        if self._answer is None:
            self._results.append((identity, code, why, fact))
        else:
            self._answer(identity, code, why, fact)

    def answer_with(self, answer: Result) -> None:
        """The link is there: what waited goes first."""
        self._answer = answer
        while self._results:
            answer(*self._results.popleft())

    def standing_names(self) -> list[str]:
        """Alarms that stand; the store writes its own down, and is asked for it here."""
        return sorted({*self.alarms.standing(), *(("storage",) if self.store.broken else ())})

    def time_question(self, by_phone: bool = False) -> bytes | None:
        """While this box wants to be told the time; whoever carries it to the backend brings the answer back."""
        keyset = self.authority.keyset
        asks = keyset is not None and self.timekeeper.wants_time
        return self.timekeeper.question(keyset.version, by_phone=by_phone) if asks and keyset is not None else None

    def key_status(self) -> dict[str, object]:
        """The public half of the vehicle key, for the operator to note."""
        key, counts = self.loaded_key.key, self.receipts.counters
        public, kid = (None, None) if key is None else (key.public.hex(), key.kid.hex())
        return {"public": public, "kid": kid, "trouble": self.loaded_key.trouble, "receipts": counts}

    def _part_off(self, name: str, why: str) -> None:
        self.alarms.raised(name, why=why)


def _jitter() -> float:
    import random  # a part has failed; nothing of it is on the way to an open door (D24)

    return random.random()


async def _load_again(house: House) -> None:
    """What the start could not read of the database, a new start reads (D14): two doors' memories are not mixed."""
    await house.store.stale.wait()
    await house.busy.idle()
    log.warning("the database is whole and knows more than this start could read: ending, to load it from the start")
    house.stop.set()


async def run(chosen: Chosen) -> int:
    """Until SIGTERM or SIGINT (0), or until a vital part failed (1)."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    house = House(chosen)
    house.stop = stop
    await house.open_door()
    gc.freeze()  # what is loaded now stays for good
    gc.enable()
    at_ready = frozenset(sys.modules)
    from .rest import Rest  # only now: what it imports is not on the way to an open door (D24)

    house.supervisor.add(Rest(house, at_ready), Stage.LOGIC)
    again = asyncio.create_task(_load_again(house), name="end to load again")
    failed = await house.supervisor.watch(stop)
    again.cancel()
    house.notifier.stopping(failed or "asked to stop")
    await house.supervisor.stop()
    for close in (house.lock.close, *house.closing):
        close()
    if house.reader is not None:
        house.reader.close()
    house.notifier.close()
    if house.erasing:
        erasing.all_of_it(house.settings, house.clock, house.lose_unsent)
    if failed is not None:
        log.critical("ended because a vital part failed: %s", failed)
    return 0 if failed is None else 1


def main(arguments: list[str]) -> int:
    """arguments: without the program's name. Exit codes: 0 stopped, 1 vital failure, 2 nothing to start with."""
    os.umask(0o077)  # records, keys and bookings are nobody else's to read
    level, config = logging.INFO, startup.DEFAULT_CONFIG
    rest = list(arguments)
    while rest:
        match rest.pop(0):
            case "--config" if rest:
                config = Path(rest.pop(0))
            case "--verbose":
                level = logging.DEBUG
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")  # the journal knows the time
    try:
        chosen = startup.choose(config)
    except ConfigError as error:
        print("boitier cannot start: the settings are broken and there is no good copy.", file=sys.stderr)
        print(error, file=sys.stderr)
        return 2
    return asyncio.run(run(chosen))
