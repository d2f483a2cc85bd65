"""Checksums of frames, held against recordings: each constant against every frame, and every frame with one bit wrong.

Frames whose layout nobody has published carry one, too. So a copy of the folder maps a field of them, for the test
alone: the product's own decoder is what judges. What does not live here: the values of a recording (`test_cars.py`).
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import car as cars
from config.car_file import CarFile, read
from config.vocabulary import VOCABULARY
from drivers.can.decode import Decoder, crc8, fits
from drivers.can.recording import Recording
from drivers.ports import Frame
from tests.test_cars import recordings, toml


def guarded() -> list[Any]:
    return [case for case in recordings() if any(m.crc for m in read(case.values[0]).message.values())]


def with_all_guarded(folder: Path, told: CarFile, tmp_path: Path) -> cars.CarModel:
    """The folder, and every frame with a checksum mapped, by its counter where it says nothing else."""
    copy = shutil.copytree(folder, tmp_path / folder.name)
    mapped = {entry.message for entry in told.signal}
    free = (name for name, entry in VOCABULARY.items() if entry.unit == "min" and name not in told_names(told))
    with (copy / "car.toml").open("a", encoding="utf-8") as file:
        for name, message in told.message.items():
            if message.crc is not None and name not in mapped:
                file.write(f'\n[[signal]]\nname = "{next(free)}"\nmessage = "{name}"\nfield = "Counter"\n')
                file.write('confidence = "D"\nsource = "for this test"\n')
    text = (copy / "bus.dbc").read_text(encoding="utf-8")
    lines = [line.replace('""', '"min"') if " SG_ Counter " in line else line for line in text.split("\n")]
    (copy / "bus.dbc").write_text("\n".join(lines), encoding="utf-8")
    return cars.load(copy)


def told_names(told: CarFile) -> set[str]:
    return {entry.name for entry in told.signal}


def frames_of(car: cars.CarModel, page: Path, shared: Path) -> Iterator[tuple[cars.MessageMap, Frame]]:
    path = page.parent / toml(page)["recording"]
    path = path if path.is_file() else shared / toml(page)["recording"]
    if not path.is_file():
        pytest.skip(f"the recording {path} is not on this machine")
    messages = {(message.can_id, message.extended): message for message in car.messages if message.crc}
    for frame in Recording(path).frames():
        if message := messages.get((frame.can_id, frame.extended)):
            yield message, frame


@pytest.mark.parametrize(("folder", "page"), guarded())
def test_d28_no_frame_of_a_recording_fails_its_checksum_and_one_wrong_bit_always_does(
    folder: Path, page: Path, shared: Path, tmp_path: Path
) -> None:
    car = with_all_guarded(folder, read(folder), tmp_path)
    good, wrong = Decoder(car), Decoder(car)
    seen: Counter[str] = Counter()
    for number, (message, frame) in enumerate(frames_of(car, page, shared), 1):
        seen[message.name] += 1
        good.frame(frame)
        byte, bit = divmod(number % (8 * len(frame.data)), 8)
        flipped = bytearray(frame.data)
        flipped[byte] ^= 0x80 >> bit
        assert wrong.frame(Frame(frame.can_id, frame.extended, bytes(flipped), frame.at)) == []
    assert seen, "a recording without one frame that carries a checksum proves nothing"
    counted = good.counters()
    assert counted["bad_crc"] == counted["short"] == 0
    assert counted["values"] + counted["not_available"] >= seen.total(), "each was decoded"
    assert wrong.counters()["bad_crc"] == seen.total()


def test_the_checksum_is_the_one_that_everybody_calls_crc_8_1d() -> None:
    """CRC-8/SAE-J1850 of the catalogue of parametrised CRC algorithms: 4B over "123456789"."""
    assert crc8(cars.Crc(0x1D, 0xFF, 0xFF, 7), b"123456789") == 0x4B


def test_a_checksum_covers_what_stands_behind_it_too(tmp_path: Path) -> None:
    """133 carries it in byte 3, and the speed in bytes 6 and 7."""
    folder = cars.find("hev-can-ph2")
    car = with_all_guarded(folder, read(folder), tmp_path)
    message = next(message for message in car.messages if message.name == "RoadSpeed")
    assert message.crc is not None
    plain = bytes.fromhex("007F14000006 1234")
    sealed = plain[:3] + bytes([crc8(message.crc, plain[:3] + plain[4:])]) + plain[4:]
    at = next(iter(Recording(folder / "recordings" / "drive.log").frames())).at
    assert Decoder(car).frame(Frame(0x133, False, sealed, at)) != []
    assert Decoder(car).frame(Frame(0x133, False, sealed[:7] + b"\x35", at)) == []


def test_a_frame_that_was_cut_before_its_checksum_does_not_fit() -> None:
    crc = cars.Crc(0x1D, 0xFF, 0xFF, 7)
    plain = bytes(range(7))
    sealed = plain + bytes([crc8(crc, plain)])
    assert fits(crc, sealed)
    for length in range(8):
        assert not fits(crc, sealed[:length])
