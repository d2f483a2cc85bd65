"""The oracle of legs and charges: an honest record agrees with what the car did, and every lie is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hil.backend import lateness
from hil.backend.held import HeldFact, Holding
from hil.backend.journeys import Fine, charges, flows, legs, pluggings
from hil.diary import Diary
from hil.truth import Battery, CarTruth, flowing
from tests.hil_backend import until
from tests.test_hil_world import a_world

T0 = 1_800_000_000_000
HERE = (48.7, -0.5)


class Life:
    """Writes a diary second by second, with the car's own physics."""

    def __init__(self) -> None:
        self.diary, self.battery, self.at = Diary(), Battery(), 0
        self.truth = self.battery.filled(CarTruth(), 12.0)
        self.note("begin", "world")
        self.note("agent", "ready")

    def note(self, what: str, value: str, **changes: Any) -> None:
        self.truth = replace(self.truth, **changes)
        self.diary.write(T0 + self.at, what, value, "", self.truth, HERE)

    def wait(self, seconds: float, charging: bool = False) -> None:
        if charging:
            self.truth = self.battery.charged(self.truth, seconds)
        self.at += round(seconds * 1000)

    def drive(self, speeds: list[float]) -> None:
        for speed in speeds:
            before = self.truth
            self.truth = flowing(before, self.battery.rolled(before, speed / 3600, speed), 1.0)
            self.at += 1000
            self.note("road", f"{speed:.0f}")


def a_life() -> Life:
    life = Life()
    life.wait(10)
    life.note("ignition", "on", ignition=True)
    life.wait(5)
    life.drive([20.0, 40.0, 60.0, *[60.0] * 60, 40.0, 20.0, 0.0])
    life.wait(5)
    life.note("ignition", "off", ignition=False)
    life.wait(20)
    life.note("plug", "in", plugged=True, charging=True)
    life.wait(1800, charging=True)
    life.note("charge", "stop", charging=False)
    life.wait(300)
    life.note("charge", "start", charging=True)
    life.wait(900, charging=True)
    life.note("plug", "out", plugged=False, charging=False)
    life.wait(30)
    life.note("end", "world")
    return life


def reading(diary: Diary, at: int) -> dict[str, Any]:
    truth = diary.truth(T0 + at)
    return {
        "odometer_km": truth.odometer_km, "energy_kwh": truth.energy_kwh, "wall": [T0 + at - 200, T0 + at + 200],
    }  # fmt: skip


def records(life: Life) -> dict[str, dict[str, Any]]:
    """What an honest box says of that life: it looks half a second late."""
    diary = life.diary
    [on, off] = [moment.at_ms - T0 for moment in diary.of("ignition")]
    [plug_in, out] = [moment.at_ms - T0 for moment in diary.of("plug")]
    used, back, _ = flows(diary, T0 + on, T0 + off)
    leg = {
        "event": "closed", "leg": 1, "booking": 7, "start": reading(diary, on + 500), "end": reading(diary, off + 500),
        "km": round(diary.odometer_km(T0 + off) - diary.odometer_km(T0 + on), 2), "duration_ms": off - on,
        "energy_kwh": round(used - back, 1), "energy_used_kwh": round(used, 2), "energy_recovered_kwh": round(back, 2),
        "unseen_ms": 0,
    }  # fmt: skip
    charge = {
        "event": "closed", "booking": 7, "plug_in": reading(diary, plug_in + 500), "unplug": reading(diary, out + 500),
        "start": reading(diary, plug_in + 3_000), "end": reading(diary, out + 500), "why": "unplugged",
        "energy_kwh": round(7.4 * 2697 / 3600, 1),
    }  # fmt: skip
    return {"leg": leg, "charge": charge}


def holding(*facts: tuple[str, dict[str, Any]]) -> Holding:
    held = [HeldFact("a", n, kind, body, "b", 0, None, None, 0, None) for n, (kind, body) in enumerate(facts, 1)]
    return Holding(tuple(held), (), (), (), (), ())


def judged(life: Life, told: dict[str, dict[str, Any]]) -> list[str]:
    held = holding(*told.items())
    return legs(held, life.diary, Fine())[1] + charges(held, life.diary, Fine())[2]


