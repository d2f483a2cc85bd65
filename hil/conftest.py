"""The real bench for scenarios: one booted machine for each module, and the checks that stand after every scenario."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from .faults import Rig

# Begun first where files run side by side: the minutes of one begun last would be waited for by all the others.
LONGEST = ("test_cuts", "test_faults", "test_demo", "test_car_days", "test_fuzz", "test_systemd_guest")
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "where scenarios run: host, guest, the channel of a real adapter, or auto (host where its kernel has CAN)"
    parser.addoption("--bench", default="auto", help=text)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--bench"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings; they are not ours to copy, so scenarios skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the shared recordings are not on this machine (folder ../shared/data)")
    return SHARED


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(request: pytest.FixtureRequest, machine: str) -> AsyncIterator[Rig]:
    """One bench for the module. Its variable CAR names the car, CHANGES what is laid over the vehicle's settings."""
    module = request.module
    rig = Rig(machine, getattr(module, "CAR", "zoe-ph1"), getattr(module, "CHANGES", {}))
    try:
        await rig.start()
        yield rig
        await rig.conclude()
    finally:
        await rig.bench.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def bench(rig: Rig) -> AsyncIterator[Rig]:
    """The rig, calm before and looked over after: nothing lost, nothing left over."""
    rig.begin()
    yield rig
    await rig.end()
