"""One look at the car and the clock, as the rules want it: what badge and remote command have in common.

What is not here: the rules (`booking.py`) and what is done about them (`decisions.py`, `remote.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

from config.privacy import Policy
from config.vocabulary import IGNITION, PLUGGED
from drivers.ports import Clock, Instant
from keyless.claims import Booking, Interval, Role
from keyless.token import token_hash

from ..car.inputs import Sensed
from ..car.privacy import Place, coarse, place
from ..car.reading import Reading
from ..car.state import CarState
from ..car.under_way import OpenBooking, UnderWay
from .booking import CarNow, Closing, How, Plan, Seen, Use, doors, soft
from .choice import carried, paid

Stamp = Callable[[Instant], "tuple[list[int] | None, str]"]


class Scene:
    """interval: the trusted clock's answer for an instant. stamp: the same as `[lo, hi]` in ms with its source.

    locked: what is believed of the lock (R9). sensed: what contacts tell beside the car. key_holder: whether one
    is fitted.
    """

    def __init__(
        self,
        clock: Clock,
        car: CarState,
        under: UnderWay,
        interval: Callable[[Instant], Interval],
        stamp: Stamp,
        locked: Callable[[], bool | None],
        sensed: Callable[[], Sensed],
        policy: Policy,
        *,
        key_holder: bool = False,
    ) -> None:
        self._clock, self._car, self.under = clock, car, under
        self._interval, self._stamp, self._locked = interval, stamp, locked
        self._sensed, self._policy, self._key_holder = sensed, policy, key_holder

    def now(self) -> Interval:
        return self._interval(self._clock.now())

    def car(self) -> CarNow:
        now_ns, sensed = self._clock.now().ns, self._sensed()
        return CarNow(
            ignition_on=self._car.on(IGNITION),
            doors_open=doors(self._car.doors_open(), sensed.door_open),
            key_returned=sensed.key_returned,
            card_returned=sensed.card_returned,
            plugged=self._car.on(PLUGGED),
            locked=self._locked(),
            moving=self._car.moving(now_ns),
            where=self._car.station(now_ns),
            still_s=self._car.still_s(now_ns),
            just_ended=self.under.just_ended(now_ns),
        )

    @property
    def open_number(self) -> int | None:
        return self.under.booking.booking if self.under.booking is not None else None

    def reading(self) -> Reading:
        now = self._clock.now()
        wall, _ = self._stamp(now)
        return self._car.reading(now, wall)

    def _place(self, event: str, kind: str | None) -> Place | None:
        now = self._clock.now()
        at_station, fix = self._car.station(now.ns).at, self._car.position(now.ns)
        return place(event, kind, self._policy, self._stamp(now)[0], at_station, fix)

    def declared(self) -> Place | None:
        """Where the car is, for a command that asks for it by name; `None` while that is not known."""
        fix = self._car.position(self._clock.now().ns)
        if fix is None or fix.lat is None or fix.lon is None:
            return None
        return coarse(fix.lat, fix.lon, self._policy.declared.precision_m)

    def opening(self, booking: Booking, believed: Collection[Booking]) -> OpenBooking:
        """What an unlock by this token opens (`Known.opens`). believed: the stored tokens."""
        kind = booking.kind.name.lower()
        paid_from_s, paid_to_s = paid(booking, believed)
        return OpenBooking(
            booking=booking.booking,
            token=booking.cti.hex(),
            holder=booking.confirmation.id.hex(),
            kind=kind,
            paid_from_s=paid_from_s,
            paid_to_s=paid_to_s,
            start=self.reading(),
            provisional=self._car.provisional(),
            place=self._place("start", kind),
            named=token_hash(booking.token).hex() if booking.token else None,
            lo_s=math.floor(self.now().lo_s),
            carried=carried(booking.booking, (*believed, booking)),
        )

    def plan(
        self, opens: OpenBooking | None = None, closes: Closing | None = None, by: Booking | None = None
    ) -> Plan:
        """What follows, with what the car shows now beside it. by: whose token asked."""
        car = self.car()
        shut = None if car.doors_open is None else not car.doors_open
        key_back = car.key_returned if self._key_holder else None
        seen = Seen(self.reading(), math.floor(self.now().lo_s), car.plugged, shut, key_back)
        uses = Use(by.cti.hex(), by.exp) if by is not None and by.role is Role.EMERGENCY else None
        return Plan(opens, closes, seen, uses)

    def closing(self, how: How, hard_overridden: tuple[str, ...] = ()) -> Closing:
        kind = self.under.booking.kind if self.under.booking is not None else None
        car = self.car()
        return Closing(
            how, self.reading(), soft(car), hard_overridden, car.where.distance, self._place("end", kind),
            self._car.unseen(self._clock.now().ns),
        )  # fmt: skip
