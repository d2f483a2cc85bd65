"""`boitier token decisions` and `boitier token replay`, with the real daemon, and with the file in their own hands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.group import boitier as program
from tests.agent_process import Box, another_badge
from tests.door_bench import ALICE, HOUR, MALLORY, DoorBench, the_bench  # noqa: F401 (fixtures)
from tests.test_cli import boitier


def replay(file: Path, *words: str, language: str = "en") -> tuple[int, str]:
    done = CliRunner().invoke(
        program, ["token", "replay", str(file), *words], prog_name="boitier", env={"LC_ALL": language}
    )
    return done.exit_code, done.output


@pytest.mark.long
def test_what_the_daemon_decided_is_listed_saved_and_decided_again(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.store_booking()
    box.start()
    box.tap()
    box.reader.wait_for(b"O\n")
    box.tap(another_badge())
    box.until(lambda: box.ask("status")["door"]["counters"]["refused"] == 1)
    running = boitier("token", "decisions", "--config", str(box.config), "--json")
    assert box.stop() == 0
    by_hand = boitier("token", "decisions", "--config", str(box.config), "--json")
    assert running.returncode == by_hand.returncode == 0, running.stderr + by_hand.stderr
    assert running.stdout == by_hand.stdout
    listed = json.loads(running.stdout)
    assert [(it["n"], it["via"], it["booking"], it["action"], it["code"]) for it in listed] == [
        (1, "badge", 7, "unlock", None), (2, "badge", None, None, "not_stored"),
    ]  # fmt: skip
    assert "refused: not_stored" in boitier("token", "decisions", "--config", str(box.config)).stdout
    file = tmp_path / "record"
    done = boitier("token", "decisions", "--config", str(box.config), "--save", "1", str(file))
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    code, said = replay(file)
    assert code == 0, said
    assert "again: the same, byte for byte" in said
    assert "The car is unlocked. The booking begins." in said
    absent = boitier("token", "decisions", "--config", str(box.config), "--save", "9", str(file))
    assert absent.returncode == 1
    assert "there is no decision 9" in absent.stderr
    box.close()


async def kept(bench: DoorBench, name: str, file: Path) -> Path:
    return written(file, (await bench.store.read("decision/"))[name])


def written(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file


async def test_a_record_in_words_in_both_languages(bench: DoorBench, tmp_path: Path) -> None:
    await bench.book(7, ALICE, begin=5 * HOUR, end=6 * HOUR)
    await bench.tap(ALICE)
    file = await kept(bench, "decision/refused/0", tmp_path / "record")
    assert "then:  too_early: Your booking has not begun yet." in replay(file)[1]
    assert "La voiture s'ouvre à partir de" in replay(file, language="fr_FR.UTF-8")[1]
    code, said = replay(file, "--json")
    found = json.loads(said)
    assert (code, found["same"], found["then"]) == (0, True, found["again"])
    assert set(found["said"]) == {"en", "fr"}


async def test_a_record_that_was_changed_is_told_with_exit_1(bench: DoorBench, tmp_path: Path) -> None:
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    file = await kept(bench, "decision/moved/0", tmp_path / "record")
    written(file, file.read_bytes().replace(b'"moving":"no"', b'"moving":"yes"'))
    code, said = replay(file)
    assert code == 1
    assert "again: DIFFERENT: state_guard: The car is moving." in said
    assert json.loads(replay(file, "--json")[1])["again"]["code"] == "state_guard"


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 9000, None])
def test_what_is_no_record_is_wrong_use(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "record"
    if data is not None:
        file.write_bytes(data)
    code, said = replay(file)
    assert code == 2, said
    assert "record" in said


async def test_a_code_that_no_version_knows_is_said_as_it_is(bench: DoorBench, tmp_path: Path) -> None:
    await bench.tap(MALLORY)
    file = await kept(bench, "decision/refused/0", tmp_path / "record")
    file.write_bytes(file.read_bytes().replace(b'"code":"not_stored"', b'"code":"of_tomorrow"'))
    assert "then:  of_tomorrow: of_tomorrow" in replay(file)[1]
    assert replay(file)[0] == 1
