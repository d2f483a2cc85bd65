"""Make, switch and delete a virtual CAN interface by the kernel's own messages, so that `iproute2` is not needed.

Linux only; needs CAP_NET_ADMIN (root, or the root of the guest). Errors are OSError with the kernel's own number.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct

_NEWLINK, _DELLINK = 16, 17  # linux/rtnetlink.h
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400  # linux/netlink.h
_IFNAME, _LINKINFO, _INFO_KIND = 3, 18, 1  # linux/if_link.h
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1  # linux/sockios.h, linux/if.h


def create(name: str, kind: str = "vcan") -> None:
    """Like `ip link add dev NAME type KIND`."""
    info = _attribute(_INFO_KIND, kind.encode())
    body = _interface(0) + _attribute(_IFNAME, name.encode() + b"\0") + _attribute(_LINKINFO, info)
    _ask(_NEWLINK, _CREATE | _EXCLUSIVE, body)


def delete(name: str) -> None:
    """Like `ip link delete NAME`."""
    _ask(_DELLINK, 0, _interface(socket.if_nametoindex(name)))


def switch(name: str, up: bool) -> None:
    """Like `ip link set NAME up` or `down`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH22x", name.encode(), 0)
        flags = struct.unpack_from("16sH", fcntl.ioctl(any_socket, _GET_FLAGS, request))[1]
        flags = flags | _UP if up else flags & ~_UP
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH22x", name.encode(), flags))


def exists(name: str) -> bool:
    """Is there an interface of this name?"""
    return name in {known for _, known in socket.if_nameindex()}


def _interface(index: int) -> bytes:
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, 0, 0)


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _ask(kind: int, flags: int, body: bytes) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.bind((0, 0))
        kernel.send(struct.pack("IHHII", 16 + len(body), kind, _REQUEST | _ACK | flags, 1, 0) + body)
        answer = kernel.recv(4096)
    error = -struct.unpack_from("i", answer, 16)[0]
    if error:
        raise OSError(error, os.strerror(error))
