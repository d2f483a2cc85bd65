"""A run of samples as bytes: scaled integers in delta columns, about ten bytes a sample of ten signals once compressed.

What a column means, its unit and its step are said once, by a `columns` fact whose number the run carries. When a run
is sealed is the store's decision (`agent/sync/store.py`), what is worth a sample the sampler's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from . import stored, wire

SEAL_ROWS: Final = 100
SEAL_MS: Final = 60_000
MOST: Final = 1 << 53  # every integer that JSON carries everywhere; times and numbers beyond it are damage

Row = tuple[int, tuple[int | None, ...]]  # ms since boot; round(value / step) by column, None where missing


class Run(Struct, frozen=True):
    """Consecutive samples of one boot, one booking and one list of columns.

    columns: number of the `columns` fact. wall, source: of the first row. rows: at least one.
    """

    columns: int
    booking: int | None
    boot: str
    wall: tuple[int, int] | None
    source: str
    rows: tuple[Row, ...]

    @property
    def at_ms(self) -> int:
        return self.rows[0][0]

    def takes(self, columns: int, booking: int | None, boot: str, at_ms: int) -> bool:
        """Whether a sample may join; otherwise the run is to be sealed first."""
        same = (self.columns, self.booking, self.boot) == (columns, booking, boot)
        return same and len(self.rows) < SEAL_ROWS and at_ms - self.at_ms < SEAL_MS

    def complete(self, now_ms: int) -> bool:
        """Full, or as old as a run may become (D9)."""
        return len(self.rows) >= SEAL_ROWS or now_ms - self.at_ms >= SEAL_MS


def scale(values: Sequence[float | None], steps: Sequence[float]) -> tuple[int | None, ...]:
    """Values in their units to integers of their steps; what is not a number becomes `None`."""
    return tuple(
        None if value is None or not math.isfinite(value) else round(value / step)
        for value, step in zip(values, steps, strict=True)
    )


def seal(vehicle: str, stream: str, number: int, run: Run) -> bytes:
    """The payload of `up/samples`, byte for byte as it is stored and sent."""
    times = [at for at, _ in run.rows]
    head: dict[str, object] = {"v": wire.VERSION, "vehicle": vehicle, "stream": stream, "n": number}
    return wire.pack(head | _fields(run) | {"t": _deltas(times), "c": _columns(run)})


def unseal(payload: bytes) -> tuple[int, Run] | None:
    """Number and run of a sealed payload; `None` when it is not one."""
    value = wire.unpack(payload)
    if value is None or not isinstance(value.get("n"), int):
        return None
    run = _read(value)
    return None if run is None else (value["n"], run)


def whole(payload: bytes, stream: str, number: int) -> bool:
    """Whether a stored payload still is what was sealed under that number. What is compressed carries a checksum."""
    value = wire.unpack(payload)
    if value is None or (value.get("stream"), value.get("n")) != (stream, number):
        return False
    return payload[:1] == wire.ZLIB or _read(value) is not None


def group(run: Run) -> bytes:
    """Rows that are durable but not sealed yet: the same fields, without identity."""
    return wire.text(_fields(run) | {"t": _deltas([at for at, _ in run.rows]), "c": _columns(run)}).encode()


def join(groups: Iterable[bytes]) -> tuple[tuple[Run, ...], int]:
    """What lay unsealed when the power went, as runs to be sealed now, and how many groups do not read: those are left
    out.
    """
    runs, odd = list[Run](), 0
    for body in groups:
        value = wire.unpack(body)
        run = None if value is None else _read(value)
        if run is None:
            odd += 1
        elif runs and runs[-1].takes(run.columns, run.booking, run.boot, run.at_ms) and _as_wide(runs[-1], run):
            runs[-1] = extended(runs[-1], run.rows)
        else:
            runs.append(run)
    return tuple(runs), odd


def _as_wide(run: Run, other: Run) -> bool:
    return len(run.rows[0][1]) == len(other.rows[0][1])


def extended(run: Run, rows: Sequence[Row]) -> Run:
    return Run(run.columns, run.booking, run.boot, run.wall, run.source, run.rows + tuple(rows))


def _fields(run: Run) -> dict[str, object]:
    return {
        "columns": run.columns,
        "booking": run.booking,
        "boot": run.boot,
        "at": run.at_ms,
        "wall": run.wall,
        "source": run.source,
    }


def _deltas(times: Sequence[int]) -> list[int]:
    return [0] + [b - a for a, b in itertools.pairwise(times)]


def _columns(run: Run) -> list[list[int | None]]:
    packed: list[list[int | None]] = []
    for column in zip(*(values for _, values in run.rows), strict=True):
        known = 0
        packed.append([])
        for value in column:
            packed[-1].append(None if value is None else value - known)
            known = known if value is None else value
    return packed


class _Told(Struct, frozen=True):
    """The fields of a payload that make a run, of the types they were written as."""

    columns: int
    booking: int | None
    boot: str
    at: int
    wall: tuple[int, int] | None
    source: str
    t: list[int]
    c: list[list[int | None]]


def _read(value: dict[str, Any]) -> Run | None:
    try:
        told = stored.typed(_Told, {name: value[name] for name in _Told.__annotations__})
        at, rows = told.at, list[Row]()
        known = [0] * len(told.c)
        for delta, *deltas in zip(told.t, *told.c, strict=True):
            at += delta or 0
            known = [k if d is None else k + d for k, d in zip(known, deltas, strict=True)]
            rows.append((at, tuple(None if d is None else k for k, d in zip(known, deltas, strict=True))))
    except (KeyError, ValueError):
        return None
    numbers = (told.columns, told.booking or 0, at, *(told.wall or ()))
    if not rows or any(abs(number) > MOST for number in numbers):
        return None
    return Run(told.columns, told.booking, told.boot, told.wall, told.source, tuple(rows))
