"""The oracle: an honest day agrees to the record, and every lie is found, those of the receipts too."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hil import tokens
from hil.backend import payload
from hil.backend.holdings import Holdings
from hil.backend.ledger import Expected, Judgement, judge
from hil.diary import Diary
from hil.truth import CarTruth
from hil.vouchers import Look, Slip
from tests.hil_backend import BOOT, VEHICLE, facts

T0 = 1_800_000_000_000
BADGE = "0102030405"
CAR_KEY, STRANGER = Ed25519PrivateKey.from_private_bytes(b"\x11" * 32), Ed25519PrivateKey.generate()


def reading(at_ms: int, diary: Diary, **changes: Any) -> dict[str, Any]:
    truth = diary.truth(at_ms)
    return {
        "odometer_km": round(truth.odometer_km, 2), "soc_percent": truth.soc_percent, "energy_kwh": truth.energy_kwh,
        "range_km": truth.range_km, "plugged": "no", "at_station": None, "boot": BOOT, "at": at_ms - T0,
        "wall": [at_ms - 500, at_ms + 500], **changes,
    }  # fmt: skip


def slip(number: int, event: str, start: dict[str, Any], end: dict[str, Any] | None) -> Slip:
    """What an honest car signs of these readings."""
    looks = [
        told and Look(
            told["wall"][0] // 1000, -(-told["wall"][1] // 1000), round(told["odometer_km"] * 1000),
            round(told["soc_percent"] * 10),
        )
        for told in (start, end)
    ]  # fmt: skip
    assert looks[0] is not None
    return Slip("bench", bytes.fromhex(VEHICLE), number, 7, b"token", event, "done", looks[0], looks[1])


def receipt(number: int, event: str, start: dict[str, Any], end: dict[str, Any] | None) -> dict[str, Any]:
    """The fact."""
    data = slip(number, event, start, end).signed(CAR_KEY)
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    return {"event": event, "booking": 7, "number": number, "cose": text}


def a_day() -> tuple[Diary, list[dict[str, Any]]]:
    """A tap that unlocks, twelve kilometres, a tap that locks; and what an honest box says about it."""
    diary, parked = Diary(), CarTruth()
    open_, home = replace(parked, locked=False), replace(parked, locked=False, odometer_km=parked.odometer_km + 12)
    here = (48.7, -0.5)
    diary.write(T0, "begin", "world", "", parked, here)
    diary.write(T0 + 10_000, "tap", BADGE, "", parked, here)
    diary.write(T0 + 11_000, "lock", "unlocked", "relay", open_, here)
    diary.write(T0 + 20_000, "drive", "start", "", open_, here)
    diary.write(T0 + 60_000, "drive", "stop", "", home, here)
    diary.write(T0 + 70_000, "tap", BADGE, "", home, here)
    diary.write(T0 + 71_000, "lock", "locked", "relay", replace(home, locked=True), here)
    diary.write(T0 + 90_000, "end", "world", "", replace(home, locked=True), here)

    def at(ms: int, kind: str, **body: Any) -> dict[str, Any]:
        wall = [T0 + ms - 500, T0 + ms + 500]
        return {"n": 0, "kind": kind, "boot": BOOT, "at": ms, "wall": wall, "source": "gnss", "body": body}

    start, end = reading(T0 + 11_200, diary), reading(T0 + 71_200, diary)
    who: dict[str, Any] = {"booking": 7, "token": "b" * 32, "holder": "a" * 16}
    key: dict[str, Any] = {**who, "via": "badge", "command": None, "clock": "gnss", "note": None}
    done: dict[str, Any] = {"outcome": "done", "booking": 7, "why": "read back", "resolved_at_boot": False}
    bill = {"how": "ended", "start": start, "end": end, "km": 12.0, "energy_kwh": 0.0, "duration_ms": 60_000}
    more = {"soft": [], "hard_overridden": [], "distance": None, "legs": 0, "stops": 0, "unseen_ms": 0}
    sums = dict.fromkeys(("energy_used_kwh", "energy_recovered_kwh"))
    booted = {"version": "0.1.0", "car": "zoe-ph1", "sqlite": None, "why": "start", "quarantined": None}
    story = [
        at(10_100, "access", event="intent", access="a" * 16, action="unlock", **key),
        at(11_200, "access", event="outcome", access="a" * 16, action="unlock", **done),
        at(11_250, "booking", event="opened", start=start, booking_kind="private", **who),
        at(70_100, "access", event="intent", access="b" * 16, action="lock", **key),
        at(71_200, "access", event="outcome", access="b" * 16, action="lock", **done),
        at(71_250, "booking", event="closed", booking=7, **bill, **more, **sums),
        at(20_000, "columns", names=["Vehicle.TraveledDistance"], steps=[0.01], units=["km"]),
        at(5_000, "boot", **booted, vehicle_key=tokens.raw_public(CAR_KEY).hex()),
        at(11_250, "receipt", **receipt(1, "opened", start, None)),
        at(71_250, "receipt", **receipt(2, "ended", start, end)),
    ]
    return diary, [{**fact, "n": index} for index, fact in enumerate(story, 1)]


def driven(diary: Diary, seconds: range) -> bytes:
    """A sealed batch, one sample a second, as the car really was."""
    odometer = [round(100 * diary.odometer_km(T0 + 1000 * second)) for second in seconds]
    deltas = [odometer[0], *(b - a for a, b in pairwise(odometer))]
    at = 1000 * seconds[0]
    head = {"v": 1, "vehicle": VEHICLE, "stream": "c" * 16, "n": 1, "columns": 7, "booking": 7, "boot": BOOT, "at": at}
    times = [0] + [1000] * (len(seconds) - 1)
    return payload.pack({**head, "wall": [T0 + at, T0 + at], "source": "gnss", "t": times, "c": [deltas]})


def judged(
    folder: Path, diary: Diary, story: list[dict[str, Any]], last: int = 10, seconds: range = range(20, 61)
) -> Judgement:
    database = folder / "held.sqlite"
    holdings = Holdings(database)
    holdings.commit(payload.read(f"boitier/v1/{VEHICLE}/up/facts", facts(*story)), T0)
    holdings.commit(payload.read(f"boitier/v1/{VEHICLE}/up/samples", driven(diary, seconds)), T0)
    holdings.close()
    return judge(diary, database, VEHICLE, [Expected(7, badge=BADGE)], last={"facts": last, "samples": 1})


def test_honest_day_agrees(tmp_path: Path) -> None:
    judgement = judged(tmp_path, *a_day())
    assert judgement.findings == []
    assert all(row.agrees for row in judgement.rows)
    assert any("12.0 km" in row.holds for row in judgement.rows)


@pytest.mark.parametrize(
    ("number", "change", "words"),
    [
        (6, {"kmh": 1}, "Additional properties are not allowed"),
        (6, {"soft": "none"}, 'soft: "none" is not of type'),
        (6, {"event": "shut"}, "no schema names this kind or event"),
        (3, {"start": {"odometer_km": 1}}, '"soc_percent" is a required property'),
    ],
)
def test_what_no_schema_names_is_found(tmp_path: Path, number: int, change: dict[str, Any], words: str) -> None:
    diary, story = a_day()
    story[number - 1]["body"].update(change)
    judgement = judged(tmp_path, diary, story)
    assert any(words in finding for finding in judgement.findings if finding.startswith("held against the schemas"))
    row = next(row for row in judgement.rows if row.what == "held against the schemas")
    assert (row.happened, row.holds, row.agrees) == ("11", "10 as the schemas say", False)


@pytest.mark.parametrize("number", range(1, 11))
def test_any_single_missing_record_is_found(tmp_path: Path, number: int) -> None:
    diary, story = a_day()
    assert not judged(tmp_path, diary, [fact for fact in story if fact["n"] != number]).agrees


def _change(number: int, **body: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda story: story[number - 1]["body"].update(body)


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (_change(6, km=13.0), "13.0 km billed, 12.00 km driven"),
        (_change(6, how="takeover"), "closed as takeover"),
        (_change(6, duration_ms=90_000), "lasted 90000 ms"),
        (_change(6, duration_ms=None), "lasted None ms"),
        (_change(6, km=None), "None km billed"),
        (_change(6, energy_kwh=None), "None kWh, 0.00 kWh really"),
        (_change(6, energy_kwh=0.6), "0.6 kWh, 0.00 kWh really"),
        (lambda story: story[5]["body"]["end"].update(at=101_200), "booking 7 is billed 90 cents, 53 to 67 are due"),
        (lambda story: story[5]["body"]["end"].update(at=41_200), "booking 7 is billed 30 cents"),
        (_change(3, holder=None), "60 cents in all, 100053 to 100067 are due"),
        (lambda story: story[5].update(kind="pause"), "booking 7 is billed 0 cents"),
        (_change(2, outcome="failed"), "held as failed"),
        (_change(4, action="unlock"), "locked at"),
        (_change(3, booking_kind="staff"), "kind staff"),
        (_change(5, access="c" * 16), "has no outcome"),
        (lambda story: story[2]["body"]["start"].update(odometer_km=48_000.0), "odometer_km 48000.0"),
        (lambda story: story[2]["body"]["start"].update(position=[48.7, -0.5]), "1 positions are held"),
        (lambda story: story.append({**story[5], "n": 11}), "closed 2 times"),
        (lambda story: story.append({**story[5], "n": 11, "body": {"event": "opened", "booking": 9}}), "booking 9"),
    ],
)
def test_any_lie_is_found(tmp_path: Path, lie: Callable[[list[dict[str, Any]]], None], words: str) -> None:
    diary, story = a_day()
    story = json.loads(json.dumps(story))
    lie(story)
    assert words in "\n".join(judged(tmp_path, diary, story).findings)


def test_missing_tail_is_found(tmp_path: Path) -> None:
    diary, story = a_day()
    assert "numbered up to 12, the backend has 10" in judged(tmp_path, diary, story, last=12).findings[0]


def test_d25_drive_without_its_samples_is_found_unless_the_power_was_cut(tmp_path: Path) -> None:
    diary, story = a_day()
    few = range(20, 45)
    assert "25 samples of 40 s driven" in judged(tmp_path, diary, story, seconds=few).findings[0]
    dark = Diary()
    for moment in diary.moments:
        dark.write(moment.at_ms, moment.what, moment.value, moment.detail, moment.truth, moment.position)
        if moment.what == "drive" and moment.value == "start":
            for at_ms, value in ((T0 + 46_000, "cut"), (T0 + 58_000, "back"), (T0 + 58_500, "ready")):
                what = "agent" if value == "ready" else "power"
                truth = replace(moment.truth, odometer_km=diary.odometer_km(at_ms))
                dark.write(at_ms, what, value, "", truth, moment.position)
    again = tmp_path / "again"
    again.mkdir()
    assert judged(again, dark, story, seconds=few).findings == []


def test_movement_that_nobody_wrote_down_is_found(tmp_path: Path) -> None:
    diary, story = a_day()
    last = diary.moments[-1]
    diary.write(last.at_ms + 1, "lock", "unlocked", "relay", replace(last.truth, locked=False), last.position)
    assert "has no intent" in judged(tmp_path, diary, story).findings[0]


# --- receipts


def _signed(number: int, **changes: Any) -> Callable[[list[dict[str, Any]]], None]:
    """Another receipt in the place of this fact; a key may be named."""

    def lie(story: list[dict[str, Any]]) -> None:
        body, key = story[number - 1]["body"], changes.pop("key", CAR_KEY)
        start, end = story[5]["body"]["start"], story[5]["body"]["end"]
        honest = slip(body["number"], body["event"], start, None if body["event"] == "opened" else end)
        body["cose"] = base64.urlsafe_b64encode(replace(honest, **changes).signed(key)).decode().rstrip("=")

    return lie


def _more(story: list[dict[str, Any]], number: int) -> None:
    body = receipt(number, "ended", story[5]["body"]["start"], story[5]["body"]["end"])
    story.append({**story[9], "n": 11, "body": body})


def _flip(story: list[dict[str, Any]]) -> None:
    cose = story[9]["body"]["cose"]
    story[9]["body"]["cose"] = cose[:-4] + ("AAAA" if cose[-4:] != "AAAA" else "BBBB")


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (lambda story: story[9].update(kind="pause"), "booking 7, ended: no receipt"),
        (lambda story: story[8].update(kind="pause"), "booking 7, opened: no receipt"),
        (lambda story: story[8].update(kind="pause"), "receipt 1 is missing"),
        (lambda story: story.append({**story[9], "n": 11}), "receipt 2 is there 2 times"),
        (lambda story: _more(story, 4), "receipt 3 is missing"),
        (lambda story: _more(story, 3), "receipt 3 (ended of 7) belongs to nothing"),
        (_flip, "receipt 2 (fact 10): the signature is wrong"),
        (lambda story: story[9]["body"].update(cose="0oQ"), "receipt 2 (fact 10): "),
        (lambda story: story[9]["body"].update(cose=None), "receipt 2 (fact 10): "),
        (lambda story: story[9]["body"].update(number=3), "receipt 2 is stored as 3"),
        (lambda story: story[7]["body"].update(vehicle_key=None), "by a key that the vehicle never told"),
        (_signed(10, key=STRANGER), "by a key that the vehicle never told"),
        (_signed(10, vehicle=bytes(8)), "of another vehicle"),
        (_signed(10, event="takeover"), "says takeover"),
        (_signed(10, booking=8), "belongs to nothing"),
        (_signed(10, remarks=("not_plugged",)), "['not_plugged'] instead of []"),
        (_signed(10, lock="failed"), "that the lock has failed"),
        (_signed(10, end=Look(T0 // 1000 + 70, T0 // 1000 + 72, 1000, 0)), "1000 metres at the end"),
        (_signed(9, start=Look(0, None)), "the start between 0 and None"),
        (lambda story: story[5]["body"]["end"].update(wall=None), "when the end was"),
    ],
)  # fmt: skip
def test_any_lie_about_a_receipt_is_found(
    tmp_path: Path, lie: Callable[[list[dict[str, Any]]], None], words: str
) -> None:
    diary, story = a_day()
    story = json.loads(json.dumps(story))
    lie(story)
    assert words in "\n".join(judged(tmp_path, diary, story, last=len(story)).findings)
