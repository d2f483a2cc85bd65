"""Legs and charges beside what the car really did: kilometres, energy both ways, seconds, cable times, why it ended.

What is not here: bookings and readings (`ledger.py`). Of what happened while the box was dark nothing is demanded but
that the record says so. Null is no number: what the car told in the light must be there (`_untold` says when a null is
right, by `docs/contract.md`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import floor
from typing import Any

from ..diary import Diary, Moment
from . import coverage, lateness
from .coverage import Span
from .held import HeldFact, Holding

WHY = {"full": "full", "stop": "station_stopped", "fault": "fault"}
SURE_MS = 15_000  # the flag comes every 3 s, then it must hold for 5, and a box that starts hears nothing for some
LATE_MS = 6_000  # a look is a second late at most, the flag three, and a busy machine more
SEEN_LATE_MS = 2_000
REOPENED_MS = 6_000  # a bus that is back is opened within five seconds, then it must be heard
FLOW_MS = 30_000  # of so long a drive the few seconds without a word of power are less than a tenth
KM_KWH = (("km", "odometer_km"), ("energy_kwh", "energy_kwh"))  # and the reading that each is reckoned from
FLOWS = ("energy_used_kwh", "energy_recovered_kwh")
SHOWN_KW = (-75.0, 170.0)  # what the car's instruments can show


@dataclass(frozen=True, slots=True)
class Fine:
    """What records of journeys may differ by. A reading of energy comes in tenths; a look is up to a second late.

    step_km: what the car's odometer counts, whole kilometres or hundredths: a leg is the difference of two of its
    counts. energy_ms: of a car that tells its energy only when asked, how old its word of the end of charging may be.
    late_ms: how late a look may be in all. sure_ms: after so much charging in the light there must be a record.
    waking_ms: how long a car whose bus slept tells nothing yet.
    tells: fields of a reading that this car has.
    """

    km: float = 0.1
    step_km: float = 0.01
    kwh: float = 0.1
    ms: int = 1_500
    energy_ms: int = 0
    late_ms: int = LATE_MS
    sure_ms: int = SURE_MS
    waking_ms: int = 650
    tells: tuple[str, ...] = ("odometer_km", "energy_kwh")


@dataclass(slots=True)
class Plugging:
    """in_ms, out_ms: `None` when it was in before the diary began, or still is. charged: stretches of charging."""

    in_ms: int | None
    out_ms: int | None = None
    charged: list[Span] = field(default_factory=list)
    why: str = "unplugged"


def pluggings(diary: Diary) -> list[Plugging]:
    """From the car's own state at every moment."""
    found: list[Plugging] = []
    plugged, since = False, None
    for moment in diary.moments:
        truth = moment.truth
        if truth.plugged and not plugged:
            found.append(Plugging(None if moment is diary.moments[0] else moment.at_ms))
        if since is not None and not truth.charging:
            found[-1].charged.append((since, moment.at_ms))
            found[-1].why = WHY.get(moment.value, "unplugged") if moment.what == "charge" else "unplugged"
            since = None
        if since is None and truth.charging:
            since = moment.at_ms
        if plugged and not truth.plugged:
            found[-1].out_ms = moment.at_ms
        plugged = truth.plugged
    if since is not None:
        found[-1].charged.append((since, diary.moments[-1].at_ms))
    return found


def legs(held: Holding, diary: Diary, fine: Fine) -> tuple[int, list[str]]:
    """(legs looked at, faults)."""
    facts = held.of("leg", event="closed") + held.of("unbooked_leg", event="closed")
    faults = [f"{_name(fact)}: {fault}" for fact in facts for fault in _leg(fact.body, diary, fine)]
    return len(facts), faults


def _name(fact: HeldFact) -> str:
    return f"leg {fact.body.get('leg')} of {fact.body.get('booking') or 'nobody'}"


