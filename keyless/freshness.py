"""How old a revocation list may be, and how long a revocation may go unheard in this car (docs/keyless.md section 2.1).

What is on the list is judged in `verify.py`; where the list is kept, and who tells the delay to whom, is the caller's.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

from .claims import LONGEST_S, Interval, Role

ASKED_S: Final = 7 * 86_400  # staff with an older list need signed time: they can be let in otherwise, drivers cannot
ASKS: Final = (Role.AGENT, Role.TECHNICIAN)


class Delay(Struct, frozen=True):
    """seconds: what was revoked longer ago than this is refused here now; `None` where nothing bounds it.

    by: what bounds it, or does not: "list" (its age), "token_end" (no token lives longer), "no_clock".
    """

    seconds: int | None
    by: str


def is_stale(role: Role, list_iat: int | None, now: Interval) -> bool:
    """Whether the list is certainly too old for this role. list_iat: when the newest one was made; `None`: this car was
    never given one, and asks for none.
    """
    if role not in ASKS or list_iat is None or now.source == "signed":
        return False
    return now.lo_s > list_iat + ASKED_S


def revocation_delay(list_iat: int | None, now: Interval, lead_s: int) -> Delay:
    """Worst case, for a token, booking or holder, away from the booking under way (D20).

    lead_s: how long before its begin a token is minted at most. All of it as if now were the latest that it may be:
    what is on the list counts at once, and what is not ends with its token, seen by the earliest that now may be.
    """
    if now.hi_s is None:
        return Delay(None, "no_clock")
    end = lead_s + max(LONGEST_S.values()) + (now.hi_s - now.lo_s)
    age = math.inf if list_iat is None else max(0.0, now.hi_s - list_iat)
    return Delay(math.ceil(age), "list") if age <= end else Delay(math.ceil(end), "token_end")
