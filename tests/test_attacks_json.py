"""The public set of abused JSON, at every place where this box reads JSON: nothing raises, and nothing is believed.

What is not here: damage of what we wrote ourselves (`test_vault_damage.py`), and the set on the wire (`test_wire.py`).
"""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.access.remote import COUNTER, SPENT
from agent.car.under_way import UnderWay
from agent.run import accepted
from agent.run.timekeeper import Timekeeper
from agent.sync import stored
from drivers.local.control import ControlSocket
from keyless.clock import BUILD_S
from tests.door_bench import ALICE, DoorBench
from tests.fakes.clock import ManualClock


@pytest.fixture(scope="module")
def abuse(shared: Path) -> dict[str, bytes]:
    """By name: `n_` must not be taken for JSON, `y_` must, `i_` may."""

    def members() -> Iterator[tuple[str, bytes]]:
        with tarfile.open(shared / "data" / "json" / "JSONTestSuite.tar.gz") as files:
            for member in files:
                file = files.extractfile(member) if member.isfile() and member.name.endswith(".json") else None
                if file is not None:
                    yield Path(member.name).name, file.read()

    found = dict(members())
    assert len(found) > 150
    return found


def test_no_reader_of_what_is_stored_raises_anything_but_a_value_error(abuse: dict[str, bytes]) -> None:
    kinds = (dict[str, object], list[object], tuple[int, int], UnderWay, float)
    for name, data in abuse.items():
        read = 0
        for kind in kinds:
            try:
                value = stored.value(kind, data)
            except ValueError:
                continue
            read += 1
            msgspec.json.encode(value)  # and can be written again
        # Python takes the two infinities for JSON; here they are no number, which is told from a number everywhere.
        assert not read or name[:2] != "n_" or "infinity" in name.lower() or "nan" in name.lower(), name


def test_a_floor_file_of_any_such_text_leaves_the_build_date(abuse: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "floor.json"
    for name, data in abuse.items():
        path.write_bytes(data)
        keeper = Timekeeper(ManualClock(), path)
        keeper.load()
        assert (keeper.interval().lo_s, keeper.interval().hi_s) == (BUILD_S, None), name


def test_a_record_of_what_was_accepted_is_no_such_text(abuse: dict[str, bytes], tmp_path: Path) -> None:
    for data in abuse.values():
        (tmp_path / accepted.ACCEPTED_FILE).write_bytes(data)
        with pytest.raises(ValueError, match=r"[a-z]"):
            accepted.read(tmp_path, "whose")


async def test_a_commands_counter_of_any_such_text_is_spent_and_the_door_opens(
    abuse: dict[str, bytes], tmp_path: Path
) -> None:
    bench = DoorBench(tmp_path)
    await bench.boot()
    bench.park()
    await bench.book(7, ALICE)
    await bench.store.commit(put={f"{COUNTER}{n:032x}": data for n, data in enumerate(abuse.values())})
    await bench.cut()
    bench.park()
    assert set(bench.door._remote._counters.values()) == {SPENT}, "nobody knows which commands were obeyed"
    await bench.tap(ALICE)
    assert bench.under.booking is not None
    await bench.off()


async def test_the_control_socket_answers_every_such_line(abuse: dict[str, bytes], tmp_path: Path) -> None:
    async def answer(request: object) -> dict[str, object]:
        return {"ok": True}

    path = tmp_path / "control.sock"
    socket = ControlSocket(path, answer)
    await socket.open()
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
        for name, data in abuse.items():
            if len(data) > 60_000:
                continue  # a longer line ends the connection (`test_local.py`)
            for line in data.split(b"\n"):
                writer.write(line + b"\n")
                assert b'"ok":' in await reader.readline(), name
        writer.close()
        await writer.wait_closed()
    finally:
        await socket.close()
