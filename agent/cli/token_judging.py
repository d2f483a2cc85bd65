"""`boitier token receipt` and `boitier token cose-verify`: what a car signed, and the signature layer alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import click
from msgspec.structs import asdict

from keyless import cose, receipt, signature_only
from keyless.refusal import Refusal

from .token_bytes import Hex, as_json, read_bytes, read_file, say

ALGS: Final = {"ed25519": cose.ED25519, "eddsa": cose.EDDSA, "esp256": cose.ESP256, "es256": cose.ES256}
_STATE: Final = {True: "yes", False: "no", None: "unknown"}


class PublicKey(click.ParamType[bytes]):
    """A public key in hex: 32 bytes Ed25519, 33 or 65 bytes P-256."""

    name = "public"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        public = signature_only.compressed(Hex(32, 33, 65).convert(value, param, ctx))
        if public is None:
            self.fail(f"{value!r} is no point of P-256", param, ctx)
        return public


@click.command("receipt")
@click.argument("file")
@click.option("--key", type=Hex(32), required=True, help="The vehicle's public key, told at commissioning.")
@click.option("--vehicle", type=Hex(8), help="Whose key that is; the receipt must be of this vehicle. Default any.")
@click.option("--token", "token_", help="Token that the receipt must be for: a file, or hex or base64url text.")
@as_json
def receipt_(file: str, key: bytes, vehicle: bytes | None, token_: str | None, as_json: bool) -> None:
    """Check a receipt that a car signed. Exit 0: good, 1: refused. FILE: a file, `-`, or hex or base64url text."""
    token = None if token_ is None else read_bytes(token_)
    found = receipt.believe_receipt(read_bytes(file), key, vehicle=vehicle, token=token)
    if isinstance(found, Refusal):
        said = {"accept": False, "code": found.code, "receipt": None, "detail": dict(found.detail)}
    else:
        said = {"accept": True, "code": None, "receipt": _plain(found), "detail": {}}
    if as_json or isinstance(found, Refusal):
        say(said, as_json)
    else:
        click.echo("\n".join(f"{name:<13}{words}" for name, words in _lines(found)))
    raise SystemExit(0 if said["accept"] else 1)


@click.command("cose-verify")
@click.argument("message")
@click.option("--key", "public", type=PublicKey(), required=True, help=PublicKey.__doc__)
@click.option("--external", type=Hex(), default="", help="External data that was signed along, in hex.")
@click.option("--signature", type=Hex(), help="In hex; then MESSAGE is the bare message that was signed.")
@click.option("--alg", type=click.Choice(list(ALGS)), help="Of a bare message; default by the key.")
@as_json
def cose_verify(
    message: str, public: bytes, external: bytes, signature: bytes | None, alg: str | None, as_json: bool
) -> None:
    """Judge a signature and nothing else: no header is asked for, nobody is trusted. Exit 0: good, 1: not.

    MESSAGE: a COSE_Sign1 as a file, `-`, or hex or base64url text. With --signature, a file or `-` is taken as it is,
    and text must be hex.
    """
    if signature is None:
        if alg is not None:
            raise click.UsageError("--alg goes with --signature: a COSE_Sign1 names its own")
        found = signature_only.judge_sign1(read_bytes(message), public, external=external)
    else:
        bare = ALGS[alg] if alg else cose.EDDSA if len(public) == 32 else cose.ES256
        found = signature_only.judge_bare(_bare(message), signature, public, bare)
    if isinstance(found, Refusal):
        say({"accept": False, "code": found.code, "alg": None, "payload": None, "detail": dict(found.detail)}, as_json)
        raise SystemExit(1)
    say({"accept": True, "code": None, "alg": found.alg, "payload": found.payload.hex(), "detail": {}}, as_json)


def _bare(message: str) -> bytes:
    """A file's bytes untouched, for a message may itself look like hex; an empty text is the empty message."""
    data = read_file(message)
    return Hex().convert(message, None, None) if data is None else data


def _plain(found: receipt.Receipt) -> dict[str, object]:
    said = asdict(found) | {
        "vehicle": found.vehicle.hex(),
        "token": None if found.token is None else found.token.hex(),
        "event": found.event.name.lower(),
        "lock": found.lock.name.lower(),
        "start": asdict(found.start),
        "end": None if found.end is None else asdict(found.end),
        "remarks": _remarks(found),
    }
    return said | {"unknown_remarks": found.remarks & ~sum(receipt.Remark)}


def _remarks(found: receipt.Receipt) -> list[str]:
    return [remark.name.lower() for remark in receipt.Remark if remark.name and found.remarks & remark]


def _lines(found: receipt.Receipt) -> list[tuple[str, str]]:
    """The receipt for a person: label and words."""
    token = "none: the box acted by itself" if found.token is None else found.token.hex()
    operator = found.operator if found.operator.isprintable() else repr(found.operator)
    lines = [
        ("receipt", f"{found.number} of vehicle {found.vehicle.hex()}, signature good"),
        ("booking", f"{found.booking} of {operator}"),
        ("token", token),
        ("event", found.event.name.lower()),
        ("lock", found.lock.name.lower()),
        ("start", _reading(found.start)),
    ]
    if found.end is not None:
        lines.append(("end", _reading(found.end)))
    states = (("plugged", found.plugged), ("doors shut", found.doors_shut), ("key back", found.key_back))
    lines += [(name, _STATE[state]) for name, state in states]
    return [*lines, ("remarks", ", ".join(_remarks(found)) or "none")]


def _reading(reading: receipt.Reading) -> str:
    sure = "or later" if reading.hi_s is None else f"+ {reading.hi_s - reading.lo_s} s"
    odometer = "unknown" if reading.odometer_m is None else f"{reading.odometer_m / 1000:.1f} km"
    soc = "unknown" if reading.soc_permille is None else f"{reading.soc_permille / 10:.1f} %"
    return f"{_when(reading.lo_s)} {sure}, odometer {odometer}, charge {soc}"


def _when(second: int) -> str:
    try:
        return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError):  # past the year 9999, which the bytes allow
        return f"{second} s"
