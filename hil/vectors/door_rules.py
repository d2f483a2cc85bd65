"""What a tap and a wish do in the own booking (R1, R3), and once it is over (R4): again, fetched, or not at all."""

from __future__ import annotations

from typing import Any, Final

from .. import tokens
from .doors import (
    END,
    LOCK,
    MINE,
    OTHERS,
    TAKEN,
    UNLOCK,
    afar,
    car,
    held,
    held_urgent,
    moved,
    no,
    opened,
    phone,
    tap,
    urgent,
)
from .world import DAY, HOUR, NOW, PHONE, TOKEN_ID, Case, claims, signed

OWN: Final[Case] = {"open_booking": 42, "open_paid_to": NOW + 1_800}
PAID_TO: Final = NOW + 1_800  # of the usual token; its grace lasts half an hour longer
AT_END: Final = [PAID_TO, PAID_TO + 4]
BEFORE_END: Final = [PAID_TO - 1, PAID_TO + 3]


def cases() -> list[Case]:
    return [*_begins(), *_taps(), *_ends(), *_wishes(), *_again(), *_others_time(), *_fetched(), *_urgent()]


def _begins() -> list[Case]:
    cleaner = signed(claims(booking=0, role="agent"))
    return [
        tap("R3 begins, locked", [MINE], opened()),
        tap("R3 begins, whatever the car says of its lock", [MINE], opened(), car=car(locked=False)),
        tap("R3 begins elsewhere", [MINE], opened(), where="elsewhere"),
        tap("begins, may be moving", [MINE], opened(), car=car(moving="maybe", ignition=None)),
        tap("begins, the car moves", [MINE], no("state_guard", "moving"), car=car(moving="yes", ignition=True)),
        tap("begins, without the right", [signed(claims(actions=LOCK | END))], no("role_action")),
        tap("without a booking: unlocks", [cleaner], moved(UNLOCK, 0)),
        tap("without a booking: locks", [cleaner], moved(LOCK, 0), car=car(locked=False)),
        tap("without a booking: lock unknown", [cleaner], moved(UNLOCK, 0), car=car(locked=None)),
    ]


def _taps() -> list[Case]:
    """R3: what a badge means in mid booking."""
    ends, pauses, open_ = moved(END, closes="ended"), moved(LOCK), car(locked=False)
    late: Case = {"now": [NOW + 30 * DAY, NOW + 30 * DAY + 4], **OWN}
    after = "after_end_open_booking"
    return [
        tap("R3 own booking, locked", [MINE], moved(UNLOCK), **OWN),
        tap("R3 own booking, lock unknown", [MINE], moved(UNLOCK), car=car(locked=None), **OWN),
        tap("R3 unlocked at a station: ends", [MINE], ends, car=open_, **OWN),
        tap("R3 unlocked elsewhere: pauses", [MINE], pauses, car=open_, where="elsewhere", **OWN),
        tap("R3 unlocked, position unknown: pauses", [MINE], pauses, car=open_, where="unknown", **OWN),
        tap("R1 unlocked, position lost on a station's ramp: ends", [MINE], ends, car=open_, where="ramp", **OWN),
        tap("R1 unlocked where no station can be asked for: ends", [MINE], ends, car=open_, where="anywhere", **OWN),
        tap("R3 key not back: pauses", [MINE], pauses, car=car(locked=False, key_back=False), **OWN),
        tap("R3 key back: ends", [MINE], ends, car=car(locked=False, key_back=True), **OWN),
        tap("R5 a month late, elsewhere: unlocks", [MINE], moved(UNLOCK, note=after), where="elsewhere", **late),
        tap("R5 a month late, at a station: ends", [MINE], moved(END, closes="ended", note=after), car=open_, **late),
    ]


