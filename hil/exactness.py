"""How exactly a car can be read, from its folder alone: the step of a value, and how old it is when it is told.

What is not here: what the box makes of it, and what an oracle allows (`provision.py`).
"""

from __future__ import annotations

from config.car import PROMPT, CarModel, Phase


def step(car: CarModel, name: str) -> float:
    """The least difference it can tell, in the unit of the vocabulary. Raises `KeyError` where it never tells."""
    entry = car.mapped(name)
    if entry is None:
        raise KeyError(f"{car.model} does not tell {name}")
    told = car.database.get_message_by_name(entry.message).get_signal_by_name(entry.field)
    return abs(float(told.conversion.scale))


def asked(car: CarModel, name: str) -> bool:
    """Whether it tells this only when asked."""
    entry = car.mapped(name)
    return entry is not None and any(poll.message == entry.message for poll in car.polls)


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
