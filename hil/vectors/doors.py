"""What the door adds: who of several may, whether another's booking has the car (R4, R7), which tokens it has at all.

What is not here: what is done in the own booking and once it is over (`door_rules.py`), and disks that refuse
(`door_disks.py`).
"""

from __future__ import annotations

from typing import Any, Final

from .. import tokens
from ..tokens import ACTIONS
from . import command_shapes, nears, world
from .world import (
    BADGE,
    DAY,
    HOUR,
    ISSUER,
    NOW,
    PHONE,
    STRANGER,
    Case,
    claims,
    different,
    named,
    refused,
    revoked_token,
    signed,
    window,
)

UNLOCK, LOCK, END = ACTIONS["unlock"], ACTIONS["lock"], ACTIONS["end"]
OTHERS: Final = b"\x02other"  # a badge of somebody else
PARKED: Final[Case] = {"moving": "no", "ignition": False, "door_open": False, "key_back": None, "locked": True}
# tokens: those that are stored. where: station, elsewhere, unknown, ramp, anywhere. writes: what the disk still takes.
USUAL: Final[Case] = {
    **{name: value for name, value in world.USUAL.items() if name != "at_station"},
    "open_paid_to": None,
    "where": "station",
    "car": PARKED,
    "tokens": [],
    "ended": [],
    "used": [],
    "nonces": [nears.NONCE.hex()],
    "counter": None,
    "writes": "all",
}
# Booking 7 has the car, and its paid time is over at this very second.
TAKEN: Final[Case] = {"open_booking": 7, "open_paid_to": NOW}
MINE: Final = signed(claims())  # paid from 45 minutes ago to half an hour ahead


def car(**changes: Any) -> Case:
    return {**PARKED, **different(PARKED, changes)}


def held(**changes: Any) -> bytes:
    """A driver's token for a phone."""
    usual: Case = {"badge": None, "holder": PHONE}
    return signed(claims(**{**usual, **changes}))


def urgent(number: int = 0, **changes: Any) -> bytes:
    """An emergency token, which unlocks once."""
    order = {"role": "emergency", "actions": UNLOCK, "booking": number, **changes}
    return signed(claims(window(NOW - 60, NOW + 1_740, **order)))


def tap(name: str, stored: list[bytes], expect: Case, **state: Any) -> Case:
    """BADGE at the reader."""
    state = different(USUAL, {"tokens": [token.hex() for token in stored], **state})
    return {"name": name, "via": "badge", "badge": BADGE.hex(), "state": state, "expect": expect}


def phone(name: str, token: bytes, action: int, expect: Case, **state: Any) -> Case:
    """A command of its holder beside the car."""
    _, command = nears.pair(token, action=action)
    return _commanded(f"by phone: {name}", "phone", token, command, expect, **state)


def afar(name: str, token: bytes, action: int, expect: Case, **state: Any) -> Case:
    """A remote command of its holder."""
    _, command = command_shapes.pair(token, action=action)
    return _commanded(f"from afar: {name}", "command", token, command, expect, **state)


def _commanded(name: str, via: str, token: bytes, command: bytes, expect: Case, **state: Any) -> Case:
    made = {"token": token.hex(), "command": command.hex()}
    return {"name": name, "via": via, **made, "state": different(USUAL, state), "expect": expect}


def moved(action: int, booking: int = 42, *, opens: bool = False, closes: str | None = None, **more: Any) -> Case:
    said = {"booking": booking, "action": action, "opens": opens, "closes": closes, "note": None, **more}
    return {"accept": True, "code": None, **said}


def opened(booking: int = 42, **more: Any) -> Case:
    return moved(UNLOCK, booking, opens=True, **more)


def no(code: str, *reasons: str, free_at: int | None = None) -> Case:
    return refused(code, reasons=list(reasons), free_at=free_at)


def cases() -> list[Case]:
    return [*_taken_over(), *_occupied(), *_occupied_by_phone(), *_not_stored(), *_chosen()]


def _taken_over() -> list[Case]:
    """R4: the other booking's paid time is over, and the car stands where one may begin."""
    over = opened(closes="takeover")
    agent = signed(claims(role="agent"))
    unsure = opened(closes="takeover", note="clock_unsure_accepted")
    return [
        tap("R4 at the second of the other's paid end", [MINE], over, **TAKEN),
        tap("R4 a day after it", [MINE], over, open_booking=7, open_paid_to=NOW - DAY),
        tap("R4 doors and ignition unknown", [MINE], over, car=car(door_open=None, ignition=None), **TAKEN),
        tap("R4 the key is back", [MINE], over, car=car(key_back=True), **TAKEN),
        tap("R4 unlocked", [MINE], over, car=car(locked=False), **TAKEN),
        tap("R4 where no station can be asked for", [MINE], over, where="anywhere", **TAKEN),
        tap("R4 by an agent", [agent], over, **TAKEN),
        tap("R4 by an emergency token of a booking", [urgent(42)], over, **TAKEN),
        tap("R4 no clock, and the other's paid end was before the floor", [MINE], unsure, now=[NOW, None], **TAKEN),
        phone("R4 at the second of the other's paid end", held(), UNLOCK, over, **TAKEN),
    ]


