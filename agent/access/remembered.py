"""Pure: what movements leave for those after them, beside what is under way: a value, and the next one.

What is not here: the movement (`lockwork.py`), and the rule of who may start (`start_right.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from drivers.fitted import SwitchAction
from drivers.ports import LockAction
from keyless.verify import JUST_ENDED

from ..car.under_way import OpenBooking
from . import start_right
from .pending import Asked, Pending

COMMANDED: Final = "access/commanded"
IMMOBILISED: Final = "access/immobilised"
_LOCKED: Final = {b"lock": True, b"unlock": False}


class Remembered(Struct, frozen=True):
    """locked: as the lock was told last. may_start: whether who has the car may start it; `None` before the first
    movement. lock_after: who unlocked it after his booking had ended, or in an emergency while nobody had it, until it
    is locked or somebody else unlocks it; it does not survive a start.
    """

    locked: bool | None = None
    may_start: bool | None = None
    immobilised: bool = False
    lock_after: Asked | None = None

    @classmethod
    def from_vault(cls, vault: Mapping[str, bytes], open_: OpenBooking | None) -> Remembered:
        locked = _LOCKED.get(vault.get(COMMANDED, b""))
        may_start = start_right.restored(vault.get(start_right.START_RIGHT), open_, locked)
        return cls(locked, may_start, IMMOBILISED in vault)

    def to_vault(self) -> tuple[dict[str, bytes], tuple[str, ...]]:
        """What is put, and what is dropped."""
        put = start_right.put(self.may_start)
        if self.locked is not None:
            put[COMMANDED] = b"lock" if self.locked else b"unlock"
        return (put | {IMMOBILISED: b"1"}, ()) if self.immobilised else (put, (IMMOBILISED,))

    def after(
        self, pending: Pending, before: OpenBooking | None, now: OpenBooking | None, *, moved: bool
    ) -> Remembered:
        """before, now: the open booking. moved: it may have."""
        found = replace(self, may_start=start_right.moved_on(self.may_start, pending, before, now, moved))
        if not moved:
            return found
        if pending.action is LockAction.LOCK:
            return replace(found, locked=True, lock_after=None)
        if pending.action is LockAction.UNLOCK:
            fetches = pending.asked.note == JUST_ENDED or (pending.plan.uses is not None and now is None)
            return replace(found, locked=False, lock_after=pending.asked if fetches else None)
        if pending.action in (SwitchAction.IMMOBILISE, SwitchAction.RELEASE):
            return replace(found, immobilised=pending.action is SwitchAction.IMMOBILISE)
        return found
