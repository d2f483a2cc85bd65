"""What systemd is told (sd_notify): ready, status, watchdog, stopping, as datagrams on the socket it names.

What is not here: when to tell it; the watchdog's evidence is the agent's. Protocol: sd_notify(3) and
sd_watchdog_enabled(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Says nothing where nobody listens (started by hand): every method is then a no-op that returns `False`."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._timeout_s = _watchdog_timeout_s(environ)
        self._socket: socket.socket | None = None

    @property
    def watchdog_timeout_s(self) -> float | None:
        """After this many seconds without `watchdog()` systemd kills us; `None`: no watchdog for this process."""
        return self._timeout_s

    def ready(self, status: str = "") -> bool:
        return self._send("READY=1", status)

    def status(self, status: str) -> bool:
        return self._send("", status)

    def watchdog(self) -> bool:
        return self._send("WATCHDOG=1")

    def stopping(self, status: str = "") -> bool:
        return self._send("STOPPING=1", status)

    def close(self) -> None:
        """Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, state: str, status: str = "") -> bool:
        """Never blocks and never raises: a deaf systemd must not stop a door."""
        lines = [state] if state else []
        if status:
            lines.append("STATUS=" + " ".join(status.split()))  # one line: a line feed would begin another assignment
        if not self._address.startswith(("/", "@")):
            return False
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto("\n".join(lines).encode(), address)
        except OSError:
            return False
        return True


def _watchdog_timeout_s(environ: Mapping[str, str]) -> float | None:
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (usec.isascii() and usec.isdigit()) or int(usec) == 0:
        return None
    if pid and pid != str(os.getpid()):  # meant for another process of the unit
        return None
    return int(usec) / 1_000_000