def _occupied() -> list[Case]:
    """R7, and each bound of R4 from its other side."""
    busy, now = no("occupied", free_at=NOW), [NOW - 1, NOW + 3]
    cleaner = signed(claims(booking=0, role="agent"))
    return [
        tap("R7 a second before the other's paid end", [MINE], no("occupied", free_at=NOW + 1), open_booking=7,
            open_paid_to=NOW + 1),
        tap("R7 perhaps a second before it", [MINE], busy, now=now, **TAKEN),
        tap("R7 no clock, and the paid end is behind the floor", [MINE], no("occupied", free_at=NOW + 1),
            now=[NOW, None], open_booking=7, open_paid_to=NOW + 1),
        tap("R4 elsewhere", [MINE], busy, where="elsewhere", **TAKEN),
        tap("R4 position unknown", [MINE], busy, where="unknown", **TAKEN),
        tap("R4 position lost on a station's ramp", [MINE], busy, where="ramp", **TAKEN),
        tap("R4 the car moves", [MINE], busy, car=car(moving="yes", ignition=True), **TAKEN),
        tap("R4 may be moving", [MINE], busy, car=car(moving="maybe", ignition=None), **TAKEN),
        tap("R4 ignition on", [MINE], busy, car=car(ignition=True), **TAKEN),
        tap("R4 a door is open", [MINE], busy, car=car(door_open=True), **TAKEN),
        tap("R4 the key is not back", [MINE], busy, car=car(key_back=False), **TAKEN),
        tap("R4 a token of no booking takes nothing over", [cleaner], busy, **TAKEN),
        tap("R7 an emergency token of a booking", [urgent(42)], no("occupied", free_at=NOW + HOUR), open_booking=7,
            open_paid_to=NOW + HOUR),
        tap("R4 takes over, and has no right to unlock", [signed(claims(actions=LOCK))], no("role_action"), **TAKEN),
        tap("order: no right to unlock, and another is open", [signed(claims(actions=LOCK))], busy, where="elsewhere",
            **TAKEN),
        tap("order: too early, and another is open", [signed(claims(start_s=NOW + HOUR, end_s=NOW + DAY))],
            no("too_early"), **TAKEN),
        tap("order: late, and another is open", [MINE], no("expired"), now=[NOW + DAY, NOW + DAY + 4], **TAKEN),
    ]  # fmt: skip


def _occupied_by_phone() -> list[Case]:
    """Who says what he wants: all but an unlock is refused whatever the time. From afar nobody takes over."""
    busy, token, backend = no("occupied", free_at=NOW), held(), {"role": "backend", "actions": tokens.BACKEND_ACTIONS}
    desk, his = held(booking=0, **backend), held(**backend)
    agent = held(booking=0, role="agent")
    return [
        phone("R7 a second before the other's paid end", token, UNLOCK, no("occupied", free_at=NOW + 1),
              open_booking=7, open_paid_to=NOW + 1),
        phone("lock", token, LOCK, busy, **TAKEN),
        phone("end", token, END, busy, **TAKEN),
        phone("order: no right to lock, and another is open", held(actions=UNLOCK), LOCK, no("role_action"), **TAKEN),
        phone("agent without a booking, unlock", agent, UNLOCK, busy, **TAKEN),
        phone("emergency token of no booking", held_urgent(), UNLOCK, moved(UNLOCK, 0), **TAKEN),
        afar("driver, unlock", token, UNLOCK, busy, **TAKEN),
        afar("driver, lock", token, LOCK, busy, **TAKEN),
        afar("backend's token of a booking, unlock", his, UNLOCK, busy, **TAKEN),
        afar("agent without a booking, unlock", agent, UNLOCK, busy, **TAKEN),
        afar("emergency token of no booking", held_urgent(), UNLOCK, busy, **TAKEN),
        afar("order: occupied, and the car moves", token, LOCK, no("state_guard", "moving"),
             car=car(moving="yes", ignition=True), **TAKEN),
        afar("R1 backend without a booking, unlock", desk, UNLOCK, moved(UNLOCK, 0), **TAKEN),
        afar("R1 agent without a booking, lock", agent, LOCK, moved(LOCK, 0), **TAKEN),
        afar("R1 agent without a booking, end", agent, END, moved(END, 0, closes="forced"), **TAKEN),
        afar("R1 backend's token of another booking, end", his, END, moved(END, closes="forced"), **TAKEN),
        afar("the open booking's own, unlock", token, UNLOCK, moved(UNLOCK), open_booking=42, open_paid_to=NOW),
        afar("backend's token of a booking, and none is open", his, UNLOCK, opened()),
    ]  # fmt: skip


