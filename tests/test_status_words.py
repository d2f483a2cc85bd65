"""`boitier status`: the car in plain words, with the age of each value and nothing believed that may have changed."""

from __future__ import annotations

import json
import re
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.car.state import CarState
from agent.cli.said import sentences
from agent.cli.watching import alarms, block
from agent.cli.words import LANGUAGES, TEXTS, Words, language_of
from agent.run.shown import signals
from config import vocabulary as v
from tests.agent_process import Box
from tests.fakes.clock import ManualClock
from tests.terminal import Terminal

EN, FR = Words("en"), Words("fr")
HOURS = 10_800.0


def heard(name: str, value: float | str, age_s: float | None = 1.0, fresh: bool = True) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": v.VOCABULARY[name].unit, "age_s": age_s, "fresh": fresh}


def status(*signals: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"signals": list(signals), "can": {"state": "open"}, "door": {"lock_proven": True}, "alarms": {}} | more


def told(found: dict[str, Any], words: Words = EN) -> list[str]:
    return [f"{said.text} ({said.note})" if said.note else said.text for said in sentences(found, words)]


def first(*signals: dict[str, Any], **more: Any) -> str:
    return told(status(*signals, **more))[0]


def plug(*signals: dict[str, Any]) -> str:
    return sentences(status(*signals), EN)[2].text


PARKED = (
    heard(v.IGNITION, "off", 190, False), heard(v.LOCKED, "yes", 185, False), heard(v.SOC, 74.0, 190, False),
    heard(v.RANGE, 96.0, 190, False), heard(v.PLUGGED, "yes", 200, False), heard(v.CHARGING, "no", 200, False),
    *(heard(name, "no", 200, False) for name in v.DOORS), heard(v.VOLTAGE_12V, 12.625, 200, False),
    heard(v.ODOMETER, 41_230.4, 200, False), heard(v.OUTSIDE_TEMPERATURE, -3.0, 200, False),
)  # fmt: skip


def test_r10_a_sleeping_car_is_parked_and_its_last_word_stands_with_its_age() -> None:
    assert told(status(*PARKED)) == [
        "parked and locked (said 3 min ago, asleep since)",
        "74 %, about 96 km (said 3 min ago, asleep since)",
        "plugged, not charging (said 3 min ago, asleep since)",
        "doors shut (said 3 min ago, asleep since)",
        "12 V battery at 12.6 V (said 3 min ago, asleep since)",
        "41,230 km driven in all (said 3 min ago, asleep since)",
        "-3 °C outside (said 3 min ago, asleep since)",
    ]


def test_the_same_in_french_with_its_own_numbers() -> None:
    assert told(status(*PARKED), FR) == [
        "garée et verrouillée (dit il y a 3 min, endormie depuis)",
        "74 %, environ 96 km (dit il y a 3 min, endormie depuis)",
        "branchée, ne charge pas (dit il y a 3 min, endormie depuis)",
        "portes fermées (dit il y a 3 min, endormie depuis)",
        "batterie 12 V à 12,6 V (dit il y a 3 min, endormie depuis)",
        "41 230 km au compteur (dit il y a 3 min, endormie depuis)",
        "-3 °C dehors (dit il y a 3 min, endormie depuis)",
    ]


def test_r10_a_car_that_fell_silent_with_the_ignition_on_may_be_moving_and_its_lock_is_not_known() -> None:
    silent = (heard(v.IGNITION, "on", HOURS, False), heard(v.LOCKED, "yes", HOURS, False))
    how = "may be moving: it fell silent with the ignition on"
    assert first(*silent) == f"{how}; locked or not: not known (last heard 3 h ago, silent since)"


def test_a_lost_bus_proves_nothing_whatever_was_said_last() -> None:
    said = told(status(*PARKED, can={"state": "lost"}))
    assert said[0] == "the box does not hear the car's bus: what follows is old"
    assert said[1].startswith("parked or not: not known; locked or not: not known (last heard")
    assert said[2] == "74 %, about 96 km (last heard 3 min ago, silent since)"
    assert said[3].startswith("plugged or not: not known")
    assert said[4].startswith("doors not known")


def test_r9_an_unproven_lock_signal_is_said_to_be_one() -> None:
    said = told(status(*PARKED, door={"lock_proven": False}))
    assert said[1] == "the lock signal is not proven yet on this car (boitier check lock)"


def test_what_still_comes_stands_for_as_long_as_it_did_not_change() -> None:
    assert first(heard(v.IGNITION, "on", 400), heard(v.LOCKED, "no", 500)) == (
        "standing with the ignition on and unlocked (unchanged for 7 min)"
    )
    driving = first(heard(v.IGNITION, "on", 400), heard(v.LOCKED, "yes", 400), heard(v.SPEED, 43.4, 0.2))
    assert driving == "driving at 43 km/h and locked (just now)"


