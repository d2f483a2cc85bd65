"""Typed settings from one TOML file. What lives elsewhere: car data (`car.py`)."""

from __future__ import annotations

import msgspec


class Vehicle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """id: 8 bytes as 16 hex digits, random, given at install; never the VIN or the plate. car: a folder under config/cars, or a path."""

    id: str
    car: str


class Can(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    channel: str = "can0"


class Serial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A serial device. device: "" means not fitted."""

    device: str = ""
    baud: int = 9600


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """driver: "relay" (a board on a serial line) or "diagnostic" (the car's own command, where it has a public one).

    *_channel: relay numbers on the board. *_pulse_ms: how long the relay is held. confirm_s: how long the car has to read back.
    """

    driver: str = "relay"
    device: str = ""
    baud: int = 9600
    unlock_channel: int = 1
    lock_channel: int = 2
    unlock_pulse_ms: int = 400
    lock_pulse_ms: int = 400
    confirm_s: float = 3.0


class Keyless(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """operator: issuer id that tokens must carry. roots: Ed25519 public keys, 64 hex digits each; threshold of them must sign a key set.

    keyset: file that is read when the state folder holds none yet (provisioning).
    """

    operator: str
    roots: list[str]
    threshold: int = 2
    keyset: str = ""


class Booking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """auto_close_min: minutes without movement after the booked end until the box ends the booking by itself (R2)."""

    auto_close_min: float = 10.0
    key_holder: bool = False


class Station(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    lat: float
    lon: float
    radius_m: float = 60.0


class Tracking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether positions are kept while driving, by kind of booking. A private booking keeps none, whatever is written (R27)."""

    staff: bool = False
    relocation: bool = False
    maintenance: bool = False


class Buffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """keep_days: how long acknowledged rows stay, for a backend restored from a backup (D10). max_mib: budget of the database."""

    keep_days: float = 7.0
    max_mib: int = 256


class Cloud(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """brokers: "host:port" each, tried in turn. ca, certificate, key: PEM files."""

    brokers: list[str] = []
    ca: str = ""
    certificate: str = ""
    key: str = ""
    keepalive_s: int = 30
    state_every_s: float = 30.0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """state: folder of everything that must survive. socket: the local control socket."""

    vehicle: Vehicle
    keyless: Keyless
    can: Can = Can()
    gnss: Serial = Serial()
    reader: Serial = Serial()
    lock: Lock = Lock()
    booking: Booking = Booking()
    station: list[Station] = []
    tracking: Tracking = Tracking()
    buffer: Buffer = Buffer()
    cloud: Cloud = Cloud()
    state: str = "/var/lib/boitier"
    socket: str = "/run/boitier/control.sock"
