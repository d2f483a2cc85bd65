"""Recordings of a bus, in every form that python-can reads (candump, asc, blf, csv, trc), and CANARY, GVRET and CRTD;
each also gzipped. Frames come in the order of their times.

What does not live here: decoding. A time stamp is the log's own, whatever its origin (D5).
"""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from binascii import unhexlify
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from ..ports import Frame, Instant
from .lines import CANDUMP_MANY, EXTENDED_MAX, FD_BYTES, Form, Row, candump, recognise

if TYPE_CHECKING:
    import can

GZIP: Final = b"\x1f\x8b"
KNOWN: Final = (".asc", ".blf", ".csv", ".log", ".trc")
BLOCK: Final = 1 << 18
LONGEST: Final = 1 << 20
"""A line that does not end within a mebibyte is none."""
TOLD: Final = 100
"""So many wrong lines are kept with their text; the others are counted."""
IDS: Final = 4096
HELD: Final = 20_000
"""Frames held back to be put in order: five seconds of a full 500 kbit/s bus (4,000 frames/s)."""
MOST_S: Final = 10**15  # thirty million years: what is beyond is no time
RESTART_NS: Final = 5_000_000_000
"""A log that goes back further than this has begun anew; two buses in one log differ by some 20 ms."""
AT: Final = itemgetter(0)


class RecordingError(Exception):
    """The file cannot be read further; the text names the file and, where there are lines, the line."""


class _Lines(io.TextIOWrapper):
    """A text file that knows which line was read last. Iteration comes through `readline` in a subclass."""

    number = 0
    whole = True

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        line = super().readline(size)
        self.number += bool(line)
        if line:
            self.whole = line.endswith("\n")
        return line


class _Ids(dict[bytes, "tuple[int, bool] | None"]):
    """What the text of an id means: None for one that is not wanted."""

    def __init__(self, wanted: Collection[tuple[int, bool]] | None) -> None:
        self._wanted = wanted

    def __missing__(self, text: bytes) -> tuple[int, bool] | None:
        known = int(text, 16), len(text) > 3
        found = known if self._wanted is None or known in self._wanted else None
        if len(self) < IDS:
            self[text] = found
        return found


