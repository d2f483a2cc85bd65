"""The part of the socket panel for phones near the car: their messages, and the port that brings them.

What is *not* here: what a message says (`keyless/near.py`) and what it does (`agent/access/phones.py`).
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from .ports import Instant


class LinkOpened(Struct, frozen=True):
    """A phone has spoken. link: a number never used again, so what is bound to it ends with it."""

    link: int
    at: Instant


class PhoneMessage(Struct, frozen=True):
    """A whole message. kind: 1 to 255, the exchange's business. body: 0 to 1024 bytes of anybody's making."""

    link: int
    kind: int
    body: bytes
    at: Instant


class LinkClosed(Struct, frozen=True):
    """That phone is gone; comes once for each `LinkOpened`, before anything of a later link."""

    link: int


class PhonePort(Protocol):
    """At most three phones near the car, their messages one at a time, in turn; radio and stack may come and go inside.

    trouble: why no phone can find the car, "" while it can. answer: `False` when the phone is gone or fetches nothing.
    advertise: from now on be found under this 8-byte tag (`keyless/tag.py`).
    """

    @property
    def trouble(self) -> str: ...

    async def next_event(self) -> LinkOpened | PhoneMessage | LinkClosed: ...

    def answer(self, link: int, kind: int, body: bytes) -> bool: ...

    def advertise(self, tag: bytes) -> None: ...

    def counters(self) -> dict[str, int]: ...

    async def close(self) -> None: ...
