"""Mutation testing of the key's core: `python -m tests.mutants`, or `make mutants` (twenty minutes of one core).

mutmut changes one thing at a time in the modules of `[tool.mutmut]` and runs the tests that pass there. What no test
notices must stand in docs/mutants.md with the reason why nobody could; 1 when something else survives, or when an
explanation is no longer needed. The counts go to docs/results.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hil import results

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "mutants.md"
NOTICED = ("killed", "timeout", "segfault", "caught by type check")
ROW = re.compile(r"^\| `([\w.]+)` \| `(.+?)` \| `(.*?)` \| .{10,} \|$", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Change:
    """One mutant, by what it does: numbers shift with every edit."""

    where: str
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"| `{self.where}` | `{self.was}` | `{self.becomes}` | WHY |"


def explained(page: str) -> set[Change]:
    """The rows of the page's table."""
    return {Change(*row) for row in ROW.findall(page)}


def read_show(name: str, shown: str) -> Change:
    """name: as mutmut calls it, `keyless.verify.x__barred__mutmut_7`. shown: what `mutmut show` printed."""
    module, _, function = name.removeprefix("keyless.").partition(".")
    function = function.partition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    lines = shown.splitlines()
    was = " ".join(line[1:].strip() for line in lines if re.match(r"-(?!--)", line))
    becomes = " ".join(line[1:].strip() for line in lines if re.match(r"\+(?!\+\+)", line))
    return Change(f"{module}.{function}", was, becomes)


def read_results(text: str) -> dict[str, str]:
    """Every mutant and what became of it, as `mutmut results --all true` prints them."""
    return dict(re.findall(r"^\s*(keyless\.\S+): (.+)$", text, re.MULTILINE))


def mutmut(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )  # fmt: skip
    return done.stdout


def main() -> int:
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", "1"], cwd=ROOT, check=False)
    found = read_results(mutmut("results", "--all", "true"))
    counts = Counter(found.values())
    alive = {read_show(name, mutmut("show", name)) for name, fate in found.items() if fate not in NOTICED}
    known = explained(PAGE.read_text(encoding="utf-8"))
    for change in sorted(alive - known):
        print(f"not noticed by any test, and not explained:\n  {change}")
    for change in sorted(known - alive):
        print(f"explained, but noticed or gone:\n  {change}")
    noticed, told = sum(counts[fate] for fate in NOTICED), len(alive & known)
    line = f"{len(found)} mutants, {noticed} noticed, {len(found) - noticed} not; {told} changes explained"
    print(line)
    results.keep(results.PAGE, "mutants", line)
    return int(not found or alive != known)


if __name__ == "__main__":
    sys.exit(main())
