"""How often somebody may guess at the keypad (R11): five wrong codes, then ten minutes of nothing. Pure: the time is an
argument, and where the count is kept is the agent's business.

A right code does not wash wrong ones away, so that nobody guesses on with a good code of their own in between; ten
minutes without a wrong one do. Badges and phones know nothing of this.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

WRONG: Final = 5
LOCK_NS: Final = 600 * 1_000_000_000


class Tries(Struct, frozen=True):
    """wrong: tries that still count. boot, at_ns: when the last of them was; nanoseconds since that boot."""

    wrong: int = 0
    boot: str = ""
    at_ns: int = 0


def aged(tries: Tries, boot: str, now_ns: int) -> Tries:
    """What of it counts now. A try of an earlier boot was before this boot's begin, so it is over ten minutes after
    that at the latest: a power cut neither washes it away nor makes it last.
    """
    at_ns = tries.at_ns if tries.boot == boot and 0 <= tries.at_ns <= now_ns else 0
    return Tries() if tries.wrong <= 0 or now_ns - at_ns >= LOCK_NS else Tries(tries.wrong, boot, at_ns)


def locked(tries: Tries, boot: str, now_ns: int) -> bool:
    """Whether the keypad takes no code now."""
    return aged(tries, boot, now_ns).wrong >= WRONG


def after_wrong(tries: Tries, boot: str, now_ns: int) -> Tries:
    """One more wrong code."""
    return Tries(min(WRONG, aged(tries, boot, now_ns).wrong + 1), boot, now_ns)


def not_known(boot: str, now_ns: int) -> Tries:
    """The count cannot be read: ten minutes from now. To forget it would let a broken disk open for any patience."""
    return Tries(WRONG, boot, now_ns)
