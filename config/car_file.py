"""The shape of `car.toml`. What does not live here: anything that needs the DBC (`car_check.py`)."""

# No postponed annotations: msgspec reads them, and would compile each one while a door waits.
import re
import tomllib
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from .car import ComputedRange, Crc, DiagnosticLock, LockBlock, Phase, WakeBlock
from .errors import ConfigError, Problem

Confidence = Literal["A", "B", "C", "D"]
# Messages, questions and signals are most of the text; a lock may stand behind them all the same.
_LONG: Final = re.compile(r"^\[(?:\[|message\b)", re.MULTILINE)
_LOCK: Final = re.compile(r"""^\s*\[+\s*(?:lock\b|["'])""", re.MULTILINE)


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """name: as people say it. years: of production. bus: where to connect. purpose: see `Purpose`."""

    name: str
    years: str
    bus: str
    bitrate: int = 500_000
    purpose: Literal["shared", "recordings", "lead"] = "shared"


class Confirm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lock state in raw bytes: hex strings of equal length."""

    id: int
    mask: str
    locked: str
    unlocked: str
    confidence: Confidence
    source: str
    signal: str = "Vehicle.Cabin.IsLocked"
    extended: bool = False


class WakeFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: int
    data: str


class Diagnostic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    request: int
    reply: int
    session: str
    lock: str
    unlock: str
    positive: int
    confidence: Confidence
    source: str
    wake: list[WakeFrame] = []
    wake_gap_ms: int = 50
    wake_wait_ms: int = 500
    timeout_ms: int = 300


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    drivers: tuple[Literal["relay", "diagnostic"], ...] = ("relay",)
    confirm: Confirm | None = None
    diagnostic: Diagnostic | None = None


class CrcEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    xor: int
    polynomial: int = 0x1D
    initial: int = 0
    byte: int = 7

    def crc(self) -> Crc:
        return Crc(self.polynomial, self.initial, self.xor, self.byte)


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wanted rate in milliseconds by phase; silence_ms 0: five of the message's own periods, at least two seconds."""

    parked_ms: int = 2_000
    awake_ms: int = 2_000
    driving_ms: int = 1_000
    charging_ms: int = 2_000
    silence_ms: int = 0
    crc: CrcEntry | None = None

    def intervals(self) -> dict[Phase, int]:
        return {phase: getattr(self, f"{phase}_ms") for phase in Phase}


class Signal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    message: str
    field: str
    name: str
    confidence: Confidence
    source: str
    na: list[int] = []
    states: dict[int, str] = {}
    low: float | None = None
    high: float | None = None
    valid_with: str = ""
    text: Literal["", "ascii", "bcd", "bcd_reversed"] = ""