def _leg(body: dict[str, Any], diary: Diary, fine: Fine) -> Iterator[str]:
    for name in ("km", "duration_ms"):
        if (body.get(name) or 0) < 0:
            yield f"{name} {body[name]} is negative"
    start, end = middle(body.get("start")), middle(body.get("end"))
    if body.get("duration_ms") is None and (_one_boot(body) or (start is not None and end is not None)):
        yield "duration_ms is null, and both ends are dated"
    if start is None or end is None:
        return
    dark_ms = _dark_ms(diary, start, end)
    unseen_ms = body.get("unseen_ms")
    if unseen_ms is not None and dark_ms > LATE_MS and unseen_ms < dark_ms - LATE_MS:
        yield f"{unseen_ms} ms unseen, but {dark_ms:.0f} ms dark"
    if unseen_ms is None and not _dark_ms(diary, start - LATE_MS, end + LATE_MS):
        yield "unseen_ms is null in the light"
    switched = _switched(diary, start, end, fine.late_ms)
    if switched is None:
        return
    on, off = switched
    yield from _untold(body, diary, on, off, fine)
    driven = counted(diary, off, fine.step_km) - counted(diary, on, fine.step_km)
    if body.get("km") is not None and abs(body["km"] - driven) > fine.km + 0.005:
        yield f"{body['km']} km, {driven:.2f} km driven"
    said, late_ms = body.get("duration_ms"), fine.ms + min(dark_ms, fine.ms)
    begun_ms, ended_ms = lateness.excused(diary, on, off, fine.waking_ms)
    if said is not None and not -late_ms - begun_ms <= said - (off - on) <= late_ms + ended_ms:
        yield f"{said} ms, {off - on} ms from ignition to ignition, {begun_ms} and {ended_ms} excused at its ends"
    used, back, shown = flows(diary, on, off)
    net = body.get("energy_kwh")
    if net is not None and abs(net - (used - back)) > fine.kwh + 0.005:
        yield f"{net} kWh, {used - back:.2f} kWh really"
    for name, really in zip(FLOWS, (used, back), strict=True):
        told = body.get(name)
        if told is not None and shown and not dark_ms and abs(told - really) > fine.kwh:
            yield f"{name} {told}, {really:.2f} kWh really"


def _one_boot(body: dict[str, Any]) -> bool:
    start, end = body.get("start"), body.get("end")
    return isinstance(start, dict) and isinstance(end, dict) and start.get("boot") == end.get("boot")


def _untold(body: dict[str, Any], diary: Diary, on: int, off: int, fine: Fine) -> Iterator[str]:
    """What is null although the car was heard when it was switched off, and before that had told it already, or was on
    and heard for long enough to tell it.
    """
    deaf = _deaf(diary)
    if _overlap_ms(deaf, off - LATE_MS, off + LATE_MS):
        return
    long = _lit(deaf, (on, off), fine.sure_ms)
    start = body.get("start")
    for name, reading in KM_KWH:
        told = isinstance(start, dict) and start.get(reading) is not None
        if body.get(name) is None and reading in fine.tells and (told or long):
            yield f"{name} is null, and the car told it at both ends"
    if off - on >= FLOW_MS and not _overlap_ms(deaf, on - LATE_MS, off):
        yield from (f"{name} is null in the light" for name in FLOWS if body.get(name) is None)


def counted(diary: Diary, at_ms: float, step_km: float) -> float:
    """What an odometer of that step shows then: it counts what is full."""
    return floor(diary.odometer_km(at_ms) / step_km + 1e-6) * step_km


def change(diary: Diary, name: str, at_ms: float, age_ms: float) -> float:
    """How far an instrument moved in so long before."""
    least, most = diary.spread(name, at_ms - age_ms, at_ms)
    return most - least


def flows(diary: Diary, begin: float, end: float) -> tuple[float, float, bool]:
    """Energy out of the battery, energy back into it, and whether the instruments could show all of the power."""
    used = back = 0.0
    shown, before = True, None
    for moment in diary.moments:
        if begin <= moment.at_ms <= end:
            if before is not None:
                spent = before.truth.energy_kwh - moment.truth.energy_kwh
                used, back = used + max(spent, 0.0), back + max(-spent, 0.0)
            before = moment
            shown = shown and SHOWN_KW[0] <= moment.truth.motor_kw <= SHOWN_KW[1]
    return used, back, shown


def _switched(diary: Diary, start: float, end: float, late_ms: int) -> tuple[int, int] | None:
    """The ignition's own times, where the leg began and ended with it."""
    on = _nearest(diary.of("ignition"), "on", start, late_ms)
    off = _nearest(diary.of("ignition"), "off", end, late_ms)
    return (on, off) if on is not None and off is not None and on < off else None


def _nearest(moments: Sequence[Moment], value: str, at_ms: float, late_ms: int) -> int | None:
    near = [it.at_ms for it in moments if it.value == value and abs(it.at_ms - at_ms) <= late_ms]
    return min(near, key=lambda it: abs(it - at_ms), default=None)


