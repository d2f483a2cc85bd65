"""Typed settings from one TOML file; `agent.toml` explains each key.

What lives elsewhere: what the values must mean (`rules.py`), car data (`car.py`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from . import rules
from .errors import ConfigError, Problem

_S = TypeVar("_S", bound=msgspec.Struct)


class Vehicle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """id: 8 bytes as 16 hex digits, random, given at install; never the VIN or the plate.

    car: a folder under config/cars, or a path.
    """

    id: str
    car: str


class Can(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    channel: str = "can0"


class Serial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A serial device. device: "" means not fitted."""

    device: str = ""
    baud: int = 9600


class Gnss(Serial, frozen=True, forbid_unknown_fields=True):
    """The satellite receiver: a device of our own, or gpsd ("ip:port" on this board) where another program owns it."""

    gpsd: str = ""

    @property
    def fitted(self) -> bool:
        return bool(self.device or self.gpsd)


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """driver: "relay" (a board on a serial line) or "diagnostic" (the car's own command, where it has a public one).

    *_channel: relay numbers on the board. *_pulse_ms: how long the relay is held.
    confirm_s: how long the car has to read back.
    """

    driver: str = "relay"
    device: str = ""
    baud: int = 9600
    unlock_channel: int = 1
    lock_channel: int = 2
    unlock_pulse_ms: int = 400
    lock_pulse_ms: int = 400
    confirm_s: float = 3.0


