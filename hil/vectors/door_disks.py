"""D14: a disk that refuses. Who stands beside the car is let in all the same; what comes from afar waits."""

from __future__ import annotations

from typing import Final

from .. import tokens
from ..tokens import ACTIONS
from .door_rules import OWN
from .doors import END, LOCK, MINE, TAKEN, UNLOCK, afar, car, held, moved, no, opened, phone, tap
from .world import HOUR, NOW, PHONE, STRANGER, Case, claims, signed

EXTEND: Final = ACTIONS["extend"]
FILES: Final[Case] = {"writes": "files"}
NOTHING: Final[Case] = {"writes": "nothing"}


def cases() -> list[Case]:
    code, token = no("store_broken"), held()
    desk = held(role="backend", booking=0, actions=tokens.BACKEND_ACTIONS)
    longer = held(actions=EXTEND | UNLOCK, revision=4, end_s=NOW + 2 * HOUR)
    nobodys = signed(claims(badge=None, holder=PHONE), STRANGER)
    return [
        afar("D14 unlock", token, UNLOCK, code, **FILES),
        afar("D14 unlock, and no file is written either", token, UNLOCK, code, **NOTHING),
        afar("D14 lock in the own booking", token, LOCK, code, **FILES, **OWN),
        afar("D14 the backend's end", desk, END, code, **FILES, **TAKEN),
        afar("D14 locate, which moves nothing", desk, ACTIONS["locate_theft"], code, **FILES),
        afar("order: D14, and another booking is open", token, UNLOCK, code, **FILES, **TAKEN),
        afar("order: D14, and a key of nobody", nobodys, UNLOCK, code, **FILES),
        afar("order: D14, and the counter was seen", token, UNLOCK, code, counter=9, **FILES),
        phone("D14 extend, and neither database nor file takes the token", longer, EXTEND, code, **NOTHING, **OWN),
        phone("D14 extend, and its file takes the token", longer, EXTEND, moved(EXTEND), **FILES, **OWN),
        tap("D14 begins", [MINE], opened(), **FILES),
        tap("D14 begins, and no file is written either", [MINE], opened(), **NOTHING),
        tap("D14 ends", [MINE], moved(END, closes="ended"), car=car(locked=False), **FILES, **OWN),
        tap("D14 R4 takes over", [MINE], opened(closes="takeover"), **FILES, **TAKEN),
        tap("D14 R7 a second before the other's paid end", [MINE], no("occupied", free_at=NOW + 1), open_booking=7,
            open_paid_to=NOW + 1, **FILES),
        tap("D14 nothing is stored", [], no("not_stored"), **FILES),
        phone("D14 begins", token, UNLOCK, opened(), **FILES),
        phone("D14 begins, and neither database nor file takes the token", token, UNLOCK, opened(), **NOTHING),
        phone("D14 ends", token, END, moved(END, closes="ended"), **FILES, **OWN),
    ]  # fmt: skip
