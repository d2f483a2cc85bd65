"""Is a network interface there, and up? What does not live here: CAN."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from typing import Final

SIOCGIFFLAGS: Final = 0x8913
IFF_UP: Final = 1


def must_be_up(name: str) -> None:
    """Raises `OSError` (ENODEV: no such interface, ENETDOWN: it is down).

    CAN sockets bind to an interface that is down without a word and then stay silent for ever, so it must be asked.
    """
    request = struct.pack("16sH22x", name.encode()[:15], 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        flags = struct.unpack_from("H", fcntl.ioctl(sock, SIOCGIFFLAGS, request), 16)[0]
    if not flags & IFF_UP:
        raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))
