"""One fault after another on one running bench: the door goes on opening, nothing is lost, and `status` says what is
wrong. After every scenario the same checks stand (`hil/faults.py`), and after the last one the oracle's.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
import time
from datetime import UTC, datetime

import pytest

from hil.backend.broker import Broker
from hil.backend.ca import Authority
from hil.backend.ledger import Expected
from hil.faults import Rig, badge
from hil.sky import FLERS, Place, Sky

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
CHANGES = {"extra": {"cloud": {"state_every_s": 1.0}}}
HERE = Place(FLERS[1], FLERS[2], 0.0)


def waiting(status: dict) -> int:
    return status["records"]["facts"]


# --- the link --------------------------------------------------------------------------------------------------------


async def test_a_frozen_broker_is_noticed_and_what_happened_meanwhile_arrives_later(bench: Rig) -> None:
    number = await bench.booked()
    bench.bench.broker.freeze()
    try:
        await bench.serves(number)
        status = await bench.until(lambda it: not it["link"]["connected"])
        assert status["link"]["trouble"]
        assert waiting(status) >= 5
    finally:
        bench.bench.broker.thaw()
    await bench.desk.fact("booking", 90, booking=number, event="closed")


async def test_a_killed_broker_and_one_that_comes_back_empty_lose_nothing(bench: Rig) -> None:
    number = await bench.booked()
    await bench.bench.broker.kill()
    await bench.serves(number)
    status = await bench.until(lambda it: not it["link"]["connected"])
    assert status["link"]["trouble"]
    await bench.bench.broker.restart(empty=True)
    await bench.stored("booking", booking=number, event="closed")
    later = await bench.booked()  # the subscriptions are back as well
    await bench.bench.broker.restart(kill=True, empty=True)
    await bench.serves(later)


async def test_an_order_that_an_emptied_broker_lost_is_given_again_until_the_car_answers(bench: Rig) -> None:
    bench.bench.cut_link()
    await bench.until(lambda it: not it["link"]["connected"])
    order = asyncio.create_task(bench.booked())
    await asyncio.sleep(1)
    await bench.bench.broker.restart(kill=True, empty=True)
    bench.bench.mend_link()
    await bench.serves(await order)


async def test_a_lying_broker_that_acknowledges_and_drops_is_not_believed(bench: Rig) -> None:
    number = await bench.booked()
    bench.bench.broker.lie(True)
    try:
        await asyncio.sleep(1)
        await bench.serves(number)
        await asyncio.sleep(6)
        status = await bench.status()
        assert status["link"]["connected"], (status["link"], bench.bench.broker.log.read_text()[-1500:])
        assert waiting(status) >= 5, "what the broker acknowledged counts as delivered"
    finally:
        bench.bench.broker.lie(False)
    await bench.desk.fact("booking", 120, booking=number, event="closed")


async def test_a_broker_of_another_authority_is_refused_and_named(bench: Rig) -> None:
    """Somebody stands between car and broker, with a certificate of his own."""
    number = await bench.booked()
    stranger = Broker(bench.bench.folder / "other", Authority(bench.bench.folder / "stranger"))
    await stranger.start()
    link = bench.bench.link
    right, link._target = link._target, (stranger.host, stranger.port)
    try:
        await bench.bench.broker.restart(kill=True)  # so that the car must connect anew
        await bench.serves(number)
        status = await bench.until(lambda it: not it["link"]["connected"] and "ertificate" in it["link"]["trouble"])
        assert waiting(status) >= 5
    finally:
        link._target = right
        await stranger.stop()
    await bench.desk.fact("booking", 90, booking=number, event="closed")


async def test_a_dead_zone_costs_nothing(bench: Rig) -> None:
    number = await bench.booked()
    bench.bench.cut_link()
    await bench.serves(number)
    status = await bench.until(lambda it: not it["link"]["connected"])
    assert waiting(status) >= 5
    assert status["link"]["trouble"]
    bench.bench.mend_link()


async def test_a_dead_backend_gets_everything_once_it_is_back(bench: Rig) -> None:
    number = await bench.booked()
    await bench.bench.receiver.kill()
    await bench.serves(number)
    await asyncio.sleep(2)
    assert waiting(await bench.status()) >= 5
    await bench.bench.receiver.start()


# --- the wires -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("breaks", "mends"), [("down", "up"), ("delete", "create")])
async def test_without_its_bus_the_door_opens_and_status_shows_lost_and_open_again(
    bench: Rig, breaks: str, mends: str
) -> None:
    number = await bench.booked()
    await bench.can(breaks)
    try:
        await bench.until(lambda it: it["can"]["state"] == "lost")
        await bench.opens(number, "OU")
        await bench.ends(number, "EU")
    finally:
        await bench.can(mends)
    await bench.until(lambda it: it["can"]["state"] == "open")
    await bench.wakes()
    outcomes = [fact.body["outcome"] for fact in bench.held().of("access", event="outcome", booking=number)]
    assert outcomes == ["unknown", "unknown"], "nothing read back, so nothing may be called done (R9)"


async def test_short_frames_and_a_flooded_bus_keep_nobody_out(bench: Rig) -> None:
    number = await bench.booked()
    await bench.world.ignition(True)
    before = await bench.until(lambda it: any(s["fresh"] for s in it["signals"]))
    lines = [f"({1e9 + i / 4000:.6f}) vcan0 {can_id}#{data}" for i in range(2000)
             for can_id, data in (("35C", "FF"), ("354", "FF"), (f"{0x100 + i % 64:03X}", f"{i:016X}"))]  # fmt: skip
    log = bench.bench.machine.results / "flood.log"
    log.write_text("\n".join(lines) + "\n")
    inside = f"{bench.bench.machine.results_inside}/flood.log"
    flood = asyncio.create_task(bench.bench.machine.call({"do": "play", "log": inside, "speed": 0}))
    await bench.world.ignition(False)
    await flood
    await bench.serves(number)
    after = (await bench.status())["can"]["counters"]
    short = {name for name, n in after.items() if n > before["can"]["counters"].get(name, 0)}
    assert "decode_short" in short


async def test_a_receiver_that_is_unplugged_and_plugged_again(bench: Rig) -> None:
    number = await bench.booked()
    await bench.sky(plug=False)
    await bench.until(lambda it: not it["gnss"]["plugged"])
    await bench.serves(number)
    await bench.sky(plug=True)
    before = (await bench.until(lambda it: it["gnss"]["plugged"]))["clock"]["fixes"]
    await bench.until(lambda it: it["clock"]["fixes"] > before + 2)


async def test_r19_garbage_halves_binary_and_old_dates_are_counted_and_give_no_fix(bench: Rig) -> None:
    number = await bench.booked()
    await bench.opens(number)  # a staff booking: its position is told
    bench.world.sky_on = False
    await asyncio.sleep(1.2)
    before = await bench.status()
    wrong = Sky(corrupt=True).lines(datetime.now(UTC), Place(10.0, 20.0, 0.0))
    half = Sky().lines(datetime.now(UTC), Place(10.0, 20.0, 0.0))[0][:30]
    old = Sky().lines(datetime(2004, 6, 1, 12, 0, 1, tzinfo=UTC), HERE)
    for raw in (secrets.token_bytes(700), b"\xb5\x62\x01\x07" + bytes(92), "\r\n".join([half, *wrong, ""]).encode()):
        await bench.sky(raw=raw.hex())
    for _ in range(4):
        await bench.sky(lines=old)
    await asyncio.sleep(2)
    after = await bench.status()
    more = {name for name, n in after["gnss"]["counters"].items() if n > before["gnss"]["counters"].get(name, 0)}
    assert {"bad_checksum", "implausible_date"} <= more, more
    assert after["clock"]["source"] == before["clock"]["source"]
    assert abs(after["clock"]["lo_s"] + after["clock"]["hi_s"] - 2 * time.time()) < 10
    assert after["clock"]["floor_s"] >= before["clock"]["floor_s"]
    bench.world.sky_on = True
    await asyncio.sleep(3)
    await bench.ends(number)
    states = [state["position"] for _, state in bench.held().states if state.get("position")]
    assert states
    assert all(abs(lat - FLERS[1]) + abs(lon - FLERS[2]) < 1e-3 for lat, lon in states)


# --- the box itself --------------------------------------------------------------------------------------------------


async def test_a_killed_agent_owes_an_outcome_and_pays_it(bench: Rig) -> None:
    number = await bench.booked()
    events = bench.bench.machine.events()
    await bench.world.tap(badge(number))
    await events.until(lambda event: event["saw"] == "relay" and event["on"])
    events.close()
    await bench.bench.kill_agent()
    await asyncio.sleep(0.5)
    await bench.restart()
    outcome = await bench.desk.fact("access", 60, event="outcome", booking=number)
    assert outcome.body["resolved_at_boot"]
    assert outcome.body["outcome"] in ("done", "unknown")
    await bench.until(lambda it: it["gnss"]["counters"]["fixes"] > 2)  # at the station, as far as it knows
    bench.expected[number] = dataclasses.replace(bench.expected[number], opened=True, how=())
    await bench.ends(number)


async def test_a_booking_of_which_a_cut_left_only_the_file_is_answered_when_it_comes_again(bench: Rig) -> None:
    """The file is written first (D14); between it and the database lies a moment."""
    number = next(bench._numbers)
    order = bench.bench.order(number, badge(number))
    token = bench.desk.issuer.token(order)
    assert await bench.bench.stop_agent() == 0
    path = f"{bench.bench.machine.data}/state/bookings/{order.token_id.hex()}.cwt"
    await bench.inside("import sys; open(sys.argv[1], 'wb').write(bytes.fromhex(sys.argv[2]))", path, token.hex())
    await bench.restart()
    bench.desk.send_raw(bench.vehicle, "book", token)
    assert (await bench.desk.booked(number, 30)).body["event"] == "stored"
    bench.expected[number] = Expected(number, "staff", opened=False, how=(), badge=badge(number).hex())
    await bench.serves(number)
    bench.desk.send_raw(bench.vehicle, "book", token)  # and a third time: nothing new
    await asyncio.sleep(1)
    await bench.calm()
    assert len(bench.held().of("booking", booking=number, event="stored")) == 1


async def test_d14_a_broken_database_is_set_aside_and_the_door_opens(bench: Rig) -> None:
    number = await bench.booked()
    assert await bench.bench.stop_agent() == 0
    spoil = "import sys; f = open(sys.argv[1], 'r+b'); n = f.seek(0, 2); f.seek(n // 4); f.write(b'\\xa5' * (n // 2))"
    state = f"{bench.bench.machine.data}/state"
    await bench.inside(spoil, f"{state}/records.db")
    streams = {account.stream for account in bench.held().accounts}
    await bench.restart()
    await bench.wakes()
    await bench.serves(number)  # the booking lives in its file as well
    await bench.calm()
    # The check of the file comes 20 s after the start, so that it is in nobody's way.
    await bench.until(lambda it: it["records"]["counters"]["set_aside"] or "records.db.broken" in str(it))
    await bench.calm()
    names = await bench.inside("import os, sys; print(*os.listdir(sys.argv[1]))", state)
    assert "records.db.broken-1" in names.split()
    held = bench.held()
    assert {account.stream for account in held.accounts if account.kind == "facts"} - streams
    told = [fact.body for fact in held.facts if fact.kind in ("boot", "alarm")]
    assert any("records.db.broken" in json.dumps(body) for body in told), told[-5:]


async def test_d14_a_full_disk_keeps_nobody_out_and_what_happened_is_told_afterwards(bench: Rig) -> None:
    number = await bench.booked()
    fill = """
import os, sys
with open(sys.argv[1], "wb", buffering=0) as f:
    for size in (1 << 20, 4096, 1):
        try:
            while True:
                f.write(bytes(size))
        except OSError:
            pass
"""
    filler = f"{bench.bench.machine.data}/filler"
    await bench.inside(fill, filler)
    try:
        await bench.serves(number)
    finally:
        await bench.inside("import os, sys; os.unlink(sys.argv[1])", filler)
    await bench.calm()
    await bench.desk.fact("booking", 90, booking=number, event="closed")
