"""Now as an interval with a source, above a floor that nothing may go below. Time is an argument; nothing is read here.

Evidence comes in as fixes of a satellite receiver, as `iat` of verified objects and as signed time; `restored` starts
from what the last boot wrote down. Where that record is kept is the agent's business, and so are labels for people.
Seconds since 1970 UTC in floats; `now_ns` is nanoseconds since this boot, suspend counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, TypeGuard

from msgspec import Struct
from msgspec.structs import replace

from .claims import Interval

BUILD_S: Final = 1_767_225_600.0  # 2026-01-01: no box of this software has seen an earlier day
FAR_S: Final = 1 << 36  # the year 4147: a floor beyond it is a corrupt one
DRIFT: Final = 100e-6  # holdover of a plain crystal: 8.6 s a day
FIX_S: Final = 2.0  # a fix is good for t ± 2 s, and three must agree that well
FIXES: Final = 3
SATELLITES: Final = 4
SKEW_S: Final = 120.0  # an issuer's clock may run ahead of ours by this much without being a contradiction
RISE_S: Final = 86_400.0  # R19
DOUBT_S: Final = 3_600.0  # so long must a date be told that contradicts what this boot has learned, or is beyond R19
GAP_S: Final = 600.0  # a date in doubt that is not told for longer begins its hour again
FRESH_S: Final = 60.0  # older evidence is called holdover
WRITE_EVERY_S: Final = 600.0

_SOURCES: Final = ("holdover", "gnss", "signed")  # in the order of trust


class Anchor(Struct, frozen=True):
    """Between lo_s and hi_s, it was at_ns since that boot."""

    boot: str
    at_ns: int
    lo_s: float
    hi_s: float
    source: str


class ClockState(Struct, frozen=True):
    """floor_s: nothing is earlier. vouched_s: the part of the floor that GNSS alone did not raise in this boot (R19).

    streak: receiver time in ms and arrival in ns of the last fixes that agree, newest last, at most three.
    doubt: of a date that waits for its hour: receiver time in ms and arrival in ns of its first epoch, arrival of its
    last.
    """

    floor_s: float
    vouched_s: float
    boot: str
    anchor: Anchor | None = None
    streak: tuple[tuple[int, int], ...] = ()
    doubt: tuple[int, int, int] | None = None


def interval(state: ClockState, boot: str, now_ns: int) -> Interval:
    """Now. Without usable evidence of this boot: from the floor to anywhere (level 0)."""
    held = _held(state, boot, now_ns)
    if held is None or state.anchor is None:
        return Interval(state.floor_s, None, "none")
    source = state.anchor.source if (now_ns - state.anchor.at_ns) / 1e9 <= FRESH_S else "holdover"
    return Interval(max(held[0], state.floor_s), max(held[1], state.floor_s), source)


def settled_lo_s(state: ClockState, boot: str, now_ns: int) -> float:
    """Surely past, for what cannot be undone (erasing). At most a day ahead of what was signed or survived a start: a
    receiver alone, however long it is wrong, moves it no further.
    """
    return min(interval(state, boot, now_ns).lo_s, state.vouched_s + RISE_S)


def after_fix(
    state: ClockState, fix_time_ms: int | None, boot: str, now_ns: int, satellites: int | None, mode: int
) -> ClockState:
    """The state after one epoch of the receiver, good or not. Three good ones in a row that agree make an anchor,
    unless this boot knows better: then they need their hour (`_after_row`).
    """
    state = _in_boot(state, boot)
    if fix_time_ms is None or mode < 2 or satellites is None or satellites < SATELLITES:
        return replace(state, streak=())
    at_s = fix_time_ms / 1000
    if not state.floor_s - SKEW_S <= at_s <= FAR_S:
        return replace(state, streak=())  # a dead clock, a week roll-over, a spoofer
    if state.streak and not _agree(state.streak, fix_time_ms, now_ns):
        return replace(state, streak=((fix_time_ms, now_ns),))
    if state.streak and state.streak[-1][0] == fix_time_ms:
        return state  # the same epoch, told by another sentence
    streak = (*state.streak, (fix_time_ms, now_ns))[-FIXES:]
    state = replace(state, streak=streak)
    return state if len(streak) < FIXES else _after_row(state, fix_time_ms, boot, now_ns)


def _after_row(state: ClockState, fix_time_ms: int, boot: str, now_ns: int) -> ClockState:
    """Three epochs agree. They make the anchor at once where nothing contradicts them: this boot has no time yet, or
    the one that it holds meets theirs, or that one is itself beyond R19 and theirs is not. Else only after an hour.

    The floor rises at once within R19; a date beyond it lifts the floor to that limit after an hour only, so that one
    wrong date cannot make the right ones look like the past.
    """
    at_s, held = fix_time_ms / 1000, _held(state, boot, now_ns)
    # R19: what the receiver alone says may lift the floor by a day, or by the time this boot has really lasted.
    ceiling = state.vouched_s + max(RISE_S, now_ns / 1e9 * (1 + DRIFT))
    anchor = Anchor(boot, now_ns, at_s - FIX_S, at_s + FIX_S, "gnss")
    within = anchor.lo_s <= ceiling
    meets = held is None or (held[0] <= anchor.hi_s and anchor.lo_s <= held[1]) or (within and held[0] > ceiling)
    if meets and within:
        return replace(state, anchor=anchor, floor_s=max(state.floor_s, anchor.lo_s), doubt=None)
    doubt = _doubted(state.doubt, fix_time_ms, now_ns)
    state = replace(state, doubt=doubt)
    if (now_ns - doubt[1]) / 1e9 >= DOUBT_S:
        return replace(state, anchor=anchor, floor_s=max(state.floor_s, min(anchor.lo_s, ceiling)))
    return replace(state, anchor=anchor) if meets else state


def after_iat(state: ClockState, iat: int, boot: str, now_ns: int) -> ClockState:
    """An object whose signature verified was made at `iat`: it is no earlier than that. Never lowers anything.

    What this boot's time contradicts by more than an issuer's skew is a mistake of the issuer's and changes nothing.
    """
    held = _held(state, boot, now_ns)
    if iat > FAR_S or (held is not None and iat > held[1] + SKEW_S):
        return state
    return replace(state, floor_s=max(state.floor_s, float(iat)), vouched_s=max(state.vouched_s, float(iat)))


def after_signed(state: ClockState, time_s: float, round_trip_s: float, boot: str, now_ns: int) -> ClockState:
    """Signed time that echoes our nonce: the one evidence that may also lower a floor that was raised wrongly (R19)."""
    state = _in_boot(state, boot)
    anchor = Anchor(boot, now_ns, time_s, time_s + round_trip_s, "signed")
    return replace(state, floor_s=float(time_s), vouched_s=float(time_s), anchor=anchor, streak=(), doubt=None)


def restored(
    record: Mapping[str, object] | None,
    boot: str,
    *,
    build_s: float = BUILD_S,
    holdover: tuple[float, float, int] | None = None,
) -> ClockState:
    """What a start knows. record: as `to_record` wrote it; missing or damaged, the build date is the floor.

    A record of this same boot is taken over with its anchor and what is left of the rise: the program restarted, the
    board did not. holdover: lo_s, hi_s, at_ns by a battery-backed clock that this box itself has set (D21), or `None`.
    """
    state = _read_record(record) or ClockState(build_s, build_s, boot)
    state = _in_boot(state, boot)
    floor = max(state.floor_s, float(build_s))
    state = replace(state, floor_s=floor, vouched_s=max(state.vouched_s, float(build_s)))
    if state.anchor is None and holdover is not None and holdover[1] >= floor:
        lo, hi, at_ns = holdover
        return replace(state, anchor=Anchor(boot, at_ns, max(lo, floor), hi, "holdover"))
    return state


def to_record(state: ClockState) -> dict[str, object]:
    """JSON-able, with a check sum: a floor that a bad disk sector has moved ahead would lock out everybody."""
    anchor = state.anchor
    floor, vouched = float(state.floor_s), float(state.vouched_s)  # a whole number reads back as something else
    body: dict[str, object] = {"v": 1, "floor_s": floor, "vouched_s": vouched, "boot": state.boot, "anchor": None}
    if anchor is not None:
        body["anchor"] = [anchor.boot, anchor.at_ns, float(anchor.lo_s), float(anchor.hi_s), anchor.source]
    return {**body, "check": _check(body)}


def worth_writing(written: ClockState | None, state: ClockState) -> bool:
    """At each gain of trust, else when the floor has risen by ten minutes, or has been lowered."""
    if written is None or state.floor_s < written.floor_s or state.floor_s - written.floor_s >= WRITE_EVERY_S:
        return True
    return _rank(state.anchor) > _rank(written.anchor)


def _rank(anchor: Anchor | None) -> int:
    return -1 if anchor is None else _SOURCES.index(anchor.source)


def _in_boot(state: ClockState, boot: str) -> ClockState:
    """Evidence of another boot is worth its floor only."""
    if state.boot == boot:
        return state
    return ClockState(state.floor_s, state.floor_s, boot)


def _held(state: ClockState, boot: str, now_ns: int) -> tuple[float, float] | None:
    """Now by this boot's evidence alone, without the floor; `None` where there is none that can be used."""
    anchor = state.anchor
    if anchor is None or anchor.boot != boot or now_ns < anchor.at_ns:
        return None
    passed = (now_ns - anchor.at_ns) / 1e9
    lo, hi = anchor.lo_s + passed * (1 - DRIFT), anchor.hi_s + passed * (1 + DRIFT)
    return None if hi < state.floor_s - SKEW_S else (lo, hi)  # a newer build says that it was wrong


