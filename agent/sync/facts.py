"""The catalogue of facts: every kind, its forms, and the keys of its body. Who writes which fact when, is its
writer's business.

Nobody looks into a body on its way out: a wrong one must still arrive. The catalogue is for the tests and for
docs/contract.md. Only its free texts are cut, since strangers have a say in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from keyless.claims import Claims
from keyless.refusal import Refusal


class Form(Struct, frozen=True):
    """One kind of fact, or one event of it (event "" where the kind has only one form). keys: all of them, always
    present."""

    kind: str
    event: str
    keys: tuple[str, ...]


READING: Final = (
    "odometer_km", "soc_percent", "energy_kwh", "range_km", "plugged", "at_station", "boot", "at", "wall",
)  # fmt: skip
READINGS: Final = ("start", "end", "reading", "plug_in", "unplug")
FLOWS: Final = ("energy_used_kwh", "energy_recovered_kwh", "stops", "unseen_ms")
LEG: Final = ("start", "end", "km", "energy_kwh", "duration_ms", "distance", *FLOWS)
PLACE: Final = ("event", "booking", "lat", "lon", "precision_m")
LOCATED: Final = ("event", "booking", "booking_kind", "role", "holder", "token", "command", "found")
CHARGE: Final = ("event", "booking", "station", "charge_point", "plug_in", "start")

SIGNED: Final = ("opened", "paused", "ended", "auto_closed", "takeover", "forced")

FORMS: Final = (
    Form("boot", "", ("version", "car", "sqlite", "why", "quarantined", "vehicle_key")),
    Form("columns", "", ("names", "steps", "units")),
    Form(
        "access",
        "intent",
        ("event", "access", "via", "action", "booking", "token", "holder", "command", "clock", "note"),
    ),
    Form("access", "outcome", ("event", "access", "action", "booking", "outcome", "why", "resolved_at_boot")),
    Form("refused", "", ("via", "code", "booking", "holder", "detail")),
    Form("booking", "stored", ("event", "booking", "revision", "token", "booking_kind", "from", "to", "code")),
    Form("booking", "refused", ("event", "booking", "revision", "token", "booking_kind", "from", "to", "code")),
    Form("booking", "opened", ("event", "booking", "token", "holder", "booking_kind", "start")),
    Form(
        "booking", "closed",
        (
            "event", "booking", "how", "soft", "hard_overridden", "start", "end", "km", "energy_kwh", "duration_ms",
            "distance", "legs", *FLOWS,
        ),
    ),
    *(Form("receipt", event, ("event", "booking", "number", "cose")) for event in SIGNED),
    Form("leg", "opened", ("event", "booking", "leg", "start")),
    Form("leg", "closed", ("event", "booking", "leg", *LEG)),
    Form("unbooked_leg", "opened", ("event", "leg", "start")),
    Form("unbooked_leg", "closed", ("event", "leg", *LEG)),
    Form("plug", "plugged", ("event", "booking", "reading")),
    Form("plug", "unplugged", ("event", "booking", "reading")),
    Form("charge", "started", CHARGE),
    Form(
        "charge",
        "closed",
        (*CHARGE, "end", "unplug", "why", "energy_kwh", "mean_kw", "pauses", "paused_ms", "unseen_ms"),
    ),
    Form("position", "start", PLACE),
    Form("position", "end", PLACE),
    Form("position", "theft", PLACE),
    Form("position", "assistance", PLACE),
    Form("pause", "began", ("event", "booking")),
    Form("pause", "ended", ("event", "booking")),
    Form("located", "theft", LOCATED),
    Form("located", "assistance", LOCATED),
    Form("command", "", ("id", "action", "result")),
    Form("garage", "on", ("event", "by", "hours")),
    Form("garage", "off", ("event", "by", "hours")),
    Form("alarm", "raised", ("name", "event", "detail")),
    Form("alarm", "cleared", ("name", "event", "detail")),
    Form("dropped", "", ("stream", "from", "to", "why", "stream_id")),
    Form("damaged", "", ("stream", "from", "to", "stream_id")),
    Form("purged", "", ("why", "booking", "positions", "samples")),
)
FREE: Final = ("detail", "why", "note", "result")  # the keys whose values are texts for people
MOST_TEXT: Final = 120
BEGINS: Final = '{"kind":"'  # every stored text; its number goes before that
_KIND: Final = re.compile("[a-z_]{1,40}")  # also of a later release, whose records an older one may have to send
KINDS: Final = tuple(dict.fromkeys(form.kind for form in FORMS))


def problems(kind: str, body: Mapping[str, object]) -> tuple[str, ...]:
    """What is wrong with a fact's body, in words; empty when it is as the contract says."""
    forms = [form for form in FORMS if form.kind == kind and form.event in ("", body.get("event"))]
    if not forms:
        return (f"no such fact: {kind} {body.get('event', '')}".rstrip(),)
    found = _differences(f"{kind} {forms[0].event}".rstrip(), forms[0].keys, body)
    for name in READINGS:
        reading = body.get(name)
        if isinstance(reading, Mapping):
            found += _differences(f"{kind} {name}", READING, reading)
    return tuple(found)


