"""What is left in a file that was set aside, as lines of JSON: for whoever brings it to a backend, or bills from it.

What is not here: reading the file (`buffer/salvage.py`), and who asks (`boitier buffer salvage`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from buffer import salvage
from buffer.salvage import Salvaged, Stream

from . import samples, stored, wire

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


def summary(name: str, found: Salvaged) -> str:
    told = []
    for what, stream in (("facts", found.facts), ("runs of samples", found.samples)):
        missing = sum(b - a + 1 for a, b in stream.missing)
        state = f"{len(stream.waiting)} not acknowledged; {missing} of {stream.last} not here"
        told.append(f"{len(stream.rows)} {what} ({state})")
    unsealed = f", {len(found.groups)} groups of samples not sealed yet" if found.groups else ""
    return f"{name}: {', '.join(told)}{unsealed}"
