"""`boitier token inspect` and `verify`: what a token says of itself, and what a car would decide. The judging is done
in keyless/, never here.
"""

from __future__ import annotations

from typing import Any, Final

import click
from msgspec.structs import replace

from keyless import claims as values
from keyless import cose, trust, verify
from keyless import token as payloads
from keyless.refusal import Refusal

from ..access import saying
from .token_bytes import Hex, as_json, read_bytes, read_file, say, unreadable

SOURCES: Final = ("gnss", "holdover", "signed")


class Now(click.ParamType[values.Interval]):
    """`LO`, `LO,HI` or `LO,` (nothing known but that it is not earlier), in seconds."""

    name = "seconds[,seconds]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> values.Interval:
        lo_text, comma, hi_text = value.partition(",")
        try:
            lo = float(lo_text)
            hi = float(hi_text) if hi_text else None if comma else lo
        except ValueError:
            self.fail(f"{value!r} is not SECONDS or SECONDS,SECONDS", param, ctx)
        if not lo >= 0 or (hi is not None and not hi >= lo):
            self.fail(f"{value!r} is no interval", param, ctx)
        return values.Interval(lo, hi, "none" if hi is None else "gnss")


class Revision(click.ParamType[tuple[int, int]]):
    """`BOOKING:REVISION`: the highest revision of this booking that the car has seen."""

    name = "booking:revision"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        booking, _, revision = value.partition(":")
        if not (booking.isdecimal() and revision.isdecimal()):
            self.fail(f"{value!r} is no BOOKING:REVISION, such as 42:3", param, ctx)
        return int(booking), int(revision)


@click.command()
@click.argument("token")
@as_json
def inspect(token: str, as_json: bool) -> None:
    """What a token says of itself; NOTHING is verified. TOKEN: a file, `-`, or hex or base64url text."""
    data = read_bytes(token)
    outer, claims = read_token(data, as_json)
    said = {"verified": False, "bytes": len(data), "alg": outer.alg, "kid": outer.kid.hex()}
    say(said | {"claims": plain_claims(claims)}, as_json)


def read_token(data: bytes, as_json: bool) -> tuple[cose.Sign1, values.Claims]:
    """Nothing is verified. Raises SystemExit where it does not read, which is told."""
    outer = cose.read_sign1(data, limit=payloads.MAX_TOKEN, with_kid=True)
    if isinstance(outer, Refusal):
        raise unreadable(outer, as_json)
    claims = payloads.read_claims(outer.payload)
    if isinstance(claims, Refusal):
        raise unreadable(claims, as_json)
    return outer, claims


@click.command("verify")
@click.argument("token")
@click.option("--trust", "trust_file", required=True, help="The signed key-set file.")
@click.option("--vehicle", type=Hex(8), required=True)
@click.option("--now", type=Now(), required=True, help="SECONDS, or SECONDS,SECONDS as an interval; `LO,` has no end.")
@click.option("--root", "roots", type=Hex(32), multiple=True, help="Root public key; then --trust itself is verified.")
@click.option("--threshold", type=click.IntRange(1), default=2, show_default=True, help="Roots needed.")
@click.option("--operator", help="Issuer id that the token must carry; default any.")
@click.option("--open-booking", type=int, help="Number of the booking under way.")
@click.option("--at-station", is_flag=True, help="The car stands at a station.")
@click.option("--revoked", type=Hex(8), multiple=True, help="A revoked id.")
@click.option("--list-from", type=int, help="When the car's newest revocation list was made, in seconds.")
@click.option("--superseded", type=Revision(), multiple=True, help=Revision.__doc__)
@click.option("--carried", type=Hex(16), multiple=True, help="Name of a token once believed for the open booking.")
@click.option("--just-ended", type=int, help="Number of the booking that ended in the last ten minutes.")
@click.option("--source", type=click.Choice(SOURCES), default="gnss", help="Where --now comes from, if it has an end.")
@as_json
def verify_(
    token: str, trust_file: str, roots: tuple[bytes, ...], now: values.Interval, as_json: bool, **said: Any
) -> None:
    """Decide as the car would. Exit 0: accepted, 1: refused. TOKEN: a file, `-`, or hex or base64url text."""
    keyset = _keyset(trust_file, roots, said["threshold"])
    seen = dict(sorted(said["superseded"]))  # of one booking the highest
    situation = verify.Situation(
        keyset, vehicle=said["vehicle"], operator=said["operator"],
        now=now if now.hi_s is None else replace(now, source=said["source"]),
        open_booking=said["open_booking"], superseded=seen, revoked=frozenset(said["revoked"]),
        list_iat=said["list_from"], at_station=said["at_station"], carried={name.hex() for name in said["carried"]},
        just_ended=said["just_ended"],
    )  # fmt: skip
    decision = verify.believe(read_bytes(token), situation)
    if isinstance(decision, Refusal):
        claims = None if decision.claims is None else plain_claims(decision.claims)
        texts = {language: saying.said(decision, language) for language in saying.LANGUAGES}
        detail = dict(decision.detail)
        say({"accept": False, "code": decision.code, "claims": claims, "detail": detail, "said": texts}, as_json)
        raise SystemExit(1)
    detail = {"note": decision.note, "ignored": decision.ignored}
    say({"accept": True, "code": None, "claims": plain_claims(decision), "detail": detail}, as_json)


def plain_claims(claims: values.Claims) -> dict[str, object]:
    """What a token says, as JSON: bytes in hex, words for numbers."""
    holder = claims.confirmation
    plain = {name: getattr(claims, name) for name in ("iss", "exp", "nbf", "iat", "booking", "revision", "actions")}
    return plain | {
        "aud": claims.aud.hex(),
        "cti": claims.cti.hex(),
        "holder": {"badge": holder.id.hex()} if isinstance(holder, values.BadgeId) else {"key": holder.public.hex()},
        "role": claims.role.name.lower(),
        "early_s": claims.early_s,
        "late_s": claims.late_s,
        "kind": claims.kind.name.lower(),
    }


def _keyset(name: str, roots: tuple[bytes, ...], threshold: int) -> trust.KeySet:
    data = read_file(name)
    if data is None:
        raise click.UsageError(f"--trust {name}: no such file")
    read = trust.read_keyset(data, roots, threshold) if roots else trust.read_keyset_unverified(data)
    if isinstance(read, Refusal):
        raise click.UsageError(f"--trust {name}: {read.code}: {read.detail.get('why', 'no key set')}")
    return read