def _ends() -> list[Case]:
    """R1: what is known to be wrong refuses, in this order; what is unknown does not."""
    code, unlocked = "state_guard", {"locked": False}
    everything = car(moving="yes", ignition=True, door_open=True, key_back=False)
    unknown = car(moving="maybe", ignition=None, door_open=None, locked=None)
    ends, token = moved(END, closes="ended"), held()
    return [
        tap("R1 a door is open", [MINE], no(code, "door_open"), car=car(door_open=True, **unlocked), **OWN),
        tap("order: R1 no right to end, and a door is open", [signed(claims(actions=UNLOCK))], no(code, "door_open"),
            car=car(door_open=True, **unlocked), **OWN),
        tap("R1 no right to end", [signed(claims(actions=UNLOCK))], no("role_action"), car=car(**unlocked), **OWN),
        tap("R1 ignition on", [MINE], no(code, "ignition_on"), car=car(ignition=True, **unlocked), **OWN),
        tap("R1 ignition and doors unknown", [MINE], ends, car=car(ignition=None, door_open=None, **unlocked), **OWN),
        phone("R1 end, everything is wrong", token, END,
              no(code, "moving", "ignition_on", "door_open", "key_missing"), car=everything, **OWN),
        phone("R1 end, the key is missing", token, END, no(code, "key_missing"), car=car(key_back=False), **OWN),
        phone("R1 end, nothing is known", token, END, ends, car=unknown, where="unknown", **OWN),
        phone("R1 end elsewhere", token, END, ends, where="elsewhere", **OWN),
        afar("R1 end, a door is open", token, END, no(code, "door_open"), car=car(door_open=True), **OWN),
        afar("R1 end, may be moving", token, END, ends, car=car(moving="maybe"), **OWN),
        afar("R1 the backend ends it all the same", held(role="backend", booking=0, actions=END), END,
             moved(END, 0, closes="forced"), car=car(door_open=True), **OWN),
    ]  # fmt: skip


def _wishes() -> list[Case]:
    token = held()
    return [
        phone("unlock begins", token, UNLOCK, opened()),
        phone("unlock in the own booking", token, UNLOCK, moved(UNLOCK), **OWN),
        phone("lock in the own booking, at a station: pauses", token, LOCK, moved(LOCK), car=car(locked=False), **OWN),
        phone("lock, and no booking is open", token, LOCK, moved(LOCK)),
        phone("end, and no booking is open", token, END, no("state_guard", "no_booking")),
        phone("lock while the car moves", token, LOCK, no("state_guard", "moving"), car=car(moving="yes"), **OWN),
        phone("technician may not unlock a car that may be moving", held(role="technician"), UNLOCK,
              no("state_guard", "maybe_moving"), car=car(moving="maybe", ignition=None)),
        afar("end, and no booking is open", token, END, no("state_guard", "no_booking")),
        afar("unlock a car that may be moving", token, UNLOCK, no("state_guard", "maybe_moving"),
             car=car(moving="maybe", ignition=None)),
    ]  # fmt: skip


def _again() -> list[Case]:
    """R4: a booking that has ended opens again in its paid time, and in its grace where no station is known."""
    over, token, gone = no("expired", "ended"), held(), {"ended": [42]}
    desk = held(role="backend", actions=tokens.BACKEND_ACTIONS)
    late: Case = {"ended": [42], "now": AT_END}
    return [
        tap("R4 ended, a second before its paid end", [MINE], opened(), now=BEFORE_END, **gone),
        tap("R4 ended, and its paid end is now", [MINE], over, **late),
        tap("R5 ended, past its paid end, elsewhere", [MINE], opened(), where="elsewhere", **late),
        tap("R5 ended, past its paid end, position unknown", [MINE], opened(), where="unknown", **late),
        tap("R5 ended, past its paid end, where no station can be asked for", [MINE], opened(), where="anywhere",
            **late),
        tap("not ended, past its paid end: grace", [MINE], opened(), now=AT_END),
        tap("ended once, and open again: nothing ends it", [MINE], moved(UNLOCK), **late | OWN),
        tap("R4 ended, past its paid end, and another one's is over as well", [MINE], over, open_booking=7,
            open_paid_to=NOW, **late),
        phone("R4 ended, a second before its paid end", token, UNLOCK, opened(), now=BEFORE_END, **gone),
        phone("R4 ended, and its paid end is now", token, UNLOCK, over, **late),
        phone("R4 ended, past its paid end, and another one's is over as well", token, UNLOCK, over, open_booking=7,
              open_paid_to=NOW, **late),
        afar("R4 ended, a second before its paid end", desk, UNLOCK, opened(), where="elsewhere", **gone),
        afar("R4 ended, past its paid end, wherever it stands", signed_afar(), UNLOCK, over, where="elsewhere",
             **gone),
    ]  # fmt: skip


def signed_afar() -> bytes:
    """The backend's token of booking 42, paid until now."""
    return held(role="backend", actions=tokens.BACKEND_ACTIONS, end_s=NOW)


