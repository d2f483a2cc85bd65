"""Bytes in and words out of `boitier token`: hex, base64url text, files, standard input; one JSON object at the end."""

from __future__ import annotations

import base64
import binascii
import json
import re
import sys
from collections.abc import Container
from pathlib import Path
from typing import Any, Final

import click

from keyless.refusal import Refusal

READ_AT_MOST: Final = 1 << 20

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on one line, for machines.")


class Hex(click.ParamType[bytes]):
    """Bytes as hex digits. sizes: how many bytes there may be; none given: any number."""

    name = "hex"

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        try:
            data = bytes.fromhex(value)
        except ValueError:
            self.fail(f"{value!r} is not hex digits", param, ctx)
        if self.sizes and len(data) not in self.sizes:
            self.fail(f"{len(data)} bytes; {' or '.join(map(str, self.sizes))} needed", param, ctx)
        return data


def say(said: dict[str, object], as_json: bool) -> None:
    click.echo(json.dumps(said, indent=None if as_json else 2, ensure_ascii=False))


def unreadable(refusal: Refusal, as_json: bool) -> SystemExit:
    say({"verified": False, "code": refusal.code, "detail": dict(refusal.detail)}, as_json)
    return SystemExit(1)


def read_bytes(name: str) -> bytes:
    """The bytes behind a file name, `-`, or text. A file may hold the bytes themselves or such text."""
    data = read_file(name)
    decoded = _from_text(name if data is None else data.decode("ascii", "replace"))
    if data is None and decoded is None:
        raise click.UsageError(f"{name!r} is neither a file nor hex nor base64url text")
    return (data or b"") if decoded is None else decoded


def read_file(name: str) -> bytes | None:
    """At most `READ_AT_MOST` bytes, or `None` where no file has this name."""
    if name == "-":
        return sys.stdin.buffer.read(READ_AT_MOST)
    try:
        with Path(name).open("rb") as file:
            return file.read(READ_AT_MOST)
    except (OSError, ValueError):  # not there, a folder, or a token as text, longer than a name may be
        return None


def car_key(name: str, kind: str, sizes: Container[int]) -> bytes:
    """The secret of a car in a file that `boitier token keygen --kind …` made. sizes: of it, in bytes."""
    try:
        said = json.loads(read_file(name) or b"")
        key = bytes.fromhex(said["secret"])
        if said["kind"] != kind or len(key) not in sizes:
            raise ValueError(name)
    except (ValueError, KeyError, TypeError):
        wanted = f"no key of this kind; `boitier token keygen --kind {kind} {name}` makes one"
        raise click.UsageError(f"{name}: {wanted}") from None
    return key


def _from_text(text: str) -> bytes | None:
    """Bytes of hex or base64url text, or `None` when it is neither (so it is the bytes themselves)."""
    word = "".join(text.split())
    if re.fullmatch(r"([0-9A-Fa-f]{2})+", word):
        return bytes.fromhex(word)
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,}={0,2}", word):
        return None
    try:
        return base64.urlsafe_b64decode(word.rstrip("=") + "=" * (-len(word.rstrip("=")) % 4))
    except binascii.Error:
        return None
