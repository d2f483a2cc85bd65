"""What `status` shows of the car's signals. What a part counts is told by the part itself (`rest.py`)."""

from __future__ import annotations

from ..car.state import CarState


def signals(car: CarState, now_ns: int) -> list[dict[str, object]]:
    """Every signal ever heard, with its age; positions and a VIN are not among them (R27, P6).

    age_s is null for what is only remembered from before a power cut.
    """
    from config.vocabulary import POSITION, UNSHOWN, VOCABULARY

    found: list[dict[str, object]] = []
    for name in VOCABULARY:
        signal = car.value(name)
        if signal is not None and name not in UNSHOWN | POSITION:
            age_s = round((now_ns - signal.at_ns) / 1e9, 1) if signal.at_ns else None
            fresh = car.fresh(name) is not None
            entry = {"name": name, "value": signal.value, "unit": signal.unit, "age_s": age_s, "fresh": fresh}
            found.append({**entry, "computed": name in car.computed})
    return found
