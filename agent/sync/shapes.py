"""The shapes of the bodies of facts: for each field its type and unit. What it means in words, in `words.py`; which
kinds there are, in `forms.py`.

Strict about unknown fields, because this is what our own program writes; the schemas made of it (`schema.py`) are not.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from . import units as u


class Body(Struct, forbid_unknown_fields=True):
    """All fields are always there, null when unknown. No body is made by these: each is made where it is written."""


class Reading(Body):
    """The car at one moment. It has no coordinates."""

    odometer_km: u.Km | None
    soc_percent: u.Percent | None
    energy_kwh: u.Kwh | None
    range_km: u.Km | None
    plugged: u.YesNo | None
    at_station: str | None
    boot: u.Id
    at: u.Ms
    wall: u.Wall | None


class Answer(Body):
    """What became of a command."""

    code: Annotated[str, Meta(description="done, failed, unknown, refused")]
    why: Annotated[str, Meta(description="the reason in words")]


# --- one for each form of body ---------------------------------------------------------------------------------------


class Booted(Body):
    version: str
    car: str
    sqlite: str | None
    why: Annotated[Literal["start", "new_stream"], u.MORE]
    quarantined: str | None
    vehicle_key: u.PublicKey | None


class ColumnList(Body):
    names: list[str]
    steps: list[float]
    units: list[str]


class Intent(Body):
    event: Literal["intent"]
    access: u.Id
    via: u.Via
    action: u.Movement
    booking: u.Count | None
    token: u.TokenId | None
    holder: u.Id | None
    command: u.CommandId | None
    clock: u.Source
    note: u.Note | None


class Outcome(Body):
    event: Literal["outcome"]
    access: u.Id
    action: u.Movement
    booking: u.Count | None
    outcome: Annotated[Literal["done", "failed", "unknown"], u.MORE]
    why: str
    resolved_at_boot: bool


class Refused(Body):
    via: u.Via
    code: str
    booking: u.Count | None
    holder: u.Id | None
    detail: dict[str, Any]


class BookingHeard(Body):
    event: Literal["stored", "refused"]
    booking: u.Count | None
    revision: u.Count | None
    token: u.TokenId | None
    booking_kind: u.BookingKind | None
    from_: u.Seconds | None = field(name="from")
    to: u.Seconds | None
    code: str | None


class BookingOpened(Body):
    event: Literal["opened"]
    booking: u.Count
    token: u.TokenId
    holder: u.Id | None
    booking_kind: u.BookingKind
    start: Reading


class BookingClosed(Body):
    event: Literal["closed"]
    booking: u.Count
    how: u.How
    soft: list[str]
    hard_overridden: list[str]
    start: Reading
    end: Reading
    km: u.Km | None
    energy_kwh: u.Kwh | None
    duration_ms: u.Ms | None
    distance: u.Band | None
    legs: u.Count
    energy_used_kwh: u.Kwh | None
    energy_recovered_kwh: u.Kwh | None
    stops: u.Count | None
    unseen_ms: u.Ms | None


class Receipt(Body):
    event: Literal["opened", "paused", "ended", "auto_closed", "takeover", "forced"]
    booking: u.Count
    number: u.Number
    cose: u.Base64Url


class LegOpened(Body):
    event: Literal["opened"]
    booking: u.Count
    leg: u.Number
    start: Reading


class LegClosed(Body):
    event: Literal["closed"]
    booking: u.Count
    leg: u.Number
    start: Reading
    end: Reading
    km: u.Km | None
    energy_kwh: u.Kwh | None
    duration_ms: u.Ms | None
    distance: u.Band | None
    energy_used_kwh: u.Kwh | None
    energy_recovered_kwh: u.Kwh | None
    stops: u.Count | None
    unseen_ms: u.Ms | None


class UnbookedLegOpened(Body):
    event: Literal["opened"]
    leg: u.Number
    start: Reading


class UnbookedLegClosed(Body):
    event: Literal["closed"]
    leg: u.Number
    start: Reading
    end: Reading
    km: u.Km | None
    energy_kwh: u.Kwh | None
    duration_ms: u.Ms | None
    distance: u.Band | None
    energy_used_kwh: u.Kwh | None
    energy_recovered_kwh: u.Kwh | None
    stops: u.Count | None
    unseen_ms: u.Ms | None


class Plug(Body):
    event: Literal["plugged", "unplugged"]
    booking: u.Count | None
    reading: Reading


class ChargeStarted(Body):
    event: Literal["started"]
    booking: u.Count | None
    station: str | None
    charge_point: str | None
    plug_in: Reading | None
    start: Reading


class ChargeClosed(Body):
    event: Literal["closed"]
    booking: u.Count | None
    station: str | None
    charge_point: str | None
    plug_in: Reading | None
    start: Reading
    end: Reading
    unplug: Reading | None
    why: Annotated[Literal["full", "unplugged", "station_stopped", "fault", "unknown"], u.MORE]
    energy_kwh: u.Kwh | None
    mean_kw: u.Kw | None
    pauses: u.Count | None
    paused_ms: u.Ms | None
    unseen_ms: u.Ms | None


class Position(Body):
    event: Literal["start", "end", "theft", "assistance"]
    booking: u.Count | None
    lat: u.Degrees
    lon: u.Degrees
    precision_m: u.Metres


class Pause(Body):
    event: Literal["began", "ended"]
    booking: u.Count | None


class Located(Body):
    event: Literal["theft", "assistance"]
    booking: u.Count | None
    booking_kind: u.BookingKind | None
    role: u.Role
    holder: u.Id
    token: u.TokenId
    command: u.CommandId
    found: bool


class CommandDone(Body):
    id: u.CommandId
    action: str
    result: Answer


class Garage(Body):
    event: Literal["on", "off"]
    by: Annotated[Literal["local", "command", "time"], u.MORE]
    hours: u.Hours | None


class Alarm(Body):
    name: str
    event: Literal["raised", "cleared"]
    detail: dict[str, Any]


class Dropped(Body):
    stream: Literal["facts", "samples"]
    from_: u.Number = field(name="from")
    to: u.Number
    why: Annotated[Literal["no_room", "aged", "erased", "purged"], u.MORE]
    stream_id: u.Id | UnsetType = UNSET  # cars that do not say it are on the road


class Damaged(Body):
    stream: Literal["facts", "samples"]
    from_: u.Number = field(name="from")
    to: u.Number
    stream_id: u.Id


class Salvaged(Body):
    event: Literal["record"]
    stream_id: u.Id
    n: u.Number
    record: dict[str, Any]  # a fact without its number


class SalvagedAll(Body):
    event: Literal["done"]
    stream_id: u.Id
    from_: u.Number = field(name="from")
    to: u.Count
    count: u.Count
    missing: u.Count


class Purged(Body):
    why: Annotated[Literal["aged", "erased", "erased_all"], u.MORE]
    booking: u.Count | None
    positions: u.Count | None
    samples: u.Count | None
