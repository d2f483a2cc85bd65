"""Pure: what may still be learnt of a command that is refused: its id, for the answer; and that it is used up.

What is not here: judging it (`keyless/verify.py`, `keyless/near.py`) and answering (`remote.py`, `beside.py`).
"""

from __future__ import annotations

from msgspec.structs import replace

from keyless import cose, near
from keyless.claims import Command, HolderKey
from keyless.refusal import Refusal
from keyless.token import MAX_COMMAND, read_command

from .authority import Authority


def signed(authority: Authority, refusal: Refusal, token: bytes, command: bytes) -> Command | None:
    """The command of a refused pair, where our operator vouches for the holder and the holder for the command."""
    payload = _payload(authority, refusal, command, MAX_COMMAND)
    read = None if payload is None else read_command(payload, token)
    return None if isinstance(read, Refusal) else read


def signed_near(authority: Authority, refusal: Refusal, token: bytes, command: bytes) -> near.NearCommand | None:
    """The same of a command beside the car."""
    payload = _payload(authority, refusal, command, near.MAX_COMMAND)
    read = None if payload is None else near.read_command(payload, token)
    return None if isinstance(read, Refusal) else read


def _payload(authority: Authority, refusal: Refusal, command: bytes, limit: int) -> bytes | None:
    """What the holder has signed, still unread."""
    claims, inner = refusal.claims, cose.read_sign1(command, limit=limit, with_kid=False)
    if claims is None or isinstance(inner, Refusal) or inner.alg not in cose.HOLDER_ALGS:
        return None
    ours = claims.aud == authority.vehicle and claims.iss == authority.operator
    holder, message = claims.confirmation, cose.to_be_signed(inner.protected, inner.payload)
    if not ours or not isinstance(holder, HolderKey):
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
