"""The car in sentences, each with the age of what it says: pure, the daemon's status in, sentences out.

What is not here: the words (`words.py`). What may be believed follows R10 as in `agent/car/state.py`: *fresh* still
comes; *held* is the last word of a car that went to sleep with its ignition off; all else is old, and is said to be.
Neither a VIN nor a position is looked at (R27).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from config import vocabulary as v

from .words import Words

DOORS: Final = {
    v.DOOR_FRONT_LEFT: "door_front_left", v.DOOR_FRONT_RIGHT: "door_front_right", v.DOOR_REAR_LEFT: "door_rear_left",
    v.DOOR_REAR_RIGHT: "door_rear_right", v.TRUNK: "boot",
}  # fmt: skip
TOLD: Final = ("planned", "ended", "failure", "waiting", "flap_open")
"""Charge states that say more than "not charging"."""
CONTACTS: Final = {
    "key_holder": ("key_holder_yes", "key_holder_no", "key_holder_unknown"),
    "card_holder": ("card_holder_yes", "card_holder_no", "card_holder_unknown"),
    "door": ("door_yes", "door_no", "door_unknown"),
    "box_lid": ("box_lid_yes", "box_lid_no", "box_lid_unknown"),
}
"""What is said of a contact that is active, that is not, and that cannot be read."""
UNHEARD: Final = {"list": "revoked_list", "token_end": "revoked_token_end", "no_clock": "revoked_no_clock"}
CREEP_KMH: Final = 1.0
JUST_NOW_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A signal as the status has it. age_s: since it last changed; `None` when it was only remembered over a power cut.

    fresh: its message still comes. believed: fresh or held. computed: by the box, because the car does not tell it.
    """

    value: float | str
    age_s: float | None
    fresh: bool
    believed: bool
    computed: bool


@dataclass(frozen=True, slots=True)
class Sentence:
    """note: how old it is, or empty. believed: whether it may be acted on."""

    text: str
    note: str
    believed: bool


class Car:
    """The signals of a status by name, and how far each may be believed."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        told = {entry["name"]: entry for entry in found.get("signals", [])}
        self.lost = found.get("can", {}).get("state") == "lost"
        ignition = told.get(v.IGNITION)
        asleep = not self.lost and ignition is not None and ignition["value"] == "off"
        self._heard = {
            name: Heard(it["value"], it["age_s"], it["fresh"], it["fresh"] or asleep, it.get("computed", False))
            for name, it in told.items()
        }

    def __bool__(self) -> bool:
        return bool(self._heard)

    def heard(self, *names: str) -> Heard | None:
        """The first of the names that the car ever told."""
        return next((self._heard[name] for name in names if name in self._heard), None)

    def number(self, *names: str) -> float | None:
        heard = self.heard(*names)
        return heard.value if heard is not None and not isinstance(heard.value, str) else None

    def state(self, name: str) -> str | None:
        """Only what may be believed: a state that may have changed unheard is none."""
        heard = self.heard(name)
        return str(heard.value) if heard is not None and heard.believed else None

    def fresh_number(self, name: str) -> float | None:
        heard = self.heard(name)
        return self.number(name) if heard is not None and heard.fresh else None


def sentences(found: Mapping[str, Any], words: Words) -> list[Sentence]:
    """In the order in which somebody beside the car asks."""
    car = Car(found)
    if not car:
        return [Sentence(words("nothing"), "", False)]
    said = [Sentence(words("lost"), "", False)] if car.lost else []
    for text, names in _told(car, words):
        said.append(_with_age(car, text, names, words))
    if car.state(v.LOCKED) is not None and found.get("door", {}).get("lock_proven") is False:
        said.insert(1 + car.lost, Sentence(words("unproven"), "", False))  # R9
    return [*said, *_contacts(found.get("inputs", {}), words)]


def _contacts(inputs: Mapping[str, Any], words: Words) -> Iterator[Sentence]:
    """What is fitted beside the car's own words (R30)."""
    for name, (active, rests, unknown) in CONTACTS.items():
        it = inputs.get(name)
        if it is not None and it["active"] is None:
            yield Sentence(words(unknown), "", False)
        elif it is not None:
            note = words("stands", age=words.age(it["age_s"])) if it["age_s"] >= JUST_NOW_S else words("now")
            yield Sentence(words(active if it["active"] else rests), note, True)


