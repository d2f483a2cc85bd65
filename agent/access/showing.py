"""Pure: what the reader shows beside "refused", where a person can do something about it.

What is not here: letters, lamps and tones (`drivers/reader/badge.py`, docs/keypad.md), and sentences (`saying.py`).
"""

from __future__ import annotations

from typing import Final

from drivers.ports import Reason
from keyless.refusal import Code, Refusal

from .booking import HARD
from .saying import reasons_of

BY_CODE: Final = {
    Code.TOO_EARLY: Reason.TOO_EARLY,
    Code.OCCUPIED: Reason.OCCUPIED,
    Code.CLOCK_UNSURE: Reason.CLOCK_UNSURE,
}


def shown(refusal: Refusal) -> tuple[Reason, ...]:
    """The kind of refusal, and after NOT_ENDED each thing that is in the way, in the order of `HARD`."""
    reasons = reasons_of(refusal)
    if refusal.code is Code.STATE_GUARD and "reasons" in refusal.detail and reasons and set(reasons) <= set(HARD):
        return Reason.NOT_ENDED, *(Reason(name) for name in HARD if name in reasons)
    if refusal.code is Code.CODE and "keypad_locked" in reasons:
        return (Reason.KEYPAD_LOCKED,)
    return (BY_CODE[refusal.code],) if refusal.code in BY_CODE else ()
