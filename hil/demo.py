"""`make demo`: plays the story, compares both sides, prints the table, writes the report; 0 only if they agree.

What is not here: the story (`story.py`), the oracle (`backend/ledger.py`), the page (`report.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from .backend.held import Holding, read
from .backend.ledger import Judgement, judge
from .bench import AgentFailed, Bench
from .diary import Diary
from .guest import GuestFailed
from .report import Day, Row, page
from .story import CLERK, EXPECTED, Story
from .words import LANGUAGES, Words

OUT = Path(__file__).resolve().parents[1] / "out"
DIM, BOLD, GREEN, RED, PLAIN = "\033[2m", "\033[1m", "\033[32m", "\033[31m", "\033[0m"


@dataclass(slots=True)
class Teller:
    """Prints sentences with the time since the start; keeps them for the report."""

    colour: bool
    began_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    told: list[tuple[int, str]] = field(default_factory=list)

    def __call__(self, text: str) -> None:
        now = time.time_ns() // 1_000_000
        self.told.append((now, text))
        self._print(now, text, "")

    def progress(self, text: str) -> None:
        """What the machine does; not a part of the day."""
        self._print(time.time_ns() // 1_000_000, text, DIM)

    def _print(self, now: int, text: str, style: str) -> None:
        seconds = (now - self.began_ms) // 1000
        line = f"{seconds // 60}:{seconds % 60:02d}  {text}"
        print(f"{style}{line}{PLAIN}" if self.colour and style else line, flush=True)


def spans(diary: Diary, what: str, begin: str, end: str, last_ms: int) -> tuple[tuple[int, int], ...]:
    """Stretches between two kinds of moments, for instance of the link: "cut" to "back"."""
    found, since = [], None
    for moment in diary.of(what):
        if moment.value == begin and since is None:
            since = moment.at_ms
        elif moment.value == end and since is not None:
            found.append((since, moment.at_ms))
            since = None
    if since is not None:
        found.append((since, last_ms))
    return tuple(found)


def waiting_over_time(database: Path, vehicle: str) -> tuple[tuple[int, float], ...]:
    """How many facts waited in the box, as the backend can tell afterwards: made, but not yet arrived."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        sql = "SELECT (wall_lo + wall_hi) / 2, arrived_ms FROM facts WHERE vehicle=? AND wall_lo IS NOT NULL"
        rows = db.execute(sql, (vehicle,)).fetchall()
    steps = sorted([(made, 1) for made, _ in rows] + [(max(made, arrived), -1) for made, arrived in rows])
    found, count = [], 0
    for at, step in steps:
        count += step
        found.append((at, float(count)))
    return tuple(found)


def lock_marks(held: Holding) -> tuple[tuple[int, str, str], ...]:
    """What the backend was told of the lock: outcomes and refusals."""
    marks = []
    for fact in held.facts:
        if fact.when_ms is None:
            continue
        if fact.kind == "access" and fact.body["event"] == "outcome":
            action = str(fact.body["action"])
            marks.append((round(fact.when_ms), action, f"{action}: {fact.body['outcome']}"))
        elif fact.kind == "refused":
            marks.append((round(fact.when_ms), "refused", str(fact.body["code"])))
    return tuple(marks)


