"""What happens on the bench, told as it happens: the lock moves, records arrive, the box's program ends.

What is not here: what somebody asked for (`commands.py`); this only watches.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from .backend.payload import Fact, Item, State
from .bench import Bench
from .diary import Moment
from .words import Words

Message = dict[str, Any]
Sink = Callable[[str, bool], None]  # text, and whether it happened by itself
LOOK_S = 0.2
A_DATE_S = 1_000_000_000  # smaller ones are numbers of records
ID_DIGITS = 16  # hex of this length and more is for machines


class Voices:
    """Says a thing to everybody who listens: this terminal, and those that asked from another one."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = list(sinks)

    def __call__(self, text: str) -> None:
        """The answer to a command."""
        for sink in list(self._sinks):
            sink(text, False)

    def happened(self, text: str) -> None:
        for sink in list(self._sinks):
            sink(text, True)

    @contextlib.contextmanager
    def also(self, sink: Sink) -> Iterator[None]:
        self._sinks.append(sink)
        try:
            yield
        finally:
            self._sinks.remove(sink)


def summary(kind: str, body: Mapping[str, Any]) -> str:
    """One line for a person: what is known, without the ids. Of a reading: odometer and charge."""
    found = [f"{key} {text}" for key, value in body.items() if key != "event" and (text := _short(value, key))]
    return " ".join([kind, *([str(body["event"])] if "event" in body else [])]) + (
        f": {', '.join(found)}" if found else ""
    )


def _short(value: Any, key: str = "") -> str:
    if key in ("from", "to") and isinstance(value, int) and value > A_DATE_S:
        return time.strftime("%H:%M", time.localtime(value))
    if isinstance(value, Mapping):
        if "odometer_km" in value:
            return f"at {value['odometer_km']} km, {value['soc_percent']} %"
        return " ".join(f"{key} {text}" for key, inner in value.items() if (text := _short(inner, key)))
    if isinstance(value, list):
        return f"{len(value)} of them" if len(value) > 3 else " and ".join(map(str, value))
    is_id = isinstance(value, str) and len(value) >= ID_DIGITS and not value.strip("0123456789abcdef")
    return "" if value is None or value is False or is_id else str(value)


class Happenings:
    """Watches from `start` to `stop`; the bench has been started."""

    def __init__(self, bench: Bench, words: Words, voices: Voices) -> None:
        self._bench, self._words, self._voices = bench, words, voices
        self._seen = len(bench.world.diary.moments)
        self._online: bool | None = None
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._bench.machine.listeners.append(self._saw)
        self._bench.desk.heard.append(self._heard)
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bench.machine.listeners.remove(self._saw)
        self._bench.desk.heard.remove(self._heard)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _tell(self, key: str, **values: object) -> None:
        self._voices.happened(self._words(key, **values))

    async def _look(self) -> None:
        moments = self._bench.world.diary.moments
        while True:
            await asyncio.sleep(LOOK_S)
            news, self._seen = moments[self._seen :], len(moments)
            for moment in news:
                self._moment(moment)

    def _moment(self, moment: Moment) -> None:
        match moment.what:
            case "lock":
                self._tell("p_event_lock", value=self._words(f"p_{moment.value}"), by=moment.detail)
            case "charge":
                self._tell(f"p_event_charge_{moment.value}")
            case "sleep":
                self._tell("p_event_sleep")

    def _saw(self, event: Message) -> None:
        match event["saw"]:
            case "agent" if "exit" in event:
                self._tell("p_event_agent", code=event["exit"])
            case "diagnostic":
                self._tell("p_event_body_unit", request=event["request"], reply=event["reply"])

    def _heard(self, item: Item) -> None:
        match item:
            case Fact():
                self._tell("p_event_fact", text=f"{item.n} {summary(item.kind, item.body)}")
            case State():
                online = self._bench.desk.states[item.vehicle].get("online") is True
                if online is not self._online and self._online is not None:
                    self._tell("p_event_online" if online else "p_event_offline")
                self._online = online
