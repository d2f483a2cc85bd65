"""The inventory names every key that is written, and no other."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from agent.car.sampler import COLUMNS
from agent.sync import inventory, wire, words
from agent.sync.inventory import keys, meaning, points
from config.vocabulary import LATITUDE, VOCABULARY
from tests import golden_payloads as golden
from tests.agent_process import Box
from tests.data_inventory import PAGE, page
from tests.door_bench import ALICE, DoorBench, the_bench  # noqa: F401 (fixtures)
from tests.test_cli import boitier

AGENT = Path(__file__).resolve().parents[1] / "agent"
SMALL = re.compile(r"[a-z_]+/[a-z_/]*")  # how the names in the vault look, whatever a constant is called
ELSEWHERE = {"boitier/v1"}  # topics


def test_the_page_is_what_the_code_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(points(COLUMNS)), "python -m tests.data_inventory"


def test_every_key_has_a_meaning_a_purpose_a_time_and_a_recipient() -> None:
    for point in points(COLUMNS):
        assert all((point.what, point.purpose, point.retention, point.recipient)), point


def test_a_key_without_an_entry_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("odometer_km", "fact dropped.from"):
        less = {key: text for key, text in words.MEANING.items() if key != name and key != name.partition(".")[2]}
        monkeypatch.setattr(inventory, "MEANING", less)
        with pytest.raises(KeyError):
            points(COLUMNS)
    monkeypatch.setattr(inventory, "MEANING", words.MEANING)
    monkeypatch.setattr(inventory, "USES", {key: use for key, use in words.USES.items() if key != "fact leg"})
    with pytest.raises(KeyError):
        points(COLUMNS)


def test_an_entry_without_a_key_fails() -> None:
    used = {name for where, key in keys(COLUMNS) for name in (f"{where}.{key}", key)}
    assert set(words.MEANING) - used == set()
    asked = [(f"{where}.{key}", key) for where, key in keys(COLUMNS)]
    chosen = {next((name for name in names if name in words.MEANING), None) for names in asked}
    assert set(words.MEANING) - chosen == set(), "an entry that another one always hides"
    places = {name for where, key in keys(COLUMNS) for name in (f"{where} {key}", where)}
    assert set(words.USES) - places == set()


def test_payloads_carry_no_key_that_the_inventory_does_not_name() -> None:
    told = {kind: wire.unpack(data) or {} for kind, data in golden.payloads().items()}
    named: dict[str, set[str]] = {}
    for where, key in keys(()):
        named.setdefault(where, set()).add(key)
    assert named["samples"] == told[wire.Kind.SAMPLES].keys()
    assert named["state"] == told[wire.Kind.STATE].keys() | told[wire.Kind.WILL].keys()
    assert named["result"] == told[wire.Kind.RESULT].keys()
    assert named["fact"] == told[wire.Kind.FACTS]["facts"][0].keys()


def vault_keys() -> set[str]:
    """Every name under which code keeps a small value, as its constant says."""
    found = set()
    for path in AGENT.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
            value = getattr(node, "value", None)
            said = value.value if isinstance(value, ast.Constant) else None
            if isinstance(target, ast.Name) and isinstance(said, str):
                found |= {said} if target.id.endswith("_KEY") or SMALL.fullmatch(said) else set()
    return found - ELSEWHERE


def test_every_small_value_on_the_disk_is_named() -> None:
    found = vault_keys()
    known = {"booking/open", "store.columns", "command/counter/", "access/immobilised"}
    assert known <= found, "the reading of constants works"
    assert found - set(words.BOX) == set()


async def test_what_a_day_leaves_in_the_vault_is_named(bench: DoorBench) -> None:
    await bench.prove()
    await bench.book(7, ALICE)
    await bench.tap(ALICE)
    await bench.journey.tick()
    for key in await bench.store.read(""):
        assert any(key.startswith(name) for name in words.BOX), key


def test_every_file_that_a_box_leaves_is_named(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.store_booking()
    box.start()
    box.tap()
    box.reader.wait_for(b"O\n")
    box.ask("status")
    assert box.stop() == 0
    box.close()
    for file in box.state.iterdir():
        name = file.name + ("/" if file.is_dir() else "")
        assert any(name.startswith(known) for known in words.BOX), name


def test_p6_d1_the_same_for_machines() -> None:
    done = boitier("buffer", "inventory", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == len(points(COLUMNS))
    lat = next(point for point in found if point["key"] == LATITUDE)
    assert lat["personal"] is True
    assert "made coarse" in lat["what"]
    assert not any("name of a person" in point["what"] for point in found)
    assert "who gets it" in boitier("buffer", "inventory").stdout


def test_a_column_of_samples_speaks_the_vocabularys_words() -> None:
    assert [meaning("samples", name) for name in COLUMNS[:-2]] == [
        f"the car's own signal, in {VOCABULARY[name].unit}" for name in COLUMNS[:-2]
    ]
