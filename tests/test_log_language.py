"""The sentences in the log are in the language of the settings."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.access.saying import said
from keyless.claims import Action
from keyless.refusal import Code, refused
from tests.agent_process import Box
from tests.door_bench import HOUR, MALLORY, DoorBench, at_home

STRANGER = b"04FFFFFFFF"


def framed(digits: bytes) -> bytes:
    check = 0
    for byte in bytes.fromhex(digits.decode()):
        check ^= byte
    return b"\x02" + digits + b"%02X" % check + b"\x03"


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_badge_and_command_are_refused_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, language: str
) -> None:
    caplog.set_level(logging.INFO)
    bench = DoorBench(tmp_path)
    bench.settings = replace(bench.settings, language=language)
    async with at_home(bench):
        for _ in range(7):  # also the last two, which are no facts any more
            await bench.tap(MALLORY)
        command = bench.command(bench.mint(7, None, 0, HOUR, actions=int(Action.LOCK)), Action.UNLOCK, 1)
        await bench.door.command(command)
    told = [record.getMessage() for record in caplog.records if " refused: " in record.getMessage()]
    assert told[:7] == [f"badge refused: not_stored ({said(refused(Code.NOT_STORED), language)})"] * 7
    assert told[-1].startswith("command refused: role_action (")
    assert said(refused(Code.ROLE_ACTION), language) in told[-1]


def test_the_daemon_takes_it_from_its_settings(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.config.write_text(f'language = "fr"\n{box.config.read_text("utf-8")}', "utf-8")
    box.start()
    box.reader.send(framed(STRANGER))
    box.reader.wait_for(b"R\n")
    assert box.stop() == 0
    box.close()
    assert said(refused(Code.NOT_STORED), "fr") in (tmp_path / "agent.log").read_text("utf-8")
