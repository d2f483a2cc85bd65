"""The part of the socket panel at the windscreen: what a reader can take, and the port of a reader.

What is *not* here: badge and code themselves and what a reader shows (`ports.py`), and what they open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from .ports import BadgeTap, CodeEntered, Feedback, Instant, Reason


class SunTap(Struct, frozen=True):
    """A badge that proves itself was held to the reader. message: 24 bytes, see `keyless/sun.py`."""

    message: bytes
    at: Instant


Credential: TypeAlias = BadgeTap | SunTap | CodeEntered
"""A new kind of credential is one more value here, and one more branch of `Decisions.presented`."""


class TokenPort(Protocol):
    """A reader with whatever it reads; unplugging is survived inside."""

    async def next_presented(self) -> Credential: ...

    def show(self, feedback: Feedback, reasons: Sequence[Reason] = ()) -> None: ...

    def counters(self) -> dict[str, int]: ...

    def close(self) -> None: ...
