"""What the settings choose: the privacy policy, the car's folder, its contacts, what moves its lock. What is wrong
there costs a part and raises an alarm, and keeps no door shut (D15).

What is not here: which settings are used (`startup.py`) and what is done with the parts (`app.py`).
"""

from __future__ import annotations

from pathlib import Path

from config import car as cars
from config import privacy
from config.car import LockBlock
from config.errors import ConfigError
from config.settings import Settings
from drivers.fitted import Input
from drivers.lock.relay import RelayLock
from drivers.ports import Clock, LockPort

from ..car.inputs import Inputs
from .health import Alarms


def policy(settings: Settings, alarms: Alarms) -> privacy.Policy:
    """Of a broken one nothing is kept but what is asked for by name."""
    found, problems = privacy.examine(settings.privacy)
    if problems:
        alarms.raised("privacy_policy", problems=[str(problem) for problem in problems])
    return found


def car(settings: Settings, alarms: Alarms) -> tuple[Path | None, LockBlock | None, str | None]:
    """Its folder, and its lock signal (`cars.lock_signal`). A folder that does not fit together costs the read-back."""
    try:
        folder = cars.find(settings.vehicle.car)
        return folder, *cars.lock_signal(folder)
    except ConfigError as error:
        alarms.raised("car_folder", problems=[str(problem) for problem in error.problems])
        return None, None, None


def inputs(settings: Settings, clock: Clock) -> Inputs:
    """Opened after READY: until then, and while it cannot be read, an input is unknown, which blocks nothing (R1)."""
    wanted = settings.inputs
    lines = {name: line for name in Input if (line := getattr(wanted, name.value)).fitted}
    if not lines:
        return Inputs(clock, {})
    from drivers.gpio.line import GpioInput

    return Inputs(clock, {name: GpioInput(line, wanted.debounce_ms, clock) for name, line in lines.items()})


def lock(settings: Settings, clock: Clock, folder: Path | None, alarms: Alarms) -> LockPort:
    wanted = settings.lock
    if wanted.driver == "diagnostic" and folder is not None:
        spec = cars.diagnostic_lock(folder)
        if spec is not None:
            from drivers.can.bus import CanBus
            from drivers.can.diag import Diagnostics
            from drivers.lock.diagnostic import DiagnosticLock

            return DiagnosticLock(Diagnostics(CanBus(settings.can.channel, clock)), spec, clock)
        alarms.raised("no_lock_command", why="this car has no public lock command; the relay board is used")
    relay = RelayLock(
        wanted.device, wanted.baud, wanted.unlock_channel, wanted.lock_channel, wanted.unlock_pulse_ms,
        wanted.lock_pulse_ms, clock,
    )  # fmt: skip
    relay.open()
    return relay
