"""Do the recordings of a car's folder say what stands beside them? For `boitier car check`.

`recordings/NAME.expect.toml` names a recording and, for each signal, how often it is told, its first, last, lowest and
highest value. A recording that is not beside it is somebody else's: nothing to check here. What does not live here: the
folder's own two files (`config/car_check.py`).
"""

from __future__ import annotations

import json
import math
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from config.car import CarModel, SignalMap
from config.errors import Problem
from drivers.can.playback import Playback
from drivers.can.recording import RecordingError

PAGE: Final = ".expect.toml"
CLOSE: Final = 1e-6


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """poll: the question whose answer tells the signal, where it must be asked for."""

    name: str
    count: int
    first: float | str
    last: float | str
    low: float | str
    high: float | str
    poll: str = ""


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    recording: str
    expect: list[Expect]


@dataclass(slots=True)
class Compared:
    """recordings: how many were held against their pages. elsewhere: how many pages name one that is not here."""

    problems: list[Problem] = field(default_factory=list)
    recordings: int = 0
    elsewhere: int = 0


@dataclass(slots=True)
class _Heard:
    """One pass. found: name to values. beyond: name to what it first said outside of its plausible range."""

    found: dict[str, list[float | str]] = field(default_factory=lambda: defaultdict(list))
    beyond: dict[str, tuple[float, float]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def compare(car: CarModel) -> Compared:
    """Everything in `recordings/` that contradicts the folder, or that cannot be read; and how much was looked at."""
    folder = car.folder / "recordings"
    pages = sorted(folder.glob(f"*{PAGE}"))
    found = Compared()
    for page in pages:
        found.problems += _page(car, page, found)
    named = {name for page in pages if (name := _recording_of(page))}
    for path in sorted(folder.glob("*")):
        if path.suffix != ".toml" and path.name not in named:
            hint = f"write recordings/{path.name.split('.')[0]}{PAGE}"
            found.problems.append(Problem(str(path), "", "has no page of expected values", hint))
    return found


def _page(car: CarModel, path: Path, found: Compared) -> Iterator[Problem]:
    try:
        page = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Page)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        yield Problem(str(path), "", f"cannot be read ({error})", "compare with another car's page")
        return
    log = path.parent / page.recording
    if not log.is_file():
        if "/" in page.recording:
            found.elsewhere += 1
        else:
            yield Problem(str(path), "recording", f"names {page.recording}, which is not here", "add it")
        return
    found.recordings += 1
    heard = _listen(car, log)
    yield from heard.problems
    yield from _out_of_range(car, log, heard)
    if not heard.problems:
        yield from _differences(path, page, heard)


def _recording_of(path: Path) -> str:
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8")).get("recording", ""))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return ""


def _listen(car: CarModel, log: Path) -> _Heard:
    """Decoded without plausible ranges, so that a value beyond its range can be shown."""
    bounds = {entry.name: (entry.low, entry.high) for entry in car.signals}
    playback = Playback(replace(car, signals=tuple(_boundless(entry) for entry in car.signals)), log)
    heard = _Heard()
    try:
        for signal in playback.signals():
            low, high = bounds[signal.name]
            if isinstance(signal.value, str) or low <= signal.value <= high:
                heard.found[signal.name].append(signal.value)
            else:
                heard.beyond.setdefault(signal.name, (signal.value, signal.at_ns / 1e9))
    except RecordingError as error:
        heard.problems.append(Problem(str(log), "", f"does not decode: {error}", "cut it before that, or mend it"))
    for number, text in playback.recording.bad:
        heard.problems.append(Problem(f"{log}:{number}", "", f"does not decode: {text}", "take the line out"))
    counted = playback.counters()
    if not heard.found and not heard.problems:
        text = f"says nothing of this car: none of its {counted['frames']} frames gives a value"
        heard.problems.append(Problem(str(log), "", text, "is it another car's, or another bus?"))
    if counted["unmapped"]:
        text = f"has {counted['unmapped']} raw states that no [[signal]] names"
        heard.problems.append(Problem(str(log), "", text, "add them to states, or to na"))
    if counted["short"]:
        text = f"has {counted['short']} frames that are too short for the fields mapped from them"
        heard.problems.append(Problem(str(log), "", text, "compare the DBC with the frames"))
    return heard


def _boundless(entry: SignalMap) -> SignalMap:
    return replace(entry, low=-math.inf, high=math.inf)


def _out_of_range(car: CarModel, log: Path, heard: _Heard) -> Iterator[Problem]:
    toml = str(car.folder / "car.toml")
    for name, (value, at_s) in heard.beyond.items():
        entry = car.mapped(name)
        assert entry is not None
        text = f"{log.name} says {value:g} at {at_s:.3f} s, beyond its plausible {entry.low:g} to {entry.high:g}"
        yield Problem(toml, f"signal[{name}]", text, "widen low and high, or mend the field, its factor or its na")


def _differences(path: Path, page: Page, heard: _Heard) -> Iterator[Problem]:
    expected = {entry.name: entry for entry in page.expect}
    for name in sorted(expected.keys() - heard.found.keys()):
        yield Problem(str(path), name, f"is expected, but {page.recording} does not tell it", "take it out, or map it")
    for name in sorted(heard.found.keys() - expected.keys()):
        got = ", ".join(f"{key} = {json.dumps(value)}" for key, value in _got(heard.found[name]).items())
        hint = f"add an [[expect]] for it, if this is right: {got}"
        yield Problem(str(path), name, f"is told by {page.recording}, but not expected", hint)
    for name in sorted(expected.keys() & heard.found.keys()):
        for key, value in _got(heard.found[name]).items():
            right = getattr(expected[name], key)
            if not _same(value, right):
                text = f"{key} is {value} in {page.recording}, and {right} was expected"
                yield Problem(str(path), name, text, "one of the two is wrong; the recording cannot be")


def _got(values: Any) -> dict[str, float | str]:
    """What a page says of a signal. values: all numbers, or all text."""
    return {"count": len(values), "first": values[0], "last": values[-1], "low": min(values), "high": max(values)}


def _same(one: float | str, other: float | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
