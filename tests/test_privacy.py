"""Who may have positions kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car.privacy import Place, may_keep_position, place
from agent.car.sampler import COLUMNS
from agent.car.stations import Where
from config.settings import Tracking
from config.vocabulary import SPEED, VOCABULARY
from drivers.ports import Fix, Instant

EVERYTHING = Tracking(staff=True, relocation=True, maintenance=True)


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


def test_p3_a_place_is_kept_only_where_tracking_asks_for_it_and_never_at_a_station() -> None:
    fix = Fix(Instant("00" * 8, 0, None), 0, 48.433123456, 0.099876543, 3, 0.0, 8, True)
    assert place("staff", EVERYTHING, Where(False), fix) == Place(48.43312, 0.09988, 1)
    assert place("staff", EVERYTHING, Where(True, "home"), fix) is None
    assert place("staff", Tracking(), Where(False), fix) is None
    assert place("private", EVERYTHING, Where(False), fix) is None
    assert place("staff", EVERYTHING, Where(), None) is None
