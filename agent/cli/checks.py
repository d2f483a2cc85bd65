"""What `boitier check` looks at, one function a subject. It moves nothing and starts nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config import car as cars
from config import privacy
from config.errors import ConfigError, Problem
from config.rules import INPUTS, RELAYS
from config.settings import InputLine, Serial, Settings
from config.settings import examine as examine_settings
from drivers.local.reach import gpsd_receivers, unreachable

NET = Path("/sys/class/net")
ADAPTERS = Path("/sys/class/bluetooth")
MIB = 1 << 20
UP = 1  # IFF_UP, Linux if.h


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list. todo: empty when good."""

    what: str
    good: bool
    found: str
    todo: str = ""


def examine(config: Path) -> list[Check]:
    """All of it, as far as the settings can be read at all."""
    settings, problems = examine_settings(config)
    checks = [_problem("settings", problem) for problem in problems]
    if not problems:
        checks.append(Check("settings", True, str(config)))
    if settings is not None:
        for subject in (
            _car, _privacy, _can, _gpsd, _serials, _bluetooth, _inputs, _state, _signer, _keys, _parcels,
            _cloud,
        ):  # fmt: skip
            checks += subject(settings)
    return checks


def _problem(what: str, problem: Problem) -> Check:
    where = f"{problem.file}: {problem.key}" if problem.key else problem.file
    return Check(what, False, f"{where}: {problem.problem}", problem.hint)


def _car(settings: Settings) -> Iterator[Check]:
    try:
        folder = cars.find(settings.vehicle.car)
    except ConfigError:
        return  # the settings said so already
    problems = cars.check(folder)
    for problem in problems:
        yield _problem("car folder", problem)
    if problems:
        return
    yield Check("car folder", True, str(folder))
    if cars.lock_signal(folder)[1] is None:
        yield Check("lock signal", True, "this car tells none: outcomes stay unknown, nothing is blocked")
    if settings.lock.driver == "diagnostic" and cars.diagnostic_lock(folder) is None:
        yield Check("lock", False, "this car has no public lock command", 'set lock.driver = "relay"')


def _privacy(settings: Settings) -> Iterator[Check]:
    policy, problems = privacy.examine(settings.privacy)
    for problem in problems:
        yield _problem("privacy policy", problem)
    if not problems:
        tracked = [kind for kind in ("staff", "relocation", "maintenance") if getattr(policy, kind).track]
        kept = f"tracks {', '.join(tracked)}" if tracked else "tracks nobody"
        days = policy.retention
        found = f"{settings.privacy or 'the shipped one'}: {kept}; positions go after {days.position_days:g} days, "
        yield Check("privacy policy", True, found + f"samples after {days.sample_days:g}")


def _can(settings: Settings) -> Iterator[Check]:
    channel = settings.can.channel
    flags = NET / channel / "flags"
    if not flags.is_file():
        todo = f"plug the adapter in; systemctl start boitier-can@{channel}"
        yield Check("CAN", False, f"no interface {channel}", todo)
    elif not int(flags.read_text(), 16) & UP:
        yield Check("CAN", False, f"{channel} is down", f"systemctl start boitier-can@{channel}")
    else:
        yield Check("CAN", True, f"{channel} is up")


def _gpsd(settings: Settings) -> Iterator[Check]:
    address = settings.gnss.gpsd
    if not address:
        return
    try:
        receivers = gpsd_receivers(address)
    except OSError as error:
        todo = "install gpsd and name the receiver in /etc/default/gpsd; systemctl enable --now gpsd"
        yield Check("satellite receiver", False, f"gpsd at {address}: {error}", todo)
        return
    if receivers:
        yield Check("satellite receiver", True, f"gpsd at {address}, with {', '.join(receivers)}")
    else:
        todo = "plug it in, or name it in DEVICES of /etc/default/gpsd"
        yield Check("satellite receiver", False, f"gpsd at {address} knows no receiver", todo)


def _serials(settings: Settings) -> Iterator[Check]:
    fitted: list[tuple[str, Serial | str]] = [("badge reader", settings.reader)]
    if not settings.gnss.gpsd:
        fitted.insert(0, ("satellite receiver", settings.gnss))
    if settings.lock.driver == "relay":
        fitted.append(("relay board", settings.lock.device))
    seen = {line if isinstance(line, str) else line.device for _, line in fitted}
    boards = {getattr(settings, name).device: name.replace("_", " ") for name in RELAYS}
    fitted += [(f"relay board of the {it}", device) for device, it in boards.items() if device and device not in seen]
    for what, line in fitted:
        device = line if isinstance(line, str) else line.device
        if not device:
            yield Check(what, True, "not fitted")
        elif not Path(device).exists():
            yield Check(what, False, f"{device} is not there", "plug it in, or name the right device in the settings")
        elif not os.access(device, os.R_OK | os.W_OK):
            yield Check(what, False, f"{device} may not be opened", "the user must be in the group dialout")
        else:
            yield Check(what, True, device)


