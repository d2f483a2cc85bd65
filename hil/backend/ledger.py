"""The oracle: what really happened beside what the backend holds. Differences are findings; agreement is a row too.

What is not here: reading the backend (`held.py`), and the table's look (`hil/report.py`). Needs a settled day: what is
still in the car's queue shows up as a finding.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..diary import Diary
from ..report import Row
from . import contract, coverage, expected_bills, journeys, locks, receipts
from .held import HeldFact, Holding, read
from .journeys import Fine, middle
from .placing import held_facts

COARSE_M = 100  # the shipped policy for private bookings


@dataclass(frozen=True, slots=True)
class Tolerance:
    """km, kwh: between a reading and the car itself. slack_ms: around a reading's time. match_ms: for pairing events.
    fine: between a whole leg or charge and the car itself.

    Why these: cars tell the odometer once in 100 ms to 1 s and energy by 0.1 kWh; a wall interval is good to 2 s.
    """

    km: float = 0.15
    kwh: float = 0.25
    slack_ms: int = 2_500
    match_ms: int = 8_000
    fine: Fine = field(default_factory=Fine)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the scenario knows of one booking. how: the ways of closing that are right; empty: still open at the end.
    badge: its driver's, hex; empty where none is shown to the reader.
    """

    booking: int
    kind: str = "private"
    opened: bool = True
    how: tuple[str, ...] = ("ended",)
    badge: str = ""


@dataclass(slots=True)
class Judgement:
    """findings: one sentence each, empty when both sides agree. private_positions: positions that must not be there."""

    findings: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    private_positions: int = 0

    @property
    def agrees(self) -> bool:
        return not self.findings

    def row(self, what: str, happened: str, holds: str, faults: Sequence[str] = ()) -> None:
        """A line of the table; it agrees when there are no faults."""
        self.rows.append(Row(what, happened, holds, not faults))
        self.findings += [f"{what}: {fault}" for fault in faults]


def judge(
    diary: Diary,
    database: Path,
    vehicle: str,
    bookings: Sequence[Expected],
    *,
    tolerance: Tolerance | None = None,
    last: dict[str, int] | None = None,
) -> Judgement:
    """vehicle: 16 hex digits. last: the highest number the car gave in its newest "facts" and "samples" stream.

    Without last, the newest retained state of the car tells.
    """
    tolerance = tolerance or Tolerance()
    held, judgement = read(database, vehicle), Judgement()
    _streams(judgement, held, last)
    judgement.row("held against the schemas", *contract.compare(database, vehicle))
    _locks(judgement, held, diary, tolerance)
    for expected in bookings:
        _booking(judgement, held, diary, expected, tolerance)
    due, signed, faults = receipts.check(held, vehicle)
    judgement.row("receipts", f"{due} of bookings", f"{signed} signed", faults)
    mine = [fact for fact in held_facts(database) if fact.vehicle == vehicle]
    judgement.row("billed", *expected_bills.compare(mine, diary, bookings, tolerance.slack_ms))
    _strangers(judgement, held, {expected.booking for expected in bookings})
    _plugs(judgement, held, diary, tolerance)
    _journeys(judgement, held, diary, tolerance.fine)
    _track(judgement, held, diary, tolerance)
    _privacy(judgement, held)
    return judgement


def _streams(judgement: Judgement, held: Holding, last: dict[str, int] | None) -> None:
    """No gap in the numbers, nothing twice with another content, and no missing tail."""
    told = last or next((state for _, state in reversed(held.states) if "facts" in state), {})
    newest = {account.kind: account for account in held.accounts}
    for kind in ("facts", "samples"):
        accounts = [account for account in held.accounts if account.kind == kind]
        faults = [f"{a.stream}: {low} to {high} are missing" for a in accounts for low, high in a.numbers.gaps]
        highest = newest[kind].numbers.highest if kind in newest else 0
        count = told.get(kind) or 0
        if highest < count:
            faults.append(f"the car has numbered up to {count}, the backend has {highest}")
        total = sum(account.numbers.upto for account in accounts)
        judgement.row(f"{kind}, numbered", f"{max(count, highest)}", f"{total} without a gap", faults)
    faults = [f"{stream}: number {n} came with two contents" for stream, n in held.conflicts]
    faults += [f"unreadable: {why} ({topic})" for topic, why in held.poison]
    for body in (fact.body for fact in held.of("damaged")):
        faults.append(f"damaged in the car: {body.get('stream')} {body.get('from')} to {body.get('to')}")
    judgement.row("records twice or unreadable", "0", str(len(faults)), faults)