def charges(held: Holding, diary: Diary, fine: Fine) -> tuple[int, int, list[str]]:
    """(charges that must be there, records held, faults)."""
    facts, faults, wanted = held.of("charge", event="closed"), list[str](), 0
    waiting = list(facts)
    deaf = _deaf(diary)
    for plugging in pluggings(diary):
        mine = [fact for fact in waiting if _within(plugging, fact.body)]
        waiting = [fact for fact in waiting if fact not in mine]
        out = plugging.out_ms
        over = out is not None and not _overlap_ms(deaf, out - LATE_MS, out + LATE_MS)
        must = over and any(_lit(deaf, span, fine.sure_ms) for span in plugging.charged)
        wanted += must
        what = f"plugged in at {plugging.in_ms}"
        if len(mine) > 1 or (must and not mine):
            faults.append(f"{what}: {len(mine)} charges instead of 1")
        for fact in mine:
            faults += [f"{what}: {fault}" for fault in _charge(fact.body, plugging, diary, fine)]
    faults += [f"charge (fact {fact.n}) never happened" for fact in waiting]
    return wanted, len(facts), faults


def _within(plugging: Plugging, body: dict[str, Any]) -> bool:
    """Whether the middle of this charge lies in that plugging: the next cable may be in a second later. A box that did
    not know the time at its start knew it at its end.
    """
    start, end = middle(body.get("start")), middle(body.get("end"))
    if start is None or end is None:
        start = end = end - SEEN_LATE_MS if end is not None else start
    return start is not None and (plugging.in_ms or 0) <= (start + (end or start)) / 2 <= (plugging.out_ms or 1 << 62)


def _lit(darks: Sequence[Span], span: Span, sure_ms: int) -> bool:
    """So much of it in one piece was in the light."""
    cuts = sorted([*span, *(edge for dark in darks for edge in dark if span[0] < edge < span[1])])
    return any(b - a >= sure_ms and not _overlap_ms(darks, a, b) for a, b in pairwise(cuts))


def _charge(body: dict[str, Any], plugging: Plugging, diary: Diary, fine: Fine) -> Iterator[str]:
    start, end = middle(body.get("start")), middle(body.get("end"))
    if body.get("start") is None or body.get("end") is None:
        yield "has no start or no end"
    if start is None or end is None:
        return
    inside = [(max(a, start), min(b, end)) for a, b in plugging.charged if a < end and b > start]
    gained = sum(diary.energy_kwh(b) - diary.energy_kwh(a) for a, b in inside)
    said = body.get("energy_kwh")
    if said is None and all(body[name].get("energy_kwh") is not None for name in ("start", "end")):
        yield "energy_kwh is null, and the car told it at both ends"
    stale = sum(change(diary, "energy_kwh", b, fine.energy_ms) for _, b in inside)
    if said is not None and abs(said - gained) > fine.kwh + 0.005 + _slack_kwh(diary, start) + stale:
        yield f"{said} kWh, {gained:.2f} kWh really"
    if plugging.in_ms is None or plugging.out_ms is None or _dark_ms(diary, plugging.in_ms - LATE_MS, plugging.out_ms):
        return
    times = (("plug_in", plugging.in_ms), ("unplug", plugging.out_ms), ("end", plugging.charged[-1][1]))
    for name, really in times:
        told = middle(body.get(name))
        if told is None or abs(told - really) > fine.late_ms:
            yield f"{name} at {told}, really at {really}"
    if body.get("why") != plugging.why:
        yield f"ended as {body.get('why')} instead of {plugging.why}"


def _slack_kwh(diary: Diary, at_ms: float) -> float:
    """What a second's difference between the reading and the wall may hide, at the pace of this charge."""
    return abs(diary.energy_kwh(at_ms + 1_000) - diary.energy_kwh(at_ms))


def _darks(diary: Diary) -> list[Span]:
    """When nobody looked: before the box was ready for the first time, and whenever it had no power or did not run."""
    ready = next((moment.at_ms for moment in diary.of("agent") if moment.value == "ready"), None)
    return ([] if ready is None else [(diary.moments[0].at_ms, ready)]) + coverage.dark(diary)


def _deaf(diary: Diary) -> list[Span]:
    """When the car told the box nothing: nobody looked, or its bus was gone."""
    return _darks(diary) + [(begin, end + REOPENED_MS) for begin, end in coverage.busless(diary)]


def _dark_ms(diary: Diary, begin: float, end: float) -> float:
    return _overlap_ms(_darks(diary), begin, end)


def _overlap_ms(spans: Sequence[Span], begin: float, end: float) -> float:
    return sum(max(0.0, min(end, b) - max(begin, a)) for a, b in spans)


def middle(reading: Any) -> float | None:
    """When a reading was taken, ms since 1970; `None` when it does not say."""
    return sum(reading["wall"]) / 2 if isinstance(reading, dict) and reading.get("wall") else None
