"""Pure: which kind of refusal the reader shows beside "refused", where a person can do something about it.

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


def reason_of(refusal: Refusal) -> Reason | None:
    reasons = reasons_of(refusal)
    if refusal.code is Code.STATE_GUARD and "reasons" in refusal.detail and reasons and set(reasons) <= set(HARD):
        return Reason.NOT_ENDED
    if refusal.code is Code.CODE and "keypad_locked" in reasons:
        return Reason.KEYPAD_LOCKED
    return BY_CODE.get(refusal.code)