def _locks(judgement: Judgement, held: Holding, diary: Diary, tolerance: Tolerance) -> None:
    moved = [moment for moment in diary.of("lock") if moment.detail != "hand"]
    pairs, faults = locks.compare(moved, held, diary, tolerance.match_ms)
    judgement.row("lock movements", str(len(moved)), f"{pairs} with an intent", faults)
    taps, missing = locks.taps(held, diary, tolerance.match_ms)
    judgement.row("badges and codes shown", str(taps), f"{taps - len(missing)} answered", missing)


def _booking(judgement: Judgement, held: Holding, diary: Diary, expected: Expected, tolerance: Tolerance) -> None:
    """Opened and closed once, with the readings of the car at that time."""
    number = expected.booking
    opened = held.of("booking", event="opened", booking=number)
    closed = held.of("booking", event="closed", booking=number)
    faults = []
    if len(opened) != int(expected.opened):
        faults.append(f"opened {len(opened)} times instead of {int(expected.opened)}")
    if len(closed) != int(bool(expected.how)):
        faults.append(f"closed {len(closed)} times instead of {int(bool(expected.how))}")
    for fact in opened:
        faults += _reading("start", fact.body.get("start"), held, diary, tolerance)
        if fact.body.get("booking_kind") != expected.kind:
            faults.append(f"kind {fact.body.get('booking_kind')} instead of {expected.kind}")
    for fact in closed:
        faults += _closing(fact, expected, held, diary, tolerance)
    legs = [leg for leg in held.of("leg", event="closed") if leg.body.get("booking") == number]
    faults += _legs(legs, held, diary, tolerance)
    holds = "; ".join(_summary(fact.body) for fact in closed) or ("open" if opened else "nothing")
    judgement.row(f"booking {number} ({expected.kind})", _truth(opened, closed, diary), holds, faults)


def _closing(fact: HeldFact, expected: Expected, held: Holding, diary: Diary, tolerance: Tolerance) -> Iterator[str]:
    body = fact.body
    if body.get("how") not in expected.how:
        yield f"closed as {body.get('how')} instead of {' or '.join(expected.how)}"
    yield from _reading("end", body.get("end"), held, diary, tolerance)
    start, end = middle(body.get("start")), middle(body.get("end"))
    if start is None or end is None:
        return
    driven = diary.odometer_km(end) - diary.odometer_km(start)
    if body.get("km") is None or abs(body["km"] - driven) > 2 * tolerance.km:
        yield f"{body.get('km')} km billed, {driven:.2f} km driven"
    used, said = diary.energy_kwh(start) - diary.energy_kwh(end), body.get("energy_kwh")
    tells = "energy_kwh" in tolerance.fine.tells
    if (said is None and tells) or (said is not None and abs(said - used) > 2 * tolerance.kwh):
        yield f"{said} kWh, {used:.2f} kWh really"
    duration = body.get("duration_ms")
    if duration is None or abs(duration - (end - start)) > 2 * tolerance.slack_ms:
        yield f"lasted {duration} ms by one clock and {end - start:.0f} ms by the other"


def _legs(legs: Sequence[HeldFact], held: Holding, diary: Diary, tolerance: Tolerance) -> Iterator[str]:
    for number, count in Counter(leg.body.get("leg") for leg in legs).items():
        if count > 1:
            yield f"leg {number} closed {count} times"
    for leg in legs:
        for end in ("start", "end"):
            yield from _reading(f"leg {leg.body.get('leg')}, {end}", leg.body.get(end), held, diary, tolerance)


def _reading(what: str, reading: Any, held: Holding, diary: Diary, tolerance: Tolerance) -> Iterator[str]:
    """The instruments at that time, within what the car itself showed around it."""
    if not isinstance(reading, dict):
        yield f"{what}: no reading"
        return
    when = reading.get("wall") or held.window(str(reading.get("boot")), int(reading.get("at") or 0))
    if when is None:
        yield f"{what}: nobody can say when"
        return
    low, high = when
    for key, allowed in (("odometer_km", tolerance.km), ("energy_kwh", tolerance.kwh)):
        least, most = diary.spread(key, low - tolerance.slack_ms, high + tolerance.slack_ms)
        value = reading.get(key)
        if value is None and key == "odometer_km":
            yield f"{what}: no odometer"
        elif value is not None and not least - allowed <= value <= most + allowed:
            yield f"{what}: {key} {value} instead of {least:.2f} to {most:.2f}"


def _strangers(judgement: Judgement, held: Holding, known: set[int]) -> None:
    """Nothing may be opened, closed or billed that nobody ordered."""
    seen = {fact.body.get("booking") for fact in held.facts if fact.kind in ("booking", "leg")}
    strangers = sorted(number for number in seen if isinstance(number, int) and number not in known)
    judgement.row("bookings nobody ordered", "0", str(len(strangers)), [f"booking {number}" for number in strangers])


