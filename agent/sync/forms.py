"""The catalogue of facts: every kind, its forms, and the shape of its body. Who writes which fact when, is its writer's
business.

Nothing checks a fact on its way out: a wrong body must still arrive. The catalogue is for the tests, the page
docs/contract.md and the schemas, and never loaded on the way to an open door.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, get_args, get_type_hints

import msgspec
from msgspec import Struct

from . import shapes, wire
from .shapes import Body, Reading


class Form(Struct, frozen=True):
    """One kind of fact, or one event of it (event "" where the kind has only one form). keys: all of them, always
    present.
    """

    kind: str
    event: str
    shape: type[Body]

    @property
    def keys(self) -> tuple[str, ...]:
        return keys(self.shape)


def keys(shape: type[Struct]) -> tuple[str, ...]:
    """The names of its fields on the wire, in the order of the page."""
    return shape.__struct_encode_fields__


SHAPES: Final[tuple[tuple[str, type[Body]], ...]] = (
    ("boot", shapes.Booted), ("columns", shapes.ColumnList), ("access", shapes.Intent), ("access", shapes.Outcome),
    ("refused", shapes.Refused), ("booking", shapes.BookingHeard), ("booking", shapes.BookingOpened),
    ("booking", shapes.BookingClosed), ("receipt", shapes.Receipt), ("leg", shapes.LegOpened),
    ("leg", shapes.LegClosed), ("unbooked_leg", shapes.UnbookedLegOpened), ("unbooked_leg", shapes.UnbookedLegClosed),
    ("plug", shapes.Plug), ("charge", shapes.ChargeStarted), ("charge", shapes.ChargeClosed),
    ("position", shapes.Position), ("pause", shapes.Pause), ("located", shapes.Located),
    ("command", shapes.CommandDone), ("garage", shapes.Garage), ("alarm", shapes.Alarm), ("dropped", shapes.Dropped),
    ("damaged", shapes.Damaged), ("salvaged", shapes.Salvaged), ("salvaged", shapes.SalvagedAll),
    ("purged", shapes.Purged),
)  # fmt: skip


def events(shape: type[Body]) -> tuple[str, ...]:
    """The words that `event` has in bodies of this shape; none where the kind has only one form."""
    return get_args(get_type_hints(shape).get("event"))


FORMS: Final = tuple(Form(kind, event, shape) for kind, shape in SHAPES for event in events(shape) or ("",))
READING: Final = keys(Reading)
KINDS: Final = tuple(dict.fromkeys(form.kind for form in FORMS))


def problems(kind: str, body: Mapping[str, object]) -> tuple[str, ...]:
    """What is wrong with a fact's body, in words; empty when it is, as it goes over the wire, as the contract says."""
    form = next((form for form in FORMS if form.kind == kind and form.event in ("", body.get("event"))), None)
    if form is None:
        return (f"no such fact: {kind} {body.get('event', '')}".rstrip(),)
    what = f"{kind} {form.event}".rstrip()
    found = [f"{what}: {key} is missing" for key in form.keys if key not in body]
    found += [f"{what}: {key} is not in the contract" for key in body if key not in form.keys]
    return tuple(found or (f"{what}: {problem}" for problem in mistakes(form.shape, json.loads(wire.text(body)))))


def mistakes(shape: type[Struct], value: object) -> tuple[str, ...]:
    """The first thing that keeps a JSON value from having this shape, with its place; empty when it has."""
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        return (str(error),)
    return ()
