"""The shapes of payloads that are JSON, in both directions; the body of a fact is `shapes.py`. The others are bytes,
described where they are signed (docs/keyless.md).

For the tests and the schemas alone: what is sent is put together in `wire.py`, which loads quickly.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from . import units as u
from . import wire
from .shapes import Answer


class Payload(Struct, forbid_unknown_fields=True):
    """What one message carries."""


Version = Annotated[int, Meta(ge=wire.VERSION, le=wire.VERSION, extra_json_schema={"const": wire.VERSION})]


class SentFact(Payload):
    """One fact. The same fact has the same bytes each time it is sent."""

    n: u.Number
    kind: str
    boot: u.Id
    at: u.Ms
    wall: u.Wall | None
    source: u.Source
    body: Annotated[dict[str, Any], Meta(description="by kind, and by its event")]


class Facts(Payload):
    """`up/facts`: what happened, in order."""

    v: Version
    vehicle: u.Id
    stream: u.Id
    facts: Annotated[list[SentFact], Meta(min_length=1, description="in the order of their numbers")]


class Samples(Payload):
    """`up/samples`: one sealed run of samples of one boot, one booking and one list of columns."""

    v: Version
    vehicle: u.Id
    stream: u.Id
    n: u.Number
    columns: u.Number
    booking: u.Count | None
    boot: u.Id
    at: u.Ms
    wall: u.Wall | None
    source: u.Source
    t: Annotated[list[u.Ms], Meta(min_length=1)]
    c: list[list[int | None]]


class Moment(Payload):
    """A moment of the board's own clock."""

    boot: Annotated[u.Id, Meta(description="random id of the board's boot")]
    ms: Annotated[u.Ms, Meta(description="since that boot, suspend included")]


class Waiting(Payload):
    """How many the backend has not acknowledged."""

    facts: Annotated[u.Count, Meta(description="of the stream of facts")]
    samples: Annotated[u.Count, Meta(description="of the stream of samples")]


class Unheard(Payload):
    """How long a revocation may go unheard in this car."""

    delay_s: Annotated[
        int | None, Meta(description="revoked longer ago than this is refused", extra_json_schema={"x-unit": "s"})
    ]
    by: Annotated[str, Meta(description="list, token_end or no_clock: what bounds it")]


class State(Payload):
    """`up/state`: the newest state, retained."""

    v: Version
    vehicle: u.Id
    online: Annotated[bool, Meta(extra_json_schema={"const": True})]
    at: Annotated[Moment, Meta(description="by the board's own clock")]
    wall: u.Wall | None
    facts: u.Count
    samples: u.Count
    pending: Waiting
    soc: u.Percent | None
    range_km: u.Km | None
    range_computed: bool
    odometer_km: u.Km | None
    plugged: u.YesNo | None
    locked: u.YesNo | None
    booking: u.BookingKind | None
    position: Annotated[list[float], Meta(min_length=2, max_length=2, extra_json_schema={"x-unit": "degrees"})] | None
    alarms: list[str]
    time_question: Annotated[str, Meta(pattern="^([0-9a-f]{2})+$")] | None
    revocation: Unheard


class Gone(Payload):
    """`up/state`: the car is not connected; the last will, or its own last word."""

    v: Version
    vehicle: u.Id
    online: Annotated[bool, Meta(extra_json_schema={"const": False})]


class Result(Payload):
    """`up/result`: the answer to a command."""

    v: Version
    vehicle: u.Id
    id: u.CommandId
    result: Answer
    fact: u.Number | None


Span = Annotated[list[u.Count], Meta(min_length=2, max_length=2)]


class Acknowledgement(Payload):
    """`down/ack`: what the backend has committed of one stream. A whole statement, which replaces the one before."""

    v: Version
    stream: Annotated[u.Id, Meta(description="the stream of facts, or that of samples")]
    upto: Annotated[u.Count, Meta(description="every number up to this one is committed")]
    ranges: Annotated[list[Span], Meta(description="[first, last] above it, committed as well")] | UnsetType = UNSET
    poison: Annotated[list[u.Count], Meta(description="set aside unread; counts as committed")] | UnsetType = UNSET


SHAPES: Final[dict[wire.Kind, type[Payload]]] = {
    wire.Kind.FACTS: Facts, wire.Kind.SAMPLES: Samples, wire.Kind.STATE: State, wire.Kind.WILL: Gone,
    wire.Kind.RESULT: Result, wire.Kind.ACK: Acknowledgement,
}  # fmt: skip
"""Every kind of payload that is JSON."""
PLACES: Final[dict[type[Struct], str]] = {
    Facts: "fact", SentFact: "fact", Samples: "samples", State: "state", Gone: "state", Result: "result",
}  # fmt: skip
"""Where the inventory (`inventory.py`) says what a field means that does not say it itself."""
