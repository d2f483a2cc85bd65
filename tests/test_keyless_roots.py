"""A change of the roots: both sets sign, one after the other, and nothing back (docs/keyless.md section 1.11)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyless import issue
from keyless.refusal import Code, Refusal
from keyless.roots import MAX_ROOTSET, RootSet, read_rootset
from keyless.trust import Trust
from tests.keyless_world import PUBLIC_ROOTS, ROOTS, code

NOW = Trust(tuple(PUBLIC_ROOTS), 2)
FRESH = tuple(issue.SigningKey(bytes([n]) * 32) for n in (41, 42, 43))
NEXT = Trust(tuple(key.public for key in FRESH), 2)
GOOD = issue.rootset(1, NEXT, ROOTS[:2], FRESH[1:])


def test_both_sets_sign_and_the_next_one_follows_the_new() -> None:
    found = read_rootset(GOOD, NOW, version=0)
    assert found == RootSet(1, NEXT)
    third = issue.rootset(2, NOW, FRESH[:2], ROOTS[1:])
    assert read_rootset(third, NEXT, version=1) == RootSet(2, NOW)
    assert code(read_rootset(third, NOW, version=1)) is Code.SIGNATURE, "the old ones have no say any more"


def test_two_stolen_roots_cannot_name_others_that_nobody_holds_and_one_can_do_nothing() -> None:
    assert code(read_rootset(issue.rootset(1, NEXT, ROOTS[:2], ()), NOW, version=0)) is Code.SIGNATURE
    assert code(read_rootset(issue.rootset(1, NEXT, ROOTS[:1], FRESH), NOW, version=0)) is Code.SIGNATURE
    assert code(read_rootset(issue.rootset(1, NEXT, ROOTS[:1] * 3, FRESH), NOW, version=0)) is Code.SIGNATURE


def test_a_set_that_would_need_fewer_signatures_is_refused() -> None:
    weak = Trust(NEXT.roots, 1)
    assert code(read_rootset(issue.rootset(1, weak, ROOTS, FRESH), NOW, version=0)) is Code.ISSUER_ROLE


@pytest.mark.parametrize("version", [0, 2, 3])
def test_only_the_next_version_follows(version: int) -> None:
    assert code(read_rootset(issue.rootset(version, NEXT, ROOTS, FRESH), NOW, version=0)) is Code.SUPERSEDED


def test_no_bit_may_be_turned_over_and_nothing_may_be_missing() -> None:
    for at in range(len(GOOD)):
        for bit in range(8):
            bad = GOOD[:at] + bytes([GOOD[at] ^ 1 << bit]) + GOOD[at + 1 :]
            assert isinstance(read_rootset(bad, NOW, version=0), Refusal), f"bit {bit} of byte {at}"
        assert isinstance(read_rootset(GOOD[:at], NOW, version=0), Refusal)
    assert code(read_rootset(GOOD + bytes(MAX_ROOTSET), NOW, version=0)) is Code.TOO_BIG


@given(st.lists(st.sampled_from(range(6)), min_size=1, max_size=6, unique=True), st.integers(0, 7), st.integers(1, 7))
def test_what_is_accepted_was_signed_by_enough_of_both(signers: list[int], threshold: int, needed: int) -> None:
    keys = (*ROOTS, *FRESH)
    who: list[Any] = [keys[n] for n in signers]
    found = read_rootset(issue.rootset(1, Trust(NEXT.roots, threshold), who, who), Trust(NOW.roots, needed), version=0)
    old, new = sum(n < 3 for n in signers), sum(n >= 3 for n in signers)
    good = needed <= threshold <= 3 and old >= needed and new >= threshold
    assert isinstance(found, RootSet) is good
