"""The roots that this box obeys: those given at install, and each set that followed, in order and never back (D14).

The record of what was accepted (`accepted.py`) has them; the signed files beside it are the second copy, from which the
chain is proved again when that record is damaged. What is not here: signatures (`keyless/roots.py`).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from config.settings import Settings
from drivers.local import files
from keyless.refusal import Refusal
from keyless.roots import RootSet, read_rootset
from keyless.trust import KeySet, Trust

log = logging.getLogger(__name__)

FOLDER: Final = "roots"
MOST: Final = 1_000  # changes in a box's life; a longer chain is a mistake


class RootChain:
    """folder: of the signed files, `1.cbor` and so on. given: the roots of the settings, version 0."""

    def __init__(self, folder: Path, given: Trust) -> None:
        self._folder, self._all = folder, [given]

    @classmethod
    def of(cls, settings: Settings) -> RootChain:
        """Before `load`: with the given roots alone."""
        keyless = settings.keyless
        given = Trust(tuple(bytes.fromhex(root) for root in keyless.roots), keyless.threshold)
        return cls(Path(settings.state) / FOLDER, given)

    def load(self, accepted: tuple[Trust, ...]) -> None:
        """accepted: the sets after the given one, as they were written down; files may know more, after a power cut or
        where that record is damaged.
        """
        self._all += accepted
        while len(self._all) <= MOST:
            found = self._file(self.version + 1)
            if not isinstance(found, RootSet):
                return
            self._all.append(found.trust)

    @property
    def version(self) -> int:
        return len(self._all) - 1

    @property
    def accepted(self) -> tuple[Trust, ...]:
        """The sets after the given one."""
        return tuple(self._all[1:])

    def keyset(self, data: bytes, min_version: int, *, stored: bool = False) -> KeySet | Refusal:
        """stored: it was accepted once, maybe by roots that were replaced since; a new one needs those in force."""
        newest = self._all[-1].read(data, min_version=min_version)
        if not stored or isinstance(newest, KeySet):
            return newest
        older = (trust.read(data, min_version=min_version) for trust in reversed(self._all[:-1]))
        return next((found for found in older if isinstance(found, KeySet)), newest)

    def take(self, data: bytes) -> Refusal | None:
        """The next set; its file is on disk when this returns `None`. One that came before changes nothing. Raises
        `OSError` of the disk.
        """
        if self.version:
            again = read_rootset(data, self._all[-2], version=self.version - 1)
            if isinstance(again, RootSet) and again.trust == self._all[-1]:
                return None
        found = read_rootset(data, self._all[-1], version=self.version)
        if isinstance(found, Refusal):
            return found
        self._folder.mkdir(parents=True, exist_ok=True)
        files.write_durably(self._path(found.version), data)
        self._all.append(found.trust)
        return None

    def _path(self, version: int) -> Path:
        return self._folder / f"{version}.cbor"

    def _file(self, version: int) -> RootSet | Refusal | None:
        try:
            data = files.read(self._path(version))
        except OSError as error:
            log.error("a set of roots cannot be read: %s", error)
            return None
        return None if data is None else read_rootset(data, self._all[-1], version=version - 1)
