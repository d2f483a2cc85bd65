"""A start at which the database takes nothing: what can be read of it counts, and what could not is loaded again (D14).

Each tells what happened before, starts while another process has the file, and asks the door. With no room it is
`test_start_full.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from agent.access.pending import PENDING
from agent.run import app
from agent.run.supervisor import Actuation
from agent.sync.known import Known
from agent.sync.record import StoreBroken
from buffer import aside, db, vault
from drivers.ports import BadgeTap, Feedback
from keyless.claims import Action, Role
from tests.door_bench import ALICE, BOB, HOUR, DoorBench, the_bench  # noqa: F401 (fixtures)

LATER_NS = 10**12


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """By another process: a lock of a descriptor of its own."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


async def boot_held(bench: DoorBench) -> None:
    """Off, on with the file in use, and a while later it is free."""
    await bench.off()
    with held(bench.folder / "boitier.db"):
        await bench.boot()
        bench.park()
        assert bench.store.broken
    await whole(bench)


async def whole(bench: DoorBench) -> None:
    await bench.store._recover(bench.clock.now().ns + LATER_NS)
    assert not bench.store.broken


def unreadable(patch: pytest.MonkeyPatch) -> None:
    """Not even for a look."""
    patch.setattr(aside, "readable_vault", lambda _: {})


# --- the file is in use


async def test_an_emergency_token_opens_once(bench: DoorBench) -> None:
    await bench.book(0, BOB, 0, 600, role=Role.EMERGENCY, actions=int(Action.UNLOCK))
    assert await bench.tap(BOB) is Feedback.OPENED
    await boot_held(bench)
    assert await bench.tap(BOB) is Feedback.REFUSED
    assert not bench.store.stale.is_set(), "all was known"


async def test_an_obeyed_command_moves_the_lock_once(bench: DoorBench) -> None:
    await bench.prove()
    token = bench.mint(7, None, 0, HOUR)
    unlock = bench.command(token, Action.UNLOCK, 9, late=3000)
    await bench.door.command(unlock)
    await bench.door.command(bench.command(token, Action.LOCK, 10, late=3000))
    await boot_held(bench)
    moves = len(bench.lock.moves)
    await bench.door.command(unlock)
    assert len(bench.lock.moves) == moves


async def test_an_opening_that_was_cut_has_its_outcome_and_its_booking(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE)
    await bench.dies_moving(BadgeTap(ALICE, bench.clock.now()))
    await boot_held(bench)
    bench.say(locked="no")
    await bench.wait(12)
    intents, outcomes = [await bench.facts("access", event=it) for it in ("intent", "outcome")]
    assert len(intents) == len(outcomes)
    assert bench.under.booking is not None
    assert bench.under.booking.booking == 7
    assert await bench.store.read(PENDING) == {}


async def test_a_charge_under_way_is_known(bench: DoorBench) -> None:
    bench.say(plugged="yes", charging=0.0, soc=40.0, energy=20.0, odometer=10.0)
    for _ in range(2):
        await bench.journey.tick()
        bench.clock.move(5)
    assert bench.under.charge is not None
    await bench.journey.close()
    await boot_held(bench)
    assert bench.under.charge is not None


async def test_what_comes_meanwhile_is_newer_than_what_was_seen(bench: DoorBench) -> None:
    await bench.store.commit(put={"a": b"1", "b": b"1", "c": b"1"})
    await bench.off()
    with held(bench.folder / "boitier.db"):
        await bench.boot()
        with pytest.raises(StoreBroken):
            await bench.store.commit(put={"a": b"2"}, drop=("b",))
        found = await bench.store.read("")
    await whole(bench)
    for now in (found, await bench.store.read("")):
        assert (now.get("a"), now.get("b"), now.get("c")) == (b"2", None, b"1")


# --- not even readable: a new start loads it


async def test_what_the_start_could_not_read_is_loaded_again(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.book(0, BOB, 0, 600, role=Role.EMERGENCY, actions=int(Action.UNLOCK))
    await bench.tap(BOB)
    with monkeypatch.context() as patch:
        unreadable(patch)
        await boot_held(bench)
    assert bench.store.stale.is_set()
    await bench.cut()
    bench.park()
    assert not bench.store.stale.is_set(), "once"
    assert await bench.tap(BOB) is Feedback.REFUSED


async def test_what_is_readable_only_later_does_not_count_as_known(
    bench: DoorBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.store.commit(put={"a": b"1"})
    await bench.off()
    with held(bench.folder / "boitier.db"):
        with monkeypatch.context() as patch:
            unreadable(patch)
            await bench.boot()
        with pytest.raises(StoreBroken):
            await bench.store._recover(bench.clock.now().ns + LATER_NS)  # and now it could be looked at
    bench.store._retry_ns = 0
    await whole(bench)
    assert bench.store.stale.is_set()


async def test_a_first_start_has_nothing_to_load(tmp_path: Path) -> None:
    bench = DoorBench(tmp_path)
    with held(tmp_path / "boitier.db"):
        await bench.boot()
    await whole(bench)
    assert not bench.store.stale.is_set()
    await bench.off()


async def test_the_process_ends_for_it_with_no_movement_under_way() -> None:
    store, busy, stop = SimpleNamespace(stale=asyncio.Event()), Actuation(), asyncio.Event()
    task = asyncio.create_task(app._load_again(cast(app.House, SimpleNamespace(store=store, busy=busy, stop=stop))))
    async with busy:
        store.stale.set()
        await asyncio.sleep(0.01)
        assert not stop.is_set()
    await task
    assert stop.is_set()


def test_p8_what_was_erased_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    """Whoever had the file may have erased everything of people."""
    opened = db.open_or_replace(tmp_path / "a.db", 1 << 20).database
    with opened.write() as connection:
        vault.change(connection, {"sun/1": b"3"}, ())
    known = Known()
    known.see({"sun/1": b"3", "booking/ended/7": b"1"})
    with opened.write() as connection:
        assert known.settle(connection, {}) == {"sun/1": b"3"}
    assert known.stale
    opened.close()
