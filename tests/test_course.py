"""A simulated day through the pure step: the same records byte for byte, also when the process is killed anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from agent.car.course import changes, from_vault, step, to_vault, worth_a_commit
from agent.car.legs import Leg, Told
from agent.car.look import Look
from agent.car.reading import Reading
from agent.car.state import Moving
from agent.car.under_way import BOOKING_KEY, LEG_KEY, Course, OpenBooking
from agent.sync.forms import problems
from tests.test_legs import reading

WALL0 = 1_800_000_000_000 - 9 * 3_600_000
GROUP_S = 10  # a group commit writes what rides along at least so often while samples come


@dataclass
class Car:
    """A car that moves through the day second by second; `looks` is what the box sees, once a second."""

    looks: list[Look] = field(default_factory=list)
    at_s: int = 0
    km: float = 4_000.0
    kwh: float = 18.0
    soc: float = 80.0

    def run(
        self, seconds: int, kmh: float = 0.0, kw: float = 0.0, station: str | None = None, deaf: bool = False,
        **said: Any,
    ) -> None:  # fmt: skip
        """deaf: the car just woke, and its numbers are not heard yet."""
        for _ in range(seconds):
            ms = 1_000 * self.at_s
            now = reading(
                ms, round(self.km, 2), energy_kwh=round(self.kwh, 1), soc_percent=round(self.soc), at_station=station,
                plugged="yes" if said.get("plugged") else "no", wall=[WALL0 + ms - 200, WALL0 + ms + 200],
            )  # fmt: skip
            if deaf:
                now = without_numbers(now)
            base = {"ignition": False, "moving": Moving.YES if kmh else Moving.NO, "plugged": False, "power_kw": kw}
            self.looks.append(Look(now, charge_point="FR*1", distance="at" if station else "<2 km", **{**base, **said}))
            self.at_s += 1
            self.km += kmh / 3600
            self.kwh -= kw / 3600


def without_numbers(now: Reading) -> Reading:
    return {**now, "odometer_km": None, "energy_kwh": None, "soc_percent": None}


CHARGING, WAITING, ENDED = ({"flag": it == "charging", "status": it} for it in ("charging", "waiting", "ended"))
ON: dict[str, Any] = {"ignition": True}


def a_day() -> list[Look]:
    """Parked, driven with a stop, paused, driven home, charged with a pause, moved without a booking over midnight."""
    car = Car()
    car.run(5, station="Mairie")
    car.run(4, station="Mairie", deaf=True, **ON)
    car.run(3, 60, 12.0, deaf=True, **ON)
    car.run(37, 60, 12.0, **ON)
    car.run(12, 30, -8.0, **ON)
    car.run(80, 0, 0.4, **ON)
    car.run(40, 60, 14.0, **ON)
    car.run(20)  # ignition off: the pause
    car.run(45, 60, 12.0, **ON)
    car.run(3, 0, 0.0, "Mairie", **ON)
    car.run(6, station="Mairie")
    plug: dict[str, Any] = {"station": "Mairie", "plugged": True}
    car.run(8, **plug)
    car.run(60, kw=-7.2, **plug, **CHARGING)
    car.run(30, **plug, **WAITING)
    car.run(60, kw=-7.2, **plug, **CHARGING)
    car.run(15, **plug, **ENDED)
    car.run(10, station="Mairie")
    car.run(30, 20, 5.0, **ON)  # nobody's booking
    car.run(15)
    return car.looks


DAY = a_day()
OPENS, CLOSES = 3, 258  # looks before which the door opens and closes the booking
BOOKING = OpenBooking(7, "aa" * 16, None, "staff", 0, 9_999, DAY[OPENS].now)


@dataclass
class Box:
    """What the journey's service does around the step; the vault is what a kill leaves. every: seconds between two
    group commits, 1 saves everything at every look.
    """

    every: int = GROUP_S
    course: Course = field(default_factory=Course)
    vault: dict[str, bytes] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def look(self, number: int, look: Look) -> None:
        if number in (OPENS, CLOSES):
            self.door(BOOKING if number == OPENS else None)
        before = self.course
        self.course, told = step(before, look)
        self.told += told
        if told or worth_a_commit(before, self.course) or number % self.every == 0:
            put, drop = changes(before, self.course)
            self.vault = {key: value for key, value in self.vault.items() if key not in drop} | put

    def door(self, booking: OpenBooking | None) -> None:
        self.course = replace(self.course, booking=booking)
        self.vault.pop(BOOKING_KEY, None)
        if booking is not None:
            self.vault[BOOKING_KEY] = booking.to_bytes()

    def kill(self) -> None:
        booking = OpenBooking.from_bytes(self.vault[BOOKING_KEY]) if BOOKING_KEY in self.vault else None
        leg = Leg.from_bytes(self.vault[LEG_KEY]) if LEG_KEY in self.vault else None
        self.course = from_vault(self.vault, booking, leg)

    def live(self, looks: Sequence[Look], begin: int = 0) -> bytes:
        """What it told, as bytes."""
        for number in range(begin, len(looks)):
            self.look(number, looks[number])
        return json.dumps(self.told, sort_keys=True).encode()

    def rejoin(self, looks: Sequence[Look], begin: int, whole: Sequence[tuple[Course, int]], told: list[Told]) -> None:
        """Live on; from where it is as if it had never been killed, the step being pure, all else is as it was then."""
        for number in range(begin, len(looks)):
            self.look(number, looks[number])
            if self.course == whole[number][0]:
                self.told += told[whole[number][1] :]
                return

    def copy(self) -> Box:
        return Box(self.every, self.course, self.vault, list(self.told))


def killed(looks: Sequence[Look], dark: int) -> Iterator[tuple[int, Box]]:
    """The whole day, killed once, before each look in turn, and blind for so many of them."""
    until, never, whole = Box(), Box(), []
    for number, look in enumerate(looks):
        never.look(number, look)
        whole.append((never.course, len(never.told)))
    for at, look in enumerate(looks):
        box = until.copy()
        box.kill()
        for number in (OPENS, CLOSES):  # the door goes on while the journey sees nothing
            if at <= number < at + dark:
                box.door(BOOKING if number == OPENS else None)
        box.rejoin(looks, at + dark, whole, never.told)
        yield at, box
        until.look(at, look)


def test_the_day_gives_these_records() -> None:
    box = Box()
    box.live(DAY)
    assert [problem for fact in box.told for problem in problems(*fact)] == []
    assert [(kind, body["event"]) for kind, body in box.told] == [
        ("leg", "opened"), ("leg", "closed"), ("leg", "opened"), ("leg", "closed"), ("plug", "plugged"),
        ("charge", "started"), ("plug", "unplugged"), ("charge", "closed"), ("unbooked_leg", "opened"),
        ("unbooked_leg", "closed"),
    ]  # fmt: skip
    legs = [body for kind, body in box.told if kind == "leg" and body["event"] == "closed"]
    assert [(it["leg"], it["km"], it["stops"], it["unseen_ms"]) for it in legs] == [(1, 1.38, 1, 0), (2, 0.75, 0, 0)]
    [charge] = [body for kind, body in box.told if kind == "charge" and body["event"] == "closed"]
    assert (charge["why"], charge["pauses"], charge["paused_ms"], charge["station"]) == ("full", 1, 30_000, "Mairie")
    assert charge["energy_kwh"] == pytest.approx(0.24, abs=0.11)
    assert charge["booking"] == 7
    plugs = [charge["plug_in"], charge["unplug"]]
    assert plugs == [body["reading"] for kind, body in box.told if kind == "plug"]
    assert plugs == [look.now for last, look in pairwise(DAY) if look.plugged is not last.plugged]
    switched = [look.now["at"] for last, look in pairwise(DAY) if look.ignition is not last.ignition]
    told = [body.get("end", body["start"]) for kind, body in box.told if kind.endswith("leg")]
    assert [it["at"] for it in told] == switched  # type: ignore[index]
    [alone] = [body for kind, body in box.told if kind == "unbooked_leg" and body["event"] == "closed"]
    assert (alone["leg"], alone["km"]) == (1, 0.17)


def test_the_booking_adds_up_what_its_legs_tell() -> None:
    box, tallies = Box(), []
    for at, look in enumerate(DAY):
        box.look(at, look)
        if box.course.booking is not None:
            tallies.append((box.course.booking.legs, box.course.booking.tally))
    legs, tally = tallies[-1]
    told = [body for kind, body in box.told if kind == "leg" and body["event"] == "closed"]
    assert (legs, tally.stops) == (2, 1)
    for name, ws in (("energy_used_kwh", tally.used_ws), ("energy_recovered_kwh", tally.recovered_ws)):
        assert ws is not None
        assert ws / 3.6e6 == pytest.approx(sum(it[name] for it in told), abs=0.01)  # type: ignore[misc]


def test_the_same_day_gives_the_same_bytes() -> None:
    assert Box().live(DAY) == Box().live(a_day())


def test_killed_at_every_step_with_the_state_saved_at_every_step_the_records_are_the_same_byte_for_byte() -> None:
    whole, box = Box().live(DAY), Box(every=1)
    for number, look in enumerate(DAY):
        before = box.course
        box.kill()
        assert box.course == before, f"killed before look {number}: whatever follows is the same"
        box.look(number, look)
    assert json.dumps(box.told, sort_keys=True).encode() == whole


def _flat(told: Sequence[Told]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(kind, str(body["event"]), {**body}) for kind, body in told]


FLOWS = ("energy_used_kwh", "energy_recovered_kwh", "unseen_ms")


@pytest.mark.parametrize("dark", [0, 4])
def test_killed_at_every_step_with_the_real_rhythm_only_integrals_differ_and_unseen_says_so(dark: int) -> None:
    """Within the seconds since the last group commit and those in the dark; nothing is doubled and nothing missing."""
    whole, edges = Box(), _edges()
    whole.live(DAY)
    for at, box in killed(DAY[: len(DAY) - dark], dark):
        if any(edge - at in range(-1, dark + 1) for edge in edges):
            continue  # seen late: `test_what_happens_in_the_dark_is_seen_late_and_never_twice`
        for (kind, event, one), (kind_b, event_b, two) in zip(_flat(whole.told), _flat(box.told), strict=True):
            assert (kind, event) == (kind_b, event_b), at
            assert {**one, **dict.fromkeys(FLOWS)} == {**two, **dict.fromkeys(FLOWS)}, (at, kind, event)
            if event == "closed":
                _integrals(one, two, dark, at)


def _integrals(whole: dict[str, Any], cut: dict[str, Any], dark: int, at: int) -> None:
    unseen_ms = cut["unseen_ms"]
    assert unseen_ms <= 1_000 * (GROUP_S + dark + 1), at
    for name in FLOWS[:2]:
        if whole.get(name) is None:
            continue
        if cut[name] is None:
            assert unseen_ms * 10 > whole["duration_ms"], (at, name)
        else:
            # At most the whole power of this car for the time that nobody saw; 2.5 s are bridged and not called unseen.
            assert abs(whole[name] - cut[name]) <= 14.0 * (unseen_ms or 2_500) / 3.6e6 + 0.011, (at, name)
            assert unseen_ms or abs(whole[name] - cut[name]) <= 0.011, (at, name)


def _edges() -> set[int]:
    """Looks at which the car changes: ignition, cable, charging, movement, and its first words."""

    def shape(look: Look) -> tuple[object, ...]:
        return look.ignition, look.plugged, look.flag, look.status, look.moving, look.now["odometer_km"] is None

    changed = {number for number in range(1, len(DAY)) if shape(DAY[number]) != shape(DAY[number - 1])}
    return changed | {OPENS, CLOSES}


def test_what_happens_in_the_dark_is_seen_late_and_never_twice() -> None:
    """Wherever a kill of a minute falls: each record is there once, and what it counts adds up."""
    whole = Box()
    whole.live(DAY)
    for at, box in killed(DAY, 60):
        for kind in ("leg", "unbooked_leg", "charge"):
            events = [body["event"] for other, body in box.told if other == kind]
            pair = ["started" if kind == "charge" else "opened", "closed"]
            late = at > len(DAY) - 70  # the day ends while it is dark: what was begun is still open
            assert events[: len(events) // 2 * 2] == pair * (len(events) // 2), (at, kind, events)
            assert late or len(events) % 2 == 0, (at, kind, events)
        assert _km(box) <= _km(whole) + 0.01, at


def _km(box: Box) -> float:
    closed = [body for kind, body in box.told if kind.endswith("leg") and body["event"] == "closed"]
    return sum(float(body["km"] or 0) for body in closed)  # type: ignore[arg-type]


def test_a_power_cut_leaves_the_kilometres_and_measures_the_dark_once_the_time_is_known() -> None:
    at, dark = 60, 20
    cut = DAY[:at]
    for number, look in enumerate(DAY[at:], at):
        wall = look.now["wall"] if number > 85 else None
        cut.append(replace(look, now={**look.now, "boot": "bb" * 8, "at": look.now["at"] - 70_000, "wall": wall}))
    box = next(box for number, box in killed(cut, dark) if number == at)
    [leg, *_] = [body for kind, body in box.told if kind == "leg" and body["event"] == "closed"]
    assert leg["km"] == 1.38
    assert leg["stops"] in (0, 1)
    unseen = leg["unseen_ms"]
    assert isinstance(unseen, int)
    assert 1_000 * dark <= unseen <= 1_000 * (dark + GROUP_S + 1)
    assert leg["energy_used_kwh"] is None, "a fifth of the drive went by unseen"


def test_nothing_is_written_for_a_car_that_stands() -> None:
    again, told = step(course := step(Course(), DAY[0])[0], DAY[1])
    assert (told, worth_a_commit(course, again)) == ((), False)
    assert to_vault(again).keys() == {"journey/last"}
