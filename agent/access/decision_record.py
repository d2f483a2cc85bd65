"""Pure: one decision with all that it rested on, as bytes from which it can be decided again, byte for byte.

JSON, not CBOR: what else lies in the vault is JSON, so the eraser and the export find a booking's number in it as they
do everywhere; a person can read it; and msgspec writes numbers and keys one way only. What is not here: the deciding
(`deciding.py`, `commanded.py`) and where records are kept (`decision_log.py`).

Of key set, revoked ids, revisions and ended bookings a record has what is about its own tokens: nothing else can
decide. No badge's number, no code, no secret and no coordinates are in it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from drivers.fitted import SwitchAction
from keyless import cose
from keyless.claims import Action, Claims, Interval, key_id
from keyless.code import CodeKind, hotline_claims, hotline_slot
from keyless.refusal import Code, Refusal, refused
from keyless.token import MAX_TOKEN, read_claims, token_hash
from keyless.trust import IssuerKey, KeySet
from keyless.verify import Situation

from .authority import NO_KEYSET
from .booking import CarNow, OpenNow, soft
from .choice import Stored, Window
from .commanded import Commanded, Far, by_command
from .deciding import Known, Verdict, at_reader, by_phone

FORM: Final = 1
MOST_BYTES: Final = 8 * 1024  # some twenty tokens of one badge; a usual record has 1.2 KiB


class Presented(Struct, frozen=True):
    """via: badge, code, phone or command. badge: its id. wish: what a phone asks for. The token of a phone or a command
    is the first of `Known.tokens`; command: its bytes, judged with all that follows (see `Far`).
    """

    via: str
    badge: bytes | None = None
    wish: int | None = None
    command: bytes | None = None
    counter: int | None = None
    garage: bool = False
    told: tuple[int, ...] = ()
    switches: tuple[SwitchAction, ...] = ()


class Revision(Struct, frozen=True):
    booking: int
    revision: int


class Ended(Struct, frozen=True):
    booking: int


class Judged(Struct, frozen=True):
    """Of `Situation`, what is about the record's own tokens. version, expires: of the key set; of its keys also
    those of second issuers, whose booking numbers are nobody else's. carried: see `Situation`.
    """

    version: int
    expires: int
    keys: tuple[IssuerKey, ...]
    vehicle: bytes
    operator: str | None
    superseded: tuple[Revision, ...]
    revoked: tuple[bytes, ...]
    list_iat: int | None
    carried: tuple[str, ...] = ()


class Record(Struct, frozen=True):
    """form: of these bytes. n: rising in one car. software: whose rules they were. judged: `None` without a key set.
    decision: see `Decision`, as the bytes that came out.
    """

    form: int
    n: int
    software: str
    presented: Presented
    now: Interval
    car: CarNow
    open: OpenNow | None
    tokens: tuple[Stored, ...]
    waiting: tuple[Window, ...]
    ended: tuple[Ended, ...]
    judged: Judged | None
    decision: msgspec.Raw
    used: tuple[str, ...] = ()


class Decision(Struct, frozen=True):
    """action: unlock, lock, end or another right, `None` where refused. opens: the token's booking. closes: how the one
    under way ends, flags: what is noted then, overridden: what a forced end passed over. note: of the clock.
    """

    action: str | None
    booking: int | None
    code: str | None
    detail: dict[str, object]
    opens: bool
    closes: str | None
    flags: list[str]
    overridden: list[str]
    note: str | None


def decision(verdict: Verdict, car: CarNow) -> bytes:
    refusal, booking = verdict.refusal, verdict.booking
    claims = booking if booking is not None else refusal.claims if refusal is not None else None
    told = Decision(
        action=verdict.action.name.lower() if verdict.action is not None and verdict.action.name else None,
        booking=claims.booking if claims is not None else None,
        code=refusal.code.value if refusal is not None else None,
        detail=dict(refusal.detail) if refusal is not None else {},
        opens=verdict.opens,
        closes=verdict.closes.value if verdict.closes is not None else None,
        flags=list(soft(car)) if verdict.closes is not None else [],
        overridden=list(verdict.overridden),
        note=booking.note if booking is not None else None,
    )
    return msgspec.json.encode(told, order="sorted")


def record(n: int, software: str, presented: Presented, known: Known, came_out: Commanded | Verdict) -> bytes:
    """The same for the same, always."""
    vehicle = b"" if isinstance(known.situation, Refusal) else known.situation.vehicle
    named = [_named(one, vehicle) for one in known.tokens]
    numbers = {claims.booking for _, claims in named if claims is not None} | {it.booking for it in known.tokens}
    verdict = came_out.verdict if isinstance(came_out, Commanded) else came_out
    now, ended = known.now, sorted(numbers & known.ended)
    where = replace(known.car.where, distance=None, charge_point=None)
    just_ended = known.car.just_ended if known.car.just_ended in numbers else None
    made = Record(
        form=FORM,
        n=n,
        software=software,
        presented=presented,
        now=Interval(float(now.lo_s), None if now.hi_s is None else float(now.hi_s), now.source),
        car=replace(known.car, still_s=0.0, where=where, just_ended=just_ended),
        open=known.open_,
        tokens=known.tokens,
        waiting=known.waiting if ended else (),  # asked only where one may not be opened again
        ended=tuple(map(Ended, ended)),
        judged=_judged(known, named, numbers),
        decision=msgspec.Raw(decision(verdict, known.car)),
        used=tuple(sorted({claims.cti.hex() for _, claims in named if claims is not None} & known.used)),
    )
    return msgspec.json.encode(made)


def shown(token: bytes) -> Stored:
    """A token that nobody believes yet, with the number that it claims, so that it can be found and erased."""
    unread = Stored(0, 0, token)
    claims = _named(unread, b"")[1]
    return unread if claims is None else Stored(claims.booking, claims.nbf, token)


def commanded_from(command: bytes, far: Far) -> Presented:
    told, switches = tuple(sorted(map(int, far.told))), tuple(sorted(far.switches))
    return Presented("command", None, None, command, far.counter, far.garage, told, switches)


def read(data: bytes) -> Record | Refusal:
    """`malformed` for anything that is no record of this form."""
    try:
        found = msgspec.json.decode(data, type=Record)
    except (ValueError, RecursionError) as error:
        return refused(Code.MALFORMED, str(error))
    if found.form != FORM:
        return refused(Code.MALFORMED, f"form {found.form}; this software reads {FORM}")
    beside = found.presented.via in ("badge", "code")
    if not beside and not (found.tokens and found.presented.via in ("phone", "command")):
        return refused(Code.MALFORMED, "nothing was presented")
    if any(_is_slot(it) and hotline_slot(it.booking) is None for it in found.tokens):
        return refused(Code.MALFORMED, "a slot of the day that is none")
    typed = found.presented.via == "code"
    if any(it.code is CodeKind.END and not (typed and _may_end(it)) for it in found.tokens):
        return refused(Code.MALFORMED, "a code that ends no booking")
    if found.judged is not None and any(len(it.key) != 32 or it.role_ceiling < 0 for it in found.judged.keys):
        return refused(Code.MALFORMED, "a key is not 32 bytes, or its roles are none")
    return found


def decide_again(found: Record) -> bytes:
    """The decision's bytes, made anew from the rest."""
    known, presented = _known(found), found.presented
    if presented.via == "command":
        told, switches = frozenset(map(Action, presented.told)), frozenset(presented.switches)
        far = Far(presented.counter, presented.garage, told, switches)
        return decision(by_command(presented.command or b"", far, known).verdict, known.car)
    if presented.via == "phone":
        return decision(by_phone(Action(presented.wish or 0), known), known.car)
    return decision(at_reader(known), known.car)


