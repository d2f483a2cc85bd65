"""Pure: the booking under way. May it end, does a tap pause or end it, may the next driver take over, is it forgotten?

What is not here: who may open (`keyless/`), what is under way (`agent/car/under_way.py`), stored bookings
(`bookings.py`) and moving anything (`lockwork.py`).
An unknown signal (`None`) never blocks an end (R1).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ..car.privacy import Place, for_leg, may_keep_place
from ..car.reading import Reading, driven_km, duration_ms, spent_kwh, without
from ..car.state import Moving
from ..car.stations import Where
from ..car.under_way import BOOKING_KEY, ENDED_KEY, LEG_KEY, USED_KEY, OpenBooking, UnderWay
from ..sync import stored


class CarNow(Struct, frozen=True):
    """What the rules look at, taken at one moment. `None` is "not known".

    key_returned, card_returned: true where no holder is fitted (D16). doors_open: see `doors`. locked: as far as it may
    be believed (R9). still_s: seconds without movement. just_ended: see `UnderWay`.
    """

    ignition_on: bool | None
    doors_open: bool | None
    key_returned: bool | None
    plugged: bool | None
    locked: bool | None
    moving: Moving
    where: Where
    still_s: float
    card_returned: bool | None = True
    just_ended: int | None = None


class OpenNow(Struct, frozen=True):
    """Of the booking under way, what decides about others. paid_to_s: seconds, without grace."""

    booking: int
    paid_to_s: int


class How(StrEnum):
    ENDED = "ended"
    AUTO_CLOSED = "auto_closed"
    TAKEOVER = "takeover"
    FORCED = "forced"


class Closing(Struct, frozen=True):
    """How a booking ends. soft: failed soft checks, flagged. hard_overridden: failed hard checks that a forced end
    passed over. distance: the band to the nearest station. place: where, if it may be kept, for a fact of its own.
    unseen: fields of `end` that nobody watched to the end: null in what is written.
    """

    how: How
    end: Reading
    soft: tuple[str, ...] = ()
    hard_overridden: tuple[str, ...] = ()
    distance: str | None = None
    place: Place | None = None
    unseen: tuple[str, ...] = ()


class Seen(Struct, frozen=True):
    """The car as a receipt tells it, at the moment of the decision. lo_s: the earliest it can be, seconds. key_back:
    `None` where no holder is fitted.
    """

    reading: Reading
    lo_s: int
    plugged: bool | None
    doors_shut: bool | None
    key_back: bool | None


class Use(Struct, frozen=True):
    """Of an emergency token, which opens once. token: its id in hex. exp: its end, seconds."""

    token: str
    exp: int


class Plan(Struct, frozen=True):
    """What follows from a movement of the lock, decided before it and kept beside the pending intent, so that a power
    cut in between cannot change it. opens and closes together: a takeover (R4). seen: for the receipt; `None` makes
    none. uses: up.
    """

    opens: OpenBooking | None = None
    closes: Closing | None = None
    seen: Seen | None = None
    uses: Use | None = None

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Plan:
        """What an earlier version wrote lacks some fields of both. Raises `ValueError`, `KeyError`, `TypeError`."""
        opens, closes, seen, uses = found["opens"], found["closes"], found.get("seen"), found.get("uses")
        return cls(
            None if opens is None else stored.typed(OpenBooking, opens),
            None if closes is None else stored.typed(Closing, closes),
            None if seen is None else stored.typed(Seen, seen),
            None if uses is None else stored.typed(Use, uses),
        )


# --- ending ----------------------------------------------------------------------------------------------------------

HARD: Final = ("moving", "ignition_on", "door_open", "key_missing")
SOFT: Final = ("not_plugged", "not_at_station", "position_unknown", "card_missing", "not_locked")  # last: `carry_out`


def hard(car: CarNow) -> tuple[str, ...]:
    """Reasons that refuse an end (R1)."""
    reasons = {
        "moving": car.moving is Moving.YES,
        "ignition_on": car.ignition_on is True,
        "door_open": car.doors_open is True,
        "key_missing": car.key_returned is False,
    }
    return tuple(name for name, holds in reasons.items() if holds)


def doors(told: bool | None, switch: bool | None) -> bool | None:
    """The car's own word and a switch's, as witnesses of one thing: where they contradict each other nothing is known,
    so that a switch that sticks blocks no end (R1).
    """
    if told is None or switch is None:
        return switch if told is None else told
    return told if told == switch else None


def soft(car: CarNow) -> tuple[str, ...]:
    """Flags on an end that is granted all the same (R1)."""
    reasons = {
        "not_plugged": car.plugged is False,
        "not_at_station": car.where.at is False,
        "position_unknown": car.where.at is None,
        "card_missing": car.card_returned is False,
    }
    return tuple(name for name, holds in reasons.items() if holds)


class Tap(StrEnum):
    UNLOCK = "unlock"
    PAUSE = "pause"
    END = "end"


def tap(car: CarNow) -> Tap:
    """What a badge in mid booking means (R3, D16).

    Where the position was lost on the ramp of a station, a tap ends (R1, "no position under a roof"); with no such
    presumption it pauses: a car park under a supermarket must not end a booking. Without stations or a receiver, or
    long without a fix, every place is as good (`Where.anywhere`, `Where.lost`).
    """
    if car.locked is not False:
        return Tap.UNLOCK
    at_station = car.where.ends_here or (car.where.at is None and car.where.presumed is not None)
    return Tap.END if at_station and car.key_returned is not False else Tap.PAUSE


def may_take_over(open_: OpenNow | OpenBooking, car: CarNow, lo_s: float) -> bool:
    """R4. lo_s: the earliest it can be now; grace is not counted."""
    return lo_s >= open_.paid_to_s and car.where.ends_here and car.moving is Moving.NO and not hard(car)


def may_auto_close(open_: OpenBooking, car: CarNow, lo_s: float, still_s: float) -> bool:
    """R2. Nobody stands there who could say otherwise, so "at station" must be known: a late driver far from home, in a
    car that cannot tell where it is, must not come back to a closed booking (R5). Takeover ends a forgotten one.
    """
    at_rest = car.moving is Moving.NO and car.still_s >= still_s
    return lo_s >= open_.paid_to_s and car.where.at is True and at_rest and not hard(car)


def may_lock_again(car: CarNow) -> bool:
    """After the ten minutes in which the last driver fetched what lay in the car."""
    at_rest = car.moving is Moving.NO and car.ignition_on is not True and car.doors_open is not True
    return at_rest and car.just_ended is None


# --- what is written -------------------------------------------------------------------------------------------------


def closed_body(open_: OpenBooking, closing: Closing) -> dict[str, object]:
    """The body of the fact `booking` closed. A start that was not known when the car slept is null, and so is an end
    that nobody watched, and what depends on either.
    """
    start, end = open_.start, without(closing.end, closing.unseen)
    return {
        "event": "closed",
        "booking": open_.booking,
        "how": closing.how.value,
        "soft": list(closing.soft),
        "hard_overridden": list(closing.hard_overridden),
        "start": start,
        "end": end,
        "km": driven_km(start, end),
        "energy_kwh": spent_kwh(start, end),
        "duration_ms": duration_ms(start, end),
        "distance": closing.distance,
        "legs": open_.legs,
        **open_.tally.body(),
    }


def _placed(event: str, booking: int, place: Place | None) -> list[tuple[str, dict[str, object]]]:
    """The fact `position`, where there is one."""
    if place is None:
        return []
    body = {"event": event, "booking": booking, "lat": place.lat, "lon": place.lon, "precision_m": place.precision_m}
    return [("position", body)]


class Consequence(Struct, frozen=True):
    """Fact bodies by kind, and vault changes, of one plan carried out."""

    facts: tuple[tuple[str, dict[str, object]], ...] = ()
    put: tuple[tuple[str, bytes], ...] = ()
    drop: tuple[str, ...] = ()


def carry_out(under: UnderWay, plan: Plan, moved: bool, *, contradicted: bool = False) -> Consequence:
    """Apply a plan to what is under way. moved: false when the actuator surely did not move. contradicted: the car says
    that it did not lock, or not unlock.

    An unlock that did not happen opens nothing. An end stands all the same (a broken relay must not bill on), with a
    flag.
    """
    if plan.opens is not None and not moved:
        return Consequence()
    facts: list[tuple[str, dict[str, object]]] = []
    put: list[tuple[str, bytes]] = []
    drop: list[str] = []
    if plan.uses is not None and moved:
        under.used[plan.uses.token] = plan.uses.exp
        put.append((USED_KEY + plan.uses.token, str(plan.uses.exp).encode()))
    if plan.closes is not None and under.booking is not None:
        closing = plan.closes
        if contradicted or not moved:
            closing = replace(closing, soft=(*closing.soft, "not_locked"))
        if under.leg is not None:
            kind, leg = under.booking.kind, under.leg
            distance = closing.distance if may_keep_place(kind) else None
            told = leg.over(for_leg(kind, closing.end), distance, closing.unseen)
            drop.append(LEG_KEY)
            if told is not None:
                facts.append(told)
                if leg.booking == under.booking.booking:  # not one of before it, which no look saw since
                    under.booking = replace(under.booking, tally=under.booking.tally.plus(leg.tally))
            under.leg = None
        facts.append(("booking", closed_body(under.booking, closing)))
        facts += _placed("end", under.booking.booking, closing.place)
        if closing.soft:  # R1: granted, flagged, and somebody is told
            detail = {"booking": under.booking.booking, "how": closing.how.value, "soft": list(closing.soft)}
            facts.append(("alarm", {"name": "ended_flagged", "event": "raised", "detail": detail}))
        put.append((f"{ENDED_KEY}{under.booking.booking}", b"1"))
        drop.append(BOOKING_KEY)
        under.ended.add(under.booking.booking)
        under.booking = None
    if plan.opens is None or under.booking is not None:
        return Consequence(tuple(facts), tuple(put), tuple(drop))
    under.booking = replace(plan.opens, place=None)
    facts.append(("booking", plan.opens.opened_body()))
    facts += _placed("start", plan.opens.booking, plan.opens.place)
    drop = [key for key in drop if key != BOOKING_KEY]
    return Consequence(tuple(facts), (*put, (BOOKING_KEY, under.booking.to_bytes())), tuple(drop))
