"""The questions of a car folder, and the ids that messages, units and the lock share: what must not collide.

What does not live here: names, units and ranges of single signals (`car_check.py`), and the DBC on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from .car import Phase
from .car_file import CarFile, PollEntry
from .errors import Problem, nearest

if TYPE_CHECKING:
    from cantools.database.can import Message as DbcMessage

VIRTUAL: Final = 0x1FFF_0000
"""Replies of diagnostics are laid out as messages from this extended id up: no real frame, so no subscription."""
STANDARD_MAX: Final = 0x7FF
MAX_PER_S: Final = 6.0
"""OVMS asks at most five times a second; a car's units have other work, too."""


def problems(told: CarFile, messages: dict[str, DbcMessage], toml: str, dbc: str) -> Iterator[Problem]:
    for poll in told.poll:
        yield from _one(poll, told, messages, toml, dbc)
    yield from _repeated(told, toml)
    yield from _shared_ids(told, messages, toml, dbc)
    yield from _unasked(told, messages, toml)
    yield from _too_many(told, toml)
    yield from _lock(told, messages, toml, dbc)


def _one(poll: PollEntry, told: CarFile, messages: dict[str, DbcMessage], toml: str, dbc: str) -> Iterator[Problem]:
    key = f"poll[{poll.name}]"
    message = messages.get(poll.message)
    if message is None:
        yield Problem(toml, key, f"{dbc} has no message {poll.message}", nearest(poll.message, messages))
        return
    if not message.is_extended_frame or message.frame_id < VIRTUAL:
        text = f"message {poll.message} in {dbc} has a real frame's id"
        yield Problem(toml, key, text, "lay replies out as extended ids from 0x1FFF0000")
    fields = [entry.field for entry in told.signal if entry.message == poll.message]
    if not fields:
        yield Problem(toml, key, f"nothing is mapped from {poll.message}", "map a signal of it or drop the poll")
    head = len(poll.ask) // 2
    for signal in message.signals:
        if signal.name in fields and signal.start // 8 < head:
            text = f"signal {poll.message}.{signal.name} in {dbc} lies in the {head} bytes that repeat the question"
            yield Problem(toml, key, text, f"count from the service byte: data begin in byte {head}")
    if not poll.every_s.by_phase():
        yield Problem(toml, key, "is asked in no phase", "every_s = { driving = 10, charging = 60 }")
    if poll.reply == poll.request:
        yield Problem(toml, key, "asks and answers on one id", "give the unit's reply id")


def _repeated(told: CarFile, toml: str) -> Iterator[Problem]:
    names: set[str] = set()
    questions: dict[tuple[int, str], str] = {}
    layouts: dict[str, str] = {}
    for poll in told.poll:
        key, question = f"poll[{poll.name}]", (poll.request, poll.ask.upper())
        if poll.name in names:
            yield Problem(toml, key, "is there twice", "give each question a name of its own")
        elif question in questions:
            text = f"asks {poll.request:X} for {poll.ask}, as poll[{questions[question]}] does"
            yield Problem(toml, key, text, "drop one, and map what it gave from the other")
        elif poll.message in layouts:
            text = f"fills {poll.message}, as poll[{layouts[poll.message]}] does"
            yield Problem(toml, key, text, "lay each answer out in a message of its own")
        names.add(poll.name)
        questions.setdefault(question, poll.name)
        layouts.setdefault(poll.message, poll.name)


def _shared_ids(told: CarFile, messages: dict[str, DbcMessage], toml: str, dbc: str) -> Iterator[Problem]:
    """A question on a broadcast's id would be taken for it, and two units that answer on one id for each other."""
    frames = {(it.frame_id, it.is_extended_frame): it.name for it in messages.values() if it.frame_id < VIRTUAL}
    pairs = [(f"poll[{poll.name}]", poll.request, poll.reply) for poll in told.poll]
    if told.lock.diagnostic is not None:
        pairs.append(("lock.diagnostic", told.lock.diagnostic.request, told.lock.diagnostic.reply))
    asks: dict[int, tuple[str, int]] = {}
    answers: dict[int, tuple[str, int]] = {}
    for key, request, reply in pairs:
        for verb, number in (("asks", request), ("answers", reply)):
            name = frames.get((number, number > STANDARD_MAX))
            if name is not None:
                text = f"{verb} on {number:X}, which is the id of message {name} in {dbc}"
                yield Problem(toml, key, text, "give the ids of the unit, as its source has them")
        other, its_reply = asks.setdefault(request, (key, reply))
        if its_reply != reply:
            text = f"asks {request:X} and hears {reply:X}, where {other} hears {its_reply:X}"
            yield Problem(toml, key, text, "one unit has one pair of ids")
        other, its_request = answers.setdefault(reply, (key, request))
        if its_request != request:
            text = f"hears {reply:X}, as {other} does, but asks {request:X} and not {its_request:X}"
            yield Problem(toml, key, text, "one unit has one pair of ids")


def _unasked(told: CarFile, messages: dict[str, DbcMessage], toml: str) -> Iterator[Problem]:
    asked = {poll.message for poll in told.poll}
    for entry in told.signal:
        message = messages.get(entry.message)
        if message is not None and message.frame_id >= VIRTUAL and entry.message not in asked:
            text = f"is mapped from {entry.message}, an answer that no [[poll]] asks for"
            yield Problem(toml, f"signal[{entry.name}]", text, f'write a [[poll]] with message = "{entry.message}"')


def _too_many(told: CarFile, toml: str) -> Iterator[Problem]:
    rates: dict[Phase, float] = {}
    for poll in told.poll:
        for phase, seconds in poll.every_s.by_phase().items():
            rates[phase] = rates.get(phase, 0.0) + 1 / seconds
    for phase, rate in rates.items():
        if rate > MAX_PER_S:
            text = f"all together ask {rate:.1f} times a second when {phase}"
            yield Problem(toml, "poll", text, f"at most {MAX_PER_S:g}: ask some of them less often")


def _lock(told: CarFile, messages: dict[str, DbcMessage], toml: str, dbc: str) -> Iterator[Problem]:
    """The door reads the lock without the DBC (D24), so both must speak of one frame."""
    confirm = told.lock.confirm
    if confirm is not None:
        names = [entry.message for entry in told.signal if entry.name == confirm.signal]
        if not names:
            yield Problem(toml, "lock.confirm.signal", f"no [[signal]] maps {confirm.signal}", "map it, too")
        for message in filter(None, map(messages.get, names)):
            if (message.frame_id, message.is_extended_frame) != (confirm.id, confirm.extended):
                text = f"is {confirm.id:X}, but {confirm.signal} is mapped from {message.name}, {message.frame_id:X}"
                yield Problem(toml, "lock.confirm.id", f"{text} in {dbc}", "both must read one frame")
    if "diagnostic" in told.lock.drivers and told.lock.diagnostic is None:
        yield Problem(toml, "lock.drivers", "names diagnostic without [lock.diagnostic]", "describe it or drop it")
