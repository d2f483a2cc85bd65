"""Pure: charges, one for each plugging, with the pauses inside (R25). Recuperation is none: without the cable there is
no charge.

What is not here: looking at the car (`look.py`), the facts `plug` (`course.py`), and the charge point's own meter,
which alone bills.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..sync import stored
from .cable import Cable
from .legs import Told
from .look import Look
from .reading import LATE_KM, Reading, carried, counted_km, dated, duration_ms, spent_kwh
from .watched import Watched

# For so long the car must say the same before charging has begun or ended: the flag of 658 was seen stuck on some cars
# and dropping for a moment on others, and comes only every three seconds (facts: can.md section 8).
CONFIRM_MS: Final = 5_000
MOVED_KM: Final = 0.2
FULL_PERCENT: Final = 99.5  # of a car that tells no status
WHY: Final = {"ended": "full", "waiting": "station_stopped", "failure": "fault"}


class Stretch(Struct, frozen=True):
    """Sums over the stretches of charging that are over; `None` when one of them cannot be told."""

    kwh: float | None = 0.0
    charged_ms: int | None = 0
    pauses: int = 0
    paused_ms: int | None = 0

    def charged(self, start: Reading, end: Reading) -> Stretch:
        spent = spent_kwh(start, end)
        return replace(
            self,
            kwh=_sum(self.kwh, None if spent is None else -spent),
            charged_ms=_sum(self.charged_ms, duration_ms(start, end)),
        )

    def paused(self, end: Reading, start: Reading) -> Stretch:
        return replace(self, pauses=self.pauses + 1, paused_ms=_sum(self.paused_ms, duration_ms(end, start)))


class Charge(Struct, frozen=True):
    """One plugging. plug_in: `None` when it was in before the box looked. last: the newest look with the cable in
    sight, or of a car that sleeps.

    start: of the first stretch of charging; since: of the one under way, `None` in a pause; end, why: of the last one
    that is over. turn: since when the car says otherwise than is believed, not yet for long enough. out: since when it
    says that the cable is out, not yet for long enough; out_end: up to when a stretch under way is then known to have
    gone on. unsure: the cable was not in sight all the time. settled: the car told its odometer since it was switched
    off: a count that comes later is of another drive.
    """

    booking: int | None
    station: str | None
    charge_point: str | None
    plug_in: Reading | None
    last: Reading
    watched: Watched
    start: Reading | None = None
    since: Reading | None = None
    end: Reading | None = None
    why: str | None = None
    turn: Reading | None = None
    turn_why: str | None = None
    sums: Stretch = Stretch()
    out: Reading | None = None
    out_end: Reading | None = None
    unsure: bool = False
    settled: bool = False

    def to_bytes(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Charge | None:
        """`None` when these bytes are no charge of ours."""
        try:
            return stored.value(cls, data)
        except ValueError:
            return None

    @property
    def charging(self) -> bool:
        return self.since is not None

    def begun(self) -> Told:
        return "charge", {"event": "started", **self._head(), "start": self.start}

    def closed(self, unplug: Reading | None) -> Told:
        """unplug: `None` when nobody saw it."""
        kwh, charged_ms = self.sums.kwh, self.sums.charged_ms
        mean = None if kwh is None or not charged_ms else round(kwh / charged_ms * 3_600_000, 2)
        body = {
            "event": "closed", **self._head(), "start": self.start, "end": self.end, "unplug": unplug,
            "why": self.why or "unknown", "energy_kwh": None if kwh is None else round(kwh, 3), "mean_kw": mean,
            "pauses": self.sums.pauses, "paused_ms": self.sums.paused_ms, "unseen_ms": self.watched.told_ms,
        }  # fmt: skip
        return "charge", body

    def _head(self) -> dict[str, object]:
        return {
            "booking": self.booking,
            "station": self.station,
            "charge_point": self.charge_point,
            "plug_in": self.plug_in,
        }


def agreed(flag: bool | None, status: str | None) -> bool | None:
    """What the car says of charging: both where it tells both, else the one it tells; `None` when it says nothing."""
    if status is None:
        return flag
    return status == "charging" and flag is not False


def step(
    charge: Charge | None, look: Look, booking: int | None, before: Cable, plugged: bool | None
) -> tuple[Charge | None, list[Told]]:
    """One look at the car. booking: the open one. before: what was believed of the cable; plugged: what is now
    (`cable.py`). A plugging begins with the first word of it, and is nothing when that was not to be believed.
    """
    told: list[Told] = []
    if charge is not None:
        charge, told = _went_on(charge, look, plugged, unseen=before.unseen)
    if charge is None and look.plugged is True:
        seen = before.plugged is False and not before.unseen
        charge = _plugged_in(look, booking, seen=seen)
    return charge, told


def _plugged_in(look: Look, booking: int | None, *, seen: bool) -> Charge:
    now = look.now
    plug_in = dated(now, look.plugged_at) if seen else None
    charge = Charge(booking, now["at_station"], look.charge_point, plug_in, now, Watched.since(now))
    return _turned(replace(charge, settled=_settled(look)), look, now)[0]


def _went_on(charge: Charge, look: Look, plugged: bool | None, *, unseen: bool) -> tuple[Charge | None, list[Told]]:
    """unseen: the cable was, until this look."""
    before = charge.last
    now = carried(before, look.now, look.recalled)
    watched, gap_ms = charge.watched.look(look.now)
    unsure = charge.unsure or gap_ms is None or look.plugged is not True
    last_drive, settled = not charge.settled, charge.settled or _settled(look)
    last = before if look.cable_unseen else now
    charge = replace(charge, last=last, watched=watched, unsure=unsure, settled=settled)
    # It drove: then the cable was out, although nobody saw it. With the cable in sight all the time it is the last
    # drive, told late: some cars are asked for their odometer every ten seconds, and charging every five minutes. So is
    # one count of a car that has not told its odometer since that drive. `counted_km`: also what nobody would bill says
    # that it moved.
    if unsure and (counted_km(before, now) or 0) > (LATE_KM if last_drive else MOVED_KM):
        return None, _over(charge, charge.out_end or before)
    if look.plugged is False and charge.out is None:
        out = dated(now, look.plugged_at)
        charge = replace(charge, out=out, out_end=before if gap_ms is None or unseen else out)
    elif look.plugged is True:
        charge = replace(charge, out=None, out_end=None)
    if charge.out is not None and charge.out_end is not None:
        # Nothing else counts meanwhile: that charging stopped follows from it.
        return (charge, []) if plugged is True else (None, _over(charge, charge.out_end))
    if charge.station is None:  # it stands: a fix that came late tells where it was plugged in
        charge = replace(charge, station=now["at_station"], charge_point=look.charge_point)
    charge, told = _turned(charge, look, now)
    return charge, told


def _settled(look: Look) -> bool:
    return "odometer_km" in look.settled


def _turned(charge: Charge, look: Look, now: Reading) -> tuple[Charge, list[Told]]:
    """Believe that charging began or ended once the car has said so for long enough; it is then dated from its first
    word.
    """
    says = agreed(look.flag, look.status)
    if says is None:
        return charge, []
    if says is charge.charging:
        charge = replace(charge, turn=None, turn_why=None)
        if not says and charge.start is not None and charge.why is None:
            charge = replace(charge, why=_reason(look, now))
        return charge, []
    turn = charge.turn
    if turn is None or turn["boot"] != now["boot"]:
        return replace(charge, turn=now, turn_why=_reason(look, now)), []
    if now["at"] - turn["at"] < CONFIRM_MS:
        return replace(charge, turn_why=charge.turn_why or _reason(look, now)), []
    if says:
        return _begins(charge, turn)
    return _ends(charge, turn, charge.turn_why or _reason(look, now)), []


def _begins(charge: Charge, turn: Reading) -> tuple[Charge, list[Told]]:
    sums = charge.sums if charge.end is None else charge.sums.paused(charge.end, turn)
    first = charge.start is None
    start = charge.start or turn
    charge = replace(charge, start=start, since=turn, why=None, turn=None, turn_why=None, sums=sums)
    return charge, [charge.begun()] if first else []


def _ends(charge: Charge, end: Reading, why: str | None) -> Charge:
    assert charge.since is not None
    sums = charge.sums.charged(charge.since, end)
    return replace(charge, since=None, end=end, why=why, turn=None, turn_why=None, sums=sums)


def _over(charge: Charge, end: Reading) -> list[Told]:
    """The cable is out. A plugging that never charged leaves no charge; end: of a stretch that is still under way. One
    that was pulled in the dark was seen by nobody.
    """
    unplug = charge.out if charge.out == charge.out_end else None
    if charge.since is not None:
        why = charge.turn_why or ("unplugged" if end == unplug else None)
        charge = _ends(charge, charge.turn or end, why)
    return [charge.closed(unplug)] if charge.start is not None else []


def _reason(look: Look, now: Reading) -> str | None:
    """Why a car does not charge, by its status; `None` when it does not say."""
    if look.status is not None:
        return WHY.get(look.status)
    full = now["soc_percent"] is not None and now["soc_percent"] >= FULL_PERCENT
    return "full" if full else None


def _sum(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a + b
