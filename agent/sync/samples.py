"""A run of samples as bytes: scaled integers in delta columns, about ten bytes a sample of ten signals once compressed.

What a column means, its unit and its step are said once, by a `columns` fact whose number the run carries. When a run
is sealed is the store's decision (`agent/sync/store.py`), what is worth a sample the sampler's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from . import wire

SEAL_ROWS: Final = 100
SEAL_MS: Final = 60_000

Row = tuple[int, tuple[int | None, ...]]  # ms since boot; round(value / step) by column, None where missing


@dataclass(frozen=True, slots=True)
class Run:
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


def group(run: Run) -> bytes:
    """Rows that are durable but not sealed yet: the same fields, without identity."""
    return wire.text(_fields(run) | {"t": _deltas([at for at, _ in run.rows]), "c": _columns(run)}).encode()


def join(groups: Iterable[bytes]) -> tuple[Run, ...]:
    """What lay unsealed when the power went, as runs to be sealed now. Groups that do not read are left out."""
    runs: list[Run] = []
    for body in groups:
        value = wire.unpack(body)
        run = None if value is None else _read(value)
        if run is None:
            continue
        if runs and runs[-1].takes(run.columns, run.booking, run.boot, run.at_ms):
            runs[-1] = extended(runs[-1], run.rows)
        else:
            runs.append(run)
    return tuple(runs)


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


def _read(value: dict[str, Any]) -> Run | None:
    try:
        at, rows = int(value["at"]), list[Row]()
        known = [0] * len(value["c"])
        for delta, *deltas in zip(value["t"], *value["c"], strict=True):
            at += delta
            known = [k if d is None else k + d for k, d in zip(known, deltas, strict=True)]
            rows.append((at, tuple(None if d is None else k for k, d in zip(known, deltas, strict=True))))
        wall = value["wall"]
        span = None if wall is None else (int(wall[0]), int(wall[1]))
        run = Run(value["columns"], value["booking"], value["boot"], span, value["source"], tuple(rows))
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return run if rows else None
