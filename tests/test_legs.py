"""Legs from ignition to ignition, by the car's own odometer, across power cuts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.car.legs import Change, Leg, driven_km, step
from agent.car.state import Reading


def reading(
    at: int = 0, km: float | None = 100.0, boot: str = "aa" * 8, position: list[float] | None = None
) -> Reading:
    return Reading(
        odometer_km=km, soc_percent=80.0, energy_kwh=20.0, range_km=120.0, plugged="no", at_station=None,
        boot=boot, at=at, wall=None, position=position,
    )  # fmt: skip


def test_a_leg_runs_from_ignition_on_to_ignition_off() -> None:
    leg, changes = step(None, True, 7, 1, reading(1_000, 100.0))
    assert leg is not None
    assert [it.change for it in changes] == [Change.OPENED]
    leg, changes = step(leg, True, 7, 2, reading(2_000, 100.5))
    assert changes == ()
    leg, changes = step(leg, False, 7, 2, reading(3_000, 101.25))
    assert leg is None
    assert changes[0].body() == {
        "event": "closed", "booking": 7, "leg": 1, "km": 1.25,
        "start": reading(1_000, 100.0), "end": reading(3_000, 101.25),
    }  # fmt: skip


def test_r10_an_unknown_ignition_neither_opens_nor_closes() -> None:
    assert step(None, None, 7, 1, reading()) == (None, ())
    leg = Leg(1, 7, reading(), reading())
    assert step(leg, None, 7, 2, reading(1_000)) == (leg, ())


def test_a_leg_is_checkpointed_every_minute_and_after_a_new_boot() -> None:
    leg, _ = step(None, True, 7, 1, reading(0))
    leg, changes = step(leg, True, 7, 2, reading(59_999, 100.9))
    assert changes == ()
    leg, changes = step(leg, True, 7, 2, reading(60_000, 101.0))
    assert [it.change for it in changes] == [Change.CHECKPOINT]
    assert leg is not None
    assert leg.last["odometer_km"] == 101.0
    _, changes = step(leg, None, 7, 2, reading(10, 101.5, boot="bb" * 8))
    assert [it.change for it in changes] == [Change.CHECKPOINT]


def test_after_a_power_cut_a_silent_car_ends_its_leg_at_the_checkpoint() -> None:
    leg = Leg(1, 7, reading(0, 100.0), reading(60_000, 105.0))
    _, changes = step(leg, False, 7, 2, reading(10, None, boot="bb" * 8))
    assert changes[0].end == reading(60_000, 105.0)
    assert changes[0].km == 5.0


def test_a_leg_does_not_outlive_its_booking() -> None:
    leg = Leg(1, None, reading(), reading())
    after, changes = step(leg, True, 7, 1, reading(5, 100.0))
    assert [(it.change, it.leg.booking) for it in changes] == [(Change.CLOSED, None), (Change.OPENED, 7)]
    assert after is not None
    assert after.booking == 7


def test_r27_a_leg_closed_under_somebody_elses_rules_keeps_no_position_of_theirs() -> None:
    leg = Leg(1, 7, reading(), reading())
    _, changes = step(leg, True, 8, 1, reading(5, position=[48.4, 0.1]))
    assert changes[0].end is not None
    assert changes[0].end["position"] is None


def test_a_leg_comes_back_from_disk_as_it_was() -> None:
    leg = Leg(3, None, reading(1), reading(2))
    assert Leg.from_bytes(leg.to_bytes()) == leg
    for junk in (b"", b"{}", b"[1]", b"\xff", b'{"number":"x"}'):
        assert Leg.from_bytes(junk) is None


def test_kilometres_are_null_where_an_odometer_reading_is_missing() -> None:
    assert driven_km(reading(km=None), reading(km=5.0)) is None
    assert driven_km(reading(km=4.1), reading(km=4.2)) == 0.1


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.sampled_from([None, 7, 8]), st.integers(0, 90_000))))
def test_every_leg_that_opens_closes_once_and_before_the_next_opens(
    seen: list[tuple[bool | None, int | None, int]],
) -> None:
    leg: Leg | None = None
    at, km, open_ = 0, 0.0, None
    for ignition, booking, passed in seen:
        at, km = at + passed, km + 0.5
        leg, changes = step(leg, ignition, booking, 1, reading(at, km))
        for change in changes:
            if change.change is Change.OPENED:
                assert open_ is None
                assert change.leg.booking == booking
                open_ = change.leg
            elif change.change is Change.CLOSED:
                assert open_ is not None
                assert replace(change.leg, last=open_.last) == open_
                assert change.km is not None
                assert change.km >= 0
                open_ = None
        assert (leg is None) == (open_ is None)
