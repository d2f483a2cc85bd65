"""One car model as a folder: `car.toml` says what matters and how sure we are, `bus.dbc` where the bits are.

Reading the lock block needs `car.toml` alone (D24: no DBC before the door can be opened). What does not live here: the
shape of the file (`car_file.py`) and the cross-check against the DBC (`car_check.py`), which loads cantools.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from .errors import ConfigError, Problem
from .vocabulary import DOORS, IGNITION, LOCKED, PLUGGED

if TYPE_CHECKING:
    from cantools.database import Database

CARS: Final = Path(__file__).parent / "cars"
PROMPT: Final = frozenset({*DOORS, LOCKED, PLUGGED, IGNITION})
"""Names that are subscribed without a rate limit: a 50 ms pulse vanishes inside an interval (D28)."""


class Phase(StrEnum):
    """What the car is doing, as far as the wanted rates are concerned.

    PARKED: asleep, nobody speaks. AWAKE: it speaks, with the ignition off and not charging. DRIVING: ignition on.
    """

    PARKED = "parked"
    AWAKE = "awake"
    DRIVING = "driving"
    CHARGING = "charging"


class Purpose(StrEnum):
    """What a folder is for. SHARED: a car that drivers rent. RECORDINGS: a bus that is read on the bench and in logs.

    LEAD: a car of which next to nothing is public; what stands there is a lead to be tried, and proven by nobody.
    """

    SHARED = "shared"
    RECORDINGS = "recordings"
    LEAD = "lead"


class LockBlock(Struct, frozen=True):
    """How the car says whether it is locked, in raw bytes. mask, locked, unlocked: 8 bytes each."""

    name: str
    can_id: int
    extended: bool
    mask: bytes
    locked: bytes
    unlocked: bytes
    confidence: str
    drivers: tuple[str, ...]

    def reads(self, data: bytes) -> bool | None:
        """True when every lock bit says locked; a half-locked car is not locked. None: too short, or all ones."""
        if len(data) < len(self.mask.rstrip(b"\0")) or all(byte == 0xFF for byte in data):
            return None
        return bytes(a & b for a, b in zip(data.ljust(8, b"\0"), self.mask, strict=False)) == self.locked


class DiagnosticLock(Struct, frozen=True):
    """The car's own lock command by diagnostics. wake: frames as (id, data), sent wake_gap_ms apart.

    wake_wait_ms: pause before the car listens. timeout_s: for each reply.
    reply: first byte of the answer that means "done".
    """

    request_id: int
    reply_id: int
    wake: tuple[tuple[int, bytes], ...]
    wake_gap_ms: int
    wake_wait_ms: int
    session: bytes
    lock: bytes
    unlock: bytes
    reply: int
    timeout_s: float


class Poll(Struct, frozen=True):
    """A question to a control unit. payload: service and identifier.

    every_s: how often, by phase; in a phase that is not there it is not asked, and never in PARKED: a poll must not
    wake a sleeping car. session: sent before it where the unit wants one (`10 C0`), else empty.
    message: the DBC's virtual message that lays out the reassembled reply, service byte first.
    """

    name: str
    request_id: int
    reply_id: int
    payload: bytes
    every_s: Mapping[Phase, float]
    timeout_s: float
    message: str
    session: bytes = b""


class Crc(Struct, frozen=True):
    """A CRC-8 in one byte of a frame, over all its other bytes in order. Most significant bit first, no reflection.

    polynomial, initial and xor (applied to the result) are bytes. byte: where it stands, counted from 0.
    """

    polynomial: int
    initial: int
    xor: int
    byte: int


class WakeBlock(Struct, frozen=True):
    """For a car that is silent unless asked: what on its plug tells that it is awake anyway, and what that it sleeps.

    heard: (id, extended) of frames that others send only while it is awake. asleep: (id, extended, mask, data) of the
    word that it goes to sleep; mask and data of 8 bytes. hold_s: how long one sign of life is believed.
    """

    heard: tuple[tuple[int, bool], ...]
    asleep: tuple[tuple[int, bool, bytes, bytes], ...]
    hold_s: float


class ComputedRange(Struct, frozen=True):
    """For a car that does not tell its range: available energy over mean consumption; what comes of it is marked so.

    kwh_per_100km: before the car has driven enough to know its own. over_km: how far back the mean looks.
    """

    kwh_per_100km: float
    over_km: float


class SignalMap(Struct, frozen=True):
    """One DBC field as a name of the vocabulary.

    na: raw values that mean "not available", besides all ones in fields of five bits or more.
    states: raw value to text, empty for numbers. text: "ascii" (one character a byte), "bcd" (one digit a nibble) or
    "bcd_reversed" (last digit first) where the value is a text, else "". low, high: plausible bounds in the unit of the
    vocabulary.
    valid_with: another field of the same frame; while that is not available this one is not believed either.
    """

    message: str
    field: str
    name: str
    na: frozenset[int]
    states: Mapping[int, str]
    low: float
    high: float
    valid_with: str | None
    confidence: str
    source: str
    text: str = ""


class MessageMap(Struct, frozen=True):
    """One broadcast message. prompt_mask, sampled_mask: the mapped bits, 8 bytes each (all zero: none of that kind).

    period_ms: as sent by the car. length: bytes that the mapped fields need. interval_ms: wanted rate by phase.
    silence_ms: how long without the frame until its values are stale. crc: what guards it, outside of the masks.
    """

    name: str
    can_id: int
    extended: bool
    length: int
    period_ms: int
    prompt_mask: bytes
    sampled_mask: bytes
    interval_ms: Mapping[Phase, int]
    silence_ms: int
    crc: Crc | None = None


class CarModel(Struct, frozen=True):
    """A car folder that fits together. messages: only those with mapped signals. database: the parsed DBC."""

    model: str
    title: str
    years: str
    bitrate: int
    folder: Path
    messages: tuple[MessageMap, ...]
    signals: tuple[SignalMap, ...]
    polls: tuple[Poll, ...]
    lock: LockBlock | None
    diagnostic_lock: DiagnosticLock | None
    database: Database
    purpose: Purpose = Purpose.SHARED
    wake: WakeBlock | None = None
    computed_range: ComputedRange | None = None

    def mapped(self, name: str) -> SignalMap | None:
        """Where a name of the vocabulary comes from in this car; `None`: it does not tell."""
        return next((entry for entry in self.signals if entry.name == name), None)

    def questions_per_s(self, phase: Phase) -> float:
        """How many polls a second all of them make in this phase, where every unit answers."""
        return sum(1 / poll.every_s[phase] for poll in self.polls if phase in poll.every_s)


def models() -> tuple[str, ...]:
    """Names of the cars that come with the product."""
    return tuple(sorted(path.parent.name for path in CARS.glob("*/car.toml")))


def find(name_or_path: str) -> Path:
    """The folder of a model that comes with the product, or of a path to one's own. Raises `ConfigError`."""
    for folder in (CARS / name_or_path, Path(name_or_path)):
        if name_or_path and (folder / "car.toml").is_file():
            return folder
    hint = f"use one of {', '.join(models())}, or the path of a folder with car.toml and bus.dbc"
    raise ConfigError((Problem(name_or_path, "", "no such car", hint),))


