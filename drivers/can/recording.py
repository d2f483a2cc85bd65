"""Recordings of a bus, in every form that python-can reads (candump, asc, blf, csv, trc), also gzipped.

What does not live here: decoding. A time stamp is the log's own, whatever its origin (D5).
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ..ports import Frame, Instant

if TYPE_CHECKING:
    import can

CANDUMP: Final = re.compile(r"^\(\d+\.\d+\)\s+\S+\s+[0-9A-Fa-f]+#")
GZIP: Final = b"\x1f\x8b"


class RecordingError(Exception):
    """The file cannot be read further; the text names the file and, where there are lines, the line."""


class _Lines(io.TextIOWrapper):
    """A text file that knows which line was read last. Iteration comes through `readline` in a subclass."""

    number = 0

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        line = super().readline(size)
        self.number += bool(line)
        return line


class Recording:
    """bad: (line number, what is wrong) of candump lines that were left out.

    skipped: error frames, remote frames and times that are no number.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.bad: list[tuple[int, str]] = []
        self.skipped = 0

    def frames(self) -> Iterator[Frame]:
        """Raises `RecordingError`. Frames carry an empty boot id and the log's time as nanoseconds."""
        with contextlib.closing(self._messages()) as messages:
            for message in messages:
                if message.is_error_frame or message.is_remote_frame or not math.isfinite(message.timestamp):
                    self.skipped += 1
                    continue
                at = Instant("", round(message.timestamp * 1e9))
                yield Frame(message.arbitration_id, message.is_extended_id, bytes(message.data), at)

    def _messages(self) -> Generator[can.Message, None, None]:
        try:
            with self._path.open("rb") as raw:
                binary = _plain(raw)
                suffix = self._suffix(binary)
                if suffix == ".blf":
                    yield from self._binary(binary)
                else:
                    with _Lines(binary, encoding="utf-8", errors="replace") as lines:
                        yield from self._text(suffix, lines)
        except (OSError, EOFError, zlib.error) as error:
            raise RecordingError(f"{self._path}: {error}") from error

    def _suffix(self, binary: BinaryIO) -> str:
        """By the name; where the name says nothing, by the look of the first lines."""
        suffixes = [suffix.lower() for suffix in self._path.suffixes if suffix.lower() != ".gz"]
        suffix = suffixes[-1] if suffixes else ""
        if suffix in (".asc", ".blf", ".csv", ".log", ".trc"):
            return suffix
        head = binary.read(4096).decode("utf-8", "replace").splitlines()
        binary.seek(0)
        if any(CANDUMP.match(line) for line in head[:20]):
            return ".log"
        known = ".log (candump), .asc, .blf, .csv, .trc, each also with .gz"
        raise RecordingError(f"{self._path}: the form of this log is not known; known are {known}")

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
        readers = {".log": can.CanutilsLogReader, ".asc": can.ASCReader, ".csv": can.CSVReader, ".trc": can.TRCReader}
        while True:
            before = lines.number
            try:
                yield from readers[suffix](lines)
                return
            except (OSError, EOFError, zlib.error):
                raise
            except Exception as error:  # the readers let anything through: ValueError, IndexError, struct.error...
                text = str(error) or type(error).__name__
                if suffix != ".log" or lines.number == before:
                    raise RecordingError(f"{self._path}: line {lines.number}: {text}") from error
                self.bad.append((lines.number, text))  # one line is one frame: a new reader goes on behind it


def _plain(raw: BinaryIO) -> BinaryIO:
    zipped = raw.read(2) == GZIP
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[return-value]
