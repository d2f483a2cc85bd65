"""The parts of the link to the backend, and what the retained state says. Imported after READY, only with brokers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from config.settings import Tracking
from config.vocabulary import ODOMETER, PLUGGED, RANGE, SOC, SOC_FINE
from drivers.mqtt.session import Session

from ..car.privacy import may_keep_position
from ..car.state import CarState
from ..sync import wire
from ..sync.downlink import Downlink
from ..sync.uplink import Uplink
from .supervisor import Stage

if TYPE_CHECKING:
    from .app import House


class Line:
    """The connection as a part, so that its goodbye comes after the last batch and before the records close."""

    name = "session"
    vital = False

    def __init__(self, house: House, session: Session) -> None:
        self._house, self._session = house, session

    async def run(self) -> None:
        self._session.open()
        while True:
            await self._house.clock.sleep(3600)

    async def close(self) -> None:
        await self._session.close()


def compose(house: House) -> Callable[[], object]:
    """Start session, uplink and downlink; returns what `status` shows of them."""
    settings, vehicle = house.settings, house.settings.vehicle.id
    cloud = settings.cloud
    session = Session(
        cloud.brokers, cloud.ca, cloud.certificate, cloud.key, vehicle,
        wire.topic(vehicle, wire.Kind.WILL), wire.will(vehicle), Downlink.topics(vehicle), cloud.keepalive_s, vehicle,
    )  # fmt: skip

    def newest() -> dict[str, object]:
        open_ = house.under.booking
        return state(
            house.car, house.clock.now().ns, open_.kind if open_ is not None else None, settings.tracking,
            house.door.locked(), house.standing_names(),
        )  # fmt: skip

    uplink = Uplink(
        session, house.store, house.clock, vehicle, newest, house.timekeeper.stamp, cloud.state_every_s
    )

    async def book(token: bytes) -> None:
        await house.door.book(token)

    async def trust(data: bytes) -> None:
        await house.provisioning.accept(data)

    downlink = Downlink(
        session, house.clock, vehicle, acknowledge=uplink.acknowledge, book=book, command=house.door.command,
        trust=trust, connection=uplink.connection,
    )  # fmt: skip
    house.answer_with(uplink.result)
    house.supervisor.add(Line(house, session), Stage.CLOUD)
    house.supervisor.add(uplink, Stage.CLOUD)
    house.supervisor.add(downlink, Stage.CLOUD)
    return lambda: {
        "configured": True, "connected": session.connected, "trouble": session.trouble,
        "session": session.counters(), "uplink": uplink.counters(), "downlink": downlink.counters(),
    }  # fmt: skip


def state(
    car: CarState, now_ns: int, kind: str | None, tracking: Tracking, locked: bool | None, alarms: Sequence[str]
) -> dict[str, object]:
    """The car's part of `up/state`. kind: of the booking under way, `None` without one. locked: as believed (R9).

    No position in a private booking (R27), nor where nobody's booking lets one be kept: the gate is `car/privacy.py`.
    """

    def last(*names: str) -> object:
        return next((signal.value for name in names if (signal := car.value(name)) is not None), None)

    fix = car.position(now_ns) if may_keep_position(kind, tracking) else None
    return {
        "soc": last(SOC, SOC_FINE),
        "range_km": last(RANGE),
        "range_computed": RANGE in car.computed,
        "odometer_km": last(ODOMETER),
        "plugged": last(PLUGGED),
        "locked": None if locked is None else "yes" if locked else "no",
        "booking": kind,
        "position": [fix.lat, fix.lon] if fix is not None else None,
        "alarms": list(alarms),
    }
