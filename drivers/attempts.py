"""Attempts to open a device that may come and go: each after a longer wait, until one works or nobody wants it.

What is not here: how it is opened, and what is counted and told of an attempt (its owner).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .errors import DeviceError, DeviceGone
from .ports import Clock

T = TypeVar("T")


class Attempts:
    """what: the device, as messages name it. first_s, longest_s: the wait after a failure, doubling; there is none
    before the very first attempt. closed: set by the owner, for good.
    """

    def __init__(self, what: str, clock: Clock, first_s: float, longest_s: float) -> None:
        self._what, self._clock = what, clock
        self._first_s, self._longest_s = first_s, longest_s
        self._wait_s = 0.0
        self.closed = False

    def failed(self) -> None:
        """Also: what was open is lost."""
        self._wait_s = min(max(self._first_s, self._wait_s * 2), self._longest_s)

    def worked(self) -> None:
        self._wait_s = 0.0

    async def wait(self, share: float = 1.0) -> None:
        """Until the next attempt is due. share: of the wait. Raises `DeviceGone` once it is closed."""
        if self._wait_s and not self.closed:
            await self._clock.sleep(self._wait_s * share)
        if self.closed:
            raise DeviceGone(f"{self._what}: closed")

    async def opened(self, attempt: Callable[[], T], absent: Callable[[DeviceError], None]) -> T:
        """What the first attempt that works answers; absent: told of each that does not. Raises as `wait` does."""
        while True:
            await self.wait()
            try:
                return attempt()
            except DeviceError as error:
                absent(error)
                self.failed()