def _others_time() -> list[Case]:
    """R4: it does not open again once somebody else's paid time has begun, who drives and has not had the car."""

    def of(start: int = NOW, end: int = NOW + DAY, booking: int = 43, **more: Any) -> bytes:
        ident = bytes(15) + b"\x01"
        return signed(claims(badge=OTHERS, booking=booking, start_s=start, end_s=end, token_id=ident, **more))

    code, gone = no("expired", "another_began"), {"ended": [42]}
    hours = {"start": NOW - HOUR, "end": NOW + HOUR}
    return [
        tap("R4 ended, and another's paid time begins now", [MINE, of()], code, **gone),
        tap("R4 ended, and another's begins now, elsewhere", [MINE, of()], code, where="elsewhere", **gone),
        tap("R4 ended, and another's begins in a second", [MINE, of(NOW + 1)], opened(), **gone),
        tap("R4 ended, and another's ended this second", [MINE, of(NOW - HOUR, NOW)], opened(), **gone),
        tap("R4 ended, and another's ends in a second", [MINE, of(NOW - HOUR, NOW + 1)], code, **gone),
        tap("R4 ended, and the other has had the car", [MINE, of()], opened(), ended=[42, 43]),
        tap("R23 ended, and the other is for maintenance", [MINE, of(kind="maintenance")], opened(), **gone),
        tap("R4 ended, and the other is for staff", [MINE, of(kind="staff")], code, **gone),
        tap("R4 ended, and the other is an agent's", [MINE, of(role="agent", **hours)], code, **gone),
        tap("R4 ended, and the other is the backend's", [MINE, of(role="backend")], opened(), **gone),
        tap("R4 ended, and the other has no booking", [MINE, of(booking=0, role="agent", **hours)], opened(), **gone),
        tap("R4 not ended, and another's begins now: the first to start has it", [MINE, of()], opened()),
        phone("R4 ended, and another's paid time has begun, which has the car", held(), UNLOCK, code,
              tokens=[of().hex()], open_booking=43, open_paid_to=NOW + DAY, **gone),
    ]  # fmt: skip


def _fetched() -> list[Case]:
    """Ten minutes for what was forgotten in the car."""
    note, token, late = "just_ended", held(), [NOW + DAY, NOW + DAY + 4]
    unlocked = car(locked=False)
    left: Case = {"ended": [42], "just_ended": 42, "now": AT_END}
    return [
        tap("just ended, past its paid end: unlocks and opens nothing", [MINE], moved(UNLOCK, note=note), **left),
        tap("just ended, past its paid end: locks", [MINE], moved(LOCK, note=note), car=unlocked, **left),
        tap("just ended, past exp", [MINE], moved(UNLOCK, note=note), **left | {"now": late}),
        tap("just ended, in its paid time: opens again", [MINE], opened(), **left | {"now": BEFORE_END}),
        tap("just ended, in its paid time, unlocked: locks", [MINE], moved(LOCK), car=unlocked,
            **left | {"now": BEFORE_END}),
        tap("another has just ended", [MINE], no("expired", "ended"), **left | {"just_ended": 41}),
        phone("just ended, past its paid end, unlock", token, UNLOCK, moved(UNLOCK, note=note), **left),
        phone("just ended, past exp, lock", token, LOCK, moved(LOCK, note=note), **left | {"now": late}),
        phone("just ended, end", token, END, no("state_guard", "no_booking"), **left),
        afar("just ended, past its paid end", signed_afar(), UNLOCK, no("expired", "ended"), ended=[42],
             just_ended=42),
    ]  # fmt: skip


def _urgent() -> list[Case]:
    """An emergency token unlocks once, whoever has the car where it has no booking."""
    code, used = no("expired", "used"), {"used": [TOKEN_ID.hex()]}
    return [
        tap("emergency token of no booking", [urgent()], moved(UNLOCK, 0)),
        tap("emergency token of no booking, unlocked already", [urgent()], moved(UNLOCK, 0), car=car(locked=False)),
        tap("emergency token of no booking, another is open", [urgent()], moved(UNLOCK, 0), open_booking=7,
            open_paid_to=NOW + HOUR),
        tap("emergency token of no booking, the car moves", [urgent()], no("state_guard", "moving"),
            car=car(moving="yes", ignition=True), open_booking=7, open_paid_to=NOW + HOUR),
        tap("emergency token of a booking, none is open", [urgent(42)], opened()),
        tap("emergency token, used", [urgent()], code, **used),
        tap("emergency token of a booking, used, another is open", [urgent(42)], code, **used, **TAKEN),
        tap("emergency token, another was used", [urgent()], moved(UNLOCK, 0), used=[bytes(16).hex()]),
        phone("emergency token, used", held_urgent(), UNLOCK, code, **used),
        phone("emergency token of a booking, used, another is open",
              urgent(42, badge=None, holder=PHONE), UNLOCK, code, **used, **TAKEN),
    ]  # fmt: skip
