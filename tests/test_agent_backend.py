"""The real daemon and a real backend: mosquitto with TLS, a receiver that acknowledges, a desk that books. No CAN."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hil import tokens
from hil.backend.broker import Broker
from hil.backend.ca import Authority
from hil.backend.desk import Desk
from hil.backend.held import read
from hil.backend.receiver import ReceiverProcess
from hil.vouchers import time_answer
from keyless import clock as trusted
from tests.agent_process import BADGE, UNLOCK_ON, VEHICLE, Box, another_badge
from tests.hil_backend import address
from tests.test_cli import boitier
from tests.test_cli_buffer import driven

PATIENCE_S = 30.0


@asynccontextmanager
async def day(folder: Path) -> AsyncIterator[tuple[Box, Desk, Broker]]:
    box = Box(folder)
    broker = Broker(folder / "broker", Authority(folder / "ca"))
    await broker.start()
    receiver = ReceiverProcess(address(broker, "receiver"), folder / "backend.db")
    desk = Desk(address(broker, "desk"), box.issuer)
    try:
        await receiver.start()
        await desk.open()
        identity = broker.authority.issue(VEHICLE)
        with box.config.open("a") as config:
            config.write(
                f'[cloud]\nbrokers = ["127.0.0.1:{broker.port}"]\nca = "{broker.authority.certificate}"\n'
                f'certificate = "{identity.certificate}"\nkey = "{identity.key}"\n'
            )
        yield box, desk, broker
    finally:
        await desk.close()
        await receiver.stop()
        await broker.stop()
        box.close()


def order(number: int = 7) -> tokens.Order:
    now = int(time.time())
    return tokens.Order(bytes.fromhex(VEHICLE), number, now - 60, now + 3600, now - 120, badge=BADGE)


async def drained(box: Box) -> dict[str, Any]:
    """Wait until the backend has acknowledged everything."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            status: dict[str, Any] = await asyncio.to_thread(box.ask, "status")
            if status["records"]["facts"] == 0 and status["records"]["samples"] == 0:
                return status
            await asyncio.sleep(0.1)


async def test_a_booking_by_mqtt_a_tap_and_the_records_at_the_backend(tmp_path: Path) -> None:
    async with day(tmp_path) as (box, desk, _broker):
        await asyncio.to_thread(box.start)
        await desk.fact("boot", PATIENCE_S)
        await asyncio.to_thread(box.learn_time)
        desk.book(order())
        assert (await desk.booked(7, PATIENCE_S)).body["event"] == "stored"
        box.tap()
        await asyncio.to_thread(box.relay.wait_for, UNLOCK_ON)
        opened = await desk.fact("booking", PATIENCE_S, event="opened")
        assert opened.body["booking_kind"] == "private"
        await desk.fact("access", PATIENCE_S, event="outcome", outcome="unknown")
        async with asyncio.timeout(PATIENCE_S):
            while desk.states.get(VEHICLE, {}).get("booking") != "private":
                await asyncio.sleep(0.05)
        said = desk.states[VEHICLE]
        assert (said["locked"], said["position"], said["alarms"]) == ("no", None, [])
        status = await drained(box)
        assert status["link"]["connected"] is True
        assert box.stop() == 0
        assert "Traceback" not in box.output()


async def test_d12_a_remote_command_moves_the_lock_once_and_is_answered(tmp_path: Path) -> None:
    async with day(tmp_path) as (box, desk, _broker):
        await asyncio.to_thread(box.start)
        await desk.fact("boot", PATIENCE_S)
        await asyncio.to_thread(box.learn_time)
        ident = desk.command(bytes.fromhex(VEHICLE), "unlock")
        result = await desk.result(ident, PATIENCE_S)
        assert result["code"] in ("unknown", "done"), result
        await asyncio.to_thread(box.relay.wait_for, UNLOCK_ON)
        desk.send_raw(bytes.fromhex(VEHICLE), "cmd", desk.commands[ident])
        await drained(box)
        status = await asyncio.to_thread(box.ask, "status")
        assert status["door"]["counters"]["lock_moved"] == 1
        assert box.stop() == 0


async def test_p2_a_declared_theft_reaches_the_desk_and_nothing_else_tells_where(tmp_path: Path) -> None:
    async with day(tmp_path) as (box, desk, _broker):
        box.store_booking()
        await asyncio.to_thread(box.start)
        await desk.fact("boot", PATIENCE_S)
        await asyncio.to_thread(box.learn_time)
        box.tap()
        await asyncio.to_thread(box.relay.wait_for, UNLOCK_ON)
        await desk.fact("booking", PATIENCE_S, event="opened", booking_kind="private")
        box.fix()
        ident = desk.command(bytes.fromhex(VEHICLE), "locate_theft")
        assert await desk.result(ident, PATIENCE_S) == {"code": "done", "why": "the position is in the facts"}
        place = (await desk.fact("position", PATIENCE_S, event="theft")).body
        assert abs(place["lat"] - (48 + 31 / 60)) + abs(place["lon"] - 32 / 60) < 2e-4
        who = (await desk.fact("located", PATIENCE_S, event="theft")).body
        assert (who["booking"], who["role"], who["command"]) == (7, "backend", ident)
        assert desk.states[VEHICLE]["position"] is None
        told = [fact.item for fact in desk.facts if fact.kind != "position"]
        assert not [text for text in told if "48.5" in text], "R27"
        await drained(box)
        assert box.stop() == 0


