"""Typed settings from one TOML file; `agent.toml` explains each key.

What lives elsewhere: reading a table (`reading.py`), what the values must mean (`rules.py`), car data (`car.py`), and
the privacy policy, which is a file of its own (`privacy.py`).
"""

# No postponed annotations: msgspec reads them, and would compile each one while a door waits.
from pathlib import Path

import msgspec

from . import rules
from .errors import ConfigError, Problem
from .reading import Reading, Wrong, document


class Vehicle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """id: 8 bytes as 16 hex digits, random, given at install; never the VIN or the plate.

    car: a folder under config/cars, or a path.
    """

    id: str
    car: str


class Can(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    channel: str = "can0"


class Serial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A serial device. device: "" means not fitted."""

    device: str = ""
    baud: int = 9600


class Gnss(Serial, frozen=True, forbid_unknown_fields=True):
    """The satellite receiver: a device of our own, or gpsd ("ip:port" on this board) where another program owns it."""

    gpsd: str = ""

    @property
    def fitted(self) -> bool:
        return bool(self.device or self.gpsd)


class Reader(Serial, frozen=True, forbid_unknown_fields=True):
    """Badges and keypad. sun_keys: the operator's meta key and master key for badges that prove themselves, 32 hex
    digits each; none: no such badges.
    """

    sun_keys: list[str] = []


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """driver: "relay" (a board on a serial line) or "diagnostic" (the car's own command, where it has a public one).

    *_channel: relay numbers on the board. *_pulse_ms: how long the relay is held.
    confirm_s: how long the car has to read back.
    """

    driver: str = "relay"
    device: str = ""
    baud: int = 9600
    unlock_channel: int = 1
    lock_channel: int = 2
    unlock_pulse_ms: int = 400
    lock_pulse_ms: int = 400
    confirm_s: float = 3.0


class CardSupply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The spare key card's battery through a relay (R15). device: the relay board, which may be the lock's own; "" =
    not fitted. inverted: a board whose "on" lets a relay go. order: "lock_first" (unlock, then supply; lock, then take
    it away) or "supply_first" (the other way round, for a car that does not lock with a live card inside).
    delay_s: seconds between the two.
    """

    device: str = ""
    baud: int = 9600
    channel: int = 3
    inverted: bool = False
    order: str = "lock_first"
    delay_s: float = 1.0


class Immobiliser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """allowed: signed commands may immobilise this car. device: a relay of its own, "" = the card supply is kept away.
    """

    allowed: bool = False
    device: str = ""
    baud: int = 9600
    channel: int = 4
    inverted: bool = False


class Cable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The button that lets the charge cable go (R8). device: the relay board, "" = not fitted."""

    device: str = ""
    baud: int = 9600
    channel: int = 5
    pulse_ms: int = 400


class Keyless(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """operator: issuer id that tokens must carry.

    roots: Ed25519 public keys, 64 hex digits each; threshold of them must sign a key set.
    keyset: file that is read when the state folder holds none yet (provisioning).
    issue_lead_days: how long before its begin the desk mints a token at most; nothing is refused by it.
    parcel_key: X25519 public key of the operator's backend, 64 hex digits, for what phones carry there; "" for none.
    code_key: this car's own secret for 8-digit codes, 64 hex digits; "": no codes.
    """

    operator: str
    roots: list[str]
    threshold: int = 2
    keyset: str = ""
    issue_lead_days: float = 7.0
    parcel_key: str = ""
    code_key: str = ""


class Booking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """auto_close_min: minutes without movement after the booked end until the box ends the booking by itself (R2).

    key_holder: of earlier releases, always false; a holder is fitted where its line stands in `Inputs`.
    """

    auto_close_min: float = 10.0
    key_holder: bool = False


class InputLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a GPIO chip. chip: its device, "" = not fitted. line: its offset on that chip. active_low: a closed
    contact pulls it down. pull: "up", "down", "none" or "as_is" (what the board does by itself).
    """

    chip: str = ""
    line: int = 0
    active_low: bool = True
    pull: str = "up"

    @property
    def fitted(self) -> bool:
        return bool(self.chip)


class Inputs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Contacts (R30). Active means: the key, or the charge card, is in its holder; a door, or the box's lid, is open.

    debounce_ms: how long a contact must rest until it counts.
    """

    debounce_ms: int = 50
    key_holder: InputLine = InputLine()
    card_holder: InputLine = InputLine()
    door: InputLine = InputLine()
    box_lid: InputLine = InputLine()


class Station(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A circle around lat, lon, or a polygon of [lat, lon] corners. charge_points: as the charge points' own sessions
    name them.
    """

    name: str
    lat: float | None = None
    lon: float | None = None
    radius_m: float = 60.0
    polygon: list[tuple[float, float]] = []
    charge_points: list[str] = []


class Buffer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """keep_days: how long acknowledged rows stay, for a backend restored from a backup (D10).

    max_mib: budget of the database.
    """

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


class Bluetooth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """adapter: as BlueZ names it, "hci0"; "" means that no phone is answered.

    secret: 16 to 64 bytes of the vehicle's own in hex, from which its names on the air come (`keyless/tag.py`).
    """

    adapter: str = ""
    secret: str = ""

    @property
    def fitted(self) -> bool:
        return bool(self.adapter)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """state: folder of everything that must survive. socket: the local control socket. privacy: the policy's file, ""
    for the one that comes with the product. language: of the sentences in the log, "en" or "fr".
    """

    vehicle: Vehicle
    keyless: Keyless
    can: Can = Can()
    gnss: Gnss = Gnss()
    reader: Reader = Reader()
    bluetooth: Bluetooth = Bluetooth()
    lock: Lock = Lock()
    card_supply: CardSupply = CardSupply()
    immobiliser: Immobiliser = Immobiliser()
    cable: Cable = Cable()
    booking: Booking = Booking()
    inputs: Inputs = Inputs()
    station: list[Station] = []
    buffer: Buffer = Buffer()
    cloud: Cloud = Cloud()
    state: str = "/var/lib/boitier"
    socket: str = "/run/boitier/control.sock"
    privacy: str = ""
    language: str = "en"


def load(path: Path) -> Settings:
    """Read and judge a settings file. Raises `ConfigError` with every problem at once (D31)."""
    settings, problems = examine(path)
    if problems or settings is None:
        raise ConfigError(problems)
    return settings


def examine(path: Path, data: bytes | None = None) -> tuple[Settings | None, tuple[Problem, ...]]:
    """Settings as far as all types fit, and every problem. Who may start in spite of one is decided elsewhere (D15).

    data: the file's content, where it has been read already.
    """
    table, problems = document(path, data, "copy config/agent.toml there and fill it in")
    if table is None:
        return None, problems
    reading = Reading(str(path), rules.RULES, rules.judge)
    settings = reading.struct(Settings, table, "", "")
    for key, (problem, right) in rules.judge_together(reading.values):
        reading.note(key, problem, right)
    return None if isinstance(settings, Wrong) else settings, tuple(reading.problems)
