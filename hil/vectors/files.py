"""The cases as JSON text: one file for each object, one field of a case on a line."""

from __future__ import annotations

import json
from typing import Any

from . import (
    carried,
    codes,
    command_rules,
    command_shapes,
    door_disks,
    door_rules,
    doors,
    guards,
    keysets,
    nears,
    pairs,
    parcels,
    pieces,
    questions,
    receipts,
    revocations,
    rootsets,
    signed_times,
    stale_lists,
    stored,
    suns,
    tags,
    token_rules,
    token_shapes,
    world,
)
from .world import Case, trust_sets


def texts() -> dict[str, str]:
    """By file name."""
    files = {
        "token.json": (
            world.USUAL,
            [*token_shapes.cases(), *token_rules.cases(), *carried.cases(), *stale_lists.cases()],
        ),
        "stored.json": (stored.USUAL, stored.cases()),
        "guard.json": (guards.USUAL, guards.cases()),
        "command.json": (
            command_shapes.USUAL,
            [*command_shapes.cases(), *command_rules.cases(), *guards.commands()],
        ),
        "door.json": (doors.USUAL, [*doors.cases(), *door_rules.cases(), *door_disks.cases()]),
        "near.json": (nears.USUAL, nears.cases()),
        "pair.json": (command_shapes.USUAL, pairs.cases()),
        "keyset.json": (keysets.USUAL, keysets.cases()),
        "rootset.json": (rootsets.USUAL, rootsets.cases()),
        "revocations.json": (revocations.USUAL, revocations.cases()),
        "signed_time.json": (signed_times.USUAL, signed_times.cases()),
        "receipt.json": (receipts.USUAL, receipts.cases()),
        "code.json": (codes.USUAL, codes.cases()),
        "parcel.json": (parcels.USUAL, parcels.cases()),
        "piece.json": (pieces.USUAL, pieces.cases()),
        "fetch.json": (pieces.FETCH_USUAL, pieces.fetches()),
        "question.json": (questions.USUAL, questions.cases()),
        "sun.json": (suns.USUAL, suns.cases()),
        "tag.json": (tags.USUAL, tags.cases()),
    }
    return {name: _text(usual, cases) for name, (usual, cases) in files.items()}


def _text(usual: Case, cases: list[Case]) -> str:
    cases = [{**case, "name": f"{case['expect']['code'] or 'accepted'}: {case['name']}"} for case in cases]
    names = [case["name"] for case in cases]
    assert len(names) == len(set(names)), [one for one in names if names.count(one) > 1]
    used = {(usual | case["state"]).get("trust") for case in cases}
    trust = {named: trusted for named, trusted in trust_sets().items() if named in used}
    written = ",\n".join(f" {{{_fields(case)}}}" for case in cases)
    return f'{{\n"trust": {_object(trust)},\n"usual": {_object(usual)},\n"cases": [\n{written}\n]\n}}\n'


def _fields(case: Case) -> str:
    return ",\n  ".join(f"{_plain(name)}: {_plain(value)}" for name, value in case.items() if value != {})


def _object(whole: dict[str, Any]) -> str:
    if not whole:
        return "{}"
    return "{\n" + ",\n".join(f" {_plain(name)}: {_plain(value)}" for name, value in whole.items()) + "\n}"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