async def test_p9_d11_what_was_erased_before_it_was_sent_leaves_no_gap_at_the_backend(tmp_path: Path) -> None:
    async with day(tmp_path) as (box, desk, _broker):
        await driven(box.state / "records.db")
        done = await asyncio.to_thread(
            boitier, "buffer", "--config", str(box.config), "erase", "--booking", "33", "--yes"
        )
        assert done.returncode == 0, done.stderr
        await asyncio.to_thread(box.start)
        await desk.fact("purged", PATIENCE_S, why="erased", booking=33)
        await drained(box)
        assert box.stop() == 0
        held = read(tmp_path / "backend.db", VEHICLE)
        assert {account.kind: (account.numbers.upto, account.numbers.gaps) for account in held.accounts} == {
            account.kind: (account.numbers.highest, []) for account in held.accounts
        }
        assert {fact.body["booking"] for fact in held.of("position")} == {34}
        assert {sample.booking for sample in held.samples} == {34}


async def test_a_stop_says_offline_and_a_frozen_broker_cannot_hold_it_up(tmp_path: Path) -> None:
    async with day(tmp_path) as (box, desk, broker):
        await asyncio.to_thread(box.start)
        await desk.fact("boot", PATIENCE_S)
        assert await asyncio.to_thread(box.stop) == 0
        async with asyncio.timeout(PATIENCE_S):
            while desk.states.get(VEHICLE, {}).get("online") is not False:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(box.start)
        async with asyncio.timeout(PATIENCE_S):
            while not (await asyncio.to_thread(box.ask, "status"))["link"]["connected"]:
                await asyncio.sleep(0.05)
        broker.freeze()
        assert await asyncio.to_thread(box.stop) == 0
        broker.thaw()


def board_restarted(floor: Path) -> None:
    """Of this machine's boot nothing may be left: a floor is all that another boot takes over."""
    state = trusted.restored(json.loads(floor.read_bytes()), "another boot")
    assert state.anchor is None
    floor.write_bytes(json.dumps(trusted.to_record(state)).encode())


async def asks_and_is_told(box: Box, desk: Desk) -> dict[str, Any]:
    """A forger answers first, the operator's desk afterwards; the status once the car knows the time."""
    stranger = tokens.Issuer(box.issuer.operator)
    async with asyncio.timeout(PATIENCE_S):
        while (question := desk.states.get(VEHICLE, {}).get("time_question")) is None:
            await asyncio.sleep(0.05)
        desk.trust(bytes.fromhex(VEHICLE), time_answer(stranger, bytes.fromhex(question), int(time.time())))
        await desk.fact("refused", PATIENCE_S, via="trust", code="unknown_key")
        status: dict[str, Any] = await asyncio.to_thread(box.ask, "status")
        assert status["clock"]["source"] == "none"
        desk.tells_time = lambda: int(time.time())
        while status["clock"]["source"] != "signed":
            await asyncio.sleep(0.1)
            status = await asyncio.to_thread(box.ask, "status")
    return status


@pytest.mark.long
async def test_r19_a_floor_raised_wrongly_is_set_right_over_the_broker_and_its_driver_gets_in_before(
    tmp_path: Path,
) -> None:
    async with day(tmp_path) as (box, desk, broker):
        with box.config.open("a") as config:
            config.write("state_every_s = 1.0\n")
        colleague = another_badge()  # R6; the reader takes no second tap of one badge within two seconds
        box.store_booking()
        box.store_booking(badge=colleague)
        broker.freeze()
        await asyncio.to_thread(box.start)
        box.tap()
        await asyncio.to_thread(box.reader.wait_for, b"O\n")
        await asyncio.to_thread(box.learn_time, 20 * 3600.0)  # the receiver says tomorrow
        assert box.stop() == 0
        board_restarted(box.state / "floor.json")
        await asyncio.to_thread(box.start)
        for _ in range(3):
            box.fix()  # it is right again, and looks like the past
        status = await asyncio.to_thread(box.ask, "status")
        assert status["clock"]["source"] == "none"
        assert status["clock"]["floor_s"] > time.time() + 19 * 3600
        box.tap(colleague)
        await asyncio.to_thread(box.reader.wait_for, b"E\n")  # by the box's own floor this booking is long over (R5)
        broker.thaw()
        status = await asks_and_is_told(box, desk)
        assert abs(status["clock"]["lo_s"] - time.time()) < PATIENCE_S
        assert box.stop(signal.SIGKILL) == -signal.SIGKILL
        await asyncio.to_thread(box.start)
        status = await asyncio.to_thread(box.ask, "status")
        assert abs(status["clock"]["floor_s"] - time.time()) < 2 * PATIENCE_S, "it was on the disk at once"
        assert box.stop() == 0
        assert "Traceback" not in box.output()