def test_honest_records_agree_and_the_drive_braked() -> None:
    life = a_life()
    told = records(life)
    assert told["leg"]["energy_recovered_kwh"] > 0.01
    assert judged(life, told) == []
    held = holding(*told.items())
    assert (legs(held, life.diary, Fine())[0], charges(held, life.diary, Fine())[:2]) == (1, (1, 1))


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (lambda it: it["leg"].update(km=it["leg"]["km"] + 0.12), "km driven"),
        (lambda it: it["leg"].update(duration_ms=it["leg"]["duration_ms"] + 2_000), "from ignition to ignition"),
        (lambda it: it["leg"].update(energy_kwh=it["leg"]["energy_kwh"] + 0.3), "kWh really"),
        (lambda it: it["leg"].update(energy_used_kwh=it["leg"]["energy_used_kwh"] + 0.2), "energy_used_kwh"),
        (lambda it: it["leg"].update(energy_recovered_kwh=0.4), "energy_recovered_kwh"),
        (lambda it: it["leg"].update(end=it["leg"]["start"], duration_ms=-1_000), "duration_ms -1000 is negative"),
        (lambda it: it["charge"].update(energy_kwh=6.2), "6.2 kWh, 5.5"),
        (lambda it: it["charge"].update(why="full"), "ended as full instead of unplugged"),
        (lambda it: it["charge"].update(plug_in=None), "plug_in at None"),
        (lambda it: it["charge"].update(unplug=it["charge"]["plug_in"]), "unplug at"),
        (lambda it: it.pop("charge"), "0 charges instead of 1"),
        (lambda it: it["charge"].update(start=None), "has no start or no end"),
        (lambda it: it["leg"].update(km=None), "km is null"),
        (lambda it: it["leg"].update(energy_kwh=None), "energy_kwh is null"),
        (lambda it: it["leg"].update(duration_ms=None), "duration_ms is null"),
        (lambda it: it["leg"].update(unseen_ms=None), "unseen_ms is null"),
        (lambda it: it["leg"].update(energy_used_kwh=None), "energy_used_kwh is null"),
        (lambda it: it["leg"].update(energy_recovered_kwh=None), "energy_recovered_kwh is null"),
        (lambda it: it["charge"].update(energy_kwh=None), "energy_kwh is null"),
    ],
)
def test_any_lie_is_found(lie: Callable[[dict[str, Any]], object], words: str) -> None:
    life = a_life()
    told = records(life)
    lie(told)
    assert words in "\n".join(judged(life, told))


def told(life: Life, on_ms: int, off_ms: int, *, asleep: bool = False) -> Diary:
    """The same life, whose bench told the car so late that it was switched on (after 10 s) and off (after 86)."""
    found = Diary()
    notes = [(T0 + 10_000 + on_ms, "ignition on"), (T0 + 86_000 + off_ms, "ignition off")]
    for moment in life.diary.moments:
        while notes and notes[0][0] < moment.at_ms:
            at, value = notes.pop(0)
            found.write(at, "told", value, "", moment.truth, HERE)
        truth = replace(moment.truth, awake=moment.at_ms >= T0 + 10_000 or not asleep)
        found.write(moment.at_ms, moment.what, moment.value, moment.detail, truth, HERE)
    return found


@pytest.mark.parametrize(
    ("on_ms", "off_ms", "asleep", "least", "most"),
    [
        (0, 0, False, -1_500, 1_500),
        (2_000, 0, False, -3_500, 1_500),
        (0, 700, False, -1_500, 2_200),
        (300, 400, True, -2_450, 1_900),
    ],
)
def test_a_leg_may_be_wrong_by_what_the_bench_and_a_waking_car_did_and_by_no_more(
    on_ms: int, off_ms: int, asleep: bool, least: int, most: int
) -> None:
    life = a_life()
    diary, leg = told(life, on_ms, off_ms, asleep=asleep), records(life)["leg"]
    for wrong, right in ((least, True), (least - 1, False), (most, True), (most + 1, False)):
        held = holding(("leg", leg | {"duration_ms": 76_000 + wrong}))
        assert (legs(held, diary, Fine())[1] == []) is right, wrong


@pytest.mark.parametrize(
    ("notes", "excused"),
    [
        ([(9_000, "killed"), (9_500, "ready"), (11_300, "listens")], 1_300),
        ([(9_000, "killed"), (9_500, "listens"), (9_501, "ready"), (80_000, "killed"), (80_500, "ready")], 0),
        ([(9_000, "killed"), (9_500, "ready"), (9_900, "listens")], 0),
        ([(9_500, "ready"), (10_400, "killed"), (10_600, "ready"), (11_000, "listens")], 400),
    ],
)
def test_a_box_that_just_started_may_date_what_it_hears_when_it_begins_to_listen(
    notes: list[tuple[int, str]], excused: int
) -> None:
    diary = Diary()
    for at, what, value in sorted([*((at, "agent", it) for at, it in notes), (10_000, "ignition", "on"),
                                   (90_000, "ignition", "off")]):  # fmt: skip
        diary.write(T0 + at, what, value, "", CarTruth(awake=True), HERE)
    assert lateness.excused(diary, T0 + 10_000, T0 + 90_000, 650) == (excused, 0)


def test_a_car_that_was_never_told_excuses_nothing() -> None:
    life = a_life()
    held = holding(("leg", records(life)["leg"] | {"duration_ms": 76_000 - 4_000}))
    assert legs(held, told(life, 77_000, 0), Fine())[1] != [], "the next was told"


NOTHING: dict[str, Any] = {"km": None, "energy_kwh": None}


