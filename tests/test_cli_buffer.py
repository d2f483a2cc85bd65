"""`boitier buffer` with the real daemon running, and with the file in its own hands (P8, P9)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.sync.disk import Disk
from agent.sync.record import When
from tests import aging_bench
from tests.agent_process import Box
from tests.aging_bench import HERE, SECRET
from tests.test_cli import boitier


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A box that drove bookings 33 and 34 before; it is not running."""
    found = Box(tmp_path)
    asyncio.run(driven(found.state / "records.db"))
    yield found
    found.close()


async def driven(path: Path) -> None:
    bench = aging_bench.Box(path)
    await bench.start()
    for booking in (33, 34):
        await bench.drive(booking, HERE)
        await bench.bill(booking)
    await bench.store.close()


def ask(box: Box, *arguments: str) -> subprocess.CompletedProcess[str]:
    return boitier("buffer", "--config", str(box.config), *arguments)


def told(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def everything(box: Box) -> bytes:
    return b"".join(file.read_bytes() for file in box.state.rglob("*") if file.is_file())


@pytest.fixture(params=["running", "stopped"])
def either(box: Box, request: pytest.FixtureRequest) -> Iterator[Box]:
    if request.param == "running":
        box.start()
        box.ask("status")
    yield box
    if request.param == "running":
        assert box.stop() == 0
        assert "Traceback" not in box.output()


def test_p9_everything_of_one_booking_is_handed_out_without_a_network(either: Box) -> None:
    out = either.folder / "33.json"
    done = ask(either, "export", "--booking", "33", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    found = json.loads(out.read_text())
    assert [fact["kind"] for fact in found["facts"]] == ["booking", "position"]
    assert [run["rows"][0]["values"] for run in found["samples"]] == [[57.0, *HERE]]
    assert "34" not in json.dumps([fact["body"]["booking"] for fact in found["facts"]])
    again = ask(either, "export", "--booking", "33", "--out", str(out))
    assert again.returncode == 1, "never over another file"
    assert json.loads(ask(either, "export", "--booking", "33").stdout) == found


def test_p9_nothing_held_of_a_booking_is_a_finding(either: Box) -> None:
    done = ask(either, "export", "--booking", "99")
    assert done.returncode == 1
    assert "Nothing is held of booking 99" in done.stderr


def test_p9_r26_one_booking_is_erased_and_what_bills_stays_and_it_says_so(either: Box) -> None:
    done = ask(either, "erase", "--booking", "33", "--yes")
    assert done.returncode == 0, done.stderr
    assert "1 positions and 1 runs of samples of booking 33" in done.stdout
    assert "2 facts that bill" in done.stdout, "the booking, and that it was erased"
    assert "2 of them wait for the backend" in done.stdout
    left = told(ask(either, "export", "--booking", "33"))
    assert [fact["kind"] for fact in left["facts"]] == ["booking", "purged"]
    assert left["samples"] == []
    assert len(told(ask(either, "export", "--booking", "34"))["samples"]) == 1
    found = told(ask(either, "erase", "--booking", "33", "--yes", "--json"))
    assert (found["positions"], found["samples"], found["under_way"]) == (0, 0, False)


def test_show_tells_numbers_and_no_content(either: Box) -> None:
    found = told(ask(either, "show", "--json"))
    assert found["samples"]["waiting"] == found["samples"]["positions"] == 2
    assert "48.4" not in json.dumps(found)
    assert "wait for the backend" in ask(either, "show").stdout


def test_p8_unsent_bills_are_not_lost_by_erasing_everything(either: Box) -> None:
    done = ask(either, "erase", "--all", "--yes")
    assert done.returncode == 1
    assert "wait for the backend and would be lost" in done.stderr
    assert "--lose-unsent" in done.stderr
    assert SECRET in everything(either)


def test_p8_everything_is_erased_with_no_daemon_running(box: Box) -> None:
    box.store_booking()
    done = ask(box, "erase", "--all", "--yes", "--lose-unsent", "--json")
    assert told(done) == {"erased": True}
    assert SECRET not in everything(box)
    assert list((box.state / "bookings").iterdir()) == []
    box.start()
    assert box.ask("status")["door"]["bookings"] == 0
    assert box.stop() == 0


def test_p8_the_daemon_erases_everything_as_its_last_act(box: Box) -> None:
    box.store_booking()
    box.start()
    before = told(ask(box, "show", "--json"))["streams"]
    done: list[subprocess.CompletedProcess[str]] = []
    asking = threading.Thread(
        target=lambda: done.append(ask(box, "erase", "--all", "--yes", "--lose-unsent", "--json"))
    )
    asking.start()
    assert box.process is not None
    assert box.process.wait(30) == 0
    assert SECRET not in everything(box)
    box.start()  # as the unit does
    asking.join()
    assert told(done[0]) == {"erased": True}
    assert set(told(ask(box, "show", "--json"))["streams"].values()).isdisjoint(before.values())
    assert box.ask("status")["door"]["bookings"] == 0
    assert box.stop() == 0
    assert "Traceback" not in box.output()


def test_p8_an_erasing_that_was_cut_off_is_finished_before_anything_is_opened(either: Box) -> None:
    running = either.process is not None
    if running:
        assert either.stop() == 0
    either.store_booking()
    records = either.state / "records.db"
    fresh = Disk(Path(f"{records}.fresh"), 4 << 20, aging_bench.VEHICLE, None, None)
    fresh.open(When("0", 0, None, "none"))
    streams = fresh.database.streams
    fresh.close()
    Path(f"{records}.erasing").touch()
    if running:
        either.start()
        assert either.ask("status")["door"]["bookings"] == 0
    assert told(ask(either, "show", "--json"))["streams"] == streams
    assert SECRET not in everything(either)
    assert list((either.state / "bookings").iterdir()) == []
    assert not Path(f"{records}.erasing").exists()


def test_p8_whoever_has_the_car_is_not_shut_out_by_erasing_everything(box: Box) -> None:
    box.store_booking()
    box.start()
    box.tap()
    box.reader.wait_for(b"O\n")
    done = ask(box, "erase", "--all", "--yes", "--lose-unsent")
    assert done.returncode == 1
    assert "a booking is under way" in done.stderr
    assert box.ask("status")["door"]["booking"] == 7
    assert box.stop() == 0
    done = ask(box, "erase", "--all", "--yes", "--lose-unsent")
    assert done.returncode == 1
    assert "a booking is under way" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("erase",), ("erase", "--booking", "1", "--all"), ("erase", "--all"), ("export",), ("erase", "--booking", "0")],
)
def test_wrong_use_is_told_before_anything_is_touched(box: Box, arguments: tuple[str, ...]) -> None:
    assert ask(box, *arguments).returncode == 2


def test_without_an_answer_nothing_is_erased(box: Box) -> None:
    done = ask(box, "erase", "--booking", "33")
    assert done.returncode == 1
    assert SECRET in everything(box)


def test_neither_daemon_nor_records_is_told_with_what_to_do(tmp_path: Path) -> None:
    empty = Box(tmp_path)
    done = ask(empty, "show")
    assert done.returncode == 1
    assert "does not run" in done.stderr
    assert "no records" in done.stderr
    empty.close()


def test_a_file_that_somebody_has_open_is_left_alone(box: Box) -> None:
    box.start()
    box.ask("status")
    hidden = box.folder / "elsewhere.toml"
    hidden.write_text(box.config.read_text().replace(str(box.socket), str(box.folder / "other.sock")))
    done = boitier("buffer", "--config", str(hidden), "show")
    assert done.returncode == 1
    assert "in use by another process" in done.stderr
    assert "--socket" in done.stderr
    assert box.stop() == 0
