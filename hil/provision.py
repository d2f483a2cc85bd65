"""Fits out the bench's vehicle: settings file, key set, certificates; everything a box is given at install.

What is not here: the box's own reading of them; only the documented keys of its settings file are used.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from config import car as cars
from config import vocabulary as v

from . import exactness, tokens
from .backend.ca import Authority
from .backend.journeys import Fine
from .backend.ledger import Tolerance
from .ecu import TELEMATICS_EVERY_S, WAKING_S
from .sky import FLERS
from .truth import Battery
from .wiring import Wiring

YEAR_S = 365 * 86_400
ROLES = ("driver", "agent", "technician", "emergency", "backend")
# The clerk of the stories agreed to be followed, at any hour, so that the map has a route to show.
POLICY = """[staff]
track = true
every_s = 1.0
precision_m = 1
[work]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = "00:00"
to = "24:00"
"""
# An odometer stands still while the car does; the energy changes at the cable too.
ASKED_IN = {
    v.ODOMETER: (cars.Phase.DRIVING,),
    v.ENERGY: (cars.Phase.AWAKE, cars.Phase.DRIVING, cars.Phase.CHARGING),
    v.IGNITION: (cars.Phase.AWAKE, cars.Phase.DRIVING),
}
FIELDS = {"odometer_km": v.ODOMETER, "energy_kwh": v.ENERGY}  # of a reading
BATTERIES = {"zoe-ph1": Battery(22.0, 15.0, 7.4), "kangoo-ze": Battery(22.0, 16.5, 3.6)}


@dataclass(frozen=True, slots=True)
class Vehicle:
    """ident: eight bytes. driver: what moves the lock. stations: name, latitude, longitude, radius in metres.

    extra: tables of the settings file, laid over the usual ones: {"booking": {"auto_close_min": 1.5}}.
    """

    ident: bytes
    car: str = "zoe-ph1"
    driver: str = "relay"
    stations: tuple[tuple[str, float, float, float], ...] = ((*FLERS, 80.0),)
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """Where things are, seen from inside. wires: the devices. given: files. state: a folder that outlives a cut."""

    channel: str
    wires: str
    given: str
    state: str
    socket: str
    brokers: tuple[str, ...]


class Rig(Protocol):
    """What `write` needs of a bench."""

    @property
    def vehicle(self) -> Vehicle: ...
    @property
    def authority(self) -> Authority: ...
    @property
    def roots(self) -> tokens.Roots: ...
    @property
    def issuer(self) -> tokens.Issuer: ...
    @property
    def machine(self) -> Any: ...


def wiring(vehicle: Vehicle) -> Wiring:
    """What moves this car's lock: the relays as the settings below name them, and the body unit's commands."""
    lock = cars.diagnostic_lock(cars.find(vehicle.car))
    requests = (lock.unlock.hex(), lock.lock.hex()) if lock else ("", "")
    return Wiring(1, 2, *requests, supply=3 if "card_supply" in vehicle.extra else 0)


def physics(vehicle: Vehicle) -> dict[str, Any]:
    """Arguments for the world."""
    return {"battery": BATTERIES.get(vehicle.car, Battery())}


def tolerance(vehicle: Vehicle) -> Tolerance:
    """What the oracle may allow this car, from its folder: some tell whole kilometres, some only when asked. Asleep,
    one that is silent unless asked is found out when its telematics unit speaks next.
    """
    car, usual, fine = cars.load(cars.find(vehicle.car)), Tolerance(), Fine()
    ages = {name: _asked_ms(car, name, *phases) for name, phases in ASKED_IN.items()}
    wake_ms = round(1000 * TELEMATICS_EVERY_S) if car.wake is not None else 0
    flag_ms = max(_asked_ms(car, it, cars.Phase.AWAKE, cars.Phase.CHARGING) for it in (v.CHARGING, v.CHARGE_STATUS))
    km = exactness.step(car, v.ODOMETER) if car.mapped(v.ODOMETER) else fine.step_km
    return Tolerance(
        km=max(usual.km, km),
        slack_ms=usual.slack_ms + max(ages[v.ODOMETER], ages[v.ENERGY]),
        match_ms=usual.match_ms + wake_ms,
        fine=Fine(
            step_km=km, ms=fine.ms + ages[v.IGNITION], energy_ms=_asked_ms(car, v.ENERGY, cars.Phase.CHARGING),
            late_ms=fine.late_ms + wake_ms, sure_ms=fine.sure_ms + wake_ms + flag_ms,
            waking_ms=round(1000 * WAKING_S) + wake_ms,
            tells=tuple(field for field, name in FIELDS.items() if car.mapped(name)),
        ),
    )  # fmt: skip


def _asked_ms(car: cars.CarModel, name: str, *phases: cars.Phase) -> int:
    return round(1000 * exactness.age_s(car, name, *phases)) if exactness.asked(car, name) else 0


def write(rig: Rig) -> str:
    """Put the given files where the inside finds them; returns the settings file's text. The machine has booted."""
    machine = rig.machine
    give(machine.results / "given", rig.vehicle, rig.authority, rig.roots, rig.issuer)
    site = Site(
        machine.channel,
        f"{machine.run}/wires",
        f"{machine.results_inside}/given",
        f"{machine.data}/state",
        f"{machine.run}/control.sock",
        (f"127.0.0.1:{machine.ports['broker']}",),
    )
    return settings(rig.vehicle, site, rig.roots, rig.issuer.operator)


