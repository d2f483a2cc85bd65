"""The roots of a box change and never go back: over restarts, damaged files, and with the key set that is in force."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.run.accepted import ACCEPTED_FILE
from agent.run.provisioning import Provisioning
from hil import tokens
from keyless.refusal import Code, Refusal
from tests.test_provisioning import ROOTS, STRANGERS, Desk, keyset

SECOND, THIRD = tokens.Roots.fresh(), tokens.Roots.fresh()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def changed(desk: Desk) -> Provisioning:
    """One change of the roots behind it; its key set is still of the old ones."""
    provisioning = desk.provisioning()
    provisioning.load()
    assert await provisioning.accept(keyset(4)) is None
    assert await provisioning.accept(tokens.rootset(ROOTS, SECOND, 1)) is None
    return provisioning


def restarted(desk: Desk) -> tuple[Desk, Provisioning]:
    again = Desk(desk.folder)
    provisioning = again.provisioning()
    provisioning.load()
    return again, provisioning


async def refused(provisioning: Provisioning, data: bytes) -> Code:
    found = await provisioning.accept(data)
    assert isinstance(found, Refusal)
    return found.code


async def test_new_key_sets_need_the_new_roots_and_the_one_in_force_stays(desk: Desk) -> None:
    for provisioning in (await changed(desk), restarted(desk)[1]):
        assert not provisioning.missing, "nobody is stranded by a change of the roots"
        assert await refused(provisioning, keyset(5)) is Code.SIGNATURE
    assert await provisioning.accept(keyset(5, SECOND)) is None
    again, provisioning = restarted(desk)
    assert again.authority.keyset is not None
    assert again.authority.keyset.version == 5
    assert provisioning.counters["refused"] == 0


async def test_the_same_change_again_is_nothing_and_an_old_or_foreign_one_is_refused(desk: Desk) -> None:
    provisioning = await changed(desk)
    desk.records.facts.clear()
    assert await provisioning.accept(tokens.rootset(ROOTS, SECOND, 1)) is None, "a retained message comes again"
    assert desk.records.facts == []
    assert provisioning.counters["roots"] == 1
    assert await refused(provisioning, tokens.rootset(ROOTS, THIRD, 1)) is Code.SIGNATURE
    assert await refused(provisioning, tokens.rootset(SECOND, THIRD, 1)) is Code.SUPERSEDED
    assert await refused(provisioning, tokens.rootset(STRANGERS, THIRD, 2)) is Code.SIGNATURE
    assert [fact.body["via"] for fact in desk.records.facts] == ["trust"] * 3


@pytest.mark.parametrize("lost", ["the record", "the files", "nothing", "the record is damaged"])
async def test_a_chain_survives_a_restart_by_either_copy(desk: Desk, lost: str) -> None:
    provisioning = await changed(desk)
    assert await provisioning.accept(tokens.rootset(SECOND, THIRD, 2)) is None
    assert await provisioning.accept(keyset(6, THIRD)) is None
    if lost == "the record":
        (desk.folder / ACCEPTED_FILE).unlink()
    elif lost == "the record is damaged":
        (desk.folder / ACCEPTED_FILE).write_bytes(b"{}")
    elif lost == "the files":
        for file in (desk.folder / "roots").iterdir():
            file.write_bytes(b"damaged")
    again, provisioning = restarted(desk)
    assert not again.provisioning().trouble
    assert again.authority.keyset is not None
    assert await refused(provisioning, keyset(7)) is Code.SIGNATURE
    assert await refused(provisioning, keyset(7, SECOND)) is Code.SIGNATURE
    assert await provisioning.accept(keyset(7, THIRD)) is None


async def test_cut_between_file_and_record_the_change_stands(desk: Desk) -> None:
    provisioning = desk.provisioning()
    provisioning.load()
    assert await provisioning.accept(keyset(4)) is None
    record = (desk.folder / ACCEPTED_FILE).read_bytes()
    assert await provisioning.accept(tokens.rootset(ROOTS, SECOND, 1)) is None
    (desk.folder / ACCEPTED_FILE).write_bytes(record)
    _, provisioning = restarted(desk)
    assert await refused(provisioning, keyset(5)) is Code.SIGNATURE
    assert await provisioning.accept(keyset(5, SECOND)) is None


async def test_a_weaker_set_changes_nothing(desk: Desk) -> None:
    provisioning = await changed(desk)
    weak = replace(THIRD, threshold=1)
    assert await refused(provisioning, tokens.rootset(SECOND, weak, 2)) is Code.ISSUER_ROLE
    assert await provisioning.accept(keyset(5, SECOND)) is None
