"""Everything of people goes as the daemon's last act, or is finished at the next start when the power was cut (P8).

What is not here: what is erased, and how (`records.py`, `agent/sync/wiping.py`), imported when it is needed (D24).
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from buffer.errors import StorageError
from config.settings import Settings
from drivers.ports import Clock

from .version import VERSION

log = logging.getLogger(__name__)


def finish(state: Path) -> None:
    """The power was cut while everything was erased: nothing of that may be opened again."""
    if not os.path.exists(state / "records.db.erasing"):
        return
    from ..sync import wiping

    try:
        wiping.finish(state / "records.db", state / "bookings")
        log.warning("everything of people is erased, as it was begun before this start")
    except (StorageError, OSError) as error:
        log.critical("not everything could be erased: %s", error)


def all_of_it(settings: Settings, clock: Clock, lose_unsent: bool) -> None:
    """The store is closed, and the next start makes all anew. What could not be erased is told in the journal.

    lose_unsent: also what waits for the backend.
    """
    from ..sync.disk import Disk
    from ..sync.record import When
    from .records import erase_all

    now, size, vehicle = clock.now(), settings.buffer.max_mib << 20, settings.vehicle
    try:
        erase_all(
            Path(settings.state), lambda path: Disk(path, size, vehicle.id, VERSION, vehicle.car),
            When(now.boot, now.ns // 1_000_000, None, "none"), lose_unsent=lose_unsent,
        )  # fmt: skip
        log.warning("everything of people is erased")
    except ValueError as error:
        log.critical("nothing is erased: %s", error)
    except (StorageError, OSError) as error:
        log.critical("not everything could be erased: %s", error)
