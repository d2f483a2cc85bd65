"""Asking the car: never one that sleeps, no faster than allowed, patient with refusals; the lock when it matters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from config import car as cars
from config.car import Phase
from config.vocabulary import CHARGE_STATUS, ENERGY, IGNITION, LOCKED, PLUGGED, SOC_FINE, VOLTAGE_12V, Signal
from drivers.can.diag import NegativeReply
from drivers.errors import DeviceGone
from drivers.ports import BusState, Subscription
from tests.fakes.clock import settle
from tests.polling_bench import IGNITION_OFF, IGNITION_ON, TELEMATICS, PollingBench


@pytest.fixture
async def bench() -> AsyncIterator[PollingBench]:
    it = PollingBench()
    it.awake_and_off()
    await settle()
    yield it
    await it.off()


async def test_a_sleeping_car_is_never_asked(bench: PollingBench) -> None:
    await bench.clock.advance(3_600)
    assert bench.diagnostics.asked == []
    assert bench.vehicle.phase is Phase.PARKED
    await bench.hear(0x6F9, "83C0000000000000")
    await bench.clock.advance(3_600)
    assert bench.diagnostics.asked == []


async def test_signs_of_life_are_subscribed_by_id_and_slowly(bench: PollingBench) -> None:
    assert set(bench.watch.wanted) == {
        Subscription(TELEMATICS, True, b"", 1_000, 0), Subscription(0x18DADBF1, True, b"", 1_000, 0),
        Subscription(0x6F9, False, b"", 250, 0),
    }  # fmt: skip


async def test_it_is_asked_while_others_ask_it_and_asking_lets_it_sleep(bench: PollingBench) -> None:
    await bench.telematics()
    await bench.clock.advance(30)
    assert bench.vehicle.phase is Phase.AWAKE
    asked = len(bench.diagnostics.asked)
    assert asked > 20
    await bench.clock.advance(31)
    assert bench.vehicle.phase is Phase.PARKED, "answers with the ignition off are no sign of life"
    at = bench.now_s
    await bench.clock.advance(600)
    assert bench.diagnostics.since(at) == []


async def test_our_own_answers_on_the_telematics_units_id_are_no_sign_of_life(bench: PollingBench) -> None:
    await bench.telematics()
    for _ in range(62):
        await bench.clock.advance(1)
        battery = {bytes.fromhex(it) for it in ("229002", "2291C8", "229041")}
        if battery & set(bench.diagnostics.since(bench.now_s - 1.2)):  # told late, as a limited rate tells it
            await bench.hear(0x18DADBF1, "03229002FFFFFFFF", extended=True)
            await bench.hear(TELEMATICS, "0562900213880000", extended=True)
    assert bench.vehicle.phase is Phase.PARKED


async def test_it_is_left_alone_at_once_when_it_says_that_it_sleeps(bench: PollingBench) -> None:
    await bench.telematics()
    await bench.clock.advance(5)
    assert bench.car.fresh(SOC_FINE) is not None
    await bench.hear(0x6F9, "83C0000000000000")
    at = bench.now_s
    await bench.clock.advance(100)
    assert len(bench.diagnostics.since(at + 0.1)) == 0
    assert bench.car.fresh(SOC_FINE) is None, "what is not asked any more is not believed any more"
    assert bench.car.value(SOC_FINE) is not None


async def test_ignition_on_keeps_it_awake_and_brings_the_faster_rates(bench: PollingBench) -> None:
    bench.answer(ignition=IGNITION_ON)
    await bench.telematics()
    await bench.clock.advance(300)
    assert bench.vehicle.phase is Phase.DRIVING
    at = bench.now_s
    await bench.clock.advance(20)
    assert len([it for it in bench.diagnostics.since(at) if it == bytes.fromhex("229002")]) >= 9
    bench.answer(ignition=IGNITION_OFF)
    await bench.clock.advance(10)
    assert bench.vehicle.phase is Phase.AWAKE
    await bench.clock.advance(80)
    assert bench.vehicle.phase is Phase.PARKED


async def test_a_charge_keeps_it_awake_and_a_session_is_opened_before_its_questions(bench: PollingBench) -> None:
    bench.answer(charge_state=bytes.fromhex("622B6D03"))
    await bench.telematics()
    await bench.clock.advance(120)
    assert bench.vehicle.phase is Phase.CHARGING
    assert bench.car.on(CHARGE_STATUS) is not None
    asked = [payload for _, payload in bench.diagnostics.asked]
    mains = [number for number, payload in enumerate(asked) if payload == bytes.fromhex("22504A")]
    assert mains
    assert all(asked[number - 1] == bytes.fromhex("1003") for number in mains)


async def test_satellites_that_show_movement_wake_it_and_one_reflection_does_not(bench: PollingBench) -> None:
    await bench.roll(2)
    await bench.clock.advance(5)
    assert bench.diagnostics.asked == []
    await bench.roll(3)
    await bench.clock.advance(5)
    assert bench.diagnostics.asked != []


async def test_five_questions_without_any_answer_mean_that_it_sleeps(bench: PollingBench) -> None:
    bench.diagnostics.answers.clear()
    await bench.telematics()
    await bench.clock.advance(30)
    assert len(bench.diagnostics.asked) == 5
    assert bench.vehicle.phase is Phase.PARKED
    await bench.telematics()
    await bench.clock.advance(30)
    assert len(bench.diagnostics.asked) == 10, "it woke up anew"


async def test_r21_a_sleeping_car_on_a_tow_truck_is_not_asked_all_the_way(bench: PollingBench) -> None:
    bench.diagnostics.answers.clear()
    for _ in range(280):
        await bench.roll(1)
    assert len(bench.diagnostics.asked) == 5
    bench.awake_and_off()
    for _ in range(60):
        await bench.roll(1)
    assert len(bench.diagnostics.asked) > 10, "after some minutes it is tried again"


async def test_what_is_refused_is_put_off_and_counted_by_question(bench: PollingBench) -> None:
    bench.answer(ignition=IGNITION_ON, energy=NegativeReply(0x22, 0x31), charge=NegativeReply(0x22, 0x21))
    await bench.telematics()
    await bench.clock.advance(300)
    polls = bench.polling.status()["polls"]
    assert isinstance(polls, dict)
    assert polls["energy"]["unsupported"] in (7, 8), "every 2 s, doubling: at 0, 4, 12, 28, 60, 124, 252 s"
    assert polls["energy"]["failures_in_a_row"] == polls["energy"]["unsupported"]
    assert polls["charge"]["busy"] > 100, "busy is asked again two seconds later"
    assert bench.car.value(ENERGY) is None


async def test_a_lost_bus_is_nobodys_refusal(bench: PollingBench) -> None:
    bench.diagnostics.answers = dict.fromkeys(bench.diagnostics.answers, DeviceGone("no such device"))
    await bench.telematics()
    await bench.clock.advance(10)
    polls = bench.polling.status()["polls"]
    assert isinstance(polls, dict)
    assert {it["failures_in_a_row"] for it in polls.values()} == {0}
    assert any(it.get("lost") for it in polls.values())
    bench.watch.events.put_nowait(BusState.LOST)
    await settle()
    assert bench.vehicle.phase is Phase.PARKED


async def test_never_more_than_ten_questions_a_second(bench: PollingBench) -> None:
    bench.answer(ignition=IGNITION_ON)
    await bench.telematics()
    await bench.clock.advance(60)
    asked = [at for at, payload in bench.diagnostics.asked if payload != bytes.fromhex("1003")]
    assert min(b - a for a, b in pairwise(asked)) >= 0.0999


@pytest.mark.parametrize("why", ["garage", "supply"])
async def test_r16_r17_who_forbids_asking_is_obeyed_and_nothing_is_believed_meanwhile(
    bench: PollingBench, why: str
) -> None:
    bench.answer(ignition=IGNITION_ON)
    await bench.telematics()
    await bench.clock.advance(20)
    assert bench.car.fresh(VOLTAGE_12V) is not None
    bench.why = why
    await bench.clock.advance(1.5)
    at = bench.now_s
    await bench.clock.advance(100)
    assert bench.diagnostics.since(at) == []
    assert bench.car.fresh(VOLTAGE_12V) is None
    assert bench.car.fresh(IGNITION) is None


async def test_r9_who_waits_for_the_lock_gets_it_asked_for_every_third_of_a_second(bench: PollingBench) -> None:
    bench.car.acted()
    waiting = asyncio.create_task(bench.car.wait_locked(True, 3.0))
    await bench.clock.advance(1.0)
    assert not waiting.done()
    asked = [at for at, payload in bench.diagnostics.asked if payload == bytes.fromhex("228004")]
    assert 3 <= len(asked) <= 4
    bench.answer(lock=bytes.fromhex("62800480"))
    await bench.clock.advance(0.4)
    assert waiting.done()
    assert waiting.result() is True
    assert not bench.car.lock_wanted.is_set()


async def test_r9_an_answer_of_before_the_movement_confirms_nothing(bench: PollingBench) -> None:
    bench.answer(lock=bytes.fromhex("62800480"))
    await bench.telematics()
    await bench.clock.advance(5)
    assert bench.car.fresh(LOCKED) is not None
    bench.answer(lock=None)
    waiting = asyncio.create_task(bench.car.wait_locked(True, 3.0))
    await bench.clock.advance(3.5)
    assert waiting.result() is False


async def test_r17_in_the_garage_the_lock_is_not_asked_for_either(bench: PollingBench) -> None:
    bench.why = "garage"
    bench.car.acted()
    waiting = asyncio.create_task(bench.car.wait_locked(True, 3.0))
    await bench.clock.advance(4)
    assert waiting.result() is False
    assert bench.diagnostics.asked == []


async def test_r21_a_parked_car_is_not_even_asked_for_the_lock_that_somebody_waits_for(bench: PollingBench) -> None:
    await bench.hear(0x6F9, "83C0000000000000")
    waiting = asyncio.create_task(bench.car.wait_locked(True, 3.0))
    await settle()
    assert bench.car.lock_wanted.is_set()
    await bench.clock.advance(4)
    assert bench.vehicle.phase is Phase.PARKED
    assert waiting.result() is False
    assert bench.diagnostics.asked == []


async def test_r10_what_is_answered_no_more_is_believed_no_more_and_the_rest_is(bench: PollingBench) -> None:
    bench.answer(ignition=IGNITION_ON)
    await bench.telematics()
    await bench.clock.advance(20)
    assert bench.car.fresh(SOC_FINE) is not None
    bench.answer(charge=None)
    await bench.clock.advance(60)
    assert bench.vehicle.phase is Phase.DRIVING
    assert bench.car.fresh(SOC_FINE) is None
    assert bench.car.value(SOC_FINE) is not None
    assert bench.car.fresh(ENERGY) is not None


READINGS = {bytes.fromhex(it) for it in ("222006", "229002", "2291C8")}


async def test_what_legs_and_charges_read_is_asked_at_once_when_the_car_is_switched_or_plugged(
    bench: PollingBench,
) -> None:
    bench.answer(ignition=IGNITION_ON)
    await bench.telematics()
    await bench.clock.advance(60)
    for turn in (IGNITION_OFF, IGNITION_ON):
        bench.answer(ignition=turn)
        at = bench.now_s
        await bench.clock.advance(2.6)
        asked = bench.diagnostics.since(at)
        first = next(number for number, payload in enumerate(asked) if payload in READINGS)
        assert set(asked[first : first + len(READINGS)]) == READINGS, "after the word of the ignition, before all else"
    at = bench.now_s
    bench.car.update(Signal(PLUGGED, "yes", bench.clock.now().ns))
    await bench.clock.advance(1.3)
    assert set(bench.diagnostics.since(at)) >= READINGS


async def test_r10_r16_a_turn_asks_nothing_of_a_car_that_sleeps_or_may_not_be_asked(bench: PollingBench) -> None:
    bench.car.update(Signal(PLUGGED, "yes", bench.clock.now().ns))
    await bench.clock.advance(30)
    bench.why = "supply"
    await bench.telematics()
    bench.car.update(Signal(PLUGGED, "no", bench.clock.now().ns))
    await bench.clock.advance(30)
    assert bench.diagnostics.asked == []


async def test_the_ignition_is_asked_before_all_that_is_overdue(bench: PollingBench) -> None:
    ignition = bytes.fromhex("22200E")
    await bench.telematics()
    await bench.clock.advance(1.2)
    assert bench.diagnostics.asked[0][1] == ignition
    bench.answer(ignition=IGNITION_ON)
    await bench.clock.advance(20)
    asked = [at for at, payload in bench.diagnostics.asked if payload == ignition]
    every = next(poll.every_s for poll in bench.model.polls if poll.payload == ignition)
    assert max(b - a for a, b in pairwise(asked)) <= max(every.values()) + 0.2


async def test_slow_answers_to_timed_questions_leave_room_for_all_others() -> None:
    bench = PollingBench(cars.find("zoe-ph2-obd"))
    bench.awake_and_off()
    bench.diagnostics.takes_s = 0.55
    for at in range(120):
        await (bench.telematics() if at % 2 else bench.clock.advance(1))
    asked = {it.name for it in bench.model.polls if it.payload in bench.diagnostics.since(0)}
    assert asked >= {"odometer", "locked", "door_fl", "ignition", "plug"}
    await bench.off()
