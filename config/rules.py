"""What settings must mean, beyond their types: one rule a line, each with what would be right. Reading: `settings.py`.

Only the file itself is judged. Whether a device is plugged in or a certificate is readable is for `boitier check`: a
car must still open when they are not (D15).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from . import areas, polygon

HEX_16 = re.compile(r"[0-9a-f]{16}")
HEX_32 = re.compile(r"[0-9a-f]{32}")
HEX_64 = re.compile(r"[0-9a-f]{64}")
ADAPTER = re.compile(r"hci\d{1,3}", re.ASCII)
SECRET = re.compile(r"[0-9a-f]{32,128}")
BROKER = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
LOOPBACK = re.compile(r"(?P<host>127(\.\d{1,3}){3}|\[::1\]):(?P<port>\d{1,5})", re.ASCII)
INTERFACE = re.compile(r"[^\s/]{1,15}")  # the kernel's IFNAMSIZ is 16 with its closing zero
BAUD_RATES = (4800, 9600, 19200, 38400, 57600, 115200, 230400)
CARS = Path(__file__).resolve().parent / "cars"
EXAMPLE_VEHICLE = "0" * 16
EXAMPLE_ROOTS_BELOW = 1 << 16  # those of agent.toml are 1, 2 and 3: not keys that anybody holds
LOCK_DRIVERS = ("relay", "diagnostic")
RELAYS = ("card_supply", "immobiliser", "cable")  # what may hang on a relay beside the lock
LANGUAGES = ("en", "fr")  # of config/texts/
ORDERS = ("lock_first", "supply_first")
INPUTS = ("key_holder", "card_holder", "door", "box_lid")
PULLS = ("up", "down", "none", "as_is")
CONTROL_SOCKET_BYTES = 107  # sun_path holds 108 with its closing zero

Finding = tuple[str, str]  # what is wrong, what would be right
Values = Mapping[str, Any]  # dotted key → value that already has the right type


class Rule(Struct, frozen=True):
    """right: "must be …", read by people. accepts: judged on a value whose type is right."""

    accepts: Callable[[Any], object]
    right: str


def find_car(name: str) -> Path | None:
    """The folder of a car: a name under config/cars, or a path. `None` when there is none."""
    if not name:
        return None
    return next((folder for folder in (CARS / name, Path(name)) if (folder / "car.toml").is_file()), None)


def _absolute(text: str) -> bool:
    return text.startswith("/")


def _absolute_or_none(text: str) -> bool:
    return text == "" or _absolute(text)


def _broker(text: str) -> bool:
    match = BROKER.fullmatch(text)
    return match is not None and 0 < int(match["port"]) < 65536


def _gpsd(text: str) -> bool:
    """Nothing, or a loopback address in numbers: a name would have to be looked up, in a thread."""
    match = LOOPBACK.fullmatch(text)
    if match is None:
        return text == ""
    octets = [int(octet) for octet in match["host"].split(".")] if "." in match["host"] else []
    return all(octet < 256 for octet in octets) and 0 < int(match["port"]) < 65536


def _between(low: float, high: float) -> Rule:
    return Rule(lambda value: low <= value <= high, f"must lie between {low:g} and {high:g}")


_DEVICE = Rule(_absolute_or_none, 'must be a device path such as "/dev/serial/by-id/…", or "" when none is fitted')
_BAUD = Rule(lambda value: value in BAUD_RATES, f"must be one of {', '.join(map(str, BAUD_RATES))}")
_PEM = Rule(_absolute_or_none, "must be the absolute path of a PEM file")
_PULSE = _between(50, 5000)
_RELAY = _between(1, 16)
_CHIP = Rule(_absolute_or_none, 'must be a GPIO chip such as "/dev/gpiochip0", or "" when the input is not fitted')
_PULL = Rule(lambda name: name in PULLS, f"must be one of {', '.join(PULLS)}")

RULES: Mapping[str, Rule] = {
    "vehicle.id": Rule(HEX_16.fullmatch, 'must be 16 lower-case hex digits, random, such as "8f3a52c0d1e4b796"'),
    "keyless.operator": Rule(lambda text: 0 < len(text) <= 64, "must be the issuer id of your tokens, 1 to 64 long"),
    "keyless.roots": Rule(
        lambda roots: roots and len(set(roots)) == len(roots) and all(HEX_64.fullmatch(root) for root in roots),
        "must list different Ed25519 public keys, 64 lower-case hex digits each",
    ),
    "keyless.threshold": Rule(lambda count: count >= 1, "must be at least 1"),
    "keyless.keyset": Rule(_absolute_or_none, "must be the absolute path of a signed key-set file, or \"\""),
    "keyless.issue_lead_days": _between(0, 366),
    "keyless.parcel_key": Rule(
        lambda key: key == "" or HEX_64.fullmatch(key),
        "must be the backend's X25519 public key, 64 lower-case hex digits, or \"\"",
    ),
    "keyless.code_key": Rule(
        lambda text: text == "" or HEX_64.fullmatch(text),
        "must be 64 lower-case hex digits, random, of this car alone, or \"\" for no codes",
    ),
    "can.channel": Rule(INTERFACE.fullmatch, 'must be a CAN interface such as "can0"'),
    "gnss.device": _DEVICE, "gnss.baud": _BAUD,
    "gnss.gpsd": Rule(
        _gpsd,
        'must be gpsd\'s address on this board, such as "127.0.0.1:2947" (its protocol is unprotected, so nobody '
        'else\'s), or ""',
    ),
    "reader.device": _DEVICE, "reader.baud": _BAUD,
    "bluetooth.adapter": Rule(
        lambda name: name == "" or ADAPTER.fullmatch(name), 'must be a Bluetooth adapter such as "hci0", or "" for none'
    ),
    "bluetooth.secret": Rule(
        lambda text: text == "" or (SECRET.fullmatch(text) and len(text) % 2 == 0),
        "must be 32 to 128 lower-case hex digits, known to the desk that hands out the names on the air",
    ),
    "reader.sun_keys": Rule(
        lambda keys: not keys or (len(set(keys)) == len(keys) == 2 and all(HEX_32.fullmatch(key) for key in keys)),
        "must be two different keys of 32 lower-case hex digits, or [] for no such badges",
    ),
    "lock.driver": Rule(lambda name: name in LOCK_DRIVERS, 'must be "relay" or "diagnostic"'),
    "lock.device": _DEVICE, "lock.baud": _BAUD,
    "lock.unlock_channel": _RELAY, "lock.lock_channel": _RELAY,
    "lock.unlock_pulse_ms": _PULSE, "lock.lock_pulse_ms": _PULSE,
    "lock.confirm_s": _between(0.5, 30),
    **{
        f"{table}.{key}": rule
        for table in RELAYS
        for key, rule in (("device", _DEVICE), ("baud", _BAUD), ("channel", _RELAY))
    },
    "card_supply.order": Rule(lambda name: name in ORDERS, f"must be one of {', '.join(ORDERS)}"),
    "card_supply.delay_s": _between(0, 10),
    "cable.pulse_ms": _PULSE,
    "booking.auto_close_min": _between(1, 24 * 60),
    "booking.key_holder": Rule(
        lambda fitted: not fitted, "must be false or absent: name the line of the holder under [inputs.key_holder]"
    ),
    "inputs.debounce_ms": _between(1, 2000),
    **{
        f"inputs.{name}.{key}": rule
        for name in INPUTS
        for key, rule in (("chip", _CHIP), ("line", _between(0, 1023)), ("pull", _PULL))
    },
    "buffer.keep_days": _between(0, 366),
    "buffer.max_mib": _between(8, 1024 * 64),
    "cloud.brokers": Rule(
        lambda brokers: all(_broker(broker) for broker in brokers),
        'must list "host:port", such as "mqtt.example.org:8883"',
    ),
    "cloud.ca": _PEM, "cloud.certificate": _PEM, "cloud.key": _PEM,
    "cloud.keepalive_s": _between(5, 3600),
    "cloud.state_every_s": _between(1, 24 * 3600),
    "language": Rule(lambda name: name in LANGUAGES, f"must be one of {', '.join(LANGUAGES)}"),
    "state": Rule(_absolute, "must be the absolute path of a folder that survives reboots"),
    "socket": Rule(
        lambda text: _absolute(text) and len(text.encode()) <= CONTROL_SOCKET_BYTES,
        f"must be an absolute path of at most {CONTROL_SOCKET_BYTES} bytes",
    ),
    "privacy": Rule(_absolute_or_none, 'must be the absolute path of a privacy policy, or "" for the shipped one'),
    "station.name": Rule(lambda text: 0 < len(text) <= 64, "must have 1 to 64 characters"),
    "station.lat": Rule(lambda lat: -90 <= lat <= 90, "must be degrees north, -90 to 90"),
    "station.lon": Rule(lambda lon: -180 <= lon <= 180, "must be degrees east, -180 to 180"),
    "station.radius_m": Rule(lambda radius: 5 <= radius <= 2000, "must be metres, 5 to 2000"),
    "station.polygon": Rule(
        lambda corners: not corners or polygon.fault(corners) is None,
        f"must be 3 to {polygon.MOST_CORNERS} corners [lat, lon] in order around the station, no side crossing another",
    ),
    "station.charge_points": Rule(
        lambda names: len(set(names)) == len(names) and all(0 < len(name) <= 64 for name in names),
        "must list different names, 1 to 64 characters each",
    ),
}  # fmt: skip


# Never said again, not even when they are wrong.
SECRETS = frozenset({"keyless.code_key", "reader.sun_keys", "bluetooth.secret"})

# Keys of earlier releases, and what stands in their place.
RETIRED: Mapping[str, str] = {"tracking": "it moved to the privacy policy: see config/privacy.toml and `privacy` here"}


def judge(key: str, value: object) -> Finding | None:
    """One value by itself. key: dotted, without the number of a list entry."""
    rule = RULES.get(key)
    if rule is None or rule.accepts(value):
        return None
    if key == "station.polygon" and isinstance(value, list):
        return polygon.fault(value) or "", rule.right
    if key in SECRETS:
        return "does not fit", rule.right
    return f"{value!r} does not fit", rule.right


def judge_together(values: Values) -> Iterator[tuple[str, Finding]]:
    """What only shows when keys are read together; a key whose value is already wrong is absent from `values`."""
    yield from _placeholders(values)
    yield from _lock(values)
    yield from _relays(values)
    yield from _inputs(values)
    yield from _gnss(values)
    if values.get("bluetooth.adapter") and values.get("bluetooth.secret") == "":
        right = 'must be random hex digits: python3 -c "import secrets; print(secrets.token_hex(16))"'
        yield "bluetooth.secret", ("is empty, and phones could not find the car", right)
    yield from _cloud(values)
    yield from areas.stations(values)
    roots, threshold = values.get("keyless.roots"), values.get("keyless.threshold")
    if roots is not None and threshold is not None and threshold > len(roots):
        right = f"must be at most {len(roots)}, the number of roots"
        yield "keyless.threshold", (f"{threshold} signatures can never come together", right)
    car = values.get("vehicle.car")
    if car is not None and find_car(car) is None:
        known = ", ".join(sorted(path.parent.name for path in CARS.glob("*/car.toml"))) or "none installed"
        right = f"must be one of {known}, or the path of a folder with a car.toml"
        yield "vehicle.car", (f"{car!r} names no car folder", right)


def _placeholders(values: Values) -> Iterator[tuple[str, Finding]]:
    """What was copied from the example and never replaced: two cars of one id, or a key set that nobody can sign."""
    if values.get("vehicle.id") == EXAMPLE_VEHICLE:
        right = "must be replaced by 16 random hex digits: python3 -c \"import secrets; print(secrets.token_hex(8))\""
        yield "vehicle.id", ("is the example's", right)
    if any(int(root, 16) < EXAMPLE_ROOTS_BELOW for root in values.get("keyless.roots") or ()):
        yield "keyless.roots", ("are the example's", "must be replaced by the public keys of the operator's own roots")


def _lock(values: Values) -> Iterator[tuple[str, Finding]]:
    if values.get("lock.driver") == "relay":
        if values.get("lock.device") == "":
            right = "must name the serial device of the relay board"
            yield "lock.device", ('is empty, but the driver is "relay"', right)
        unlock = values.get("lock.unlock_channel")
        if unlock is not None and unlock == values.get("lock.lock_channel"):
            yield "lock.lock_channel", (f"{unlock} opens the car as well", "must differ from lock.unlock_channel")
    seen: dict[str, str] = {}
    for key in ("lock.device", "reader.device", "gnss.device"):
        device = values.get(key)
        if device and device in seen:
            yield key, (f"{device!r} is {seen[device]} already", "must be a line of its own")
        elif device:
            seen[device] = key


def _relays(values: Values) -> Iterator[tuple[str, Finding]]:
    """No relay does two things, and no line two programs'."""
    taken: dict[tuple[str, int], str] = {}
    if values.get("lock.driver") == "relay":
        for key in ("lock.unlock_channel", "lock.lock_channel"):
            taken[values.get("lock.device", ""), values.get(key, 0)] = key
    lines = {values.get(key): key for key in ("reader.device", "gnss.device")}
    for table in RELAYS:
        device, channel = values.get(f"{table}.device"), values.get(f"{table}.channel")
        if not device or channel is None:
            continue
        if device in lines:
            yield f"{table}.device", (f"{device!r} is {lines[device]} already", "must be a line of its own")
        if (device, channel) in taken:
            problem = f"{channel} of {device} is {taken[device, channel]} already"
            yield f"{table}.channel", (problem, "must be a relay of its own")
        taken[device, channel] = f"{table}.channel"
    here = values.get("immobiliser.device") or values.get("card_supply.device")
    if values.get("immobiliser.allowed") and here == "":
        right = "must be false, or immobiliser.device or card_supply.device must name a relay board"
        yield "immobiliser.allowed", ("is true, but nothing could take the start away", right)


def _inputs(values: Values) -> Iterator[tuple[str, Finding]]:
    seen: dict[tuple[str, int], str] = {}
    for name in INPUTS:
        chip, line = values.get(f"inputs.{name}.chip"), values.get(f"inputs.{name}.line")
        if not chip or line is None:
            continue
        if (chip, line) in seen:
            problem = f"line {line} of {chip} is {seen[chip, line]} already"
            yield f"inputs.{name}.line", (problem, "must be a line of its own")
        seen[chip, line] = f"inputs.{name}"


def _gnss(values: Values) -> Iterator[tuple[str, Finding]]:
    device, gpsd = values.get("gnss.device"), values.get("gnss.gpsd")
    if device and gpsd:
        problem = f"{gpsd!r} is given, and the device {device!r} too: only one program can read a receiver"
        yield "gnss.gpsd", (problem, 'must be "" to read the device ourselves; or else gnss.device must be ""')


def _cloud(values: Values) -> Iterator[tuple[str, Finding]]:
    if not values.get("cloud.brokers"):
        return
    for key in ("cloud.ca", "cloud.certificate", "cloud.key"):
        if values.get(key) == "":
            right = "must be a PEM file: the link is TLS with a certificate of this car"
            yield key, ("is empty, but brokers are given", right)
