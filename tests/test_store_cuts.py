"""Two thousand power cuts, at every write of recorded lives of the store: what it reported is on every disk left.

`disk_cuts.py` says how. The oracle is whole: every row of every table is as it was after the last transaction that was
reported, or as after the one under way; the file is sound; the next fact takes the next number. A leg's fact and its
place in the vault are one transaction, so trips stand or fall with it.

BOITIER_DISK_CUTS=100000 (`make torture`): as many, of lives that differ.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hil import results
from tests.disk_cuts import Recording, cuts
from tests.store_life import Life, the_shm  # noqa: F401 (fixtures)

CUTS = int(os.environ.get("BOITIER_DISK_CUTS", "2000"))
LIFE_CUTS = 500
STEPS = 40
CHECKPOINTS = ("wal_autocheckpoint = 1000", "wal_autocheckpoint = 8", "wal_autocheckpoint = 40")


async def recorded(
    folder: Path, live: Callable[[Life], Awaitable[None]], patch: pytest.MonkeyPatch, *pragmas: str, old: bool
) -> Recording:
    life, recording = Life(folder / "records.db", old=old), Recording(folder)
    with recording.running(patch, *pragmas):
        try:
            await live(life)
        finally:
            await life.store.close()
    assert life.disagreements() == []
    return recording


@pytest.mark.long
async def test_whatever_was_reported_survives_a_cut_at_any_write(shm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, done, notes = time.monotonic(), 0, 0
    for number in range(max(1, CUTS // LIFE_CUTS)):
        dice = random.Random(number)
        recording = await recorded(
            shm / f"{number}", Life.live if number < 2 else lambda life, dice=dice: life.wander(dice, STEPS),
            monkeypatch, CHECKPOINTS[number % 3], old=number % 2 == 0,
        )  # fmt: skip
        notes += len(recording.notes)
        for place, wrong in cuts(recording, shm / "cut", LIFE_CUTS, number):
            assert wrong == "", f"life {number}, cut at {place} of {len(recording.notes)}"
            done += 1
    if "BOITIER_DISK_CUTS" in os.environ:
        took = f"{number + 1} lives of {notes} writes and syncs; {time.monotonic() - begun:.0f} s"
        told = f"{done:,} cuts in {took}; 0 reported rows lost, 0 files corrupt, 0 numbers reused"
        results.keep(results.PAGE, "disk cuts", told)


@pytest.mark.parametrize(
    ("pragma", "finds"), [("synchronous = NORMAL", {"lost"}), ("synchronous = OFF", {"lost", "corrupt"})]
)
@pytest.mark.long
async def test_these_cuts_have_teeth(
    pragma: str, finds: set[str], shm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With less syncing than the product asks for, rows that were reported go, and files break."""
    recording = await recorded(shm / "life", Life.live, monkeypatch, pragma, CHECKPOINTS[1], old=True)
    found = Counter(wrong.partition(":")[0] for _, wrong in cuts(recording, shm / "cut", 100, 1))
    assert set(found) - {""} == finds, found