def unheard(found: Mapping[str, Any], words: Words) -> Sentence | None:
    """How long a revocation may go unheard in this car; `None` where the daemon does not tell."""
    told = found.get("trust", {}).get("revocation")
    if told is None:
        return None
    delay = "" if told["delay_s"] is None else words.age(told["delay_s"])
    return Sentence(words(UNHEARD[told["by"]], delay=delay), "", told["by"] == "list")


def _told(car: Car, words: Words) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Text, and the signals it rests on."""
    yield _stands(car, words), (v.SPEED if (car.fresh_number(v.SPEED) or 0) >= CREEP_KMH else v.IGNITION, v.LOCKED)
    yield _charge(car, words), (v.SOC if car.heard(v.SOC) else v.SOC_FINE, v.RANGE)
    yield _plug(car, words), (v.PLUGGED, v.CHARGING, v.CHARGE_STATUS)
    yield _doors(car, words), tuple(DOORS)
    if (volts := car.number(v.VOLTAGE_12V)) is not None:
        yield words("supply", volts=words.number(volts, 1)), (v.VOLTAGE_12V,)
    if (km := car.number(v.ODOMETER)) is not None:
        yield words("odometer", km=words.number(km)), (v.ODOMETER,)
    if (degrees := car.number(v.OUTSIDE_TEMPERATURE)) is not None:
        yield words("outside", degrees=words.number(degrees)), (v.OUTSIDE_TEMPERATURE,)


def _stands(car: Car, words: Words) -> str:
    speed, ignition = car.fresh_number(v.SPEED), car.heard(v.IGNITION)
    if speed is not None and speed >= CREEP_KMH:
        how = words("driving", speed=words.number(speed))
    elif ignition is None:
        how = words("ignition_unknown")
    elif not ignition.believed:  # R10: a stale "off" with the bus lost proves nothing, a stale "on" may be a drive
        how = words("maybe_moving" if ignition.value == "on" else "ignition_unknown")
    else:
        how = words("standing" if ignition.value == "on" else "parked")
    locked = car.state(v.LOCKED)
    return words({"yes": "and_locked", "no": "and_unlocked"}.get(locked or "", "lock_unknown"), how=how)


def _charge(car: Car, words: Words) -> str:
    percent, km = car.number(v.SOC, v.SOC_FINE), car.number(v.RANGE)
    if percent is None:
        return words("charge_unknown")
    if km is None:
        return words("charge", percent=words.number(percent))
    computed = (heard := car.heard(v.RANGE)) is not None and heard.computed
    key = "charge_computed" if computed else "charge_range"
    return words(key, percent=words.number(percent), km=words.number(km))


def _plug(car: Car, words: Words) -> str:
    plugged, charging, status = car.state(v.PLUGGED), car.state(v.CHARGING), car.state(v.CHARGE_STATUS)
    if plugged != "yes":
        return words("unplugged" if plugged == "no" else "plugged_unknown")
    if None not in (charging, status) and (charging == "yes") != (status == "charging"):
        return words("contradiction")
    if charging == "yes" or status == "charging":
        left_min = car.fresh_number(v.TIME_TO_FULL)
        return words("charging_full_in", time=words.span(left_min)) if left_min else words("charging")
    if status in TOLD:
        return words(f"status_{status}")
    return words("plugged" if charging is None and status is None else "not_charging")


def _doors(car: Car, words: Words) -> str:
    states = {name: car.state(name) for name in DOORS}
    open_ = [words(DOORS[name]) for name, state in states.items() if state == "yes"]
    if open_:
        return words("doors_open", which=", ".join(open_))
    if all(state is None for state in states.values()):
        return words("doors_unknown")
    return words("doors_shut_known" if None in states.values() else "doors_shut")


def _with_age(car: Car, text: str, names: tuple[str, ...], words: Words) -> Sentence:
    """What still comes stands as long as all of it is unchanged; of what came before a silence the oldest counts."""
    used = [heard for name in names if (heard := car.heard(name)) is not None]
    if not used:
        return Sentence(text, "", False)
    ages = [heard.age_s for heard in used if heard.age_s is not None]
    if len(ages) < len(used):
        return Sentence(text, words("recalled"), False)
    if all(heard.fresh for heard in used):
        age = min(ages)
        return Sentence(text, words("stands", age=words.age(age)) if age >= JUST_NOW_S else words("now"), True)
    believed = all(heard.believed for heard in used)
    return Sentence(text, words("said" if believed else "silent", age=words.age(max(ages))), believed)
