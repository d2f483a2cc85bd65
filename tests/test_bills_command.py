"""`python -m hil.backend.bills`: what a person sees of a receiver's database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hil.backend.bills_command import main
from hil.backend.holdings import Holdings
from tests.fleet_facts import BORIS, Car, at
from tests.test_charge_sessions import charged


@pytest.fixture
def database(tmp_path: Path) -> Path:
    car = Car()
    car.drives(7, "2026-11-10 08:00", "2026-11-10 10:00", "2026-11-10 10:30")
    charged(car)
    car.drives(8, "2026-11-11 08:00", "2026-11-11 09:00", kind="staff", holder=BORIS)
    car.drives(9, "2026-11-30 20:00", "2026-12-01 08:00")
    path = tmp_path / "backend.db"
    holdings = Holdings(path)
    holdings.commit(car.facts, at("2026-12-02 00:00"))
    holdings.close()
    return path


def shown(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main([str(word) for word in argv]) == 0
    return capsys.readouterr().out


def test_the_table_tells_each_driver_each_booking_and_the_sum(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = shown(capsys, database)
    assert page.startswith("Autofree61: 3 bookings, 29.75 EUR\n")  # 2.5 h and 12 h, two months of use
    rows = [line.split() for line in page.splitlines()]
    assert next(row for row in rows if row[:1] == ["7"])[-5:] == ["3.75", "private", "billed", "ended", "late"]
    assert next(row for row in rows if row[:1] == ["8"])[-3:] == ["staff", "free", "ended"]
    assert "month of use 2026-12" in page
    assert "2026-11-30 20:00+0100" in page
    assert "Flers gare" in page


def test_the_months_add_up(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cents = [
        json.loads(shown(capsys, database, "--json", *more))["cents"]
        for more in ((), ("--month", "2026-11"), ("--month", "2026-12"), ("--month", "2027-01"))
    ]
    assert cents == [2975, 375 + 400, 1800 + 400, 0]


def test_the_order_book_and_the_stations_meter_are_taken(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders, meter = tmp_path / "orders.csv", tmp_path / "meter.csv"
    orders.write_text("booking,driver,cancelled\n7,Anna,\n9,Anna,\n10,,yes\n")
    meter.write_text(
        "station,charge_point,begin,end,wh\nFlers gare,A,2026-11-10T10:01+01:00,2026-11-10T14:00+01:00,7400\n"
    )
    said = json.loads(shown(capsys, database, "--json", "--orders", orders, "--meter", meter))
    assert [month["driver"] for month in said["months"]] == ["Anna", "Anna"]
    assert [(charge["booking"], charge["wh"]) for charge in said["charges"]] == [(7, 7400)]
    assert "7.400" in shown(capsys, database, "--meter", meter)


def test_what_is_wrong_is_said_with_what_to_do(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("booking,driver\nseven,Anna\n")
    empty = tmp_path / "empty.db"
    empty.touch()
    for argv, words in (
        ([database, "--tariff", tmp_path / "none.toml"], "none.toml"),
        ([database, "--orders", bad], "'seven' is no number of a booking"),
        ([tmp_path / "none.db"], "give the database of a receiver"),
        ([empty], "give the database of a receiver"),
    ):
        assert main([str(word) for word in argv]) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(database), "--month", "2026-13"])
    assert "write a month as 2026-11" in capsys.readouterr().err


def test_help_teaches() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hil.backend.bills", "--help"], capture_output=True, text=True, check=True
    )  # fmt: skip
    for words in ("examples:", "--orders", "hil/tariffs/autofree61.toml", "the battery's kWh never bill"):
        assert words in done.stdout
