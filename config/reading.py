"""Reading a TOML file into typed tables: every mistake at once, each with key and what would be right (D31).

What is not here: which tables there are (`settings.py`, `privacy.py`) and what their values must mean (`rules.py`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from .errors import Problem
from .rules import RETIRED, SECRETS, Finding, Rule

_S = TypeVar("_S", bound=msgspec.Struct)
Judge = Callable[[str, object], "Finding | None"]


def document(path: Path, data: bytes | None, absent: str) -> tuple[dict[str, Any] | None, tuple[Problem, ...]]:
    """The file's tables, or why there are none. data: its content, where it has been read already. absent: what to do
    where there is no such file.
    """
    file = str(path)
    try:
        return tomllib.loads((path.read_bytes() if data is None else data).decode("utf-8")), ()
    except RecursionError:
        return None, (Problem(file, "", "is nested too deep", "tables and lists stand a few levels deep"),)
    except FileNotFoundError:
        return None, (Problem(file, "", "is not there", absent),)
    except OSError as exc:
        return None, (Problem(file, "", exc.strerror or str(exc), "must be a readable file"),)
    except UnicodeDecodeError as exc:
        return None, (Problem(file, "", f"byte {exc.start} is not UTF-8", "must be a TOML text in UTF-8"),)
    except tomllib.TOMLDecodeError as exc:
        return None, (Problem(file, "", f"is not TOML: {exc}", "every line is key = value, [table] or # comment"),)
    except ValueError as exc:  # a NUL in the path, a number of thousands of digits, a date that no calendar has
        return None, (Problem(ascii(file)[1:-1], "", f"cannot be read: {exc}", "must be a TOML text of plain values"),)


class Reading:
    """One pass over a document. known: the rules, by dotted key. judge: one value by itself, `None` when it fits.

    values: what has the right type and meaning, by dotted key.
    """

    def __init__(self, file: str, known: Mapping[str, Rule], judge: Judge) -> None:
        self._file, self._known, self._judge = file, known, judge
        self.problems: list[Problem] = []
        self.values: dict[str, Any] = {}

    def note(self, key: str, problem: str, right: str) -> None:
        self.problems.append(Problem(self._file, key, problem, right))

    def struct(self, kind: type[_S], table: dict[str, Any], key: str, rule: str) -> _S | Wrong:
        """One table, field by field. key: where it stands in the file; rule: the same without list numbers."""
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for name in sorted(table.keys() - fields.keys()):
            hint = RETIRED.get(_join(rule, name)) or _did_you_mean(name, fields)
            self.note(_join(key, name), "is not known", hint)
        found = {name: self._field(field, table, _join(key, name), _join(rule, name)) for name, field in fields.items()}
        if Wrong.TYPE in found.values():
            return Wrong.TYPE
        return kind(**{fields[name].name: value for name, value in found.items()})

    def _field(self, field: msgspec.structs.FieldInfo, table: dict[str, Any], key: str, rule: str) -> Any:
        entry = _entry_of(field.type)
        if _is_struct(field.type):
            return self._table(field.type, table.get(field.encode_name, {}), key, rule)
        if field.encode_name not in table and field.required:
            self.note(key, "is missing", self._right(rule, field.type))
            return Wrong.TYPE
        if field.encode_name not in table:
            value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            self.values[key] = value
            return value
        if entry is not None:
            return self._tables(entry, table[field.encode_name], key, rule)
        return self._value(field.type, table[field.encode_name], key, rule)

    def _table(self, kind: type[_S], value: Any, key: str, rule: str) -> _S | Wrong:
        if isinstance(value, dict):
            return self.struct(kind, value, key, rule)
        self.note(key, f"{value!r} is a value", f"must be a table: [{key}]")
        return Wrong.TYPE

    def _tables(self, kind: type[_S], value: Any, key: str, rule: str) -> list[_S] | Wrong:
        if not isinstance(value, list):
            self.note(key, f"{value!r} is no list", f"must be given as [[{key}]], once for each")
            return Wrong.TYPE
        entries = [self._table(kind, entry, f"{key}[{index}]", rule) for index, entry in enumerate(value)]
        good = [entry for entry in entries if not isinstance(entry, Wrong)]
        if len(good) < len(entries):
            return Wrong.TYPE
        self.values[key] = good
        return good

    def _value(self, kind: Any, value: Any, key: str, rule: str) -> Any:
        try:
            value = msgspec.convert(value, kind)
        except msgspec.ValidationError as exc:
            said = "" if rule in SECRETS else f"{value!r} "
            self.note(key, f"{said}does not fit ({exc})", self._right(rule, kind))
            return Wrong.TYPE
        finding = self._judge(rule, value)
        if finding is None:
            self.values[key] = value
        else:
            self.note(key, *finding)
        return value

    def _right(self, rule: str, kind: Any) -> str:
        """What would be right: the rule's own words, else the type's."""
        named = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
        known = self._known.get(rule)
        return known.right if known is not None else f"must be {named.get(kind, 'a list of texts')}"


class Wrong(Enum):
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


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    import difflib  # only when somebody mistyped: not on the way to an open door (D24)

    close = difflib.get_close_matches(name, list(known), n=1)
    return f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(sorted(known))}"