def the_day(bench: Bench, teller: Teller, words: Words, judgement: Judgement) -> Day:
    """Everything that the report draws."""
    vehicle, diary = bench.vehicle.ident.hex(), bench.world.diary
    held = read(bench.database, vehicle)
    end_ms = time.time_ns() // 1_000_000
    soc = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
    booked = []
    for fact in held.of("booking", event="closed"):
        start, end = fact.body["start"]["wall"], fact.body["end"]["wall"]
        label = words("staff" if fact.body["booking"] == CLERK else "private")
        booked.append((sum(start) // 2, sum(end) // 2, label))
    return Day(
        car=bench.car,
        bench=type(bench.machine).__name__.removesuffix("Machine").lower(),
        start_ms=teller.began_ms,
        end_ms=end_ms,
        happened=tuple(teller.told),
        rows=tuple(judgement.rows),
        route=tuple(held.track),
        stations=tuple((lat, lon, name) for name, lat, lon, _ in bench.vehicle.stations),
        private_positions=judgement.private_positions,
        dead_zones=spans(diary, "link", "cut", "back", end_ms),
        power_cuts=spans(diary, "power", "cut", "back", end_ms),
        bookings=tuple(booked),
        soc=tuple((round(s.when_ms), s.values[soc]) for s in held.samples if s.when_ms is not None and soc in s.values),
        queue=waiting_over_time(bench.database, vehicle),
        truth_locks=tuple(
            (m.at_ms, "lock" if m.value == "locked" else "unlock", f"{m.value} ({m.detail})") for m in diary.of("lock")
        ),
        held_locks=lock_marks(held),
    )


def table(rows: list[Row], words: Words, colour: bool) -> str:
    """The comparison for a terminal."""
    head = tuple(words(key) for key in ("col_what", "col_happened", "col_holds", "col_agrees"))
    lines = [head] + [(r.what, r.happened, r.holds, words("yes" if r.agrees else "no")) for r in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    if colour:
        text[0] = f"{BOLD}{text[0]}{PLAIN}"
        text[1:] = [line if row.agrees else f"{RED}{line}{PLAIN}" for line, row in zip(text[1:], rows, strict=True)]
    return "\n".join(text)


def lose_one(database: Path, vehicle: str) -> None:
    """Take one record out of the backend, behind everybody's back: the comparison must notice."""
    with closing(sqlite3.connect(database)) as db:
        sql = "DELETE FROM facts WHERE vehicle=? AND n=(SELECT max(n) / 2 FROM facts WHERE vehicle=?) "
        db.execute(sql, (vehicle, vehicle))
        db.commit()


def conclude(bench: Bench, teller: Teller, words: Words, options: argparse.Namespace) -> int:
    """Compare, print, write the report. 0 when both sides agree."""
    vehicle = bench.vehicle.ident.hex()
    if options.lose_one:
        lose_one(bench.database, vehicle)
    judgement = judge(bench.world.diary, bench.database, vehicle, EXPECTED)
    said = words.phrase
    judgement.rows = [Row(said(r.what), said(r.happened), said(r.holds), r.agrees) for r in judgement.rows]
    day = the_day(bench, teller, words, judgement)
    options.out.mkdir(parents=True, exist_ok=True)
    report = options.out / f"demo-{words.language}.html"
    report.write_text(page(day, words), encoding="utf-8")
    if options.json:
        print(json.dumps({"agrees": day.agrees, "findings": judgement.findings, "report": str(report)}))
    else:
        print(f"\n{words('happened_holds')}\n{table(judgement.rows, words, teller.colour)}\n")
        for finding in judgement.findings:
            print(f"  - {finding}")
        verdict = words("agree" if day.agrees else "disagree")
        print(f"{GREEN if day.agrees else RED}{verdict}{PLAIN}" if teller.colour else verdict)
        print(words("report_at", path=report))
    return 0 if day.agrees else 1


async def play(options: argparse.Namespace) -> int:
    """The whole demo. 0: both sides agree; 1: they do not, or the story could not be played to its end."""
    words, teller = Words(options.lang), Teller(sys.stdout.isatty() and not options.json)
    if options.json:
        teller._print = lambda *_: None  # type: ignore[method-assign]
    bench = Bench("zoe-ph1", options.bench, teller.progress)
    try:
        teller(words("boot", bench=options.bench))
        await bench.start()
        teller(words("ready", ms=round(bench.ready_ms)))
        await Story(bench, words, teller).day()
        code = conclude(bench, teller, words, options)
        if options.keep:
            from .prompt import stay  # only here: the demo itself needs no prompt

            await stay(bench, words)
        return code
    except (AgentFailed, AssertionError, GuestFailed, TimeoutError) as error:
        print(f"\n{type(error).__name__}: {error}\n" + "\n".join(list(bench.log)[-20:]), file=sys.stderr)
        return 1
    finally:
        await bench.stop()


def main(argv: list[str]) -> int:
    """`python -m hil demo …`"""
    parser = argparse.ArgumentParser(prog="python -m hil demo", description="One working day of a shared Zoé.")
    parser.add_argument("--bench", default="auto", help="host, guest, the channel of a real adapter, or auto")
    parser.add_argument("--lang", default="en", choices=LANGUAGES)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the report")
    parser.add_argument("--keep", action="store_true", help="leave everything running afterwards")
    parser.add_argument("--lose-one", action="store_true", help="remove a record from the backend: must end with 1")
    parser.add_argument("--json", action="store_true", help="only the verdict, as one JSON object")
    return asyncio.run(play(parser.parse_args(argv)))
