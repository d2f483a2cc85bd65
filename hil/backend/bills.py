"""Bills are a fold over the facts of one fleet: the same facts, in any order and however often, cost the same. Pure.

    python -m hil.backend.bills DATABASE --tariff FILE        (`bills_command.py`)

What is not here: the tariff's words (`tariff.py`), when something happened (`placing.py`), and energy, which no battery
bills (`charge_sessions.py`). Of what cannot be proved the shorter time is billed, and the bill says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .payload import Fact
from .placing import Clock, Key, Moment, gather, lasted_ms, start_of
from .tariff import Tariff

OF_A_DAY: Final = 1 << 52  # booking numbers from here on are a car's day and slot, so two cars may have the same
NOT_BY_THE_DRIVER: Final = ("auto_closed", "takeover", "forced")


@dataclass(frozen=True, slots=True)
class Orders:
    """What the order book knows and no car tells. drivers: booking to the person, for a badge and a phone are two
    holders to a car; cancelled: bookings that nobody was to come for.
    """

    drivers: Mapping[int, str] = field(default_factory=dict)
    cancelled: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Bill:
    """status: "billed", "free", "no_show"; not yet "stored", "open"; "unsettled" needs a person. begin_ms, end_ms: had
    the car; billed_to_ms: what month it belongs to. used_ms, billed_ms: so long, and after rounding. notes: what a
    person should know, by name (docs/contract.md).
    """

    booking: int
    vehicle: str
    driver: str | None
    kind: str | None
    status: str
    how: tuple[str, ...] = ()
    begin_ms: int | None = None
    end_ms: int | None = None
    billed_to_ms: int | None = None
    used_ms: int | None = None
    billed_ms: int = 0
    km: float | None = None
    cents: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Month:
    """One driver's month of use."""

    driver: str
    month: str
    cents: int


@dataclass(frozen=True, slots=True)
class Account:
    bills: tuple[Bill, ...]
    months: tuple[Month, ...]

    @property
    def cents(self) -> int:
        return sum(bill.cents for bill in self.bills) + sum(month.cents for month in self.months)


@dataclass(frozen=True, slots=True)
class Part:
    """From an opening of the booking to its end; most bookings have one. used_ms: at the least; None: nobody knows."""

    how: str
    begin: Moment | None
    end: Moment | None
    used_ms: int | None
    km: float | None


def account(facts: Iterable[Fact], tariff: Tariff, orders: Orders | None = None) -> Account:
    """The bills of everything that is in these facts."""
    return settle(gather(facts), tariff, orders)


def settle(gathered: Mapping[Key, Fact], tariff: Tariff, orders: Orders | None = None) -> Account:
    """The same for facts that are gathered already, for instance in batches."""
    orders, clock = orders or Orders(), Clock(gathered)
    bookings: defaultdict[tuple[str, int], list[Fact]] = defaultdict(list)
    for key in sorted(gathered):
        fact = gathered[key]
        number = fact.body.get("booking")
        if fact.kind in ("booking", "leg", "refused") and isinstance(number, int) and number > 0:
            bookings[fact.vehicle if number >= OF_A_DAY else "", number].append(fact)
    told = [_Booking(number, told, clock, orders, tariff) for (_, number), told in bookings.items()]
    bills = [it.bill() for it in told if it.stored or it.opened or it.closed]
    bills.sort(key=lambda bill: (bill.booking, bill.vehicle))
    return Account(tuple(bills), _months(bills, tariff))


def _months(bills: Iterable[Bill], tariff: Tariff) -> tuple[Month, ...]:
    """Once for a driver and a month, whatever cars and however many bookings."""
    used = set()
    for bill in bills:
        if bill.status == "billed" and bill.driver is not None and bill.end_ms is not None:
            begin = bill.end_ms if bill.begin_ms is None else bill.begin_ms
            used |= {(bill.driver, month) for month in tariff.months(begin, bill.end_ms)}
    return tuple(Month(driver, month, tariff.month_cents) for driver, month in sorted(used))


