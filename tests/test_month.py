"""What lives for weeks holds nothing for longer than it needs it: live values counted, days apart, in one process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.measured.month import Month, census, on_disk

SETTLED = 3  # days: ended bookings are kept for two (R13)
SLACK = 6
"""The short form finds what is kept one too many for each booking, the long one also what is kept once a day."""


async def nights(month: Month, take: Callable[..., int]) -> str:
    """What three nights in a row find of each type, as text, so that it is not among what is counted next."""
    found = []
    for _ in range(3):
        await month.day()
        found.append(json.dumps(census()))
    counts = [json.loads(night) for night in found]
    return json.dumps({name: take(night.get(name, 0) for night in counts) for name in counts[0]})


@pytest.mark.parametrize("days", [12, pytest.param(30, marks=pytest.mark.slow)])
async def test_nothing_that_lives_for_weeks_grows(tmp_path: Path, days: int) -> None:
    async with Month(tmp_path, drive_s=20) as month:
        while month.days < SETTLED:
            await month.day()
        told, disk = await nights(month, max), on_disk(tmp_path)
        while month.days < days - 3:
            await month.day()
        most, least = json.loads(told), json.loads(await nights(month, min))
        grown = {name: (most.get(name, 0), count) for name, count in least.items()}
        assert not {name: counts for name, counts in grown.items() if counts[1] - counts[0] > SLACK}
        assert month.backend.facts > 10 * days
        assert month.backend.runs > days
        assert (await month.bench.store.pending()).facts < 20
        assert on_disk(tmp_path) < 1.1 * disk
