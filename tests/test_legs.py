"""Legs from ignition to ignition: by the car's own odometer and energy, across power cuts, in a booking or not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from agent.car.flow import Flow, areas, kwh
from agent.car.legs import BOUNCE_MS, STOP_MS, Leg, Step, Stops, Tally, step
from agent.car.look import Look
from agent.car.reading import Reading, carried, completed, driven_km, duration_ms, spent_kwh
from agent.car.state import Moving
from agent.car.watched import BRIDGED_MS, Watched
from agent.sync import stored
from agent.sync.forms import problems


def reading(at: int = 0, km: float | None = 100.0, boot: str = "aa" * 8, **changes: Any) -> Reading:
    found = Reading(
        odometer_km=km, soc_percent=80.0, energy_kwh=20.0, range_km=120.0, plugged="no", at_station=None,
        boot=boot, at=at, wall=None,
    )  # fmt: skip
    return Reading(**{**found, **changes})  # type: ignore[typeddict-item]


def leg(number: int = 1, booking: int | None = 7, start: Reading | None = None, last: Reading | None = None) -> Leg:
    start = start or reading()
    return Leg(number, booking, start, last or start, Watched.since(last or start))


def look(at: int = 0, km: float | None = 100.0, ignition: bool | None = True, **changes: Any) -> Look:
    ours = {name: changes.pop(name) for name in list(changes) if name in Look.__slots__}
    return Look(reading(at, km, **changes), ignition, **ours)


def drive(looks: list[Look], booking: int | None = 7, kind: str | None = "staff") -> tuple[Leg | None, list[Any]]:
    """The facts of a run of looks, and of a last one when what was true at their end is sure."""
    now, told = None, list[Any]()
    after = {**looks[-1].now, "at": looks[-1].now["at"] + BOUNCE_MS, "at_station": "elsewhere"}
    for each in (*looks, replace(looks[-1], now=after, ignition=False, distance="beyond")):
        done = step(now, each, booking, kind, 1)
        now, told = done.leg, [*told, *done.told]
    assert [problem for fact in told for problem in problems(*fact)] == []
    return now, told


def test_a_leg_runs_from_ignition_on_to_ignition_off() -> None:
    _, told = drive([look(1_000, 100.0), look(2_000, 100.5), look(3_000, 101.25, False, distance="<2 km")])
    assert told == [
        ("leg", {"event": "opened", "booking": 7, "leg": 1, "start": reading(1_000, 100.0)}),
        ("leg", {
            "event": "closed", "booking": 7, "leg": 1, "start": reading(1_000, 100.0), "end": reading(3_000, 101.25),
            "km": 1.25, "energy_kwh": 0.0, "duration_ms": 2_000, "distance": "<2 km", "energy_used_kwh": None,
            "energy_recovered_kwh": None, "stops": 0, "unseen_ms": 0,
        }),
    ]  # fmt: skip


def test_a_leg_with_no_booking_is_a_record_of_its_own_kind() -> None:
    _, told = drive([look(1_000), look(5_000, ignition=False)], None, None)
    assert [(kind, body["event"], "booking" in body) for kind, body in told] == [
        ("unbooked_leg", "opened", False), ("unbooked_leg", "closed", False),
    ]  # fmt: skip


def test_r10_an_unknown_ignition_neither_opens_nor_closes() -> None:
    assert step(None, look(ignition=None), 7, "staff", 1) == Step(None)
    after = step(leg(), look(1_000, ignition=None), 7, "staff", 2)
    assert (after.told, after.leg is not None) == ((), True)


def test_r27_a_private_leg_names_no_station_and_no_distance() -> None:
    there = {"at_station": "home", "distance": "at"}
    for kind, said in (("private", None), ("a kind from the future", None), ("staff", "home"), (None, "home")):
        _, told = drive([look(0, **there), look(9_000, ignition=False, **there)], 7, kind)
        start, end = told[0][1]["start"], told[1][1]["end"]
        assert (start["at_station"], end["at_station"], told[1][1]["distance"] and "home") == (said, said, said)


def test_a_leg_does_not_outlive_its_booking_and_r27_keeps_nothing_of_the_next_ones_place() -> None:
    done = step(leg(booking=None), look(5_000, at_station="home", distance="at"), 7, "staff", 1)
    assert [(kind, body["event"]) for kind, body in done.told] == [("unbooked_leg", "closed")]
    closed = done.told[0][1]
    assert (closed["end"]["at_station"], closed["distance"]) == (None, None)  # type: ignore[index]
    assert done.leg is not None
    assert done.leg.booking == 7


def test_a_start_that_the_waking_car_did_not_say_is_completed_by_its_first_words() -> None:
    recalled = {"recalled": ("energy_kwh",)}
    looks = [look(0, None, energy_kwh=30.0, **recalled), look(1_000, 100.0, energy_kwh=30.0, **recalled)]
    _, told = drive([*looks, look(2_000, 100.1), look(3_000, 101.0, False, energy_kwh=19.5)])
    closed = told[1][1]
    assert (closed["km"], closed["start"]["energy_kwh"], closed["energy_kwh"]) == (1.0, 20.0, 0.5)


def test_a_car_without_odometer_has_legs_without_kilometres() -> None:
    _, told = drive([look(0, None), look(1_000, None, moving=Moving.YES), look(4_000, None, False)])
    assert (told[1][1]["km"], told[1][1]["duration_ms"]) == (None, 4_000)


# --- energy ----------------------------------------------------------------------------------------------------------


def test_energy_used_and_recovered_are_integrated_once_a_second() -> None:
    power = [0.0, 36.0, 36.0, -18.0, -18.0, 0.0]
    looks = [look(1_000 * i, power_kw=kw) for i, kw in enumerate(power)]
    _, told = drive([*looks, look(6_000, ignition=False, power_kw=0.0)])
    # trapezoids in kWs: used 18 + 36 + 12, recovered 3 + 18 + 9
    assert (told[1][1]["energy_used_kwh"], told[1][1]["energy_recovered_kwh"]) == (
        round(66 / 3600, 2),
        round(30 / 3600, 2),
    )


def test_net_energy_is_the_energy_signals_and_never_the_dashboards_percent() -> None:
    _, told = drive([look(0, soc_percent=80.0), look(9_000, ignition=False, energy_kwh=19.3, soc_percent=80.0)])
    assert told[1][1]["energy_kwh"] == 0.7
    _, told = drive(
        [look(0, energy_kwh=None, soc_percent=80.0), look(9_000, ignition=False, energy_kwh=None, soc_percent=70.0)]
    )
    assert told[1][1]["energy_kwh"] is None


@pytest.mark.parametrize(("unknown", "told"), [(0, True), (2, True), (4, False)])
def test_energy_used_is_null_when_power_was_unknown_for_more_than_a_tenth_of_the_time(unknown: int, told: bool) -> None:
    looks = [look(1_000 * i, power_kw=None if 5 <= i < 5 + unknown else 10.0) for i in range(31)]
    _, facts = drive([*looks, look(31_000, ignition=False, power_kw=10.0)])
    assert (facts[1][1]["energy_used_kwh"] is not None) is told


def test_energy_is_not_integrated_over_a_time_that_nobody_watched() -> None:
    flow = Flow(kw=10.0).look(10.0, None)
    assert (flow.used_ws, flow.known_ms) == (0, 0)
    assert flow.look(10.0, 1_000).used_ws == 10_000
    assert not Flow(known_ms=8_000).enough(1_000)
    assert Flow(known_ms=9_000).enough(1_000)
    assert not Flow(known_ms=9_000).enough(None)


@given(st.floats(-150, 150), st.floats(-150, 150), st.integers(1, 2_500))
def test_areas_above_and_below_zero_are_those_of_many_thin_slices(a: float, b: float, width: int) -> None:
    above, below = areas(a, b, width)
    slices = [a + (b - a) * (i + 0.5) / 500 for i in range(500)]
    assert above >= 0 <= below
    assert above == pytest.approx(sum(max(s, 0) for s in slices) * width / 500, abs=width * 0.2)
    assert above - below == pytest.approx((a + b) / 2 * width, abs=1e-6 * width)
    assert kwh(3_600_000) == 1.0


# --- stops and the dark -----------------------------------------------------------------------------------------------


def test_a_stop_is_a_minute_of_standing_between_two_movements() -> None:
    stops = Stops()
    for at, moving in (
        (0, False),
        (90_000, True),
        (100_000, False),
        (159_999, True),
        (200_000, False),
        (260_000, True),
    ):
        stops = stops.look(moving, at)
    assert stops.count == 1
    assert stops.look(False, 300_000).look(None, 350_000).look(True, 300_000 + STOP_MS).count == 2
    assert stops.look(False, 300_000).look(False, 900_000).count == 1, "it has not moved off"


def test_a_stop_does_not_reach_over_a_power_cut_whose_clock_began_anew() -> None:
    looks = [look(0, moving=Moving.YES), look(1_000), look(90_000, boot="bb" * 8), look(91_000, boot="bb" * 8)]
    gone = look(92_000, 100.1, moving=Moving.YES, boot="bb" * 8)
    _, told = drive([*looks, gone, look(93_000, 100.1, False, boot="bb" * 8)])
    assert told[1][1]["stops"] == 0


def test_an_odometer_that_counted_on_ends_a_stop_that_no_look_saw_end() -> None:
    looks = [look(0, moving=Moving.YES), look(1_000), look(70_000, 102.0), look(71_000, 102.0, False)]
    _, told = drive(looks)
    assert (told[1][1]["stops"], told[1][1]["unseen_ms"]) == (1, 69_000)


def test_unseen_is_what_lay_between_two_looks_that_were_too_far_apart() -> None:
    watched, gap = Watched.since(reading(0)).look(reading(BRIDGED_MS))
    assert (gap, watched.told_ms) == (BRIDGED_MS, 0)
    watched, gap = watched.look(reading(10_000))
    assert (gap, watched.told_ms) == (None, 10_000 - BRIDGED_MS)


def test_the_length_of_a_power_cut_is_known_as_soon_as_the_new_boot_knows_the_time() -> None:
    watched = Watched.since(reading(50_000, wall=[1_000_000, 1_000_400]))
    dark, gap = watched.look(reading(3_000, boot="bb" * 8))
    assert (gap, dark.told_ms) == (None, None)
    dark, gap = dark.look(reading(4_000, boot="bb" * 8))
    assert (gap, dark.told_ms) == (1_000, None)
    lit, _ = dark.look(reading(5_000, boot="bb" * 8, wall=[1_030_100, 1_030_300]))
    assert lit.told_ms == 28_000
    assert lit.look(reading(6_000, boot="bb" * 8))[0].told_ms == 28_000


def test_a_cut_that_no_clock_spans_is_never_measured() -> None:
    nobody, _ = Watched.since(reading(0)).look(reading(0, boot="bb" * 8, wall=[1, 3]))
    assert nobody.told_ms is None
    twice, _ = Watched.since(reading(0, wall=[1, 3])).look(reading(0, boot="bb" * 8))
    again, _ = twice.look(reading(0, boot="cc" * 8, wall=[90, 94]))
    assert again.told_ms is None


def test_a_booking_adds_up_its_legs_and_one_unknown_makes_the_sum_unknown() -> None:
    known = Tally(2, 3_600_000, 1_800_000, 500)
    assert known.plus(known).body() == {
        "energy_used_kwh": 2.0, "energy_recovered_kwh": 1.0, "stops": 4, "unseen_ms": 1_000,
    }  # fmt: skip
    assert known.plus(Tally(1, None, None, 0)).body()["energy_used_kwh"] is None


# --- values -----------------------------------------------------------------------------------------------------------


def test_a_leg_comes_back_from_disk_as_it_was() -> None:
    for each in (
        leg(3, None, reading(1), reading(2)),
        replace(leg(), told=False, off=True, distance="at"),
        replace(leg(), provisional=("plugged",), flow=Flow(1, 2, 3, 4, 0.1)),
    ):
        assert Leg.from_bytes(each.to_bytes()) == each
    for junk in (b"", b"{}", b"[1]", b"\xff", b'{"number":"x"}'):
        assert Leg.from_bytes(junk) is None


def test_kilometres_and_energy_are_null_where_a_reading_is_missing() -> None:
    assert driven_km(reading(km=None), reading(km=5.0)) is None
    assert driven_km(reading(km=4.1), reading(km=4.2)) == 0.1
    assert spent_kwh(reading(energy_kwh=None), reading()) is None
    assert spent_kwh(reading(energy_kwh=10.3), reading(energy_kwh=9.6)) == 0.7


def test_duration_across_a_power_cut_comes_from_the_wall_or_not_at_all() -> None:
    start = reading(5_000, wall=[1_000_000, 1_004_000])
    end = reading(10, boot="cc" * 8, wall=[1_100_000, 1_104_000])
    assert duration_ms(start, end) == 100_000
    assert duration_ms(reading(5_000), end) is None


def test_a_start_is_completed_and_what_the_car_said_is_never_overwritten() -> None:
    start, left = completed(reading(0, None, plugged=None), (), reading(9, 100.0), ())
    assert (start["odometer_km"], start["at"], left) == (100.0, 0, ())
    assert completed(reading(0, 99.0), (), reading(9, 100.0), ()) == (reading(0, 99.0), ())


def test_a_start_that_was_only_recalled_is_replaced_by_the_cars_first_words() -> None:
    recalled = reading(0, 99.0, plugged="yes"), ("odometer_km", "plugged")
    asleep = completed(*recalled, reading(9, 99.0, plugged="yes"), ("odometer_km", "plugged"))
    assert asleep == recalled, "nothing was heard yet"
    half = completed(*asleep, reading(9, 99.0), ("odometer_km",))
    assert (half[0]["plugged"], half[1]) == ("no", ("odometer_km",))
    heard = completed(*half, reading(10, 100.0, plugged="yes"), ())
    assert (heard[0]["odometer_km"], heard[0]["plugged"], heard[1]) == (100.0, "no", ())


def test_readings_of_an_earlier_version_lose_what_they_no_longer_carry() -> None:
    assert stored.typed(Reading, {**reading(3), "position": [48.4, 0.1]}) == reading(3)
    assert carried(reading(1, 5.0), reading(2, None)) == reading(2, 5.0)


def test_a_struct_takes_no_name_that_it_does_not_know_either() -> None:
    class Told(Struct, frozen=True):
        at: int = 0

    assert stored.typed(Told, {"at": 3}) == Told(3)
    with pytest.raises(ValueError, match="not known: att"):
        stored.typed(Told, {"att": 3})


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from([None, 7, 8]), st.integers(0, 90_000))))
def test_every_leg_that_opens_closes_once_and_before_the_next_opens(
    seen: list[tuple[bool | None, int | None, int]],
) -> None:
    now: Leg | None = None
    at, km, open_ = 0, 0.0, None
    for ignition, booking, passed in seen:
        at, km = at + passed, km + 0.5
        done = step(now, look(at, km, ignition), booking, None if booking is None else "staff", 1)
        now = done.leg
        for kind, body in done.told:
            owner = body.get("booking")
            assert (kind == "leg") is (owner is not None)
            if body["event"] == "opened":
                assert (open_, owner) == (None, booking)
                open_ = body["start"]
            else:
                assert body["start"] == open_
                assert (body["km"] or 0) >= 0  # type: ignore[operator]
                open_ = None
        assert (now is not None and now.told) is (open_ is not None)
