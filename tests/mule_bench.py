"""The phones' bench with signed objects and parcels in their pockets, and the backend where these arrive."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.access.mule import Mule, Sealing
from agent.run.provisioning import Provisioning
from config.settings import Keyless, Settings, Vehicle
from hil import beside, mule, parcels
from hil.backend import payload
from hil.backend.holdings import Holdings
from keyless import issue
from keyless.claims import key_id
from tests.door_bench import CAR_SECRET, OPERATOR, T0, VEHICLE, at_home
from tests.phone_bench import Phone, PhoneBench
from tests.test_hil_parcels import RECIPIENT, SECRET

PUBLIC = issue.SigningKey(CAR_SECRET).public
CAR = parcels.Car(OPERATOR, VEHICLE, PUBLIC)
NEIGHBOUR = parcels.Car(OPERATOR, bytes(8), bytes(32))


class MuleBench(PhoneBench):
    """recipient: the key that parcels are sealed for, `None` for a car whose settings name none."""

    recipient: bytes | None = RECIPIENT

    async def boot(self, *given: object) -> None:  # type: ignore[override]
        await super().boot()
        keys = Keyless(OPERATOR, [self._root.public.hex()], threshold=1)
        settings = Settings(Vehicle(VEHICLE.hex(), "zoe-ph1"), keys, state=str(self.folder))
        self.provisioning = Provisioning(settings, self.authority, self.store, self.scene.now, self.heard.append)
        self.provisioning.changed = self.door.trust_changed
        self.provisioning.load()
        if self.authority.keyset is None:
            self.authority.keyset = self.keyset()
        sealing = None
        if self.recipient is not None:
            sealing = Sealing(OPERATOR, VEHICLE.hex(), self.recipient, lambda: self.receipts.key)

        self.mule = self.phones._mule = Mule(self.clock, self.store, self.provisioning.brought, sealing)

    def list_of(self, *ids: bytes, sequence: int = 1) -> bytes:
        """A revocation list of the operator's."""
        return issue.revocations(OPERATOR, sequence, T0 + 14 * 86_400, int(self.at()), ids, self._issuer)

    def stranger(self) -> Stranger:
        return Stranger(self)

    def files(self) -> dict[str, tuple[int, int]]:
        """What stands in the state folder beside the database, by inode and time of writing."""
        found = (path for path in self.folder.iterdir() if path.is_file() and not path.name.startswith("boitier.db"))
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


@dataclass(slots=True)
class Stranger(Phone):
    """Whoever passes by with the app; his own key opens nothing here."""

    pocket: mule.Pocket = field(default_factory=mule.Pocket)

    async def bring(self, whole: bytes) -> str | None:
        """Hand an object in; the refusal's code, `None` when it was taken."""
        await self.reach()
        for body in mule.carried(whole):
            self.say(beside.CARRY, body)
        kind, body = await self.hear()
        assert kind == beside.TAKEN
        return mule.taken(body)

    async def fetch(self) -> str | None:
        """One piece more of a parcel; the refusal's code where there is none."""
        await self.reach()
        self.say(beside.FETCH, self.pocket.fetch())
        kind, body = await self.hear()
        if kind == beside.TAKEN:
            return mule.taken(body)
        assert kind == beside.PARCEL
        assert len(body) <= mule.MESSAGE
        self.pocket.put(body)
        return None

    async def carry_out(self) -> bytes:
        """A whole parcel, a new one."""
        self.pocket = mule.Pocket()
        while not self.pocket.whole:
            assert await self.fetch() is None
        return self.pocket.data


@dataclass(slots=True)
class Backend:
    """What holds what cars have told, by whatever way."""

    path: Path
    holdings: Holdings = field(init=False)
    _times: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.holdings = Holdings(self.path)

    def takes_parcel(self, data: bytes) -> dict[str, Any]:
        """The acknowledgement that follows."""
        found = parcels.opened(data, SECRET, [NEIGHBOUR, CAR])
        assert found is not None, "no car of ours has sent this"
        return self.takes(found[1])

    def takes(self, facts: bytes) -> dict[str, Any]:
        """As a message of `up/facts`."""
        items = payload.read(f"boitier/v1/{VEHICLE.hex()}/up/facts", facts)
        (mark,) = self.holdings.commit(items, next(self._times))
        return mark.acknowledgement

    def rows(self) -> list[tuple[int, str]]:
        with sqlite3.connect(self.path) as database:
            return database.execute("SELECT n, kind FROM facts ORDER BY n").fetchall()

    def count(self, name: str) -> int:
        with sqlite3.connect(self.path) as database:
            row = database.execute("SELECT value FROM counters WHERE name=?", (name,)).fetchone()
        return 0 if row is None else int(row[0])


def holder_of(phone: Phone) -> bytes:
    """The id by which a phone's key is revoked."""
    return key_id(phone.holder.public)


@pytest.fixture(name="bench")
async def the_mule_bench(tmp_path: Path) -> AsyncIterator[MuleBench]:
    async with at_home(MuleBench(tmp_path)) as it:
        yield it
