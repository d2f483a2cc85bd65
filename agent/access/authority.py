"""Whom this box believes: the value that signatures are judged by, replaced in place.

What is not here: how a key set or a list gets in (`agent/run/provisioning.py`), and the judging (`keyless/verify.py`).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from keyless.refusal import Code, Refusal, refused
from keyless.trust import KeySet

NO_KEYSET: Final = refused(Code.UNKNOWN_KEY, "this box has no key set")


class Authority(Struct):
    """What signatures are judged by: replaced in place when a new key set or revocation list is accepted.

    keyset `None`: none was ever provisioned; every token is refused as `unknown_key`. vehicle: 8 bytes. revoked: 8-byte
    ids; list_iat: when their list was made, `None` where there never was one.
    """

    vehicle: bytes
    operator: str
    keyset: KeySet | None = None
    revoked: frozenset[bytes] = frozenset()
    list_iat: int | None = None

    def trusted(self) -> KeySet | Refusal:
        """The key set, or why nothing that is signed can be believed."""
        if self.keyset is None:
            return NO_KEYSET
        return self.keyset
