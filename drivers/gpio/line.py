"""An input on a line of the board's GPIO character device, debounced by the kernel, that may come and go.

The one file that knows the library (libgpiod's own Python bindings), which loads with the first line that is opened: a
door opens without inputs (D24). What is not here: what the input means.
"""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from config.settings import InputLine

from ..attempts import Attempts
from ..errors import DeviceError, DeviceGone
from ..fd import FdReader
from ..fitted import InputValue
from ..ports import Clock

if TYPE_CHECKING:
    from gpiod.line_request import LineRequest

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0  # a line that is not there at noon is looked for all day

_log = logging.getLogger(__name__)


class GpioInput:
    """An `InputPort`. debounce_ms: how long a contact must rest until it counts.

    counters: "opened", "lost" (was open), "absent" (could not be opened), "changes".
    """

    def __init__(self, line: InputLine, debounce_ms: int, clock: Clock) -> None:
        self._line, self._debounce_ms, self._clock = line, debounce_ms, clock
        self._source = f"{line.chip}:{line.line}"
        self._value = InputValue(None, self._source, clock.now())
        self._why = f"{self._source}: not opened yet"
        self._request: LineRequest | None = None
        self._reader: FdReader[bool] | None = None
        self._attempts = Attempts(self._source, clock, FIRST_WAIT_S, LONGEST_WAIT_S)
        self._counters = dict.fromkeys(("opened", "lost", "absent", "changes"), 0)

    @property
    def value(self) -> InputValue:
        return self._value

    @property
    def trouble(self) -> str:
        return self._why

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    async def next_value(self) -> InputValue:
        """See `InputPort`. A line that is lost is a value too: unknown."""
        if self._reader is None:
            return await self._reopened()
        while True:
            try:
                active = await self._reader.next()
            except DeviceError as error:
                if self._attempts.closed:
                    raise
                return self._lost(error)
            if active is not self._value.active:  # a bounce that the kernel let through changes nothing
                self._counters["changes"] += 1
                self._value = InputValue(active, self._source, self._clock.now())
                return self._value

    def close(self) -> None:
        """Idempotent; a waiting `next_value()` ends with `DeviceGone`."""
        self._attempts.closed = True
        self._release()

    async def _reopened(self) -> InputValue:
        active = await self._attempts.opened(self._open, self._absent)
        self._attempts.worked()
        self._value, self._why = InputValue(active, self._source, self._clock.now()), ""
        return self._value

    def _absent(self, error: DeviceError) -> None:
        if str(error) != self._why:
            _log.warning("%s", error)
        self._why = str(error)
        self._counters["absent"] += 1

    def _open(self) -> bool:
        """The state now. Raises `DeviceGone`: no such chip or line, another program has it, or no right to it."""
        try:
            request = self._requested()
        except (OSError, ValueError, TypeError) as error:  # ValueError: no such offset, or not a chip at all
            raise DeviceGone(f"{self._source}: {_words(error)}") from error
        offset = self._line.line

        def read() -> bool:
            request.read_edge_events()  # what it was is old; what it is now is asked
            return _active(request, offset)

        # One read in a turn: a second one would wait for an edge that may never come.
        reader = FdReader(request.fd, read, burst=1)
        try:
            reader.open()
            active = _active(request, offset)  # after the edges are watched: a change in between is heard
        except (OSError, DeviceError) as error:
            reader.close()
            request.release()
            raise DeviceGone(f"{self._source}: {error}") from error
        self._request, self._reader = request, reader
        self._counters["opened"] += 1
        return active

    def _requested(self) -> LineRequest:
        import gpiod
        from gpiod.line import Bias, Direction, Edge

        pulls = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "none": Bias.DISABLED, "as_is": Bias.AS_IS}
        wanted = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edge.BOTH,
            bias=pulls.get(self._line.pull, Bias.AS_IS),  # a wrong word in the settings is told elsewhere (D15)
            active_low=self._line.active_low,
            debounce_period=timedelta(milliseconds=self._debounce_ms),
        )
        return gpiod.request_lines(self._line.chip, {self._line.line: wanted}, consumer="boitier")

    def _lost(self, error: DeviceError) -> InputValue:
        self._counters["lost"] += 1
        self._why = f"{self._source}: {error}"
        self._attempts.failed()
        _log.warning("%s", self._why)
        self._release()
        self._value = InputValue(None, self._source, self._clock.now())
        return self._value

    def _release(self) -> None:
        request, reader = self._request, self._reader
        self._request = self._reader = None
        if reader is not None:
            reader.close()  # out of the loop before its number can be reused
        if request is not None:
            with contextlib.suppress(OSError):
                request.release()


def _active(request: LineRequest, offset: int) -> bool:
    """Raises `OSError` when the chip is gone. The library's values are 0 and 1."""
    return bool(request.get_value(offset).value)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
