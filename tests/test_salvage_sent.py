"""What was salvaged, handed to the running daemon: sent under its old numbers, stored by the backend once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.sync import forms, salvaging, wire
from drivers.local.control import LINE_BYTES
from hil.backend import payload
from hil.backend.holdings import Holdings
from tests.agent_process import Box
from tests.aging_bench import VEHICLE
from tests.test_cli_buffer import ask, driven
from tests.test_salvage import Written, the_written  # noqa: F401 (fixtures)

OLD = "7a91c5d30e8842bf"
PLUG = {"kind": "plug", "boot": "b" * 16, "at": 1, "wall": None, "source": "none", "body": {"event": "plugged"}}


@pytest.fixture(name="box")
def the_box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path)
    asyncio.run(driven(found.state / "records.db"))
    yield found
    found.close()


def rows(path: Path) -> list[tuple[int, str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT n, body FROM facts ORDER BY n").fetchall()


def test_pages_hold_what_the_backend_lacks_and_fit_the_socket(written: Written) -> None:
    found = salvaging.read(written.path).facts
    asked = list(salvaging.pages(found))
    assert all(len(json.dumps({"op": "buffer", **page})) < LINE_BYTES for page in asked)
    told = [fact for page in asked for fact in salvaging.taken(json.loads(json.dumps(page)))]
    assert [forms.problems(fact.kind, fact.body) for fact in told] == [()] * len(told)
    *records, done = [dict(fact.body) for fact in told]
    texts = {record["n"]: wire.text(record["record"]).encode() for record in records}
    assert texts == {number: written.facts[number] for number in found.waiting}
    last, missing = max(written.facts), 0
    assert [done[key] for key in ("from", "to", "count", "missing")] == [6, last, len(found.waiting), missing]


@pytest.mark.parametrize(
    "request_",
    [
        {}, {"stream": "x", "facts": []}, {"stream": OLD}, {"stream": OLD, "facts": [[0, PLUG]]},
        {"stream": OLD, "facts": [[1, {"kind": "plug"}]]}, {"stream": OLD, "facts": [["1", PLUG]]},
        {"stream": OLD, "facts": [[1 << 60, PLUG]]}, {"stream": OLD, "done": [1, 2, 3]}, {"stream": OLD, "done": None},
    ],
)  # fmt: skip
def test_a_page_of_something_else_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        salvaging.taken(request_)


def test_the_daemon_takes_them_over_and_the_backend_stores_each_once(box: Box, tmp_path: Path) -> None:
    """A file of two bookings was set aside. Positions are not sent again; what had arrived is not stored again."""
    path, aside = box.state / "records.db", box.state / "records.db.broken-1"
    before = rows(path)
    path.rename(aside)
    box.start()
    box.ask("status")
    done = ask(box, "salvage", str(aside), "--send")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert ask(box, "salvage", str(path), "--send").returncode == 1, "the records under way"
    assert box.stop() == 0
    bills = {number: json.loads(body) for number, body in before if not body.startswith('{"kind":"position"')}
    sent = [(number, json.loads(body)) for number, body in rows(path)]
    records = {fact["body"]["n"]: fact["body"]["record"] for _, fact in sent if fact["body"].get("event") == "record"}
    assert records == bills
    assert f"{len(bills)} facts are the daemon's now" in done.stderr

    stream = salvaging.read(aside).facts.id
    holdings = Holdings(tmp_path / "backend.db")
    old = wire.facts(VEHICLE, stream, [(n, body) for n, body in before if n == 2])
    new = wire.facts(VEHICLE, OLD, rows(path))
    for _ in range(2):
        for message in (old, new):
            holdings.commit(payload.read(f"boitier/v1/{VEHICLE}/up/facts", message), 1)
    holdings.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "backend.db")) as connection:
        assert connection.execute("SELECT count(*) FROM conflicts").fetchone() == (0,)
        held = connection.execute("SELECT n, item FROM facts WHERE stream = ? ORDER BY n", (stream,)).fetchall()
    assert {number: json.loads(item) for number, item in held} == {n: {"n": n, **fact} for n, fact in bills.items()}


def test_what_carries_nothing_that_reads_is_stored_as_it_is() -> None:
    bearer = payload.Fact(VEHICLE, OLD, 1, "salvaged", "b" * 16, 1, None, "none", {}, "")
    unread: dict[str, Any] = {"event": "record", "record": {}, "stream_id": OLD}
    for body in ({}, {"event": "done"}, {"event": "record", "record": 5}, unread, {**unread, "stream_id": None}):
        fact = payload.Fact(*(getattr(bearer, name) for name in bearer.__slots__[:8]), body, "")
        assert payload.salvaged(fact) is None
