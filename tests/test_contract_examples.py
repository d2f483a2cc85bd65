"""The ten minutes of docs/contract.md, as it says them: `python -m hil play`, and each example as a process of its own
against a real broker. The car says everything twice; a booking is told once.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.backend.broker import free_port
from tests import golden_payloads as golden
from tests import node_packages

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "docs" / "contract" / "examples"
PATIENCE_S = 90.0
BOOKING = f"{golden.VEHICLE}: booking 33: 41.7 km, 120 min, ended"
WANTED = {(golden.VEHICLE, golden.STREAM, n) for n in range(1, len(golden.BODIES) + 1)}
WANTED |= {(golden.VEHICLE, golden.SAMPLES, 7)}
pytestmark = pytest.mark.slow


def python(folder: Path) -> list[str]:
    return [sys.executable, str(EXAMPLES / "receive.py")]


def javascript(folder: Path) -> list[str]:
    return node_packages.runnable(folder, EXAMPLES / "receive.mjs")


def rows_of_python(folder: Path) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(folder / "received")) as db:
        return db.execute("SELECT vehicle, stream, n FROM records").fetchall()


def rows_of_javascript(folder: Path) -> list[tuple[Any, ...]]:
    lines = [json.loads(line) for line in (folder / "received").read_text().splitlines() if line]
    return [(line["vehicle"], line["stream"], line["record"]["n"]) for line in lines]


@contextlib.contextmanager
def process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        child = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def play(folder: Path, port: int, log: Path) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "hil", "play", "--once", "--folder", str(folder / "play"), "--port", str(port)]
    return process(command, log)


def until(holds: Callable[[], bool], *logs: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "\n".join(log.read_text() for log in logs)
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("command", "rows"), [(python, rows_of_python), (javascript, rows_of_javascript)], ids=["python", "javascript"]
)
def test_a_booking_is_told_once_though_all_is_said_twice_and_to_a_receiver_that_was_killed(
    tmp_path: Path, command: Callable[[Path], list[str]], rows: Callable[[Path], list[tuple[Any, ...]]]
) -> None:
    argv, port, names = command(tmp_path), free_port(), ("ca.pem", "receiver.pem", "receiver.key")
    argv += ["127.0.0.1", str(port), *(str(tmp_path / "play" / name) for name in names), str(tmp_path / "received")]
    told, said = tmp_path / "told.log", tmp_path / "said.log"
    for turn in (1, 2):  # the second time everything is there already, and acknowledged all the same
        with play(tmp_path, port, said) as car:
            until(lambda: said.read_text().count("listens on") == turn, said)  # noqa: B023 (asked at once)
            with process(argv, told) as receiver:
                until(lambda: car.poll() is not None, said, told)
                assert receiver.poll() is None, told.read_text()
        assert car.returncode == 0, said.read_text()
    assert said.read_text().count("All is committed") == 2
    assert sorted(rows(tmp_path)) == sorted(WANTED)
    assert re.findall(r".*booking.*", told.read_text()) == [BOOKING], told.read_text()
    assert "set aside" not in told.read_text()


@pytest.mark.parametrize("name", ["receive.py", "receive.mjs"])
def test_an_example_fits_on_two_screens(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 80
