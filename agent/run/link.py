"""The parts of the link to the backend, and what the retained state says. Imported after READY, only with brokers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from config.vocabulary import ODOMETER, PLUGGED, RANGE, SOC, SOC_FINE
from drivers.mqtt.session import Session

from ..car.privacy import may_keep_position
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
    uplink = Uplink(
        session, house.store, house.clock, vehicle, lambda: state(house), house.timekeeper.stamp, cloud.state_every_s
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


def state(house: House) -> dict[str, object]:
    """The car's part of `up/state`. No position in a private booking (R27): the gate is `car/privacy.py`."""
    car, booking = house.car, house.under.booking
    kind = booking.kind if booking is not None else None

    def number(*names: str) -> object:
        return next((signal.value for name in names if (signal := car.value(name)) is not None), None)

    fix = car.position(house.clock.now().ns) if may_keep_position(kind, house.settings.tracking) else None
    return {
        "soc": number(SOC, SOC_FINE),
        "range_km": number(RANGE),
        "odometer_km": number(ODOMETER),
        "plugged": number(PLUGGED),
        "locked": house.door.locked(),
        "booking": kind,
        "position": [fix.lat, fix.lon] if fix is not None else None,
        "alarms": house.standing_names(),
    }
