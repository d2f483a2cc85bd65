"""`boitier token`: the issuer's desk, which makes keys, key sets and tokens. Its other commands: `token_*.py`."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any, Final

import click
from msgspec.structs import replace

from config.privacy import DAYS
from keyless import claims as values
from keyless import issue, trust
from keyless import token as payloads
from keyless.claims import badge_id
from keyless.code import KEY_BYTES
from keyless.guest import Guest, read_guest
from keyless.refusal import Refusal
from keyless.roots import read_rootset
from keyless.sun import sun_id

from ..car.hours import minutes
from . import token_code, token_decisions, token_judging, token_reading, token_tags
from .token_bytes import Hex, as_json, read_file, say

KEY_KINDS: Final = ("ed25519", "p256")
CAR_KINDS: Final = {"code": "keyless.code_key", "tags": "bluetooth.secret"}
KEY_HELP: Final = (
    "ed25519: roots and issuers; p256: as a phone has it; code, tags: a car's, for its keypad and its names on the air."
)
ROLES: Final = [role.name.lower() for role in values.Role]
KINDS: Final = [kind.name.lower() for kind in values.BookingKind]
ACTIONS: Final = {action.name.lower(): action for action in values.Action if action.name}

to_file = click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the bytes to this file.")


class Keys(click.ParamType[trust.IssuerKey]):
    """`PUBLIC:role,role…`: an issuer's key and the roles it may mint; alone: driver, agent and backend. A second
    issuer's: `PUBLIC:role,role…:NAME/mon,tue…/HH:MM/HH:MM/FIRST/LAST`, its days, hours in Paris and booking numbers.
    """

    name = "public[:roles[:guest]]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> trust.IssuerKey:
        public, _, more = value.partition(":")
        names, _, guest = more.partition(":")
        asked = names.split(",") if names else ["driver", "agent"] if guest else ["driver", "agent", "backend"]
        wrong = [name for name in asked if name not in ROLES]
        if wrong:
            self.fail(f"unknown role {wrong[0]!r}; {', '.join(ROLES)} exist", param, ctx)
        roles = sum(1 << values.Role[name.upper()] for name in set(asked))
        key = Hex(32).convert(public, param, ctx)
        return trust.IssuerKey(key, 0, 0, roles, self._guest(guest, param, ctx) if guest else None)

    def _guest(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Guest:
        try:
            issuer, days, begin, end, first, last = text.split("/")
            bits = sum(1 << DAYS.index(day) for day in set(days.split(",")))
            found = read_guest([issuer, bits, minutes(begin), minutes(end), int(first), int(last)])
        except ValueError:
            found = None
        if found is None:
            self.fail(f"{text!r} is no NAME/mon,tue…/HH:MM/HH:MM/FIRST/LAST", param, ctx)
        return found


@click.group()
def token() -> None:
    """Issue, inspect and verify booking tokens and receipts; make keys and key sets. Bytes: docs/keyless.md."""


token.add_command(token_reading.inspect)
token.add_command(token_reading.verify_)
token.add_command(token_judging.receipt_)
token.add_command(token_judging.cose_verify)
token.add_command(token_decisions.decisions)
token.add_command(token_decisions.replay)
token.add_command(token_code.code)
token.add_command(token_tags.tags)


@token.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice([*KEY_KINDS, *CAR_KINDS]), default="ed25519", help=KEY_HELP)
@as_json
def keygen(file: Path, kind: str, as_json: bool) -> None:
    """Make a key for a root, an issuer, a holder or a car; the secret goes to FILE, readable by you alone."""
    if kind in CAR_KINDS:
        said, secret = {"kind": kind}, secrets.token_bytes(KEY_BYTES)
    else:
        key = issue.new_key(kind)
        said, secret = {"kind": kind, "public": key.public.hex(), "kid": key.kid.hex()}, key.secret
    try:
        file.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}; name a file that does not exist yet") from error
    file.write_text(json.dumps({**said, "secret": secret.hex()}) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(said))
    elif kind in CAR_KINDS:
        click.echo(f"the car's {CAR_KINDS[kind]}: {file}")
    else:
        click.echo(f"public {said['public']}\nkid    {said['kid']}")


@token.command()
@click.option("--root", "roots", multiple=True, required=True, help="Secret key file of a root; give the threshold.")
@click.option("--key", "keys", type=Keys(), multiple=True, required=True, help=Keys.__doc__)
@click.option("--version", type=click.IntRange(0), required=True, help="Higher than the last one.")
@click.option("--from", "start", type=int, required=True, help="Not before, in seconds.")
@click.option("--to", "end", type=int, required=True, help="Not after, and expiry of the set, in seconds.")
@to_file
def keyset(
    roots: tuple[str, ...], keys: tuple[trust.IssuerKey, ...], version: int, start: int, end: int, out: Path | None
) -> None:
    """Make the signed key set that a car trusts."""
    signing = [_secret(root) for root in roots]
    entries = [replace(key, not_before=start, not_after=end) for key in keys]
    _emit(issue.keyset(version, end, entries, signing), out, as_json=False)


@token.command()
@click.option("--old", multiple=True, required=True, help="Secret key file of a root in force; give the threshold.")
@click.option("--new", multiple=True, required=True, help="Secret key file of a new root; give the new threshold.")
@click.option("--root", "roots", type=Hex(32), multiple=True, required=True, help="Public key of each new root.")
@click.option("--threshold", type=click.IntRange(1, 8), default=2, show_default=True, help="How many must sign.")
@click.option("--version", type=click.IntRange(1), required=True, help="1 for the first change, then 2 and so on.")
@to_file
def rootset(
    roots: tuple[bytes, ...], threshold: int, version: int, out: Path | None, **signers: tuple[str, ...]
) -> None:
    """Replace the roots: signed by those in force and by the new ones. Send a key set by the new ones soon after."""
    old, new = ([_secret(file) for file in signers[name]] for name in ("old", "new"))
    made = issue.rootset(version, trust.Trust(roots, threshold), old, new)
    in_force = trust.Trust(tuple(key.public for key in old), min(len(old), threshold))
    found = read_rootset(made, in_force, version=version - 1)
    if isinstance(found, Refusal):
        raise click.UsageError(f"no box would take this: {found.detail.get('why', found.code.value)}")
    _emit(made, out, as_json=False)


@token.command("issue")
@click.option("--key", "key_file", required=True, help="Secret key file of the issuer.")
@click.option("--operator", required=True, help="Issuer id, as in the car's settings.")
@click.option("--vehicle", type=Hex(8), required=True)
@click.option("--booking", type=click.IntRange(0, (1 << 53) - 1), required=True, help="Booking number; 0 for none.")
@click.option("--from", "start", type=int, required=True, help="Start of the paid time, in seconds.")
@click.option("--to", "end", type=int, required=True, help="End of the paid time, in seconds.")
@click.option("--early", type=click.IntRange(0), default=900, show_default=True, help="Grace before, in seconds.")
@click.option("--late", type=click.IntRange(0), default=1800, show_default=True, help="Grace after, in seconds.")
@click.option("--badge", type=Hex(), help="The badge's own bytes; only their hash goes into the token.")
@click.option("--sun-badge", type=Hex(7), help="The number of a badge that proves itself (SUN): no copy of it opens.")
@click.option("--holder", type=Hex(32, 33), help="Public key of the holder instead of a badge.")
@click.option("--role", type=click.Choice(ROLES), default="driver", show_default=True)
@click.option("--kind", type=click.Choice(KINDS), default="private", show_default=True)
@click.option("--action", "actions", type=click.Choice(list(ACTIONS)), multiple=True, help="Default: all of the role.")
@click.option("--revision", type=click.IntRange(0, (1 << 32) - 1), default=1, show_default=True)
@click.option("--iat", type=click.IntRange(0), help="When it is minted, in seconds; default now.")
@click.option("--cti", type=Hex(16), help="Token id; default random.")
@to_file
@as_json
def issue_(key_file: str, start: int, end: int, out: Path | None, as_json: bool, **said: Any) -> None:
    """Mint a booking token; prints base64url text, or writes the bytes with --out."""
    if sum(said[name] is not None for name in ("badge", "sun_badge", "holder")) != 1:
        raise click.UsageError("give one of --badge, --sun-badge and --holder")
    role = values.Role[said["role"].upper()]
    wanted = sum(ACTIONS[name] for name in set(said["actions"])) or int(values.CEILING[role])
    badge = badge_id(said["badge"]) if said["badge"] is not None else sun_id(said["sun_badge"] or b"")
    holder = values.HolderKey(said["holder"]) if said["holder"] else values.BadgeId(badge)
    claims = values.Claims(
        iss=said["operator"], aud=said["vehicle"], exp=end + said["late"], nbf=start - said["early"],
        iat=_now_s() if said["iat"] is None else said["iat"], cti=said["cti"] or secrets.token_bytes(16),
        confirmation=holder, role=role, actions=wanted, early_s=said["early"], late_s=said["late"],
        booking=said["booking"], revision=said["revision"], flags=int(values.BookingKind[said["kind"].upper()]),
    )  # fmt: skip
    checked = payloads.read_claims(payloads.write_claims(claims))
    if isinstance(checked, Refusal):
        raise click.UsageError(f"no car would take this: {checked.detail.get('why')}")
    _emit(issue.token(claims, _secret(key_file)), out, as_json)


def _emit(data: bytes, out: Path | None, as_json: bool) -> None:
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    if out is not None:
        out.write_bytes(data)
    if as_json:
        say({"bytes": len(data), "token": text}, as_json)
    elif out is None:
        click.echo(text)


def _secret(name: str) -> issue.SigningKey:
    data = read_file(name)
    try:
        said = json.loads(data or b"")
        key = issue.SigningKey(bytes.fromhex(said["secret"]), said["kind"])
        return key if key.public.hex() == said["public"] else _no_key(name)
    except (ValueError, KeyError, TypeError):
        return _no_key(name)


def _no_key(name: str) -> issue.SigningKey:
    raise click.UsageError(f"{name}: not a key file; `boitier token keygen {name}` makes one")


def _now_s() -> int:
    from drivers.clock import SystemClock

    return (SystemClock().now().wall_ms or 0) // 1000
