"""What follows once the door can be opened: car decoding, position, the link, the control socket. A list as well (D24).

Imports of what is large stand inside the functions, one part at a time, so that a tap in between is answered at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from config.errors import ConfigError
from config.vocabulary import IGNITION
from drivers.fitted import Input
from drivers.local.control import ControlSocket

from ..car.pauses import Pauses
from ..car.state import Moving
from ..sync.keeping import Keeping
from . import boot, startup
from .control import Answering, Control
from .records import Records
from .shown import signals
from .supervisor import Service, Stage
from .version import VERSION

if TYPE_CHECKING:
    from config.settings import Gnss
    from drivers.ports import GnssPort

    from ..car.garage import Garage
    from ..car.polling import Polling
    from ..car.tending import Tending
    from .app import House

log = logging.getLogger(__name__)

DRIVER_NOISE = ("can", "isotp", "paho", "cantools")  # their own loggers are for their authors


class Rest:
    """Composes once, then only keeps still: as a part it is watched, and what it could not compose raises an alarm.

    at_ready: the modules that were loaded when the door could be opened.
    """

    name = "composition"
    vital = False

    def __init__(self, house: House, at_ready: frozenset[str] = frozenset()) -> None:
        self._house = house
        self._control = Control(
            {"status": self._status, "prove_lock": house.door.prove_lock},
            {"garage": self._turn_garage, "buffer": Records(house).answer},
            at_ready,
        )
        self._done: set[str] = set()
        self._decoded = False
        self._garage: Garage | None = None
        self._tending: Tending | None = None
        self._polling: Polling | None = None
        self.gnss_status: Callable[[], object] = lambda: {"fitted": False}
        self.switches_status: Callable[[], object] = dict
        self.phones_status: Callable[[], object] = lambda: {"fitted": False}
        self.link_status: Callable[[], object] = lambda: {"configured": False, "connected": False}

    async def run(self) -> None:
        house = self._house
        for name in DRIVER_NOISE:
            logging.getLogger(name).setLevel(logging.WARNING)
        steps = (
            self._answer, self._settings, self._switches, self._inputs, self._records, self._phones, self._tend,
            self._decoding, self._position, self._link,
        )  # fmt: skip
        for step in steps:
            if step.__name__ not in self._done:
                await step()
                self._done.add(step.__name__)
            await house.clock.sleep(0)  # a tap goes first
        await asyncio.Event().wait()

    # --- step by step

    async def _answer(self) -> None:
        house = self._house
        house.health.sources.update(self._sources())
        self._add(Answering(ControlSocket(house.settings.socket, self._control.answer)), Stage.CLOUD)

    async def _settings(self) -> None:
        chosen = self._house.chosen
        if chosen.problems:  # a good copy is used, or they are of the kind that a car starts with (D15)
            self._house.alarms.raised("settings_broken", problems=[str(problem) for problem in chosen.problems])
        try:
            startup.keep(chosen)
        except OSError as error:
            log.warning("no good copy of the settings could be kept: %s", error)

    async def _switches(self) -> None:
        from .switches import compose

        switching = compose(self._house)
        if switching is None:
            return
        self.switches_status = switching.status
        immobilised = {"immobilised": lambda: self._house.lockwork.remembered.immobilised}
        self._house.health.conditions.update(switching.conditions() | immobilised)
        self._add(switching, Stage.LOGIC)

    async def _inputs(self) -> None:
        inputs = self._house.inputs
        self._house.health.conditions.update(
            input_unreadable=lambda: inputs.unreadable, box_open=lambda: inputs.active(Input.BOX_LID) is True
        )
        if inputs.fitted:
            self._add(inputs, Stage.SOURCES)

    async def _records(self) -> None:
        house = self._house
        await boot.record(house)
        house.health.conditions.update(
            keyset_missing=lambda: house.provisioning.missing, keyset_expired=lambda: house.provisioning.expired,
            keyset_damaged=lambda: "keyset" in house.provisioning.trouble,
            revocations_damaged=lambda: "revocations" in house.provisioning.trouble,
            revocations_old=lambda: house.provisioning.list_old,
        )  # fmt: skip
        self._add(house.timekeeper, Stage.STORE)
        # A receiver that is wrong must not erase anything (R19).
        past_s = house.timekeeper.settled_lo_s
        self._add(Keeping(house.clock, house.store, house.policy.retention, past_s), Stage.STORE)
        self._add(house.health, Stage.STORE)
        self._add(house.journey, Stage.LOGIC)
        stamp = house.timekeeper.stamp
        self._add(Pauses(house.clock, house.store, house.under, house.policy, stamp), Stage.LOGIC)

    async def _tend(self) -> None:
        """What is known of the car's small battery and of the garage comes before anybody asks the car anything."""
        from ..car.garage import Garage
        from ..car.tending import Tending

        house = self._house
        self._garage = house.remote.garage = Garage(house.clock, house.store, house.timekeeper.interval)
        tending = self._tending = Tending(house.clock, house.store, house.car, house.vehicle, self._garage)
        await tending.load()
        house.health.conditions.update(
            supply_low=lambda: tending.low, bus_off=lambda: house.vehicle.controller == "bus_off"
        )
        self._add(tending, Stage.LOGIC)

    async def _decoding(self) -> None:
        """D15: what does not fit together is an alarm; the lock signal and the relay go on without it."""
        house = self._house
        if house.folder is None or self._tending is None:
            return
        from config.car import load
        from drivers.can.bus import CanBus
        from drivers.can.decode import Decoder
        from drivers.can.diag import Diagnostics

        try:
            model = load(house.folder)
        except ConfigError as error:
            house.alarms.raised("car_folder", problems=[str(problem) for problem in error.problems])
            return
        decoder = Decoder(model)
        house.vehicle.learn(model, decoder)
        self._tending.learn(model)
        if model.polls:
            from ..car.polling import Polling

            diagnostics = Diagnostics(CanBus(house.settings.can.channel, house.clock))
            self._polling = Polling(
                house.clock, house.vehicle, house.car, model, decoder, diagnostics, self._tending.forbidden
            )
            self._add(self._polling, Stage.SOURCES)
        self._decoded = True
        log.info("the car is listened to: %s", house.folder.name)

    async def _position(self) -> None:
        house, gnss = self._house, self._house.settings.gnss
        if not gnss.fitted:
            return
        from ..car.position import Position

        port = self._gnss_port(gnss)
        position = Position(house.clock, port, house.car, house.timekeeper.fix, house.alarms.judged)
        self.gnss_status = lambda: {
            "fitted": True, "gpsd": gnss.gpsd or None, "plugged": port.plugged, "odometer": position.odometer(),
            "counters": port.counters(),
        }  # fmt: skip
        self._add(position, Stage.SOURCES)

    def _gnss_port(self, gnss: Gnss) -> GnssPort:
        clock = self._house.clock
        if gnss.gpsd:
            from drivers.gnss.gpsd import Gpsd

            return Gpsd(gnss.gpsd, clock, random.random)
        from drivers.gnss.receiver import Receiver

        return Receiver(gnss.device, gnss.baud, clock)

    async def _phones(self) -> None:
        if self._house.settings.bluetooth.fitted:
            from .nearby import compose

            self.phones_status = compose(self._house)

    async def _link(self) -> None:
        if self._house.settings.cloud.brokers:
            from .link import compose

            self.link_status = compose(self._house)

    def _add(self, service: Service, stage: Stage) -> None:
        self._house.supervisor.add(service, stage)

    # --- what is told

    async def _status(self) -> dict[str, object]:
        house = self._house
        house.health.look()
        status = house.health.status()
        pending = None if house.store.broken else await house.store.pending()
        status["records"] = {
            "broken": house.store.broken, "trouble": house.store.trouble,
            "facts": pending.facts if pending else None, "samples": pending.samples if pending else None,
            "counters": house.store.counters(),
        }  # fmt: skip
        return status

    def _sources(self) -> dict[str, Callable[[], object]]:
        house, settings = self._house, self._house.settings
        began_ns = house.clock.now().ns
        return {
            "version": lambda: VERSION,
            "vehicle": lambda: settings.vehicle.id,
            "car": lambda: settings.vehicle.car,
            "settings": lambda: str(house.chosen.file),
            "uptime_s": lambda: round((house.clock.now().ns - began_ns) / 1e9, 1),
            "door": house.door.status,
            "lock": lambda: {
                "driver": settings.lock.driver, "trouble": house.lock.trouble, "counters": house.lock.counters(),
            },
            "reader": lambda: {"counters": house.reader.counters()} if house.reader else {"fitted": False},
            "phones": lambda: self.phones_status(),
            "inputs": house.inputs.status,
            "switches": lambda: self.switches_status(),
            "clock": house.timekeeper.status,
            "can": self._can,
            "polling": lambda: self._polling.status() if self._polling is not None else {"asks": False},
            "garage": lambda: self._garage.status() if self._garage is not None else {"on": None},
            "tending": lambda: self._tending.status() if self._tending is not None else {},
            "gnss": lambda: self.gnss_status(),
            "link": lambda: self.link_status(),
            "vehicle_key": house.key_status,
            "trust": lambda: {
                "missing": house.provisioning.missing, "trouble": house.provisioning.trouble,
                "counters": house.provisioning.counters, "revocation": house.provisioning.revocation(),
            },
            "signals": lambda: signals(house.car, house.clock.now().ns),
            "watchdog": house.watchdog.counters,
            "parts": house.supervisor.parts,
            "alarms": self.alarms,
        }

    def alarms(self) -> dict[str, object]:
        """Standing alarms; the store writes its own."""
        broken = {"storage": {"why": self._house.store.trouble}} if self._house.store.broken else {}
        return {**self._house.alarms.standing(), **broken}

    def _can(self) -> dict[str, object]:
        vehicle = self._house.vehicle
        return {
            "channel": self._house.settings.can.channel, "state": str(vehicle.bus), "error": vehicle.bus_trouble,
            "decoded": self._decoded, "phase": str(vehicle.phase), "controller": vehicle.controller,
            "counters": vehicle.counters(),
        }  # fmt: skip

    async def _turn_garage(self, request: Mapping[str, object]) -> dict[str, object]:
        """R17, from the command line: who may open the socket stands at the car. on: true or false; hours: how long."""
        on, hours = request.get("on"), request.get("hours", 12)
        if not isinstance(on, bool) or isinstance(hours, bool) or not isinstance(hours, int | float) or not hours > 0:
            raise ValueError('say {"on": true or false, "hours": more than 0}')
        if self._garage is None:
            raise ValueError("the daemon is still starting; ask again in a second")
        car = self._house.car
        if on and (car.on(IGNITION) is True or car.moving(self._house.clock.now().ns) is Moving.YES):
            raise ValueError("the ignition is on or the car moves: switch it off, then turn the garage switch on")
        return await self._garage.switch(on, "local", float(hours))
