"""A decision can be made again from its record, byte for byte; and the record holds nothing that it need not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.access.authority import NO_KEYSET
from agent.access.booking import CarNow, OpenNow
from agent.access.choice import Stored, waiting
from agent.access.commanded import Commanded, Far, by_command
from agent.access.deciding import Known, Verdict, at_reader, by_phone
from agent.access.decision_record import (
    Presented,
    Record,
    commanded_from,
    decide_again,
    decided_as,
    read,
    record,
    shown,
)
from agent.car.state import Moving
from agent.car.stations import Where
from drivers.fitted import SwitchAction
from keyless import issue
from keyless.claims import Action, Booking, Command, HolderKey, Interval, Role, badge_id
from keyless.code import CodeKind, hotline_claims, hotline_number
from keyless.guest import Guest
from keyless.refusal import Code, Refusal
from keyless.trust import IssuerKey
from keyless.verify import Situation
from tests.door_bench import ALICE, BOB, HOUR, MALLORY, DoorBench, the_bench  # noqa: F401 (fixtures)
from tests.keyless_world import (
    BACKEND,
    ISSUER,
    KEYS,
    KEYSET,
    LIMITED,
    NOW,
    OPERATOR,
    PHONE,
    STRANGER,
    UID,
    VEHICLE,
    believe,
    forged,
    token,
)

UNKNOWN = (None, True, False)
NUMBERS = (0, 41, 42, 43)
MINTED = (
    *(token(booking=number, revision=it, cti=bytes([number, it] * 8)) for number in NUMBERS for it in (1, 3)),
    token(LIMITED, booking=43), token(STRANGER), forged(token()), token(aud=bytes(8)), b"\x00", b"",
    token(nbf=NOW - 9000, exp=NOW - 3600, early_s=0, late_s=0, booking=41),
    token(nbf=NOW + 600, exp=NOW + 9000, early_s=60, late_s=0),
)  # fmt: skip
NAMES = sorted(
    {KEYS[0].key[:8], bytes(8), ISSUER.kid, LIMITED.kid, badge_id(UID)}.union(
        *(it.revocation_ids for it in map(believe, MINTED) if isinstance(it, Booking))
    )
)
HOLDERS = (PHONE, STRANGER)

cars = st.builds(
    CarNow, *[st.sampled_from(UNKNOWN)] * 5, st.sampled_from([Moving.NO] * 4 + [Moving.MAYBE, Moving.YES]),
    st.builds(Where, st.sampled_from([True, True, None, False]), st.none(), st.sampled_from([None, "home"]),
              st.booleans(), st.booleans(),
              st.sampled_from([None, "<2 km"])),
    st.floats(0, allow_infinity=True),
)  # fmt: skip
SURE = Interval(NOW, NOW + 1, "gnss")
LATE = Interval(NOW + 3000, NOW + 3001, "gnss")  # in grace: the paid time of most is over
ODD = (
    Interval(NOW - 9000, NOW - 8999, "gnss"), Interval(NOW + 9000, NOW + 9001, "gnss"),
    Interval(NOW, NOW + 3000, "holdover"), Interval(NOW - 50, None, "none"), Interval(NOW - 90_000, None, "none"),
)  # fmt: skip
times = st.sampled_from([SURE, SURE, SURE, LATE, LATE, LATE, *ODD])


@st.composite
def known(draw: st.DrawFn, tokens: st.SearchStrategy[list[bytes]]) -> Known:
    now, car = draw(times), draw(cars)
    number = draw(st.sampled_from([None, None, 41, 42]))
    situation = Situation(
        KEYSET, VEHICLE, draw(st.sampled_from([OPERATOR] * 5 + ["other"])), now, number,
        draw(st.dictionaries(st.sampled_from(NUMBERS), st.integers(0, 4), max_size=2)),
        frozenset(draw(st.lists(st.sampled_from(NAMES), max_size=1))),
        draw(st.sampled_from([NOW - 60, NOW - 60, NOW - 9 * 86_400, None])), car.where.at is True,
    )  # fmt: skip
    ended = frozenset(draw(st.lists(st.sampled_from([41, 42, 43, 77]), max_size=3)))
    stored = [it for it in map(believe, draw(st.lists(st.sampled_from(MINTED), max_size=5))) if isinstance(it, Booking)]
    return Known(
        situation=situation if draw(st.sampled_from([True] * 9 + [False])) else NO_KEYSET,
        now=now, car=car, open_=OpenNow(number, NOW + draw(st.integers(-9000, 9000))) if number else None,
        tokens=tuple(map(shown, draw(tokens))), waiting=waiting(stored, now.lo_s, ended), ended=ended,
    )  # fmt: skip


def again(presented: Presented, given_: Known, came_out: Commanded | Verdict) -> Record:
    """Written, read and decided again, the same way twice."""
    data = record(7, "test", presented, given_, came_out)
    assert data == record(7, "test", presented, given_, came_out)
    found = read(data)
    assert isinstance(found, Record)
    assert decide_again(found) == bytes(found.decision)
    assert msgspec.json.encode(found) == data
    return found


MOSTLY = MINTED[:8] * 2 + MINTED[8:]
some = st.lists(st.sampled_from(MOSTLY), max_size=3)
one = st.lists(st.sampled_from(MOSTLY), min_size=1, max_size=1)


@pytest.mark.long
@settings(max_examples=300)
@given(known(some))
def test_what_a_badge_got_comes_out_again(what: Known) -> None:
    again(Presented("badge", badge=badge_id(UID)), what, at_reader(what))


@pytest.mark.long
@settings(max_examples=300)
@given(known(one), st.sampled_from(Action))
def test_what_a_phone_got_comes_out_again(what: Known, wish: Action) -> None:
    again(Presented("phone", wish=int(wish)), what, by_phone(wish, what))


AFAR = tuple(
    issue.token(replace(BACKEND, role=role, booking=number, confirmation=HolderKey(holder.public), actions=0xFFFF,
                        nbf=NOW - 60, exp=NOW + 1700, early_s=0, late_s=0), ISSUER)
    for role in Role for number in NUMBERS for holder in HOLDERS
)  # fmt: skip


WISHES = tuple(map(Action, (1, 1, 2, 8, 8, 16, 4096, 8192, 16384, 32768)))


@pytest.mark.long
@settings(max_examples=300)
@given(
    known(st.lists(st.sampled_from(AFAR), min_size=1, max_size=1)), st.sampled_from(WISHES), st.integers(1, 3),
    st.none() | st.integers(0, 3), st.booleans(), st.frozensets(st.sampled_from([16384, 32768])),
    st.sampled_from([60, 9000, -99]),
)  # fmt: skip
def test_what_a_command_got_comes_out_again(
    what: Known, action: Action, counter: int, seen: int | None, garage: bool, told: frozenset[int], late_s: int
) -> None:
    far = Far(seen, garage, frozenset(map(Action, told)))
    command = issue.command(what.tokens[0].token, Command(b"i" * 16, action, counter, NOW + late_s), PHONE)
    again(commanded_from(command, far), what, by_command(command, far, what))


PARKED = CarNow(False, False, True, True, True, Moving.NO, Where(True, "home"), 60.0)


def plain(data: bytes, now: Interval = SURE, **more: Any) -> Known:
    situation = Situation(KEYSET, VEHICLE, OPERATOR, now, None, {}, frozenset(), NOW, True)
    return replace(Known(situation, now, PARKED, None, (shown(data),), (), frozenset()), **more)


def test_what_is_rarely_asked_comes_out_again() -> None:
    """A booking that was ended; the garage's switch; what was located lately."""
    over = plain(token(), LATE, ended=frozenset({42}))
    assert again(Presented("badge"), over, at_reader(over)).ended
    technician = next(it for it in AFAR if believe(it).role is Role.TECHNICIAN)  # type: ignore[union-attr]
    asked: list[tuple[int, bool, tuple[int, ...]]] = [
        (4096, True, ()), (4096, False, ()), (16384, True, (16384,)), (16384, True, ()), (32, True, ()),
        (32, False, ()),
    ]  # fmt: skip
    for action, garage, told in asked:
        far = Far(None, garage, frozenset(map(Action, told)), frozenset(SwitchAction) if garage else frozenset())
        command = issue.command(technician, Command(b"i" * 16, Action(action), 1, NOW + 60), PHONE)
        came_out = by_command(command, far, plain(technician))
        assert (came_out.verdict.refusal is None) is (garage and not told)
        again(commanded_from(command, far), plain(technician), came_out)


