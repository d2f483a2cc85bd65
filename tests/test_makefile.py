"""The two commands of a fresh machine: what `make` offers, what it says is missing, and that nothing is done twice."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from hil import packages, setup

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ["help", "venv", "packages", "check", "lint", "test", "demo", "bench", "coverage", "test-cuts", "test-load"]
TARGETS += ["test-radio", "fuzz", "test-machine", "mutants", "torture"]


def make(*words: str) -> str:
    """What a make command prints; fails the test when make does."""
    done = subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_alone_teaches_every_target() -> None:
    text = make()
    for target in TARGETS:
        assert re.search(rf"^  make {target} +\S", text, re.MULTILINE), f"{target} is not explained"
    assert "KEEP=1" in text


@pytest.mark.parametrize("target", TARGETS[1:])
def test_every_target_knows_what_it_would_do(target: str) -> None:
    make("-n", target)


def test_the_demos_words_are_handed_on() -> None:
    text = make("-n", "demo", "KEEP=1", "LANG_=fr", "ARGS=--speed 2")
    assert "-m hil demo --keep --lang fr --speed 2" in " ".join(text.split())


def test_ci_runs_what_everybody_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "set -euo pipefail"
    assert lines[-1] == "make test"


def test_every_direct_dependency_is_pinned_and_no_index_is_named() -> None:
    text = (ROOT / "constraints.txt").read_text()
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in text.splitlines() if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\[<>=~! ]", one)[0].lower() for one in wanted} - {"boitier"}
    assert names - pinned == set()
    assert not re.search(r"://|^-|@", text, re.MULTILINE), "a pin is a version, not a place"


def test_the_set_up_speaks_and_leaves_no_package_unexplained() -> None:
    for need in packages.needs(["systemd", "gpsd", "dbus", "radio", "browser"]):
        assert len(need.why.split()) > 3, need.package
        assert re.fullmatch(r"[a-z0-9.+-]+", need.package)


def test_set_up_runs_before_any_package_is_installed() -> None:
    """The two set-up modules import the standard library alone: -S leaves site-packages out."""
    for name in ("hil.setup", "hil.packages"):
        argv = ["python3", "-S", "-c", f"import {name}"]
        assert subprocess.run(argv, cwd=ROOT, capture_output=True, check=False).returncode == 0, name


def test_an_unpacked_program_finds_its_unpacked_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "usr" / "sbin" / "only-here"
    library = tmp_path / "usr" / "lib" / "x86_64-linux-gnu"
    for folder in (program.parent, library):
        folder.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(packages, "UNPACKED", tmp_path)
    assert packages.find("only-here") == program
    assert packages.environment(program, {})["LD_LIBRARY_PATH"].split(":")[0] == str(library)
    assert packages.environment(Path("/usr/bin/env"), {}) == {}


def test_an_existing_environment_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o755)
    setup.make_venv(tmp_path)
    assert capsys.readouterr().out == ""


def test_no_debian_is_told_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find", lambda program: None)
    with pytest.raises(SystemExit, match="This is no Debian"):
        packages.provide(["mosquitto"])
