"""What is never kept, whatever the policy; the policy itself is in `test_privacy_policy.py`."""

from __future__ import annotations

from agent.car.sampler import COLUMNS
from config.vocabulary import SPEED, VOCABULARY


def test_p10_no_speed_is_ever_sampled() -> None:
    assert SPEED not in COLUMNS
    assert len(COLUMNS) == 10
    assert all(name in VOCABULARY for name in COLUMNS)
