"""The parts of the link to the backend, and what the retained state says. Imported after READY, only with brokers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from config.vocabulary import ODOMETER, PLUGGED, RANGE, SOC, SOC_FINE
from drivers.mqtt.session import Session

from ..car.privacy import Kept, Place, track
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

    uplink = Uplink(
        session, house.store, house.clock, vehicle, Newest(house), house.timekeeper.stamp, cloud.state_every_s,
        question=house.time_question,
    )  # fmt: skip

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


class Newest:
    """The newest state, and what its position must remember: the policy thins it like any other (P4)."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._kept: Kept | None = None

    def __call__(self) -> dict[str, object]:
        house, now, open_ = self._house, self._house.clock.now(), self._house.under.booking
        number, kind = (open_.booking, open_.kind) if open_ is not None else (0, None)
        wall, fix = house.timekeeper.stamp(now)[0], house.car.position(now.ns)
        self._kept = track(self._kept, number, kind, house.policy, wall, now.ns // 1_000_000, fix)
        place = self._kept.place if self._kept is not None else None
        revocation = house.provisioning.revocation()
        return state(house.car, kind, place, house.door.locked(), house.standing_names(), revocation)


def state(
    car: CarState, kind: str | None, place: Place | None, locked: bool | None, alarms: Sequence[str],
    revocation: Mapping[str, object],
) -> dict[str, object]:
    """The car's part of `up/state`. kind: of the booking under way, `None` without one. place: as far as privacy lets
    it be known (`car/privacy.py`): never in a private booking (R27). locked: as believed (R9). revocation: how long
    one may go unheard (`Provisioning.revocation`).
    """

    def last(*names: str) -> object:
        return next((signal.value for name in names if (signal := car.value(name)) is not None), None)

    return {
        "soc": last(SOC, SOC_FINE),
        "range_km": last(RANGE),
        "range_computed": RANGE in car.computed,
        "odometer_km": last(ODOMETER),
        "plugged": last(PLUGGED),
        "locked": None if locked is None else "yes" if locked else "no",
        "booking": kind,
        "position": [place.lat, place.lon] if place is not None else None,
        "alarms": list(alarms),
        "revocation": dict(revocation),
    }
