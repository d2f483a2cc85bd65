"""R9: five lock/unlock cycles, each read back both ways, prove the car's lock signal on this very car.

What is not here: when the car may be moved for it (`door.py`).
"""

from __future__ import annotations

from typing import Final

from drivers.ports import LockAction, LockOutcome

from .lockwork import Lockwork
from .pending import Asked

CYCLES: Final = 5


async def prove(lockwork: Lockwork) -> dict[str, object]:
    """Leaves the car locked. Answers {proven, cycles, why}; a proof that fails takes an older one away."""
    if not lockwork.provable:
        return {"proven": False, "cycles": 0, "why": "this car's folder names no lock signal"}
    await lockwork.believe(False)
    cycles, failed = await _cycles(lockwork)
    await lockwork.believe(failed is None)
    await lockwork.move(LockAction.LOCK, Asked("auto"))  # whatever came out, the car does not stand open
    await lockwork.believe(failed is None, for_good=True)
    return {"proven": failed is None, "cycles": cycles, "why": failed or "read back both ways every time"}


async def _cycles(lockwork: Lockwork) -> tuple[int, str | None]:
    """How many were good, and what was wrong with the next one."""
    for cycle in range(CYCLES):
        for action in (LockAction.LOCK, LockAction.UNLOCK):
            moved = await lockwork.move(action, Asked("auto"))
            if moved.outcome is LockOutcome.FAILED:
                return cycle, moved.why
            if not await lockwork.reads(action is LockAction.LOCK):
                return cycle, f"no read-back of {action.value} within {lockwork.confirm_s:g} s"
    return CYCLES, None
