"""The daemon asks for the time: when, how often, what it believes; a floor that was raised wrongly (R19, D13)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agent.access.authority import Authority
from agent.run.timekeeper import QUESTIONS, STALE_S, Timekeeper
from hil import tokens, vouchers
from keyless.clock import BUILD_S
from keyless.refusal import Code, Refusal
from keyless.signed_time import Question, read_question
from keyless.trust import KeySet, read_keyset
from tests.fakes.clock import ManualClock, settle
from tests.test_timekeeper import NOW_S, keeper, learn

TRUE_S = int(NOW_S)
ROOTS = tokens.Roots.fresh()
ISSUER, STRANGER = tokens.Issuer("example"), tokens.Issuer("example")
DAY_S = 86_400


def authority() -> Authority:
    keys = [(ISSUER, ("driver", "backend"))]
    data = tokens.keyset(ROOTS, keys, 3, TRUE_S - 1000, TRUE_S + 90 * DAY_S)
    found = read_keyset(data, tuple(bytes.fromhex(root) for root in ROOTS.public), ROOTS.threshold)
    assert isinstance(found, KeySet)
    return Authority(bytes(8), "example", found)


def answer(question: bytes, at_s: int = TRUE_S, issuer: tokens.Issuer = ISSUER) -> bytes:
    return vouchers.time_answer(issuer, question, at_s)


def code(found: Refusal | None) -> Code | None:
    return None if found is None else found.code


def raised_wrongly(clock: ManualClock, path: Path) -> Timekeeper:
    """A box whose receiver said tomorrow, and that was switched off after it."""
    before = keeper(clock, path)
    before.heard(TRUE_S)
    learn(clock, before, TRUE_S + 20 * 3600)
    assert before.write()
    return keeper(ManualClock(boot="b0070000000000a2"), path)


def test_it_asks_while_it_has_no_time_and_again_after_hours_without_a_witness(tmp_path: Path) -> None:
    clock = ManualClock()
    it = keeper(clock, tmp_path / "floor.json")
    assert it.wants_time
    learn(clock, it)
    assert not it.wants_time
    clock.move(STALE_S - 10)
    assert it.interval().source == "holdover"
    assert not it.wants_time
    clock.move(20)
    assert it.wants_time
    assert it.answered(answer(it.question(3, by_phone=True), TRUE_S + int(STALE_S)), authority()) is None
    assert not it.wants_time


def test_r19_a_floor_that_a_receiver_raised_wrongly_is_lowered_at_once_and_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "floor.json"
    it = raised_wrongly(ManualClock(), path)
    wrong = it.interval().lo_s
    assert wrong > TRUE_S + 19 * 3600
    clock = ManualClock(boot="b0070000000000a3")
    it = keeper(clock, path)
    learn(clock, it, TRUE_S)  # the receiver is right again, and looks like the past
    assert (it.interval().source, it.interval().lo_s) == ("none", wrong)
    question = it.question(3, by_phone=True)
    clock.move(4)
    assert it.answered(answer(question), authority()) is None
    now = it.interval()
    assert (now.source, now.lo_s, now.hi_s) == ("signed", TRUE_S, TRUE_S + 5)
    later = keeper(ManualClock(boot="b0070000000000a4"), path)  # the power was cut right then: nothing closed it
    assert later.interval().lo_s == TRUE_S
    learn(clock, it, TRUE_S + 2)
    assert it.interval().source == "gnss", "the receiver is believed again"


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (lambda question: answer(question, issuer=STRANGER), Code.UNKNOWN_KEY),
        (lambda question: answer(question, issuer=tokens.Issuer("other", ISSUER.key)), Code.ISSUER_ROLE),
        (lambda question: answer(question)[:-1] + b"\x00", Code.SIGNATURE),
        (lambda question: answer(vouchers.time_question(bytes(8), 3)), Code.REPLAY),
        (lambda question: answer(question, int(BUILD_S) - 10), Code.UNKNOWN_KEY),
        (lambda question: b"", Code.MALFORMED),
    ],
)
def test_what_is_forged_moves_nothing_and_uses_no_question_up(tmp_path: Path, made: object, wanted: Code) -> None:
    it = raised_wrongly(ManualClock(), tmp_path / "floor.json")
    before, question = it.interval(), it.question(3, by_phone=True)
    assert callable(made)
    assert code(it.answered(made(question), authority())) is wanted
    assert it.interval() == before
    assert it.answered(answer(question), authority()) is None, "the honest answer still comes in"
    assert code(it.answered(answer(question), authority())) is Code.REPLAY


def test_a_late_answer_is_refused_and_a_restart_voids_what_is_open(tmp_path: Path) -> None:
    clock, path = ManualClock(), tmp_path / "floor.json"
    it = keeper(clock, path)
    question = it.question(3, by_phone=True)
    clock.move(61)
    assert code(it.answered(answer(question), authority())) is Code.EXPIRED
    question = it.question(3, by_phone=True)
    assert code(keeper(clock, path).answered(answer(question), authority())) is Code.REPLAY
    assert it.answered(answer(question), authority()) is None


def test_eight_are_open_at_most_and_nobody_can_ask_others_away(tmp_path: Path) -> None:
    clock = ManualClock()
    it = keeper(clock, tmp_path / "floor.json")
    first = it.question(3, by_phone=True)
    asked = [it.question(3, by_phone=True) for _ in range(100)]
    assert len({first, *asked}) == QUESTIONS
    assert read_question(asked[-1]) == Question(asked[-1][2:10], 3)
    clock.move(50)
    assert it.question(3, by_phone=True) == asked[-1]
    clock.move(11)
    assert it.question(3, by_phone=True) not in asked, "a minute later they are gone"
    assert code(it.answered(answer(first), authority())) is Code.REPLAY


def test_without_a_key_set_nothing_is_believed(tmp_path: Path) -> None:
    it = keeper(ManualClock(), tmp_path / "floor.json")
    assert code(it.answered(answer(it.question(0, by_phone=True)), Authority(bytes(8), "example"))) is Code.UNKNOWN_KEY


async def test_a_disk_that_refuses_is_tried_again(tmp_path: Path) -> None:
    clock, folder = ManualClock(), tmp_path / "later"
    it = keeper(clock, folder / "floor.json")
    running = asyncio.create_task(it.run())
    assert it.answered(answer(it.question(3, by_phone=True)), authority()) is None
    assert it.interval().source == "signed"
    await settle()
    folder.mkdir()
    await clock.advance(60)
    assert json.loads((folder / "floor.json").read_bytes())["floor_s"] == TRUE_S
    running.cancel()


def test_strangers_phones_leave_the_backends_questions_alone(tmp_path: Path) -> None:
    it = keeper(ManualClock(), tmp_path / "floor.json")
    asked = [it.question(3, by_phone=True) for _ in range(100)]
    first, second = (it.question(3, by_phone=False) for _ in range(2))
    assert first != second
    assert not {first, second} & set(asked)
