"""How old a list may be for whom, and how long a revocation may go unheard: exactly, and against the verifier."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from keyless import issue, verify
from keyless.claims import LONGEST_S, Interval, Role
from keyless.freshness import ASKED_S, ASKS, Delay, is_stale, revocation_delay
from keyless.refusal import Code, Refusal
from tests.keyless_world import CLAIMS, DAY, ISSUER, NOW, code, situation

LEAD = 3 * DAY
LONGEST = 31 * DAY
ROLES = st.sampled_from(list(Role))


def at(lo: float, hi: float | None, source: str = "gnss") -> Interval:
    return Interval(lo, hi, source)


@pytest.mark.parametrize("role", Role)
def test_only_staff_needs_a_list_of_seven_days(role: Role) -> None:
    asks = role in (Role.AGENT, Role.TECHNICIAN)
    assert is_stale(role, NOW - ASKED_S - 1, at(NOW, NOW)) is asks
    assert not is_stale(role, NOW - ASKED_S, at(NOW, NOW + 900)), "certainly older, or it counts as fresh"
    assert not is_stale(role, 0, at(NOW, NOW, "signed")), "who can bring signed time can bring a list"
    assert not is_stale(role, None, at(NOW, None, "none")), "an operator without a list"


@given(iat=st.integers(0, 2 * NOW), lo=st.integers(0, 2 * NOW), role=ROLES)
def test_a_newer_list_never_makes_it_staler(iat: int, lo: int, role: Role) -> None:
    assert is_stale(role, iat + 1, at(lo, lo)) <= is_stale(role, iat, at(lo, lo))


@pytest.mark.parametrize(
    ("iat", "now", "delay"),
    [
        (NOW - 60, at(NOW, NOW + 4), Delay(64, "list")),
        (NOW - 60, at(NOW - 0.5, NOW + 0.5), Delay(61, "list")),
        (NOW + 60, at(NOW, NOW + 4), Delay(0, "list")),  # the issuer's clock is ahead
        (NOW - LEAD - LONGEST, at(NOW, NOW), Delay(LEAD + LONGEST, "list")),
        (NOW - LEAD - LONGEST - 1, at(NOW, NOW), Delay(LEAD + LONGEST, "token_end")),
        (None, at(NOW, NOW), Delay(LEAD + LONGEST, "token_end")),
        (None, at(NOW - 100, NOW), Delay(LEAD + LONGEST + 100, "token_end")),
        (NOW, at(NOW, None, "none"), Delay(None, "no_clock")),
        (None, at(NOW, None, "none"), Delay(None, "no_clock")),
    ],
)
def test_the_worst_case_is_the_age_of_the_list_or_the_end_of_the_longest_token(
    iat: int | None, now: Interval, delay: Delay
) -> None:
    assert revocation_delay(iat, now, LEAD) == delay


@given(
    role=ROLES,
    lead=st.integers(0, 10 * DAY),
    minted_ago=st.integers(0, 60 * DAY),
    early=st.integers(0, 10 * DAY),
    lasts=st.integers(1, LONGEST),
    list_ago=st.none() | st.integers(0, 60 * DAY),
    width=st.integers(0, 900),
    past=st.integers(0, 900),
)
@example(Role.DRIVER, 0, LONGEST + 100, 0, LONGEST, None, 200, 200)
def test_what_was_revoked_longer_ago_than_the_delay_says_is_refused_here(
    role: Role, lead: int, minted_ago: int, early: int, lasts: int, list_ago: int | None, width: int, past: int
) -> None:
    """A token is minted and revoked at once: a list made since then has it, an older one has not. NOW is the truth."""
    now = at(NOW - min(past, width), NOW - min(past, width) + width)
    iat = NOW - minted_ago
    nbf = iat + min(early, lead)
    claims = replace(CLAIMS, role=role, iat=iat, nbf=nbf, exp=nbf + min(lasts, LONGEST_S[role]), early_s=0, late_s=0)
    list_iat = None if list_ago is None else NOW - list_ago
    listed = list_iat is not None and list_iat > iat
    revoked = frozenset(claims.revocation_ids) if listed else frozenset()
    found = verify.believe(
        issue.token(claims, ISSUER), situation(now=now, list_iat=list_iat, revoked=revoked)
    )
    delay = revocation_delay(list_iat, now, lead)
    assert delay.seconds is not None
    if minted_ago > delay.seconds:
        assert isinstance(found, Refusal), f"revoked {minted_ago} s ago, {delay}"


def test_r5_an_old_list_takes_the_open_booking_from_nobody_who_drives_it() -> None:
    old = {"list_iat": 0, "open_booking": CLAIMS.booking, "at_station": True}
    for role in ASKS:
        agent = issue.token(replace(CLAIMS, role=role, actions=(1 << 16) - 1), ISSUER)
        found = verify.believe(agent, situation(**old))
        driver = verify.believe(issue.token(replace(CLAIMS, actions=(1 << 16) - 1), ISSUER), situation(**old))
        assert not isinstance(found, Refusal)
        assert not isinstance(driver, Refusal)
        assert found.actions & ~driver.actions == 0, "a driver's rights and no more"
        assert code(verify.believe(agent, situation(list_iat=0))) is Code.STALE_LIST


def test_what_is_stored_for_tomorrow_waits_for_its_list() -> None:
    agent = issue.token(replace(CLAIMS, role=Role.AGENT), ISSUER)
    assert code(verify.store_check(agent, situation(list_iat=0))) is None


def test_the_delay_is_a_whole_number_of_seconds() -> None:
    found = revocation_delay(NOW, at(NOW, NOW + 0.1), LEAD)
    assert found.seconds == math.ceil(0.1)
    assert type(found.seconds) is int
