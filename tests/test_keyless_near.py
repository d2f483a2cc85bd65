"""The exchange beside the car: a command is bound to its token, its link and its turn, and never passes as another."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keyless import cbor, cose, issue, near, verify
from keyless.claims import Action, BadgeId, Booking, Command, HolderKey, Interval, Role, badge_id
from keyless.near import Answer, Hello, Kind, NearCommand, Nonces, Said
from keyless.refusal import Code, Refusal
from tests.keyless_world import CLAIMS, ISSUER, LAPTOP, NOW, PHONE, UID, code, forged, situation

NONCE, OTHER = b"n" * 16, b"o" * 16
DRIVER = replace(CLAIMS, confirmation=HolderKey(PHONE.public))
TOKEN = issue.token(DRIVER, ISSUER)
S = 1_000_000_000
Pair = tuple[bytes, bytes]


def pair(claims: Any = DRIVER, holder: issue.SigningKey = PHONE, **changes: Any) -> Pair:
    token = issue.token(claims, ISSUER)
    wish = NearCommand(**{"nonce": NONCE, "action": Action.UNLOCK, "counter": 1, **changes})
    return token, issue.near_command(token, wish, holder)


def believe(made: Pair, nonces: Any = (NONCE,), counter: int | None = None, **changes: Any) -> Any:
    return near.believe_near(*made, situation(**changes), nonces, counter)


@pytest.mark.parametrize("holder", [PHONE, LAPTOP], ids=["p256", "ed25519"])
def test_the_holder_beside_the_car_is_believed(holder: issue.SigningKey) -> None:
    made = pair(replace(DRIVER, confirmation=HolderKey(holder.public)), holder, action=Action.LOCK, counter=7)
    booking, wish = believe(made, counter=6)
    assert isinstance(booking, Booking)
    assert wish == NearCommand(NONCE, Action.LOCK, 7)


def test_no_command_is_longer_than_120_bytes() -> None:
    made = pair(replace(DRIVER, actions=0xFFFFFFFF, role=Role.DRIVER), action=Action.EXTEND, counter=0xFFFF)
    assert len(made[1]) == near.MAX_COMMAND == 120
    assert code(believe(made)) is None
    assert len(pair()[1]) == 116
    assert code(believe((made[0], made[1] + b"\0"))) is Code.TOO_BIG


def test_every_single_bit_flip_and_truncation_of_a_command_is_refused() -> None:
    token, wish = pair()
    for at in range(len(wish) * 8):
        flipped = bytearray(wish)
        flipped[at // 8] ^= 1 << at % 8
        assert isinstance(believe((token, bytes(flipped))), Refusal), f"bit {at}"
    for size in range(len(wish)):
        assert code(believe((token, wish[:size]))) is Code.MALFORMED
    assert code(believe((token, wish + b"\x00"))) is Code.MALFORMED


@given(st.integers(0, 8 * len(TOKEN) - 1))
def test_a_token_with_any_bit_turned_over_opens_nothing(at: int) -> None:
    flipped = bytearray(TOKEN)
    flipped[at // 8] ^= 1 << at % 8
    assert isinstance(believe((bytes(flipped), pair()[1])), Refusal)


def test_codes_come_in_the_order_of_the_steps() -> None:
    token, wish = pair()
    assert code(believe((b"", bytes(121)))) is Code.TOO_BIG
    assert code(believe((b"", wish))) is Code.MALFORMED
    odd = b"\xd2" + cbor.encode([cbor.encode({1: -257}), {}, b"", bytes(64)])
    assert code(believe((forged(token), odd))) is Code.ALG
    assert code(believe((forged(token), wish))) is Code.SIGNATURE
    gone = Interval(NOW + 90_000, NOW + 90_000, "gnss")
    assert code(believe(pair(holder=LAPTOP), now=gone)) is Code.EXPIRED
    assert code(believe(pair(holder=LAPTOP), nonces=())) is Code.HOLDER
    badge = pair(replace(DRIVER, confirmation=BadgeId(badge_id(UID))))
    assert code(believe(badge)) is Code.HOLDER
    forbidden = pair(action=Action.FIRMWARE)
    old_nonce = believe(forbidden, nonces=(OTHER,), counter=1)
    assert (code(old_nonce), old_nonce.detail.get("counter")) == (Code.REPLAY, None)
    old_counter = believe(forbidden, counter=1)
    assert (code(old_counter), old_counter.detail["counter"]) == (Code.REPLAY, 1)
    assert code(believe(forbidden, counter=0)) is Code.ROLE_ACTION


def test_a_backends_token_has_no_right_beside_the_car() -> None:
    assert code(believe(pair(replace(DRIVER, role=Role.BACKEND)))) is Code.ROLE_ACTION


@given(st.integers(1, 0xFFFF), st.none() | st.integers(0, 0xFFFF))
def test_a_counter_rises_strictly_and_a_refusal_tells_the_highest(sent: int, seen: int | None) -> None:
    outcome = believe(pair(counter=sent), counter=seen)
    if seen is not None and sent <= seen:
        assert code(outcome) is Code.REPLAY
        assert outcome.detail["counter"] == seen
    else:
        assert outcome[1].counter == sent


def test_a_command_of_the_one_kind_never_passes_as_the_other() -> None:
    token, beside = pair()
    wish = Command(NONCE, Action.UNLOCK, 1, NOW + 60)
    afar = issue.command(token, wish, PHONE)
    assert len(afar) > near.MAX_COMMAND
    assert code(believe((token, afar))) is Code.TOO_BIG
    assert code(near.read_command(cbor.encode({**cbor2.loads(payload(afar))}), token)) is Code.MALFORMED
    assert code(verify.believe_command(token, beside, situation(), None)) is Code.MALFORMED
    signed = verify.believe_pair(token, afar, situation(), limit=512)
    assert isinstance(signed, tuple)
    assert code(near.read_command(signed[1], token)) is Code.MALFORMED


def payload(command: bytes) -> bytes:
    read = cose.read_sign1(command, limit=512, with_kid=False)
    assert isinstance(read, cose.Sign1)
    return read.payload


def test_a_command_is_bound_to_its_token() -> None:
    other = issue.token(replace(DRIVER, cti=bytes(16)), ISSUER)
    assert code(believe((other, pair()[1]))) is Code.HOLDER


@pytest.mark.parametrize(
    "changes",
    [{1: bytes(15)}, {2: "n" * 16}, {2: bytes(8)}, {3: 0}, {3: 3}, {3: 262144}, {3: True}, {4: 0}, {4: 65536}, {4: -1},
     {5: 1}, {0: 1}],
)  # fmt: skip
def test_what_is_out_of_bounds_is_malformed(changes: dict[int, Any]) -> None:
    body = {**cbor2.loads(near.write_command(TOKEN, NearCommand(NONCE, Action.UNLOCK, 1))), **changes}
    outcome = believe((TOKEN, issue.sign1(cbor.encode(body), PHONE, with_kid=False)))
    assert code(outcome) is Code.MALFORMED
    assert outcome.claims is not None
    assert code(believe((TOKEN, issue.sign1(b"\xff", PHONE, with_kid=False)))) is Code.MALFORMED


# --- nonces


def test_a_nonce_is_good_for_thirty_seconds_once_and_three_are_open_at_most() -> None:
    given_ = Nonces().with_new(NONCE, 5 * S)
    assert given_.good(5 * S) == given_.good(35 * S) == {NONCE}
    assert given_.good(35 * S + 1) == given_.good(5 * S - 1) == frozenset()
    assert given_.without(NONCE) == Nonces()
    for number in range(3):
        given_ = given_.with_new(bytes([number]) * 16, 6 * S)
    assert given_.good(6 * S) == {bytes([number]) * 16 for number in range(3)}


Step = tuple[str, int, int]
STEPS = st.lists(st.tuples(st.sampled_from(("give", "use", "wait")), st.integers(0, 1), st.integers(0, 4)), max_size=30)


@given(STEPS)
def test_a_nonce_counts_on_its_own_link_only_and_once(steps: list[Step]) -> None:
    """Two links, any order; what was used is never good again, and what is good was given there within 30 s."""
    links, now, serial = [Nonces(), Nonces()], 0, 0
    given_: list[dict[bytes, int]] = [{}, {}]
    used: set[bytes] = set()
    for what, link, number in steps:
        if what == "give":
            serial += 1
            nonce = serial.to_bytes(16, "big")
            links[link] = links[link].with_new(nonce, now)
            given_[link][nonce] = now
        elif what == "use" and links[link].given:
            nonce = links[link].given[number % len(links[link].given)][0]
            links[link] = links[link].without(nonce)
            used.add(nonce)
        else:
            now += number * 4 * S
        for one in (0, 1):
            good = links[one].good(now)
            assert len(good) <= 3
            assert not good & used
            assert all(now - given_[one][nonce] <= near.NONCE_NS for nonce in good)
            for nonce in good:
                made = pair(nonce=nonce)
                assert code(believe(made, nonces=links[one].good(now))) is None
                assert code(believe(made, nonces=links[1 - one].good(now))) is Code.REPLAY


# --- what the car says


def test_a_hello_says_the_time_and_what_the_car_has() -> None:
    said = near.write_hello(Hello(NONCE, NOW, None, "holdover", 3, 17, 4711, b"\x82\x48q"))
    told = {1: NONCE, 2: [NOW, None, "holdover"], 3: 3, 4: 17, 5: 4711, 6: b"\x82\x48q"}
    assert cbor.decode(said) == told
    assert near.write_hello(Hello(NONCE, NOW, NOW + 4, "gnss", 0, 0, 0)) == cbor2.dumps(
        {1: NONCE, 2: [NOW, NOW + 4, "gnss"], 3: 0, 4: 0, 5: 0, 6: None}, canonical=True
    )


def test_an_answer_leaves_out_what_it_does_not_know() -> None:
    assert cbor.decode(near.write_answer(Answer(Said.DONE, NONCE, False))) == {1: "done", 2: NONCE, 3: False}
    whole = Answer(Said.REFUSED, NONCE, None, Code.STATE_GUARD, ("door_open",), 1, 2, 3, 4, "Fermez les portes.")
    assert cbor.decode(near.write_answer(whole)) == {
        1: "refused", 2: NONCE, 3: None, 4: "state_guard", 5: ["door_open"], 6: 1, 7: 2, 8: 3, 9: 4,
        10: "Fermez les portes.",
    }  # fmt: skip


def test_the_types_of_messages_are_those_of_the_page() -> None:
    assert {kind.name: kind.value for kind in Kind} == {
        "HELLO": 1, "TOKEN": 2, "COMMAND": 3, "ANSWER": 4, "RECEIPT": 5, "CARRY": 6, "TAKEN": 7, "FETCH": 8,
        "LANGUAGE": 9, "PARCEL": 10,
    }  # fmt: skip
