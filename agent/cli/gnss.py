"""`boitier gnss decode`: a raw receiver log read with the daemon's own decoder. Nothing here touches a device."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import BufferedReader
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drivers.ports import Fix

GZIP_MAGIC = b"\x1f\x8b"


@click.group()
def gnss() -> None:
    """Logs of the satellite receiver."""


@gnss.command()
@click.argument("log", metavar="FILE", type=click.File("rb"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
def decode(log: BufferedReader, as_json: bool) -> None:
    """Every epoch in FILE ("-": standard input; also gzip), in its order; exit 1 when there is none.

    Lines that begin with # are comments. Dates are believed as they stand, however old: a recording may be.
    """
    from drivers.gnss.nmea import Decoder
    from drivers.ports import Instant

    decoder = Decoder(earliest=None)
    nowhen = Instant("0" * 16, 0)
    epochs = 0
    try:
        for line in _lines(log):
            for fix in decoder.feed(line, nowhen) if line else decoder.end(nowhen):
                click.echo(_json(fix) if as_json else _row(fix))
                epochs += 1
    except BrokenPipeError:
        raise  # whoever reads us has seen enough
    except (OSError, EOFError, zlib.error) as error:  # a broken gzip, or a disk that fails half-way
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    counted = [f"{name} {count}" for name, count in decoder.counters().items() if count]
    click.echo(", ".join(counted) or "not a byte of a receiver in it", err=True)
    if not epochs:
        click.echo(f"no epoch in {log.name}", err=True)
    sys.exit(0 if epochs else 1)


def _lines(log: BufferedReader) -> Iterator[bytes]:
    """The receiver's bytes without comment lines; empty bytes at the end."""
    zipped = log.peek(2).startswith(GZIP_MAGIC)  # a look ahead: a pipe cannot be wound back
    source: Iterable[bytes] = gzip.GzipFile(fileobj=log, mode="rb") if zipped else log
    yield from (line for line in source if not _comment(line))
    yield b""


def _comment(line: bytes) -> bool:
    """Text after a #. In a binary stream a # may also begin anything, a sentence included: that is no comment."""
    return line.startswith(b"#") and line.replace(b"\t", b" ").decode("utf-8", "ignore").rstrip().isprintable()


def _time(fix: Fix) -> str | None:
    if fix.time_ms is None:
        return None
    when = datetime.fromtimestamp(fix.time_ms / 1000, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(fix: Fix) -> str:
    return json.dumps({
        "time": _time(fix),
        "lat": None if fix.lat is None else round(fix.lat, 9),
        "lon": None if fix.lon is None else round(fix.lon, 9),
        "mode": fix.mode,
        "speed_mps": None if fix.speed_mps is None else round(fix.speed_mps, 3),
        "valid": fix.valid,
    })  # fmt: skip


def _row(fix: Fix) -> str:
    when = _time(fix) or "no date"
    if fix.lat is None or fix.lon is None:
        return f"{when:<24}  no fix"
    speed = "" if fix.speed_mps is None else f"{fix.speed_mps:7.2f} m/s"
    satellites = "" if fix.satellites is None else f"{fix.satellites:3d} satellites"
    return f"{when:<24}  {fix.lat:11.6f} {fix.lon:12.6f}  {fix.mode}D {speed} {satellites}"
