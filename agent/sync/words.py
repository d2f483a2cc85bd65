"""What the inventory says of each key: meanings, purposes, retention, recipients. No key is decided here.

What is not here: which keys there are (`facts.py`, `inventory.py`), but for those of the payloads that have no list of
their own.
"""

from __future__ import annotations

from typing import Final

RUN: Final = ("v", "vehicle", "stream", "n", "columns", "booking", "boot", "at", "wall", "source", "t", "c")
STATE: Final = (
    "v", "vehicle", "online", "at", "wall", "facts", "samples", "pending", "soc", "range_km", "range_computed",
    "odometer_km", "plugged", "locked", "booking", "position", "alarms",
)  # fmt: skip
RESULT: Final = ("v", "vehicle", "id", "result", "fact")
BOX: Final = (
    "booking/open", "booking/ended/", "leg/open", "charge/open", "journey/last", "car/last", "car/supply",
    "car/consumption", "car/garage", "privacy/pause", "token/", "revision/",
    "access/pending", "access/commanded", "command/counter/", "command/result/", "lock_proof/",
    "store.columns", "store.lived", "records.db", "records.db.broken-", "bookings/", "floor.json", "accepted.json",
    "keyset.cbor", "keyset.previous.cbor", "revoked.cose", "settings.good.toml",
)  # fmt: skip

_OPERATOR: Final = "the operator's backend"
_NOBODY: Final = "nobody: it stays in the car"
_BILLS: Final = "until the backend has it, then `keep_days`"
_POSITION: Final = "`position_days`, or less: `keep_days` after the backend has it"
_SAMPLE: Final = "`sample_days` (a run with positions: `position_days`), or less: `keep_days` after the backend has it"
_NEWEST: Final = "the newest only, at the broker"
_USE: Final = "billing, and who had the car"
_CARE: Final = "care of the car and its battery"
_WORK: Final = "keeping the box working"
_REPLAY: Final = "a day after the command's token ends, also through `erase --all`"
_DOOR: Final = "who opened the car, and by what right"

# where, or where and key → purpose, retention, recipient, about a person
USES: Final[dict[str, tuple[str, str, str, bool]]] = {
    "fact": (_WORK, "as the fact", _OPERATOR, False),
    "fact boot": (_WORK, _BILLS, _OPERATOR, False),
    "fact columns": (_WORK, _BILLS, _OPERATOR, False),
    "fact access": (_DOOR, _BILLS, _OPERATOR, True),
    "fact refused": (_DOOR, _BILLS + "; first to be left out when the disk is nearly full", _OPERATOR, True),
    "fact booking": (_USE, _BILLS, _OPERATOR, True),
    "fact leg": (_USE, _BILLS, _OPERATOR, True),
    "fact unbooked_leg": ("tow, garage, theft: movements that nobody booked", _BILLS, _OPERATOR, False),
    "fact plug": (_USE, _BILLS, _OPERATOR, True),
    "fact charge": ("joining the charge point's own session", _BILLS, _OPERATOR, True),
    "fact position": ("the return check; a declared theft; assistance", _POSITION, _OPERATOR, True),
    "fact pause": ("proof that nothing was kept of staff outside of work", _BILLS, _OPERATOR, True),
    "fact located": ("telling the driver afterwards who asked where the car was", _BILLS, _OPERATOR, True),
    "fact garage": ("care of the car in a garage", _BILLS, _OPERATOR, False),
    "fact command": (_DOOR, _BILLS, _OPERATOR, False),
    "fact alarm": (_CARE + ", and of the box", _BILLS, _OPERATOR, False),
    "fact dropped": ("telling lost numbers from erased ones", _BILLS, _OPERATOR, False),
    "fact purged": ("proof that the car keeps to its days", _BILLS, _OPERATOR, False),
    "reading": ("as the fact it stands in", "as the fact", _OPERATOR, True),
    "samples": (_CARE, _SAMPLE, _OPERATOR, True),
    "samples Vehicle.CurrentLocation.Latitude": ("the policy's, for that kind of booking", _POSITION, _OPERATOR, True),
    "samples Vehicle.CurrentLocation.Longitude": ("the policy's, for that kind of booking", _POSITION, _OPERATOR, True),
    "state": ("showing the car to the operator, and whether it can be booked", _NEWEST, _OPERATOR, False),
    "state booking": ("showing whether the car is free", _NEWEST, _OPERATOR, False),
    "state position": ("the policy's, for that kind of booking", _NEWEST, _OPERATOR, True),
    "result": ("answering whoever waits at a screen", "not kept; the fact `command` says it", _OPERATOR, False),
    "box": (_WORK, "until it changes", _NOBODY, False),
    "box booking/open": (_USE, "until the booking is closed", _NOBODY, True),
    "box booking/ended/": (_USE, "two days after the booking's end", _NOBODY, True),
    "box leg/open": (_USE, "until the leg is over", _NOBODY, True),
    "box charge/open": (_USE, "until the cable is pulled", _NOBODY, True),
    "box privacy/pause": ("one record of a pause, not two", "until the pause ends", _NOBODY, True),
    "box token/": (_DOOR, "two days after the booking's end", _NOBODY, True),
    "box revision/": ("no superseded token opens again", "for good, also through `erase --all`", _NOBODY, False),
    "box access/pending": (_DOOR, "until the lock has moved", _NOBODY, True),
    "box command/counter/": ("no command is obeyed twice", _REPLAY, _NOBODY, False),
    "box command/result/": ("the same answer to the same command", "a day after the command's end", _NOBODY, False),
    "box records.db": ("all of the above waits here for the backend", "row by row, as above", _OPERATOR, True),
    "box records.db.broken-": ("salvage of bills after a mishap", "until `erase --all`", _NOBODY, True),
    "box bookings/": (_DOOR, "two days after the booking's end", _NOBODY, True),
}  # fmt: skip