def _inputs(settings: Settings) -> Iterator[Check]:
    for name in INPUTS:
        line: InputLine = getattr(settings.inputs, name)
        what, chip = f"input {name}", line.chip
        if not line.fitted:
            continue
        if not Path(chip).exists():
            yield Check(what, False, f"{chip} is not there", "`gpiodetect` lists the chips of this board")
        elif not os.access(chip, os.R_OK | os.W_OK):
            yield Check(what, False, f"{chip} may not be opened", "the user must be in the group gpio")
        else:
            yield Check(what, True, f"line {line.line} of {chip}")


def _bluetooth(settings: Settings) -> Iterator[Check]:
    """Whether the kernel has the adapter. Whether bluetoothd answers is seen in `boitier status`."""
    adapter = settings.bluetooth.adapter
    if not adapter:
        yield Check("phones", True, "no Bluetooth adapter in the settings: phones open nothing")
    elif (ADAPTERS / adapter).exists():
        yield Check("phones", True, f"{adapter} is there")
    else:
        todo = "plug the adapter in, and see that bluetoothd runs; or name one that `bluetoothctl list` shows"
        yield Check("phones", False, f"no Bluetooth adapter {adapter}", todo)


def _state(settings: Settings) -> Iterator[Check]:
    folder = Path(settings.state)
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        todo = f"mkdir -p {folder}, owned by the daemon's user"
        yield Check("state folder", False, f"{folder} cannot be written", todo)
        return
    free = shutil.disk_usage(folder).free // MIB
    if free < settings.buffer.max_mib:
        yield Check("disk", False, f"{free} MiB free", f"free {settings.buffer.max_mib} MiB, or lower buffer.max_mib")
    else:
        yield Check("state folder", True, f"{folder}, {free} MiB free")


def _signer(settings: Settings) -> Iterator[Check]:
    from ..run.vehicle_key import KEY_FILE, public

    path = Path(settings.state) / KEY_FILE
    try:
        found = public(path.parent, settings.vehicle.id)
    except PermissionError:
        yield Check("vehicle key", True, f"{path} is the daemon's alone; boitier status tells its public half")
        return
    except (OSError, ValueError) as error:
        todo = "start boitier: it makes a new one; then note its public half"
        yield Check("vehicle key", False, f"{path}: {error}", todo)
        return
    known = "made at the first start" if found is None else f"public {found.hex()}: note it beside the vehicle's id"
    yield Check("vehicle key", True, known)


def _keys(settings: Settings) -> Iterator[Check]:
    from keyless.refusal import Refusal

    from ..run import accepted
    from ..run.provisioning import keyset_bytes
    from ..run.root_chain import RootChain

    data, path = keyset_bytes(settings)
    if data is None:
        todo = "set keyless.keyset to the signed file, or let the backend send it"
        yield Check("key set", False, f"none at {path}: every token is refused", todo)
        return
    chain = RootChain.of(settings)
    chain.load(accepted.roots(settings))
    found = chain.keyset(data, 0, stored=True)
    if isinstance(found, Refusal):
        why = f"{path}: {found.code} {found.detail.get('why', '')}"
        yield Check("key set", False, why, "ask the operator for a fresh one")
    else:
        roots = f", roots changed {chain.version} times" if chain.version else ""
        yield Check("key set", True, f"version {found.version}, {len(found.keys)} keys{roots}")


def _parcels(settings: Settings) -> Iterator[Check]:
    """What phones carry to the backend is sealed for this key: tried, since a wrong one shows nowhere else."""
    from keyless.parcel import sealed

    key = settings.keyless.parcel_key
    if not key:
        if settings.bluetooth.fitted:
            yield Check("parcels", True, "no keyless.parcel_key: phones carry nothing to the backend")
        return
    todo = "set keyless.parcel_key to the public half of the backend's X25519 key"
    if key in settings.keyless.roots:
        yield Check("parcels", False, "keyless.parcel_key is a root's key: nobody could open what is sealed", todo)
        return
    try:
        sealed(b"", bytes.fromhex(settings.vehicle.id), bytes.fromhex(key))
    except ValueError as error:
        yield Check("parcels", False, f"nothing can be sealed with keyless.parcel_key: {error}", todo)
    else:
        yield Check("parcels", True, f"sealed for the backend's key {key[:8]}…")


def _cloud(settings: Settings) -> Iterator[Check]:
    cloud = settings.cloud
    if not cloud.brokers:
        yield Check("backend", True, "none in the settings: records wait in the car")
        return
    unreadable = [path for path in (cloud.ca, cloud.certificate, cloud.key) if not os.access(path, os.R_OK)]
    for path in unreadable:
        yield Check("certificate", False, f"{path} cannot be read", "put the PEM file there, readable for the daemon")
    for broker in [] if unreadable else cloud.brokers:
        why = unreachable(broker, cloud.ca, cloud.certificate, cloud.key)
        if why is None:
            yield Check("backend", True, broker)
        else:
            todo = "check name, port, network and certificates; the door works without it"
            yield Check("backend", False, f"{broker}: {why}", todo)
