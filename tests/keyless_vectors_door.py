"""What the product says to the published cases of door.json: the pure core, on bookings that are really loaded.

Where a case's disk refuses, a whole door on such a disk is asked: `keyless_vectors_disk.py`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final, cast

from agent.access.authority import Authority
from agent.access.booking import CarNow
from agent.access.bookings import TOKEN, Bookings
from agent.access.choice import Stored
from agent.access.commanded import Far, by_command
from agent.access.deciding import Verdict, at_reader, by_phone
from agent.access.decision_record import shown
from agent.access.revisions import rows
from agent.access.saying import reasons_of
from agent.car.reading import Reading
from agent.car.state import Moving
from agent.car.stations import Where
from agent.car.under_way import OpenBooking, UnderWay
from agent.sync.store import Store
from keyless import cose
from keyless.claims import Claims, Interval, badge_id
from keyless.near import believe_near
from keyless.refusal import Refusal
from keyless.token import MAX_TOKEN, read_claims
from keyless.trust import KeySet
from keyless.verify import Situation

Case = dict[str, Any]
WHERE: Final = {
    "station": Where(at=True, name="home"),
    "elsewhere": Where(at=False),
    "unknown": Where(),
    "ramp": Where(presumed="home"),
    "anywhere": Where(anywhere=True),
}
START = Reading(
    odometer_km=None, soc_percent=None, energy_kwh=None, range_km=None, plugged=None, at_station=None, boot="0" * 16,
    at=0, wall=None,
)  # fmt: skip


def decided(case: Case, keyset: KeySet, now: Interval) -> Case:
    """In the form of `expect`."""
    state, car = case["state"], car_now(case["state"])
    with tempfile.TemporaryDirectory() as folder:
        bookings = Bookings(  # of the store nothing is asked here
            Path(folder), cast(Store, None), authority(state, keyset), under_way(state), lambda: now, lambda _: None
        )
        seen = {int(booking): revision for booking, revision in state["superseded"].items()}
        bookings.load({TOKEN + name: token for name, token in stored(state).items()} | rows(seen))
    return told(_verdict(case, bookings, now, car))


def _verdict(case: Case, bookings: Bookings, now: Interval, car: CarNow) -> Verdict:
    state = case["state"]
    if case["via"] == "badge":
        return at_reader(bookings.known(now, car, bookings.of_badge(badge_id(bytes.fromhex(case["badge"])))))
    token, command = bytes.fromhex(case["token"]), bytes.fromhex(case["command"])
    if case["via"] == "command":
        far = Far(counter=state["counter"], garage=False)
        return by_command(command, far, bookings.known(now, car, (shown(token),))).verdict
    situation = bookings.situation(now, state["open_booking"], car.where.at is True, car.just_ended)
    assert isinstance(situation, Situation)
    found = believe_near(token, command, situation, nonces(state), state["counter"])
    if isinstance(found, Refusal):
        return Verdict(refusal=found)
    booking, wish = found
    known = bookings.known(now, car, (Stored(booking.booking, booking.nbf, booking.token),))
    return by_phone(wish.action, known)


def told(verdict: Verdict) -> Case:
    if verdict.refusal is not None:
        return refused(verdict.refusal)
    assert verdict.booking is not None
    assert verdict.action is not None
    return {
        "accept": True, "code": None, "booking": verdict.booking.booking, "action": int(verdict.action),
        "opens": verdict.opens, "closes": verdict.closes and verdict.closes.value, "note": verdict.booking.note,
    }  # fmt: skip


def refused(refusal: Refusal) -> Case:
    said = {"reasons": reasons_of(refusal), "free_at": refusal.detail.get("free_at")}
    return {"accept": False, "code": str(refusal.code), **said}


# --- a case's state, as the product holds it


def authority(state: Case, keyset: KeySet) -> Authority:
    revoked = frozenset(bytes.fromhex(name) for name in state["revoked"])
    return Authority(bytes.fromhex(state["vehicle"]), state["operator"], keyset, revoked, state["list_iat"])


def under_way(state: Case) -> UnderWay:
    return UnderWay(booking=opened(state), ended=set(state["ended"]), used=dict.fromkeys(state["used"], 2**39))


def opened(state: Case) -> OpenBooking | None:
    if state["open_booking"] is None:
        return None
    return OpenBooking(
        booking=state["open_booking"], token=bytes(16).hex(), holder=bytes(8).hex(), kind="private", paid_from_s=0,
        paid_to_s=state["open_paid_to"], start=START, carried=tuple(state["carried"]),
    )  # fmt: skip


def car_now(state: Case) -> CarNow:
    car = state["car"]
    return CarNow(
        ignition_on=car["ignition"],
        doors_open=car["door_open"],
        key_returned=car["key_back"] is not False,  # true where no holder is fitted
        plugged=None,
        locked=car["locked"],
        moving=Moving(car["moving"]),
        where=WHERE[state["where"]],
        still_s=0.0,
        just_ended=state["just_ended"],
    )


def stored(state: Case) -> dict[str, bytes]:
    """By the token's own id, as the car keeps them."""
    found = {}
    for token in map(bytes.fromhex, state["tokens"]):
        outer = cose.read_sign1(token, limit=MAX_TOKEN, with_kid=True)
        assert isinstance(outer, cose.Sign1)
        claims = read_claims(outer.payload)
        assert isinstance(claims, Claims)
        found[claims.cti.hex()] = token
    assert len(found) == len(state["tokens"])
    return found


def nonces(state: Case) -> frozenset[bytes]:
    return frozenset(bytes.fromhex(nonce) for nonce in state["nonces"])
