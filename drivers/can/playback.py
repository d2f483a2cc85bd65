"""A recording read as a car: its broadcasts, and the diagnostics that were overheard in it.

What does not live here: the forms of logs (`recording.py`) and what a person sees of the values.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from config.car import CarModel
from config.vocabulary import Signal

from .decode import Decoder
from .overheard import Overheard
from .recording import Recording


class Playback:
    """One pass. bus: the channel to read, "" for all of them."""

    def __init__(self, car: CarModel, log: Path, bus: str = "") -> None:
        self._decoder = Decoder(car)
        self._overheard = Overheard(car.polls)
        heard = frozenset((message.can_id, message.extended) for message in car.messages)
        self.recording = Recording(log, wanted=heard | self._overheard.ids, bus=bus)
        self._only_asked = self._overheard.ids - heard

    def signals(self) -> Iterator[Signal]:
        """Every value, at the log's own time. Raises `RecordingError`."""
        return chain.from_iterable(self._told())

    def _told(self) -> Iterator[list[Signal]]:
        decode, asked = self._decoder.frame, self._overheard.ids
        for frame in self.recording.frames():
            key = (frame.can_id, frame.extended)
            if key in asked:
                answer = self._overheard.frame(frame)
                if answer is not None:
                    yield self._decoder.payload(*answer, frame.at.ns)
                if key in self._only_asked:
                    continue
            yield decode(frame)

    def outside(self) -> dict[str, int]:
        """See `Decoder.outside`."""
        return self._decoder.outside()

    def counters(self) -> dict[str, int]:
        """frames: all of the log; foreign: with an id that tells nothing of this car. overheard_…: see `Overheard`."""
        log, counted = self.recording, self._decoder.counters()
        counted |= {"frames": log.seen - log.other_bus, "foreign": counted["foreign"] + log.unwanted}
        counted |= {f"overheard_{name}": count for name, count in self._overheard.counters().items()}
        told = ("skipped", "other_bus", "stepped_back", "restarts", "late")
        return counted | {name: getattr(log, name) for name in told} | {"lines_left_out": log.left_out}
