"""The signed key set and revocation list: from their files at start, and replaced when newer ones arrive (D14).

What is not here: signatures (`keyless/trust.py`) and tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from config.settings import Settings
from drivers.local import files
from keyless.claims import Interval
from keyless.refusal import Code, Refusal, refused
from keyless.trust import KeySet, Revocations, Trust, read_revocations

from ..access.bookings import Authority
from .store import Fact, Store, StoreBroken

log = logging.getLogger(__name__)

KEYSET_FILE: Final = "keyset.cbor"
REVOKED_FILE: Final = "revoked.cose"
COSE_SIGN1: Final = 0xD2  # first byte of a tagged COSE_Sign1; a key set is a bare array


def keyset_bytes(settings: Settings) -> tuple[bytes | None, Path]:
    """The newest key set on this box and where it lies; the provisioned file while the state folder holds none."""
    kept = Path(settings.state) / KEYSET_FILE
    data = files.read(kept)
    if data is not None or not settings.keyless.keyset:
        return data, kept
    given = Path(settings.keyless.keyset)
    return files.read(given), given


class Provisioning:
    """Fills `authority` in place. changed: called when it believes something new: stored tokens are judged again.

    now: the trusted time. heard: the floor of the clock learns from every list that verified.
    """

    def __init__(
        self,
        settings: Settings,
        authority: Authority,
        store: Store,
        now: Callable[[], Interval],
        heard: Callable[[int], None],
    ) -> None:
        keyless = settings.keyless
        self._settings, self._authority, self._store, self._now, self._heard = settings, authority, store, now, heard
        self._trust = Trust(tuple(bytes.fromhex(root) for root in keyless.roots), keyless.threshold)
        self._folder = Path(settings.state)
        self._sequence = 0
        self.changed: Callable[[], None] = lambda: None
        self.counters = {"keysets": 0, "lists": 0, "refused": 0}

    def load(self) -> None:
        """At start. What is missing or does not verify is left out; the door then refuses with `unknown_key`."""
        try:
            data, path = keyset_bytes(self._settings)
            listed = files.read(self._folder / REVOKED_FILE)
        except OSError as error:
            log.error("key set and revocation list cannot be read: %s", error)
            return
        if data is None:
            log.warning("no key set: nobody is let in until the backend or a technician brings one")
            return
        found = self._trust.read(data)
        if isinstance(found, Refusal):
            log.error("key set %s: %s %s", path, found.code, found.detail.get("why", ""))
            return
        self._authority.keyset = found
        revoked = self._read_list(listed) if listed is not None else None
        if isinstance(revoked, Revocations):
            self._believe(revoked)

    async def accept(self, data: bytes) -> Refusal | None:
        """A message of `down/trust`: on disk and believed when it returns `None`. Raises `OSError` of the disk."""
        found = self._read_list(data) if data[:1] == bytes([COSE_SIGN1]) else self._read_keyset(data)
        if isinstance(found, Refusal):
            self.counters["refused"] += 1
            log.warning("signed object refused: %s %s", found.code, found.detail.get("why", ""))
            await self._record(found)
            return found
        if isinstance(found, KeySet):
            self.counters["keysets"] += 1
            files.write_durably(self._folder / KEYSET_FILE, data)
            self._authority.keyset = found
        else:
            self.counters["lists"] += 1
            files.write_durably(self._folder / REVOKED_FILE, data)
            self._believe(found)
        self.changed()
        return None

    @property
    def expired(self) -> bool:
        """Certainly out of date: drivers go on for a while, with an alarm (docs/keyless.md)."""
        keyset = self._authority.keyset
        return keyset is not None and keyset.expired(self._now())

    @property
    def missing(self) -> bool:
        return self._authority.keyset is None

    def _read_keyset(self, data: bytes) -> KeySet | Refusal:
        now = self._authority.keyset
        return self._trust.read(data, min_version=now.version if now is not None else 0)

    def _read_list(self, data: bytes) -> Revocations | Refusal:
        keyset = self._authority.keyset
        if keyset is None:
            return refused(Code.UNKNOWN_KEY, "this box has no key set")
        operator = self._settings.keyless.operator
        return read_revocations(data, keyset, operator=operator, now=self._now(), min_sequence=self._sequence)

    def _believe(self, found: Revocations) -> None:
        self._sequence = found.sequence
        self._authority.revoked = found.ids
        self._heard(found.iat)

    async def _record(self, refusal: Refusal) -> None:
        detail = dict(refusal.detail)
        body = {"via": "trust", "code": refusal.code.value, "booking": None, "holder": None, "detail": detail}
        try:
            await self._store.commit((Fact("refused", body),))
        except StoreBroken:
            log.warning("the database is broken; the refusal is kept in memory")
