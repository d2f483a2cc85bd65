"""Golden payloads from fixed input, one of each kind and one fact of each form. `python -m tests.golden_payloads`
writes those of this version anew; what was released stays beside them (docs/contract.md, "How this contract grows").

A golden file is what goes over the wire, in a readable envelope: the payload is the compact JSON of `payload`,
compressed above 512 bytes, or the bytes of `hex`.
"""

from __future__ import annotations

import json
from pathlib import Path

from agent.sync import facts, samples, schema, wire
from tests import golden_receipts, golden_tokens
from tests.golden_receipts import VEHICLE, WALL

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "contract" / "golden" / f"v{wire.VERSION}"

STREAM = "51aa0c9d77e3f012"
SAMPLES = "c03e7d1842b6aa95"
OLD_STREAM = "7a91c5d30e8842bf"
BOOT = "b0070000000000a1"
COMMAND_ID = golden_tokens.COMMAND_ID.hex()
HOLDER = "0a1b2c3d4e5f6071"
CTI = golden_tokens.CTI.hex()
ACCESS = "5e5e5e5e00000001"


def reading(at_ms: int, odometer_km: float, soc: float) -> dict[str, object]:
    """A `Reading`: no coordinates, ever (R26, R27)."""
    return {
        "odometer_km": odometer_km,
        "soc_percent": soc,
        "energy_kwh": round(soc * 0.22, 1),
        "range_km": 131.0,
        "plugged": "yes",
        "at_station": "Mairie",
        "boot": BOOT,
        "at": at_ms,
        "wall": WALL,
    }


def at_leg(at_ms: int, odometer_km: float, soc: float) -> dict[str, object]:
    """Of a leg of a private booking: not even a station."""
    return {**reading(at_ms, odometer_km, soc), "plugged": "no", "at_station": None}


START, END = reading(812000, 48213.4, 71.0), reading(8012000, 48255.1, 52.5)
LEG_START, LEG_END = at_leg(842000, 48213.4, 71.0), at_leg(7942000, 48255.1, 52.5)
LEG = {
    "leg": 1, "start": LEG_START, "end": LEG_END, "km": 41.7, "energy_kwh": 4.1, "duration_ms": 7100000,
    "distance": None, "energy_used_kwh": 5.32, "energy_recovered_kwh": 1.24, "stops": 1, "unseen_ms": 4000,
}  # fmt: skip
CHARGE = {
    "booking": 33, "station": "Mairie", "charge_point": "FR*CLM*E1", "plug_in": reading(8002000, 48255.1, 52.5),
    "start": reading(8006000, 48255.1, 52.5),
}  # fmt: skip
SPOT = {"booking": 36, "lat": 48.43123, "lon": 0.08865, "precision_m": 1}

LOCATED: dict[str, object] = {
    "event": "theft", "booking": 33, "booking_kind": "private", "role": "agent", "holder": HOLDER, "token": CTI,
    "command": COMMAND_ID, "found": True,
}  # fmt: skip
BOOTED: dict[str, object] = {
    "version": "0.1.0", "car": "zoe-ph1", "sqlite": "3.40.1", "why": "start", "quarantined": None,
    "vehicle_key": golden_receipts.KEY.public.hex(),
}  # fmt: skip