def give(folder: Path, vehicle: Vehicle, authority: Authority, roots: tokens.Roots, issuer: tokens.Issuer) -> None:
    """`keyset.cbor`, `privacy.toml`, `ca.pem`, `vehicle.pem` and `vehicle.key`; written once, so that a reboot keeps
    its identity.
    """
    if (folder / "keyset.cbor").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    now = int(time.time())
    identity = authority.issue(vehicle.ident.hex())
    shutil.copy(authority.certificate, folder / "ca.pem")
    shutil.copy(identity.certificate, folder / "vehicle.pem")
    shutil.copy(identity.key, folder / "vehicle.key")
    keyset = tokens.keyset(roots, [(issuer, ROLES)], 1, now - 86_400, now + YEAR_S)
    (folder / "privacy.toml").write_text(POLICY)
    (folder / "keyset.cbor").write_bytes(keyset)


def settings(vehicle: Vehicle, site: Site, roots: tokens.Roots, operator: str) -> str:
    """The whole settings file."""
    relay = {"driver": "relay", "device": f"{site.wires}/relay", "baud": 9600}
    tables: dict[str, dict[str, Any]] = {
        "vehicle": {"id": vehicle.ident.hex(), "car": vehicle.car},
        "keyless": {
            "operator": operator,
            "roots": roots.public,
            "threshold": roots.threshold,
            "keyset": f"{site.given}/keyset.cbor",
        },
        "can": {"channel": site.channel},
        "gnss": {"device": f"{site.wires}/gnss", "baud": 9600},
        "reader": {"device": f"{site.wires}/badge", "baud": 9600},
        "lock": relay if vehicle.driver == "relay" else {"driver": vehicle.driver},
        "cloud": {
            "brokers": list(site.brokers),
            "ca": f"{site.given}/ca.pem",
            "certificate": f"{site.given}/vehicle.pem",
            "key": f"{site.given}/vehicle.key",
            "keepalive_s": 10,
            "state_every_s": 5.0,
        },
    }
    if "card_supply" in vehicle.extra:
        tables["card_supply"] = {"device": f"{site.wires}/relay", "channel": 3}
    for name, values in vehicle.extra.items():
        tables.setdefault(name, {}).update(values)
    top = {"state": site.state, "socket": site.socket, "privacy": f"{site.given}/privacy.toml"}
    parts = [_pairs(top), *(f"[{name}]\n{_pairs(values)}" for name, values in tables.items())]
    for name, lat, lon, radius in vehicle.stations:
        parts.append("[[station]]\n" + _pairs({"name": name, "lat": lat, "lon": lon, "radius_m": radius}))
    return "\n".join(parts)


def _pairs(values: Mapping[str, Any]) -> str:
    """TOML lines. JSON's texts, numbers, booleans and flat lists are valid TOML."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
