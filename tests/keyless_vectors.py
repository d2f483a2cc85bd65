"""The files of docs/vectors/keyless, and what keyless/ says to each of their cases by its public functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import astuple, replace

from keyless import code, near, parcel, policy, receipt, roots, signed_time, trust, verify
from keyless.claims import Action, BadgeId, Booking, Claims, Interval, Role
from keyless.guest import Guest
from keyless.refusal import Refusal
from keyless.token import read_remote
from tests import keyless_vectors_disk, keyless_vectors_door
from tests.keyless_vectors_unsigned import UNSIGNED

FOLDER = Path(__file__).resolve().parents[1] / "docs/vectors/keyless"
NOBODY = Claims("", b"", 0, 0, 0, b"", BadgeId(b""), Role.DRIVER, 0, 0, 0, 0, 0, 0)
Case = dict[str, Any]


def files() -> dict[str, Case]:
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def cases(name: str) -> list[Case]:
    """The cases of one file, each with its whole state and with the trust set that it names as bytes."""
    whole = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    filled = [{**case, "state": {**whole["usual"], **case.get("state", {})}} for case in whole["cases"]]
    return [{**case, "trust": whole["trust"].get(case["state"].get("trust"))} for case in filled]


def input_(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name]) + bytes(case.get("zeros", 0))


def keyset(case: Case) -> trust.KeySet:
    said = case["trust"]
    read = trust.read_keyset(bytes.fromhex(said["keyset"]), _all(said["roots"]), said["threshold"])
    assert isinstance(read, trust.KeySet)
    return read


def situation(case: Case) -> verify.Situation:
    state = case["state"]
    return verify.Situation(
        keyset=keyset(case),
        vehicle=bytes.fromhex(state["vehicle"]),
        operator=state["operator"],
        now=_now(state),
        open_booking=state["open_booking"],
        superseded={int(booking): seen for booking, seen in state["superseded"].items()},
        revoked=frozenset(_all(state["revoked"])),
        list_iat=state["list_iat"],
        at_station=state["at_station"],
        carried=frozenset(state["carried"]),
        just_ended=state["just_ended"],
    )


def decision(name: str, case: Case) -> Case:
    """In the form of `expect`."""
    if name in SIGNED:
        return SIGNED[name](case)
    field, decide = UNSIGNED[name]
    return decide(case["state"], input_(case, field) if field else b"")


def _token(case: Case) -> Case:
    return _told(verify.believe(input_(case, "token"), situation(case)))


def _stored(case: Case) -> Case:
    return _told(verify.store_check(input_(case, "token"), situation(case), kept=case["state"]["kept"]))


def _command(case: Case) -> Case:
    return _commanded(case, input_(case, "token"), input_(case, "command"))


def _pair(case: Case) -> Case:
    pair = read_remote(input_(case, "pair"))
    return _told(pair) if isinstance(pair, Refusal) else _commanded(case, *pair)


def _guarded(case: Case) -> Case:
    state = case["state"]
    booking = verify.believe(input_(case, "token"), situation(case))
    assert isinstance(booking, Booking)
    refusal = policy.decide(booking, policy.Wish(Action(case["action"]), state["remote"]), _car(state))
    return {"accept": refusal is None, "code": refusal and refusal.code}


def _commanded(case: Case, token: bytes, command: bytes) -> Case:
    state = case["state"]
    believed = verify.believe_command(token, command, situation(case), state["counter"])
    if isinstance(believed, Refusal):
        named = {"command_id": believed.detail["command"]} if believed.code == "replay" else {}
        return {**_told(believed), **named}
    booking, wish = believed
    refusal = policy.decide(booking, policy.Wish(wish.action, remote=True), _car(state))
    if refusal is not None:
        return _told(refusal)
    asked = {"id": wish.id.hex(), "action": int(wish.action), "counter": wish.counter, "exp": wish.exp}
    return {"accept": True, "code": None, "note": booking.note, "command": asked}


def _near(case: Case) -> Case:
    state = case["state"]
    token, command = input_(case, "token"), input_(case, "command")
    nonces = frozenset(_all(state["nonces"]))
    believed = near.believe_near(token, command, situation(case), nonces, state["counter"])
    if isinstance(believed, Refusal):
        highest = {"highest": believed.detail.get("counter")} if believed.code == "replay" else {}
        return {**_told(believed), **highest}
    booking, wish = believed
    asked = {"nonce": wish.nonce.hex(), "action": int(wish.action), "counter": wish.counter}
    return {"accept": True, "code": None, "note": booking.note, "command": asked}


def _keyset(case: Case) -> Case:
    state = case["state"]
    read = trust.read_keyset(
        input_(case, "keyset"), _all(state["roots"]), state["threshold"], min_version=state["min_version"]
    )
    if isinstance(read, Refusal):
        return _told(read)
    keys = [
        {
            "kid": kid.hex(),
            "key": key.key.hex(),
            "not_before": key.not_before,
            "not_after": key.not_after,
            "roles": key.role_ceiling,
            "guest": None if key.guest is None else _guest(key.guest),
        }
        for kid, key in read.keys.items()
    ]
    return {"accept": True, "code": None, "version": read.version, "expires": read.expires, "keys": keys}


def _rootset(case: Case) -> Case:
    state = case["state"]
    now = trust.Trust(tuple(_all(state["roots"])), state["threshold"])
    read = roots.read_rootset(input_(case, "rootset"), now, version=state["version"])
    if isinstance(read, Refusal):
        return _told(read)
    said = {"threshold": read.trust.threshold, "roots": [root.hex() for root in read.trust.roots]}
    return {"accept": True, "code": None, "version": read.version, **said}


def _guest(guest: Guest) -> Case:
    said = dict(zip(guest.__struct_fields__, astuple(guest), strict=True))
    return {name.removesuffix("_min"): value for name, value in said.items()}


def _revocations(case: Case) -> Case:
    state = case["state"]
    read = trust.read_revocations(
        input_(case, "list"),
        keyset(case),
        operator=state["operator"],
        now=_now(state),
        min_sequence=state["min_sequence"],
        accepted_before=state["accepted_before"],
    )
    if isinstance(read, Refusal):
        return _told(read)
    ids = sorted(name.hex() for name in read.ids)
    said = {"sequence": read.sequence, "exp": read.expires, "iat": read.iat, "ids": ids}
    return {"accept": True, "code": None, **said}


def _signed_time(case: Case) -> Case:
    state = case["state"]
    read = signed_time.believe_time(
        input_(case, "answer"),
        {bytes.fromhex(nonce): ms * 1_000_000 for nonce, ms in state["asked"].items()},
        keyset(case),
        operator=state["operator"],
        revoked=frozenset(_all(state["revoked"])),
        now_ns=state["arrived_ms"] * 1_000_000,
        build_s=float(state["built"]),
        list_iat=state["list_iat"],
    )
    if isinstance(read, Refusal):
        return _told(read)
    return {"accept": True, "code": None, "time": read.time_s, "within_ms": round(read.within_s * 1000)}


def _receipt(case: Case) -> Case:
    state = case["state"]
    vehicle, token = (None if state[name] is None else bytes.fromhex(state[name]) for name in ("vehicle", "token"))
    public = bytes.fromhex(state["public"])
    read = receipt.believe_receipt(input_(case, "receipt"), public, vehicle=vehicle, token=token)
    if isinstance(read, Refusal):
        return _told(read)
    said = {
        "iss": read.operator,
        "vehicle": read.vehicle.hex(),
        "number": read.number,
        "booking": read.booking,
        "token": None if read.token is None else read.token.hex(),
        "event": int(read.event),
        "lock": int(read.lock),
        "start": list(astuple(read.start)),
        "end": None if read.end is None else list(astuple(read.end)),
        "states": [read.plugged, read.doors_shut, read.key_back],
        "remarks": read.remarks,
    }
    return {"accept": True, "code": None, "said": said}


def _parcel(case: Case) -> Case:
    secret, public, vehicle = (bytes.fromhex(case["state"][name]) for name in ("secret", "public", "vehicle"))
    read = parcel.opened(input_(case, "parcel"), secret, public, vehicle=vehicle)
    if isinstance(read, Refusal):
        return _told(read)
    assert read.vehicle == vehicle
    return {"accept": True, "code": None, "iss": read.operator, "facts": read.facts.hex()}


def _code(case: Case) -> Case:
    state, digits = case["state"], case["digits"]
    key, now, open_ = bytes.fromhex(state["code_key"]), _now(state), state["open_booking"]
    for each in state["stored"]:
        claims = replace(NOBODY, **{**each, "role": Role(each["role"])})
        compared = code.within_a_day(claims, now) or claims.booking == open_
        kind = code.stands_for(key, digits, claims) if compared else None
        if kind is not None:
            return {"accept": True, "code": None, "booking": claims.booking, "kind": int(kind)}
    slot = code.hotline_booking(key, digits, now, open_)
    if slot is None and open_ is not None and code.ends(key, digits, now, open_) is not None:
        return {"accept": True, "code": None, "booking": open_, "kind": int(code.CodeKind.END)}
    if slot is None:
        return {"accept": False, "code": "code"}
    return {"accept": True, "code": None, "booking": slot, "kind": None}


def _door(case: Case) -> Case:
    asked = keyless_vectors_door if case["state"]["writes"] == "all" else keyless_vectors_disk
    return asked.decided(case, keyset(case), _now(case["state"]))


def _told(outcome: Any) -> Case:
    if isinstance(outcome, Refusal):
        return {"accept": False, "code": str(outcome.code)}
    holder = outcome.confirmation
    booking = {
        **{name: getattr(outcome, name) for name in ("iss", "exp", "nbf", "iat", "actions", "ignored", "booking")},
        "aud": outcome.aud.hex(),
        "cti": outcome.cti.hex(),
        "holder": {"badge": holder.id.hex()} if isinstance(holder, BadgeId) else {"key": holder.public.hex()},
        "role": int(outcome.role),
        "early": outcome.early_s,
        "late": outcome.late_s,
        "paid_from": outcome.paid_from_s,
        "paid_to": outcome.paid_to_s,
        "revision": outcome.revision,
        "flags": outcome.flags,
        "kind": int(outcome.kind),
    }
    return {"accept": True, "code": None, "note": outcome.note, "booking": booking}


def _car(state: Case) -> policy.CarView:
    return policy.CarView(policy.Motion(state["car"]["moving"]), state["car"]["ignition"])


def _now(state: Case) -> Interval:
    lo, hi = state["now"]
    return Interval(lo, hi, "none" if hi is None else state.get("source", "gnss"))


def _all(names: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(name) for name in names)


# file: who decides.
SIGNED: dict[str, Callable[[Case], Case]] = {
    "token.json": _token,
    "stored.json": _stored,
    "guard.json": _guarded,
    "command.json": _command,
    "pair.json": _pair,
    "near.json": _near,
    "door.json": _door,
    "keyset.json": _keyset,
    "rootset.json": _rootset,
    "revocations.json": _revocations,
    "signed_time.json": _signed_time,
    "receipt.json": _receipt,
    "code.json": _code,
    "parcel.json": _parcel,
}
