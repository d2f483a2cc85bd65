"""Who is connected, what each has said and not yet been told: pure, at most three links, bounded in every direction.

A link is a phone that has read or written; connections that do neither are the controller's business. Its number is
never used again, so what was bound to it (a nonce) ends with it. One consumer takes events one after another: that is
what lets one link act at a time. Among links with messages the one served longest ago comes first, so nobody who
writes a lot keeps another waiting for more than one message of each other link.
What is not here: D-Bus (`gatt.py`), and what messages mean.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from ..phones import LinkClosed, LinkOpened, PhoneMessage
from ..ports import Instant
from . import framing

MAX_LINKS: Final = 3
MAX_WAITING: Final = 4  # messages of one link that nobody has taken; an exchange needs two
MAX_UNREAD: Final = 4 * (framing.HEADER_BYTES + framing.MAX_BODY)
QUIET_NS: Final = 60_000_000_000  # a link without a whole message for so long gives its place to another
COUNTERS: Final = (
    *framing.COUNTERS, "writes", "bytes", "links", "no_place", "too_many", "dropped", "quiet", "unread_full",
)  # fmt: skip


@dataclass(slots=True)
class _Link:
    number: int
    device: str
    opened: Instant
    heard_ns: int
    assembler: framing.Assembler
    waiting: deque[PhoneMessage] = field(default_factory=deque)
    unread: bytearray = field(default_factory=bytearray)
    page: bytes = b""  # what the last read began, for the reads that go on in it
    told: bool = False
    served: int = 0


class Links:
    """device: how the stack names the phone, any text.

    counters: "links" opened, "no_place" (a fourth came), "too_many" (write refused: messages wait), "dropped" (more
    messages in one write than there is room for), "quiet" (hung up on), "unread_full" (an answer nobody fetches), and
    those of `framing`.
    """

    def __init__(self) -> None:
        self.counters = dict.fromkeys(COUNTERS, 0)
        self._links: dict[str, _Link] = {}
        self._gone: deque[int] = deque()  # told about, so at most as many as there were links between two events
        self._numbers = itertools.count(1)
        self._turns = itertools.count(1)

    def __len__(self) -> int:
        return len(self._links)

    def open(self, device: str, at: Instant) -> bool:
        """Is there, or may there be, a link of this phone? `False`: three others have one."""
        if device in self._links:
            return True
        if len(self._links) == MAX_LINKS:
            self.counters["no_place"] += 1
            return False
        assembler = framing.Assembler(self.counters)
        self._links[device] = _Link(next(self._numbers), device, at, at.ns, assembler)
        self.counters["links"] += 1
        return True

    def write(self, device: str, data: bytes, at: Instant) -> bool:
        """The phone of an open link wrote. `False`, and nothing taken: it has four messages that nobody has read."""
        link = self._links[device]
        self.counters["writes"] += 1
        self.counters["bytes"] += len(data)
        if len(link.waiting) >= MAX_WAITING:
            self.counters["too_many"] += 1
            return False
        found = link.assembler.feed(data, at.ns)
        if found:
            link.heard_ns = at.ns
        room = MAX_WAITING - len(link.waiting)
        self.counters["dropped"] += max(0, len(found) - room)
        link.waiting.extend(PhoneMessage(link.number, kind, body, at) for kind, body in found[:room])
        return True

    def read(self, device: str, offset: int, size: int) -> bytes | None:
        """The next bytes for the phone of an open link, at most `size`; `None`: there are none yet.

        offset: above 0, the rest of what the last read began (ATT's "read blob"), whatever was answered since.
        """
        link = self._links[device]
        if offset:
            return link.page[offset : offset + size]
        if not link.unread:
            return None
        link.page = bytes(link.unread[:size])
        del link.unread[:size]
        return link.page

    def answer(self, number: int, kind: int, body: bytes) -> str | None:
        """Add a message for that link's phone; its device, or `None` when the link is gone or fetches nothing.

        Raises ValueError as `framing.message` does.
        """
        data = framing.message(kind, body)
        link = next((link for link in self._links.values() if link.number == number), None)
        if link is None:
            return None
        if len(link.unread) + len(data) > MAX_UNREAD:
            self.counters["unread_full"] += 1
            return None
        link.unread += data
        return link.device

    def next_event(self) -> LinkOpened | PhoneMessage | LinkClosed | None:
        """The oldest end, else the oldest beginning, else a message; `None`: nothing has happened."""
        if self._gone:
            return LinkClosed(self._gone.popleft())
        for link in self._links.values():
            if not link.told:
                link.told = True
                return LinkOpened(link.number, link.opened)
        ready = [link for link in self._links.values() if link.waiting]
        if not ready:
            return None
        link = min(ready, key=lambda one: one.served)
        link.served = next(self._turns)
        return link.waiting.popleft()

    def quiet(self, now_ns: int) -> list[str]:
        """Closes the links that have said nothing whole for a minute; their devices, for somebody to hang up."""
        found = [link.device for link in self._links.values() if now_ns - link.heard_ns > QUIET_NS]
        for device in found:
            self.counters["quiet"] += 1
            self.close(device)
        return found

    def close(self, device: str) -> None:
        """The phone is gone; what it had said and nobody took is gone with it. Unknown devices: nothing."""
        link = self._links.pop(device, None)
        if link is not None and link.told:
            self._gone.append(link.number)

    def close_all(self) -> None:
        for device in tuple(self._links):
            self.close(device)
