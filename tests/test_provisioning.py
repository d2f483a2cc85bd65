"""Key set and revocation list: verified at start, replaced only by newer ones, kept through a restart (D14)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from agent.access.authority import Authority
from agent.run.provisioning import KEYSET_FILES, Provisioning, keyset_bytes
from agent.sync.store import Fact
from config.settings import Keyless, Settings, Vehicle
from hil import tokens, vouchers
from keyless.claims import Interval
from keyless.refusal import Code, Refusal, refused

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
    now_s: float = NOW_S

    def provisioning(self, given: Path | None = None) -> Provisioning:
        keys = Keyless(operator="example", roots=ROOTS.public, keyset=str(given or ""))
        settings = Settings(vehicle=Vehicle(id="00" * 8, car="x"), keyless=keys, state=str(self.folder))
        made = Provisioning(settings, self.authority, self.records, self._now, self.heard.append)  # type: ignore[arg-type]
        made.changed = self._changed
        return made

    def _now(self) -> Interval:
        return Interval(self.now_s, self.now_s + 4, "gnss")

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


DAY = 86_400
OTHER = tokens.Issuer("example")
GONE = tokens.derived(b"booking", b"7")


def two_keys(version: int, *issuers: tokens.Issuer) -> bytes:
    return tokens.keyset(ROOTS, [(each, ("driver", "backend")) for each in issuers], version, NOW_S - DAY, NOW_S + DAY)


async def revoking(desk: Desk) -> Provisioning:
    """A box that has accepted list 5 by one key, and knows another key as well."""
    provisioning = desk.provisioning()
    assert await provisioning.accept(two_keys(2, ISSUER, OTHER)) is None
    assert await provisioning.accept(tokens.revocations(ISSUER, 5, [GONE], NOW_S, NOW_S + 1000)) is None
    return provisioning


def restarted(desk: Desk, now_s: float = NOW_S, given: Path | None = None) -> tuple[Desk, Provisioning]:
    again = Desk(desk.folder, now_s=now_s)
    provisioning = again.provisioning(given)
    provisioning.load()
    return again, provisioning


@pytest.mark.parametrize("lost", [None, "accepted.json", "revoked.cose"])
async def test_what_was_revoked_stays_so_after_a_restart_when_the_signers_key_is_out_of_date(
    desk: Desk, lost: str | None
) -> None:
    await revoking(desk)
    if lost is not None:
        (desk.folder / lost).write_bytes(b"\xd2 damaged")
    again, provisioning = restarted(desk, NOW_S + 100 * DAY)
    assert again.authority.revoked == {GONE}
    assert not provisioning.trouble
    later, _ = restarted(desk, NOW_S + 100 * DAY)
    assert later.authority.revoked == {GONE}


async def test_what_was_revoked_stays_so_after_a_restart_when_the_signers_key_is_gone(desk: Desk) -> None:
    assert await (await revoking(desk)).accept(two_keys(3, OTHER)) is None
    again, provisioning = restarted(desk)
    assert again.authority.revoked == {GONE}
    assert not provisioning.trouble
    older = await provisioning.accept(tokens.revocations(OTHER, 4, [], NOW_S, NOW_S + 1000))
    assert isinstance(older, Refusal)
    assert older.code is Code.SUPERSEDED, "the sequence never falls, also after a restart"
    assert again.authority.revoked == {GONE}


@pytest.mark.parametrize("record", [None, b"{", b"[]", b'{"v":1,"check":"0"}', b"\xff", b"[" * 100_000], ids=range(6))
async def test_a_list_that_does_not_load_is_an_alarm_until_the_next_one(desk: Desk, record: bytes | None) -> None:
    await revoking(desk)
    (desk.folder / "revoked.cose").write_bytes(b"\xd2 damaged")
    if record is None:
        (desk.folder / "accepted.json").unlink()
    else:
        (desk.folder / "accepted.json").write_bytes(record)
    for _ in range(2):
        _, provisioning = restarted(desk)
        assert "revocations" in provisioning.trouble, "also after a second restart"
    assert await provisioning.accept(tokens.revocations(ISSUER, 6, [GONE], NOW_S, NOW_S + 1000)) is None
    assert not provisioning.trouble


async def test_the_numbers_of_other_roots_or_another_operator_mean_nothing(desk: Desk) -> None:
    await revoking(desk)
    for name in KEYSET_FILES:
        (desk.folder / name).unlink()
    (desk.folder / "revoked.cose").unlink()
    provisioning = desk.provisioning()
    provisioning._owner = "another"
    provisioning.load()
    assert await provisioning.accept(two_keys(1, ISSUER)) is None


async def test_a_damaged_key_set_gives_way_to_the_provisioned_one_of_its_version_with_an_alarm(desk: Desk) -> None:
    await revoking(desk)
    kept, given = desk.folder / "keyset.cbor", desk.folder / "given.cbor"
    given.write_bytes(kept.read_bytes())
    kept.write_bytes(kept.read_bytes()[:-1] + b"\x00\x01")
    again, provisioning = restarted(desk, given=given)
    assert again.authority.keyset is not None
    assert again.authority.revoked == {GONE}
    assert "keyset" in provisioning.trouble
    assert await provisioning.accept(two_keys(3, OTHER)) is None
    assert not provisioning.trouble


async def test_no_damaged_file_lets_an_older_key_set_in(desk: Desk) -> None:
    await revoking(desk)
    for name in KEYSET_FILES:
        (desk.folder / name).write_bytes(b"damaged")
    given = desk.folder / "given.cbor"
    given.write_bytes(two_keys(1, ISSUER))
    again, provisioning = restarted(desk, given=given)
    assert provisioning.missing
    assert again.authority.revoked == {GONE}
    older = await provisioning.accept(two_keys(1, ISSUER))
    assert isinstance(older, Refusal)
    assert older.code is Code.SUPERSEDED
    assert await provisioning.accept(two_keys(2, ISSUER)) is None


# --- signed time comes the same way


async def test_signed_time_is_told_from_a_list_by_its_payload_and_a_double_leaves_no_fact(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    provisioning = desk.provisioning()
    provisioning.load()
    answers = [None, refused(Code.REPLAY, "answered already"), refused(Code.EXPIRED, "late"), refused(Code.SIGNATURE)]
    seen: list[bytes] = []

    def timed(data: bytes) -> Refusal | None:
        seen.append(data)
        return answers[len(seen) - 1]

    provisioning.timed = timed
    answer = vouchers.time_answer(ISSUER, vouchers.time_question(bytes(8), 1), NOW_S)
    before = sorted(os.listdir(tmp_path))
    assert [await provisioning.accept(answer) for _ in range(4)] == answers
    assert seen == [answer] * 4
    assert provisioning.counters["times"] == 1
    assert [fact.body["code"] for fact in desk.records.facts] == ["signature"]
    assert sorted(os.listdir(tmp_path)) == before, "nothing of it is kept as a file here"
    assert desk.changes == 0


async def test_nobody_who_asks_takes_no_answer(tmp_path: Path) -> None:
    provisioning = Desk(tmp_path).provisioning()
    answer = vouchers.time_answer(ISSUER, vouchers.time_question(bytes(8), 1), NOW_S)
    found = await provisioning.accept(answer)
    assert found is not None
    assert found.code is Code.REPLAY
