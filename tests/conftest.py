"""Fixtures for every test: where the shared recordings are, and a check that nothing is left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is the machine's business, not the code's.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and public vectors; they are not ours to copy, so tests skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the shared recordings are not on this machine (folder ../shared/data)")
    return SHARED


@pytest.fixture(autouse=True)
def _no_leftover_threads() -> Iterator[None]:
    """A thread that outlives its test is a part that was never stopped (a habit of long-lived devices)."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    for thread in left:
        thread.join(timeout=2)
    left = [thread.name for thread in left if thread.is_alive()]
    assert not left, f"threads left behind: {left}"