class _Booking:
    """All that is told of one booking, and what follows from it."""

    def __init__(self, number: int, told: list[Fact], clock: Clock, orders: Orders, tariff: Tariff) -> None:
        self._number, self._told, self._clock, self._orders, self._tariff = number, told, clock, orders, tariff
        self.stored, self.opened, self.closed = (self._of("booking", it) for it in ("stored", "opened", "closed"))
        self._legs = self._of("leg", "closed")
        self._refused = any(fact.kind == "refused" for fact in told)
        self._notes: set[str] = set()

    def _of(self, kind: str, event: str) -> list[Fact]:
        return [fact for fact in self._told if fact.kind == kind and fact.body.get("event") == event]

    def bill(self) -> Bill:
        window, kind = self._window(), self._kind()
        anywhere = [*self.opened, *self.closed, *self.stored]
        base: dict[str, Any] = {"booking": self._number, "vehicle": anywhere[0].vehicle}
        base |= {"driver": self._driver(), "kind": kind}
        if not self.opened and not self.closed:
            return self._unused(base, window)
        parts = self._parts()
        base["how"] = tuple(part.how for part in parts)
        begins = [part.begin.hi for part in parts if part.begin is not None]
        base["begin_ms"] = min(begins, default=None)
        if len(_starts(self.opened)) > len(parts):
            self._end_not_heard()
            return self._said("open", base)
        ends = [part.end.lo for part in parts if part.end is not None]
        times = [part.used_ms for part in parts if part.used_ms is not None]
        distances = [part.km for part in parts if part.km is not None]
        base["km"] = round(sum(distances), 2) if len(distances) == len(parts) else None
        base["used_ms"] = sum(times) if len(times) == len(parts) else None
        base["end_ms"] = max(ends, default=None) if window is None else max(ends, default=window[1])
        if base["begin_ms"] is None and window is not None:
            base["begin_ms"] = min(window[0], base["end_ms"])
        return self._priced(base, window)

    def _priced(self, base: dict[str, Any], window: tuple[int, int] | None) -> Bill:
        """Of a booking that is over."""
        tariff, time_ms, to_ms = self._tariff, base["used_ms"], base["end_ms"]
        if base["kind"] in tariff.free:
            return self._said("free", base)
        if tariff.billed == "booked" and window is None:
            self._notes.add("booked_time_unknown")
        elif tariff.billed == "booked" and window is not None:
            late = to_ms > window[1] + tariff.late_free_ms
            to_ms = to_ms if late else window[1]
            time_ms = to_ms - window[0]
            self._notes |= {"late"} if late else set()
        if base["kind"] is None or time_ms is None or to_ms is None:
            self._notes.add("kind_unknown" if base["kind"] is None else "time_unknown")
            return self._said("unsettled", base)
        if base["driver"] is None:
            self._notes.add("driver_unknown")
        billed_ms = tariff.rounded_ms(time_ms)
        return self._said("billed", base, billed_ms=billed_ms, billed_to_ms=to_ms, cents=tariff.price(billed_ms))

    def _unused(self, base: dict[str, Any], window: tuple[int, int] | None) -> Bill:
        """Nobody came, or not yet. Who came and was refused did come, and a person decides."""
        if self._number in self._orders.cancelled:
            self._notes.add("cancelled")
            return self._said("free", base)
        newest = max(self.stored, key=_revision)
        if window is None or not self._clock.heard_through(newest, window[1]):
            return self._said("stored", base)
        if base["kind"] in self._tariff.free:
            return self._said("free", base)
        if self._refused:
            self._notes.add("came_and_was_refused")
            return self._said("unsettled", base)
        asked_ms = {"nothing": None, "minimum": 0, "booked": window[1] - window[0]}[self._tariff.no_show]
        billed_ms = 0 if asked_ms is None else self._tariff.rounded_ms(asked_ms)
        cents = self._tariff.price(billed_ms)
        return self._said("no_show", base, billed_ms=billed_ms, billed_to_ms=window[1], cents=cents)

    def _said(self, status: str, base: dict[str, Any], **more: Any) -> Bill:
        return Bill(**base, **more, status=status, notes=tuple(sorted(self._notes)))

    def _window(self) -> tuple[int, int] | None:
        """The booked time by the highest revision; two drivers of one booking (R6) have it together."""
        highest = max((_revision(fact) for fact in self.stored), default=0)
        spans = [
            (1000 * fact.body["from"], 1000 * fact.body["to"])
            for fact in self.stored
            if _revision(fact) == highest and _whole(fact.body.get("from")) and _whole(fact.body.get("to"))
        ]
        return (min(low for low, _ in spans), max(high for _, high in spans)) if spans else None

    def _kind(self) -> str | None:
        kinds = [fact.body.get("booking_kind") for fact in [*self.opened, *sorted(self.stored, key=_revision)[::-1]]]
        return next((kind for kind in kinds if isinstance(kind, str)), None)

    def _driver(self) -> str | None:
        """Who ordered it; where the order book is not at hand, who opened it first."""
        if self._number in self._orders.drivers:
            return self._orders.drivers[self._number]
        first = sorted(self.opened, key=lambda it: (self._clock.of_fact(it) or 0, it.vehicle, it.stream, it.n))
        holders = [str(fact.body["holder"]) for fact in first if fact.body.get("holder") is not None]
        if len(set(holders)) > 1:
            self._notes.add("several_holders")
        return holders[0] if holders else None

    def _parts(self) -> list[Part]:
        """A booking may be opened again in its paid time: its parts add up. One opening that was closed twice counts
        once, by the shorter end.
        """
        found: defaultdict[object, list[Part]] = defaultdict(list)
        for fact in self.closed:
            found[start_of(fact)].append(self._part(fact))
        if any(len(parts) > 1 for parts in found.values()):
            self._notes.add("closed_twice")
        shortest = [min(parts, key=_length) for parts in found.values()]
        return sorted(shortest, key=lambda part: (part.begin.lo if part.begin else 0, _length(part)))

    def _part(self, fact: Fact) -> Part:
        start, end, how = fact.body.get("start"), fact.body.get("end"), str(fact.body.get("how"))
        begin, ended, km = self._clock.of(start, fact), self._clock.of(end, fact), self._km(start, end)
        if how in NOT_BY_THE_DRIVER and self._tariff.not_ended == "last_leg" and begin and ended:
            end, ended = self._last_leg(fact.vehicle, begin, ended) or (end, ended)
        if begin is None or ended is None or not (begin.sure and ended.sure):
            self._notes.add("time_unsure")
        return Part(how, begin, ended, lasted_ms(start, end, begin, ended), km)

    def _last_leg(self, vehicle: str, begin: Moment, ended: Moment) -> tuple[Any, Moment] | None:
        """The end of the last drive in this part, where there was one."""
        ends = [(leg.body.get("end"), self._clock.of(leg.body.get("end"), leg), leg) for leg in self._legs]
        inside = [
            (when.lo, leg.stream, leg.n, reading, when)
            for reading, when, leg in ends
            if when is not None and leg.vehicle == vehicle and begin.lo <= when.lo <= ended.hi
        ]
        if not inside:
            return None
        self._notes.add("until_last_leg")
        return max(inside, key=lambda it: it[:3])[3:]

    def _km(self, start: Any, end: Any) -> float | None:
        """By the odometer; none where it is silent or counted back."""
        first, last = (it.get("odometer_km") if isinstance(it, dict) else None for it in (start, end))
        if isinstance(first, int | float) and isinstance(last, int | float) and last >= first:
            return round(last - first, 2)
        self._notes.add("odometer_unsure")
        return None

    def _end_not_heard(self) -> None:
        """Somebody else has opened the car since, so the end was, or will be, told: it is only not here."""
        later = (it for fact in self.opened for it in self._clock.after(fact) if it.kind == "booking")
        if any(it.body.get("event") == "opened" and it.body.get("booking") != self._number for it in later):
            self._notes.add("end_not_heard")


def _starts(facts: list[Fact]) -> set[object]:
    return {start_of(fact) for fact in facts}


def _length(part: Part) -> tuple[bool, int, str]:
    return part.used_ms is None, part.used_ms or 0, part.how


def _revision(fact: Fact) -> int:
    revision = fact.body.get("revision")
    return revision if isinstance(revision, int) else 0


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


if __name__ == "__main__":
    import sys

    from .bills_command import main

    sys.exit(main(sys.argv[1:]))