def nulled(leg: dict[str, Any], *ends: str) -> dict[str, Any]:
    """The leg of a car that told neither odometer nor energy at those ends."""
    return leg | NOTHING | {name: leg[name] | {"odometer_km": None, "energy_kwh": None} for name in ends}


def broken(life: Life, at_s: float, what: str, value: str, mended_s: float, back: tuple[str, str]) -> Diary:
    """The same life, in which something was away for a while."""
    found = Diary()
    notes = [(T0 + round(1_000 * at_s), what, value), (T0 + round(1_000 * mended_s), *back)]
    for moment in life.diary.moments:
        while notes and notes[0][0] <= moment.at_ms:
            at, kind, word = notes.pop(0)
            found.write(at, kind, word, "", life.diary.truth(at), HERE)
        found.write(moment.at_ms, moment.what, moment.value, moment.detail, moment.truth, moment.position)
    return found


@pytest.mark.parametrize("ends", [(), ("end",), ("start", "end")])
def test_a_leg_tells_no_kilometres_only_where_the_car_was_not_heard(ends: tuple[str, ...]) -> None:
    """Switched on after 10 s and off after 86."""
    life = a_life()
    held = holding(("leg", nulled(records(life)["leg"], *ends) | dict.fromkeys(("energy_used_kwh",))))
    lost, back = ("can", "down"), ("can", "up")
    found = "\n".join(legs(held, life.diary, Fine())[1])
    assert "km is null" in found
    assert "energy_kwh is null" in found
    assert legs(held, life.diary, Fine(tells=()))[1] == ["leg 1 of 7: energy_used_kwh is null in the light"]
    for begin, end in ((60, 88), (84, 120), (30, 76)):
        assert legs(held, broken(life, begin, *lost, end, back), Fine())[1] == [], (begin, end)
    early = legs(held, broken(life, 20, *lost, 30, back), Fine())[1]
    assert [it.split(" is ")[0] for it in early] == ["leg 1 of 7: km", "leg 1 of 7: energy_kwh"]
    assert legs(held, broken(life, 84, "power", "cut", 90, ("agent", "ready")), Fine())[1] == []


def test_a_car_that_was_on_for_a_moment_and_never_told_before_may_have_told_nothing() -> None:
    life = a_life()
    held = holding(("leg", nulled(records(life)["leg"], "start", "end")))
    assert legs(held, life.diary, Fine(sure_ms=76_000))[1] != []
    assert legs(held, life.diary, Fine(sure_ms=76_001))[1] == []
    undated = {name: {"boot": name, "wall": None} for name in ("start", "end")}
    held = holding(("leg", records(life)["leg"] | undated | {"duration_ms": None, "unseen_ms": None}))
    assert legs(held, life.diary, Fine())[1] == [], "two boots, of which one did not know the time"


def test_a_charge_too_short_for_its_car_to_have_told_of_it_is_not_demanded() -> None:
    life = a_life()
    longest_ms = max(end - begin for plugging in pluggings(life.diary) for begin, end in plugging.charged)
    held = holding(("leg", records(life)["leg"]))
    assert len(charges(held, life.diary, Fine(sure_ms=longest_ms))[2]) == 1
    assert charges(held, life.diary, Fine(sure_ms=longest_ms + 1))[2] == []


def test_two_charges_of_one_plugging_and_one_of_none_are_found() -> None:
    life = a_life()
    charge = records(life)["charge"]
    early = {**charge, "start": reading(life.diary, 5_000), "end": reading(life.diary, 8_000)}
    held = holding(("charge", charge), ("charge", charge), ("charge", early))
    found = "\n".join(charges(held, life.diary, Fine())[2])
    assert "2 charges instead of 1" in found
    assert "(fact 3) never happened" in found


def test_a_dark_minute_must_be_told() -> None:
    life = a_life()
    dark = broken(life, 30, "power", "cut", 60, ("agent", "ready"))
    told = holding(("leg", records(life)["leg"]))
    assert "0 ms unseen, but 30000 ms dark" in "\n".join(legs(told, dark, Fine())[1])


# --- the charge point's verbs -----------------------------------------------------------------------------------------


async def test_a_charge_point_stops_fails_and_starts_again_and_the_car_says_so() -> None:
    async with a_world() as (world, inside):
        with pytest.raises(ValueError, match="not plugged"):
            await world.charge("stop")
        await world.plug(True)
        seen = [inside.car()["charge_status"]]
        for op in ("stop", "start", "fault"):
            await world.charge(op)
            seen.append(inside.car()["charge_status"])
        assert seen == ["charging", "waiting", "charging", "failure"]
        with pytest.raises(ValueError, match="so already"):
            await world.charge("stop")
        assert world.truth.charging is False
        world.charge_pace = 360_000
        await world.charge("start")
        await until(lambda: world.truth.charge_status == "ended")
        await until(lambda: world.truth.battery_a == 0.0)
        await world.plug(False)
        assert world.truth.charge_status == "none"
        [only] = pluggings(world.diary)
        assert (only.why, len(only.charged)) == ("full", 3)