def _doubted(doubt: tuple[int, int, int] | None, fix_time_ms: int, now_ns: int) -> tuple[int, int, int]:
    """The date in doubt, told once more; a new one where this is another date, or was not told for long."""
    if doubt is not None:
        first_ms, first_ns, last_ns = doubt
        passed = (now_ns - first_ns) / 1e9
        near = abs((fix_time_ms - first_ms) / 1000 - passed) <= FIX_S + passed * DRIFT
        if near and (now_ns - last_ns) / 1e9 <= GAP_S:
            return first_ms, first_ns, now_ns
    return fix_time_ms, now_ns, now_ns


def _agree(streak: tuple[tuple[int, int], ...], fix_time_ms: int, now_ns: int) -> bool:
    """Whether the receiver's clock has gone on like ours since each fix of the streak, within two seconds."""
    return all(abs((fix_time_ms - time_ms) / 1000 - (now_ns - at_ns) / 1e9) <= FIX_S for time_ms, at_ns in streak)


def _check(body: Mapping[str, object]) -> str:
    text = "|".join(repr(body.get(key)) for key in ("v", "floor_s", "vouched_s", "boot", "anchor"))
    return hashlib.sha256(b"floor" + text.encode()).hexdigest()[:16]


def _read_record(record: Mapping[str, object] | None) -> ClockState | None:
    """The state of the boot that wrote it, or `None` for anything that `to_record` did not write."""
    if not isinstance(record, Mapping) or record.get("v") != 1 or record.get("check") != _check(record):
        return None
    floor, vouched, boot = record.get("floor_s"), record.get("vouched_s"), record.get("boot")
    if not _is_time(floor) or not _is_time(vouched) or not isinstance(boot, str) or vouched > floor:
        return None
    match record.get("anchor"):
        case [str() as anchor_boot, int() as at_ns, lo, hi, str() as source] if (
            _is_time(lo) and _is_time(hi) and lo <= hi and source in _SOURCES
        ):
            return ClockState(floor, vouched, boot, Anchor(anchor_boot, at_ns, lo, hi, source))
        case _:
            return ClockState(floor, vouched, boot)


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, float) and 0 <= value <= FAR_S
