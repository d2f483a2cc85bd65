"""A DBC as a car's: read by cantools, or refused with file, line, what is wrong and what to change.

What does not live here: whether it fits the rest of the folder (`car_check.py`). Loads cantools, so after READY (D24).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .errors import ConfigError, Problem

if TYPE_CHECKING:
    from cantools.database import Database

NAME: Final = re.compile(r"[A-Za-z_]\w*")
EXTENDED: Final = 1 << 31
"""A DBC writes a 29-bit id with this bit on top of it."""
NO_FRAME: Final = "3221225472"
"""Vector's tools keep signals that belong to no message in one of this id (C0000000), which cantools passes over."""
_MESSAGE: Final = re.compile(r"BO_\s+(\S+)\s+([^\s:]+)\s*:\s*(\d+)\b")
_SIGNAL: Final = re.compile(r"SG_\s+([^\s:]+)\s*(?:m\d+M?|M)?\s*:")
_STATEMENT: Final = re.compile(r"(VERSION|BS_|BU_|BO_)(?:\s|:)")
_SYNTAX: Final = re.compile(r"Invalid syntax at line (\d+), column (\d+): \"(.*)$", re.DOTALL)
_OVERLAP: Final = re.compile(r"The signals (\S+) and (\S+) are overlapping in message (\S+)\.")
_OUTSIDE: Final = re.compile(r"The signal (\S+) does not fit in message (\S+)\.")


@dataclass(slots=True)
class _Message:
    """Where one message and its signals stand."""

    name: str
    line: int
    signals: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Outline:
    """What can be seen without understanding a DBC: line numbers, and what people get wrong most."""

    messages: list[_Message] = field(default_factory=list)
    first: dict[str, int] = field(default_factory=dict)
    wrong: list[tuple[int, str, str, str]] = field(default_factory=list)
    """(line, key, what is wrong, what to change)"""

    def line(self, message: str, signal: str = "") -> int:
        """Of a message's signal, or of the message; 0 where there is none."""
        for found in self.messages:
            if found.name == message:
                return found.signals.get(signal, found.line)
        return 0


def read(path: Path) -> Database:
    """Raises `ConfigError`; every problem's file is `path:line` where a line is to blame."""
    import cantools

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError((Problem(str(path), "", f"cannot be read ({error.strerror})", "add a DBC"),)) from None
    text = decoded(raw)
    outline = _outline(text)
    if outline.wrong:
        told = sorted(outline.wrong)
        raise ConfigError(tuple(Problem(f"{path}:{line}", key, what, hint) for line, key, what, hint in told))
    try:
        found = cantools.database.load_string(text, database_format="dbc", strict=False)
    except (cantools.Error, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ConfigError((_refused(path, outline, str(error) or type(error).__name__),)) from None
    assert isinstance(found, cantools.database.Database)
    problems = []
    for message in found.messages:  # one by one, so that the first that does not fit hides no other
        try:
            message.refresh(strict=True)
        except cantools.Error as error:
            problems.append(_refused(path, outline, str(error)))
    if problems:
        raise ConfigError(tuple(problems))
    return found


def decoded(raw: bytes) -> str:
    """Tools write DBCs in UTF-8 today and in the Windows code page of the West before; both show a degree sign."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _outline(text: str) -> _Outline:
    found = _Outline()
    quoted = False
    for number, line in enumerate(text.splitlines(), 1):
        statement = line.strip()
        inside, quoted = quoted, quoted ^ (_quotes(line) % 2 == 1)
        if inside:  # a comment that runs over several lines may say BO_
            continue
        if told := _STATEMENT.match(statement + " "):
            found.first.setdefault(told[1], number)
        if message := _MESSAGE.match(statement):
            _take_message(found, number, message[1], message[2])
        elif (signal := _SIGNAL.match(statement)) and found.messages:
            _take_signal(found, number, signal[1])
    found.wrong += _missing_sections(found)
    return found


def _quotes(line: str) -> int:
    return line.replace('\\"', "").count('"')


def _take_message(found: _Outline, number: int, frame_id: str, name: str) -> None:
    if not NAME.fullmatch(name):
        found.wrong.append((number, name, "is no name for a message", _renamed(name)))
    for other in found.messages:
        if other.name == name:
            found.wrong.append((number, name, f"is the name of the message in line {other.line} too", "rename one"))
    if not frame_id.isdigit():
        found.wrong.append((number, name, f"{frame_id!r} is no id", "write it in decimal digits"))
    elif frame_id != NO_FRAME and int(frame_id) & ~EXTENDED > (0x1FFF_FFFF if int(frame_id) & EXTENDED else 0x7FF):
        found.wrong.append((number, name, f"{frame_id} is no CAN id", "11 bits, or 29 bits plus 2147483648"))
    else:
        key = f"BO_ {int(frame_id)}"
        if key in found.first:
            what = f"has the id {frame_id} of the message in line {found.first[key]}"
            found.wrong.append((number, name, what, "take one out, or give it its own id"))
        found.first.setdefault(key, number)
    found.messages.append(_Message(name, number))


def _take_signal(found: _Outline, number: int, name: str) -> None:
    message = found.messages[-1]
    key = f"{message.name}.{name}"
    if not NAME.fullmatch(name):
        found.wrong.append((number, key, "is no name for a signal", _renamed(name)))
    if name in message.signals:
        what = f"is there twice in this message, in line {message.signals[name]} too"
        found.wrong.append((number, key, what, "rename one or take it out"))
    message.signals.setdefault(name, number)


def _renamed(name: str) -> str:
    """A name that would do, as an example."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    right = f"_{plain}" if plain[:1].isdigit() else plain
    return f"letters, digits and underscores, no digit first: {right}"


def _missing_sections(found: _Outline) -> Iterator[tuple[int, str, str, str]]:
    """cantools blames the first BO_ where a section before it is missing."""
    if "BO_" not in found.first:
        return
    missing = [name for name in ("BS_", "BU_") if name not in found.first]
    if missing:
        lines = " and ".join(f'"{name}:"' for name in missing)
        what = f"no {' and no '.join(missing)} section stands before the first message"
        yield found.first["BO_"], "", what, f"put {lines} on lines of their own before this one"


def _refused(path: Path, outline: _Outline, text: str) -> Problem:
    """cantools' own message with the line it means, and what to do."""
    text = text.removeprefix("DBC: ").strip('"')
    if syntax := _SYNTAX.search(text):
        line, column, shown = syntax.groups()
        what = f"is no valid DBC: column {column} of {shown.replace('>>!<<', ' HERE ').strip()!r}"
        return Problem(f"{path}:{line}", "", what, "compare the line with its neighbours")
    if overlap := _OVERLAP.search(text):
        *pair, message = overlap.groups()
        first, second = sorted(pair, key=lambda name: outline.line(message, name))
        what = f"overlaps {message}.{first} in line {outline.line(message, first)}"
        hint = "mend start bit, length or byte order of one (@1 counts up, @0 down), or take it out"
        return Problem(f"{path}:{outline.line(message, second)}", f"{message}.{second}", what, hint)
    if outside := _OUTSIDE.search(text):
        signal, message = outside.groups()
        hint = "mend its start bit, length or byte order, or the length of the message"
        where = f"{path}:{outline.line(message, signal)}"
        return Problem(where, f"{message}.{signal}", "does not fit into its message", hint)
    return Problem(str(path), "", f"is no valid DBC ({text})", "mend what is named")
