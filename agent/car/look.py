"""One look at the whole car, frozen: all that the records of journeys and charges are made from.

What is not here: what follows from it (`legs.py`, `charging.py`, `course.py`).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from config.vocabulary import (
    BATTERY_CURRENT,
    BATTERY_VOLTAGE,
    CHARGE_STATUS,
    CHARGING,
    IGNITION,
    PLUGGED,
    TRACTION_POWER,
)
from drivers.ports import Instant

from .reading import Reading
from .state import CarState, Moving

PROMPT_NS: Final = 3_500_000_000  # cars are asked for their current every two seconds, and may answer late


class Look(Struct, frozen=True):
    """now: with its place as far as a station's name. ignition: `None` is not known. plugged, flag, status: the car's
    fresh words about cable and charging, else `None`. power_kw: out of the battery, negative into it.

    distance, charge_point: see `stations.py`. recalled, unseen: see `CarState.provisional`, `unseen`. ignition_at,
    plugged_at: since when they say so, ms since boot. settled: see `CarState.settled`.
    """

    now: Reading
    ignition: bool | None = None
    moving: Moving = Moving.NO
    plugged: bool | None = None
    flag: bool | None = None
    status: str | None = None
    power_kw: float | None = None
    distance: str | None = None
    charge_point: str | None = None
    recalled: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    ignition_at: int | None = None
    plugged_at: int | None = None
    settled: tuple[str, ...] = ()

    @property
    def cable_unseen(self) -> bool:
        """Whether the car says nothing of its cable, and not because it sleeps."""
        return self.plugged is None and "plugged" in self.recalled


def look_at(car: CarState, now: Instant, wall: list[int] | None) -> Look:
    where = car.station(now.ns)
    return Look(
        now=car.reading(now, wall),
        ignition=car.on(IGNITION),
        moving=car.moving(now.ns),
        plugged=_flag(car, PLUGGED),
        flag=_flag(car, CHARGING),
        status=_word(car, CHARGE_STATUS),
        power_kw=_power(car, now.ns),
        distance=where.distance,
        charge_point=where.charge_point,
        recalled=car.provisional(),
        unseen=car.unseen(now.ns),
        ignition_at=_since(car, IGNITION),
        plugged_at=_since(car, PLUGGED),
        settled=car.settled(),
    )


def _power(car: CarState, now_ns: int) -> float | None:
    """From the battery's own voltage and current (positive flows into it: seen in 54,366 frames of public recordings),
    else the motor's power, which knows nothing of heating. A current that had to be asked for long ago is the last
    choice.
    """
    volts, amperes, motor = _number(car, BATTERY_VOLTAGE), _number(car, BATTERY_CURRENT), _number(car, TRACTION_POWER)
    if volts is None or amperes is None:
        return motor
    told = car.fresh(BATTERY_CURRENT)
    late = told is not None and now_ns - told.at_ns > PROMPT_NS
    return motor if late and motor is not None else -volts * amperes / 1000


def _since(car: CarState, name: str) -> int | None:
    since_ns = car.since_ns(name)
    return None if since_ns is None else since_ns // 1_000_000


def _number(car: CarState, name: str) -> float | None:
    signal = car.fresh(name)
    return float(signal.value) if signal is not None and not isinstance(signal.value, str) else None


def _word(car: CarState, name: str) -> str | None:
    signal = car.fresh(name)
    return str(signal.value) if signal is not None else None


def _flag(car: CarState, name: str) -> bool | None:
    word = _word(car, name)
    return None if word is None else word == "yes"
