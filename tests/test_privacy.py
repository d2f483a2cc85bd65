"""Who may have positions kept, and that "at station?" is answered inside the car."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car.privacy import may_keep_position
from agent.car.sampler import COLUMNS
from agent.car.stations import Where, distance_m, locate
from config.settings import Station, Tracking
from config.vocabulary import SPEED, VOCABULARY

EVERYTHING = Tracking(staff=True, relocation=True, maintenance=True)
ALENCON = Station("Alençon, gare", 48.4331, 0.0998)
SEES = Station("Sées", 48.6050, 0.1731, radius_m=80.0)


@given(st.builds(Tracking, staff=st.booleans(), relocation=st.booleans(), maintenance=st.booleans()))
def test_r27_a_private_booking_keeps_no_position_whatever_is_configured(tracking: Tracking) -> None:
    assert not may_keep_position("private", tracking)
    assert not may_keep_position(None, tracking)
    assert not may_keep_position("a kind from the future", tracking)


@pytest.mark.parametrize("kind", ["staff", "relocation", "maintenance"])
def test_p7_each_kind_has_its_own_policy_and_the_default_is_none(kind: str) -> None:
    assert not may_keep_position(kind, Tracking())
    assert may_keep_position(kind, EVERYTHING)
    assert may_keep_position(kind, Tracking(**{kind: True}))


def test_p10_no_speed_is_ever_sampled() -> None:
    assert SPEED not in COLUMNS
    assert len(COLUMNS) == 10
    assert all(name in VOCABULARY for name in COLUMNS)


def test_distance_agrees_with_a_known_one() -> None:
    # One minute of latitude is a nautical mile by its old definition: 1852 m, within the mean radius' error.
    assert distance_m(48.0, 0.0, 48.0 + 1 / 60, 0.0) == pytest.approx(1853.2, abs=0.5)


def test_p3_at_station_is_answered_with_a_name_not_with_coordinates() -> None:
    assert locate((ALENCON, SEES), 48.4332, 0.0999) == Where(True, ALENCON.name)
    assert locate((ALENCON, SEES), 48.5, 0.1) == Where(False)
    assert locate((), 48.5, 0.1) == Where(anywhere=True)


def test_r1_a_position_lost_on_the_ramp_is_unknown_with_a_presumption() -> None:
    ramp = (48.4345, 0.0998)  # some 150 m north of the circle's centre
    assert locate((ALENCON,), *ramp, moved_m=1_100) == Where(presumed=ALENCON.name)
    assert locate((ALENCON,), *ramp, moved_m=9_000) == Where()
    assert locate((ALENCON,), 48.5, 0.1, moved_m=1_100) == Where(False), "nobody drives seven kilometres in one"
    assert locate((ALENCON,), *ramp, moved_m=None) == Where()
