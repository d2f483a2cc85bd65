"""Two encoders, two readers, one wire: what the bench writes the box believes, what the box writes the bench reads."""

from __future__ import annotations

import json
from pathlib import Path

import cbor2
import pytest

from agent.sync import samples
from hil import tokens
from hil.backend import held, payload
from hil.backend.holdings import Holdings
from keyless import trust, verify
from keyless.claims import Action, BadgeId, Booking, BookingKind, Interval, Role, badge_id
from keyless.refusal import Code, Refusal
from tests.hil_backend import BOOT, STREAM, VEHICLE, fact, facts

GOLDEN = Path(__file__).parents[1] / "docs" / "contract" / "golden" / "v1"
NOW = 1_800_000_000
CAR = bytes.fromhex(VEHICLE)
BADGE = bytes.fromhex("0102030405")
ROOTS = tokens.Roots.fresh()
ISSUER = tokens.Issuer("perche")
SURE = Interval(NOW, NOW + 4, "gnss")


def situation(keyset: trust.KeySet) -> verify.Situation:
    return verify.Situation(
        keyset, vehicle=CAR, operator="perche", now=SURE, open_booking=None, superseded={}, revoked=frozenset(),
        list_iat=None, at_station=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def keyset() -> trust.KeySet:
    data = tokens.keyset(ROOTS, [(ISSUER, ("driver", "backend"))], 1, NOW - 86_400, NOW + 86_400)
    roots = [bytes.fromhex(root) for root in ROOTS.public]
    read = trust.read_keyset(data, roots, 2)
    assert isinstance(read, trust.KeySet)
    assert trust.read_keyset(data, roots, 3) != read
    return read


@pytest.mark.parametrize("kind", tokens.KINDS)
def test_box_believes_the_benchs_bookings(keyset: trust.KeySet, kind: str) -> None:
    order = tokens.Order(CAR, 42, NOW - 60, NOW + 3600, NOW - 90, badge=BADGE, kind=kind)
    token = ISSUER.token(order)
    booking = verify.believe(token, situation(keyset))
    assert isinstance(booking, Booking)
    assert (booking.booking, booking.kind) == (42, BookingKind(tokens.KINDS[kind]))
    assert (booking.paid_from_s, booking.paid_to_s) == (NOW - 60, NOW + 3600)
    assert booking.confirmation == BadgeId(badge_id(BADGE)) != BadgeId(badge_id(b"other"))


def test_box_refuses_every_altered_byte_of_the_benchs_token(keyset: trust.KeySet) -> None:
    token = ISSUER.token(tokens.Order(CAR, 42, NOW - 60, NOW + 3600, NOW - 90, badge=BADGE))
    for index in range(len(token)):
        altered = token[:index] + bytes([token[index] ^ 1]) + token[index + 1 :]
        assert isinstance(verify.believe(altered, situation(keyset)), Refusal)


def test_box_believes_the_desks_command_and_refuses_its_repeat(keyset: trust.KeySet) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    holder = ec.generate_private_key(ec.SECP256R1())
    order = tokens.Order(
        CAR, 0, NOW - 60, NOW + 3600, NOW - 60, holder=holder, role="backend", actions=tokens.BACKEND_ACTIONS,
        early_s=0, late_s=0,
    )  # fmt: skip
    pair = cbor2.loads(tokens.command(holder, ISSUER.token(order), "unlock", 5, NOW + 60, b"i" * 16))
    found = verify.believe_command(*pair, situation(keyset), 4)
    assert not isinstance(found, Refusal)
    booking, command = found
    assert (booking.role, command.action, command.counter, command.id) == (Role.BACKEND, Action.UNLOCK, 5, b"i" * 16)
    again = verify.believe_command(*pair, situation(keyset), 5)
    assert isinstance(again, Refusal)
    assert again.code is Code.REPLAY


def test_box_reads_the_benchs_revocation_list(keyset: trust.KeySet) -> None:
    ident = tokens.derived(b"token", b"\x07" * 16)
    data = tokens.revocations(ISSUER, 3, [ident], NOW - 10, NOW + 86_400)
    read = trust.read_revocations(data, keyset, operator="perche", now=SURE)
    assert not isinstance(read, Refusal), read
    assert ident in read.ids


def test_acknowledgement_has_the_golden_shape(tmp_path: Path) -> None:
    golden = json.loads((GOLDEN / "down-ack.json").read_text())["payload"]
    holdings = Holdings(tmp_path / "held.sqlite")
    story = [fact(n) for n in (*range(1, 13), 14, 15, 16)] + [{**fact(17), "at": None}]
    (mark,) = holdings.commit(payload.read(f"boitier/v1/{VEHICLE}/up/facts", facts(*story, stream=golden["stream"])), 0)
    found = mark.acknowledgement
    holdings.close()
    assert found == {**golden, "ranges": [[14, 17]]}  # a poison number counts as received
    assert found.keys() == golden.keys()


def test_samples_that_the_box_seals_are_read_back_to_the_step(tmp_path: Path) -> None:
    names, steps = ["Vehicle.TraveledDistance", "Vehicle.CurrentLocation.Latitude"], [0.01, 0.00001]
    rows = [(5_000, (48_211.37, 48.7439)), (6_000, (None, 48.7440)), (7_010, (48_211.41, None))]
    scaled = tuple((at, samples.scale(values, steps)) for at, values in rows)
    run = samples.Run(1, 33, BOOT, (NOW * 1000, NOW * 1000 + 400), "gnss", scaled)
    holdings = Holdings(tmp_path / "held.sqlite")
    layout = fact(1, "columns", names=names, steps=steps, units=["km", "degrees"])
    holdings.commit(payload.read(f"boitier/v1/{VEHICLE}/up/facts", facts(layout)), 0)
    sealed = samples.seal(VEHICLE, "c" * 16, 1, run)
    holdings.commit(payload.read(f"boitier/v1/{VEHICLE}/up/samples", sealed), 0)
    holdings.close()
    found = held.read(tmp_path / "held.sqlite", VEHICLE).samples
    assert [sample.at for sample in found] == [5_000, 6_000, 7_010]
    assert found[0].values == pytest.approx({names[0]: 48_211.37, names[1]: 48.7439})
    assert found[1].values == pytest.approx({names[1]: 48.7440})
    assert found[2].values == pytest.approx({names[0]: 48_211.41})
    assert found[2].when_ms == NOW * 1000 + 200 + 2_010
    assert STREAM not in sealed.decode("latin-1")
