"""Each benchmark runs in its quick form and gives its keys; no time is asserted, for machines differ."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hil import results
from hil.benchmarks import bus, keys, loss, page
from hil.benchmarks.__main__ import NAMES, read_options
from hil.benchmarks.figure import Figure, number, percentile, share
from hil.benchmarks.guest_use import GuestUse
from hil.benchmarks.road import COLUMNS, rows
from hil.machine import HostMachine

ROOT = Path(__file__).resolve().parents[1]
KEYS = {
    "start": {"start_ms"},
    "unlock": {"unlock_median_ms", "unlock_p99_ms"},
    "keys": {"command_median", "command_p99", "forgery_median", "exchange_round_trips"},
    "door": {"presented_median_ms", "presented_p99_ms"},
    "drain": {
        "drain_facts_per_s", "drain_samples_per_s", "payload_bytes", "wire_bytes", "payload_minute_bytes",
        "wire_minute_bytes",
    },
    "decode": {"decode_frames_per_s", "decode_mapped_frames_per_s"},
    "bus": {"bus_cpu_percent", "bus_decoded_cpu_percent", "bus_growth_percent", "bus_lost"},
    "month": {"month_rss_kib", "month_python_kib"},
    "day": {"day_rss_mib", "day_written_kib", "day_wire_kib", "day_payload_bytes"},
}  # fmt: skip
BOOTS = {"bus", "day"}
FIGURE = {"what", "value", "unit", "beside", "beside_value", "ratio", "target", "met", "load", "note"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.guest] if name in BOOTS else []) for name in NAMES]
)
def test_each_benchmark_runs_and_gives_its_keys(name: str) -> None:
    argv = [sys.executable, "-m", "hil.benchmarks", name, "--quick", "--json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["figures"]) == KEYS[name]
    assert all(set(figure) == FIGURE for figure in told["figures"].values())
    assert {"CPU", "kernel", "date", "commit"} <= set(told["machine"])
    assert "load" in done.stderr  # progress is shown


def test_a_benchmark_leaves_nothing_behind() -> None:
    before = set((ROOT / "out").glob("unlock-*"))
    argv = [sys.executable, "-m", "hil.benchmarks", "unlock", "--quick"]
    assert subprocess.run(argv, cwd=ROOT, capture_output=True, env={**os.environ}, check=False).returncode == 0
    assert set((ROOT / "out").glob("unlock-*")) == before


@pytest.mark.parametrize(
    ("figure", "ratio", "met", "target"),
    [
        (Figure("a", "", 2.0, "ms", "x", 4.0, 3.0), 0.5, True, "≤ 3 ms"),
        (Figure("b", "", 4.0, "ms", "x", 4.0, 3.0), 1.0, False, "≤ 3 ms"),
        (Figure("c", "", 1.0, "%", "x", 60.0, 1 / 50, of_ratio=True), 1 / 60, True, "≤ 1/50 of it"),
        (Figure("d", "", 1.0, "%", "x", 40.0, 1 / 50, of_ratio=True), 1 / 40, False, "≤ 1/50 of it"),
        (Figure("e", "", 6000.0, "rows/s", "x", 3000.0, 5000.0, at_least=True), 2.0, True, "≥ 5,000 rows/s"),
        (Figure("f", "", 6.0, "KiB"), None, None, ""),
    ],
)
def test_a_target_is_judged_by_the_value_or_by_the_ratio(
    figure: Figure, ratio: float | None, met: bool | None, target: str
) -> None:
    assert figure.ratio == ratio
    assert figure.met is met
    assert figure.target == target


def test_of_a_guest_counts_what_it_used_and_of_a_host_what_reader_and_sender_did() -> None:
    guest = [{"rate": 500, "used_s": used, "cpu_s": 99.0, "seconds": 10.0} for used in (2.0, 9.0, 1.0)]
    host = [{"rate": 4000, "used_s": None, "cpu_s": 3.0, "sender_cpu_s": 1.0, "seconds": 10.0}]
    assert bus.percent([*guest, *host]) == pytest.approx({500: 20.0, 4000: 40.0})


def test_between_two_looks_the_guest_used_evenly() -> None:
    use = GuestUse(HostMachine())
    assert use.used_s(10.0, 11.0) is None
    use._samples = [(10.0, 0), (12.0, 1_000_000_000), (13.0, 1_000_000_000)]
    assert use.used_s(10.5, 12.5) == pytest.approx(0.75)
    assert use.used_s(9.0, 20.0) == pytest.approx(1.0), "nothing is known before the first and after the last look"


def a_long_run(**changes: object) -> dict[str, Any]:
    """What the program tells after a run in which nothing was lost."""
    counters = {"bus_dropped_kernel": 0, "bus_dropped_queue": 0, "bus_silences": 0, "bus_lost": 0}
    return {
        "sent": 2_400_000, "seconds": 600.0, "messages": 17, "toggles": 40, "told": 1, "compared": 1000,
        "kernel": {"seen": 1000}, "changes": [{"a": 40, "b": 40}], "counters": counters | changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "findings"),
    [
        (a_long_run(), 0),
        (a_long_run() | {"kernel": {"seen": 999}}, 1),
        (a_long_run(bus_dropped_kernel=1), 1),
        (a_long_run(bus_dropped_queue=1), 1),
        (a_long_run(bus_silences=1), 1),
        (a_long_run() | {"changes": [{"a": 40, "b": 39}]}, 1),
        (a_long_run() | {"changes": [{}]}, 1),
        (a_long_run() | {"told": 0}, 1),
    ],
)
def test_a_long_run_that_missed_anything_says_so(found: dict[str, Any], findings: int) -> None:
    said, line = loss.judged(found)
    assert len(said) == findings
    assert ("nothing lost" in line) is (findings == 0)


def test_the_round_trips_of_a_phone_are_those_that_were_counted_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "PAGE", tmp_path / "results.md")
    assert keys.round_trips().note == "not counted yet"
    results.keep(results.PAGE, "radio", "5 round trips from hello to decision, 12 before them")
    found = keys.round_trips()
    assert (found.value, found.met) == (5.0, False)
    assert re.fullmatch(r"counted by `make test-radio`, 20\d\d-\d\d-\d\d \d\d:\d\d", found.note)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 99) == 99.0
    assert percentile(values, 50) == 50.0
    assert percentile([7.0], 99) == 7.0


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0.12345, 12.345, 123.45, 12_345.6)] == ["0.123", "12.3", "123", "12,346"]
    assert [share(value) for value in (2.5, 0.0125)] == ["2.50 ×", "1/80"]


def test_the_drive_has_every_column_and_repeats_itself_exactly() -> None:
    drive = rows(200, 1000)
    assert drive == rows(200, 1000)
    assert all(len(values) == len(COLUMNS) for _, values in drive)
    assert len({tuple(values) for _, values in drive}) > 150


def test_the_page_names_machine_date_commit_target_and_load(tmp_path: Path) -> None:
    figures = [Figure("start_ms", "a start", 117.0, "ms", "another", 66.0, 150.0, note="a word", load=0.5)]
    page.write(figures, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    for wanted in ("CPU:", "kernel:", "date:", "commit:", "| a start | 117 ms | 66 ms: another | 1.77 × |", "a word"):
        assert wanted in text
    assert "≤ 150 ms | yes | 0.5 |" in text
    assert "beside: another" in page.table(figures)


@pytest.mark.parametrize("argv", [["nothing"], ["--write", "--quick"], ["--write", "start"]])
def test_a_wrong_word_is_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(argv)
    assert ended.value.code == 2
    assert capsys.readouterr().err