def lock_block(folder: Path) -> LockBlock | None:
    """The lock block alone, without the DBC. None: this car has no lock signal. Raises `ConfigError`."""
    from .car_file import read

    return read(folder, lock_alone=True).lock_block()


def lock_signal(folder: Path) -> tuple[LockBlock | None, str | None]:
    """How the car tells its lock, without the DBC: the lock block, and the name under which a proof is kept (D18).

    A car without a block may say it when asked: then there is a name alone. Raises `ConfigError`.
    """
    from .car_file import read

    block = read(folder, lock_alone=True).lock_block()
    if block is not None:
        return block, block.name
    return None, f"{LOCKED} by request" if any(entry.name == LOCKED for entry in read(folder).signal) else None


def diagnostic_lock(folder: Path) -> DiagnosticLock | None:
    """The car's own lock command, without the DBC. None: it has no public one. Raises `ConfigError`."""
    from .car_file import read

    return read(folder, lock_alone=True).diagnostic_lock()


def load(folder: Path) -> CarModel:
    """The whole car, cross-checked. Raises `ConfigError` with every problem found. Takes about 150 ms (cantools)."""
    from .car_check import build

    return build(folder)


def check(folder: Path) -> tuple[Problem, ...]:
    """Everything in the folder that does not fit together: names the message, the signal and the file."""
    try:
        load(folder)
    except ConfigError as error:
        return error.problems
    return ()
