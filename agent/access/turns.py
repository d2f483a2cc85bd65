"""One queue for everything that may move the lock: one after the other, each to its end.

What is not here: what is done in a turn (`door.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class Turns:
    """Whoever asked may be cancelled; what was begun is not. after: done at the end of each turn, before its answer."""

    def __init__(self, after: Callable[[], None] = lambda: None) -> None:
        self._after = after
        self._turn = asyncio.Lock()
        self._working: set[asyncio.Task[Any]] = set()

    async def take(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The answer of the work, once it had its turn."""

        async def alone() -> _T:
            async with self._turn:
                try:
                    return await work
                finally:
                    self._after()

        task = asyncio.create_task(alone(), name="door work")
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Let what is under way finish."""
        if self._working:
            await asyncio.wait(set(self._working))