def test_numbers_from_before_a_power_cut_are_said_to_be_that() -> None:
    assert told(status(heard(v.SOC, 74.0, None, False)))[1] == (
        "74 % (known from before the power was cut, not heard since)"
    )


def test_r30_contacts_are_said_where_they_are_fitted_and_not_believed_where_they_cannot_be_read() -> None:
    holder = {"active": True, "age_s": 240.0, "trouble": ""}
    gone = {"active": None, "age_s": 2.0, "trouble": "/dev/gpiochip0:4: No such device"}
    found = status(heard(v.SOC, 74.0), inputs={"key_holder": holder, "card_holder": holder | {"active": False}})
    age, card = "(unchanged for 4 min)", "carte de recharge PAS sur son support"
    assert told(found)[-2:] == [f"key in its holder {age}", f"charge card NOT in its holder {age}"]
    assert told(found, FR)[-1] == f"{card} (inchangé depuis 4 min)"
    [*_, last] = sentences(status(heard(v.SOC, 74.0), inputs={"box_lid": gone}), EN)
    assert (last.text, last.note, last.believed) == ("lid of the box: not known", "", False)


def test_nothing_heard_is_said() -> None:
    assert told(status()) == ["nothing heard yet (a sleeping car is silent)"]


def test_a_computed_range_says_so() -> None:
    assert told(status(heard(v.SOC_FINE, 73.6), heard(v.RANGE, 96.0) | {"computed": True}))[1] == (
        "74 %, about 96 km (computed) (just now)"
    )


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ([], "plugged or not: not known"),
        ([heard(v.PLUGGED, "no")], "not plugged"),
        ([heard(v.PLUGGED, "yes")], "plugged"),
        ([heard(v.PLUGGED, "yes"), heard(v.CHARGING, "yes")], "plugged, charging"),
        ([heard(v.PLUGGED, "yes"), heard(v.CHARGING, "yes"), heard(v.TIME_TO_FULL, 140)],
         "plugged, charging, full in 2 h 20 min"),
        ([heard(v.PLUGGED, "yes"), heard(v.CHARGING, "yes"), heard(v.CHARGE_STATUS, "ended")],
         "plugged; charging or not: the car contradicts itself"),
        ([heard(v.PLUGGED, "yes"), heard(v.CHARGING, "no"), heard(v.CHARGE_STATUS, "failure")],
         "plugged, the charge FAILED"),
        ([heard(v.PLUGGED, "yes"), heard(v.CHARGE_STATUS, "charging")], "plugged, charging"),
    ],
)  # fmt: skip
def test_the_plug_in_words(signals: list[dict[str, Any]], expected: str) -> None:
    assert plug(heard(v.SPEED, 0.0), *signals) == expected


def test_open_doors_are_named_and_an_unknown_one_is_no_shut_one() -> None:
    shut = [heard(name, "no") for name in v.DOORS]
    assert sentences(status(*shut), EN)[3].text == "doors shut"
    assert sentences(status(*shut[1:]), EN)[3].text == "doors shut, as far as the car tells"
    opened = [*shut[:3], heard(v.DOOR_REAR_RIGHT, "yes"), heard(v.TRUNK, "yes")]
    assert sentences(status(*opened), FR)[3].text == "ouvert : porte arrière droite, coffre"


VALUES = {
    name: st.sampled_from(entry.states) if entry.states else st.floats(entry.low, max(entry.low, entry.high))
    for name, entry in v.VOCABULARY.items() if not entry.text
}  # fmt: skip
ANYTHING = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(
        lambda name: st.builds(
            heard, st.just(name), VALUES[name], st.none() | st.floats(0, 1e7), st.booleans()
        )
    ),
    unique_by=lambda entry: str(entry["name"]),
)  # fmt: skip


@given(ANYTHING, st.sampled_from(["open", "lost", "closed"]), st.sampled_from(LANGUAGES))
def test_whatever_was_heard_there_are_sentences_and_old_states_are_never_claimed(
    signals: list[dict[str, Any]], state: str, language: str
) -> None:
    found = status(*signals, can={"state": state})
    words = Words(language)
    said = sentences(found, words)
    assert said
    assert all(it.text for it in said)
    values = {entry["name"]: entry for entry in signals}
    ignition, lock = values.get(v.IGNITION), values.get(v.LOCKED)
    asleep = state != "lost" and ignition is not None and ignition["value"] == "off"
    if lock is None or not (lock["fresh"] or asleep):
        for key in ("and_locked", "and_unlocked"):
            ending = words(key, how="").strip()
            assert not any(it.text.endswith(ending) for it in said)


