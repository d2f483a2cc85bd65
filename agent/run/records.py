"""What `boitier buffer` asks of the running daemon: look, hand out, erase. The rules of all of it are here (P8, P9).

What is not here: the rows (`agent/sync/holdings.py`), and the same with no daemon running (`agent/cli/reach.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..access.remote import COUNTER
from ..sync import holdings
from ..sync.disk import Disk
from ..sync.record import When

if TYPE_CHECKING:
    from .app import House

UNDER_WAY = "a booking is under way: whoever has the car could not open it any more; end it first"


class Records:
    """Asked by whoever may open the control socket."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def answer(self, request: Mapping[str, object]) -> dict[str, Any]:
        """Raises ValueError with what to do, for the asker."""
        if request.get("do") == "erase_all":
            return await self._erase_all(lose_unsent=request.get("lose_unsent") is True)
        store = self._house.store
        if request.get("do") != "show":
            await store.commit(seal=True)  # what is in memory or lies open belongs to it
        found: dict[str, Any] = await store.ask(functools.partial(holdings.answer, request=request))
        under, counters = self._house.under.booking, store.counters()
        found["under_way"] = under.booking if under is not None else None
        found["gone"] = {name: counters[name] for name in counters if name.startswith(("aged_", "erased_"))}
        return found

    async def _erase_all(self, *, lose_unsent: bool) -> dict[str, Any]:
        """Only checks, and asks the house to stop: files are taken away when nobody has them open any more."""
        house = self._house
        if house.under.booking is not None:
            raise ValueError(UNDER_WAY)
        pending = await house.store.pending()
        may_wipe(pending.facts, lose_unsent=lose_unsent)
        house.erasing = True
        house.stop.set()
        return {"erasing": True}


def may_wipe(waiting: int, *, lose_unsent: bool) -> None:
    """R26: facts that bill stay until the backend has them. Raises ValueError."""
    if waiting and not lose_unsent:
        raise ValueError(
            f"{waiting} facts wait for the backend and would be lost, bills among them: connect the car first, or say"
            " --lose-unsent"
        )


def wipe(state: Path, disk: Callable[[], Disk], when: When) -> None:
    """Everything of people in a state folder. The key set and the clock's floor stay: they are of no person, and guard
    the door. Raises StorageError, OSError.
    """
    holdings.wipe(disk, when, state / "bookings", COUNTER)
