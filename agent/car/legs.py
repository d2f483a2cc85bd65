"""Pure: legs, from ignition to ignition, inside a booking or outside of any (D4).

What is not here: the booking (`agent/access/booking.py`), looking at the car (`look.py`) and writing anything down
(`journey.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from ..sync import stored
from .flow import Flow, kwh
from .look import Look
from .privacy import for_leg, may_keep_place
from .reading import Reading, carried, completed, dated, driven_km, duration_ms, fell, replaced, spent_kwh, without
from .state import Moving
from .watched import BRIDGED_MS, Watched

BOUNCE_MS: Final = 3_000  # an ignition on or off for less is a contact that bounces, unless the car moved
STOP_MS: Final = 60_000  # a traffic light is no stop
SETTLING: Final = ("odometer_km", "soc_percent", "energy_kwh", "range_km")
"""What the ends of a leg take from words that come a moment after the ignition: some cars must be asked for them."""
ODOMETER: Final = SETTLING[:1]
CHARGED: Final = frozenset(SETTLING[1:])  # goes up with the cable in

Told = tuple[str, dict[str, object]]
"""Kind and body of a fact."""


class Stops(Struct, frozen=True):
    """Standing for a minute between two movements. still_at: since when it stands, ms since this boot."""

    count: int = 0
    moved: bool = False
    still_at: int | None = None

    def look(self, moving: bool | None, at: int) -> Stops:
        if moving:
            stopped = self.moved and self.still_at is not None and at - self.still_at >= STOP_MS
            return Stops(self.count + stopped, True, None)
        return replace(self, still_at=at) if moving is False and self.still_at is None else self


class Leg(Struct, frozen=True):
    """number: counts from 1 inside its booking, or of those without any. provisional: fields of `start` that nobody
    vouched for yet. awaited: fields of `start` that the car has not told since its ignition is on; until the beginning
    is told, and while it stands, its first words correct them. last: the newest look, which a power cut leaves us with,
    at most ten seconds old.

    told: whether its beginning is; false while it may be a bounce. off: the ignition went off at `last`, not yet for
    long enough, and what the car tells meanwhile is of the end; distance: the band to the nearest station there, where
    it may be told; unseen: see `closed`.
    """

    number: int
    booking: int | None
    start: Reading
    last: Reading
    watched: Watched
    provisional: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()
    flow: Flow = field(default_factory=Flow)
    stops: Stops = field(default_factory=Stops)
    told: bool = True
    off: bool = False
    distance: str | None = None
    unseen: tuple[str, ...] = ()

    @classmethod
    def begun(cls, number: int, booking: int | None, look: Look, shown: Reading, *, switched: bool) -> Leg:
        """switched: whether the ignition was, and it is not the rest of a drive."""
        flow = Flow(kw=look.power_kw)
        stops = Stops().look(_moves(look, shown, shown), shown["at"])
        start = dated(shown, look.ignition_at) if switched else shown
        awaited = tuple(name for name in SETTLING if name not in look.settled)
        watched = Watched.since(shown)
        return cls(number, booking, start, start, watched, look.recalled, awaited, flow, stops, told=False)

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Leg | None:
        """`None` when these bytes are no leg of ours."""
        try:
            return stored.value(cls, data)
        except ValueError:
            return None

    def look(self, look: Look, shown: Reading) -> Leg:
        """The leg goes on. shown: the reading, as far as this leg may keep it."""
        watched, gap_ms = self.watched.look(shown)
        last = carried(self.last, shown, look.recalled)
        first = self._first_words(look)
        begun, before = (replaced(it, shown, first) for it in (self.start, self.last))
        start, provisional = completed(begun, self.provisional, shown, look.recalled)
        stops = self.stops if shown["boot"] == self.watched.boot else replace(self.stops, still_at=None)
        return replace(
            self, start=start, provisional=provisional, awaited=self._still_awaited(look, first), last=last,
            watched=watched, flow=self.flow.look(look.power_kw, gap_ms),
            stops=stops.look(_moves(look, before, last), shown["at"]),
        )  # fmt: skip

    def _first_words(self, look: Look) -> tuple[str, ...]:
        """Fields that the car tells for the first time since it was switched on, and stands."""
        stands = look.ignition is True and look.moving is not Moving.YES and _moment(self.start, look.now)
        words = self._sane(look)
        return tuple(name for name in self.awaited if stands and name in words)

    def _still_awaited(self, look: Look, first: Collection[str]) -> tuple[str, ...]:
        moved = look.moving is Moving.YES or self.stops.moved
        return () if moved else tuple(name for name in self.awaited if name not in first)

    def switched_off(self, look: Look, before: Reading, distance: str | None) -> Leg:
        """before: the look at which it was still on."""
        floor = before["at"] if before["boot"] == self.last["boot"] else None
        last = dated(self.last, look.ignition_at, floor)
        if fell(self.start, last):
            last = replaced(last, before, ODOMETER)
        return replace(self, off=True, last=last, distance=distance, unseen=look.unseen)._settled(look)

    def stays_off(self, look: Look) -> Leg:
        """What the car says while it stands where it was switched off is of the end, and only for a moment: a box that
        was dark does not know what happened meanwhile.
        """
        return self._settled(look) if look.ignition is False and _moment(self.last, look.now) else self

    def _settled(self, look: Look) -> Leg:
        if look.moving is Moving.YES:
            return self
        plugged = look.plugged is True
        names = tuple(it for it in self._sane(look) if not (plugged and it in CHARGED))
        unseen = tuple(it for it in self.unseen if it not in names)
        return replace(self, last=replaced(self.last, look.now, names), unseen=unseen)

    def _sane(self, look: Look) -> tuple[str, ...]:
        """Fields told since the ignition was switched; an odometer that counts back tells nothing."""
        back = fell(self.start, look.now)
        return tuple(it for it in SETTLING if it in look.settled and not (back and it in ODOMETER))

    @property
    def tally(self) -> Tally:
        """What this leg adds to the sums of its booking."""
        unseen_ms = self.watched.told_ms
        known = self.flow.enough(unseen_ms)
        used, back = (self.flow.used_ws, self.flow.recovered_ws) if known else (None, None)
        return Tally(self.stops.count, used, back, unseen_ms)

    @property
    def sure(self) -> bool:
        """Whether the ignition was on for long enough, or the car moved. The odometer's first word is no movement: it
        may be the last kilometre of the drive before.
        """
        counted = self.awaited[:1] != ODOMETER and (driven_km(self.start, self.last) or 0) > 0
        return _long(self.start, self.last) or counted

    def over(self, end: Reading, distance: str | None, unseen: Collection[str] = ()) -> Told | None:
        """Its end by somebody's word: the ignition's own comes first; `None` when nobody was told of its beginning. One
        that began after `end` was taken, while the lock moved, ends with what was seen of it.
        """
        if not self.told:
            return None
        after = self.start["boot"] == end["boot"] and self.start["at"] > end["at"]
        return self.as_off() if self.off or after else self.closed(end, distance, unseen)

    def as_off(self) -> Told:
        """Its end as it was when the ignition went off."""
        return self.closed(self.last, self.distance, self.unseen)

    def opened(self) -> Told:
        return self._fact({"event": "opened", "leg": self.number, "start": self.start})

    def closed(self, end: Reading, distance: str | None, unseen: Collection[str] = ()) -> Told:
        """distance: the band to the nearest station at the end, where it may be told. unseen: fields that nobody
        watched to the end.
        """
        start, end = self.start, without(carried(self.last, end), unseen)
        return self._fact(
            {
                "event": "closed",
                "leg": self.number,
                "start": start,
                "end": end,
                "km": driven_km(start, end),
                "energy_kwh": spent_kwh(start, end),
                "duration_ms": duration_ms(start, end),
                "distance": distance,
                **self.tally.body(),
            }
        )

    def _fact(self, body: dict[str, object]) -> Told:
        """A leg with no booking (tow, garage, theft) is a record of its own kind."""
        return ("unbooked_leg", body) if self.booking is None else ("leg", {**body, "booking": self.booking})


class Tally(Struct, frozen=True):
    """Sums over legs; `None` when that of one leg cannot be told."""

    stops: int = 0
    used_ws: int | None = 0
    recovered_ws: int | None = 0
    unseen_ms: int | None = 0

    def plus(self, other: Tally) -> Tally:
        return Tally(
            self.stops + other.stops,
            _sum(self.used_ws, other.used_ws),
            _sum(self.recovered_ws, other.recovered_ws),
            _sum(self.unseen_ms, other.unseen_ms),
        )

    def body(self) -> dict[str, object]:
        return {
            "energy_used_kwh": kwh(self.used_ws),
            "energy_recovered_kwh": kwh(self.recovered_ws),
            "stops": self.stops,
            "unseen_ms": self.unseen_ms,
        }


class Step(Struct, frozen=True):
    """opened: whether the beginning of a leg was told. ended: the leg that was closed, if one was."""

    leg: Leg | None
    told: tuple[Told, ...] = ()
    opened: bool = False
    ended: Leg | None = None


def step(leg: Leg | None, look: Look, booking: int | None, kind: str | None, number: int) -> Step:
    """One look at the car. An ignition nobody knows neither opens nor closes. kind: of the booking. number: what the
    next leg would be called.

    A leg that outlived its booking, or began before it, is closed, and the rest of the drive is a leg of its own. An
    ignition that was off for a moment goes on with its leg, and one that was on for a moment is none.
    """
    shown, told, ended = for_leg(kind, look.now), list[Told](), None
    if leg is not None and leg.booking == booking:
        done = _went_on(leg, look, shown, look.distance if may_keep_place(kind) else None)
        if done.leg is not None or look.ignition is not True:
            return done
        told, ended = [*done.told], done.ended
    elif leg is not None and leg.told:
        # Taken under the rules of whoever has the car now: its place is not this leg's to keep (R27).
        ended = leg if leg.off else replace(leg.look(look, {**look.now, "at_station": None}), unseen=look.unseen)
        told.append(ended.as_off())
    if look.ignition is not True:
        return Step(None, tuple(told), ended=ended)
    switched = leg is None or leg.off
    return Step(Leg.begun(number, booking, look, shown, switched=switched), tuple(told), ended=ended)


def _went_on(leg: Leg, look: Look, shown: Reading, distance: str | None) -> Step:
    """A leg of the booking that is open. It is dated from the first moment of what turned out to be true."""
    if leg.off and (look.ignition is not True or _long(leg.last, shown)):
        over = leg.stays_off(look)
        return Step(None, (over.as_off(),), ended=over) if _long(leg.last, shown) else Step(over)
    before = leg.last
    leg = replace(leg.look(look, shown), off=False, distance=None, unseen=())
    told: tuple[Told, ...] = ()
    if not leg.told and leg.sure:
        leg = replace(leg, told=True, awaited=())
        told = (leg.opened(),)
    if look.ignition is False:
        off = leg.switched_off(look, before, distance)
        return Step(off, told, bool(told)) if leg.told else Step(None)
    return Step(leg, told, bool(told))


def _long(begin: Reading, now: Reading) -> bool:
    """Another boot: starting takes longer than that."""
    return begin["boot"] != now["boot"] or now["at"] - begin["at"] >= BOUNCE_MS


def _moment(begin: Reading, now: Reading) -> bool:
    """So short a time that what is read now is still of then, where the car stands."""
    return begin["boot"] == now["boot"] and now["at"] - begin["at"] <= BOUNCE_MS + BRIDGED_MS


def _moves(look: Look, before: Reading, now: Reading) -> bool | None:
    """`None`: nobody knows. An odometer that counted on tells of movement that no look saw."""
    if look.moving is Moving.YES or (driven_km(before, now) or 0) > 0:
        return True
    return False if look.moving is Moving.NO else None


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
