"""The words of the prompt: what a line means, what is offered, and what is said about a word that does not fit."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import grammar
from hil.grammar import Misunderstood, complete, explain, parse
from hil.words import LANGUAGES, Words

WORDS = Words("en")


@pytest.mark.parametrize(
    ("line", "wish"),
    [
        ("drive 12km", ("drive", 12.0)),
        ("drive 12 km back", ("drive", 12.0, "back")),
        ("drive 800m", ("drive", 0.8)),
        ("drive 1,5km", ("drive", 1.5)),
        ("drive home", ("drive", "home")),
        ("  Ignition   ON ", ("ignition", "on")),
        ("door front_left open", ("door", "front_left", "open")),
        ("badge tap", ("badge", "tap")),
        ("badge tap 0A1B2C3D4E", ("badge", "tap", bytes.fromhex("0a1b2c3d4e"))),
        ("book private 30 min", ("book", "private", 1800.0)),
        ("fault link delay 2s", ("fault", "link", "delay", 2.0)),
        ("fault link delay 0s", ("fault", "link", "delay", 0.0)),
        ("fault power cut", ("fault", "power", "cut")),
        ("agent log 30", ("agent", "log", 30)),
        ("help fault", ("help", "fault")),
        ("quit # and home", ("quit",)),
        ("", ()),
    ],
)
def test_a_line_becomes_words_and_values(line: str, wish: tuple[object, ...]) -> None:
    assert parse(line, WORDS) == wish


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("drvie 12km", "did you mean: drive"),
        ("fault lnk cut", "did you mean: fault link"),
        ("fault broker freze", "did you mean: fault broker freeze"),
        ("door front open", "did you mean: door front_left"),
        ("xyzzy", "help lists"),
        ("drive far", "expected: KM \\(12km, 800m\\) or home"),
        ("drive 0km", "expected: KM"),
        ("drive 9999km", "expected: KM"),
        ("badge tap 12", "ten hex digits"),
        ("book staff 2", "2h, 30min, 5s"),
        ("fault link", "goes on: cut or back or delay"),
        ("plug in now", "one word too many"),
        ("help hlep", "did you mean: help"),
    ],
)
def test_what_is_not_understood_is_told_with_what_would_be_right(line: str, says: str) -> None:
    with pytest.raises(Misunderstood, match=says):
        grammar_of(parse(line, WORDS))


def grammar_of(wish: tuple[object, ...]) -> None:
    """`help` judges its word when it is carried out."""
    assert wish[0] == "help"
    explain(str(wish[1]), WORDS)


@given(st.text(max_size=60))
def test_any_text_is_a_wish_or_misunderstood(line: str) -> None:
    for language in LANGUAGES:
        with contextlib.suppress(Misunderstood):
            assert isinstance(parse(line, Words(language)), tuple)
    complete(line)


def test_completion_offers_what_fits_and_every_offer_leads_to_a_command() -> None:
    assert [choice.text for choice in complete("fault l")] == ["link"]
    assert [choice.text for choice in complete("fault link ")] == ["cut", "back", "delay"]
    assert [choice.text for choice in complete("power cut ")] == []
    examples = {"KM": "1km", "TIME": "1s", "HEX": "0102030405", "N": "3", "WORD": "drive"}
    found, lines = 0, [""]
    while lines:
        line = lines.pop()
        for choice in complete(line):
            longer = line + examples.get(choice.text, choice.text) + " "
            lines.append(longer)
            if complete(longer):
                with contextlib.suppress(Misunderstood):  # it may go on, and it may have to
                    found += bool(parse(longer, WORDS))
            else:
                found += bool(parse(longer, WORDS))
    assert found > 50


def test_help_explains_every_form_in_every_language() -> None:
    for language in LANGUAGES:
        words = Words(language)
        assert all(about for _, about in explain("", words))
        kinds = [words(f"kind_{kind.lower()}") for kind in grammar.KINDS]
        assert all(kinds)
    assert [form.split()[0] for form, _ in explain("agent", WORDS)] == ["agent", "agent"]