def decided_as(data: bytes) -> Decision | None:
    """What a record says came out; `None` where that is no decision."""
    try:
        return msgspec.json.decode(data, type=Decision)
    except (ValueError, RecursionError):
        return None


# --- inside


def _named(one: Stored, vehicle: bytes) -> tuple[bytes, Claims | None]:
    """What a token says of itself, unbelieved: its kid, and its claims. A slot of the day has no token to say it."""
    if _is_slot(one):
        return b"", hotline_claims(one.booking, vehicle, "")
    if one.code is CodeKind.END:
        return b"", None
    outer = cose.read_sign1(one.token, limit=MAX_TOKEN, with_kid=True)
    if isinstance(outer, Refusal):
        return b"", None
    claims = read_claims(outer.payload)
    return outer.kid, None if isinstance(claims, Refusal) else claims


def _is_slot(one: Stored) -> bool:
    return one.code is not None and one.code is not CodeKind.END and not one.token


def _may_end(one: Stored) -> bool:
    """Numbers that a code can have been made of."""
    return 0 < one.booking < 1 << 53 and 0 <= one.nbf < 1 << 48


def _judged(known: Known, named: list[tuple[bytes, Claims | None]], numbers: set[int]) -> Judged | None:
    situation = known.situation
    if isinstance(situation, Refusal):
        return None
    kids = {kid for kid, _ in named}
    keys = {kid: key for kid, key in situation.keyset.keys.items() if kid in kids or key.guest is not None}
    ids = kids.union(*(it.revocation_ids for _, it in named if it is not None))
    revisions = sorted((number, situation.superseded[number]) for number in numbers & situation.superseded.keys())
    return Judged(
        version=situation.keyset.version,
        expires=situation.keyset.expires,
        keys=tuple(key for _, key in sorted(keys.items(), key=lambda it: it[0])),
        vehicle=situation.vehicle,
        operator=situation.operator,
        superseded=tuple(Revision(*pair) for pair in revisions),
        revoked=tuple(sorted(ids & situation.revoked)),
        list_iat=situation.list_iat,
        carried=tuple(sorted({token_hash(it.token).hex() for it in known.tokens} & situation.carried)),
    )


def _known(found: Record) -> Known:
    judged, at_station = found.judged, found.car.where.at is True
    situation: Situation | Refusal
    if judged is None:
        situation = NO_KEYSET
    else:
        keys = {key_id(it.key): it for it in judged.keys}
        situation = Situation(
            keyset=KeySet(judged.version, judged.expires, keys),
            vehicle=judged.vehicle,
            operator=judged.operator,
            now=found.now,
            open_booking=found.open.booking if found.open is not None else None,
            superseded={it.booking: it.revision for it in judged.superseded},
            revoked=frozenset(judged.revoked),
            list_iat=judged.list_iat,
            at_station=at_station,
            carried=frozenset(judged.carried),
            just_ended=found.car.just_ended,
        )
    ended, cable = frozenset(it.booking for it in found.ended), SwitchAction.RELEASE_CABLE in found.presented.switches
    used = frozenset(found.used)
    return Known(situation, found.now, found.car, found.open, found.tokens, found.waiting, ended, used, cable)
