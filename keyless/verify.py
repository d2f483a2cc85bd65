"""Token bytes, trust, a time interval and state in; a `Booking` or a `Refusal` out. The steps' order is the design.

Nothing is read from a clock, a disk or a socket here, and nothing is remembered: counters, revisions and the open
booking are arguments. State guards of the car (moving) are in policy.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from . import cose
from . import token as payloads
from .claims import CEILING, LONGEST_S, TOLERANCE_S, Booking, Claims, Command, HolderKey, Interval, Role
from .freshness import is_stale
from .refusal import Code, Refusal, refused
from .trust import IssuerKey, KeySet, issuer_key, key_is_stale

UNSURE_ACCEPTED: Final = "clock_unsure_accepted"
AFTER_END: Final = "after_end_open_booking"
JUST_ENDED: Final = "just_ended"
KEPT_S: Final = 2 * 86_400  # R13: two days after its end a stored token is of no more use to anybody
LEVEL_0_START_S: Final = 86_400  # R18: without a clock, a driver's start may be this far after the floor
DRIVES: Final = (Role.DRIVER, Role.AGENT, Role.TECHNICIAN)  # roles that can sit in the open booking (R5)
_STEP: Final = tuple(Code)


class Situation(Struct, frozen=True):
    """What a token is judged against, taken at one moment.

    vehicle: 8 bytes. operator: the issuer to obey; `None` (any) only for a person at a desk. open_booking: number of
    the booking under way: time never refuses those who drive it (R5). superseded: booking number to highest revision
    seen. revoked: 8-byte ids; list_iat: when their list was made, `None` where there never was one. at_station:
    revocation, supersession and a key that was dropped stop the open booking only there (D20). carried: names of its
    tokens (32 hex digits of `token_hash`) that were believed for it: none at a desk. just_ended: number of the
    booking that ended last, for ten minutes while none has begun since: its drivers' tokens outlast their own end.
    """

    keyset: KeySet
    vehicle: bytes
    operator: str | None
    now: Interval
    open_booking: int | None  # no default: who forgot it would strand a driver
    superseded: Mapping[int, int]
    revoked: frozenset[bytes]
    list_iat: int | None
    at_station: bool
    carried: Set[str] = frozenset()
    just_ended: int | None = None

    def is_open(self, claims: Claims) -> bool:
        """R5: whether these claims are of somebody who drives the booking under way. Booking 0 is none."""
        return self.open_booking == claims.booking != 0 and claims.role in DRIVES

    def list_is_stale(self, role: Role) -> bool:
        return is_stale(role, self.list_iat, self.now)


class _Signed(Struct, frozen=True):
    """Claims whose signature has verified. stale: their key, or the key set, is certainly out of date."""

    claims: Claims
    kid: bytes
    key: IssuerKey
    stale: bool


def believe(token: bytes, situation: Situation) -> Booking | Refusal:
    """Whether this token opens this car now, for whoever proves to be its holder.

    That proof is not judged here: of a badge the caller compares `confirmation`, of a key `believe_command` asks it.
    """
    outer = cose.read_sign1(token, limit=payloads.MAX_TOKEN, with_kid=True)
    if isinstance(outer, Refusal):
        return outer
    return _believe(outer, token, situation)


def store_check(token: bytes, situation: Situation, *, kept: bool = False) -> Booking | Refusal:
    """The same without the time window: a booking for tomorrow may be stored today. Opens nothing.

    One that ended longer ago than it is kept (R13) is `expired`, unless it is stored already (kept): a clock that is
    wrong for a while must not disarm what is there, and the tap judges the time, the keys' as well. With open_booking,
    the tokens of its drivers are kept whatever their age, revocation or revision, wherever the car stands: which of
    them counts is asked at the tap (R5, D20).
    """
    outer = cose.read_sign1(token, limit=payloads.MAX_TOKEN, with_kid=True)
    if isinstance(outer, Refusal):
        return outer
    now = Interval(0.0, None, "none") if kept else situation.now
    situation = replace(situation, at_station=False, now=now)
    admitted = _admitted(outer, token, situation)
    if isinstance(admitted, Refusal):
        return admitted
    claims, _ = admitted
    if not kept and situation.now.lo_s > claims.exp + KEPT_S and not situation.is_open(claims):
        return refused(Code.EXPIRED, "ended long ago", claims, until=claims.exp)
    return _booking(claims, token, None, full=True)


def believe_vouched(claims: Claims, situation: Situation) -> Booking | Refusal:
    """Claims that a secret of this car vouches for instead of a signature (`code.py`): `revoked`, `superseded`, and the
    time with the age of the list, as for a token.
    """
    recalled = _recalled(claims, (), situation)
    if recalled is not None:
        return recalled
    note = _timely(claims, situation)
    return note if isinstance(note, Refusal) else _booking(claims, b"", note, full=note is None)


def believe_command(
    token: bytes, command: bytes, situation: Situation, counter: int | None
) -> tuple[Booking, Command] | Refusal:
    """Whether this remote command is to be obeyed now (D12). counter: the highest one taken for this token, or `None`.

    The caller stores `Command.counter` before it acts. A `replay` carries the command's id as `detail["command"]`, 32
    hex digits: where that id is known, the stored result is the answer and nothing moves.
    """
    pair = believe_pair(token, command, situation, limit=payloads.MAX_COMMAND)
    if isinstance(pair, Refusal):
        return pair
    booking, payload = pair
    read = payloads.read_command(payload, token)
    if isinstance(read, Refusal):
        return replace(read, claims=booking)
    return _untimely(booking, read, situation.now, counter) or (booking, read)


def believe_pair(token: bytes, command: bytes, situation: Situation, *, limit: int) -> tuple[Booking, bytes] | Refusal:
    """A believed token, and the payload that its holder has signed, unread: what commands of each kind have in common.

    limit: of the command, in bytes. The shape of both counts first, then the command's `alg`, then the token's steps.
    """
    outer = cose.read_sign1(token, limit=payloads.MAX_TOKEN, with_kid=True)
    inner = cose.read_sign1(command, limit=limit, with_kid=False)
    if isinstance(outer, Refusal) or isinstance(inner, Refusal):
        both = [one for one in (outer, inner) if isinstance(one, Refusal)]
        return min(both, key=lambda refusal: _STEP.index(refusal.code))
    if inner.alg not in cose.HOLDER_ALGS:
        return refused(Code.ALG, f"command alg {inner.alg}")
    booking = _believe(outer, token, situation)
    if isinstance(booking, Refusal):
        return booking
    holder, message = booking.confirmation, cose.to_be_signed(inner.protected, inner.payload)
    if not isinstance(holder, HolderKey) or not cose.verifies(holder.public, inner.alg, inner.signature, message):
        return refused(Code.HOLDER, "the command is not signed by the token's holder", booking)
    return booking, inner.payload


def _believe(outer: cose.Sign1, token: bytes, situation: Situation) -> Booking | Refusal:
    admitted = _admitted(outer, token, situation)
    if isinstance(admitted, Refusal):
        return admitted
    claims, stale = admitted
    note = _timely(claims, situation)
    if isinstance(note, Refusal):
        return note
    stale = stale or situation.keyset.expired(situation.now) or situation.list_is_stale(claims.role)
    return _booking(claims, token, note, full=note is None and not stale)


def _admitted(outer: cose.Sign1, token: bytes, situation: Situation) -> tuple[Claims, bool] | Refusal:
    """Steps 3 to 9: the claims, and whether what vouches for them is out of date."""
    signed = _signed(outer, situation)
    refusal = signed if isinstance(signed, Refusal) else _barred(signed, situation)
    if refusal is None:
        assert isinstance(signed, _Signed)
        return signed.claims, signed.stale
    if refusal.code not in (Code.UNKNOWN_KEY, Code.ISSUER_ROLE):
        return refusal
    claims = _carried(outer, token, situation)
    return refusal if claims is None else (claims, True)


def _carried(outer: cose.Sign1, token: bytes, situation: Situation) -> Claims | None:
    """Of a token that was believed for the booking under way, when the key set stands for it no more: that waits for a
    station as a revocation does (D20). Known by its bytes, so whoever has a key that was dropped makes nothing new.
    """
    if situation.at_station or payloads.token_hash(token).hex() not in situation.carried:
        return None
    claims = payloads.read_claims(outer.payload)
    if isinstance(claims, Refusal) or claims.aud != situation.vehicle or not situation.is_open(claims):
        return None
    return claims


def _signed(outer: cose.Sign1, situation: Situation) -> _Signed | Refusal:
    """`alg`, `unknown_key`, `signature`, and only then the claims are parsed (`malformed`).

    A stale key refuses before its signature is looked at, unless a booking is open: then only the claims can tell
    whether this is its driver, whom no date may strand (R5).
    """
    key = issuer_key(outer, situation.keyset)
    if isinstance(key, Refusal):
        return key
    stale = key_is_stale(situation.keyset, key, situation.now)
    if stale and situation.open_booking is None:
        return refused(Code.UNKNOWN_KEY, "key or key set is out of date")
    if not outer.is_by(key.key):
        return refused(Code.SIGNATURE)
    claims = payloads.read_claims(outer.payload)
    if isinstance(claims, Refusal):
        return claims
    if stale and not situation.is_open(claims):
        return refused(Code.UNKNOWN_KEY, "key or key set is out of date", claims)
    return _Signed(claims, outer.kid, key, stale)


def _barred(signed: _Signed, situation: Situation) -> Refusal | None:
    """`wrong_vehicle`, `issuer_role`, `revoked`, `superseded`."""
    claims, is_open = signed.claims, situation.is_open(signed.claims)
    if claims.aud != situation.vehicle:
        return refused(Code.WRONG_VEHICLE, claims=claims)
    if not signed.key.signs_as(claims.iss, situation.operator):
        return refused(Code.ISSUER_ROLE, "another issuer's token", claims)
    if not signed.key.may_mint(claims.role):
        return refused(Code.ISSUER_ROLE, f"this key may not mint the role {claims.role.name.lower()}", claims)
    if claims.exp - claims.nbf > LONGEST_S[claims.role]:
        return refused(Code.ISSUER_ROLE, "lasts longer than this role may", claims, longest_s=LONGEST_S[claims.role])
    guest = signed.key.guest
    if not situation.keyset.may_number(signed.key, claims.booking):
        return refused(Code.ISSUER_ROLE, "a booking number that is not this issuer's", claims)
    if guest is not None and not is_open and not guest.may_book(claims.nbf, claims.early_s, claims.late_s, claims.exp):
        return refused(Code.ISSUER_ROLE, "outside of the hours of this issuer", claims)
    if situation.keyset.expired(situation.now) and claims.role is not Role.DRIVER and not is_open:
        return refused(Code.ISSUER_ROLE, "the key set has expired: drivers only", claims)
    return _recalled(claims, (signed.kid,), situation)


def _recalled(claims: Claims, signers: tuple[bytes, ...], situation: Situation) -> Refusal | None:
    """`revoked`, `superseded`. signers: kids that vouch for the claims."""
    if situation.is_open(claims) and not situation.at_station:
        return None  # D20: revocation, and the lower revision that means the same, wait for a station
    named = situation.revoked.intersection((*signers, *claims.revocation_ids))
    if named:
        return refused(Code.REVOKED, claims=claims, ids=sorted(name.hex() for name in named))
    highest = situation.superseded.get(claims.booking, 0)
    if claims.booking != 0 and claims.revision < highest:
        return refused(Code.SUPERSEDED, f"revision {claims.revision}, seen {highest}", claims)
    return None


def _timely(claims: Claims, situation: Situation) -> Refusal | str | None:
    """As `_window`, then `stale_list`: who is too early or too late anyway is told that."""
    note = _window(claims, situation)
    if isinstance(note, Refusal) or situation.is_open(claims) or not situation.list_is_stale(claims.role):
        return note
    return refused(Code.STALE_LIST, "the revocation list is more than 7 days old", claims, made=situation.list_iat)


def _window(claims: Claims, situation: Situation) -> Refusal | str | None:
    """The note with which the time is accepted (`None`: plainly inside), or `clock_unsure`, `too_early`, `expired`."""
    lo, hi = situation.now.lo_s, situation.now.hi_s
    is_open = situation.is_open(claims)
    if lo > claims.exp:
        just = situation.just_ended == claims.booking != 0 and claims.role in DRIVES
        note = AFTER_END if is_open else JUST_ENDED if just else None
        return note or refused(Code.EXPIRED, claims=claims, until=claims.exp)
    if hi is not None and hi < claims.nbf:
        # The booking was opened inside its window, so this clock has been set back: it is unsure, its driver is not.
        return UNSURE_ACCEPTED if is_open else refused(Code.TOO_EARLY, claims=claims, since=claims.nbf)
    inside = hi is not None and claims.nbf <= lo and hi <= claims.exp
    if inside or (hi is not None and hi - lo <= TOLERANCE_S[claims.role]):
        return None
    if is_open or (claims.role is Role.DRIVER and claims.nbf <= lo + LEVEL_0_START_S):
        return UNSURE_ACCEPTED  # R5, R18
    return refused(Code.CLOCK_UNSURE, claims=claims, clock=situation.now.source)


def _booking(claims: Claims, token: bytes, note: str | None, *, full: bool) -> Booking:
    """full: with all rights of the role; otherwise (after the end, unsure) with a driver's at most."""
    ceiling = CEILING[claims.role] if full else CEILING[claims.role] & CEILING[Role.DRIVER]
    said = asdict(claims) | {"actions": int(claims.actions & ceiling)}
    return Booking(
        **said,
        ignored=claims.actions & ~int(ceiling),
        paid_from_s=claims.nbf + claims.early_s,
        paid_to_s=claims.exp - claims.late_s,
        token=token,
        note=note,
    )


def _untimely(booking: Booking, command: Command, now: Interval, counter: int | None) -> Refusal | None:
    """`replay`, then the command's own end, then `role_action`. Doubt about the time refuses: late must not act."""
    name = command.id.hex()
    if counter is not None and command.counter <= counter:
        return refused(Code.REPLAY, f"counter {command.counter}, seen {counter}", booking, command=name)
    if now.lo_s > command.exp:
        return refused(Code.EXPIRED, "the command came too late", booking, command=name, reasons=["command_late"])
    if now.hi_s is None or now.hi_s > command.exp:
        return refused(Code.CLOCK_UNSURE, "the command may have come too late", booking, command=name)
    if not booking.actions & command.action:
        return refused(Code.ROLE_ACTION, f"not allowed: {command.action.name}", booking, command=name)
    return None
