"""What the bench knows of a car from its folder: steps, periods, and what the oracle may allow."""

from __future__ import annotations

import pytest

from config import car as cars
from config import vocabulary as v
from config.car import Phase
from drivers.can.decode import Decoder
from drivers.ports import Frame, Instant
from hil import exactness, provision
from hil.ecu_bits import Words

LOADED = {model: cars.load(cars.find(model)) for model in ("zoe-ph1", "kangoo-ze", "zoe-ph2-obd", "zoe-ph2-vcan")}


@pytest.mark.parametrize(
    ("model", "name", "step", "age_s"),
    [
        ("zoe-ph1", v.ODOMETER, 0.01, 1.0),
        ("zoe-ph1", v.ENERGY, 0.1, 2.0),
        ("zoe-ph1", v.IGNITION, 1.0, 0.1),
        ("kangoo-ze", v.ODOMETER, 1.0, 1.0),
        ("zoe-ph2-obd", v.ODOMETER, 1.0, 10.0),
        ("zoe-ph2-obd", v.IGNITION, 1.0, 1.0),
        ("zoe-ph2-vcan", v.ENERGY, 0.05, 2.0),
    ],
)
def test_step_and_age_come_from_the_folder(model: str, name: str, step: float, age_s: float) -> None:
    car = LOADED[model]
    assert exactness.step(car, name) == pytest.approx(step)
    assert exactness.age_s(car, name, Phase.DRIVING) == age_s


def test_what_a_car_never_tells_has_no_step() -> None:
    with pytest.raises(KeyError, match="does not tell"):
        exactness.step(LOADED["zoe-ph1"], v.LATITUDE)
    assert exactness.age_s(LOADED["zoe-ph1"], v.LATITUDE, Phase.DRIVING) == 0


def test_the_oracle_allows_only_what_the_car_cannot_tell_better() -> None:
    fine = {model: provision.tolerance(provision.Vehicle(bytes(8), model)).fine for model in LOADED}
    assert [fine[model].step_km for model in LOADED] == pytest.approx([0.01, 1.0, 1.0, 1.0])
    assert {it.km for it in fine.values()} == {0.1}
    assert [fine[model].energy_ms for model in LOADED] == [0, 0, 5_000, 0]
    assert {it.kwh for it in fine.values()} == {0.1}
    assert [fine[model].waking_ms for model in LOADED] == [650, 650, 5_650, 650]
    assert {it.tells for it in fine.values()} == {("odometer_km", "energy_kwh")}


@pytest.mark.parametrize("status", ["none", "ended", "waiting", "failure", "charging"])
def test_a_field_that_tells_two_things_says_what_is_true_of_both(status: str) -> None:
    car, flag = LOADED["zoe-ph2-vcan"], "yes" if status == "charging" else "no"
    values: dict[str, float | str] = {v.PLUGGED: "yes", v.CHARGING: flag, v.CHARGE_STATUS: status}
    data = Words(car).encode("ChargePlug", values, waking=False)
    frame = Frame(car.database.get_message_by_name("ChargePlug").frame_id, False, data, Instant("", 0))
    told = {signal.name: signal.value for signal in Decoder(car).frame(frame)}
    assert (told[v.CHARGE_STATUS], told[v.CHARGING]) == (status, flag)


COUNTED = [("zoe-ph1", 48_211.99), ("kangoo-ze", 48_211.0), ("zoe-ph2-obd", 48_211.0)]


@pytest.mark.parametrize(("model", "shown"), COUNTED)
def test_an_odometer_counts_what_is_full(model: str, shown: float) -> None:
    car = LOADED[model]
    entry = car.mapped(v.ODOMETER)
    assert entry is not None
    data = Words(car).encode(entry.message, {v.ODOMETER: 48_211.996}, waking=False)
    raw = car.database.get_message_by_name(entry.message).decode(data, decode_choices=False)
    assert raw[entry.field] == pytest.approx(shown)  # type: ignore[index]
    assert exactness.counted(car, 48_211.996) == pytest.approx(shown)
    assert exactness.counted(car, 3 * 0.1 * 10) == pytest.approx(3.0)


def test_a_word_may_be_late_by_a_second_and_by_its_own_period_where_that_is_no_shorter_or_it_is_asked() -> None:
    late = {model: exactness.late_ms(LOADED[model], v.IGNITION, Phase.AWAKE, Phase.DRIVING) for model in LOADED}
    assert late == {"zoe-ph1": 1_000, "kangoo-ze": 1_000, "zoe-ph2-obd": 2_000, "zoe-ph2-vcan": 2_000}
