"""What the box wrote itself and reads back: a damaged disk gives any bytes. The door starts all the same.

An input goes to a quarter of the vault's readers, or to all of those of files; it is accepted where one of them makes a
value of it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from agent.access import receipts
from agent.access.booking import Closing, How, Plan
from agent.access.locate import TOLD_KEY, Told
from agent.access.outcome import Answer
from agent.access.pending import Asked, Pending
from agent.access.rescue import UNKNOWN, rescued
from agent.car import course, garage, supply
from agent.car import range as reach
from agent.car.charging import Charge, Stretch
from agent.car.legs import Leg, Tally
from agent.car.under_way import CHARGE_KEY, COURSE_KEY, OpenBooking
from agent.car.watched import Watched
from agent.run import accepted, vehicle_key
from agent.run.timekeeper import Timekeeper
from agent.sync import samples, stored
from agent.sync.record import Columns, When
from agent.sync.tags import Lived
from config.car import ComputedRange
from drivers.ports import Instant, LockAction
from keyless import clock as trusted
from keyless.claims import Interval
from tests.fakes.clock import BOOT, ManualClock
from tests.fuzz.target import JSON_WORDS, Target
from tests.keyless_world import CLAIMS

READING: Final[Any] = UNKNOWN | {"odometer_km": 12.5, "boot": BOOT, "wall": [1, 2], "plugged": "yes"}
BOOKING: Final = OpenBooking(42, "00" * 16, "11" * 8, "private", 1, 2, READING, tally=Tally(1, 2, 3, 4))
LEG: Final = Leg(1, 42, READING, READING, Watched(BOOT, 5, None), provisional=("plugged",), distance="near")
CHARGE: Final = Charge(42, None, None, READING, READING, Watched(BOOT, 5, 6), since=READING, sums=Stretch(1.5, 2, 3, 4))
PENDING: Final = Pending(
    "0011223344556677", LockAction.LOCK, Asked("badge", 42, command="ab" * 16),
    Plan(BOOKING, Closing(How.ENDED, READING, ("not_plugged",))),
)  # fmt: skip
COLUMNS: Final = Columns(3, ("a", "b"), (1.0, 0.1), ("km", "%"))
RUN: Final = samples.Run(3, 33, "b", (1, 2), "gnss", ((1000, (1, None, 3)), (2000, (2, 5, 4))))
VISIT: Final = garage.Visit("command", 8.0, BOOT, 5, 1.8e9)
ACCEPTED: Final = accepted.Accepted(3, 4, frozenset({bytes(8), b"\x01" * 8}))
CLOCK: Final = trusted.ClockState(1.8e9, 1.8e9, BOOT, trusted.Anchor(BOOT, 5, 1.8e9, 1.8e9 + 4, "gnss"))
NOW: Final = Instant(BOOT, 10**12)
WHEN: Final = When(BOOT, 10**6, [1, 2], "gnss")


def _same(kind: Any, data: bytes) -> bool:
    """A value with `from_bytes` and `to_bytes`: what was read reads as the same once it is written again."""
    found = kind.from_bytes(data)
    assert found is None or getattr(found, "damaged", False) or kind.from_bytes(found.to_bytes()) == found
    return found is not None


def _course(data: bytes) -> bool:
    told = course.from_vault({COURSE_KEY: data, CHARGE_KEY: data}, None, None)
    return told.cable.plugged is not None


def _rescued(data: bytes) -> bool:
    kept, detail = rescued(data, lambda name: CLAIMS if name == CLAIMS.cti.hex() else None)
    assert (kept is not None) == detail["kept"]
    json.dumps(detail, allow_nan=False)
    return kept is not None


def _run(data: bytes) -> bool:
    found = samples.unseal(data)
    runs, odd = samples.join([data, samples.group(RUN), data])
    assert len(runs) + odd in (1, 2, 3)
    for run in (*runs, *([found[1]] if found else [])):
        assert samples.unseal(samples.seal("v", "s", 1, run)) == (1, run)
    return found is not None or odd == 0


def _range(data: bytes) -> bool:
    state = reach.restored(data)
    assert 0 <= reach.range_km(20.0, state, ComputedRange(15.0, 50.0)) <= reach.MOST_KM
    assert reach.restored(state.to_bytes()) == state
    return bool(state.pieces)


def _supply(data: bytes) -> bool:
    state = supply.restored(data)
    assert supply.restored(state.to_bytes()) == state
    supply.step(state, 12.0, True, 10**12)
    return bool(state.nights)


def _garage(data: bytes) -> bool:
    visit = garage.restored(data)
    for boot in (BOOT, "another") if visit is not None else ():
        left_s = visit.left_s(Instant(boot, NOW.ns), Interval(1.8e9, 1.8e9 + 4, "gnss"))
        assert left_s <= garage.HOURS * 3600, "it would not end by itself (R17)"
    return visit is not None and garage.restored(visit.to_bytes()) == visit


def _told(data: bytes) -> bool:
    told = Told()
    told.load({TOLD_KEY: data})
    json.dumps(told.last)
    return bool(told.last)


def _lived(data: bytes) -> bool:
    lived = Lived()
    lived.begin(data, WHEN)
    return lived.ms(WHEN) > 0


def _typed(kind: Any) -> Callable[[bytes], bool]:
    def judge(data: bytes) -> bool:
        try:
            stored.value(kind, data)
        except ValueError:
            return False
        return True

    return judge


VAULT: Final[tuple[Callable[[bytes], bool], ...]] = (
    *(lambda data, kind=kind: _same(kind, data) for kind in (OpenBooking, Leg, Charge, Pending, Columns)),
    _course, _rescued, _run, _range, _supply, _garage, _told, _lived,
    _typed(Answer), _typed(tuple[int, int]), _typed(dict[str, float | str | None]),
)  # fmt: skip


QUARTERS: Final = 4


def judge_vault(data: bytes) -> bool:
    """data: which quarter of the readers, then what lies there: each of them is asked."""
    return sum(reader(data[1:]) for reader in VAULT[sum(data[:1]) % QUARTERS :: QUARTERS]) > 0


# --- files of their own, with a check value: as they come, and with a right one

VEHICLE_ID: Final = "0011223344556677"
PLACE: Final = tempfile.TemporaryDirectory(prefix="boitier-fuzz-")
FOLDER: Final = Path(PLACE.name)


def _lies(name: str) -> Callable[[bytes], None]:
    """Puts bytes into a file that stays open: opening one costs more than all that is judged here."""
    fd = os.open(FOLDER / name, os.O_RDWR | os.O_CREAT, 0o600)

    def put(data: bytes) -> None:
        os.ftruncate(fd, 0)
        os.pwrite(fd, data, 0)

    return put


PUT: Final = {name: _lies(name) for name in (accepted.ACCEPTED_FILE, "floor", vehicle_key.KEY_FILE)}


def _checked(data: bytes, check: Callable[[dict[str, object]], str]) -> bytes:
    try:
        record = json.loads(data)
        if not isinstance(record, dict):
            return data
        record.pop("check", None)
        return json.dumps(record | {"check": check(record)}).encode()
    except (ValueError, RecursionError):
        return data


def _accepted(data: bytes) -> bool:
    PUT[accepted.ACCEPTED_FILE](data)
    try:
        found = accepted.read(FOLDER, "owner")
    except ValueError:
        return False
    return found is not None


def _floor(data: bytes) -> bool:
    PUT["floor"](data)
    keeper = Timekeeper(ManualClock(10**12), FOLDER / "floor")
    keeper.load()
    now = keeper.interval()
    assert now.lo_s >= trusted.BUILD_S
    assert now.hi_s is None or now.hi_s >= now.lo_s
    keeper.stamp(NOW)
    json.dumps(keeper.status())
    return now.hi_s is not None


def _signer(data: bytes) -> bool:
    PUT[vehicle_key.KEY_FILE](data)
    try:
        return vehicle_key.public(FOLDER, VEHICLE_ID) is not None
    except ValueError:
        return False


def _number(data: bytes) -> bool:
    number = receipts._numbered(data)
    return number > 0 and receipts._numbered_text(number) == data


CHECKS: Final[tuple[tuple[Callable[[bytes], bool], Any], ...]] = (
    (_signer, vehicle_key._check), (_accepted, accepted._check), (_floor, trusted._check),
)  # fmt: skip


def judge_files(data: bytes) -> bool:
    found = [_number(data)]
    for reader, check in CHECKS:
        found += [reader(one) for one in dict.fromkeys((data, _checked(data, check)))]
    return any(found)


def _written() -> list[bytes]:
    own = FOLDER / "own"
    own.mkdir()
    accepted.write(own, "owner", ACCEPTED)
    ours = [vehicle_key._record(bytes(range(32)), VEHICLE_ID), receipts._numbered_text(4711)]
    return [(own / accepted.ACCEPTED_FILE).read_bytes(), json.dumps(trusted.to_record(CLOCK)).encode(), *ours]


VALUES: Final = (
    *(one.to_bytes() for one in (BOOKING, LEG, CHARGE, PENDING, COLUMNS, VISIT)),
    samples.group(RUN), samples.seal("v", "s", 1, RUN), reach.Consumption(((5.0, 0.8), (6.0, 1.0))).to_bytes(),
    supply.Supply(nights=(12.5, 12.6), low=True).to_bytes(), json.dumps({"theft/42": [BOOT, 5, [1, 2]]}).encode(),
    b'{"code":"done","why":"x","until":1}', b"[5,7]", b'{"plugged":true,"turn":null,"unbooked":2}', b"12345",
    b'{"odometer":12.5,"locked":"yes","soc":null}', b'{"booking":42,"token":"%s","legs":2}' % CLAIMS.cti.hex().encode(),
)  # fmt: skip
CHOSEN: Final = [bytes([number]) + one for one in VALUES for number in range(QUARTERS)]
SEEDS: Final = [one for one in CHOSEN if judge_vault(one)]
assert {one[1:] for one in SEEDS} == set(VALUES), "no reader takes what the box itself wrote"
TARGETS: Final = (
    Target("vault", judge_vault, SEEDS, 65_536, JSON_WORDS),
    Target("files", judge_files, _written(), 65_536, JSON_WORDS),
)
