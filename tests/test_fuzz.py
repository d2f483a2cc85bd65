"""Every parser of bytes from outside against a fuzzer: 20,000 inputs each here, a million in `make fuzz`."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path

import pytest

from tests.fuzz import one
from tests.fuzz.__main__ import run, summary
from tests.fuzz.target import TARGETS, Target, abuse

RUNS = 20_000
SEED = 1  # the same inputs for the same code, so that a failure here is a failure everywhere


def targets(module: str) -> tuple[Target, ...]:
    return tuple(importlib.import_module(f"tests.fuzz.{module}").TARGETS)


@pytest.mark.parametrize("module", TARGETS)
def test_good_inputs_are_accepted_and_abuse_breaks_nothing(module: str) -> None:
    """What needs no fuzzer; and the names by which the processes find their targets are right."""
    assert tuple(target.name for target in targets(module)) == TARGETS[module]
    for target in targets(module):
        assert all(target.judge(data) for data in target.seeds), target.name
        for data in (*target.corpus, *abuse(target.longest)):
            target.judge(data)


@pytest.mark.slow
@pytest.mark.parametrize("module", TARGETS)
def test_no_input_breaks_a_promise_hangs_or_stays_in_memory(module: str) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip(one.ABSENT)
    reports = run(TARGETS[module], RUNS, SEED)
    assert [report for report in reports if report["wrong"] is not None or report["runs"] != RUNS] == []
    assert len(reports) == len(TARGETS[module])


# --- the guards themselves


class Ended(Exception):
    pass


def ended(target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[bytes]) -> dict[str, object]:
    """The report of a run over these inputs."""

    def leave(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(one.os, "_exit", leave)
    place = tmp_path / "place"
    place.mkdir()
    at = one.Run(target, len(inputs), tmp_path / "report", place)
    with pytest.raises(Ended) as left:
        list(map(at.one, inputs))
    report: dict[str, object] = json.loads((tmp_path / "report").read_text())
    assert left.value.args == (report["wrong"] is not None,)
    assert not place.exists()
    return report


def test_a_broken_promise_is_found_with_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("x", lambda data: bool(1 // (data[0] - 7)), (), 1)
    report = ended(target, tmp_path, monkeypatch, [b"\1", b"\7", b"\2"])
    assert "ZeroDivisionError" in str(report["wrong"])
    assert (report["input"], report["runs"]) == ("07", 2)


def test_a_hang_is_found_and_one_slow_call_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = iter([10, 60, 10, 60, 60, 60, 60, 0])
    now = [0]

    def clock() -> int:
        return now[0]

    def judge(data: bytes) -> bool:
        now[0] += next(slow) * 1_000_000
        return True

    monkeypatch.setattr(one.time, "thread_time_ns", clock)
    report = ended(Target("x", judge, (), 1), tmp_path, monkeypatch, [b"1", b"2", b"3", b"4"])
    assert report["wrong"] == "takes 60 ms of processor time"
    assert (report["input"], report["runs"]) == ("33", 3)


def test_what_stays_in_memory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []

    def judge(data: bytes) -> bool:
        kept.append([object()])
        return False

    report = ended(Target("x", judge, (), 1), tmp_path, monkeypatch, [b""] * RUNS)
    assert "memory grows" in str(report["wrong"])
    kept.clear()


def test_a_clean_run_says_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = ended(Target("x", lambda data: data == b"a", (), 1), tmp_path, monkeypatch, [b"a", b"b"] * 50)
    assert (report["wrong"], report["runs"], report["accepted"]) == (None, 100, 50)
    assert "no broken promise, 50 accepted" in summary(report, 1, 2.0)
    assert "found bang" in summary({**report, "wrong": "Traceback\nbang"}, 1, 2.0)
