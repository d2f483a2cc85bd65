"""What `boitier buffer salvage` wrote, brought to the backend by hand; `python -m hil.backend.salvaged --help`.

Every line goes the way of a message: judged by `payload.py`, stored by `holdings.py` under the number it always had. So
what had arrived before is a repeat, and a file may be brought twice. Samples that were never sealed have no number and
stay in the file.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from . import payload
from .holdings import Holdings


def items(vehicle: str, lines: Iterable[str]) -> Iterator[payload.Item]:
    """Raises ValueError where the lines are of something else."""
    for line in lines:
        value = json.loads(line)
        match value:
            case {"kind": _, "stream": stream}:
                fact = {key: value[key] for key in value if key != "stream"}
                told = {"v": 1, "vehicle": vehicle, "stream": stream, "facts": [fact]}
                yield from payload.read(f"boitier/v1/{vehicle}/up/facts", payload.pack(told))
            case {"samples": str(text)}:
                yield from payload.read(f"boitier/v1/{vehicle}/up/samples", base64.b64decode(text, validate=True))
            case {"file": _} | {"unsealed": _}:
                pass
            case _:
                raise ValueError(f"not written by salvage: {line[:60]}")


def bring(database: Path, vehicle: str, lines: Iterable[str], now_ms: int) -> Counter[str]:
    """In one group, or nothing. `new`, `known` and `unread` records; unread ones are not stored, or their numbers would
    count as received. Raises ValueError, NotStored.
    """
    found = list(items(vehicle, lines))
    whole = [item for item in found if not isinstance(item, payload.Poison)]
    holdings = Holdings(database)
    try:
        before = _rows(database)
        holdings.commit(whole, now_ms)
        new = _rows(database) - before
    finally:
        holdings.close()
    return Counter(new=new, known=len(whole) - new, unread=len(found) - len(whole))


def _rows(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (count,) = connection.execute("SELECT (SELECT count(*) FROM facts) + (SELECT count(*) FROM blobs)").fetchone()
        return int(count)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hil.backend.salvaged", description="Bring salvaged records in.")
    parser.add_argument("--database", required=True, type=Path, help="of the receiver, which must not run meanwhile")
    parser.add_argument("--vehicle", required=True, help="its id, 16 hex digits")
    parser.add_argument("lines", type=Path, help="what `boitier buffer salvage --into` wrote")
    given = parser.parse_args(arguments)
    try:
        with given.lines.open(encoding="utf-8") as lines:
            done = bring(given.database, given.vehicle, lines, time.time_ns() // 1_000_000)
    except (ValueError, OSError) as error:
        print(f"{given.lines}: {error}", file=sys.stderr)
        return 1
    print(f"{done['new']} new, {done['known']} known before, {done['unread']} unread")
    return 0


if __name__ == "__main__":
    sys.exit(main())
