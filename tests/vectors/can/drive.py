"""Writes a car's recordings/drive.log and what must be read from it, from drives/<car>.toml and tables/<car>.toml.

An encoder of its own, which sees no DBC (D34): what the page of expected values says is what was put into the frames.
Run it as `python -m tests.vectors.can.drive CAR...`. What does not live here: where the bits are (`layout.py`).

A drive (times in seconds from its beginning):
  start     the log's time of its beginning
  awake     spans in which the car speaks; for WAKING_S from the beginning of each it knows nothing yet
  every_ms  period of each frame that the table lays out
  constant  frames that never change: {id = {every_ms, data}}
  length    of frames that are not of eight bytes
  story     name = [[time, value], ...]: holds from then on; "" is "not available"
  ramp      the same, in a straight line from point to point
  ask       who asks what and when: {poll, at = [...]} or {poll, from, until, every};
            mood "refused", "pending" or "silent"
  frame     single frames: {at, id, data}
"""

from __future__ import annotations

import itertools
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from .layout import Ask, Field, Table, Value, put, read, take

DRIVES = Path(__file__).parent / "drives"
CARS = Path(__file__).parents[3] / "config" / "cars"
WAKING_S = 0.65
ANSWER_S, FLOW_S, NEXT_S, PENDING_S = 0.018, 0.001, 0.0025, 0.3
"""As recorded: an answer after 17 to 19 ms, next frames 2.5 ms apart."""
HEAD = """\
# What must be read from {log}. Both are made by tests/vectors/can/drive.py: no car was driven.
# poll: comes from the answer to that question.
recording = "{log}"
"""
Frame = tuple[float, str, bytes]


class Drive:
    def __init__(self, car: str) -> None:
        self.told = tomllib.loads((DRIVES / f"{car}.toml").read_text(encoding="utf-8"))
        self.table: Table = read(car)
        self.seen: dict[str, list[tuple[float, Value]]] = defaultdict(list)

    def frames(self) -> list[Frame]:
        found = [*self._broadcast(), *self._constant(), *self._asked()]
        found += [(one["at"], one["id"], bytes.fromhex(one["data"])) for one in self.told.get("frame", [])]
        return sorted(found, key=lambda frame: (round(frame[0], 6), frame[1]))

    # --- broadcast ---

    def _broadcast(self) -> Iterator[Frame]:
        for number, at in enumerate(sorted(self.table.frames())):
            for moment, waking in self._ticks(self.told["every_ms"][at], 0.0013 * number):
                data = self._fill(bytes(self.told.get("length", {}).get(at, 8)), at, moment, waking)
                yield moment, at, self.table.sealed(at, data)

    def _constant(self) -> Iterator[Frame]:
        for number, (at, told) in enumerate(self.told.get("constant", {}).items()):
            for moment, _ in self._ticks(told["every_ms"], 0.0411 + 0.0013 * number):
                yield moment, at, bytes.fromhex(told["data"])

    def _ticks(self, every_ms: int, first: float) -> Iterator[tuple[float, bool]]:
        for begin, end in self.told["awake"]:
            count = 0
            while (moment := round(begin + first + count * every_ms / 1000, 6)) < end:
                yield moment, moment < begin + WAKING_S
                count += 1

    def _fill(self, data: bytes, at: str, moment: float, waking: bool) -> bytes:
        """All fields of a frame or a reply as the car says them at this moment, which is noted."""
        written: set[tuple[int, int]] = set()
        for entry in self.table.of(at):
            if (entry.bit, entry.length) not in written:  # of two names on the same bits the first says what they are
                data = put(data, entry, self._raw(entry, moment, waking))
                written.add((entry.bit, entry.length))
        absent = {entry.name for entry in self.table.of(at) if entry.absent(take(data, entry))}
        for entry in self.table.of(at):
            value = entry.means(take(data, entry))
            if value is not None and entry.needs not in absent:
                self.seen[entry.name].append((moment, value))
        return data

    def _raw(self, entry: Field, moment: float, waking: bool) -> int:
        nothing = entry.nothing()
        if waking and entry.needs:
            return entry.ones  # a flag beside an absent value says nothing: show the worst
        value = self._value(entry.name, moment)
        if value in (None, "") or (waking and nothing is not None):
            assert nothing is not None, f"{entry.name} must always have a value"
            return nothing
        return entry.raw(value, exact=False)

    def _value(self, name: str, moment: float) -> Value | None:
        if name in self.told.get("ramp", {}):
            points = self.told["ramp"][name]
            for (t0, v0), (t1, v1) in itertools.pairwise(points):
                if t0 <= moment < t1:
                    return float(v0 + (v1 - v0) * (moment - t0) / (t1 - t0))
            return float(points[-1][1]) if moment >= points[-1][0] else None
        past = [value for at, value in self.told["story"].get(name, []) if at <= moment]
        return past[-1] if past else None

    # --- diagnostics ---

    def _asked(self) -> Iterator[Frame]:
        free = 0.0
        for moment, poll, mood in sorted(self._questions()):
            begin = max(moment, free)  # one question at a time
            for frame in self._exchange(poll, mood, begin):
                yield frame
                free = frame[0] + 0.005

    def _questions(self) -> Iterator[tuple[float, str, str]]:
        for told in self.told.get("ask", []):
            times = list(told.get("at", []))
            if "every" in told:
                count = int((told["until"] - told["from"]) / told["every"])
                times += [round(told["from"] + n * told["every"], 6) for n in range(count + 1)]
            for moment in times:
                yield moment, told["poll"], told.get("mood", "")

    def _exchange(self, poll: str, mood: str, moment: float) -> Iterator[Frame]:
        ask = self.table.polls[poll]
        for text in filter(None, (ask.session, ask.ask)):
            request = bytes.fromhex(text)
            yield moment, f"{ask.request:03X}", (bytes([len(request)]) + request).ljust(8, b"\xff")
            moment += ANSWER_S
            if text == ask.session:
                yield from _answer(ask, bytes([request[0] + 0x40]) + request[1:], moment)
                moment += 0.005
                continue
            if mood == "silent":
                return
            if mood:
                refusal = bytes([0x7F, request[0], 0x78 if mood == "pending" else 0x12])
                yield from _answer(ask, refusal, moment)
                moment += PENDING_S
            if mood != "refused":
                empty = ask.head + bytes(ask.size - len(ask.head))
                yield from _answer(ask, self._fill(empty, poll, round(moment, 6), False), moment)