@given(ANYTHING)
def test_r27_p6_neither_a_vin_nor_a_position_is_ever_said(signals: list[dict[str, Any]]) -> None:
    hidden = [
        heard(v.VIN, "VF1AG000000000000"), heard(v.VIN_TAIL, "7654321"), heard(v.LATITUDE, 48.51234),
        heard(v.LONGITUDE, 0.53219),
    ]  # fmt: skip
    others = [entry for entry in signals if entry["name"] not in v.POSITION]
    assert told(status(*others, *hidden)) == told(status(*others)) or not others


def test_r27_p6_the_daemon_itself_tells_neither_and_no_age_of_what_it_only_remembers() -> None:
    clock = ManualClock(ns=9_000_000_000)
    car = CarState(clock)
    car.recall([v.Signal(v.SOC, 74.0, 0)])
    hidden = ((v.VIN, "VF1AG000000000000"), (v.VIN_TAIL, "7654321"), (v.LATITUDE, 48.5), (v.LONGITUDE, 0.5))
    for name, value in (*hidden, (v.SPEED, 3.0)):
        car.update(v.Signal(name, value, 7_000_000_000))
    assert {it["name"]: it["age_s"] for it in signals(car, clock.now().ns)} == {v.SOC: None, v.SPEED: 2.0}


# --- the words


def test_every_language_has_the_same_texts_with_the_same_blanks() -> None:
    texts = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in TEXTS.glob("*.toml")}
    assert set(texts) == set(LANGUAGES) == {"en", "fr"}
    blanks = {
        language: {key: sorted(str(field) for _, field, _, _ in string.Formatter().parse(text) if field)
                   for key, text in found.items()}
        for language, found in texts.items()
    }  # fmt: skip
    assert blanks["en"] == blanks["fr"]


def test_every_text_is_said_somewhere() -> None:
    code = "".join((TEXTS.parent / name).read_text() for name in ("said.py", "words.py", "watching.py", "status.py"))
    said = set(re.findall(r"""["'](\w+)["']""", code))
    assert {key for key in EN.keys() - said if not key.startswith("status_")} == set()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"), ({"LANG": "fr_FR.UTF-8"}, "fr"), ({"LANG": "de_DE"}, "en"), ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "fr_FR", "LC_ALL": "C"}, "en"), ({"LANG": "en_US", "LC_MESSAGES": "fr_CA"}, "fr"),
    ],
)  # fmt: skip
def test_the_locale_chooses(environment: dict[str, str], expected: str) -> None:
    assert language_of(environment) == expected


@pytest.mark.parametrize("seconds", [0.4, 130.0, 10_800.0, 500_000.0])
def test_ages_have_the_unit_that_tells(seconds: float) -> None:
    said = {0.4: ("0 s", "0 s"), 130.0: ("2 min", "2 min"), 10_800.0: ("3 h", "3 h"), 500_000.0: ("6 d", "6 j")}
    assert (EN.age(seconds), FR.age(seconds)) == said[seconds]


def test_alarms_stand_in_every_language() -> None:
    assert alarms(status(), FR).plain == "Aucune alarme."
    assert alarms(status(alarms={"disk": {"free": 3}}), FR).plain == 'ALARME disk: {"free": 3}'
    assert block(status(), EN).plain.splitlines()[0] == "The car"


# --- with the daemon


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path)
    yield found
    found.close()


def test_the_car_comes_first_in_the_language_asked_for_and_can_be_watched(box: Box) -> None:
    box.start()
    box.ask("status")
    screen = Terminal("status", "--config", str(box.config), LC_ALL="fr_FR.UTF-8")
    code = screen.end()
    assert screen.text.splitlines()[0] == "La voiture"
    assert "rien entendu pour l'instant" in screen.text
    assert "Ce que voit le technicien (en anglais) :" in screen.text
    assert code == (1 if "ALARME" in screen.text else 0)
    watched = Terminal("status", "--config", str(box.config), "--watch", "--lang", "en")
    watched.wait_for(r"The car\n", times=2)
    assert box.stop() == 0
    watched.wait_for(r"boitier does not answer: ")
    watched.interrupt()
    assert watched.end() == 1
    assert "technician" not in watched.text


def test_watching_into_a_pipe_is_one_object_a_line(box: Box) -> None:
    box.start()
    box.ask("status")
    watched = Terminal("status", "--config", str(box.config), "--watch", "--json", columns=9_999)
    watched.wait_for(r'"uptime_s": [\d.]+', times=2)
    watched.interrupt()
    watched.end()
    first_line = watched.text.splitlines()[0]
    assert json.loads(first_line)["vehicle"]
    assert re.search(r'"alarms"', first_line)
    assert box.stop() == 0
