"""Key set and revocation list: verified at start, replaced only by newer ones, kept through a restart (D14)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from agent.access.bookings import Authority
from agent.run.provisioning import Provisioning, keyset_bytes
from agent.run.store import Fact
from config.settings import Keyless, Settings, Vehicle
from hil import tokens
from keyless.claims import Interval
from keyless.refusal import Code, Refusal

NOW_S = 1_800_000_000
ROOTS = tokens.Roots.fresh()
STRANGERS = tokens.Roots.fresh()
ISSUER = tokens.Issuer("example")


class Records:
    """Stands for the store: keeps the facts."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    async def commit(self, facts: tuple[Fact, ...]) -> None:
        self.facts += facts


def keyset(version: int, roots: tokens.Roots = ROOTS, expires_s: int = NOW_S + 10**6) -> bytes:
    return tokens.keyset(roots, [(ISSUER, ("driver", "backend"))], version, NOW_S - 1000, expires_s)


@dataclass
class Desk:
    folder: Path
    records: Records = field(default_factory=Records)
    authority: Authority = field(default_factory=lambda: Authority(bytes(8), "example"))
    heard: list[int] = field(default_factory=list)
    changes: int = 0

    def provisioning(self, given: Path | None = None) -> Provisioning:
        keys = Keyless(operator="example", roots=ROOTS.public, keyset=str(given or ""))
        settings = Settings(vehicle=Vehicle(id="00" * 8, car="x"), keyless=keys, state=str(self.folder))
        made = Provisioning(
            settings, self.authority, self.records, lambda: Interval(NOW_S, NOW_S + 4, "gnss"), self.heard.append
        )  # type: ignore[arg-type]
        made.changed = self._changed
        return made

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_without_a_key_set_nobody_is_believed(desk: Desk) -> None:
    provisioning = desk.provisioning()
    provisioning.load()
    assert provisioning.missing
    assert desk.authority.keyset is None


def test_the_provisioned_file_is_read_while_the_state_folder_holds_none(desk: Desk) -> None:
    given = desk.folder / "given.cbor"
    given.write_bytes(keyset(1))
    provisioning = desk.provisioning(given)
    provisioning.load()
    assert not provisioning.missing
    assert not provisioning.expired


async def test_d14_an_accepted_key_set_survives_a_restart_and_wins_over_the_provisioned_one(desk: Desk) -> None:
    given = desk.folder / "given.cbor"
    given.write_bytes(keyset(1))
    provisioning = desk.provisioning(given)
    provisioning.load()
    assert await provisioning.accept(keyset(5)) is None
    assert desk.changes == 1
    again = Desk(desk.folder)
    again.provisioning(given).load()
    assert again.authority.keyset is not None
    assert again.authority.keyset.version == 5


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (keyset(1), Code.SUPERSEDED),
        (keyset(9, STRANGERS), Code.SIGNATURE),
        (b"\x80", Code.MALFORMED),
        (b"", Code.MALFORMED),
        (b"\xd2\x84", Code.MALFORMED),
        (bytes(5000), Code.TOO_BIG),
    ],
)
async def test_what_does_not_verify_changes_nothing_and_is_recorded(desk: Desk, data: bytes, code: Code) -> None:
    provisioning = desk.provisioning()
    assert await provisioning.accept(keyset(4)) is None
    refusal = await provisioning.accept(data)
    assert isinstance(refusal, Refusal)
    assert refusal.code is code
    assert desk.authority.keyset is not None
    assert desk.authority.keyset.version == 4
    assert [fact.body["code"] for fact in desk.records.facts] == [code.value]
    assert msgspec.json.encode(desk.records.facts[0].body)


async def test_a_revocation_list_is_believed_kept_and_never_goes_back(desk: Desk) -> None:
    provisioning = desk.provisioning()
    await provisioning.accept(keyset(1))
    gone = tokens.derived(b"booking", b"7")
    assert await provisioning.accept(tokens.revocations(ISSUER, 3, [gone], NOW_S, NOW_S + 1000)) is None
    assert desk.authority.revoked == {gone}
    assert desk.heard == [NOW_S]
    older = await provisioning.accept(tokens.revocations(ISSUER, 2, [], NOW_S, NOW_S + 1000))
    assert isinstance(older, Refusal)
    assert desk.authority.revoked == {gone}
    again = Desk(desk.folder)
    again.provisioning().load()
    assert again.authority.revoked == {gone}


def test_a_damaged_file_costs_its_content_and_nothing_else(desk: Desk) -> None:
    (desk.folder / "keyset.cbor").write_bytes(b"\x00" * 50)
    provisioning = desk.provisioning()
    provisioning.load()
    assert provisioning.missing


def test_an_expired_key_set_is_an_alarm(desk: Desk) -> None:
    (desk.folder / "keyset.cbor").write_bytes(keyset(1, expires_s=NOW_S - 10))
    provisioning = desk.provisioning()
    provisioning.load()
    assert provisioning.expired
    assert keyset_bytes(provisioning._settings)[1] == desk.folder / "keyset.cbor"
