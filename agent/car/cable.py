"""Pure: what is believed of the charge cable, which is what the car has said for some seconds. A worn contact flaps,
and each flap would be a fact.

What is not here: charges (`charging.py`), which follow from it.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from .look import Look
from .privacy import for_leg
from .reading import Reading, dated

CONFIRM_MS: Final = 5_000  # as for charging: long for a contact that bounces, short for a hand that plugs and pulls


class Turn(Struct, frozen=True):
    """The first moment at which the car said otherwise than is believed. reading: as far as a fact may keep it;
    booking: the one open then.
    """

    reading: Reading
    booking: int | None


class Cable(Struct, frozen=True):
    """plugged: `None` before the car ever told. turn: not yet for long enough to be believed. unseen: it may have been
    moved since the car told it last: the bus was lost, the car was not asked, the box had no power.
    """

    plugged: bool | None = None
    turn: Turn | None = None
    unseen: bool = False


def step(cable: Cable, look: Look, booking: int | None, kind: str | None) -> tuple[Cable, Turn | None]:
    """One look; and the turn that is believed from here on, if one is. kind: of the booking. The first word ever is
    believed at once and is no turn; silence changes nothing.

    In a private booking a turn names no station, like a leg: where somebody charges on the way would be a place (R27).
    """
    said, now, turn = look.plugged, look.now, cable.turn
    if said is None:
        return replace(cable, unseen=cable.unseen or look.cable_unseen), None
    if cable.plugged is None or said is cable.plugged:
        return Cable(said), None
    if turn is None:
        turn = Turn(for_leg(kind, dated(now, look.plugged_at)), booking)
        return replace(cable, turn=turn, unseen=False), None
    # Another boot: starting takes longer than that.
    if turn.reading["boot"] == now["boot"] and now["at"] - turn.reading["at"] < CONFIRM_MS:
        return replace(cable, unseen=False), None
    return Cable(said), turn