class Keyless(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """operator: issuer id that tokens must carry.

    roots: Ed25519 public keys, 64 hex digits each; threshold of them must sign a key set.
    keyset: file that is read when the state folder holds none yet (provisioning).
    """

    operator: str
    roots: list[str]
    threshold: int = 2
    keyset: str = ""


class Booking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """auto_close_min: minutes without movement after the booked end until the box ends the booking by itself (R2).

    key_holder: kept for the day an input can be read; `true` is refused until then (`rules.py`).
    """

    auto_close_min: float = 10.0
    key_holder: bool = False


class Station(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A circle around lat, lon, or a polygon of [lat, lon] corners. charge_points: as the charge points' own sessions
    name them.
    """

    name: str
    lat: float | None = None
    lon: float | None = None
    radius_m: float = 60.0
    polygon: list[tuple[float, float]] = []
    charge_points: list[str] = []


class Tracking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether positions are kept while driving, by kind of booking. A private booking keeps none, ever (R27)."""

    staff: bool = False
    relocation: bool = False
    maintenance: bool = False


class Buffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """keep_days: how long acknowledged rows stay, for a backend restored from a backup (D10).

    max_mib: budget of the database.
    """

    keep_days: float = 7.0
    max_mib: int = 256


class Cloud(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """brokers: "host:port" each, tried in turn. ca, certificate, key: PEM files."""

    brokers: list[str] = []
    ca: str = ""
    certificate: str = ""
    key: str = ""
    keepalive_s: int = 30
    state_every_s: float = 30.0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """state: folder of everything that must survive. socket: the local control socket."""

    vehicle: Vehicle
    keyless: Keyless
    can: Can = Can()
    gnss: Gnss = Gnss()
    reader: Serial = Serial()
    lock: Lock = Lock()
    booking: Booking = Booking()
    station: list[Station] = []
    tracking: Tracking = Tracking()
    buffer: Buffer = Buffer()
    cloud: Cloud = Cloud()
    state: str = "/var/lib/boitier"
    socket: str = "/run/boitier/control.sock"


def load(path: Path) -> Settings:
    """Read and judge a settings file. Raises `ConfigError` with every problem at once (D31)."""
    settings, problems = examine(path)
    if problems or settings is None:
        raise ConfigError(problems)
    return settings


def examine(path: Path, data: bytes | None = None) -> tuple[Settings | None, tuple[Problem, ...]]:
    """Settings as far as all types fit, and every problem. Who may start in spite of one is decided elsewhere (D15).

    data: the file's content, where it has been read already.
    """
    file = str(path)
    try:
        document = tomllib.loads((path.read_bytes() if data is None else data).decode("utf-8"))
    except FileNotFoundError:
        return None, (Problem(file, "", "is not there", "copy config/agent.toml there and fill it in"),)
    except OSError as exc:
        return None, (Problem(file, "", exc.strerror or str(exc), "must be a readable file"),)
    except UnicodeDecodeError as exc:
        return None, (Problem(file, "", f"byte {exc.start} is not UTF-8", "must be a TOML text in UTF-8"),)
    except tomllib.TOMLDecodeError as exc:
        return None, (Problem(file, "", f"is not TOML: {exc}", "every line is key = value, [table] or # comment"),)
    reading = _Reading(file)
    settings = reading.struct(Settings, document, "", "")
    for key, (problem, right) in rules.judge_together(reading.values):
        reading.note(key, problem, right)
    return None if isinstance(settings, _Wrong) else settings, tuple(reading.problems)


class _Reading:
    """One pass over a document. values: what has the right type and meaning, by dotted key."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[Problem] = []
        self.values: dict[str, Any] = {}

    def note(self, key: str, problem: str, right: str) -> None:
        self.problems.append(Problem(self._file, key, problem, right))

    def struct(self, kind: type[_S], table: dict[str, Any], key: str, rule: str) -> _S | _Wrong:
        """One table, field by field. key: where it stands in the file; rule: the same without list numbers."""
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        for name in sorted(table.keys() - fields.keys()):
            self.note(_join(key, name), "is not known", _did_you_mean(name, fields))
        found = {name: self._field(field, table, _join(key, name), _join(rule, name)) for name, field in fields.items()}
        return _Wrong.TYPE if _Wrong.TYPE in found.values() else kind(**found)

    def _field(self, field: msgspec.structs.FieldInfo, table: dict[str, Any], key: str, rule: str) -> Any:
        entry = _entry_of(field.type)
        if _is_struct(field.type):
            return self._table(field.type, table.get(field.name, {}), key, rule)
        if field.name not in table and field.required:
            self.note(key, "is missing", _right(rule, field.type))
            return _Wrong.TYPE
        if field.name not in table:
            value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            self.values[key] = value
            return value
        if entry is not None:
            return self._tables(entry, table[field.name], key, rule)
        return self._value(field.type, table[field.name], key, rule)

    def _table(self, kind: type[_S], value: Any, key: str, rule: str) -> _S | _Wrong:
        if isinstance(value, dict):
            return self.struct(kind, value, key, rule)
        self.note(key, f"{value!r} is a value", f"must be a table: [{key}]")
        return _Wrong.TYPE

    def _tables(self, kind: type[_S], value: Any, key: str, rule: str) -> list[_S] | _Wrong:
        if not isinstance(value, list):
            self.note(key, f"{value!r} is no list", f"must be given as [[{key}]], once for each")
            return _Wrong.TYPE
        entries = [self._table(kind, entry, f"{key}[{index}]", rule) for index, entry in enumerate(value)]
        good = [entry for entry in entries if not isinstance(entry, _Wrong)]
        if len(good) < len(entries):
            return _Wrong.TYPE
        self.values[key] = good
        return good

    def _value(self, kind: Any, value: Any, key: str, rule: str) -> Any:
        try:
            value = msgspec.convert(value, kind)
        except msgspec.ValidationError as exc:
            self.note(key, f"{value!r} does not fit ({exc})", _right(rule, kind))
            return _Wrong.TYPE
        finding = rules.judge(rule, value)
        if finding is None:
            self.values[key] = value
        else:
            self.note(key, *finding)
        return value


class _Wrong(Enum):
    """Stands for a value whose type is wrong, so that reading goes on to the next mistake."""

    TYPE = "type"


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _entry_of(kind: Any) -> type[msgspec.Struct] | None:
    """Station for list[Station], else `None`."""
    arguments = get_args(kind) if get_origin(kind) is list else ()
    return arguments[0] if arguments and _is_struct(arguments[0]) else None


def _join(table: str, name: str) -> str:
    return f"{table}.{name}" if table else name


def _right(rule: str, kind: Any) -> str:
    """What would be right: the rule's own words, else the type's."""
    named = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
    known = rules.RULES.get(rule)
    return known.right if known is not None else f"must be {named.get(kind, 'a list of texts')}"


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    import difflib  # only when somebody mistyped: not on the way to an open door (D24)

    close = difflib.get_close_matches(name, list(known), n=1)
    return f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(sorted(known))}"