def _answer(ask: Ask, reply: bytes, moment: float) -> Iterator[Frame]:
    """ISO 15765-2, with a tester that lets everything through. Only the vehicle controller pads with AA."""
    pad, name = b"\xaa" if ask.reply == 0x7EC else b"\0", f"{ask.reply:03X}"
    if len(reply) <= 7:
        yield moment, name, (bytes([len(reply)]) + reply).ljust(8, pad)
        return
    yield moment, name, bytes([0x10 | len(reply) >> 8, len(reply) & 0xFF]) + reply[:6]
    yield moment + FLOW_S, f"{ask.request:03X}", b"\x30\0\0".ljust(8, b"\xff")
    for number, at in enumerate(range(6, len(reply), 7), 1):
        body = bytes([0x20 | number & 0x0F]) + reply[at : at + 7]
        yield moment + FLOW_S + number * NEXT_S, name, body.ljust(8, pad)


def log(drive: Drive) -> str:
    start = drive.told["start"]
    return "".join(
        f"({start + moment:.6f}) can0 {at if len(at) <= 3 else at.rjust(8, '0')}#{data.hex().upper()}\n"
        for moment, at, data in drive.frames()
    )


def expected(drive: Drive) -> str:
    """After `log`. One entry a name: how often, first and last by time, lowest and highest."""
    parts = [HEAD.format(log="drive.log")]
    for name in sorted(drive.seen):
        at = drive.table.named(name).at
        values = [value for _, value in sorted(drive.seen[name], key=lambda pair: pair[0])]
        told = {"first": values[0], "last": values[-1], "low": min(values), "high": max(values)}
        lines = ["[[expect]]", f'name = "{name}"', *([f'poll = "{at}"'] if at in drive.table.polls else [])]
        lines += [f"count = {len(values)}"]
        lines += [
            f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value!r}" for key, value in told.items()
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def write(car: str) -> None:
    drive, folder = Drive(car), CARS / car / "recordings"
    folder.mkdir(exist_ok=True)
    (folder / "drive.log").write_text(log(drive), encoding="ascii")
    (folder / "drive.expect.toml").write_text(expected(drive), encoding="utf-8")


if __name__ == "__main__":
    for car_name in sys.argv[1:] or sorted(path.stem for path in DRIVES.glob("*.toml")):
        write(car_name)
