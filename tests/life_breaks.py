"""Guards of the machine's whole cast, each broken in one way: phones beside the car, the second issuer, the right to
start, cards, codes and signed time. Those of the door, its keys and its records are in `test_door_machine_teeth.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from agent.access import bookings, commanded, deciding, decisions, keypad, remote, start_right
from agent.access.beside import Beside
from agent.access.mule import Mule
from agent.access.provers import Provers
from agent.run import timekeeper
from agent.run.timekeeper import Timekeeper
from agent.sync.store import Store
from keyless import clock, code, freshness, near, signed_time, sun, trust, verify
from keyless.claims import Interval, Role
from keyless.guest import Guest
from keyless.refusal import Code, Refusal
from keyless.tries import Tries

Break = Callable[[pytest.MonkeyPatch], None]


def setting(owner: Any, name: str, value: Any) -> Break:
    return lambda patch: patch.setattr(owner, name, value)


def wrapping(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Break:
    """wrap: of the whole function makes the broken one."""
    return lambda patch: patch.setattr(owner, name, wrap(getattr(owner, name)))


def unstored(key: str) -> Break:
    """The vault forgets what begins so."""

    def wrap(whole: Any) -> Any:
        async def commit(self: Store, facts: Any = (), *, put: Any = None, drop: Any = (), seal: bool = False) -> Any:
            kept = {name: data for name, data in (put or {}).items() if not name.startswith(key)}
            return await whole(self, facts, put=kept, drop=drop, seal=seal)

        return commit

    return wrapping(Store, "commit", wrap)


class Anything:
    def __contains__(self, nonce: object) -> bool:
        return True


def without_counter(whole: Any) -> Any:
    return lambda token, command, situation, nonces, counter: whole(token, command, situation, nonces, None)


def ageless(self: near.Nonces, now_ns: int) -> frozenset[bytes]:
    return frozenset(nonce for nonce, _ in self.given)


def backend_beside(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(near, "Role", SimpleNamespace(BACKEND=None))


def nobody_has_it(whole: Any) -> Any:
    return lambda booking, wish, known: whole(booking, wish, replace(known, open_=None))


async def not_kept(self: Beside, booking: Any, key: str, at_ns: int) -> None:
    return None


def anybody_tells_the_time(whole: Any) -> Any:
    def check(self: bookings.Bookings, token: bytes, *rest: Any, **more: Any) -> Any:
        found = whole(self, token, *rest, **more)
        claims = found.claims if isinstance(found, Refusal) else found
        if claims is not None:
            self._heard(claims.iat)
        return found

    return check


def who_unlocks_last(whole: Any) -> Any:
    def moved_on(before: Any, pending: Any, had: Any, has: Any, moved: bool) -> Any:
        found = whole(before, pending, had, has, moved)
        return pending.asked.starts if found and moved else found

    return moved_on


def seen_never(whole: Any) -> Any:
    def read(self: Provers, message: bytes) -> Any:
        self._seen.clear()
        return whole(self, message)

    return read


def washed(whole: Any) -> Any:
    def typed(self: keypad.Keypad, *rest: Any) -> Any:
        found = whole(self, *rest)
        if not isinstance(found, Refusal):
            self._tries = Tries()
        return found

    return typed


def any_time_by_code(whole: Any) -> Any:
    def admitted(token: bytes, kind: Any, situation: Any) -> Any:
        found = whole(token, kind, situation)
        if isinstance(found, Refusal) and found.code in (Code.EXPIRED, Code.TOO_EARLY) and found.claims is not None:
            return verify.believe(token, replace(situation, now=Interval(found.claims.nbf, found.claims.exp, "desk")))
        return found

    return admitted


def slots_at_any_time(claims: Any, situation: Any) -> Any:
    return verify._booking(claims, b"", None, full=True)


def asked_for_ever(whole: Any) -> Any:
    def answered(self: Timekeeper, answer: bytes, authority: Any) -> Any:
        before = dict(self._asked)
        found = whole(self, answer, authority)
        self._asked = before
        return found

    return answered


def never_asked(whole: Any) -> Any:
    """The nonce that `signed_time_by_a_trick` makes up was asked just now."""

    def believed(answer: bytes, asked: dict[bytes, int], keyset: Any, *, now_ns: int, **more: Any) -> Any:
        asked.setdefault(bytes(8), now_ns)
        return whole(answer, asked, keyset, now_ns=now_ns, **more)

    return believed


def revoked_tells_the_time(whole: Any) -> Any:
    return lambda *rest, **more: whole(*rest, **{**more, "revoked": frozenset()})


def never_lowered(whole: Any) -> Any:
    def after(state: Any, *rest: Any) -> Any:
        found = whole(state, *rest)
        return replace(found, floor_s=max(state.floor_s, found.floor_s))

    return after


def noon(stored: Any, now_s: float, ended: Any) -> None:
    return None


BREAKS: Mapping[str, Break] = {
    "a nonce good twice": setting(near.Nonces, "without", lambda self, nonce: self),
    "a nonce of any link": setting(near.Nonces, "good", lambda self, now_ns: Anything()),
    "a nonce without age": setting(near.Nonces, "good", ageless),
    "a phone's counter ignored": wrapping(near, "believe_near", without_counter),
    "a phone's counter not stored": unstored("near/counter/"),
    "the backend beside the car": backend_beside,
    "occupied ignored": wrapping(deciding, "wished", nobody_has_it),
    "what a phone shows is not stored": setting(Beside, "_keep", not_kept),
    "what a phone brings is not believed": setting(Mule, "_take", lambda self, whole, bag: None),
    "a guest's hours ignored": setting(Guest, "may_book", lambda *_: True),
    "a guest's numbers ignored": setting(trust.KeySet, "may_number", lambda *_: True),
    "a guest's name ignored": setting(trust.IssuerKey, "signs_as", lambda *_: True),
    "a guest tells the time": wrapping(bookings.Bookings, "_check", anybody_tells_the_time),
    "a guest's list, a guest's time": setting(
        trust.IssuerKey, "is_backend", lambda self, iss, operator: self.may_mint(Role.BACKEND)
    ),
    "a guest forces": setting(commanded, "_may_touch", lambda booking, known: True),
    "a guest copies an id": setting(bookings, "copied", lambda new, there, operator: None),
    "a list of any age": setting(freshness, "ASKED_S", 1 << 40),
    "start for whoever is let in": setting(decisions, "may_start", lambda booking, stored: True),
    "start for nobody from afar": setting(remote, "may_start", lambda booking, stored: False),
    "the supply stays after the end": setting(start_right, "has_ended", lambda plan, has: False),
    "the right to start forgotten by a restart": unstored("access/let_in"),
    "the right to start of who unlocked last": wrapping(start_right, "moved_on", who_unlocks_last),
    "a reading counts again": wrapping(Provers, "read", seen_never),
    "readings not stored": unstored("sun/"),
    "a card's MAC not checked": setting(sun, "hmac", SimpleNamespace(compare_digest=lambda one, other: True)),
    "tries not counted": setting(keypad, "after_wrong", lambda tries, boot, now_ns: tries),
    "tries forgotten by a restart": unstored("access/tries"),
    "a right code washes wrong ones away": wrapping(keypad.Keypad, "typed", washed),
    "a code at any time": wrapping(deciding, "admitted", any_time_by_code),
    "a code of the day at any time, revoked or not": setting(code, "believe_vouched", slots_at_any_time),
    "a code of the day keeps its noon": setting(keypad, "paid_until", noon),
    "codes for any role": setting(code, "_ROLES", tuple(Role)),
    "a question answered twice": wrapping(Timekeeper, "answered", asked_for_ever),
    "a question never asked": wrapping(timekeeper, "believe_time", never_asked),
    "a late answer": setting(signed_time, "ANSWER_WITHIN_S", 1e9),
    "a revoked key tells the time": wrapping(timekeeper, "believe_time", revoked_tells_the_time),
    "signed time does not lower the floor": wrapping(clock, "after_signed", never_lowered),
}