class Every(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds between two questions, by phase; 0: not asked then. No key for a parked car: a poll never wakes one."""

    awake: float = 0
    driving: float = 0
    charging: float = 0

    def by_phase(self) -> dict[Phase, float]:
        told = {Phase.AWAKE: self.awake, Phase.DRIVING: self.driving, Phase.CHARGING: self.charging}
        return {phase: seconds for phase, seconds in told.items() if seconds > 0}


class PollEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    message: str
    request: int
    reply: int
    ask: str
    every_s: Every
    confidence: Confidence
    source: str
    session: str = ""
    timeout_ms: int = 500


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frame by its id and, where given, the bits that make it this frame (hex)."""

    id: int
    mask: str = ""
    data: str = ""
    extended: bool = False


class Wake(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: str
    confidence: Confidence
    heard: list[Mark] = []
    asleep: list[Mark] = []
    hold_s: float = 60.0


class Computed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kwh_per_100km: float
    source: str
    over_km: float = 200.0


class CarFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    car: Identity
    lock: Lock = Lock()
    message: dict[str, Message] = {}
    signal: list[Signal] = []
    poll: list[PollEntry] = []
    wake: Wake | None = None
    computed_range: Computed | None = None

    def wake_block(self) -> WakeBlock | None:
        told = self.wake
        if told is None:
            return None
        asleep = tuple((it.id, it.extended, _eight(it.mask), _eight(it.data)) for it in told.asleep)
        return WakeBlock(tuple((it.id, it.extended) for it in told.heard), asleep, told.hold_s)

    def range_block(self) -> ComputedRange | None:
        told = self.computed_range
        return None if told is None else ComputedRange(told.kwh_per_100km, told.over_km)

    def lock_block(self) -> LockBlock | None:
        confirm = self.lock.confirm
        if confirm is None:
            return None
        patterns = (confirm.mask, confirm.locked, confirm.unlocked)
        mask, locked, unlocked = (_eight(text) for text in patterns)
        return LockBlock(
            confirm.signal, confirm.id, confirm.extended, mask, locked, unlocked, confirm.confidence, self.lock.drivers
        )

    def diagnostic_lock(self) -> DiagnosticLock | None:
        told = self.lock.diagnostic
        if told is None:
            return None
        return DiagnosticLock(
            told.request, told.reply, tuple((frame.id, bytes.fromhex(frame.data)) for frame in told.wake),
            told.wake_gap_ms, told.wake_wait_ms, bytes.fromhex(told.session), bytes.fromhex(told.lock),
            bytes.fromhex(told.unlock), told.positive, told.timeout_ms / 1000,
        )  # fmt: skip


def read(folder: Path, *, lock_alone: bool = False) -> CarFile:
    """Parse `car.toml`. Raises `ConfigError` with one problem per wrong table or entry.

    lock_alone: nothing else is wanted, and an open door waits for it (D24): what stands behind may be left out.
    """
    path = folder / "car.toml"
    try:
        text = path.read_text(encoding="utf-8")
        tables = _before_what_is_long(text) if lock_alone else None
        if tables is None:
            tables = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            (Problem(str(path), "", f"cannot be read ({error.strerror})", "give a car's folder"),)
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError((Problem(str(path), "", f"is not TOML ({error})", "mend the line that is named"),)) from None
    problems = tuple(_problems(str(path), tables))
    if problems:
        raise ConfigError(problems)
    return msgspec.convert(tables, CarFile, str_keys=True)


def _before_what_is_long(text: str) -> dict[str, Any] | None:
    """`None`: the whole text must be read, for the lock does not stand in front."""
    cut = _LONG.search(text)
    if cut is None or _LOCK.search(text, cut.start()) is not None:
        return None
    try:
        return tomllib.loads(text[: cut.start()])
    except tomllib.TOMLDecodeError:  # a mistake, or no header but a line of a long text or list
        return None


def _problems(path: str, tables: dict[str, Any]) -> list[Problem]:
    """Check piece by piece: a whole-file conversion would stop at the first mistake."""
    pieces: list[tuple[str, Any, Any]] = [("car", tables.get("car", {}), Identity)]
    pieces.append(("lock", tables.get("lock", {}), Lock))
    messages, signals, polls = tables.get("message", {}), tables.get("signal", []), tables.get("poll", [])
    found: list[Problem] = []
    for key, value, kind in (("message", messages, dict), ("signal", signals, list), ("poll", polls, list)):
        if not isinstance(value, kind):
            hint = f"write [{key}.NAME]" if kind is dict else f"write [[{key}]]"
            found.append(Problem(path, key, "has the wrong form", hint))
    if found:
        return found
    pieces += [(f"message.{name}", value, Message) for name, value in messages.items()]
    pieces += [(f"signal[{_called(value, i)}]", value, Signal) for i, value in enumerate(signals)]
    pieces += [(f"poll[{_called(value, i)}]", value, PollEntry) for i, value in enumerate(polls)]
    single = (("wake", Wake), ("computed_range", Computed))
    pieces += [(key, tables[key], kind) for key, kind in single if key in tables]
    for key, value, shape in pieces:
        try:
            msgspec.convert(value, shape, str_keys=True)
        except msgspec.ValidationError as error:
            text, _, where = str(error).partition(" - at ")
            where = key + where.strip("`").removeprefix("$")
            found.append(Problem(path, where, text, "compare with config/cars/zoe-ph1/car.toml"))
    known = CarFile.__struct_fields__
    unknown = sorted(set(tables) - set(known))
    found += [Problem(path, key, "is not a known table", f"known: {', '.join(known)}") for key in unknown]
    return found or _wrong_bytes(path, tables)


def _called(value: Any, index: int) -> str:
    return str(value.get("name", index)) if isinstance(value, dict) else str(index)


def _wrong_bytes(path: str, tables: dict[str, Any]) -> list[Problem]:
    """Byte strings that are no hex, and lock patterns that contradict their mask."""
    lock = tables.get("lock", {})
    told = [(f"lock.confirm.{key}", lock.get("confirm", {}).get(key)) for key in ("mask", "locked", "unlocked")]
    diagnostic = lock.get("diagnostic", {})
    told += [(f"lock.diagnostic.{key}", diagnostic.get(key)) for key in ("session", "lock", "unlock")]
    told += [(f"lock.diagnostic.wake[{i}].data", frame["data"]) for i, frame in enumerate(diagnostic.get("wake", []))]
    told += [(f"poll[{it['name']}].{key}", it.get(key)) for it in tables.get("poll", []) for key in ("ask", "session")]
    marks = tables.get("wake", {}).get("asleep", [])
    told += [(f"wake.asleep[{i}].{key}", it.get(key)) for i, it in enumerate(marks) for key in ("mask", "data")]
    hint = "write whole bytes, two digits each"
    found = [Problem(path, key, f"{text!r} is no hex", hint) for key, text in told if _no_hex(text)]
    if found or "confirm" not in lock:
        return found
    mask, locked, unlocked = (bytes.fromhex(lock["confirm"][key]) for key in ("mask", "locked", "unlocked"))
    if not len(mask) == len(locked) == len(unlocked) <= 8 or not any(mask):
        found.append(Problem(path, "lock.confirm", "mask, locked and unlocked do not fit", "equal lengths, up to 8"))
    elif locked == unlocked or any((a | b) & ~m for a, b, m in zip(locked, unlocked, mask, strict=True)):
        found.append(Problem(path, "lock.confirm", "locked and unlocked must differ, inside mask", "set only its bits"))
    return found


def _eight(text: str) -> bytes:
    """Hex digits as the eight bytes of a frame."""
    return bytes.fromhex(text).ljust(8, b"\0")


def _no_hex(text: object) -> bool:
    if text is None:
        return False
    try:
        return not bytes.fromhex(str(text))
    except ValueError:
        return True