# key, or where.key → what it is
MEANING: Final[dict[str, str]] = {
    # numbers, ids and times
    "v": "version of the payload",
    "vehicle": "the box's random id; not the VIN or the plate",
    "stream": "id of the database's stream",
    "n": "number in its stream",
    "kind": "kind of the fact",
    "body": "the keys below, by kind",
    "boot": "random id of the board's boot",
    "at": "ms since that boot",
    "wall": "earliest and latest time it can have been",
    "source": "how the time is known",
    "booking": "number of the booking",
    "state.booking": "kind of the booking under way, not its number",
    "token": "id of the signed token",
    "holder": "id of the badge or phone, derived from it",
    "access": "id that joins intent and outcome",
    "command": "id of the remote command",
    "id": "id of the remote command",
    "revision": "which version of the booking",
    "event": "what happened",
    "why": "the reason in words",
    # who and what
    "version": "version of the program",
    "car": "car model",
    "sqlite": "version of the database's library",
    "quarantined": "name of the file set aside",
    "names": "names of the columns of samples",
    "steps": "resolution of each",
    "units": "unit of each",
    "via": "badge, code, command, or the box itself",
    "action": "what was asked for",
    "clock": "how the time was known",
    "note": "what the decision leaned on",
    "outcome": "done, failed or unknown",
    "resolved_at_boot": "found open after a power cut",
    "code": "the refusal's code",
    "detail": "the refusal or alarm in words",
    "booking_kind": "private, staff, relocation or maintenance",
    "role": "driver, agent, technician or backend",
    "found": "whether the position was known",
    "from": "start of the booked time",
    "to": "end of the booked time",
    "fact dropped.from": "first number that will never come",
    "fact dropped.to": "last one",
    "fact dropped.stream": "facts or samples",
    "how": "how the booking ended",
    "soft": "soft checks that failed",
    "hard_overridden": "hard checks that a forced end passed over",
    # readings, legs, charges
    "start": "reading at the start",
    "end": "reading at the end",
    "reading": "reading at that moment",
    "plug_in": "reading at plugging in",
    "unplug": "reading at unplugging",
    "km": "kilometres driven",
    "energy_kwh": "energy taken from the battery",
    "reading.energy_kwh": "energy in the battery",
    "fact charge.energy_kwh": "energy charged",
    "duration_ms": "how long",
    "distance": "band of distance to the nearest station; empty in the legs of a private booking",
    "energy_used_kwh": "energy out of the battery",
    "energy_recovered_kwh": "energy back into it while driving",
    "stops": "number of stops of a minute and more; neither where nor when",
    "unseen_ms": "for so long nobody looked (power cut)",
    "leg": "number of the leg",
    "legs": "how many",
    "odometer_km": "the car's odometer",
    "soc_percent": "state of charge",
    "soc": "state of charge",
    "range_km": "range",
    "range_computed": "whether the box worked it out",
    "by": "somebody at the box, a command, or time",
    "hours": "for how long",
    "plugged": "cable plugged in",
    "at_station": "name of the station; empty in the legs of a private booking",
    "station": "name of the station",
    "charge_point": "id of the charge point",
    "mean_kw": "mean power",
    "pauses": "how many pauses",
    "paused_ms": "how long in all",
    # positions
    "lat": "degrees north, made coarse",
    "lon": "degrees east, made coarse",
    "precision_m": "how coarse, metres",
    "state.position": "where the car is, made coarse; never in a private booking",
    # the rest
    "result": "code and reason of the answer",
    "fact": "number of the fact that says the same",
    "name": "name of the alarm",
    "positions": "how many facts with positions",
    "fact purged.samples": "how many runs of samples",
    "columns": "number of the fact `columns`",
    "t": "ms between samples",
    "c": "the values, column by column",
    "online": "whether the car is connected",
    "facts": "last number given out",
    "state.samples": "last number given out",
    "pending": "how many wait",
    "locked": "whether it is locked, as believed",
    "alarms": "names of alarms that stand",
    # the box's disk
    "booking/open": "the booking under way: numbers, ids, kind, start reading",
    "booking/ended/": "which bookings were ended",
    "leg/open": "the leg under way, with its newest reading",
    "charge/open": "the charge under way",
    "journey/last": "cable, and number of movements without a booking",
    "car/last": "the car's last numbers",
    "car/supply": "resting voltages of the 12 V battery",
    "car/consumption": "the car's mean consumption",
    "car/garage": "when the garage switch ends",
    "privacy/pause": "whose pause has begun",
    "token/": "signed tokens of bookings",
    "revision/": "newest version of each booking",
    "access/pending": "the movement of the lock under way, with who asked",
    "access/commanded": "whether the lock was last told to open or to close",
    "command/counter/": "hash of a command's token, and the highest counter",
    "command/result/": "answers to commands",
    "lock_proof/": "that this car's lock signal was proven",
    "store.columns": "the newest list of columns",
    "store.lived": "for how long the box has run in all",
    "records.db": "the database: facts, samples, and the small values above",
    "records.db.broken-": "a database that was set aside after a mishap",
    "bookings/": "signed tokens again, as files",
    "floor.json": "the clock's floor",
    "accepted.json": "versions of key set and revocation list; ids of what is revoked",
    "keyset.cbor": "the operator's public keys",
    "keyset.previous.cbor": "the ones before",
    "revoked.cose": "the revocation list",
    "settings.good.toml": "the last good settings",
}
