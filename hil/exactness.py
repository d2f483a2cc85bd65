"""How exactly a car can be read, from its folder alone: the step of a value, and how old it is when it is told.

What is not here: what the box makes of it, and what an oracle allows (`provision.py`).
"""

from __future__ import annotations

from math import floor

from config import vocabulary as v
from config.car import PROMPT, CarModel, Phase

from .ecu_bits import FULL


def step(car: CarModel, name: str) -> float:
    """The least difference it can tell, in the unit of the vocabulary. Raises `KeyError` where it never tells."""
    entry = car.mapped(name)
    if entry is None:
        raise KeyError(f"{car.model} does not tell {name}")
    told = car.database.get_message_by_name(entry.message).get_signal_by_name(entry.field)
    return abs(float(told.conversion.scale))


def counted(car: CarModel, really: float) -> float:
    """What this car's own odometer shows when it really has come so far: no step before it is full."""
    each = step(car, v.ODOMETER)
    return floor(really / each + FULL) * each


def shown(car: CarModel, name: str, really: float) -> float:
    """What an instrument shows that rounds to its step."""
    each = step(car, name)
    return round(really / each) * each


def asked(car: CarModel, name: str) -> bool:
    """Whether it tells this only when asked."""
    entry = car.mapped(name)
    return entry is not None and any(poll.message == entry.message for poll in car.polls)


def late_ms(car: CarModel, name: str, *phases: Phase) -> float:
    """How late a change of this word may be told in these phases: a second, and the word's own period where the car is
    asked for it, or sends it no more often than once a second.
    """
    period_s = age_s(car, name, *phases)
    return 1000.0 * (1.0 + (period_s if asked(car, name) or period_s >= 1.0 else 0.0))


def age_s(car: CarModel, name: str, *phases: Phase) -> float:
    """Seconds after which the newest word is replaced at the latest, in the slowest of these phases: the question's
    period, else the message's own and the rate wanted of it. Zero for what the car does not tell.
    """
    entry = car.mapped(name)
    if entry is None:
        return 0.0
    for poll in car.polls:
        if poll.message == entry.message:
            return max((poll.every_s[phase] for phase in phases if phase in poll.every_s), default=0.0)
    message = next(it for it in car.messages if it.name == entry.message)
    wanted = () if name in PROMPT else (message.interval_ms[phase] for phase in phases)
    return max(message.period_ms, *wanted, 0) / 1000