def _plugs(judgement: Judgement, held: Holding, diary: Diary, tolerance: Tolerance) -> None:
    """By the moment of the reading: the fact itself comes once the cable has held, after a cut in the next boot."""
    happened = diary.of("plug")
    facts = held.of("plug")
    faults = []
    waiting = [(fact, when) for fact in facts if (when := _read_at(held, fact)) is not None]
    for moment in happened:
        event = "plugged" if moment.value == "in" else "unplugged"
        slack = tolerance.match_ms
        fits = [
            (fact, (low, high))
            for fact, (low, high) in waiting
            if fact.body.get("event") == event and low - slack <= moment.at_ms <= high + slack
        ]
        if fits:
            waiting.remove(fits[0])
        else:
            faults.append(f"{event} at {moment.at_ms} is not held")
    faults += [f"{fact.body.get('event')} (fact {fact.n}) never happened" for fact, _ in waiting]
    judgement.row("plugged and unplugged", str(len(happened)), str(len(facts)), faults)


def _read_at(held: Holding, fact: HeldFact) -> tuple[float, float] | None:
    reading = fact.body.get("reading") or {}
    wall = reading.get("wall")
    return (wall[0], wall[1]) if wall else held.window(str(reading.get("boot")), int(reading.get("at") or 0))


def _journeys(judgement: Judgement, held: Holding, diary: Diary, fine: Fine) -> None:
    """Legs and charges, whole: kilometres, energy both ways, seconds, why a charge ended."""
    count, faults = journeys.legs(held, diary, fine)
    judgement.row("legs", f"{len(diary.of('ignition')) // 2} from ignition to ignition", f"{count} closed", faults)
    wanted, count, faults = journeys.charges(held, diary, fine)
    judgement.row("charges", f"{wanted} that must be there", f"{count} closed", faults)


def _track(judgement: Judgement, held: Holding, diary: Diary, tolerance: Tolerance) -> None:
    """Every sample's odometer lies where the car was then."""
    wrong = checked = 0
    for sample in held.samples:
        value = sample.values.get("Vehicle.TraveledDistance")
        if value is not None and sample.when_ms is not None:
            around = (sample.when_ms - tolerance.slack_ms, sample.when_ms + tolerance.slack_ms)
            least, most = diary.spread("odometer_km", *around)
            checked += 1
            wrong += not least - tolerance.km <= value <= most + tolerance.km
    faults = [f"{wrong} of {checked} samples show another odometer than the car had"] if wrong else []
    judgement.row("samples", f"{checked} checked against the car", f"{len(held.samples)} held", faults)
    seconds, count, faults = coverage.check(held, diary)
    judgement.row("samples while driving", f"{seconds:.0f} s driven", f"{count} samples", faults)


def _privacy(judgement: Judgement, held: Holding) -> None:
    """R27: no position of a private booking in any place, but for events with a reason; and coarse, where it begins and
    ends (P1).
    """
    private = {fact.body.get("booking") for fact in held.of("booking", booking_kind="private")}
    count = 0
    for fact in held.facts:
        ends = fact.body.get("event") in ("start", "end") and (fact.body.get("precision_m") or 0) >= COARSE_M
        if fact.body.get("booking") in private and not ends and fact.body.get("event") not in ("theft", "assistance"):
            text = json.dumps(fact.body)
            count += '"lat":' in text or '"position":' in text
    count += sum(s.booking in private and "Vehicle.CurrentLocation.Latitude" in s.values for s in held.samples)
    count += sum(state.get("booking") == "private" and bool(state.get("position")) for _, state in held.states)
    judgement.private_positions = count
    faults = [f"{count} positions are held"] if count else []
    judgement.row("positions of private bookings", "0 may be kept", str(count), faults)


def _truth(opened: Sequence[HeldFact], closed: Sequence[HeldFact], diary: Diary) -> str:
    start = next((middle(fact.body.get("start")) for fact in opened), None)
    end = next((middle(fact.body.get("end")) for fact in closed), None)
    if start is None or end is None:
        return "under way" if opened else "not begun"
    km = diary.odometer_km(end) - diary.odometer_km(start)
    return f"{km:.2f} km, {diary.energy_kwh(start) - diary.energy_kwh(end):.2f} kWh"


def _summary(body: dict[str, Any]) -> str:
    return f"{body.get('how')}: {body.get('km')} km, {body.get('energy_kwh')} kWh"