BODIES: tuple[tuple[str, dict[str, object]], ...] = (
    ("boot", BOOTED),
    (
        "columns",
        {
            "names": ["Vehicle.Speed", "Vehicle.TraveledDistance", "Vehicle.LowVoltageBattery.CurrentVoltage"],
            "steps": [0.01, 0.01, 0.01],
            "units": ["km/h", "km", "V"],
        },
    ),
    (
        "booking",
        {
            "event": "stored",
            "booking": 33,
            "revision": 1,
            "token": CTI,
            "booking_kind": "private",
            "from": 1795341600,
            "to": 1795348800,
            "code": None,
        },
    ),
    (
        "booking",
        {
            "event": "refused",
            "booking": 34,
            "revision": 1,
            "token": CTI,
            "booking_kind": "staff",
            "from": 1795341600,
            "to": 1795348800,
            "code": "wrong_vehicle",
        },
    ),
    (
        "access",
        {
            "event": "intent",
            "access": ACCESS,
            "via": "badge",
            "action": "unlock",
            "booking": 33,
            "token": CTI,
            "holder": HOLDER,
            "command": None,
            "clock": "gnss",
            "note": None,
        },
    ),
    (
        "access",
        {
            "event": "outcome",
            "access": ACCESS,
            "action": "unlock",
            "booking": 33,
            "outcome": "done",
            "why": "read back",
            "resolved_at_boot": False,
        },
    ),
    (
        "booking",
        {"event": "opened", "booking": 33, "token": CTI, "holder": HOLDER, "booking_kind": "private", "start": START},
    ),
    ("plug", {"event": "unplugged", "booking": 33, "reading": START}),
    ("leg", {"event": "opened", "booking": 33, "leg": 1, "start": LEG_START}),
    ("leg", {"event": "closed", "booking": 33, **LEG}),
    ("plug", {"event": "plugged", "booking": 33, "reading": END}),
    ("charge", {"event": "started", **CHARGE}),
    ("refused", {"via": "badge", "code": "not_yet", "booking": 35, "holder": HOLDER, "detail": {"wait_s": 900}}),
    (
        "booking",
        {
            "event": "closed",
            "booking": 33,
            "how": "ended",
            "soft": [],
            "hard_overridden": [],
            "start": START,
            "end": END,
            "km": 41.7,
            "energy_kwh": 4.0,
            "duration_ms": 7200000,
            "distance": "at",
            "legs": 1,
            "energy_used_kwh": 5.32,
            "energy_recovered_kwh": 1.24,
            "stops": 1,
            "unseen_ms": 4000,
        },
    ),
    *golden_receipts.BODIES,
    (
        "charge",
        {
            "event": "closed",
            **CHARGE,
            "end": reading(17012000, 48255.1, 100.0),
            "unplug": reading(28812000, 48255.1, 100.0),
            "why": "full",
            "energy_kwh": 10.4,
            "mean_kw": 4.32,
            "pauses": 1,
            "paused_ms": 340000,
            "unseen_ms": 0,
        },
    ),
    ("unbooked_leg", {"event": "opened", "leg": 1, "start": END}),
    ("unbooked_leg", {"event": "closed", **LEG, "start": END, "end": END, "km": 0.0, "distance": "<500 m"}),
    ("position", {"event": "start", **SPOT}),
    ("position", {"event": "end", **SPOT}),
    ("position", {"event": "theft", **SPOT}),
    ("position", {"event": "assistance", **SPOT}),
    ("pause", {"event": "began", "booking": 36}),
    ("pause", {"event": "ended", "booking": 36}),
    ("located", LOCATED),
    ("located", LOCATED | {"event": "assistance", "role": "driver", "found": False}),
    ("command", {"id": COMMAND_ID, "action": "lock", "result": {"code": "done", "why": "read back"}}),
    ("garage", {"event": "on", "by": "command", "hours": 12.0}),
    ("garage", {"event": "off", "by": "time", "hours": None}),
    ("alarm", {"name": "supply_low", "event": "raised", "detail": {}}),
    ("alarm", {"name": "supply_low", "event": "cleared", "detail": {}}),
    ("dropped", facts.dropped("samples", 11, 13, "no_room", SAMPLES)),
    (
        "salvaged",
        {"event": "record", "stream_id": OLD_STREAM, "n": 7, "record": {
            "kind": "plug", "boot": BOOT, "at": 1000, "wall": None, "source": "none",
            "body": {"event": "plugged", "booking": None, "reading": None},
        }},
    ),
    ("salvaged", {"event": "done", "stream_id": OLD_STREAM, "from": 1, "to": 9, "count": 1, "missing": 2}),
    ("purged", {"why": "aged", "booking": None, "positions": 2, "samples": 3}),
    ("damaged", facts.damaged("facts", 9, 9, STREAM)),
)

STATE: dict[str, object] = {
    "facts": 17,
    "samples": 7,
    "pending": {"facts": 0, "samples": 1},
    "time_question": None,
    "soc": 52.5,
    "range_km": 131.0,
    "range_computed": False,
    "odometer_km": 48255.1,
    "plugged": "yes",
    "locked": "yes",
    "booking": "staff",  # a kind that this car's settings track: there is no position without one
    "position": [48.43123, 0.08865],
    "alarms": [],
    "revocation": {"delay_s": 5400, "by": "list"},
}

RUN = samples.Run(
    columns=2,
    booking=33,
    boot=BOOT,
    wall=(WALL[0], WALL[1]),
    source="gnss",
    rows=(
        (812000, (0, 4821340, 1432)),
        (813000, (412, 4821340, None)),
        (814001, (980, 4821341, 1431)),
        (815000, (None, 4821342, 1433)),
    ),
)


def fact_rows() -> list[tuple[int, str]]:
    rows = []
    for number, (kind, body) in enumerate(BODIES, 1):
        rows.append((number, wire.fact(kind, BOOT, 812000 + number, WALL, "gnss", body)))
    return rows


def ack(said: wire.Ack) -> bytes:
    """`down/ack`, as a backend writes it."""
    ranges = [list(span) for span in said.ranges]
    return wire.pack(
        {"v": wire.VERSION, "stream": said.stream, "upto": said.upto, "ranges": ranges, "poison": list(said.poison)}
    )


def payloads() -> dict[wire.Kind, bytes]:
    """One payload of every kind."""
    return {
        wire.Kind.FACTS: wire.facts(VEHICLE, STREAM, fact_rows()),
        wire.Kind.SAMPLES: samples.seal(VEHICLE, SAMPLES, 7, RUN),
        wire.Kind.STATE: wire.state(VEHICLE, BOOT, 8020000, WALL, STATE),
        wire.Kind.WILL: wire.will(VEHICLE),
        wire.Kind.RESULT: wire.result(VEHICLE, COMMAND_ID, "done", "read back", 14),
        wire.Kind.ACK: ack(wire.Ack(STREAM, 12, ((14, 16),), (17,))),
        wire.Kind.BOOK: golden_tokens.BOOKING,
        wire.Kind.COMMAND: golden_tokens.COMMAND,
        wire.Kind.TRUST: golden_tokens.KEYSET,
        wire.Kind.CONFIG: b"",
    }


def name_of(kind: wire.Kind) -> str:
    return schema.name_of(kind) + ".json"


def file_of(kind: wire.Kind, payload: bytes) -> bytes:
    """The golden file's bytes."""
    value = wire.unpack(payload)
    envelope: dict[str, object] = {
        "topic": wire.topic(VEHICLE, kind),
        "qos": 1,
        "retain": kind in (wire.Kind.STATE, wire.Kind.WILL),
    }
    envelope |= {"hex": payload.hex()} if value is None else {"payload": value}
    return (json.dumps(envelope, indent=1) + "\n").encode()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind, payload in payloads().items():
        (FOLDER / name_of(kind)).write_bytes(file_of(kind, payload))


if __name__ == "__main__":
    main()
