"""A virtual CAN interface of one's own for each test, where the kernel has CAN and we may make one."""

from __future__ import annotations

import itertools
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator

import pytest

FRAME = struct.Struct("=IB3x8s")
_numbers = itertools.count()


def _link(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", "link", *words], capture_output=True, text=True, check=False)


class Link:
    """A vcan interface that can be taken down, deleted and made again."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create(self) -> None:
        made = _link("add", "dev", self.name, "type", "vcan")
        if made.returncode:
            pytest.skip(f"no virtual CAN here ({made.stderr.strip()}); run this in the guest")
        self.up()

    def up(self) -> None:
        assert not _link("set", self.name, "up").returncode

    def down(self) -> None:
        assert not _link("set", self.name, "down").returncode

    def delete(self) -> None:
        _link("del", self.name)


@pytest.fixture
def link() -> Iterator[Link]:
    if not hasattr(socket, "AF_CAN"):
        pytest.skip("this Python was built without SocketCAN")
    try:
        socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW).close()
    except OSError as error:
        pytest.skip(f"this kernel has no CAN ({error.strerror}); run this in the guest")
    made = Link(f"vt{next(_numbers)}")
    made.create()
    yield made
    made.delete()


@pytest.fixture
def sender(link: Link) -> Iterator[Callable[[int, str], None]]:
    """Puts a frame on the bus: id (29 bits when above 7FF) and hex."""
    with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as sock:
        sock.bind((link.name,))

        def send(can_id: int, data: str) -> None:
            raw = bytes.fromhex(data)
            flagged = can_id | 0x8000_0000 if can_id > 0x7FF else can_id
            sock.send(FRAME.pack(flagged, len(raw), raw.ljust(8, b"\0")))

        yield send
