"""How long a revocation may go unheard: kept by the box over restarts, told in `up/state` and in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.said import unheard
from agent.cli.watching import block
from agent.run import accepted
from agent.run.provisioning import REVOKED_FILE
from hil import tokens
from tests.test_provisioning import ISSUER, NOW_S, Desk, keyset
from tests.test_status_words import EN, FR, status

DAY = 86_400


def dated(iat: int, sequence: int = 3) -> bytes:
    return tokens.revocations(ISSUER, sequence, [b"revoked!"], iat, iat + 14 * DAY)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_the_date_of_the_list_outlives_its_signed_file_and_its_signer(desk: Desk) -> None:
    provisioning = desk.provisioning()
    assert await provisioning.accept(keyset(1)) is None
    assert desk.authority.list_iat is None
    assert await provisioning.accept(dated(NOW_S - 90)) is None
    (desk.folder / REVOKED_FILE).unlink()
    again = Desk(desk.folder)
    again.provisioning().load()
    assert again.authority.list_iat == NOW_S - 90


async def test_a_record_of_an_earlier_release_learns_the_date_from_the_signed_file(desk: Desk) -> None:
    provisioning = desk.provisioning()
    assert await provisioning.accept(keyset(1)) is None
    assert await provisioning.accept(dated(NOW_S - 90)) is None
    record = json.loads((desk.folder / accepted.ACCEPTED_FILE).read_text())
    del record["iat"], record["check"]
    (desk.folder / accepted.ACCEPTED_FILE).write_text(json.dumps({**record, "check": accepted._check(record)}))
    again = Desk(desk.folder)
    again.provisioning().load()
    assert (again.authority.list_iat, again.authority.revoked) == (NOW_S - 90, frozenset([b"revoked!"]))


async def test_how_long_a_revocation_may_go_unheard_follows_list_clock_and_lead(desk: Desk) -> None:
    provisioning = desk.provisioning()
    provisioning.load()
    assert provisioning.revocation() == {"delay_s": (7 + 31) * DAY + 4, "by": "token_end"}
    assert not provisioning.list_old, "no list was ever given"
    assert await provisioning.accept(keyset(1)) is None
    assert await provisioning.accept(dated(NOW_S - 90)) is None
    assert provisioning.revocation() == {"delay_s": 94, "by": "list"}
    desk.now_s = NOW_S - 90 + 7 * DAY
    assert not provisioning.list_old
    desk.now_s += 1
    assert provisioning.list_old
    assert await provisioning.accept(dated(NOW_S, 4)) is None
    assert not provisioning.list_old


@pytest.mark.parametrize(
    ("by", "delay_s", "text", "believed"),
    [
        ("list", 5400, "a key that was blocked more than 90 min ago is refused here", True),
        ("token_end", 38 * 86_400, "a key that was blocked may open for up to 38 d", False),
        ("no_clock", None, "how long a blocked key may go on opening has no limit here", False),
    ],
)
def test_how_long_a_revocation_may_go_unheard_is_said(by: str, delay_s: int | None, text: str, believed: bool) -> None:
    found = status(trust={"revocation": {"delay_s": delay_s, "by": by}})
    for words, start in ((EN, text), (FR, "")):
        line = block(found, words).plain.splitlines()[-1].strip()
        assert line.startswith(start)
    said = unheard(found, EN)
    assert said is not None
    assert said.believed is believed
    assert unheard(status(), EN) is None
