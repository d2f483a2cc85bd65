"""The streams under any order of things, and under kills: nothing returned is lost, no number comes twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from buffer import db, outbox, retention
from tests.buffer_bench import BIG, ack, add, offered

# --- any order of things ---------------------------------------------------------------------------------------------


class Streams(RuleBasedStateMachine):
    """Whatever happens: numbers rise by one, what is not acknowledged is offered, what is acknowledged is not."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "buffer.db"
        self.highest = 0
        self.done: set[int] = set()
        self.purged: set[int] = set()

    @initialize()
    def start(self) -> None:
        self.database = db.open_or_replace(self.path, BIG).database
        self.stream = self.database.streams["facts"]

    @rule(count=st.integers(1, 5))
    def commit(self, count: int) -> None:
        assert add(self.database, count) == list(range(self.highest + 1, self.highest + count + 1))
        self.highest += count

    @rule(upto=st.integers(0, 60), spans=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)), max_size=3))
    def acknowledge(self, upto: int, spans: list[tuple[int, int]]) -> None:
        ranges = [(a, a + more) for a, more in spans]
        done = ack(self.database, upto, ranges, at_ms=1000)
        covered = set(range(1, upto + 1)).union(*(range(a, b + 1) for a, b in ranges))
        self.done = covered & set(range(1, self.highest + 1))
        named = {number for first, last in done.gone for number in range(first, last + 1)}
        assert named == (self.purged - self.done if done.moved_back else set())

    @rule()
    def purge(self) -> None:
        with self.database.write() as connection:
            retention.purge(connection, 10**12, 0)
        kept = {row[0] for row in self.database.connection.execute("SELECT n FROM facts")}
        self.purged = set(range(1, self.highest + 1)) - kept

    @rule()
    def reopen(self) -> None:
        self.database.close()
        opened = db.open_or_replace(self.path, BIG)
        assert not opened.created
        self.database = opened.database
        assert self.database.streams["facts"] == self.stream

    @invariant()
    def offers_exactly_what_is_open(self) -> None:
        if self.highest:
            wanted = set(range(1, self.highest + 1)) - self.done - self.purged
            assert offered(self.database) == sorted(wanted)
            assert outbox.pending(self.database.connection).facts == len(wanted)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
        self.folder.cleanup()


Streams.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStreams = Streams.TestCase


# --- killed ----------------------------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from buffer import db, outbox
opened = db.open_or_replace(Path(sys.argv[1]), 1 << 24)
assert opened.quarantined is None, opened.detail
last = outbox.last(opened.database.connection, "facts")
while True:
    with opened.database.write() as connection:
        number = outbox.append_fact(connection, "x" * 120)
        if number % 7 == 0:
            outbox.seal(connection, lambda n: b"s" * 300)
        if number % 11 == 0:
            outbox.acknowledge(connection, opened.database.streams["facts"], number - 5, [], [], 0)
    print(number, flush=True)
"""


@pytest.mark.long
def test_kill_9_twenty_times_loses_no_returned_commit_and_reuses_no_number(tmp_path: Path) -> None:
    """A kill finds mistakes of logic only; that the disk keeps what it promised is for the power cuts to show."""
    path = tmp_path / "buffer.db"
    rng = random.Random(20)
    told = 0
    for _ in range(20):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        first = int(child.stdout.readline())
        assert first in (told + 1, told + 2)  # one commit may have been on disk and not yet told
        for _ in range(rng.randrange(5, 60)):
            told = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split("\n")  # told before the kill, read after it
        told = max([told, *(int(line) for line in rest[:-1] if line)])
        child.stdout.close()
        child.wait()
    opened = db.open_or_replace(path, BIG).database
    numbers = [row[0] for row in opened.connection.execute("SELECT n FROM facts ORDER BY n")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert told <= numbers[-1] <= told + 1
    assert opened.quick_check() == ()
    opened.close()
