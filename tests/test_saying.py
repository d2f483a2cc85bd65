"""Why not, in the driver's words: every code and every reason, in French and in English, with what to do next."""

from __future__ import annotations

import re
import string
import tomllib
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.access import saying
from agent.access.booking import HARD, SOFT, CarNow, hard, soft
from agent.access.saying import LANGUAGES, TEXTS, ended_but, flagged, language_of, said
from agent.car.state import Moving
from agent.car.stations import Where
from keyless import issue
from keyless.claims import Action, Booking, HolderKey, Role
from keyless.policy import CarView, Motion, Wish, decide
from keyless.refusal import Code, Refusal, refused
from keyless.verify import believe
from tests.keyless_world import CLAIMS, ISSUER, NOW, PHONE, situation

AT_2240 = 1_795_902_000  # Saturday 28 November 2026, 22:40 in Paris
ALL = {language: tomllib.loads((TEXTS / f"{language}.toml").read_text("utf-8")) for language in LANGUAGES}


def test_every_language_has_the_same_keys_and_the_same_holes() -> None:
    def shape(table: dict[str, Any]) -> dict[str, Any]:
        return {
            name: shape(it) if isinstance(it, dict) else [hole for _, hole, _, _ in string.Formatter().parse(str(it))]
            for name, it in table.items() if not isinstance(it, list)
        }  # fmt: skip

    def holes(found: dict[str, Any]) -> dict[str, Any]:
        return {k: holes(v) if isinstance(v, dict) else sorted({h for h in v if h}) for k, v in found.items()}

    assert holes(shape(ALL["en"])) == holes(shape(ALL["fr"]))
    assert [len(ALL[it]["days"]) for it in LANGUAGES] == [7, 7]
    assert [len(ALL[it]["months"]) for it in LANGUAGES] == [12, 12]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_and_every_reason_has_its_words(language: str) -> None:
    texts = ALL[language]
    assert set(texts["refused"]) == {code.value for code in Code}
    assert set(texts["refused_at"]) <= set(texts["refused"])
    worst = CarNow(True, True, False, False, False, Moving.YES, Where(False), 0.0, False)
    assert set(hard(worst)) == set(HARD) <= set(texts["reason"])
    flags = {name for at in (False, None) for name in soft(CarNow(*[None] * 5, Moving.NO, Where(at), 0.0))}  # type: ignore[arg-type]
    assert {*flags, *soft(worst), "not_locked"} == set(SOFT) == set(texts["flag"])
    for table in ("refused", "refused_at", "reason", "flag"):
        for name, sentence in texts[table].items():
            assert re.fullmatch(r"[A-ZÉÀ].{20,260}[.:]", sentence), f"{table}.{name}: a whole sentence"


def named_in_source() -> set[str]:
    """Reasons that some module writes into a refusal."""
    folders = [TEXTS.parent.parent / name for name in ("agent/access", "keyless")]
    found = (re.findall(r'reasons=\["(\w+)"\]', path.read_text("utf-8")) for f in folders for path in f.glob("*.py"))
    return {name for names in found for name in names}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_reason_is_written_that_has_no_words(language: str) -> None:
    assert {"no_booking", "located", "full", "command_late"} <= named_in_source()
    assert named_in_source() <= set(ALL[language]["reason"])


def test_a_driver_at_2240_is_told_when_and_what_to_do() -> None:
    early = refused(Code.TOO_EARLY, since=AT_2240)
    assert said(early, "en", AT_2240 - 3600).startswith("Your booking has not begun yet. The car opens from 22:40:")
    assert "samedi 28 novembre à 22 h 40" in said(early, "fr", AT_2240 - 86_400)
    assert "22:40 on Saturday 28 November" in said(early, "en")
    assert "12 h 05" in said(refused(Code.OCCUPIED, free_at=1_783_245_900), "fr"), "summer time: 10:05 UTC, 5 July"
    assert "five wrong codes" in said(refused(Code.CODE), "en")
    assert "22:40" in said(refused(Code.CODE, until=AT_2240), "en", AT_2240)


def test_r1_an_end_that_is_refused_says_first_that_the_booking_goes_on() -> None:
    why = refused(Code.STATE_GUARD, "the booking cannot end yet", reasons=["door_open", "key_missing"])
    assert said(why, "en") == (
        "Your booking has NOT ended. A door or the boot is open. Shut them all, then try again."
        " The key is not in its holder. Put it back, then try again."
    )
    assert said(why, "fr").startswith("Votre réservation n'est PAS terminée. Une porte")
    assert "NOT ended" not in said(refused(Code.STATE_GUARD, "the car is moving", moving="yes"), "en")
    another = refused(Code.EXPIRED, until=1, reasons=["another_began"])
    assert said(another, "en").startswith("Your booking was ended, and another")


def test_every_refusal_of_the_policy_is_said_by_its_own_reason() -> None:
    technician = replace(
        CLAIMS, role=Role.TECHNICIAN, confirmation=HolderKey(PHONE.public), actions=0xFFFF, exp=NOW + 60, nbf=NOW - 60,
        early_s=0, late_s=0,
    )  # fmt: skip
    booking = believe(issue.token(technician, ISSUER), situation())
    assert isinstance(booking, Booking)
    found = 0
    for moving, ignition, action in product(Motion, (None, True, False), (Action.UNLOCK, Action.GARAGE_ON)):
        refusal = decide(booking, Wish(action, remote=True), CarView(moving, ignition))
        if refusal is not None:
            found += 1
            assert saying.reasons_of(refusal), refusal
            assert said(refusal, "fr") != ALL["fr"]["refused"]["state_guard"]
    assert found == 12


def test_an_end_with_flags_says_what_to_look_after() -> None:
    assert flagged(("not_plugged",), "fr").startswith("La voiture n'est pas branchée.")
    assert flagged((), "fr") == ""
    assert flagged(("unheard of",), "en") == ""
    assert ended_but((), "en") is None
    assert ended_but(("card_missing",), "en") == f"Your booking has ended. {ALL['en']['flag']['card_missing']}"
    assert str(ended_but(("not_plugged",), "fr")).startswith("Votre réservation est terminée. La voiture n'est pas")


@pytest.mark.parametrize(("wanted", "language"), [("fr-FR", "fr"), ("FR", "fr"), ("de", "en"), ("", "en"), ("f", "en")])
def test_another_language_gets_english(wanted: str, language: str) -> None:
    assert language_of(wanted) == language
    assert said(refused(Code.HOLDER), wanted) == ALL[language]["refused"]["holder"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), lambda it: st.lists(it, max_size=3)
)


@given(st.sampled_from(Code), st.sampled_from(LANGUAGES), st.dictionaries(
    st.sampled_from(["reasons", "since", "until", "free_at", "moving", "ignition", "why"]), ANYTHING, max_size=4
), st.none() | st.floats(0, 2**35))  # fmt: skip
def test_whatever_a_refusal_holds_it_is_said(
    code: Code, language: str, detail: dict[str, Any], now_s: float | None
) -> None:
    told = said(Refusal(code, detail), language, now_s)
    assert told
    assert "{" not in told


@given(st.integers(0, 2**36 - 1), st.sampled_from(LANGUAGES))
def test_any_time_is_said(at_s: int, language: str) -> None:
    assert said(refused(Code.TOO_EARLY, since=at_s), language)
