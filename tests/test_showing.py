"""Which letters a refusal shows at the reader, and that page and sticker say the same (docs/keypad.md)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agent.access.saying import TEXTS
from agent.access.showing import reason_of
from drivers.ports import Feedback, Reason
from drivers.reader.badge import ANSWERS, REASONS
from keyless.refusal import Code, Refusal, refused
from tests.door_bench import ALICE, BOB, HOUR, MALLORY, DoorBench, the_bench  # noqa: F401 (fixtures)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "keypad.md"


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (refused(Code.TOO_EARLY, since=5), Reason.TOO_EARLY),
        (refused(Code.OCCUPIED, free_at=5), Reason.OCCUPIED),
        (refused(Code.CLOCK_UNSURE), Reason.CLOCK_UNSURE),
        (refused(Code.STATE_GUARD, reasons=["door_open"]), Reason.NOT_ENDED),
        (refused(Code.STATE_GUARD, reasons=["ignition_on", "key_missing"]), Reason.NOT_ENDED),
        (refused(Code.CODE, reasons=["keypad_locked"]), Reason.KEYPAD_LOCKED),
        (refused(Code.CODE), None),
        (refused(Code.STATE_GUARD, moving="yes"), None),
        (refused(Code.STATE_GUARD, reasons=["no_booking"]), None),
        (refused(Code.REVOKED), None),
        (refused(Code.NOT_STORED), None),
    ],
)
def test_what_a_person_can_act_on_differs(refusal: Refusal, reason: Reason | None) -> None:
    assert reason_of(refusal) is reason


def test_every_letter_is_one_and_none_means_two_things() -> None:
    letters = [*ANSWERS.values(), *REASONS.values()]
    assert set(ANSWERS) == set(Feedback)
    assert set(REASONS) == set(Reason)
    assert len(set(letters)) == len(letters)


def test_page_and_sticker_say_the_same_in_both_languages() -> None:
    texts = [tomllib.loads((TEXTS / f"{language}.toml").read_text("utf-8"))["shown"] for language in ("en", "fr")]
    cells = [row.strip("| ").split(" | ") for row in PAGE.read_text("utf-8").splitlines() if row.startswith("| `")]
    told = {row[0].strip("`"): row[3:] for row in cells}
    refused_ = ANSWERS[Feedback.REFUSED].decode().strip()
    names = {answer.decode().strip(): str(it) for it, answer in ANSWERS.items()}
    names |= {f"{refused_} {letter.decode().strip()}": str(it) for it, letter in REASONS.items()}
    assert told == {letters: [text[name] for text in texts] for letters, name in names.items()}
    assert all(text.keys() == set(names.values()) for text in texts)


async def test_the_door_shows_it(bench: DoorBench) -> None:
    await bench.book(7, ALICE)
    await bench.book(8, BOB, begin=5 * HOUR, end=6 * HOUR)
    for badge in (BOB, MALLORY, ALICE):
        await bench.tap(badge)
    await bench.book(9, BOB)
    bench.say(door="yes", locked="no")
    await bench.tap(BOB)
    assert bench.reader.reasons == [Reason.TOO_EARLY, None, None, Reason.OCCUPIED]
    assert bench.reader.shown == [Feedback.REFUSED, Feedback.REFUSED, Feedback.OPENED, Feedback.REFUSED]
