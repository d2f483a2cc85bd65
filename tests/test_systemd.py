"""The units: hardened, notifying, never giving up. That they boot is proven in the guest."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[1] / "systemd"
SERVICE = UNITS / "boitier.service"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def options(unit: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return {section: dict(parser[section]) for section in parser.sections()}


@needs_systemd
@pytest.mark.parametrize("unit", sorted(UNITS.glob("*.service")), ids=lambda unit: unit.name)
def test_every_service_has_an_exposure_of_at_most_3_of_10(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


@needs_systemd
def test_every_option_of_the_units_is_known_to_systemd() -> None:
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(UNITS.glob("*.service")))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    ours = [line for line in complaints if "boitier" in line]
    assert ours == []


def test_d23_systemd_never_gives_up_restarting() -> None:
    found = options(SERVICE)
    assert found["Unit"]["StartLimitIntervalSec"] == "0"
    assert found["Service"]["Restart"] == "always"


def test_d24_the_unit_runs_python_m_agent_and_waits_for_ready() -> None:
    service = options(SERVICE)["Service"]
    assert service["Type"] == "notify"
    assert "python -m agent" in service["ExecStart"]
    assert "PYTHONSAFEPATH=1" in service["Environment"]


def test_d24_the_door_waits_for_no_network() -> None:
    unit = options(SERVICE)["Unit"]
    ordering = " ".join(unit.get(key, "") for key in ("After", "Requires", "BindsTo", "Requisite"))
    assert "network" not in ordering
    assert "can" not in unit.get("Requires", "")


def test_systemd_grants_more_time_to_stop_than_the_program_takes() -> None:
    assert int(options(SERVICE)["Service"]["TimeoutStopSec"]) > 5


def test_the_rig_never_meets_a_hook_in_the_unit() -> None:
    """The product runs in the guest with the unit that goes into a car."""
    assert "TEST" not in SERVICE.read_text().upper().replace("/DEFAULT/", "")