SLOT = hotline_number(NOW // 86_400, 3)
CODED = (
    Stored(SLOT, NOW, b"", CodeKind.DESK, NOW + 60), Stored(SLOT, NOW, b"", CodeKind.DESK),
    Stored(42, NOW, token(), CodeKind.BOOKING), Stored(42, NOW, token(), CodeKind.DESK),
    Stored(42, NOW // 86_400 * 86_400, b"", CodeKind.END),
)  # fmt: skip
SLOTS_IDS = hotline_claims(SLOT, VEHICLE, OPERATOR).revocation_ids


@given(known(st.just([])), st.sampled_from(CODED), st.sampled_from([None, *SLOTS_IDS]))
def test_what_a_code_got_comes_out_again(what: Known, coded: Stored, revoked: bytes | None) -> None:
    what = replace(what, tokens=(coded,))
    if isinstance(what.situation, Situation) and revoked is not None:
        what = replace(what, situation=replace(what.situation, revoked=frozenset({revoked})))
    again(Presented("code"), what, at_reader(what))


def test_only_a_code_ends_by_force_and_only_a_booking_that_can_be() -> None:
    end = Stored(42, NOW, b"", CodeKind.END)
    what = plain(b"", tokens=(end,), open_=OpenNow(42, NOW), car=replace(PARKED, doors_open=True))
    found = again(Presented("code"), what, at_reader(what))
    decided = json.loads(bytes(found.decision))
    assert (decided["closes"], decided["overridden"], decided["booking"]) == ("forced", ["door_open"], 42)
    for wrong in (
        replace(found, presented=Presented("phone", wish=8)),
        replace(found, tokens=(replace(end, booking=0),)), replace(found, tokens=(replace(end, nbf=-1),)),
        replace(found, tokens=(replace(end, booking=1 << 53),)), replace(found, tokens=(replace(end, nbf=1 << 60),)),
    ):  # fmt: skip
        assert isinstance(read(msgspec.json.encode(wrong)), Refusal)


def test_the_numbers_of_a_second_issuer_are_in_the_record() -> None:
    guest = IssuerKey(STRANGER.public, 0, NOW * 2, 0xFF, Guest("commune", 127, 0, 0, 40, 50))
    keys = {**KEYSET.keys, STRANGER.kid: guest}
    situation = Situation(replace(KEYSET, keys=keys), VEHICLE, OPERATOR, SURE, None, {}, frozenset(), NOW, True)
    what = plain(token(), situation=situation)
    found = again(Presented("badge"), what, at_reader(what))
    assert json.loads(bytes(found.decision))["code"] == "issuer_role"


def test_another_input_gives_another_decision() -> None:
    """The replay really decides: what is changed in a record shows."""
    car = CarNow(False, False, True, True, True, Moving.NO, Where(True, "home"), 60.0)
    situation = Situation(KEYSET, VEHICLE, OPERATOR, SURE, None, {42: 3}, frozenset(), NOW, True)
    what = Known(situation, situation.now, car, None, (shown(token()),), (), frozenset())
    found = again(Presented("badge", badge=badge_id(UID)), what, at_reader(what))
    assert json.loads(bytes(found.decision))["action"] == "unlock"
    assert found.judged is not None
    worse: list[dict[str, Any]] = [
        {"now": Interval(NOW + 99_999, NOW + 99_999, "gnss")}, {"car": msgspec.structs.replace(car, moving=Moving.YES)},
        {"open": OpenNow(9, NOW + 9)}, {"tokens": ()}, {"judged": None},
        {"judged": replace(found.judged, revoked=(badge_id(UID),))}, {"judged": replace(found.judged, keys=())},
        {"judged": replace(found.judged, vehicle=bytes(8))}, {"judged": replace(found.judged, superseded=())},
    ]  # fmt: skip
    same = [changes for changes in worse if decide_again(replace(found, **changes)) == bytes(found.decision)]
    assert same == worse[-1:], "only the lower bound of revisions allows no less"


def test_a_record_names_no_badge_number_and_no_place() -> None:
    car = CarNow(False, False, True, True, True, Moving.NO, Where(False, distance="<2 km"), 60.0)
    situation = Situation(KEYSET, VEHICLE, OPERATOR, SURE, None, {}, frozenset(NAMES), NOW, False)
    what = Known(situation, situation.now, car, None, (shown(token()),), (), frozenset({9}))
    data = record(1, "test", Presented("badge", badge=badge_id(UID)), what, at_reader(what))
    for word in (b"<2 km", b'"booking":9', b"lat", UID.hex().encode()):
        assert word not in data
    found = read(data)
    assert isinstance(found, Record)
    assert found.judged is not None
    assert len(found.judged.keys) == 1, "of the key set, the key of this token"
    assert len(found.judged.revoked) < len(NAMES)


GOOD = record(
    1, "test", Presented("badge"), Known(
        Situation(KEYSET, VEHICLE, OPERATOR, Interval(NOW, NOW + 1, "gnss"), None, {}, frozenset(), NOW, True),
        Interval(NOW, NOW + 1, "gnss"), CarNow(*[None] * 5, Moving.NO, Where(), 0.0), None,  # type: ignore[arg-type]
        (Stored(42, NOW, token()),), (), frozenset(),
    ), Verdict(),
)  # fmt: skip


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_damaged_record_is_malformed_or_decides_something(at: int, byte: int) -> None:
    found = read(GOOD[:at] + bytes([byte]) + GOOD[at + 1 :])
    if isinstance(found, Record):
        assert decide_again(found)
        decided_as(bytes(found.decision))


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(
    lambda it: json.dumps(it).encode()
))  # fmt: skip
def test_any_bytes_are_malformed(data: bytes) -> None:
    found = read(data)
    assert isinstance(found, Refusal)
    assert found.code is Code.MALFORMED
