"""A day with every shared car, as its folder describes it: what the backend holds afterwards is what really happened.

Allowed: 0.1 km and 0.1 kWh between what is held and what that car's own instruments showed at both ends of a leg or a
charge: an odometer of whole kilometres must be held to the kilometre. A second between a switch and its record where
the car tells it by itself and quickly; a second and the period of the question, or of a message that comes once a
second or less often, where it does not (`exactness.late_ms`). Charging begins and ends with a word that is not timed:
a second and a half, and the age of that word.

`make test` lives the days of every other car, `make test-cars` those of all.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from config import car as cars
from config import vocabulary as v
from config.car import Phase, Purpose
from hil import exactness, packages
from hil.backend.held import Holding
from hil.backend.journeys import Fine, pluggings
from hil.car_day import WHY, CarDay
from hil.diary import Diary
from hil.sky import FLERS

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
MODELS = [model for model in cars.models() if cars.load(cars.find(model)).purpose is Purpose.SHARED]
LIVED = MODELS if "BOITIER_ALL_CARS" in os.environ else MODELS[::2]
KM_EXACT, KWH_EXACT = 0.1, 0.1
LOOK_MS = Fine().ms  # a second from look to look, and half of one for two machines on a busy host
SAVED_MS = 10_000  # so old may the state be that a killed program finds again (D25)
Days = dict[str, tuple[CarDay, Holding]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def days(request: pytest.FixtureRequest, machine: str) -> AsyncIterator[dict[str, Any]]:
    """Every car's day, or what went wrong in it; two at a time where each machine has a kernel of its own."""
    own_kernel = machine == "guest" or (machine == "auto" and not packages.host_has_can())
    room = asyncio.Semaphore(2 if own_kernel else 1)
    mine = [item for item in request.session.items if item.path == request.path]
    wanted = [model for model in MODELS if any(item.callspec.params["lived"] == model for item in mine)]
    found = await asyncio.gather(*(a_day(machine, model, room) for model in wanted), return_exceptions=True)
    yield dict(zip(wanted, found, strict=True))


async def a_day(machine: str, model: str, room: asyncio.Semaphore) -> tuple[CarDay, Holding]:
    """Each car's charge ends for another reason."""
    async with room:
        day = CarDay(machine, model, list(WHY)[MODELS.index(model) % len(WHY)])
        try:
            await day.live()
            return day, await day.rig.conclude()
        finally:
            await day.rig.bench.stop()


@pytest.fixture(params=LIVED)
def lived(request: pytest.FixtureRequest, days: dict[str, Any]) -> tuple[CarDay, Holding]:
    found: tuple[CarDay, Holding] | BaseException = days[request.param]
    if isinstance(found, BaseException):
        raise found
    return found


class Truth:
    """Compares readings with the car itself, and says how far off each was."""

    def __init__(self, day: CarDay) -> None:
        self.day, self.diary = day, day.world.diary

    def near(self, what: str, told: float, really: float, allowed: float) -> None:
        said = f"{self.day.car.model} {what}: {told:g}, really {really:.3f}, allowed {allowed:.3f}"
        print(said)
        assert abs(told - really) <= allowed + 1e-9, said

    def when(self, what: str, reading: dict[str, Any], really_ms: float, late_ms: float) -> None:
        """The middle of the wall interval."""
        self.near(f"{what} ms late", sum(reading["wall"]) / 2 - really_ms, 0.0, late_ms)


def leg(truth: Truth, what: str, body: dict[str, Any], on: int, off: int, woken_s: float) -> None:
    """By the car's own odometer and its own instrument of energy: what they show at both ends is all that can be known,
    and must have been read after it was switched.
    """
    day, diary = truth.day, truth.diary
    before, after = (exactness.counted(day.car, diary.odometer_km(at)) for at in (on, off))
    assert after - before > 2 * KM_EXACT, "a leg that nobody counted would pass"
    truth.near(f"{what} km", body["km"], after - before, KM_EXACT)
    truth.near(f"{what} odometer at its start", body["start"]["odometer_km"], before, KM_EXACT)
    truth.near(f"{what} odometer at its end", body["end"]["odometer_km"], after, KM_EXACT)
    before, after = (exactness.shown(day.car, v.ENERGY, diary.energy_kwh(at)) for at in (on, off))
    truth.near(f"{what} kWh", body["energy_kwh"], before - after, KWH_EXACT)
    begins_ms = exactness.late_ms(day.car, v.IGNITION, Phase.AWAKE) + 1000 * woken_s
    ends_ms = exactness.late_ms(day.car, v.IGNITION, Phase.DRIVING)
    truth.when(f"{what} start", body["start"], on, begins_ms)
    truth.when(f"{what} end", body["end"], off, ends_ms)
    truth.near(f"{what} ms", body["duration_ms"], off - on, max(begins_ms, ends_ms))


def ignitions(diary: Diary, since_ms: int) -> list[tuple[int, int]]:
    """On and off, from then on."""
    times = [it.at_ms for it in diary.of("ignition") if it.at_ms >= since_ms]
    return list(zip(times[::2], times[1::2], strict=True))


