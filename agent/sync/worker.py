"""One thread for the disk: awaitable, in the order of asking, bounded, and never interrupted in the middle of a write.

What is done there: `disk.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from .record import StoreBroken

_T = TypeVar("_T")
QUEUE: Final = 256


class Worker:
    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: ThreadPoolExecutor | None = None
        self._room = asyncio.Semaphore(QUEUE)
        self._writes: set[asyncio.Task[Any]] = set()

    @property
    def started(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        self._thread = self._thread or ThreadPoolExecutor(1, self._name)

    async def do(self, work: Callable[[], _T]) -> _T:
        """The result of `work`, done in the thread; waits for room when 256 pieces wait. Raises StoreBroken when not
        started."""
        if self._thread is None:
            raise StoreBroken("the store is not open")
        async with self._room:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def shielded(self, work: Coroutine[object, object, _T]) -> _T:
        """Cancelling the waiter does not cancel the write: a queued write that vanishes is a lost record."""
        task = asyncio.create_task(work)
        self._writes.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def submit(self, work: Callable[[], object]) -> None:
        """Work that nobody waits for."""
        if self._thread is not None:
            self._thread.submit(work)

    async def settle(self) -> None:
        """Wait until no write is under way."""
        while self._writes:
            await asyncio.wait(set(self._writes))

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of: the waiter may be gone
