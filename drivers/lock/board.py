"""A relay board on a serial line: relays that are pulsed and relays that are held, one frame for each change.

What is not here: which relay does what (`relay.py`, `switch.py`) and when it may (the agent).
Frames (D17): `A0 channel state checksum`, checksum = sum of the first three modulo 256, at 9600 8N1. The board does
not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from ..errors import DeviceError, DeviceGone, DeviceTimeout
from ..line import open_port
from ..ports import Clock

if TYPE_CHECKING:
    from serial import Serial

HEADER: Final = 0xA0
OFF_RETRIES_S: Final = (0.2, 0.5, 1.0)

_log = logging.getLogger(__name__)


def frame(channel: int, on: bool) -> bytes:
    """channel: 1 to 255, as numbered on the board."""
    head = bytes((HEADER, channel, int(on)))
    return head + bytes((sum(head) & 0xFF,))


class Board:
    """At each opening the pulsed relays are told "off" (a power cut in the middle of a pulse leaves a board "on"), and
    the held ones what they were told last: a board that was pulled out has forgotten it.

    counters: "acts", "opened", "failed" (nothing moved), "unsure" (something may have moved), "late_off".
    """

    def __init__(self, device: str, baud: int, clock: Clock) -> None:
        self._device, self._baud, self._clock = device, baud, clock
        self._rest: dict[int, bool] = {}  # channel -> what it is told at an opening
        self._released: dict[int, bool] = {}  # held channel -> what lets its relay go
        self._port: Serial | None = None
        self._why = f"{device}: not opened yet"
        self._one_at_a_time = asyncio.Lock()
        self._counters = dict.fromkeys(("acts", "opened", "failed", "unsure", "late_off"), 0)

    @property
    def device(self) -> str:
        return self._device

    def pulsed(self, *channels: int) -> None:
        """These rest at "off"."""
        self._rest.update(dict.fromkeys(sorted(channels), False))

    def held(self, channel: int, released: bool) -> None:
        """released: the state that lets this relay go, which it is left in at an ordered end. Until it is told for the
        first time nothing is: who had the car when the power went is not known here.
        """
        self._released[channel] = released

    def open(self) -> bool:
        """Try to open now, so that the first tap does not wait. `False`: not there; the next act tries again."""
        known = self._why
        try:
            self._open()
        except DeviceError as error:
            if str(error) != known:  # asked again and again, it is told once
                _log.warning("relay board: %s", error)
            return False
        return True

    async def pulse(self, channel: int, hold_s: float) -> None:
        """One pulse. Raises `DeviceError`: `may_have_happened` is False when not one byte of the "on" went out.

        When cancelled, the pulse is first finished (the caller waits for at most its length), then the
        cancellation goes on: half a pulse may move half a lock.
        """
        async with self._one_at_a_time:
            pulse = asyncio.create_task(self._pulse(channel, hold_s), name=f"relay {channel}")
            try:
                await asyncio.shield(pulse)
            except asyncio.CancelledError:
                while not pulse.done():
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait({pulse})
                if not pulse.cancelled() and (error := pulse.exception()):
                    _log.warning("relay board: %s", error)
                raise

    async def hold(self, channel: int, state: bool) -> None:
        """From now on, and again after each opening. Raises `DeviceError` as `pulse` does."""
        async with self._one_at_a_time:
            self._counters["acts"] += 1
            try:
                self._begin(frame(channel, state))
            except DeviceError as error:
                self._counters["unsure" if error.may_have_happened else "failed"] += 1
                if error.may_have_happened:
                    self._rest[channel] = state
                raise
            self._rest[channel] = state

    def let_go(self, channel: int) -> None:
        """A held relay, at once and as far as the board can be reached; also at the next opening."""
        self._rest[channel] = self._released[channel]
        with contextlib.suppress(DeviceError):
            self._begin(frame(channel, self._released[channel]))

    @property
    def trouble(self) -> str:
        """A board that was pulled out is noticed by its device, before the next pulse fails."""
        if self._port is None:
            return self._why
        return "" if os.path.exists(self._device) else f"{self._device}: is gone"

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    def close(self) -> None:
        """Idempotent; pulsed relays are left "off", held ones let go."""
        if self._port is not None:
            pulsed = {channel: state for channel, state in self._rest.items() if channel not in self._released}
            with contextlib.suppress(DeviceError):
                self._write(_frames({**pulsed, **self._released}))
        self._rest.update(self._released)
        self._release()

    async def _pulse(self, channel: int, hold_s: float) -> None:
        self._counters["acts"] += 1
        try:
            self._begin(frame(channel, True))
        except DeviceError as error:
            self._counters["unsure" if error.may_have_happened else "failed"] += 1
            raise
        failure: DeviceError | None = None
        try:
            await self._clock.sleep(hold_s)
        finally:  # also when the loop itself is being torn down
            try:
                self._write(frame(channel, False))
            except DeviceError as error:
                failure = error
        if failure is not None:
            self._counters["unsure"] += 1
            await self._late_off()
            raise DeviceGone(f"{self._device}: gone during the pulse", may_have_happened=True) from failure

    def _begin(self, on: bytes) -> None:
        """The first frame of a change. A port that died since the last act refuses its first byte: then, and only
        then, once more.
        """
        if self._port is not None:
            try:
                self._write(on)
            except DeviceError as error:
                self._release()
                if error.may_have_happened:
                    raise
            else:
                return
        self._open()
        self._write(on)

    async def _late_off(self) -> None:
        for wait_s in OFF_RETRIES_S:
            self._release()
            await self._clock.sleep(wait_s)
            with contextlib.suppress(DeviceError):
                self._open()
                self._counters["late_off"] += 1
                return
        _log.error("%s: a relay may still be on; it is switched off when the board comes back", self._device)

    def _open(self) -> None:
        """Raises `DeviceGone` with `may_have_happened` False: telling again what is so already moves nothing."""
        if self._port is not None:
            return
        try:
            self._port = open_port(self._device, self._baud)
        except DeviceError as error:
            self._why = str(error)
            raise
        try:
            self._write(_frames(self._rest))
        except DeviceError as error:
            self._release()
            raise DeviceGone(str(error)) from error
        self._counters["opened"] += 1

    def _write(self, data: bytes) -> None:
        """All of it or a `DeviceError` that says whether the first byte went out. Never waits: frames are tiny."""
        if self._port is None:
            raise DeviceGone(f"{self._device}: not open")
        sent = 0
        try:
            while sent < len(data):
                sent += os.write(self._port.fileno(), data[sent:])
        except BlockingIOError as error:
            self._why = f"{self._device}: takes no bytes"
            raise DeviceTimeout(self._why, may_have_happened=sent > 0) from error
        except OSError as error:
            self._why = f"{self._device}: {error}"
            raise DeviceGone(self._why, may_have_happened=sent > 0) from error

    def _release(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(OSError):
                port.close()


def _frames(states: dict[int, bool]) -> bytes:
    return b"".join(frame(channel, state) for channel, state in sorted(states.items()))
