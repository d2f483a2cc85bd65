"""Bad input on one running bench: each gets its own answer and a record, nothing moves, the door goes on opening."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hil import cbor, tokens
from hil.backend.ledger import Expected
from hil.bench import AgentFailed
from hil.faults import Rig

pytestmark = [pytest.mark.guest, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
CARS = Path(__file__).resolve().parents[2] / "config" / "cars"

# --- tokens ----------------------------------------------------------------------------------------------------------

Spoil = Callable[[Rig, tokens.Order], bytes]


def signed(bench: Rig, payload: bytes) -> bytes:
    return tokens.sign1(bench.desk.issuer.key, payload, bench.desk.issuer.kid)


def whole(bench: Rig, order: tokens.Order) -> bytes:
    return bench.desk.issuer.token(order)


def altered(bench: Rig, order: tokens.Order) -> bytes:
    token = bytearray(whole(bench, order))
    token[-1] ^= 1
    return bytes(token)


def duplicate_keys(bench: Rig, order: tokens.Order) -> bytes:
    """A map with the claim "issued at" twice, rightly signed."""
    claims = cbor.encode(order.claims(bench.desk.issuer.operator))
    assert claims[0] & 0xE0 == 0xA0
    twice = bytes([claims[0] + 1]) + claims[1:] + cbor.encode(6) + cbor.encode(order.issued_s)
    return signed(bench, twice)


def another(bench: Rig, order: tokens.Order, **changes: object) -> bytes:
    return whole(bench, dataclasses.replace(order, **changes))


def expired(bench: Rig, order: tokens.Order) -> bytes:
    day = 86_400
    return another(
        bench, order, start_s=order.start_s - 9 * day, end_s=order.end_s - 9 * day, issued_s=order.issued_s - 9 * day
    )


BAD_TOKENS: dict[str, tuple[Spoil, str]] = {
    "altered": (altered, "signature"),
    "truncated": (lambda b, o: whole(b, o)[:-20], "malformed"),
    "too big": (lambda b, o: whole(b, o) + bytes(4096), "too_big"),
    "wrong car": (lambda b, o: another(b, o, vehicle=secrets.token_bytes(8)), "wrong_vehicle"),
    "expired": (expired, "expired"),
    "trailing bytes": (lambda b, o: whole(b, o) + b"\0", "malformed"),
    "duplicate keys": (duplicate_keys, "malformed"),
    "unknown key": (lambda b, o: tokens.Issuer("bench").token(o), "unknown_key"),
    "another operator": (lambda b, o: tokens.Issuer("nobody", b.desk.issuer.key).token(o), "issuer_role"),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_a_bad_booking_gets_its_own_code_a_record_and_moves_nothing(bench: Rig, name: str) -> None:
    spoil, code = BAD_TOKENS[name]
    seen, pressed = len(bench.desk.facts), len(bench.world.diary.of("press"))
    order = bench.bench.order(next(bench._numbers), secrets.token_bytes(5))
    bench.desk.send_raw(bench.vehicle, "book", spoil(bench, order))
    fact = await bench.desk.fact("booking", 30, after=seen, event="refused")
    bench.expected[order.booking] = Expected(order.booking, opened=False, how=())  # refusals name it
    assert fact.body["code"] == code
    await bench.bench.tap(order.badge, "R")
    assert len(bench.world.diary.of("press")) == pressed
    await asyncio.sleep(0.5)


async def test_d13_a_command_that_is_replayed_or_altered_moves_nothing(bench: Rig) -> None:
    ident = bench.desk.command(bench.vehicle, "lock")
    assert (await bench.desk.result(ident, 60))["code"] in ("done", "unknown")
    pressed = len(bench.world.diary.of("press"))
    bench.desk.results.clear()
    sent = bench.desk.commands[ident]
    bench.desk.send_raw(bench.vehicle, "cmd", sent)  # the very same: the same answer
    assert (await bench.desk.result(ident, 60))["code"] in ("done", "unknown")
    key, known = bench.desk._key, bench.desk._passes[bench.vehicle.hex(), "backend"]
    old = bench.desk.command_again(bench.vehicle, "unlock")
    seen = len(bench.desk.facts)
    bench.desk.send_raw(bench.vehicle, "cmd", old)  # a new command under a counter that was used
    assert (await bench.desk.fact("refused", 30, after=seen)).body["code"] == "replay"
    seen = len(bench.desk.facts)
    fresh = tokens.command(key, known.token, "unlock", 90, int(time.time()) + 60, secrets.token_bytes(16))
    bench.desk.send_raw(bench.vehicle, "cmd", fresh[:-1] + bytes([fresh[-1] ^ 1]))
    assert (await bench.desk.fact("refused", 30, after=seen)).body["code"] in ("signature", "holder")
    assert len(bench.world.diary.of("press")) == pressed


# --- settings and car folder -----------------------------------------------------------------------------------------


async def test_d15_several_mistakes_are_all_named_and_the_last_good_copy_is_used(bench: Rig) -> None:
    number = await bench.booked()
    assert await bench.bench.stop_agent() == 0
    broken = bench.toml.replace("baud = 9600", 'baud = "fast"', 1).replace("[can]\nchannel", "[can]\nchanel")
    broken = broken.replace('operator = "bench"', "operator = 7")
    await bench.restart(broken)
    await bench.serves(number)
    status = await bench.status()
    assert status["settings"].endswith("settings.good.toml")
    said = json.dumps(status["alarms"]["settings_broken"])
    assert all(word in said for word in ("baud", "chanel", "operator")), said
    await bench.desk.fact("alarm", 30, name="settings_broken", event="raised")
    assert await bench.bench.stop_agent() == 0
    await bench.restart()


async def test_without_a_good_copy_it_ends_with_2_and_names_every_mistake(bench: Rig) -> None:
    assert await bench.bench.stop_agent() == 0
    elsewhere = f"{bench.bench.machine.data}/nowhere"
    broken = bench.toml.replace(f"{bench.bench.machine.data}/state", elsewhere)
    broken = broken.replace("baud = 9600", 'baud = "fast"', 1).replace("[can]\nchannel", "[can]\nchanel")
    try:
        with pytest.raises(AgentFailed, match="ended with 2"):
            await bench.restart(broken)
        said = "\n".join(bench.told("."))
        assert "baud" in said
        assert "chanel" in said
    finally:
        await bench.bench.stop_agent()
        await bench.restart()


async def test_d15_a_car_folder_that_does_not_fit_starts_with_the_relay_and_an_alarm(bench: Rig) -> None:
    number = await bench.booked()
    assert await bench.bench.stop_agent() == 0
    folder = bench.bench.machine.results / "broken-car"
    shutil.copytree(CARS / "zoe-ph1", folder, dirs_exist_ok=True)
    text = (folder / "bus.dbc").read_text(encoding="utf-8")
    field = next(line.split()[1] for line in text.splitlines() if line.strip().startswith("SG_ "))
    (folder / "bus.dbc").write_text(text.replace(f" {field} ", " Renamed "), encoding="utf-8")
    inside = f"{bench.bench.machine.results_inside}/broken-car"
    await bench.restart(bench.toml.replace('car = "zoe-ph1"', f'car = "{inside}"'))
    await bench.opens(number, "OU")
    status = await bench.until(lambda it: "car_folder" in it["alarms"])
    said = json.dumps(status["alarms"]["car_folder"])
    assert field in said
    assert "bus.dbc" in said
    await bench.ends(number, "EU")
    assert await bench.bench.stop_agent() == 0
    await bench.restart()
