"""Bodies of facts that several writers share, the bound on free texts, since strangers have a say in those, and whether
a stored text still is a fact. The catalogue of all facts is `forms.py`.

Nobody looks into a body on its way out: a wrong one must still arrive.
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

FREE: Final = ("detail", "why", "note", "result")  # the keys whose values are texts for people
MOST_TEXT: Final = 120
BEGINS: Final = '{"kind":"'  # every stored text; its number goes before that
_KIND: Final = re.compile("[a-z_]{1,40}")  # also of a later release, whose records an older one may have to send


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
