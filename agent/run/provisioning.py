"""Key set, roots, revocation list and signed time: from their files at start, replaced when newer ones arrive (D14).

What is not here: signatures (`keyless/trust.py`) and tokens.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from config.settings import Settings
from drivers.local import files
from keyless.claims import Interval, Role
from keyless.freshness import is_stale, revocation_delay
from keyless.refusal import Code, Refusal, refused
from keyless.signed_time import is_answer
from keyless.trust import KeySet, Revocations, read_revocations

from ..access.authority import Authority
from ..sync import facts
from ..sync.store import Fact, Store, StoreBroken
from . import accepted
from .accepted import Accepted
from .root_chain import RootChain

log = logging.getLogger(__name__)

KEYSET_FILE: Final = "keyset.cbor"
KEYSET_FILES: Final = (KEYSET_FILE, "keyset.copy.cbor")  # the same twice: one bad file must not shut the car
REVOKED_FILE: Final = "revoked.cose"
ROOTSET: Final = 0x83  # first byte of a change of the roots
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

    now: the trusted time. heard: the floor of the clock learns from every list that verified. timed: takes what means
    to be signed time. trouble: `keyset` or `revocations` → why what was stored did not load, or what came
    is not on the disk; until one is, and is believed.
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
        self._folder, self._lead_s = Path(settings.state), round(keyless.issue_lead_days * 86_400)
        self._roots = RootChain.of(settings)
        self._owner = accepted.whose(keyless.operator, keyless.roots)
        self._accepted = Accepted()
        self._noted: Accepted | None = None  # as it stands on the disk
        self._stored = 0  # version: the highest key set's that a file has, or has had
        self.trouble: dict[str, str] = {}
        self.changed: Callable[[], None] = lambda: None
        self.timed: Callable[[bytes], Refusal | None] = self._untimed
        self.counters = {"keysets": 0, "lists": 0, "times": 0, "roots": 0, "refused": 0}

    def load(self) -> None:
        """At start. What is missing or does not verify is left out; the door then refuses with `unknown_key`. What was
        revoked stays so, whatever became of the key that signed it.
        """
        before, why = None, "there is no record of it"
        try:
            before = accepted.read(self._folder, self._owner)
        except (OSError, ValueError) as error:
            why = f"{accepted.ACCEPTED_FILE}: {error}"
            log.error("what was accepted cannot be read: %s", why)
        self._accepted = before or Accepted()
        self._stored = self._accepted.version
        self._noted = before
        self._roots.load(self._accepted.roots)
        self._accepted = replace(self._accepted, roots=self._roots.accepted)
        self._authority.keyset = keyset = self._load_keyset()
        if keyset is not None and keyset.version > self._accepted.version:
            self._accepted, self._stored = replace(self._accepted, version=keyset.version), keyset.version
        self._authority.revoked, self._authority.list_iat = self._accepted.ids, self._accepted.iat
        trouble = self._load_list()
        if before is None and trouble is not None:  # with our own record whole, the signed file is a second copy only
            self._damaged("revocations", self._folder / REVOKED_FILE, f"{trouble}; {why}")
        elif self._accepted not in (before, Accepted()):
            try:
                self._note()
            except OSError as error:
                log.warning("what was accepted cannot be written: %s", error)

    def _load_keyset(self) -> KeySet | None:
        """The newest that verifies, unless it is older than the highest that was accepted. It lies here twice then."""
        own, given = [self._folder / name for name in KEYSET_FILES], self._settings.keyless.keyset
        best: KeySet | None = None
        there, newest = dict[Path, bytes](), b""
        for path in (*own, *([Path(given)] if given else [])):
            try:
                data = files.read(path)
            except OSError as error:
                self._damaged("keyset", path, str(error))
                continue
            if data is None:
                continue
            seen, there[path] = data in there.values(), data
            if seen:
                continue
            found = self._roots.keyset(data, self._accepted.version, stored=True)
            if isinstance(found, Refusal):
                if path in own or found.code is not Code.SUPERSEDED:  # what was given at install is old one day
                    self._damaged("keyset", path, f"{found.code} {found.detail.get('why', '')}")
            elif best is None or found.version > best.version:
                best, newest = found, data
        if best is None:
            log.warning("no key set: nobody is let in until the backend or a technician brings one")
            return None
        try:
            for path in own:
                if there.get(path) != newest:
                    files.write_durably(path, newest)
        except OSError as error:
            log.warning("the key set does not lie here twice: %s", error)
        return best

    def _load_list(self) -> str | None:
        """The signed list, judged without its key's age; why there is none, or `None` where none was ever kept."""
        try:
            data = files.read(self._folder / REVOKED_FILE)
        except OSError as error:
            return str(error)
        if data is None:
            return None
        found = self._read_list(data, stored=True)
        if isinstance(found, Refusal):
            return f"{found.code} {found.detail.get('why', '')}"
        self._believe(found)
        return None

    def _damaged(self, what: str, path: Path, why: str) -> None:
        self.trouble.setdefault(what, f"{path}: {why}")
        log.error("%s: %s: %s", what, path, why)

    async def accept(self, data: bytes) -> Refusal | None:
        """A key set, a change of the roots, a revocation list or signed time, by whatever way it came: believed and on
        disk when it returns `None`; the same once more changes nothing. Raises `OSError` of the disk: until the next
        start it is believed all the same, a change of the roots is not.
        """
        refusal = self.brought(data)
        if refusal is not None:
            log.warning("signed object refused: %s %s", refusal.code, refusal.detail.get("why", ""))
            # An answer that comes twice or late is every day's, and no fact.
            if not (is_answer(data) and refusal.code in (Code.REPLAY, Code.EXPIRED)):
                await self._record(refusal)
        return refusal

    def brought(self, data: bytes) -> Refusal | None:
        """The same from anybody's phone: what is refused is counted only, or a stranger could fill disk and journal."""
        refusal = self._take(data)
        self.counters["refused"] += int(refusal is not None)
        return refusal

    def _take(self, data: bytes) -> Refusal | None:
        if is_answer(data):
            refusal = self.timed(data)
            self.counters["times"] += int(refusal is None)
            return refusal
        if data[:1] == bytes([ROOTSET]):
            return self._change_roots(data)
        found = self._read_list(data) if data[:1] == bytes([COSE_SIGN1]) else self._read_keyset(data)
        if isinstance(found, Refusal):
            return found
        what = "keyset" if isinstance(found, KeySet) else "revocations"
        self.counters["keysets" if isinstance(found, KeySet) else "lists"] += 1
        if self._believe(found):  # before the disk, which may refuse: that must keep nobody out, and nobody in
            self.changed()
        self._keep(what, found, data)
        self.trouble.pop(what, None)
        return None

    def _believe(self, found: KeySet | Revocations) -> bool:
        """Whether it is another than was believed."""
        before, keyset = self._accepted, self._authority.keyset
        if isinstance(found, KeySet):
            self._accepted, self._authority.keyset = replace(before, version=found.version), found
            return found != keyset
        self._accepted = replace(before, sequence=found.sequence, ids=found.ids, iat=found.iat)
        self._authority.revoked, self._authority.list_iat = found.ids, found.iat
        self._heard(found.iat)
        return self._accepted != before

    def _keep(self, what: str, found: KeySet | Revocations, data: bytes) -> None:
        """Raises `OSError`. Nothing is written twice: who brings the same again must not wear out the card."""
        names = KEYSET_FILES if isinstance(found, KeySet) else (REVOKED_FILE,)
        try:
            for path in (self._folder / name for name in names):
                if self._said(path) != found:
                    files.write_durably(path, data)
                if isinstance(found, KeySet):
                    self._stored = max(self._stored, found.version)
            self._note()
        except OSError as error:
            self._damaged(what, self._folder, f"what came cannot be written: {error}")
            raise

    def _said(self, path: Path) -> KeySet | Revocations | Refusal | None:
        """By the signed file; `None` also where it cannot be read. Bytes do not tell what is new: signatures of nobody
        are passed over, so anybody can make as many wholes of one signed key set as he likes.
        """
        data = None
        with contextlib.suppress(OSError):
            data = files.read(path)
        if data is None:
            return None
        if path.name in KEYSET_FILES:
            return self._roots.keyset(data, 0, stored=True)
        return self._read_list(data, stored=True)

    def _note(self) -> None:
        """Raises `OSError`. A key set that no file took must not make the next start refuse the one that is there."""
        told = replace(self._accepted, version=self._stored)
        if told != self._noted:
            accepted.write(self._folder, self._owner, told)
            self._noted = told

    @staticmethod
    def _untimed(_: bytes) -> Refusal:
        return refused(Code.REPLAY, "nobody here asks for the time")

    def _change_roots(self, data: bytes) -> Refusal | None:
        """The key set in force stays: it was good when it came, and the next one has to be signed by the new roots. On
        the disk before they count: with roots that the next start does not know, their key set would be lost as well.
        """
        before = self._roots.version
        refusal = self._roots.take(data)
        if refusal is None:
            self.counters["roots"] += int(self._roots.version != before)
            self._accepted = replace(self._accepted, roots=self._roots.accepted)
            self._note()
        return refusal

    @property
    def sequence(self) -> int:
        """Of the revocation list that is obeyed; 0 before the first."""
        return self._accepted.sequence

    @property
    def expired(self) -> bool:
        """Certainly out of date: drivers go on for a while, with an alarm (docs/keyless.md)."""
        keyset = self._authority.keyset
        return keyset is not None and keyset.expired(self._now())

    @property
    def missing(self) -> bool:
        return self._authority.keyset is None

    @property
    def list_old(self) -> bool:
        """Too old for staff, who are refused by it: a newer one is due."""
        return is_stale(Role.AGENT, self._authority.list_iat, self._now())

    def revocation(self) -> dict[str, object]:
        """How long a revocation may go unheard here, as `up/state` and `status` tell it."""
        delay = revocation_delay(self._authority.list_iat, self._now(), self._lead_s)
        return {"delay_s": delay.seconds, "by": delay.by}

    def _read_keyset(self, data: bytes) -> KeySet | Refusal:
        return self._roots.keyset(data, self._accepted.version)

    def _read_list(self, data: bytes, *, stored: bool = False) -> Revocations | Refusal:
        keyset = self._authority.trusted()
        if isinstance(keyset, Refusal):
            return keyset
        operator, least = self._settings.keyless.operator, self._accepted.sequence
        return read_revocations(
            data, keyset, operator=operator, now=self._now(), min_sequence=least, accepted_before=stored
        )

    async def _record(self, refusal: Refusal) -> None:
        try:
            await self._store.commit((Fact("refused", facts.refused("trust", refusal)),))
        except StoreBroken:
            log.warning("the database is broken; the refusal is kept in memory")
