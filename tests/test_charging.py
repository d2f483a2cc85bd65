"""Charges: one for each plugging, with its pauses; what counts as charging, why it ended, and what a cut costs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car import cable
from agent.car.cable import Cable
from agent.car.charging import CONFIRM_MS, Charge, agreed, step
from agent.car.look import Look
from agent.sync.forms import problems
from tests.test_legs import reading

S = 1_000
NONE, CHARGING = {"flag": False, "status": "none"}, {"flag": True, "status": "charging"}
ENDED, WAITING, FAILURE = ({"flag": False, "status": each} for each in ("ended", "waiting", "failure"))


class Plugging:
    """Once a second a look; `run` says how long the car shows the same."""

    def __init__(self, plugged: bool | None = False) -> None:
        self.at, self.kwh = 0, 10.0
        self.charge: Charge | None = None
        self.cable = Cable(plugged)
        self.told: list[Any] = []
        self.turns: list[cable.Turn] = []
        self.boot = "aa" * 8
        self.km = 100.0
        self.station: str | None = "Mairie"

    def look(self, plugged: bool | None, **said: Any) -> None:
        more = {name: said.pop(name) for name in list(said) if name not in Look.__slots__}
        now = reading(self.at, self.km, energy_kwh=round(self.kwh, 1), boot=self.boot, at_station=self.station, **more)
        seen = Look(now, False, plugged=plugged, charge_point="FR*1" if self.station else None, **said)
        before = self.cable
        self.cable, turn = cable.step(self.cable, seen, 7, "private")
        self.turns += [] if turn is None else [turn]
        self.charge, told = step(self.charge, seen, 7, before, self.cable.plugged)
        self.told += told
        if self.charge is not None:
            assert Charge.from_bytes(self.charge.to_bytes()) == self.charge

    def run(self, seconds: int, plugged: bool | None = True, kw: float = 0.0, **said: Any) -> Plugging:
        for _ in range(seconds):
            self.look(plugged, **said)
            self.at += S
            self.kwh += kw / 3600
        return self

    def closed(self) -> dict[str, Any]:
        assert [problem for fact in self.told for problem in problems(*fact)] == []
        [started, closed] = [body for _, body in self.told]
        assert (started["event"], closed["event"], started["start"]) == ("started", "closed", closed["start"])
        return closed  # type: ignore[no-any-return]


def test_r25_a_charge_says_where_whose_when_how_much_and_why_it_ended() -> None:
    it = Plugging().run(10, False).run(30, **NONE).run(3600, kw=7.2, **CHARGING).run(60, **ENDED).run(6, False, **NONE)
    closed = it.closed()
    assert (closed["booking"], closed["station"], closed["charge_point"]) == (7, "Mairie", "FR*1")
    assert [closed[name]["at"] // S for name in ("plug_in", "start", "end", "unplug")] == [10, 40, 3640, 3700]
    assert (closed["why"], closed["energy_kwh"], closed["mean_kw"]) == ("full", 7.2, 7.2)
    assert (closed["pauses"], closed["paused_ms"], closed["unseen_ms"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (ENDED, "full"),
        (WAITING, "station_stopped"),
        (FAILURE, "fault"),
        ({"flag": False, "status": "planned"}, "unknown"),
    ],
)
def test_r25_why_a_charge_ended_is_the_cars_own_word(after: dict[str, Any], why: str) -> None:
    closed = Plugging().run(600, kw=7.2, **CHARGING).run(60, **after).run(30, **NONE).run(6, False).closed()
    assert closed["why"] == why


@pytest.mark.parametrize("last_words", [0, 1, 4])
def test_r25_the_cable_pulled_out_of_a_charging_car_is_unplugged(last_words: int) -> None:
    it = Plugging().run(600, kw=7.2, **CHARGING).run(last_words, **NONE).run(6, False, **NONE)
    closed = it.closed()
    assert (closed["why"], closed["end"]["at"]) == ("unplugged", 600 * S)


def test_one_charge_a_plugging_with_its_pauses_inside() -> None:
    it = Plugging().run(1800, kw=7.2, **CHARGING).run(600, **WAITING).run(1800, kw=3.6, **CHARGING)
    closed = it.run(20, **ENDED).run(6, False, **NONE).closed()
    assert (closed["pauses"], closed["paused_ms"], closed["why"]) == (1, 600 * S, "full")
    assert closed["energy_kwh"] == pytest.approx(5.4, abs=0.11)
    assert closed["mean_kw"] == pytest.approx(5.4, abs=0.11)


@pytest.mark.parametrize("on", [4, 12])
def test_a_cable_that_flaps_is_one_plugging_or_none_and_every_time_is_that_of_the_first_word(on: int) -> None:
    it = Plugging().run(10, False)
    for _ in range(20):
        it.run(on, kw=7.2, **CHARGING).run(2, False, **NONE)
    it.run(10, False, **NONE)
    if on == 4:
        assert (it.turns, it.told) == ([], [])
        return
    assert [turn.reading["at"] // S for turn in it.turns] == [10, 10 + 20 * 14 - 2]
    closed = it.closed()
    assert [closed[name]["at"] for name in ("plug_in", "unplug")] == [turn.reading["at"] for turn in it.turns]
    assert (closed["start"]["at"], closed["why"]) == (10 * S, "unplugged")


def test_r27_a_turn_of_the_cable_names_no_station_in_a_private_booking() -> None:
    for kind, station in (("private", None), ("staff", "Mairie"), (None, "Mairie")):
        told, turn = Cable(False), None
        for at in (0, CONFIRM_MS):
            told, turn = cable.step(told, Look(reading(at, at_station="Mairie"), plugged=True), 7, kind)
        assert turn is not None
        assert (turn.reading["at_station"], turn.booking) == (station, 7)


def test_a_turn_of_the_cable_before_a_power_cut_is_believed_after_it() -> None:
    told, _ = cable.step(Cable(False), Look(reading(60_000), plugged=True), 7, "staff")
    told, turn = cable.step(told, Look(reading(1_000, boot="bb" * 8), plugged=True), 7, "staff")
    assert turn is not None
    assert (told.plugged, turn.reading["at"]) == (True, 60_000)


def test_what_the_battery_loses_in_a_pause_is_no_negative_charging() -> None:
    it = Plugging().run(1800, kw=7.2, **CHARGING).run(1200, kw=-3.0, **WAITING).run(1800, kw=7.2, **CHARGING)
    assert it.run(9, **ENDED).run(6, False).closed()["energy_kwh"] == pytest.approx(7.2, abs=0.11)


# --- the flag and the status ------------------------------------------------------------------------------------------


def test_the_flag_of_658_counts_only_when_65b_agrees_for_some_seconds() -> None:
    stuck = Plugging().run(3600, flag=True, status="ended").run(6, False)
    assert stuck.told == []
    short = Plugging().run(CONFIRM_MS // S, **CHARGING).run(60, **NONE).run(6, False)
    assert short.told == []
    long = Plugging().run(CONFIRM_MS // S + 1, **CHARGING)
    assert [body["event"] for _, body in long.told] == ["started"]


def test_a_flag_that_drops_for_a_moment_is_no_pause() -> None:
    it = Plugging().run(600, kw=7.2, **CHARGING).run(CONFIRM_MS // S - 1, flag=False, status="charging")
    closed = it.run(600, kw=7.2, **CHARGING).run(6, False).closed()
    assert (closed["pauses"], closed["energy_kwh"]) == (0, pytest.approx(2.4, abs=0.1))


@pytest.mark.parametrize("said", [{"flag": True}, {"status": "charging"}])
def test_a_car_that_tells_only_one_of_the_two_is_believed_on_that_one(said: dict[str, Any]) -> None:
    over = {name: {"flag": False, "status": "none"}[name] for name in said}
    closed = Plugging().run(600, kw=7.2, **said).run(60, soc_percent=100.0, **over).run(6, False).closed()
    assert closed["why"] == ("full" if "flag" in said else "unknown")


def test_what_the_car_says() -> None:
    assert agreed(None, None) is None
    assert (agreed(True, None), agreed(False, None)) == (True, False)
    assert (agreed(None, "charging"), agreed(None, "waiting")) == (True, False)
    assert (agreed(True, "charging"), agreed(True, "ended"), agreed(False, "charging")) == (True, False, False)


def test_silence_changes_nothing() -> None:
    it = Plugging().run(600, kw=7.2, **CHARGING).run(900, None, kw=7.2)
    assert it.run(3, **CHARGING).run(6, False).closed()["pauses"] == 0


def test_recuperation_is_no_charge() -> None:
    assert Plugging().run(600, False, kw=20.0, **CHARGING).told == []
    assert Plugging(None).run(600, None, kw=20.0, **CHARGING).told == []


def test_a_plugging_that_never_charged_leaves_no_charge() -> None:
    assert Plugging().run(600, **WAITING).run(6, False).told == []


# --- what the box did not see -----------------------------------------------------------------------------------------


def test_a_cable_that_was_in_before_the_box_looked_has_no_plug_in() -> None:
    closed = Plugging(None).run(600, kw=7.2, **CHARGING).run(6, False).closed()
    assert (closed["plug_in"], closed["start"]["at"]) == (None, 0)


def test_a_fix_that_comes_late_names_the_station_of_a_car_that_stands() -> None:
    it = Plugging(None)
    it.station = None
    it.run(300, kw=7.2, **CHARGING)
    it.station = "Mairie"
    it.run(300, kw=7.2, **CHARGING).run(9, **ENDED)
    it.station = None
    closed = it.run(6, False).closed()
    assert (closed["station"], closed["charge_point"]) == ("Mairie", "FR*1")


def test_a_charge_goes_on_over_a_cut_and_says_how_long_nobody_looked() -> None:
    it = Plugging().run(600, kw=7.2, **CHARGING)
    it.at += 600 * S
    it.kwh += 1.2
    closed = it.run(600, kw=7.2, **CHARGING).run(20, **ENDED).run(6, False).closed()
    assert (closed["unseen_ms"], closed["pauses"], closed["why"]) == (601 * S, 0, "full")
    assert closed["energy_kwh"] == pytest.approx(3.6, abs=0.1)


def test_what_the_car_said_before_a_cut_does_not_confirm_what_it_says_after_it() -> None:
    it = Plugging().run(600, kw=7.2, **CHARGING).run(2, **NONE)
    it.boot, it.at = "bb" * 8, 900 * S
    it.run(CONFIRM_MS // S - 1, **NONE).run(600, kw=7.2, **CHARGING).run(9, **ENDED).run(6, False)
    assert it.closed()["pauses"] == 0


def test_unplugged_in_the_dark_ends_at_the_last_look_and_nobody_knows_why() -> None:
    it = Plugging().run(600, kw=7.2, **CHARGING)
    it.at += 7200 * S
    it.kwh -= 3.0
    closed = it.run(6, False, **NONE).closed()
    assert (closed["end"]["at"], closed["unplug"], closed["why"]) == (599 * S, None, "unknown"), "nobody saw it go"
    assert closed["energy_kwh"] == pytest.approx(1.2, abs=0.1)


def test_a_car_that_drove_meanwhile_was_unplugged_whoever_saw_it() -> None:
    it = Plugging().run(600, kw=7.2, **CHARGING)
    it.at, it.km, it.kwh = it.at + 7200 * S, 130.0, 6.0
    closed = it.run(1, True, **NONE).closed()
    assert (closed["unplug"], closed["why"]) == (None, "unknown")
    assert it.charge is not None
    assert (it.charge.plug_in, it.charge.start) == (None, None), "and is in a plugging that nobody saw begin"


def test_an_odometer_that_is_told_late_ends_no_charge() -> None:
    """A car that is asked every five minutes while it charges, in whole kilometres."""
    it = Plugging().run(10, False).run(300, kw=7.2, **CHARGING)
    it.km += 1
    closed = it.run(300, kw=7.2, **CHARGING).run(6, False, **NONE).closed()
    assert [closed[name]["at"] // S for name in ("plug_in", "unplug")] == [10, 610]


def test_junk_on_the_disk_is_no_charge() -> None:
    for junk in (b"", b"{}", b"[1]", b"\xff", b'{"booking":1}'):
        assert Charge.from_bytes(junk) is None


WORDS = st.sampled_from([NONE, CHARGING, ENDED, WAITING, {"flag": True, "status": "ended"}, {}])


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), WORDS, st.integers(1, 12)), max_size=25))
def test_energy_and_times_hold_together_whatever_the_car_says(
    days: list[tuple[bool | None, dict[str, Any], int]],
) -> None:
    it = Plugging(None)
    for plugged, said, seconds in days:
        it.run(seconds, plugged, kw=3600.0 if said is CHARGING else 0.0, **said)
    it.run(6, False)
    open_ = None
    for _, body in it.told:
        if body["event"] == "started":
            assert open_ is None
            open_ = body["start"]
            continue
        assert body["start"] == open_
        open_ = None
        span = body["end"]["at"] - body["start"]["at"]
        assert 0 <= body["paused_ms"] <= span
        assert 0 <= body["energy_kwh"] <= it.kwh - 10.0 + 0.1
        assert body["why"] in ("full", "unplugged", "station_stopped", "unknown")
    assert open_ is None


def test_a_cable_is_in_and_out_when_the_car_said_so_and_not_when_somebody_looked() -> None:
    it = Plugging().run(3, False).run(1, plugged_at=2_600).run(20, plugged_at=2_600, **CHARGING)
    it.run(1, False, plugged_at=23_300, **NONE).run(7, False, plugged_at=23_300, **NONE)
    closed = it.closed()
    assert (closed["plug_in"]["at"], closed["unplug"]["at"], closed["end"]["at"]) == (2_600, 23_300, 23_300)
    assert closed["why"] == "unplugged"
    assert [turn.reading["at"] for turn in it.turns] == [2_600, 23_300]
