"""Every kind of field that a DBC can have: signed, floating, little-endian, multiplexed; and frames that repeat."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import car as cars
from config import vocabulary as v
from config.car_check import field_mask
from drivers.can.decode import Decoder
from drivers.ports import Frame, Instant

DBC = """VERSION ""
BS_:
BU_: Car Box
BO_ 256 Floats: 8 Car
 SG_ Speed : 0|32@1- (1,0) [0|0] "km/h" Box
 SG_ Current : 39|16@0- (0.1,0) [0|0] "A" Box
BO_ 257 Pages: 8 Car
 SG_ Page M : 7|8@0+ (1,0) [0|0] "" Box
 SG_ Distance m0 : 15|24@0+ (1,0) [0|0] "km" Box
 SG_ Voltage m1 : 15|16@0+ (0.1,0) [0|0] "V" Box
 SG_ Locks m1 : 31|2@0+ (1,0) [0|0] "" Box
SIG_VALTYPE_ 256 Speed : 1;
"""
NAMES = {
    ("Floats", "Speed"): v.SPEED, ("Floats", "Current"): v.BATTERY_CURRENT, ("Pages", "Distance"): v.ODOMETER,
    ("Pages", "Voltage"): v.BATTERY_VOLTAGE, ("Pages", "Locks"): v.LOCKED,
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> cars.CarModel:
    folder = tmp_path_factory.mktemp("kinds")
    told = '[car]\nname = "all kinds"\nyears = "2026"\nbus = "none"\n'
    for (message, field), name in NAMES.items():
        told += f'[[signal]]\nname = "{name}"\nmessage = "{message}"\nfield = "{field}"\n'
        told += 'confidence = "D"\nsource = "none"\n'
        told += 'states = { 0 = "no", 1 = "yes" }\n' if name == v.LOCKED else ""
    (folder / "car.toml").write_text(told)
    (folder / "bus.dbc").write_text(DBC)
    return cars.load(folder)


def values(decoder: Decoder, can_id: int, data: bytes) -> dict[str, float | str]:
    return {signal.name: signal.value for signal in decoder.frame(Frame(can_id, False, data, Instant("", 3)))}


@pytest.mark.parametrize(
    ("speed", "told"), [(50.25, 50.25), (-1.0, None), (float("nan"), None), (float("inf"), None), (1e30, None)]
)
def test_a_float_is_a_value_within_its_range_alone(model: cars.CarModel, speed: float, told: float | None) -> None:
    decoder = Decoder(model)
    found = values(decoder, 256, struct.pack("<fhh", speed, 0, 0))
    assert found.get(v.SPEED) == told
    assert decoder.counters()["out_of_range"] == (told is None)


def test_all_ones_are_not_available_also_where_they_read_as_minus_one(model: cars.CarModel) -> None:
    """A current of -0.1 A is lost for a moment; a car that has not woken yet must never tell one."""
    assert v.BATTERY_CURRENT not in values(Decoder(model), 256, bytes(4) + b"\xff\xff\0\0")
    assert values(Decoder(model), 256, bytes(4) + b"\xff\xfe\0\0")[v.BATTERY_CURRENT] == -0.2


def test_a_page_tells_its_own_fields_alone(model: cars.CarModel) -> None:
    decoder = Decoder(model)
    assert values(decoder, 257, bytes.fromhex("0000300000000000")) == {v.ODOMETER: 12288}
    assert values(decoder, 257, bytes.fromhex("010E740000000000")) == {v.BATTERY_VOLTAGE: 370.0, v.LOCKED: "no"}
    assert values(decoder, 257, bytes.fromhex("01FFFF4000000000")) == {v.LOCKED: "yes"}
    assert values(decoder, 257, bytes.fromhex("0200300000000000")) == {}
    counted = decoder.counters()
    assert (counted["not_available"], counted["unmapped"], counted["values"]) == (1, 1, 4)


def test_a_page_is_subscribed_with_its_selector(model: cars.CarModel) -> None:
    pages = next(message for message in model.messages if message.name == "Pages")
    assert pages.prompt_mask.hex() == "ff0000c000000000"
    assert pages.sampled_mask.hex() == "ffffffff00000000"


@pytest.mark.parametrize("name", cars.models())
def test_the_bits_of_a_field_are_those_that_cantools_sets(name: str) -> None:
    for message in cars.load(cars.find(name)).database.messages:
        for signal in message.signals:
            raw = dict.fromkeys((one.name for one in message.signals), 0)
            raw[signal.name] = -1 if signal.is_signed else (1 << signal.length) - 1
            expected = message.encode(raw, scaling=False, strict=False)
            assert field_mask(message, signal.name) == bytes(expected), (message.name, signal.name)


frames = st.lists(st.tuples(st.sampled_from([256, 257, 258]), st.sampled_from([
    bytes(8), b"\xff" * 8, b"\x01" + bytes(7), b"\x01\x0e\x74\x40" + bytes(4), b"\x02" * 8, bytes(3),
    b"\x01\xff\xff\xc0" + bytes(4),
])), max_size=30)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=frames)
def test_a_repeated_frame_tells_and_counts_what_it_did_the_first_time(
    model: cars.CarModel, frames: list[tuple[int, bytes]]
) -> None:
    """One decoder over all frames against a new one for each."""
    one, counted = Decoder(model), dict.fromkeys(Decoder(model).counters(), 0)
    for can_id, data in frames:
        fresh = Decoder(model)
        assert values(one, can_id, data) == values(fresh, can_id, data)
        counted = {name: count + fresh.counters()[name] for name, count in counted.items()}
    assert one.counters() == counted