def dropped(stream: str, first: int, last: int, why: str, stream_id: str) -> dict[str, object]:
    """Body of the fact that numbers of a stream will never come (D11). stream: "facts" or "samples"."""
    return {"stream": stream, "from": first, "to": last, "why": why, "stream_id": stream_id}


def damaged(stream: str, first: int, last: int, stream_id: str) -> dict[str, object]:
    """Body of the fact that the disk damaged numbers of a stream: they stay in the box, and will never come."""
    return {"stream": stream, "from": first, "to": last, "stream_id": stream_id}


def whole(text: str) -> bool:
    """Whether a stored text still is a fact. In a message one that is not would spoil all others."""
    try:
        told = msgspec.convert(json.loads(text.encode()), _Told)
    except (ValueError, RecursionError):  # of which bytes that are no text are one
        return False
    return text.startswith(BEGINS) and _KIND.fullmatch(told.kind) is not None


class _Told(Struct, frozen=True):
    """The fields of a fact, of the types they were written as."""

    kind: str
    boot: str
    at: int
    wall: tuple[int, int] | None
    source: str
    body: dict[str, Any]


def refused(via: str, refusal: Refusal, claims: Claims | None = None, **more: object) -> dict[str, object]:
    """Body of the fact that somebody or something was refused. via: "badge", "phone", "code", "command" or "trust".

    claims: whose it was, where the refusal itself may not say it. more: added to its detail.
    """
    claims = claims or refusal.claims
    return {
        "via": via,
        "code": refusal.code.value,
        "booking": claims.booking if claims is not None else None,
        "holder": claims.confirmation.id.hex() if claims is not None else None,
        "detail": {**refusal.detail, **more},
    }


def booking(event: str, claims: Claims | None, code: str | None) -> dict[str, object]:
    """Body of the facts `booking` stored and refused."""
    early, late = (claims.early_s, claims.late_s) if claims is not None else (0, 0)
    return {
        "event": event,
        "booking": claims.booking if claims is not None else None,
        "revision": claims.revision if claims is not None else None,
        "token": claims.cti.hex() if claims is not None else None,
        "booking_kind": claims.kind.name.lower() if claims is not None else None,
        "from": claims.nbf + early if claims is not None else None,
        "to": claims.exp - late if claims is not None else None,
        "code": code,
    }


def bounded(body: Mapping[str, object]) -> dict[str, object]:
    """The body with every free text cut to 120 characters."""
    return {key: _cut(value) if key in FREE else value for key, value in body.items()}


def _cut(value: object) -> object:
    match value:
        case str() if len(value) > MOST_TEXT:
            return value[: MOST_TEXT - 1] + "…"
        case Mapping():
            return {key: _cut(item) for key, item in value.items()}
        case list() | tuple():
            return [_cut(item) for item in value]
    return value


def lesser(text: str) -> bool:
    """Whether a stored text tells only of a refusal, or of the cable, which the record of the charge tells again:
    anybody, or a worn contact, may cause those by the thousand, so they go first.
    """
    return text.startswith(('{"kind":"refused",', '{"kind":"plug",')) or (
        text.startswith('{"kind":"booking",') and '"body":{"event":"refused",' in text
    )


def _differences(what: str, keys: tuple[str, ...], body: Mapping[str, object]) -> list[str]:
    found = [f"{what}: {key} is missing" for key in keys if key not in body]
    return found + [f"{what}: {key} is not in the contract" for key in body if key not in keys]
