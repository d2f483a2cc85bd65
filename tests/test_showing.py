"""Which letters a refusal shows at the reader, and that page and sticker say the same (docs/keypad.md)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from agent.access.booking import HARD
from agent.access.saying import TEXTS
from agent.access.showing import shown
from drivers.ports import Feedback, Reason
from drivers.reader.badge import ANSWERS, REASONS
from keyless.refusal import Code, Refusal, refused
from tests.door_bench import ALICE, BOB, HOUR, MALLORY, DoorBench, the_bench  # noqa: F401 (fixtures)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "keypad.md"


@pytest.mark.parametrize(
    ("refusal", "reasons"),
    [
        (refused(Code.TOO_EARLY, since=5), (Reason.TOO_EARLY,)),
        (refused(Code.OCCUPIED, free_at=5), (Reason.OCCUPIED,)),
        (refused(Code.CLOCK_UNSURE), (Reason.CLOCK_UNSURE,)),
        (refused(Code.STATE_GUARD, reasons=["door_open"]), (Reason.NOT_ENDED, Reason.DOOR_OPEN)),
        (
            refused(Code.STATE_GUARD, reasons=["key_missing", "ignition_on"]),
            (Reason.NOT_ENDED, Reason.IGNITION_ON, Reason.KEY_MISSING),
        ),
        (
            refused(Code.STATE_GUARD, reasons=list(HARD)),
            (Reason.NOT_ENDED, Reason.MOVING, Reason.IGNITION_ON, Reason.DOOR_OPEN, Reason.KEY_MISSING),
        ),
        (refused(Code.CODE, reasons=["keypad_locked"]), (Reason.KEYPAD_LOCKED,)),
        (refused(Code.CODE), ()),
        (refused(Code.STATE_GUARD, moving="yes"), ()),
        (refused(Code.STATE_GUARD, reasons=["no_booking"]), ()),
        (refused(Code.REVOKED), ()),
        (refused(Code.NOT_STORED), ()),
    ],
)
def test_what_a_person_can_act_on_differs(refusal: Refusal, reasons: tuple[Reason, ...]) -> None:
    assert shown(refusal) == reasons


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
    not_ended = REASONS[Reason.NOT_ENDED].decode().strip()
    for it, letter in REASONS.items():
        before = f"{refused_} {not_ended}" if str(it) in HARD else refused_
        names[f"{before} {letter.decode().strip()}"] = str(it)
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
    await bench.tap(ALICE)
    assert bench.reader.reasons == [
        (Reason.TOO_EARLY,), (), (), (Reason.OCCUPIED,), (Reason.NOT_ENDED, Reason.DOOR_OPEN)
    ]  # fmt: skip
    refused_ = Feedback.REFUSED
    assert bench.reader.shown == [refused_, refused_, Feedback.OPENED, refused_, refused_]
