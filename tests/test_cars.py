"""Every car folder, and every vector and recording for it. A new folder is tested on the day it is added: no list here.

The vectors never go through a DBC (D34): raw bytes and values were written from the published bit positions.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import cantools
import pytest

from config import car as cars
from config import vocabulary as v
from drivers.can.decode import Decoder
from drivers.can.frame import subscriptions
from drivers.can.playback import Playback
from drivers.ports import Frame, Instant
from tests.vectors.can.drive import DRIVES, Drive, log
from tests.vectors.can.drive import expected as pages
from tests.vectors.can.layout import TABLES
from tests.vectors.can.make import page

VECTORS = Path(__file__).parent / "vectors" / "can"
MODELS = cars.models()
AT = Instant("", 7)
NEEDED = {v.SOC, v.RANGE, v.PLUGGED, v.CHARGING, v.ODOMETER, v.SPEED, v.IGNITION, *v.DOORS, v.LOCKED, v.VOLTAGE_12V}
NEEDED |= {v.BATTERY_TEMPERATURE, v.ENERGY}


def toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def vectors() -> list[Any]:
    return [
        pytest.param(path.stem, vector, id=f"{path.stem}: {vector['what']}: {vector['name'].rsplit('.', 2)[-2]}")
        for path in sorted(VECTORS.glob("*.toml"))
        for vector in toml(path).get("vector", [])
    ]


def replies() -> list[Any]:
    return [
        pytest.param(path.stem, reply, id=f"{path.stem}: {reply['what']}")
        for path in sorted(VECTORS.glob("*.toml"))
        for reply in toml(path).get("reply", [])
    ]


def asked(car: cars.CarModel, name: str) -> cars.Poll | None:
    """The poll that a signal comes from; `None`: it is broadcast."""
    entry = car.mapped(name)
    return next((poll for poll in car.polls if entry is not None and poll.message == entry.message), None)


def recordings() -> list[Any]:
    found = sorted(cars.CARS.glob("*/recordings/*.expect.toml"))
    return [pytest.param(path.parent.parent, path, id=f"{path.parent.parent.name}: {path.stem}") for path in found]


@pytest.fixture(scope="module")
def loaded() -> dict[str, cars.CarModel]:
    return {model: cars.load(cars.find(model)) for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_a_car_folder_fits_together(model: str) -> None:
    assert cars.check(cars.find(model)) == ()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", MODELS)
def test_the_dbc_loads_without_a_word_of_complaint(model: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        found = cantools.database.load_file(cars.find(model) / "bus.dbc")
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []
    assert {message.name for message in found.messages} >= {
        entry.message for entry in cars.load(cars.find(model)).signals
    }


@pytest.mark.parametrize("model", MODELS)
def test_d34_every_mapped_field_has_vectors_of_its_own(model: str, loaded: dict[str, cars.CarModel]) -> None:
    """Lowest, typical, highest and not available of a number, every state that the car can tell; asked for or not."""
    told = toml(VECTORS / f"{model}.toml")
    seen: dict[str, list[Any]] = defaultdict(list)
    for vector in told.get("vector", []):
        seen[vector["name"]].append(vector.get("value"))
    messages = {poll.name: poll.message for poll in loaded[model].polls}
    for reply in told.get("reply", []):
        for entry in loaded[model].signals:
            if entry.message == messages[reply["poll"]]:
                seen[entry.name].append(reply["values"].get(entry.name))
    for entry in loaded[model].signals:
        values = seen[entry.name]
        if entry.states:
            assert set(entry.states.values()) <= set(values), entry.name
        else:
            assert len(set(values) - {None}) >= (1 if entry.text else 3), entry.name
            assert None in values, entry.name


@pytest.mark.parametrize("model", sorted(path.stem for path in TABLES.glob("*.toml")))
def test_d34_the_vectors_are_what_their_table_makes(model: str) -> None:
    written = (VECTORS / f"{model}.toml").read_text(encoding="utf-8")
    assert page(model) == written, "run python -m tests.vectors.can.make"


@pytest.mark.parametrize("model", MODELS)
def test_a_car_that_can_be_shared_tells_what_sharing_needs(model: str, loaded: dict[str, cars.CarModel]) -> None:
    """Also by asking, and a range also by computing it. The lock must be readable: by a frame, or by a question."""
    car = loaded[model]
    told = {entry.name for entry in car.signals} | ({v.RANGE} if car.computed_range else set())
    if car.purpose is cars.Purpose.SHARED:
        assert told >= NEEDED
        assert car.lock is not None or asked(car, v.LOCKED) is not None
    else:
        assert not told >= NEEDED, "it gives all that sharing needs: say purpose = \"shared\""


@pytest.mark.parametrize(("model", "vector"), vectors())
def test_d34_raw_bytes_to_value(model: str, vector: dict[str, Any], loaded: dict[str, cars.CarModel]) -> None:
    can_id = vector["id"]
    frame = Frame(can_id, can_id > 0x7FF, bytes.fromhex(vector["data"]), AT)
    told = {signal.name: signal.value for signal in Decoder(loaded[model]).frame(frame)}
    if "value" not in vector:
        assert vector["name"] not in told
    elif isinstance(vector["value"], str):
        assert told[vector["name"]] == vector["value"]
    else:
        assert told[vector["name"]] == pytest.approx(vector["value"], abs=1e-9)


@pytest.mark.parametrize(("model", "reply"), replies())
def test_d34_diagnostic_replies_to_values(model: str, reply: dict[str, Any], loaded: dict[str, cars.CarModel]) -> None:
    car = loaded[model]
    poll = next(poll for poll in car.polls if poll.name == reply["poll"])
    told = {signal.name: signal.value for signal in Decoder(car).payload(poll, bytes.fromhex(reply["data"]), 7)}
    assert told == pytest.approx(reply["values"])


@pytest.mark.parametrize(("folder", "expected"), recordings())
def test_a_recording_gives_the_expected_values(folder: Path, expected: Path, request: pytest.FixtureRequest) -> None:
    """Heard or asked for. Ours stand beside the page; the public ones are not ours to copy."""
    told = toml(expected)
    path = expected.parent / told["recording"]
    path = path if path.is_file() else request.getfixturevalue("shared") / told["recording"]
    if not path.is_file():
        pytest.skip(f"the recording {told['recording']} is not on this machine")
    playback, found = Playback(cars.load(folder), path), defaultdict(list)
    for signal in playback.signals():
        found[signal.name].append(signal.value)
    assert found.keys() == {entry["name"] for entry in told["expect"]}
    for entry in told["expect"]:
        values = found[entry["name"]]
        got = {"count": len(values), "first": values[0], "last": values[-1], "low": min(values), "high": max(values)}
        assert got == pytest.approx({key: entry[key] for key in got}), entry["name"]
    counted = playback.counters()
    assert playback.recording.bad == []
    assert counted["out_of_range"] == counted["unmapped"] == counted["short"] == counted["bad_crc"] == 0


@pytest.mark.parametrize("model", sorted(path.stem for path in DRIVES.glob("*.toml")))
def test_d34_a_drive_of_ours_is_what_its_script_makes(model: str) -> None:
    drive, folder = Drive(model), cars.CARS / model / "recordings"
    assert log(drive) == (folder / "drive.log").read_text(encoding="ascii"), "run python -m tests.vectors.can.drive"
    assert pages(drive) == (folder / "drive.expect.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", sorted(path.stem for path in DRIVES.glob("*.toml")))
def test_a_drive_of_ours_has_everything_that_the_folder_maps(model: str, loaded: dict[str, cars.CarModel]) -> None:
    told = toml(cars.CARS / model / "recordings" / "drive.expect.toml")
    polls = {poll.message: poll.name for poll in loaded[model].polls}
    expected = {entry["name"]: entry.get("poll") for entry in told["expect"]}
    mapped = {entry.name: polls.get(entry.message) for entry in loaded[model].signals}
    missing = mapped.items() - expected.items()
    assert expected.items() <= mapped.items()
    assert all("Module" in name for name, _ in missing), "only a place that this pack leaves empty may be missing"


@pytest.mark.parametrize("model", MODELS)
def test_all_ones_are_never_a_value_of_a_wide_field(model: str, loaded: dict[str, cars.CarModel]) -> None:
    """Whatever else a waking car says, no number may come of a frame that is nothing but ones."""
    decoder = Decoder(loaded[model])
    for message in loaded[model].messages:
        for signal in decoder.frame(Frame(message.can_id, message.extended, b"\xff" * 8, AT)):
            assert isinstance(signal.value, str), signal


@pytest.mark.parametrize("model", MODELS)
def test_short_frames_are_counted_and_tell_nothing(model: str, loaded: dict[str, cars.CarModel]) -> None:
    decoder = Decoder(loaded[model])
    short = 0
    for message in loaded[model].messages:
        for length in range(message.length):
            assert decoder.frame(Frame(message.can_id, message.extended, bytes(length), AT)) == []
            short += 1
    assert decoder.counters()["short"] == short


@pytest.mark.parametrize("model", MODELS)
def test_d28_doors_lock_plug_and_ignition_have_no_rate_limit(model: str, loaded: dict[str, cars.CarModel]) -> None:
    car = loaded[model]
    wanted = {(item.can_id, item.min_interval_ms == 0): item for item in subscriptions(car, cars.Phase.PARKED)}
    by_name = {message.name: message for message in car.messages}
    for entry in car.signals:
        poll = asked(car, entry.name)
        if entry.name in cars.PROMPT and poll is not None:
            assert poll.every_s[cars.Phase.AWAKE] <= 5, f"{entry.name} is asked for, so often"
        elif entry.name in cars.PROMPT:
            assert (by_name[entry.message].can_id, True) in wanted, entry.name
    told = [item for item in wanted.values() if item.mask]  # without a mask: a sign of life, not a message
    assert all(item.silence_ms or (item.can_id, True) in wanted for item in told), "each id is watched once"


@pytest.mark.parametrize("model", [model for model in MODELS if cars.lock_block(cars.find(model))])
def test_d24_the_raw_lock_block_says_what_the_dbc_says(model: str, loaded: dict[str, cars.CarModel]) -> None:
    block, decoder = cars.lock_block(cars.find(model)), Decoder(loaded[model])
    assert block is not None
    for number in range(256):
        data = bytes(byte and number & byte for byte in block.mask)
        told = {s.name: s.value for s in decoder.frame(Frame(block.can_id, block.extended, data, AT))}
        assert block.reads(data) is (told[v.LOCKED] == "yes")
    assert block.reads(block.locked) is True
    assert block.reads(block.unlocked) is False
    assert block.reads(b"") is None
    assert block.reads(b"\xff" * 8) is None
