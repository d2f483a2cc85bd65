"""What this box has accepted for good: the key set's number, the roots, the revocations by sequence and ids (D14).

It stands beside the signed files and outlives them: a list stays in force when its signer's key is stale or gone, and
no damaged file lets an older one in. What is not here: signatures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from config.settings import Settings
from drivers.local import files
from keyless.trust import Trust

from ..sync import stored

ACCEPTED_FILE: Final = "accepted.json"


class Accepted(Struct, frozen=True):
    """version: the highest key set's. sequence, ids: of the newest revocation list; iat: when it was made, `None` where
    there never was one, or an earlier release took it and its signed file is lost. roots: each set that followed those
    of the settings, oldest first.
    """

    version: int = 0
    sequence: int = 0
    ids: frozenset[bytes] = frozenset()
    roots: tuple[Trust, ...] = ()
    iat: int | None = None


def whose(operator: str, roots: Iterable[str]) -> str:
    """Numbers of another operator or of other roots mean nothing here."""
    return hashlib.sha256(json.dumps([operator, sorted(roots)]).encode()).hexdigest()[:16]


def write(folder: Path, owner: str, accepted: Accepted) -> None:
    """Raises `OSError` of the disk."""
    body = {
        "v": 1, "whose": owner, "version": accepted.version, "sequence": accepted.sequence,
        "ids": sorted(each.hex() for each in accepted.ids), "iat": accepted.iat,
        "roots": [[trust.threshold, [root.hex() for root in trust.roots]] for trust in accepted.roots],
    }  # fmt: skip
    files.write_durably(folder / ACCEPTED_FILE, json.dumps({**body, "check": _check(body)}).encode())


def read(folder: Path, owner: str) -> Accepted | None:
    """`None`: there is none yet, or it is another's. Raises `OSError` and `ValueError` (damaged)."""
    data = files.read(folder / ACCEPTED_FILE)
    if data is None:
        return None
    record = stored.value(dict[str, Any], data)
    if record.pop("check", None) != _check(record):
        raise ValueError("its check value is wrong")
    match record:
        case {"v": 1, "whose": str() as of, "version": int() as version, "sequence": int() as sequence, "ids": list()}:
            ids = frozenset(bytes.fromhex(each) for each in stored.typed(list[str], record["ids"]))
            said = stored.typed(list[tuple[int, list[str]]], record.get("roots", []))  # not yet in earlier versions
            roots = tuple(Trust(tuple(map(bytes.fromhex, keys)), threshold) for threshold, keys in said)
            iat = None if record.get("iat") is None else stored.typed(int, record["iat"])
            return Accepted(version, sequence, ids, roots, iat) if of == owner else None
        case _:
            raise ValueError("it is not a record of this version")


def roots(settings: Settings) -> tuple[Trust, ...]:
    """Each set of roots that followed the settings' own, as far as the record can be read."""
    keyless = settings.keyless
    try:
        found = read(Path(settings.state), whose(keyless.operator, keyless.roots))
    except (OSError, ValueError):
        return ()
    return () if found is None else found.roots


def _check(body: dict[str, object]) -> str:
    return hashlib.sha256(b"accepted" + json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
