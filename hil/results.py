"""The page with the last counts of the long tests: `docs/results.md`, one line for each, with date and commit.

`python -m hil.results NAME RESULT` keeps one from a command line.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
HEAD = """# Last results of the long tests

Written by the tests themselves, newest run of each. The commit is the one that was checked out; a `+` says that files
had been changed since. Other machines give other times, never other verdicts.

| test | date (UTC) | commit | result |
|---|---|---|---|
"""


def commit() -> str:
    """Short name of what is checked out; "unknown" where there is no repository."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def kept(page: Path, name: str) -> tuple[str, str]:
    """When (UTC) and with what result that test ran last; two empty texts where it never did."""
    for line in page.read_text(encoding="utf-8").splitlines() if page.exists() else ():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == name and len(cells) == 4:
            return cells[1], cells[3]
    return "", ""


def keep(page: Path, name: str, result: str) -> None:
    """Replace the line of that test, or add it."""
    text = page.read_text(encoding="utf-8") if page.exists() else HEAD
    line = f"| {name} | {datetime.now(UTC):%Y-%m-%d %H:%M} | {commit()} | {result} |"
    kept = [old for old in text.splitlines() if not old.startswith(f"| {name} |")]
    last = max((at for at, old in enumerate(kept) if old.startswith("|")), default=len(kept) - 1)
    kept.insert(last + 1, line)
    page.write_text("\n".join(kept) + "\n", encoding="utf-8")


if __name__ == "__main__":
    keep(PAGE, *sys.argv[1:3])
