"""R24: a tariff is its operator's own words; each must be there, and what is wrong is said at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.backend import tariff
from hil.backend.tariff import SHIPPED, Tariff, TariffError
from tests.fleet_facts import PLAIN, at

WORDS: dict[str, Any] = {
    "name": "x", "currency": "EUR", "timezone": "Europe/Paris",
    "hours": {
        "cents": 150, "billed": "booked", "late_free_min": 0, "not_ended": "closing", "step_min": 15, "rounding": "up",
        "minimum_min": 0, "no_show": "nothing", "cent": "half_up",
    },
    "month": {"cents": 400, "counts": "touched"},
    "kinds": {"private": "priced", "staff": "free", "relocation": "free", "maintenance": "free"},
}  # fmt: skip


def changed(table: str, **words: Any) -> dict[str, Any]:
    return {**WORDS, table: {**WORDS[table], **words}} if table else {**WORDS, **words}


def test_r24_the_shipped_file_says_what_autofree61_says() -> None:
    shipped = tariff.load(SHIPPED)
    assert (shipped.cents, shipped.month_cents, shipped.currency) == (150, 400, "EUR")
    assert shipped.free == {"staff", "relocation", "maintenance"}
    assert str(shipped.zone) == "Europe/Paris"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (changed("hours", cents=1.5), "[hours] cents = 1.5: write a whole number from 0"),
        (changed("hours", cents=True), "[hours] cents = True: write a whole number from 0"),
        (changed("hours", step_min=0), "[hours] step_min = 0: write a whole number from 1"),
        (changed("hours", rounding="off"), "[hours] rounding = 'off': write \"up\" or \"down\" or \"nearest\""),
        (changed("hours", energy_cents=20), "[hours] energy_cents: no such word in a tariff"),
        (changed("kinds", staff="cheap"), "[kinds] staff = 'cheap': write \"priced\" or \"free\""),
        (changed("", timezone="Europe/Flers"), 'timezone = "Europe/Flers": no such time zone'),
        (changed("", timezone="../../etc/passwd"), 'timezone = "../../etc/passwd": no such time zone'),
        (changed("", name=" "), "name = ' ': write a text"),
        (changed("", month=4), "[month] cents is missing; write a whole number from 0"),
        ({key: value for key, value in WORDS.items() if key != "hours"}, "[hours] billed is missing"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_named_with_what_to_write(said: dict[str, Any], line: str) -> None:
    with pytest.raises(TariffError) as found:
        tariff.read(said)
    assert line in str(found.value)


def test_all_mistakes_come_at_once_and_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text("name = 'ours'\n[hours]\ncents = -1\n")
    with pytest.raises(TariffError) as found:
        tariff.load(file)
    lines = str(found.value).splitlines()
    assert len(lines) > 10
    assert all(line.startswith(str(file)) for line in lines)
    file.write_text("name =")
    with pytest.raises(TariffError, match="no TOML"):
        tariff.load(file)


@pytest.mark.parametrize(
    ("rounding", "minutes", "billed"),
    [("up", 1, 15), ("up", 15, 15), ("up", 16, 30), ("down", 29, 15), ("down", 14, 0), ("nearest", 22, 15),
     ("nearest", 23, 30), ("up", 0, 0)],
)  # fmt: skip
def test_r24_time_is_rounded_as_the_tariff_says(rounding: str, minutes: int, billed: int) -> None:
    words = tariff.read(changed("hours", rounding=rounding))
    assert words.rounded_ms(minutes * 60_000) == billed * 60_000


def test_r24_the_minimum_and_the_broken_cent() -> None:
    assert tariff.read(changed("hours", minimum_min=60)).rounded_ms(60_000) == 3_600_000
    assert PLAIN.price(900_000) == 38  # 37.5
    assert tariff.read(changed("hours", cent="down")).price(900_000) == 37
    assert PLAIN.price(4 * 900_000) == 150


@pytest.mark.parametrize(
    ("begin", "end", "months"),
    [
        ("2026-11-30 20:00", "2026-12-01 08:00", ("2026-11", "2026-12")),
        ("2026-11-30 20:00", "2026-12-01 00:00", ("2026-11",)),  # back at midnight
        ("2026-12-31 23:59", "2027-01-01 00:01", ("2026-12", "2027-01")),
        ("2028-02-28 20:00", "2028-02-29 20:00", ("2028-02",)),  # a leap day
        ("2027-02-28 20:00", "2027-03-01 20:00", ("2027-02", "2027-03")),
        ("2026-10-31 23:30", "2027-01-01 00:30", ("2026-10", "2026-11", "2026-12", "2027-01")),
        ("2026-11-05 08:00", "2026-11-05 08:00", ("2026-11",)),
    ],
)
def test_r24_months_of_use_are_the_operators_calendar_months(begin: str, end: str, months: tuple[str, ...]) -> None:
    assert PLAIN.months(at(begin), at(end)) == months
    assert tariff.read(changed("month", counts="begun")).months(at(begin), at(end)) == months[:1]


def test_r24_a_month_begins_at_the_operators_midnight_not_at_greenwichs() -> None:
    first = at("2026-12-01 00:00")
    assert PLAIN.month(first) == "2026-12"
    assert PLAIN.month(first - 1) == "2026-11"
    assert first % 86_400_000 == 23 * 3_600_000  # 23:00 of the day before, in UTC


@given(
    st.integers(0, 10**10), st.integers(0, 10**10), st.sampled_from(["up", "down", "nearest"]), st.integers(1, 1440)
)  # fmt: skip
def test_longer_never_costs_less(one: int, two: int, rounding: str, step: int) -> None:
    words: Tariff = tariff.read(changed("hours", rounding=rounding, step_min=step))
    short, long = sorted((one, two))
    assert words.price(words.rounded_ms(short)) <= words.price(words.rounded_ms(long))
