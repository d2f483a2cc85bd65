"""What `boitier buffer` asks of the running daemon: look, hand out, erase. The rules of all of it are here (P8, P9).

What is not here: the rows (`agent/sync/holdings.py`), and the same with no daemon running (`agent/cli/reach.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..access import decision_log
from ..access.keypad import FORCED
from ..access.open_file import OpenFile
from ..access.pending import PENDING
from ..access.provers import COUNTER as READINGS
from ..access.receipts import NUMBER
from ..access.remote import COUNTER
from ..access.revisions import REVISION
from ..car.under_way import BOOKING_KEY, USED_KEY
from ..sync import delivery, holdings, salvaging, wiping
from ..sync.disk import Disk
from ..sync.record import When
from ..sync.tags import DECISION_KEY

if TYPE_CHECKING:
    from .app import House

# What was obeyed, superseded, read or given once never counts again. Two are of somebody, by a pseudonym: how often a
# badge was read, and which bookings a code ended; a copied reading would open otherwise.
KEEP: Final = (COUNTER, REVISION, USED_KEY, NUMBER, READINGS, FORCED)
UNDER_WAY: Final = (
    "a booking is under way, or a movement of the lock has no outcome yet: whoever has the car could not open it any"
    " more; end it first, and let boitier run until then"
)


class Records:
    """Asked by whoever may open the control socket."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def answer(self, request: Mapping[str, object]) -> dict[str, Any]:
        """Raises ValueError with what to do, for the asker."""
        if request.get("do") == "erase_all":
            return await self._erase_all(lose_unsent=request.get("lose_unsent") is True)
        store = self._house.store
        if request.get("do") == "decisions":
            return decision_log.answer(await store.read(DECISION_KEY), request)
        if request.get("do") == "salvaged":
            return await self._salvaged(request)
        if request.get("do") != "show":
            await store.commit(seal=True)  # what is in memory or lies open belongs to it
        found: dict[str, Any] = await store.ask(functools.partial(holdings.answer, request=request))
        under, counters = self._house.under.booking, store.counters()
        found["under_way"] = under.booking if under is not None else None
        found["gone"] = {name: counters[name] for name in counters if name.startswith(("aged_", "erased_"))}
        return found

    async def _salvaged(self, request: Mapping[str, object]) -> dict[str, Any]:
        """Records of a database that was set aside, read by whoever asks: from here on they are ours to deliver."""
        store, told = self._house.store, salvaging.taken(request)
        if why := await store.ask(lambda disk, when: salvaging.refusal(disk, request["stream"])):
            raise ValueError(why)
        return {"stored": len(await store.commit(told))}

    async def _erase_all(self, *, lose_unsent: bool) -> dict[str, Any]:
        """Only checks, and asks the house to stop: files are taken away when nobody has them open any more.

        Asked in the door's turn, and the door stays shut: between a tap and its booking nothing would be there to see.
        """
        house = self._house

        async def may() -> None:
            waiting = (await house.store.pending()).facts + house.store.counters()["kept_facts"]
            aside = await house.store.ask(lambda disk, when: holdings.set_aside(disk.path))
            may_wipe(waiting, aside, lose_unsent=lose_unsent)

        if not await house.door.shut_for_good(may):
            raise ValueError(UNDER_WAY)
        house.erasing, house.lose_unsent = True, lose_unsent
        house.stop.set()
        return {"erasing": True}


def may_wipe(waiting: int, aside: Sequence[Path], *, lose_unsent: bool) -> None:
    """R26: facts that bill stay until the backend has them. Raises ValueError."""
    if waiting and not lose_unsent:
        raise ValueError(
            f"{waiting} facts wait for the backend and would be lost, bills among them: connect the car first, or say"
            " --lose-unsent"
        )
    if aside and not lose_unsent:
        raise ValueError(
            f"{', '.join(file.name for file in aside)}: set aside after a mishap, perhaps with bills that the backend"
            " never got: copy it away first, or say --lose-unsent"
        )


def erase_all(state: Path, disk: Callable[[Path], Disk], when: When, *, lose_unsent: bool) -> None:
    """P8: everything of people in a state folder, with nobody having the file open. The key set and the clock's floor
    stay: they are of no person, and guard the door; so does what guards against replays (`KEEP`). The vehicle key
    goes, since whoever has the box next must not sign for this operator.

    All is asked again of the file: since the daemon was asked, something may have come to be there. Raises ValueError
    with what to do, and nothing is gone then; StorageError, OSError.
    """
    path = state / "records.db"
    if wiping.begun(path):
        wiping.finish(path, state / "bookings")
    one = disk(path)
    try:
        one.open(when)
        waiting, aside = delivery.pending(one.database).facts, holdings.set_aside(path)
        vault = one.recall("")
    finally:
        one.close()
    told = (None, None) if vault else OpenFile(state / "bookings").read()  # as at a start (`door.py: load`)
    if {BOOKING_KEY, PENDING} & vault.keys() or told != (None, None):  # damaged bytes are somebody's too
        raise ValueError(UNDER_WAY)
    may_wipe(waiting, aside, lose_unsent=lose_unsent)
    wiping.wipe(disk, when, path, state / "bookings", KEEP)
