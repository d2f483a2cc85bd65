"""The report and its words: every text exists in both languages, every picture holds what it was given."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from hil.report import Day, Row, page
from hil.words import LANGUAGES, Words


def _day(**changes: object) -> Day:
    values: dict[str, object] = {
        "car": "zoe-ph1", "bench": "guest", "start_ms": 1_000_000, "end_ms": 1_120_000,
        "happened": ((1_001_000, "a <badge> & more"),),
        "rows": (Row("unlocks", "2", "2", True),),
        "route": tuple((1_010_000 + i * 1000, 48.6 + i * 1e-4, -0.64) for i in range(20)),
        "stations": ((48.6, -0.64, "Mairie"),),
        "private_positions": 0,
        "dead_zones": ((1_015_000, 1_020_000),), "power_cuts": ((1_050_000, 1_060_000),),
        "bookings": ((1_005_000, 1_090_000, "clerk"),),
        "soc": ((1_010_000, 71.0), (1_040_000, 70.2)), "queue": ((1_010_000, 0.0), (1_020_000, 12.0)),
        "truth_locks": ((1_006_000, "unlock", "badge"),), "held_locks": ((1_006_100, "unlock", "done"),),
    }
    return Day(**(values | changes))  # type: ignore[arg-type]


class _Strict(HTMLParser):
    """Collects what a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [str(value) for key, value in attrs if key in ("src", "href", "action")]


def test_languages_have_the_same_keys_and_the_same_holes() -> None:
    english = Words("en")
    for language in LANGUAGES:
        words = Words(language)
        assert words.all_keys() == english.all_keys()
        for key in english.all_keys():
            holes = [set(re.findall(r"{(\w+)", w._texts[key])) for w in (english, words)]
            assert holes[0] == holes[1], (language, key)


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_is_self_contained_and_draws_every_picture(language: str) -> None:
    text = page(_day(), Words(language))
    parser = _Strict()
    parser.feed(text)
    assert parser.outside == []
    assert "script" not in parser.tags
    assert parser.tags.count("svg") == 5
    assert text.count('class="way dead"') == 6
    assert "a &lt;badge&gt; &amp; more" in text


def test_the_oracles_table_is_french_in_french_and_untouched_in_english() -> None:
    assert Words("en").phrase("samples while driving") == "samples while driving"
    assert Words("fr").phrase("samples while driving") == "échantillons en roulant"
    assert Words("fr").phrase("booking 61001 (staff)") == "réservation 61001 (agent)"


def test_r27_a_position_of_a_private_booking_is_a_finding_not_a_footnote() -> None:
    assert _day().agrees
    day = _day(private_positions=1)
    assert not day.agrees
    assert "verdict no" in page(day, Words("en"))


def test_one_row_that_disagrees_turns_the_verdict() -> None:
    assert not _day(rows=(Row("unlocks", "2", "1", False),)).agrees


def test_empty_day_still_makes_a_page() -> None:
    page(_day(route=(), soc=(), queue=(), rows=(), happened=(), truth_locks=(), held_locks=()), Words("en"))