def held_urgent() -> bytes:
    return urgent(badge=None, holder=PHONE)


def _not_stored() -> list[Case]:
    """What a badge stands for is what is stored, names it, and is believed since."""
    code, token_4 = no("not_stored"), signed(claims(badge=OTHERS, revision=4, token_id=bytes(16)))
    proves = signed({**claims(), 8: {3: tokens.derived(b"sun", BADGE)}})
    gone = signed(claims(), STRANGER)
    open_: Case = {"open_booking": 42, "open_paid_to": NOW + HOUR}
    return [
        tap("nothing is stored", [], code),
        tap("a booking of another badge", [signed(claims(badge=OTHERS))], code),
        tap("a booking of a phone", [held()], code),
        tap("a badge that proves itself, of the same number", [proves], code),
        tap("revoked since it was stored", [MINE], code, revoked=[revoked_token()]),
        tap("R12 another badge has the booking by a higher revision", [MINE, token_4], code),
        tap("a higher revision was seen", [MINE], code, superseded={"42": 4}),
        tap("its key has left the key set", [gone], code),
        tap("of another car", [signed(claims(vehicle=bytes(8)))], code),
        tap("order: nothing is stored, and another is open", [], code, **TAKEN),
        tap("order: revoked since, late, and another is open", [MINE], code, revoked=[revoked_token()],
            now=[NOW + DAY, NOW + DAY + 4], **TAKEN),
        tap("a booking of another badge beside", [signed(claims(badge=OTHERS, booking=43, token_id=bytes(16))), MINE],
            opened()),
        tap("begins tomorrow: stored, and not yet", [signed(claims(start_s=NOW + DAY, end_s=NOW + 2 * DAY))],
            no("too_early")),
        tap("D20 revoked since, and its booking is open, elsewhere", [MINE], moved(UNLOCK), where="elsewhere",
            revoked=[revoked_token()], **open_),
        tap("D20 revoked since, and its booking is open, at a station", [MINE], no("revoked"),
            revoked=[revoked_token()], **open_),
        tap("D20 revoked since, and its booking is open, position unknown", [MINE], moved(UNLOCK), where="unknown",
            revoked=[revoked_token()], **open_),
        tap("D20 the key has left the key set, believed for the open booking, elsewhere", [gone], moved(UNLOCK),
            where="elsewhere", carried=named(gone), **open_),
    ]  # fmt: skip


def _chosen() -> list[Case]:
    """Several bookings of one badge. Each begins or ends with grace around its paid time."""

    def of(booking: int, start: int, end: int, **more: Any) -> bytes:
        ident = booking.to_bytes(16, "big")
        return signed(claims(booking=booking, start_s=start, end_s=end, token_id=ident, **more), ISSUER)

    paid, before, next_ = of(42, NOW - HOUR, NOW + HOUR), of(41, NOW - DAY, NOW - 60), of(43, NOW + 600, NOW + DAY)
    begins = of(43, NOW, NOW + DAY)
    past, later = of(40, NOW - DAY, NOW - 3 * HOUR), of(44, NOW + 3 * DAY, NOW + 4 * DAY)
    both: Case = {"open_booking": 43, "open_paid_to": NOW + DAY}
    return [
        tap("of three the one whose paid time is now", [before, next_, paid], opened()),
        tap("of two whose paid time is now the one that began first", [begins, paid], opened()),
        tap("of two in their grace the earlier", [next_, before], opened(41)),
        tap("paid time that ends this second is over: the earlier in its grace", [of(42, NOW - HOUR, NOW), before],
            opened(41)),
        tap("paid time begins this second: before one in its late grace", [before, begins], opened(43)),
        tap("one that has ended comes last", [paid, next_], opened(43), ended=[42]),
        tap("the open booking comes first", [paid, next_], moved(UNLOCK, 43), **both),
        tap("the open booking comes first, also when it has ended once", [paid, next_], moved(UNLOCK, 43), ended=[43],
            **both),
        tap("of two that are refused the one that may come, if farther off", [past, later], no("too_early")),
        tap("of two that are refused the open booking's", [later, of(42, NOW - HOUR, NOW + HOUR)], no("revoked"),
            open_booking=42, open_paid_to=NOW + HOUR, revoked=[tokens.derived(b"booking", bytes(7) + b"\x2a").hex()]),
        tap("the chosen one alone is judged further: occupied", [paid, next_], no("occupied", free_at=NOW + HOUR),
            open_booking=7, open_paid_to=NOW + HOUR),
    ]  # fmt: skip
