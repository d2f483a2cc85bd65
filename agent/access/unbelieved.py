"""Pure: what may still be learnt of a command that is refused: its id, for the answer; and that it is used up; and what
somebody beside the car may be told of the refusal.

What is not here: judging it (`keyless/verify.py`, `keyless/near.py`) and answering (`remote.py`, `beside.py`).
"""

from __future__ import annotations

from msgspec.structs import replace

from keyless import cose, near
from keyless.claims import Command, HolderKey
from keyless.refusal import Code, Refusal, refused
from keyless.token import MAX_COMMAND, read_command

from .authority import Authority


def signed(authority: Authority, refusal: Refusal, token: bytes, command: bytes) -> Command | None:
    """The command of a refused pair, where an issuer vouches for the holder in this car and the holder for the command.
    A second issuer's counts as well: its driver must not find done later what was refused.
    """
    ours = refusal.claims is not None and refusal.claims.aud == authority.vehicle
    payload = _payload(refusal, command, MAX_COMMAND) if ours else None
    read = None if payload is None else read_command(payload, token)
    return None if isinstance(read, Refusal) else read


def signed_near(refusal: Refusal, token: bytes, command: bytes) -> near.NearCommand | None:
    """The command beside the car of a refused pair, where an issuer's key vouches for the holder and the holder for the
    command, for whichever car that is.
    """
    payload = _payload(refusal, command, near.MAX_COMMAND)
    read = None if payload is None else near.read_command(payload, token)
    return None if isinstance(read, Refusal) else read


def vouched(authority: Authority, refusal: Refusal) -> bool:
    """Whether it is our operator's word about this car."""
    claims = refusal.claims
    return claims is not None and claims.aud == authority.vehicle and claims.iss == authority.operator


def for_anybody(refusal: Refusal, wish: near.NearCommand | None, *, named: bool) -> Refusal:
    """What is told of a refusal to who has not signed on a nonce of this link, and so may be anybody who overheard a
    token: the same at each car and whatever became of its booking. `replay`, so that an honest phone whose nonce has
    grown old signs on the next one, else `holder`; what comes before the claims are read is no secret.

    wish: as `signed_near` found it. named: the link knows the token by its name only, which tells who has it stored.
    """
    if named:
        return refused(Code.NOT_STORED, "send the token itself")
    if refusal.claims is None or refusal.code is Code.UNKNOWN_KEY:
        return refusal
    return refused(Code.HOLDER if wish is None else Code.REPLAY)


def _payload(refusal: Refusal, command: bytes, limit: int) -> bytes | None:
    """What the holder has signed, still unread."""
    claims, inner = refusal.claims, cose.read_sign1(command, limit=limit, with_kid=False)
    if claims is None or isinstance(inner, Refusal) or inner.alg not in cose.HOLDER_ALGS:
        return None
    holder, message = claims.confirmation, cose.to_be_signed(inner.protected, inner.payload)
    if not isinstance(holder, HolderKey):
        return None
    good = cose.verifies(holder.public, inner.alg, inner.signature, message)
    return inner.payload if good else None


def addressed(refusal: Refusal, token: bytes, command: bytes) -> Refusal:
    """A token of ours that is refused (its time, a doubtful clock) still gets its answer: the desk must not wait for
    ever. The id is read without belief; it addresses the answer and decides nothing.
    """
    if refusal.claims is None or "command" in refusal.detail:
        return refusal
    inner = cose.read_sign1(command, limit=MAX_COMMAND, with_kid=False)
    read = inner if isinstance(inner, Refusal) else read_command(inner.payload, token)
    if isinstance(read, Refusal):
        return refusal
    return replace(refusal, detail={**refusal.detail, "command": read.id.hex()})
