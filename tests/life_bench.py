"""The door of `door_bench.py` with its real clock, floor file, key set and revocation list, and a power supply that may
fail at any write and before or after any movement.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from agent.access.authority import Authority
from agent.run.provisioning import Provisioning
from agent.run.timekeeper import Timekeeper
from agent.sync import store
from agent.sync.record import StoreBroken
from agent.sync.worker import Worker
from config.settings import Keyless
from drivers.local import files
from drivers.ports import Fix, Instant, LockAction
from keyless import cose, issue, token
from keyless.claims import Interval
from keyless.clock import ClockState, to_record
from keyless.trust import IssuerKey
from tests.door_bench import OPERATOR, T0, VEHICLE, DoorBench
from tests.fakes.door import Cut, StandInLock
from tests.life_terms import Key

ROOTS = tuple(issue.SigningKey(bytes([0x51, n]) * 16) for n in range(3))
STRANGER = issue.SigningKey(b"\x77" * 32)  # no key set names it
MAIN, LIMITED = issue.SigningKey(b"\x11" * 32), issue.SigningKey(b"\x12" * 32)  # all roles; a booking server's, drivers
PHONES = {"p256 phone": issue.SigningKey(b"\x21" * 32, "p256"), "ed25519 phone": issue.SigningKey(b"\x22" * 32)}
PURE = ((cose, "verifies"), (cose, "read_sign1"), (token, "read_claims"))  # the same again costs nothing
_T = TypeVar("_T")


class FusedLock(StandInLock):
    async def act(self, action: LockAction) -> None:
        bench = self._bench
        assert isinstance(bench, LifeBench)
        bench.burn()  # the intent is on disk, the relay has not fired
        await super().act(action)
        bench.burn()


class AtOnce(Worker):
    """The disk's work without a thread of its own: steps cost a tenth, and come out the same each time."""

    started = False

    def start(self) -> None:
        self.started = True

    async def do(self, work: Callable[[], _T]) -> _T:
        if not self.started:
            raise StoreBroken("the store is not open")
        await asyncio.sleep(0)
        return work()

    def submit(self, work: Callable[[], object]) -> None:
        work()

    def close(self) -> None:
        self.started = False


class Heard(list[int]):
    """What the door hears of signed objects goes to the clock."""

    def __init__(self, bench: LifeBench) -> None:
        super().__init__()
        self._bench = bench

    def append(self, iat: int) -> None:
        self._bench.timekeeper.heard(iat)


class LifeBench(DoorBench):
    """fuse: how many more writes and movements the power lasts; `None`: for ever. A write has two such moments."""

    def __init__(self, folder: Path, keyset: bytes) -> None:
        super().__init__(folder)
        (folder / "given.cbor").write_bytes(keyset)
        keys = Keyless(OPERATOR, [root.public.hex() for root in ROOTS], 2, str(folder / "given.cbor"))
        self.settings = replace(self.settings, keyless=keys)
        self.lock = FusedLock(self)
        self.heard = Heard(self)
        self.fuse: int | None = None
        self._keeper: Timekeeper | None = None
        self._write, files.write_durably = files.write_durably, self._write_durably
        self._worker, store.Worker = store.Worker, AtOnce
        self._pure = [(owner, name, getattr(owner, name)) for owner, name in PURE]
        for owner, name, whole in self._pure:
            setattr(owner, name, functools.lru_cache(4_096)(whole))

    # --- power

    def burn(self) -> None:
        if self.fuse is None:
            return
        self.fuse = max(0, self.fuse - 1)
        if self.fuse == 0:
            raise Cut

    @property
    def dead(self) -> bool:
        return self.fuse == 0

    def _write_durably(self, path: str | Path, data: bytes, *, mode: int = 0o600) -> None:
        self.burn()
        self._write(path, data, mode=mode)
        self.burn()

    def _fused(self, commit: Callable[..., Any]) -> Callable[..., Any]:
        async def fused(*facts: Any, **more: Any) -> Any:
            self.burn()
            numbers = await commit(*facts, **more)
            self.burn()
            return numbers

        return fused

    async def power_on(self) -> None:
        await self.boot()
        self.door.past_s = self.timekeeper.settled_lo_s
        self.provisioning.changed = self.door.trust_changed
        self._keeping = asyncio.create_task(self.timekeeper.run())

    async def crash(self) -> None:
        """Nothing more is written: what is on disk is what there is."""
        self.fuse = 0
        for task in (self.task, self._keeping):
            assert task is not None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.door.close()
        await self.store._worker.settle()
        await self.store._worker.do(self.store._disk.close)
        self.store._worker.close()
        self.fuse = None

    def done(self) -> None:
        files.write_durably, store.Worker = self._write, self._worker
        for owner, name, whole in self._pure:
            setattr(owner, name, whole)

    # --- trust

    def believed(self) -> Authority:
        self.store.commit = self._fused(self.store.commit)  # type: ignore[method-assign]
        authority = Authority(VEHICLE, OPERATOR)
        keeper = self.timekeeper
        self.provisioning = Provisioning(self.settings, authority, self.store, keeper.interval, keeper.heard)
        self.provisioning.load()
        return authority

    # --- time

    @property
    def timekeeper(self) -> Timekeeper:
        """One for each boot."""
        if self._keeper is None or self._keeper._clock is not self.clock:
            self._keeper = Timekeeper(self.clock, self.folder / "floor.json")
            self._keeper.load()
        return self._keeper

    def interval(self, instant: Instant) -> Interval:
        return self.timekeeper.interval(instant)

    def stamp(self, instant: Instant) -> tuple[list[int] | None, str]:
        return self.timekeeper.stamp(instant)

    def dates(self, wrong_s: float = 0, hour: bool = False) -> None:
        """Three epochs of the receiver; hour: and as many more as make an hour of them."""
        for pause in (1, 1, *([300] * 13 if hour else []), 1):
            at_ms = round((self.at() + wrong_s) * 1000)
            self.timekeeper.fix(Fix(self.clock.now(), at_ms, None, None, 3, 0.0, 8, True))
            self.clock.move(pause)

    def spoil_floor(self, how: str) -> None:
        """how: missing, corrupt, or ahead (a sound file that a wrong time has written)."""
        path = self.folder / "floor.json"
        if how == "missing":
            path.unlink(missing_ok=True)
        elif how == "corrupt":
            path.write_bytes(os.urandom(40))
        elif how == "ahead":
            wrong = self.at() + 30 * 86_400
            with contextlib.suppress(FileNotFoundError):
                path.write_text(json.dumps(to_record(ClockState(wrong, wrong, "0" * 16))))


def keyset(version: int, keys: Mapping[issue.SigningKey, Key], expires: int, roots: int) -> bytes:
    """roots: how many of the three sign."""
    entries = [
        IssuerKey(
            key.public, T0 - 400 * 86_400, one.not_after, sum(1 << role for role in one.roles),
            None if one.calendar is None else one.calendar.signed(),
        )
        for key, one in keys.items()
    ]  # fmt: skip
    return issue.keyset(version, expires, entries, ROOTS[:roots])
