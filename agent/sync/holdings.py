"""What the records hold, looked at, handed out and erased: by age (P5), by booking (P9).

Synchronous, for whoever has the file open: the store's thread, or the command line while no daemon runs. What is not
here: all of it erased (`wiping.py`), when this happens (`keeping.py`, the command line), and who may ask (the mode of
the control socket or the file).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from buffer import aging, db, outbox, peek, vault
from buffer.outbox import POSITION, SAMPLE
from keyless import cose
from keyless.refusal import Refusal
from keyless.token import MAX_TOKEN, read_claims

from . import samples, stored, tags, wire
from .disk import COLUMNS_KEY, Disk
from .record import Columns, When

PAGE_BYTES: Final = 256 * 1024
BODIES: Final = ("facts", "samples")
COLUMNS: Final = ("names", "steps", "units")


@dataclass(frozen=True, slots=True)
class Keep:
    """How long what holds positions, and what holds samples without any, may stay (P5). past_ms: surely past."""

    position_ms: int
    sample_ms: int
    past_ms: int


@dataclass(frozen=True, slots=True)
class Step:
    """What one step deleted. more: there may be others."""

    facts: int
    samples: int
    more: bool

    def plus(self, other: Step) -> Step:
        return Step(self.facts + other.facts, self.samples + other.samples, other.more)


# --- by age, by booking


def age(disk: Disk, when: When, keep: Keep) -> Step:
    """One step of what has lain here long enough, whether it was sent or not. What bills stays (R26)."""
    _adopt(disk, when)
    lived_ms = disk.lived.ms(when)
    with disk.database.write() as connection:
        disk.note_lived(connection, when)
        if when.wall is not None:
            aging.date(connection, when.wall[1])
        gone = aging.expire(
            connection, keep.past_ms, lived_ms, {POSITION: keep.position_ms, SAMPLE: keep.sample_ms}
        )
        return _told(disk, connection, when, gone, "aged")


def erase(disk: Disk, when: When, booking: int) -> Step:
    """One step of erasing a booking's positions, samples and decisions. The caller seals what is open before the first.
    """
    while _adopt(disk, when):
        pass
    named = tags.naming(booking)
    decided = [key for key, data in disk.recall(tags.DECISION_KEY).items() if named.search(data)]
    with disk.database.write() as connection:
        vault.change(connection, {}, decided)
        step = _told(disk, connection, when, aging.erase(connection, booking), "erased", booking)
    for key in decided:
        disk.vault.pop(key, None)
    if not step.more:
        settle(disk)
    return step


def settle(disk: Disk) -> None:
    """After the last step: the log, which still has what was deleted, goes into the file and is cut to nothing."""
    disk.database.checkpoint()


def _told(
    disk: Disk, connection: db.Connection, when: When, gone: aging.Gone, why: str, booking: int | None = None
) -> Step:
    """D11: numbers that the backend will miss are told; and that something went is a record, without saying what."""
    for stream, spans in gone.open_.items():
        for first, last in spans:
            outbox.append_fact(connection, disk.describe(when)(stream, first, last, why))
    facts, runs = (len(gone.numbers[name]) for name in BODIES)
    disk.counts[f"{why}_positions"] += facts
    disk.counts[f"{why}_samples"] += runs
    if gone.count:
        body: dict[str, object] = {"why": why, "booking": booking, "positions": facts, "samples": runs}
        outbox.append_fact(connection, when.fact("purged", body))
    return Step(facts, runs, gone.more)


def _adopt(disk: Disk, when: When) -> bool:
    """Sealed samples that a release before tags wrote get theirs. True while there may be more."""
    with disk.database.read() as connection:
        rows = aging.untagged(connection)
    if not rows:
        return False
    lived_ms = disk.lived.ms(when)
    with disk.database.write() as connection:
        for number, body in rows:
            found = samples.unseal(body)
            tag = None if found is None else tags.of_run(found[1], disk.columns, lived_ms)
            aging.tag(connection, number, tag or outbox.Tag(POSITION, None, None, lived_ms))
    return len(rows) == aging.STEP_ROWS


# --- looked at and handed out


def show(disk: Disk) -> dict[str, Any]:
    """Numbers, sizes and ages; no content."""
    path = disk.path
    with disk.database.read() as connection:
        held = {name: peek.held(connection, name) for name in BODIES}
        waiting = outbox.pending(connection)
        unsealed = sum(len(run.rows) for run in samples.join(outbox.groups(connection))[0])
        keys = sorted({key.partition("/")[0] for key in vault.read(connection, "")})
    return {
        "file": str(path),
        "bytes": sum(file.stat().st_size for file in files_of(path) if file.exists()),
        "set_aside": [file.name for file in set_aside(path)],
        "streams": disk.database.streams,
        "facts": held["facts"] | {"waiting": waiting.facts, "last": waiting.last_fact},
        "samples": held["samples"] | {"waiting": waiting.samples, "last": waiting.last_sample, "unsealed": unsealed},
        "vault": keys,
    }


def page(disk: Disk, booking: int, fact: int = 0, run: int = 0) -> dict[str, Any]:
    """What is held of one booking: facts above a number, then runs of samples above another, as much as is handed out
    at once (P9). `next`: both numbers to go on after, `None` at the end. With the last page comes what the vault has.
    """
    listed: dict[str, Any] = {"facts": [], "samples": [], "next": None}
    with disk.database.read() as connection:
        facts = peek.facts_of(connection, booking, fact, PAGE_BYTES)
        listed["facts"] = [_fact(number, body) for number, body in facts.rows]
        if facts.more:
            return listed | {"next": [facts.last, run]}
        runs = peek.samples_of(connection, booking, run, PAGE_BYTES)
        listed["samples"] = [_readable(connection, number, body) for number, body in runs.rows]
        if runs.more:
            return listed | {"next": [facts.last, runs.last]}
        return listed | {"vault": _of_vault(connection, booking)}


def _fact(number: int, body: str) -> dict[str, Any]:
    """A fact that does not read is handed out all the same, as it stands."""
    try:
        return {"n": number, **stored.value(dict[str, Any], body.encode())}
    except ValueError:
        return {"n": number, "unreadable": body}


def _readable(connection: db.Connection, number: int, body: bytes) -> dict[str, Any]:
    """A sealed run with names, units and values; what does not read is told as bytes."""
    found = samples.unseal(body)
    if found is None:
        return {"n": number, "unreadable": body.hex()}
    run = found[1]
    columns = _columns(connection, run.columns)
    width = len(run.rows[0][1])
    if columns is None or len(columns.names) != width:
        columns = Columns(0, tuple(f"column {i}" for i in range(width)), (1,) * width, ("?",) * width)
    steps = columns.steps
    rows = [
        {"at": at, "values": [None if n is None else round(n * step, 6) for n, step in zip(row, steps, strict=True)]}
        for at, row in run.rows
    ]
    head = {"n": number, "booking": run.booking, "boot": run.boot, "wall": run.wall, "source": run.source}
    return head | {"names": list(columns.names), "units": list(columns.units), "rows": rows}


def _columns(connection: db.Connection, number: int) -> Columns | None:
    """What the values of a run are, from the fact that says so, or the newest list when that one is gone."""
    text = peek.fact(connection, number)
    if text is not None:
        body = _fact(number, text).get("body")
        listed = [number, *map(body.get, COLUMNS)] if isinstance(body, dict) else []
        found = Columns.from_bytes(wire.text(listed).encode())
    else:
        found = Columns.from_bytes(vault.read(connection, COLUMNS_KEY).get(COLUMNS_KEY))
    return found if found is not None and found.number == number else None


def _of_vault(connection: db.Connection, booking: int) -> dict[str, Any]:
    """Values that name the booking: what is under way, stored tokens (signed bytes, as hex)."""
    named = tags.naming(booking)
    found: dict[str, Any] = {}
    for key, value in vault.read(connection, "").items():
        if named.search(value):
            try:
                found[key] = json.loads(value)
            except (ValueError, RecursionError):
                found[key] = {"unreadable": value.decode(errors="replace")}
        elif key.startswith("token/") and _booking_of(value) == booking:
            found[key] = value.hex()
        elif key.endswith(f"/{booking}"):
            found[key] = value.decode(errors="replace")
    return found


def _booking_of(token: bytes) -> int | None:
    outer = cose.read_sign1(token, limit=MAX_TOKEN, with_kid=True)
    claims = outer if isinstance(outer, Refusal) else read_claims(outer.payload)
    return None if isinstance(claims, Refusal) else claims.booking


def left(disk: Disk, booking: int) -> dict[str, int]:
    """Facts that name a booking, and how many of them the backend has not acknowledged (R26)."""
    with disk.database.read() as connection:
        numbers = [number for number, _ in peek.facts_of(connection, booking, 0, 1 << 40).rows]
        mark, spans = outbox.upto(connection, "facts"), outbox.spans(connection, "facts")
    waiting = [n for n in numbers if n > mark and not any(a <= n <= b for a, b in spans)]
    return {"facts": len(numbers), "waiting": len(waiting)}


# --- asked by hand


def answer(disk: Disk, when: When, request: Mapping[str, object]) -> dict[str, Any]:
    """What `boitier buffer` asks, over the control socket or with the file in its own hands. `do`: "show", "export" (a
    page after the numbers `after`) or "erase" (one step) of a `booking`. Raises ValueError for anything else.
    """
    do, booking, after = request.get("do"), request.get("booking"), request.get("after", [0, 0])
    if do == "show":
        return show(disk)
    if not isinstance(booking, int) or isinstance(booking, bool) or not 0 < booking < 1 << 53:
        raise ValueError("booking must be its number, 1 or more")
    if do == "erase":
        step = erase(disk, when, booking)
        return {"positions": step.facts, "samples": step.samples, "more": step.more, "left": left(disk, booking)}
    numbers = isinstance(after, list) and all(isinstance(n, int) and 0 <= n < 1 << 53 for n in after)
    if do != "export" or not isinstance(after, list) or len(after) != 2 or not numbers:
        raise ValueError('do must be "show", "export" or "erase", and after two numbers')
    return page(disk, booking, *after)


# --- the files


def files_of(path: Path) -> tuple[Path, ...]:
    """Every file that may hold records: the database, what SQLite keeps beside it, and what was set aside."""
    beside = (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", ".ballast")))
    return (*beside, *set_aside(path))


def set_aside(path: Path) -> tuple[Path, ...]:
    """Databases of earlier mishaps, with what lay beside them."""
    return tuple(sorted(path.parent.glob(f"{path.name}.broken-*")))