async def test_every_leg_is_what_was_driven(lived: tuple[CarDay, Holding]) -> None:
    day, held = lived
    diary, truth = day.world.diary, Truth(day)
    begun = next(it.at_ms for it in diary.of("drive"))
    times = [pair for pair in ignitions(diary, 0) if pair[1] > begun]
    first, second = (fact.body for fact in held.of("leg", event="closed", booking=day.booking))
    [last] = [fact.body for fact in held.of("unbooked_leg", event="closed") if fact.body["end"]["wall"][0] > begun]
    for what, body, (on, off) in zip(("leg 1", "leg 2", "nobody's"), (first, second, last), times, strict=True):
        slept = what == "nobody's" and day.why == "out"
        leg(truth, what, body, on, off, day.woken_s if slept else 0.0)
    station = FLERS[0]
    assert [(it["start"]["at_station"], it["end"]["at_station"]) for it in (first, second)] == [
        (station, None), (None, station),
    ]  # fmt: skip
    assert last["start"]["at_station"] == station
    assert "booking" not in last


async def test_the_charge_is_what_flowed_and_tells_why_it_ended(lived: tuple[CarDay, Holding]) -> None:
    day, held = lived
    diary, truth = day.world.diary, Truth(day)
    [charge] = [fact.body for fact in held.of("charge", event="closed", booking=day.booking)]
    plugging = pluggings(diary)[-1]
    assert plugging.in_ms is not None
    assert plugging.out_ms is not None
    (first, paused), (again, ended) = plugging.charged
    assert (charge["why"], charge["station"], charge["pauses"]) == (WHY[day.why], FLERS[0], 1)
    kwh = [exactness.shown(day.car, v.ENERGY, diary.energy_kwh(at)) for at in (first, paused, again, ended)]
    truth.near("charge kWh", charge["energy_kwh"], kwh[1] - kwh[0] + kwh[3] - kwh[2], KWH_EXACT)
    plug_ms = exactness.late_ms(day.car, v.PLUGGED, Phase.AWAKE, Phase.CHARGING)
    flag_ms = LOOK_MS + 1000 * day.flag_s
    truth.when("plug in", charge["plug_in"], plugging.in_ms, plug_ms)
    truth.when("unplug", charge["unplug"], plugging.out_ms, plug_ms + (0.0 if day.why == "out" else 1000 * day.woken_s))
    truth.when("charge start", charge["start"], first, flag_ms)
    truth.when("charge end", charge["end"], ended, plug_ms if day.why == "out" else flag_ms)
    truth.near("paused ms", charge["paused_ms"], again - paused, flag_ms)


async def test_r10_asleep_the_car_is_asked_nothing(lived: tuple[CarDay, Holding]) -> None:
    day, _ = lived
    assert day.world.diary.of("sleep")
    assert day.asked_asleep == 0


async def test_no_sample_comes_from_a_field_that_was_not_available(lived: tuple[CarDay, Holding]) -> None:
    """Waking, the car says "not available" in every field of five bits or more."""
    day, held = lived
    absent = {name: found for name in {n for it in held.samples for n in it.values} if (found := nothing(day, name))}
    assert {v.ODOMETER, v.ENERGY} <= absent.keys()
    for sample in held.samples:
        for name, value in sample.values.items():
            entry = day.car.mapped(name)
            assert entry is None or entry.low <= value <= entry.high, (name, value)
            assert not any(abs(value - it) < 1e-6 for it in absent.get(name, ())), (name, value)


def nothing(day: CarDay, name: str) -> list[float]:
    """What a field would say if "not available" were taken for a value."""
    entry = day.car.mapped(name)
    if entry is None:
        return []
    told = day.car.database.get_message_by_name(entry.message).get_signal_by_name(entry.field)
    raws = set(entry.na) | ({(1 << told.length) - 1} if told.length >= 5 and not told.is_signed else set())
    return [float(told.conversion.scale) * raw + float(told.conversion.offset) for raw in raws]


async def test_the_booking_has_two_legs_and_says_how_long_nobody_looked(lived: tuple[CarDay, Holding]) -> None:
    day, held = lived
    [closed] = [fact.body for fact in held.of("booking", event="closed", booking=day.booking)]
    first, second = (fact.body for fact in held.of("leg", event="closed", booking=day.booking))
    killed = next(it.at_ms for it in day.world.diary.of("agent") if it.value == "killed")
    back = next(it.at_ms for it in day.world.diary.of("agent") if it.value == "ready" and it.at_ms > killed)
    assert (closed["how"], closed["legs"], closed["distance"]) == ("ended", 2, "at")
    assert closed["unseen_ms"] == second["unseen_ms"]
    dark_ms = back - killed
    assert dark_ms - LOOK_MS <= second["unseen_ms"] <= dark_ms + SAVED_MS + 2 * LOOK_MS
    assert second["unseen_ms"] < second["duration_ms"]
    assert closed["km"] == pytest.approx(first["km"] + second["km"], abs=KM_EXACT)
