"""What other tokens of a booking do to it while it is open, and what those do to others who drive nobody's car away."""

from __future__ import annotations

from drivers.ports import Feedback
from keyless import issue
from keyless.claims import Action, BookingKind, Role
from keyless.trust import IssuerKey, KeySet, read_keyset
from tests.door_bench import ALICE, BOB, CODE_KEY, HOUR, MALLORY, T0, DoorBench, the_bench  # noqa: F401 (fixture)
from tests.test_door_code import slot

CLEANER = b"\x05CLEA"
UNLOCK = int(Action.UNLOCK)


def paid_to(bench: DoorBench) -> int:
    assert bench.under.booking is not None
    return bench.under.booking.paid_to_s - T0


async def test_an_emergency_token_of_the_open_booking_moves_none_of_its_paid_time(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, 8 * HOUR)
    await bench.tap(ALICE)
    await bench.book(7, BOB, 0, 600, role=Role.EMERGENCY, actions=UNLOCK)
    assert paid_to(bench) == 8 * HOUR
    await bench.book(9, MALLORY, 0, 4 * HOUR)
    bench.clock.move(700)
    bench.park()
    assert await bench.tap(MALLORY) is Feedback.REFUSED, "the paid time runs"


async def test_r6_a_colleagues_token_of_the_same_revision_moves_none_of_the_openers_paid_time(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, 8 * HOUR)
    await bench.tap(ALICE)
    await bench.book(7, BOB, 0, HOUR)
    assert paid_to(bench) == 8 * HOUR
    await bench.book(7, BOB, 0, 2 * HOUR, revision=1)
    assert paid_to(bench) == 2 * HOUR, "a higher revision cuts short"
    await bench.book(7, ALICE, 0, 9 * HOUR, revision=1)
    assert paid_to(bench) == 9 * HOUR
    await bench.book(7, BOB, 0, 3 * HOUR, revision=1)
    assert paid_to(bench) == 9 * HOUR, "as the opener's own token of that revision says"
    await bench.book(7, ALICE, 0, 4 * HOUR, revision=1)
    assert paid_to(bench) == 4 * HOUR


async def test_a_booking_that_the_backend_opens_is_paid_as_its_drivers_tokens_say(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, 8 * HOUR)
    await bench.book(7, BOB, 0, HOUR)
    short = {"role": Role.BACKEND, "actions": UNLOCK, "early_s": 0, "late_s": 0, "nbf": T0, "exp": T0 + 120}
    await bench.door.command(bench.command(bench.mint(7, None, 0, 120, **short), Action.UNLOCK, 1))
    assert paid_to(bench) == 8 * HOUR
    await bench.book(7, BOB, 0, 9 * HOUR)
    assert paid_to(bench) == 9 * HOUR, "whoever of them drives, nobody's own token says more"


async def test_a_booking_of_which_no_token_is_stored_is_paid_as_the_backend_opened_it_until_one_is(
    bench: DoorBench,
) -> None:
    token = bench.mint(7, None, 0, 2 * HOUR, role=Role.BACKEND, actions=UNLOCK)
    await bench.door.command(bench.command(token, Action.UNLOCK, 1))
    assert paid_to(bench) == 2 * HOUR
    await bench.book(7, ALICE, 0, HOUR)
    assert paid_to(bench) == HOUR


async def test_d20_what_a_dropped_key_signed_does_not_count_again_as_its_booking_opens_again(bench: DoorBench) -> None:
    def trusts(keys: list[issue.SigningKey], version: int) -> None:
        held = [IssuerKey(key.public, 0, T0 * 2, 0b111110) for key in keys]
        found = read_keyset(issue.keyset(version, T0 * 2, held, [bench._root]), [bench._root.public], 1)
        assert isinstance(found, KeySet)
        bench.authority.keyset = found
        bench.door.trust_changed()

    stolen = issue.new_key()
    trusts([bench._issuer, stolen], 1)
    await bench.book(7, ALICE)
    await bench.door.book(issue.token(bench.claims(7, MALLORY, 0, HOUR), stolen))
    await bench.tap(ALICE)
    bench.park(home=False)
    trusts([bench._issuer], 2)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.ENDED
    assert await bench.tap(ALICE) is Feedback.OPENED
    assert bench.under.booking is not None
    assert len(bench.under.booking.carried) == 1
    bench.park(home=False)
    assert await bench.tap(MALLORY) is Feedback.REFUSED


async def test_r23_a_cleaners_day_neither_ends_a_slot_nor_keeps_a_driver_out(bench: DoorBench) -> None:
    await bench.book(90, CLEANER, 0, 10 * HOUR, flags=int(BookingKind.MAINTENANCE))
    assert await bench.type(slot()) is Feedback.OPENED
    bench.park()
    await bench.wait(1_560)
    bench.park()
    await bench.wait(4)
    assert bench.under.booking is not None, "nobody came to drive"
    assert await bench.type(slot()) is Feedback.ENDED
    await bench.book(7, ALICE, 0, 8 * HOUR)
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    bench.clock.move(HOUR)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.OPENED, "her paid time runs"


async def test_an_emergency_token_of_another_booking_keeps_no_driver_out(bench: DoorBench) -> None:
    await bench.book(7, ALICE, 0, 8 * HOUR)
    assert [await bench.tap(ALICE), await bench.tap(ALICE)] == [Feedback.OPENED, Feedback.ENDED]
    await bench.book(33, BOB, 0, 900, role=Role.EMERGENCY, actions=UNLOCK)
    bench.clock.move(660)
    bench.park()
    assert await bench.tap(ALICE) is Feedback.OPENED
