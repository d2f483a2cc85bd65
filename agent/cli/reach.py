"""The way to the records: through the running daemon, or with the file in our own hands while none runs.

What is not here: what is asked (`buffer.py`). A lock beside the file keeps two programs from having it at once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from .asking import DEFAULT_CONFIG, settings_of, socket_of

PATIENCE_S: Final = 60.0  # a step waits behind what the daemon has to write


class NotReached(Exception):
    """Neither way works; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Reach:
    """config, socket: as given on the command line. only_daemon: leave the file alone."""

    config: Path | None
    socket: Path | None
    only_daemon: bool = False

    def ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        """Raises NotReached; ValueError when it is refused."""
        from drivers.errors import DeviceError, DeviceTimeout
        from drivers.local.control import ask

        path = socket_of(self.config, self.socket)
        try:
            answer = ask(path, {"op": "buffer", **request}, PATIENCE_S)
        except DeviceTimeout as error:
            raise NotReached(f"boitier is there and does not answer ({error}).") from error
        except DeviceError as error:
            if self.socket is not None or self.only_daemon:
                raise NotReached(f"boitier does not answer at {path} ({error}).") from error
            return self._by_hand(request, str(error))
        if not answer.get("ok"):
            raise ValueError(str(answer.get("why")).removeprefix("ValueError: "))
        found: dict[str, Any] = answer["buffer"]
        return found

    def _by_hand(self, request: Mapping[str, object], why: str) -> dict[str, Any]:
        from buffer.errors import StorageError

        from ..sync import wiping

        settings = settings_of(self.config or DEFAULT_CONFIG)
        path = Path(settings.state) / "records.db"
        try:
            if wiping.begun(path):  # and cut off
                wiping.finish(path, path.parent / "bookings")
            if not path.is_file():
                raise NotReached(f"boitier does not run ({why}), and there are no records at {path}.")
            return _handled(path, settings.buffer.max_mib << 20, settings.vehicle.id, request)
        except PermissionError as error:
            raise NotReached(f"boitier does not run ({why}), and {error.filename} is closed to you: sudo?") from error
        except (StorageError, OSError) as error:
            told = f"boitier does not answer ({why}), and its records cannot be opened: {error}."
            raise NotReached(f"{told} Does it run with another socket? Name it with --socket.") from error


def _handled(path: Path, size: int, vehicle: str, request: Mapping[str, object]) -> dict[str, Any]:
    from drivers.clock import SystemClock

    from ..sync.disk import Disk
    from ..sync.record import When

    now = SystemClock().now()
    when = When(now.boot, now.ns // 1_000_000, None, "none")

    def disk(at: Path) -> Disk:
        return Disk(at, size, vehicle, None, None)

    if request["do"] == "erase_all":
        from ..run.records import erase_all

        erase_all(path.parent, disk, when, lose_unsent=request.get("lose_unsent") is True)
        return {"erasing": False}
    from ..access import decision_log
    from ..sync import holdings
    from ..sync.tags import DECISION_KEY

    one = disk(path)
    try:
        one.open(when)
        if request["do"] == "decisions":
            return decision_log.answer(one.recall(DECISION_KEY), request)
        found = holdings.answer(one, when, request)
        under = one.recall("booking/open")
    finally:
        one.close()
    return {**found, "under_way": _number(under.get("booking/open")), "gone": None}


def _number(booking: bytes | None) -> int | None:
    import json

    try:
        found = json.loads(booking or b"{}").get("booking")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, int) else None


def asked(reach: Reach, request: Mapping[str, object]) -> dict[str, Any]:
    """Exit 1, with what to do, when it cannot be done."""
    try:
        return reach.ask(request)
    except (NotReached, ValueError) as error:
        click.echo(f"boitier refuses: {error}" if isinstance(error, ValueError) else str(error), err=True)
        sys.exit(1)