class Recording:
    """One pass over a log. wanted: (id, extended) of the frames to give, None for all. bus: of this channel alone.

    bad: (line number, what is wrong) of the first lines that were left out; left_out: how many there were.
    seen: frames in the log; unwanted: those of them with another id; other_bus: of another channel; skipped: error
    frames, remote frames, and times, ids and lengths that cannot be. stepped_back: given in another order than they
    stand in the log, because their time is before that of an earlier one; restarts: how often time began anew; late:
    how often it went back further than frames are held.
    """

    def __init__(self, path: Path, *, wanted: Collection[tuple[int, bool]] | None = None, bus: str = "") -> None:
        self._path = path
        self._wanted = wanted
        self._bus = bus
        self._raw: BinaryIO | None = None
        self._broken: RecordingError | None = None
        self.bad: list[tuple[int, str]] = []
        self.channels: set[str] = set()
        self.left_out = self.skipped = self.seen = self.unwanted = self.other_bus = 0
        self.stepped_back = self.restarts = self.late = 0

    def frames(self) -> Iterator[Frame]:
        """Raises `RecordingError`, after all that could be read. Frames carry an empty boot id and the log's time."""
        with contextlib.closing(self._rows()) as rows:
            for at_ns, _, can_id, extended, data in self._in_order(self._until_broken(rows)):
                yield Frame(can_id, extended, data, Instant("", at_ns))
        if self._broken is not None:
            raise self._broken

    def _until_broken(self, rows: Iterator[Row]) -> Iterator[Row]:
        """What waits to be put in order must not be lost when the log breaks off."""
        try:
            yield from rows
        except RecordingError as error:
            self._broken = error

    def read(self) -> int:
        """Bytes of the file that were read so far: of a gzipped one, compressed bytes."""
        return self._raw.tell() if self._raw is not None and not self._raw.closed else 0

    def _in_order(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Sorted within a bounded window: a log of two buses steps back and forth by some milliseconds."""
        held: list[Row] = []
        newest = given = -(1 << 62)
        for row in rows:
            if row[0] >= newest:
                newest = row[0]
            elif row[0] >= newest - RESTART_NS:
                self.stepped_back += 1
            else:
                self.restarts += 1
                held.sort(key=AT)
                yield from held
                held, newest, given = [], row[0], -(1 << 62)
            held.append(row)
            if len(held) == 2 * HELD:
                held.sort(key=AT)
                self.late += held[0][0] < given
                given = held[HELD - 1][0]
                yield from held[:HELD]
                del held[:HELD]
        held.sort(key=AT)
        self.late += bool(held) and held[0][0] < given
        yield from held

    def _rows(self) -> Generator[Row, None, None]:
        try:
            with self._path.open("rb") as raw:
                self._raw = raw
                binary = _plain(raw)
                form, suffix = self._form(binary)
                if form is not None:
                    yield from self._lines(form, binary)
                elif suffix == ".blf":
                    yield from self._from_messages(self._binary(binary))
                else:
                    with _Lines(binary, encoding="utf-8", errors="replace") as lines:
                        yield from self._from_messages(self._text(suffix, lines))
        except (OSError, EOFError, zlib.error) as error:
            raise RecordingError(f"{self._path}: {error}") from error

    def _form(self, binary: BinaryIO) -> tuple[Form | None, str]:
        """By the look of the first lines, else by the name."""
        head = binary.read(4096).decode("utf-8", "replace").splitlines()
        binary.seek(0)
        suffixes = [suffix.lower() for suffix in self._path.suffixes if suffix.lower() != ".gz"]
        suffix = suffixes[-1] if suffixes else ""
        try:
            form = recognise(head[:60]) if suffix not in (".asc", ".blf", ".trc") else None
        except ValueError as error:
            raise RecordingError(f"{self._path}: {error}") from None
        if form is None and suffix == ".log":
            form = Form("candump", candump)
        if form is None and suffix not in KNOWN:
            known = ".log (candump -L), .asc, .blf, .csv, .trc, CANARY, GVRET and CRTD, each also with .gz"
            raise RecordingError(f"{self._path}: the form of this log is not known; known are {known}")
        return form, suffix

    def _lines(self, form: Form, binary: BinaryIO) -> Iterator[Row]:
        """Block by block: whole blocks of what `candump -L` writes at once, anything else line by line."""
        number, ids = 0, _Ids(self._wanted)
        for block in _blocks(binary):
            count = block.count(b"\n") + (not block.endswith(b"\n"))
            found = CANDUMP_MANY.findall(block) if form.row is candump else []
            if len(found) == count:
                yield from self._many(found, ids)
            else:
                yield from self._one_by_one(form, block, number)
            number += count

    def _many(self, found: list[tuple[bytes, bytes, bytes, bytes, bytes]], ids: _Ids) -> Iterator[Row]:
        self.seen += len(found)
        bus = self._bus.encode()
        for seconds, micros, channel, text, data in found:
            if bus and channel != bus:
                self._other(channel.decode("utf-8", "replace"))
                continue
            known = ids[text]
            if known is None:
                self.unwanted += 1
                continue
            at_ns = (int(seconds) * 1_000_000 + int(micros)) * 1000
            yield at_ns, "", known[0], known[1], unhexlify(data)

    def _one_by_one(self, form: Form, block: bytes, number: int) -> Iterator[Row]:
        for line in block.decode("utf-8", "replace").split("\n"):
            number += 1
            text = line.strip()
            if not text or text.startswith(form.comment):
                continue
            try:
                row = form.row(text)
            except (ValueError, IndexError) as error:
                self._left_out(number, str(error) if form.name in str(error) else f"no {form.name} line ({error})")
                continue
            if row is None:
                self.skipped += 1
            elif self._takes(row):
                yield row

    def _takes(self, row: Row) -> bool:
        """Counted, of a time and an id that can be, and of the wanted channel and id."""
        if abs(row[0]) >= MOST_S * 10**9 or not 0 <= row[2] <= EXTENDED_MAX or len(row[4]) > FD_BYTES:
            self.skipped += 1
            return False
        self.seen += 1
        if self._bus and row[1] != self._bus:
            self._other(row[1])
            return False
        if self._wanted is not None and (row[2], row[3]) not in self._wanted:
            self.unwanted += 1
            return False
        return True

    def _other(self, channel: str) -> None:
        self.other_bus += 1
        if len(self.channels) < TOLD:
            self.channels.add(channel)

    def _left_out(self, number: int, text: str) -> None:
        self.left_out += 1
        if len(self.bad) < TOLD:
            self.bad.append((number, text))

    def _from_messages(self, messages: Iterator[can.Message]) -> Iterator[Row]:
        for message in messages:
            if message.is_error_frame or message.is_remote_frame or not abs(message.timestamp) < MOST_S:
                self.skipped += 1
                continue
            channel = "" if message.channel is None else str(message.channel)
            at_ns = round(message.timestamp * 1e9)
            row = (at_ns, channel, message.arbitration_id, message.is_extended_id, bytes(message.data))
            if self._takes(row):
                yield row

    def _binary(self, binary: BinaryIO) -> Iterator[can.Message]:
        import can

        try:
            yield from can.BLFReader(binary)
        except (OSError, EOFError, zlib.error):
            raise
        except Exception as error:
            raise RecordingError(f"{self._path}: {error or type(error).__name__}") from error

    def _text(self, suffix: str, lines: _Lines) -> Iterator[can.Message]:
        import can

        readers: dict[str, Callable[[Any], can.io.generic.MessageReader]]
        readers = {".asc": can.ASCReader, ".csv": can.CSVReader, ".trc": can.TRCReader}
        try:
            yield from readers[suffix](lines)
        except (OSError, EOFError, zlib.error):
            raise
        except Exception as error:  # the readers let anything through: ValueError, IndexError, struct.error...
            text = str(error) or type(error).__name__
            where = f"line {lines.number}" if lines.whole else f"line {lines.number}, cut in the middle"
            raise RecordingError(f"{self._path}: {where}: {text}") from error


def _plain(raw: BinaryIO) -> BinaryIO:
    zipped = raw.read(2) == GZIP
    raw.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if zipped else raw


def _blocks(binary: BinaryIO) -> Iterator[bytes]:
    """Whole lines, many at a time. What a broken gzip file gave before it broke is not lost."""
    rest, broken = b"", None
    while True:
        try:
            chunk = binary.read1(BLOCK)  # type: ignore[attr-defined]
        except (OSError, EOFError, zlib.error) as error:
            chunk, broken = b"", error
        if not chunk:
            break
        whole, newline, tail = (rest + chunk).rpartition(b"\n")
        rest = tail
        if newline:
            yield whole + newline
        elif len(rest) > LONGEST:
            yield rest
            rest = b""
    if broken is not None:
        raise broken
    if rest:
        yield rest
