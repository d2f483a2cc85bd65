"""Every public recording of one of our cars: no value out of its range, none of a field that says "not available"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config import car as cars
from drivers.can.decode import Decoder
from drivers.can.recording import Recording

SHARED = Path(__file__).resolve().parents[2] / "shared"
BUSES = {"kangoo": "ev-can", "zoe-ph2": "hev-can-ph2"}
"""Folder of recordings, and the car that they are of; a car that is not there yet is passed over."""


def recordings() -> list[Any]:
    return [
        pytest.param(BUSES[path.parent.name], path, id=f"{BUSES[path.parent.name]}: {path.name}")
        for path in sorted((SHARED / "data" / "can").glob("*/*.gz"))
        if BUSES.get(path.parent.name) in cars.models()
    ]


def raw(data: bytes, start: int, length: int) -> int:
    """Big-endian bits counted from the top bit of byte 0."""
    return int.from_bytes(data, "big") >> (len(data) * 8 - start - length) & ((1 << length) - 1)


ABSENT = pytest.param("", Path(), marks=pytest.mark.skip("the shared recordings are not on this machine"))


@pytest.mark.parametrize(("model", "path"), recordings() or [ABSENT])
def test_a_public_recording_is_plausible_and_tells_nothing_of_what_is_not_available(model: str, path: Path) -> None:
    car = cars.load(cars.find(model))
    decoder, recording = Decoder(car), Recording(path)
    fields: dict[int, list[tuple[cars.SignalMap, int, int]]] = {}
    for entry in car.signals:
        message = car.database.get_message_by_name(entry.message)
        signal = message.get_signal_by_name(entry.field)
        assert signal.byte_order == "big_endian"
        start = signal.start // 8 * 8 + 7 - signal.start % 8
        fields.setdefault(message.frame_id, []).append((entry, start, signal.length))
    told = mapped = 0
    for frame in recording.frames():
        mapped += frame.can_id in fields
        found = {signal.name for signal in decoder.frame(frame)}
        for entry, start, length in fields.get(frame.can_id, ()):
            if start + length > len(frame.data) * 8:
                continue
            value = raw(frame.data, start, length)
            if value in entry.na or (length >= 5 and value == (1 << length) - 1):
                assert entry.name not in found, (frame, entry.name)
        told += len(found)
    counted = decoder.counters()
    assert told >= mapped * 0.9, "of a bus whose ids nobody understands nothing is told, else nearly every frame tells"
    assert recording.left_out == counted["out_of_range"] == counted["unmapped"] == counted["short"] == 0
