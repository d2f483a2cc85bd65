"""`boitier contract decode|schema`: the wire between car and backend, for whoever writes a backend.

What is not here: how bytes become values (`payload_reading.py`).
"""

from __future__ import annotations

import json
import sys
from typing import Final

import click

from ..sync import payloads, wire
from .token_bytes import as_json, read_file, say

EXITS: Final = "Exit codes: 0 good, 1 not a payload, or not as the contract says, 2 wrong use."
KINDS: Final = {kind.value: kind for kind in payloads.SHAPES}


@click.group(epilog=EXITS)
def contract() -> None:
    """What goes between this car and its backend (docs/contract.md). Needs no network and no daemon.

    \b
    One message of any car, read:   mosquitto_sub … -t 'boitier/#' -C 1 -F %x | boitier contract decode -
    What a field means:             boitier contract schema up/facts
    """


@contract.command(epilog=EXITS)
@click.argument("file")
@click.option(
    "--columns", metavar="FILE", help="A payload of up/facts with the fact `columns`: samples get names and units."
)
@as_json
def decode(file: str, columns: str | None, as_json: bool) -> None:
    """Print one payload as plain JSON: its kind, what it says, and what is not as the contract says.

    FILE ("-": standard input) holds the bytes of one message as they came, or the same as hex or base64, or is a
    golden file. Compressed or not is seen by itself. A run of samples comes as rows, `at` in ms since the boot; without
    --columns its values are whole numbers of a column's step. Of what is signed nothing is verified.

    \b
    boitier contract decode docs/contract/golden/v1/up-facts.json
    mosquitto_sub … -t boitier/v1/+/up/samples -C 1 -F %x | boitier contract decode --columns facts.hex -
    """
    from . import payload_reading

    try:
        known = {} if columns is None else payload_reading.columns_of(_read(columns))
        data = _read(file)
        found = payload_reading.told(data)
        number = found["payload"].get("columns") if found["kind"] == wire.Kind.SAMPLES.value else None
        if number is not None and columns is not None:
            if number not in known:
                raise payload_reading.Unreadable(f"{columns} has no fact `columns` with the number {number}")
            found = payload_reading.told(data, known[number])
    except payload_reading.Unreadable as error:
        click.echo(f"{file}: {error}", err=True)
        sys.exit(1)
    say(found, as_json)
    sys.exit(1 if found["problems"] else 0)


@contract.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
def schema(kind: str) -> None:
    """Print the JSON Schema of one kind of payload: every field, its meaning and its unit.

    The others are signed bytes: docs/keyless.md. `up/state#will` is what stands in place of the state of a car that is
    gone.
    """
    from ..sync import schema as schemas

    click.echo(json.dumps(schemas.schema(KINDS[kind]), indent=1, ensure_ascii=False))


def _read(name: str) -> bytes:
    data = read_file(name)
    if data is None:
        raise click.UsageError(f"{name}: no such file, or it cannot be read; - is standard input")
    return data
