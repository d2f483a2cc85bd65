"""R25: a charge is joined with the station's own session by station, charge point, times; its meter tells the kWh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil.backend.charge_sessions import ChargeSession, Metered, MeterError, read_meters, sessions
from hil.backend.placing import gather
from tests.fleet_facts import Car, at

IN, OUT = at("2026-11-10 10:00"), at("2026-11-10 14:00")


def charged(car: Car, plug_in: int = IN, out: int = OUT, **changes: Any) -> None:
    start, end = car.reading(plug_in + 60_000), car.reading(out - 60_000)
    body: dict[str, Any] = {
        "event": "closed", "booking": 7, "station": "Flers gare", "charge_point": "A", "plug_in": car.reading(plug_in),
        "start": start, "end": end, "unplug": car.reading(out), "why": "full", "energy_kwh": 99.9,
    }  # fmt: skip
    car.tell(out, "charge", **{**body, **changes})


def session(ident: str = "s1", point: str | None = "A", begin: int = IN, end: int = OUT, wh: int = 7_400) -> Metered:
    return Metered(ident, "Flers gare", point, begin, end, wh)


def only(car: Car, *metered: Metered) -> ChargeSession:
    [found] = sessions(gather(car.facts), metered)
    return found


def test_r25_the_meters_word_is_taken_and_the_batterys_is_nowhere() -> None:
    car = Car()
    charged(car)
    assert only(car) == ChargeSession(car.vehicle, "Flers gare", "A", 7, IN, OUT, "full")
    assert (only(car, session()).metered, only(car, session()).wh) == ("s1", 7_400)
    assert "99" not in repr(only(car, session()))


@pytest.mark.parametrize(
    ("metered", "joined"),
    [
        (session(begin=IN - 30_000, end=OUT + 90_000), True),  # the station's clock is not ours
        (session(point=None), True),
        (session(point="B"), False),
        (Metered("s1", "Argentan", "A", IN, OUT, 1), False),
        (session(begin=OUT + 200_000, end=OUT + 3_600_000), False),
    ],
)
def test_r25_station_charge_point_and_times_must_all_fit(metered: Metered, joined: bool) -> None:
    car = Car()
    charged(car)
    assert (only(car, metered).metered is not None) is joined


def test_r25_a_charge_point_that_the_car_does_not_know_is_no_obstacle() -> None:
    car = Car()
    charged(car, charge_point=None)
    assert only(car, session(point="B")).wh == 7_400


def test_each_session_belongs_to_one_charge_the_one_it_covers_most_of() -> None:
    car, later = Car(), OUT + 60_000
    charged(car)
    charged(car, later, later + 3_600_000, booking=None)
    first, second = session("first"), session("second", begin=later, end=later + 3_600_000, wh=3_000)
    found = sessions(gather(car.facts), [second, first])
    assert [(it.booking, it.metered, it.wh) for it in found] == [(7, "first", 7_400), (None, "second", 3_000)]
    assert sessions(gather(car.facts), [first, second]) == found
    found = sessions(gather(car.facts), [second])
    assert [it.metered for it in found] == [None, "second"]


def test_a_cable_that_nobody_saw_is_timed_by_the_charging() -> None:
    car = Car()
    charged(car, plug_in=IN, unplug=None)
    assert only(car).end_ms == OUT - 60_000
    car = Car()
    charged(car, plug_in=IN, **{"unplug": None, "end": None, "start": None})
    assert (only(car, session()).end_ms, only(car, session()).wh) == (None, None)


def test_a_charge_told_twice_is_one() -> None:
    car = Car()
    charged(car)
    charged(car)
    assert only(car, session()).wh == 7_400


def test_a_stations_file_is_read_and_its_mistakes_are_named_by_line(tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    head = "station,charge_point,begin,end,wh\n"
    good = "Flers gare,A,2026-11-10T10:00+01:00,2026-11-10T14:00+01:00,7400\n"
    file.write_text(head + good)
    assert read_meters(file) == [session("2")]
    wrong = {
        "Flers gare,A,2026-11-10T10:00,2026-11-10T14:00+01:00,7400": "needs an offset",
        "Flers gare,A,2026-11-10T10:00+01:00,2026-11-10T14:00+01:00,7.4": "7.4",
        "Flers gare,A,2026-11-10T15:00+01:00,2026-11-10T14:00+01:00,1": "ends before it begins",
        "Flers gare,A": "a value is missing",
    }
    for line, words in wrong.items():
        file.write_text(head + good + line + "\n")
        with pytest.raises(MeterError, match=r"meter\.csv:3: ") as found:
            read_meters(file)
        assert words in str(found.value)
    file.write_text("station,begin\n")
    with pytest.raises(MeterError, match="charge_point, end, wh is missing"):
        read_meters(file)
