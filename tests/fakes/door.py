"""What stands in for lock and reader on the door's bench, and who hears the answers to commands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from drivers.credentials import Credential
from drivers.errors import DeviceError, DeviceTimeout
from drivers.ports import Feedback, LockAction, Reason

if TYPE_CHECKING:
    from tests.door_bench import DoorBench


class Cut(BaseException):
    """The power went while the actuator moved."""


class StandInLock:
    """Records what the disk held when it moved; obeys, fails, or loses the power, as told."""

    def __init__(self, bench: DoorBench) -> None:
        self._bench = bench
        self.moves: list[LockAction] = []
        self.trouble = ""
        self.mode = "obeys"  # obeys, silent (no read-back), gone, unsure, cut
        self.seen_pending: list[bool] = []
        self.errors: list[DeviceError] = []  # of the next tries, before it does as its mode says
        self.tries = 0

    async def act(self, action: LockAction) -> None:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        if self.mode == "gone":
            raise DeviceError("no such device")
        held = await self._bench.store.read("access/pending")
        self.seen_pending.append(bool(held) or self._bench.store.broken)
        self.moves.append(action)
        if self.mode == "cut":
            raise Cut
        if self.mode == "unsure":
            raise DeviceTimeout("no answer")
        if self.mode == "obeys":
            self._bench.say(locked="yes" if action is LockAction.LOCK else "no")

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        return


class StandInReader:
    def __init__(self) -> None:
        self.presented: asyncio.Queue[Credential] = asyncio.Queue()
        self.shown: list[Feedback] = []
        self.reasons: list[tuple[Reason, ...]] = []

    async def next_presented(self) -> Credential:
        return await self.presented.get()

    def show(self, feedback: Feedback, reasons: Sequence[Reason] = ()) -> None:
        self.reasons.append(tuple(reasons))
        self.shown.append(feedback)

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        return


class Answers(list[tuple[str, str, str, int | None]]):
    def __call__(self, name: str, code: str, why: str, fact: int | None) -> None:
        self.append((name, code, why, fact))
