"""Cross-check of `car.toml` against `bus.dbc`, and the car that comes of it. Loads cantools, so after READY (D24)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .car import PROMPT, CarModel, MessageMap, Poll, Purpose, SignalMap
from .car_file import CarFile, PollEntry, Signal, read
from .errors import ConfigError, Problem
from .vocabulary import VOCABULARY

if TYPE_CHECKING:
    from cantools.database import Database
    from cantools.database.can import Message as DbcMessage
    from cantools.database.can import Signal as DbcSignal

DEFAULT_PERIOD_MS = 100
VIRTUAL = 0x1FFF_0000
"""Replies of diagnostics are laid out as messages from this extended id up: no real frame, so no subscription."""


def build(folder: Path) -> CarModel:
    """Raises `ConfigError` with all problems of both files."""
    told = read(folder)
    database = _database(folder / "bus.dbc")
    problems = tuple(_mismatches(folder, told, database))
    if problems:
        raise ConfigError(problems)
    signals = tuple(_signal_map(entry) for entry in told.signal)
    polled = {poll.message for poll in told.poll}
    used = sorted({entry.message for entry in told.signal} - polled, key=lambda name: _frame_id(database, name))
    return CarModel(
        model=folder.name,
        title=told.car.name,
        years=told.car.years,
        bitrate=told.car.bitrate,
        folder=folder,
        messages=tuple(_message_map(database.get_message_by_name(name), told) for name in used),
        signals=signals,
        polls=tuple(_poll(entry) for entry in told.poll),
        lock=told.lock_block(),
        diagnostic_lock=told.diagnostic_lock(),
        database=database,
        purpose=Purpose(told.car.purpose),
        wake=told.wake_block(),
        computed_range=told.range_block(),
    )


def field_mask(message: DbcMessage, field: str) -> bytes:
    """The bits of one field, as long as the message: what is left when this field alone is all ones."""
    ones = {signal.name: 0 for signal in message.signals}
    signal = message.get_signal_by_name(field)
    ones[field] = -1 if signal.is_signed else (1 << signal.length) - 1
    return bytes(message.encode(ones, scaling=False, strict=False))


def _database(path: Path) -> Database:
    import cantools

    try:
        found = cantools.database.load_file(str(path), database_format="dbc", strict=True)
    except OSError as error:
        raise ConfigError((Problem(str(path), "", f"cannot be read ({error.strerror})", "add a DBC"),)) from None
    except (cantools.Error, ValueError) as error:
        raise ConfigError((Problem(str(path), "", f"is no valid DBC ({error})", "mend what is named"),)) from None
    assert isinstance(found, cantools.database.Database)
    return found


def _frame_id(database: Database, name: str) -> int:
    return int(database.get_message_by_name(name).frame_id)


def _mismatches(folder: Path, told: CarFile, database: Database) -> Iterator[Problem]:
    toml, dbc = str(folder / "car.toml"), str(folder / "bus.dbc")
    messages = {message.name: message for message in database.messages}
    mapped: dict[str, set[str]] = {}
    for entry in told.signal:
        mapped.setdefault(entry.message, set()).add(entry.field)
    for entry in told.signal:
        yield from _signal_problems(entry, messages, mapped, toml, dbc)
    taken: set[str] = set()
    for entry in told.signal:
        if entry.name in taken:
            yield Problem(toml, f"signal[{entry.name}]", "is mapped twice", "map a name to one field")
        taken.add(entry.name)
    for name in told.message:
        if name not in messages:
            yield Problem(toml, f"message.{name}", f"{dbc} has no message {name}", _nearest(name, messages))
    for poll in told.poll:
        yield from _poll_problems(poll, told, messages, toml, dbc)
    lock = told.lock
    if lock.confirm is not None and lock.confirm.signal not in taken:
        yield Problem(toml, "lock.confirm.signal", f"no [[signal]] maps {lock.confirm.signal}", "map it, too")
    if "diagnostic" in lock.drivers and lock.diagnostic is None:
        yield Problem(toml, "lock.drivers", "names diagnostic without [lock.diagnostic]", "describe it or drop it")


def _signal_problems(
    entry: Signal, messages: dict[str, DbcMessage], mapped: dict[str, set[str]], toml: str, dbc: str
) -> Iterator[Problem]:
    key = f"signal[{entry.name}]"
    known = VOCABULARY.get(entry.name)
    if known is None:
        yield Problem(toml, key, "is not in the vocabulary", _nearest(entry.name, VOCABULARY))
    message = messages.get(entry.message)
    if message is None:
        yield Problem(toml, key, f"{dbc} has no message {entry.message}", _nearest(entry.message, messages))
        return
    fields = {signal.name: signal for signal in message.signals}
    for field in filter(None, (entry.field, entry.valid_with)):
        if field not in fields:
            yield Problem(toml, key, f"message {entry.message} in {dbc} has no signal {field}", _nearest(field, fields))
    field_of = fields.get(entry.field)
    if entry.valid_with and entry.valid_with not in mapped.get(entry.message, ()):
        yield Problem(toml, key, f"valid_with names {entry.valid_with}, which is not mapped", "map that signal, too")
    if known is None or field_of is None:
        return
    yield from _value_problems(entry, field_of, toml, dbc)


def _value_problems(entry: Signal, field: DbcSignal, toml: str, dbc: str) -> Iterator[Problem]:
    key, known = f"signal[{entry.name}]", VOCABULARY[entry.name]
    where = f"signal {entry.message}.{entry.field} in {dbc}"
    wrong = sorted(set(entry.states.values()) - set(known.states))
    if known.states and not entry.states:
        yield Problem(toml, key, "needs the raw values of its states", f'states = {{ 0 = "{known.states[0]}", ... }}')
    if wrong:
        yield Problem(toml, key, f"unknown states {', '.join(wrong)}", f"allowed: {', '.join(known.states) or 'none'}")
    if known.text != bool(entry.text):
        right = 'text = "ascii", "bcd" or "bcd_reversed"' if known.text else "leave out text"
        yield Problem(toml, key, "is a text" if known.text else "is no text", right)
    if entry.text and field.length % (8 if entry.text == "ascii" else 4):
        yield Problem(toml, key, f"{where} has {field.length} bits, no whole {entry.text} characters", "use a multiple")
    if not known.states and not known.text and (field.unit or "") != known.unit:
        text = f"{where} is in {field.unit!r}, the vocabulary wants {known.unit!r}"
        yield Problem(toml, key, text, "convert by factor and offset")
    top = (1 << field.length) - 1
    beyond = sorted(raw for raw in (*entry.na, *entry.states) if not 0 <= raw <= top)
    if beyond:
        yield Problem(toml, key, f"raw values {beyond} do not fit {field.length} bits of {where}", f"use 0 to {top}")
    if field.is_signed and entry.states:
        yield Problem(toml, key, f"{where} is signed and has states", "declare the field unsigned")
    low = known.low if entry.low is None else entry.low
    if not known.states and not known.text and not known.low <= low <= known.high:
        yield Problem(toml, key, "low is outside the vocabulary's range", f"{known.low} to {known.high}")


def _poll_problems(
    poll: PollEntry, told: CarFile, messages: dict[str, DbcMessage], toml: str, dbc: str
) -> Iterator[Problem]:
    key = f"poll[{poll.name}]"
    message = messages.get(poll.message)
    if message is None:
        yield Problem(toml, key, f"{dbc} has no message {poll.message}", _nearest(poll.message, messages))
        return
    if not message.is_extended_frame or message.frame_id < VIRTUAL:
        text = f"message {poll.message} in {dbc} has a real frame's id"
        yield Problem(toml, key, text, "lay replies out as extended ids from 0x1FFF0000")
    if not any(entry.message == poll.message for entry in told.signal):
        yield Problem(toml, key, f"nothing is mapped from {poll.message}", "map a signal of it or drop the poll")
    if not poll.every_s.by_phase():
        yield Problem(toml, key, "is asked in no phase", "every_s = { driving = 10, charging = 60 }")
    if poll.reply == poll.request:
        yield Problem(toml, key, "asks and answers on one id", "give the unit's reply id")


def _nearest(name: str, known: object) -> str:
    from difflib import get_close_matches

    names = list(known) if isinstance(known, dict) else []
    close = get_close_matches(name, names, 1, 0.4)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(names[:6])}{' ...' if len(names) > 6 else ''}"


def _signal_map(entry: Signal) -> SignalMap:
    known = VOCABULARY[entry.name]
    return SignalMap(
        message=entry.message,
        field=entry.field,
        name=entry.name,
        na=frozenset(entry.na),
        states=dict(entry.states),
        low=known.low if entry.low is None else entry.low,
        high=known.high if entry.high is None else entry.high,
        valid_with=entry.valid_with or None,
        confidence=entry.confidence,
        source=entry.source,
        text=entry.text,
    )


def _message_map(message: DbcMessage, told: CarFile) -> MessageMap:
    from .car_file import Message

    entries = [entry for entry in told.signal if entry.message == message.name]
    masks = {True: 0, False: 0}
    for entry in entries:
        prompt = entry.name in PROMPT
        for field in filter(None, (entry.field, entry.valid_with)):
            masks[prompt] |= int.from_bytes(field_mask(message, field).ljust(8, b"\0"), "big")
    wanted = told.message.get(message.name, Message())
    period = message.cycle_time or DEFAULT_PERIOD_MS
    prompt_mask, sampled_mask = (masks[key].to_bytes(8, "big") for key in (True, False))
    return MessageMap(
        name=message.name,
        can_id=message.frame_id,
        extended=message.is_extended_frame,
        length=len((masks[True] | masks[False]).to_bytes(8, "big").rstrip(b"\0")),
        period_ms=period,
        prompt_mask=prompt_mask,
        sampled_mask=sampled_mask,
        interval_ms=wanted.intervals(),
        silence_ms=wanted.silence_ms or max(5 * period, 2000),
        crc=wanted.crc.crc() if wanted.crc is not None else None,
    )


def _poll(entry: PollEntry) -> Poll:
    return Poll(
        name=entry.name,
        request_id=entry.request,
        reply_id=entry.reply,
        payload=bytes.fromhex(entry.ask),
        every_s=entry.every_s.by_phase(),
        timeout_s=entry.timeout_ms / 1000,
        message=entry.message,
        session=bytes.fromhex(entry.session),
    )
