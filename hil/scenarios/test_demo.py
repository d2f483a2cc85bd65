"""The demo's verdict is worth something: it agrees on an honest day, and not when the backend lost one record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.guest, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]


def demo(machine: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hil", "demo", "--bench", machine, "--out", str(folder), *more]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)


def test_the_day_of_the_demo_agrees_to_the_record(machine: str, tmp_path: Path) -> None:
    done = demo(machine, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.glob("*.html"))
    assert len(pages) == 1
    assert "http://" not in (text := pages[0].read_text()).replace("http://www.w3.org", "")
    assert "<svg" in text


def test_one_lost_record_turns_the_demo_red(machine: str, tmp_path: Path) -> None:
    done = demo(machine, tmp_path, "--lose-one", "--lang", "fr")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "missing" in done.stdout, "it went red for another reason"
