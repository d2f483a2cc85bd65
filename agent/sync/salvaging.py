"""What is left in a file that was set aside: as lines of JSON for whoever bills from it, and as facts for the backend.

A fact of the old stream goes out inside a fact `salvaged` of the new one, with its old number, so that nothing else has
to be known of it: it is durable, sent and acknowledged like any other. Facts with positions, and samples, are not sent:
since the file was set aside they may have been erased, or become too old. What is not here: reading the file
(`buffer/salvage.py`), and who asks (`boitier buffer salvage`, `agent/run/records.py`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from buffer import retention, salvage
from buffer.salvage import MOST, Salvaged, Stream

from . import samples, stored, tags, wire
from .disk import Disk
from .record import Fact

PAGE_BYTES: Final = 32 * 1024  # a line on the control socket holds twice that
FACT: Final = {"kind": str, "boot": str, "at": int, "source": str, "body": dict}


def read(path: Path) -> Salvaged:
    """Raises OSError."""
    return salvage.salvage(path, is_fact, is_run, is_group)


def is_fact(body: str) -> bool:
    """As the store writes them: compact JSON with these keys in this order."""
    try:
        fact = stored.value(dict[str, Any], body.encode())
    except ValueError:
        return False
    typed = all(isinstance(fact.get(key), kind) for key, kind in FACT.items())
    return typed and list(fact) == ["kind", "boot", "at", "wall", "source", "body"]


def is_run(number: int, body: bytes) -> bool:
    """A sealed run carries its number and, where it is compressed, a checksum."""
    found = samples.unseal(body)
    return found is not None and found[0] == number


def is_group(body: bytes) -> bool:
    return samples.join([body])[1] == 0


def lines(name: str, found: Salvaged) -> Iterator[str]:
    """A head; then each record under its old stream and number, as it was stored: the bytes that the backend takes."""
    heads = {one: _head(stream) for one, stream in (("facts", found.facts), ("samples", found.samples))}
    yield wire.text({"file": name, **heads, "unsealed": len(found.groups), "conflicts": found.conflicts})
    for number, body in found.facts.rows.items():
        yield f'{{"stream":"{found.facts.id}","n":{number},{body[1:]}'
    for number, payload in found.samples.rows.items():
        text = base64.b64encode(payload).decode()
        yield wire.text({"stream": found.samples.id, "n": number, "samples": text})
    for group in found.groups:
        yield wire.text({"unsealed": json.loads(group)})


def _head(stream: Stream[Any]) -> dict[str, object]:
    """missing: spans of numbers; what the backend had may have been purged, and is among them."""
    return {
        "stream": stream.id or None, "rows": len(stream.rows), "last": stream.last, "waiting": len(stream.waiting),
        "missing": [list(span) for span in stream.missing],
    }  # fmt: skip


# --- handed to the daemon --------------------------------------------------------------------------------------------


def pages(stream: Stream[str]) -> Iterator[dict[str, object]]:
    """Questions to the daemon: what the backend has not acknowledged, in pages, and at last how much that was."""
    page, room, count = list[list[object]](), PAGE_BYTES, 0
    for number in stream.waiting:
        body = stream.rows[number]
        if body.startswith(tags.POSITION_FACT):
            continue
        if page and len(body) > room:
            yield {"do": "salvaged", "stream": stream.id, "facts": page}
            page, room = [], PAGE_BYTES
        page.append([number, json.loads(body)])
        room -= len(body)
        count += 1
    if page:
        yield {"do": "salvaged", "stream": stream.id, "facts": page}
    missing = sum(b - max(a, stream.upto + 1) + 1 for a, b in stream.missing if b > stream.upto)
    yield {"do": "salvaged", "stream": stream.id, "done": [stream.upto + 1, stream.last, count, missing]}


def taken(request: Mapping[str, object]) -> tuple[Fact, ...]:
    """The facts that a page asks for. Raises ValueError."""
    stream = request.get("stream")
    if not isinstance(stream, str) or not wire.STREAM.fullmatch(stream):
        raise ValueError("stream must be its id, 16 hex digits")
    if "done" in request:
        counts = stored.typed(tuple[int, int, int, int], request["done"])
        listed = dict(zip(("from", "to", "count", "missing"), counts, strict=True))
        return (Fact("salvaged", {"event": "done", "stream_id": stream, **listed}),)
    rows = stored.typed(list[tuple[int, dict[str, Any]]], request.get("facts"))
    if not all(0 < number < MOST and is_fact(wire.text(fact)) for number, fact in rows):
        raise ValueError("facts must be numbers, each with a fact as it was stored")
    return tuple(
        Fact("salvaged", {"event": "record", "stream_id": stream, "n": number, "record": fact}) for number, fact in rows
    )


def refusal(disk: Disk, stream: object) -> str | None:
    """Why nothing can be taken now; `None` when it can."""
    if stream == disk.database.streams["facts"]:
        return "these are the records under way, which are sent in any case: salvage a file that was set aside"
    with disk.database.read() as connection:
        if retention.usage(connection) > retention.SAMPLES_SHARE:
            return "the records are nearly full: connect the car first, so that the backend takes some"
    return None


def summary(name: str, found: Salvaged) -> str:
    told = []
    for what, stream in (("facts", found.facts), ("runs of samples", found.samples)):
        missing = sum(b - a + 1 for a, b in stream.missing)
        state = f"{len(stream.waiting)} not acknowledged; {missing} of {stream.last} not here"
        told.append(f"{len(stream.rows)} {what} ({state})")
    unsealed = f", {len(found.groups)} groups of samples not sealed yet" if found.groups else ""
    return f"{name}: {', '.join(told)}{unsealed}"
