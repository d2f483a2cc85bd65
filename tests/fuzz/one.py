"""Targets, each in a process of its own: `python -m tests.fuzz.one NAME ... --runs N`; `--again REPORT` judges the
input of a finding once more, which needs no atheris.

Coverage-guided by atheris (libFuzzer). What counts branches is loaded once (seconds) and then forked for each target.
The report is a line of JSON; where it is missing, libFuzzer ended the process itself (endless loop, memory) and says so
on standard error. Exit: 0 well, 1 a finding, 2 no atheris here.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import importlib.util
import json
import logging
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.fuzz.target import LOOKED_AT, Target, abuse, find

ABSENT: Final = "atheris is not installed: it has wheels for CPython 3.11 to 3.13 on x86-64 Linux alone"
HANG_NS: Final = 50_000_000  # of this thread's own processor time, so that a busy machine hangs nothing
AGAIN: Final = 3  # a slow call is repeated: a collection of garbage is slow once, a slow parser always
ENDLESS_S: Final = 60  # of wall time; libFuzzer then ends a call that never comes back
MOST_MB: Final = 512
GROWN_BLOCKS: Final = 3_000  # of Python's allocator, between a quarter of the runs and the end
GROWN_MB: Final = 64  # the same of the process: the fuzzer's own corpus grows too


def load(names: Sequence[str]) -> list[Target]:
    """The targets, everything below them loaded with its branches counted where atheris is here."""
    counted: Any = contextlib.nullcontext()
    if importlib.util.find_spec("atheris") is not None:
        import atheris

        counted = atheris.instrument_imports(include=list(LOOKED_AT))
    with counted:
        modules = [importlib.import_module(f"tests.fuzz.{find(name)}") for name in names]
    logging.disable(logging.CRITICAL)  # refusals are said a million times
    return [
        next(one for one in module.TARGETS if one.name == name) for name, module in zip(names, modules, strict=True)
    ]


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Run:
    """Counts, measures and judges each call; ends the process when `runs` are done or something is found."""

    def __init__(self, target: Target, runs: int, report: Path | None, place: Path) -> None:
        """place: where the target and the fuzzer keep files of this run; removed at the end."""
        self._target, self._runs, self._report, self._place = target, runs, report, place
        self._told: dict[str, Any] = {"target": target.name, "runs": 0, "accepted": 0, "slowest_ms": 0.0}
        self._quarter: tuple[int, float] | None = None

    def begin(self) -> None:
        """Good inputs and abuse, twice: what is loaded or cached at first is paid for by nobody."""
        for measured in (False, True):
            for data in (*self._target.seeds, *self._target.corpus, *abuse(self._target.longest)):
                self._attempt(data, measured=measured)
        assert all(self._target.judge(data) for data in self._target.seeds), "a good input is refused"

    def one(self, data: bytes) -> None:
        """What libFuzzer calls."""
        self._told["runs"] += 1
        self._told["accepted"] += self._attempt(data, measured=True)
        if self._told["runs"] == max(1, self._runs // 4):
            self._quarter = _memory()
        if self._told["runs"] >= self._runs:
            self._end(self._grown())

    def _attempt(self, data: bytes, *, measured: bool) -> bool:
        accepted, took_ns = self._judged(data)
        again = 0
        while measured and took_ns > HANG_NS and again < AGAIN:
            again += 1
            took_ns = min(took_ns, self._judged(data)[1])
        if measured:
            self._told["slowest_ms"] = max(self._told["slowest_ms"], round(took_ns / 1e6, 1))
        if measured and took_ns > HANG_NS:
            self._end(f"takes {took_ns / 1e6:.0f} ms of processor time", data)
        return accepted

    def _judged(self, data: bytes) -> tuple[bool, int]:
        before = time.thread_time_ns()
        try:
            accepted = self._target.judge(data)
        except (Exception, RecursionError):
            self._end(traceback.format_exc(), data)
        return accepted, time.thread_time_ns() - before

    def _grown(self) -> str | None:
        now, before = _memory(), self._quarter or _memory()
        blocks, megabytes = now[0] - before[0], now[1] - before[1]
        self._told |= {"blocks": blocks, "mb": round(megabytes, 1), "resident_mb": round(now[1])}
        if blocks > GROWN_BLOCKS or megabytes > GROWN_MB:
            return f"memory grows: {blocks} blocks and {megabytes:.1f} MB since a quarter of the runs"
        return None

    def _end(self, wrong: str | None, data: bytes = b"") -> None:
        self._told |= {"wrong": wrong} | ({"input": data.hex()} if wrong else {})
        line = json.dumps(self._told)
        print(line, flush=True)
        if self._report is not None:
            self._report.write_text(line)
        shutil.rmtree(self._place, ignore_errors=True)
        os._exit(wrong is not None)  # not through atheris, which would print all of it again


def _memory() -> tuple[int, float]:
    gc.collect()
    return sys.getallocatedblocks(), resident_mb()


def fuzz(target: Target, run: Run, seed: int, folder: Path) -> None:
    """Does not return. Raises `ImportError` without atheris."""
    import atheris

    run.begin()
    (folder / "corpus").mkdir()
    for number, data in enumerate((*target.seeds, *target.corpus)):
        (folder / "corpus" / str(number)).write_bytes(data)
    options = [f"-seed={seed}", f"-max_len={min(target.longest, target.mutated)}", f"-timeout={ENDLESS_S}",
               f"-rss_limit_mb={MOST_MB}", f"-artifact_prefix={folder}/"]  # fmt: skip
    if target.words:
        (folder / "words").write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        options.append(f"-dict={folder / 'words'}")
    atheris.Setup([target.name, *options, str(folder / "corpus")], run.one)
    gc.freeze()  # what is loaded stays: it need not be looked through again and again
    atheris.Fuzz()


def forked(target: Target, runs: int, seed: int, report: Path | None) -> bool:
    """Whether it went well, in a child of this process."""
    child = os.fork()
    if not child:
        place = Path(tempfile.mkdtemp())
        fuzz(target, Run(target, runs, report, place), seed, place)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02X}" for byte in word)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1, help="the same seed and the same code give the same run")
    parser.add_argument("--reports", type=Path, help="folder, for NAME.json of each")
    parser.add_argument("--again", type=Path, help="a report with a finding: judge its input and nothing else")
    options = parser.parse_args()
    if options.again is not None:
        data = bytes.fromhex(json.loads(options.again.read_text())["input"])
        print("accepted" if load(options.targets)[0].judge(data) else "refused")
        return 0
    if importlib.util.find_spec("atheris") is None:
        print(ABSENT, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="boitier-fuzz-") as tempfile.tempdir:
        well = True
        for target in load(options.targets):
            report = options.reports / f"{target.name}.json" if options.reports else None
            well &= forked(target, options.runs, options.seed, report)
    return int(not well)


if __name__ == "__main__":
    sys.exit(main())
