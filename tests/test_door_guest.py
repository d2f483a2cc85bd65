"""A second issuer at the door: what its tokens may not do to the operator's bookings, and to the car's clock."""

from __future__ import annotations

import pytest

from drivers.ports import Feedback
from keyless import issue
from keyless.claims import Action, Role
from keyless.guest import Guest
from keyless.refusal import Code, Refusal
from keyless.trust import IssuerKey, KeySet, read_keyset
from tests.door_bench import ALICE, BOB, HOUR, OPERATOR, T0, DoorBench, the_bench  # noqa: F401 (fixtures)

COMMUNE = issue.SigningKey(bytes([13]) * 32)
NAME = "mairie"


@pytest.fixture(name="guest")
def the_guest(bench: DoorBench) -> DoorBench:
    """The commune may book all day, with every role that a key can have, and numbers from 1000 to 1999."""
    hours = Guest(NAME, 0b111_1111, 0, 0, 1_000, 1_999)
    keys = [
        IssuerKey(bench._issuer.public, 0, T0 * 2, 0b111110),
        IssuerKey(COMMUNE.public, 0, T0 * 2, 0b111110, hours),
    ]
    found = read_keyset(issue.keyset(2, T0 * 2, keys, [bench._root]), [bench._root.public], 1)
    assert isinstance(found, KeySet)
    bench.authority.keyset = found
    return bench


def minted(bench: DoorBench, booking: int, holder: bytes | None, **more: object) -> bytes:
    claims = bench.claims(booking, holder, 0, HOUR, **{"iss": NAME, **more})
    return issue.token(claims, COMMUNE)


async def test_both_issuers_drivers_open_in_their_time(guest: DoorBench) -> None:
    assert not isinstance(await guest.door.book(minted(guest, 1_000, BOB)), Refusal)
    assert await guest.tap(BOB) is Feedback.OPENED


async def test_a_guest_that_copies_a_tokens_id_does_not_take_its_place(guest: DoorBench) -> None:
    token = guest.mint(33, ALICE, 0, HOUR)
    await guest.door.book(token)
    copied = guest.claims(33, ALICE, 0, HOUR)
    copied_id = (int.from_bytes(copied.cti, "big") - 1).to_bytes(16, "big")
    found = await guest.door.book(minted(guest, 1_000, BOB, cti=copied_id))
    assert isinstance(found, Refusal)
    assert found.code is Code.ISSUER_ROLE
    await guest.cut()
    guest.park()
    assert await guest.tap(ALICE) is Feedback.OPENED


async def test_a_guest_tells_this_car_no_time(guest: DoorBench) -> None:
    guest.heard.clear()
    await guest.door.book(minted(guest, 1_000, BOB, iat=T0 + 50 * HOUR))
    assert guest.heard == []
    await guest.door.book(guest.mint(33, ALICE, 0, HOUR))
    assert guest.heard == [T0]


@pytest.mark.parametrize("action", [Action.END, Action.UNLOCK, Action.LOCATE_THEFT])
async def test_a_guests_agent_forces_and_locates_nothing_of_the_operators(guest: DoorBench, action: Action) -> None:
    await guest.book(33, ALICE)
    assert await guest.tap(ALICE) is Feedback.OPENED
    agent = minted(guest, 1_000, None, role=Role.AGENT, actions=0xFFFF)
    before = len(guest.lock.moves)
    await guest.door.command(guest.command(agent, action, 1))
    assert guest.answers[-1][1] == "refused"
    assert len(guest.lock.moves) == before
    assert guest.under.booking is not None
    assert guest.under.booking.booking == 33
    assert not await guest.facts("position")


async def test_the_operators_agent_and_the_guests_own_still_do(guest: DoorBench) -> None:
    await guest.door.book(minted(guest, 1_000, BOB))
    assert await guest.tap(BOB) is Feedback.OPENED
    own = minted(guest, 1_000, None, role=Role.AGENT, actions=0xFFFF)
    await guest.door.command(guest.command(own, Action.END, 1))
    assert guest.under.booking is None
    assert OPERATOR != NAME


async def test_d12_a_guests_command_that_came_too_early_is_not_done_at_its_replay(guest: DoorBench) -> None:
    """Whoever issued the booking: who was told that it was refused must not find it done later."""
    claims = guest.claims(1_000, None, 2 * HOUR, 10 * HOUR, iss=NAME)
    message = guest.command(issue.token(claims, COMMUNE), Action.UNLOCK, 5, late=5 * HOUR)
    await guest.door.command(message)
    guest.clock.move(3 * HOUR)
    await guest.door.command(message)
    assert [it[1] for it in guest.answers] == ["refused"] * 2
    assert guest.lock.moves == []
