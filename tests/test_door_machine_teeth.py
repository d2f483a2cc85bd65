"""The machine finds each guard that is broken on purpose, one at a time, within so many runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from agent.access import booking, deciding, door, receipts
from agent.access.booking import may_auto_close
from agent.car.under_way import BOOKING_KEY, ENDED_KEY
from agent.run import accepted, provisioning, root_chain
from agent.run.timekeeper import Timekeeper
from keyless import clock, cose, policy, trust, verify
from keyless.claims import Action, Role
from tests.life_breaks import BREAKS as OF_THE_CAST
from tests.life_breaks import Break, setting, unstored
from tests.life_machine import LifeMachine
from tests.life_world import LifeWorld

RUNS, EACH = 300, 50


def barred_without(**changes: Any) -> Break:
    def broken(patch: pytest.MonkeyPatch) -> None:
        whole = verify._barred
        patch.setattr(verify, "_barred", lambda signed, situation: whole(signed, replace(situation, **changes)))

    return broken


def another_car(patch: pytest.MonkeyPatch) -> None:
    whole = verify._barred
    patch.setattr(verify, "_barred", lambda it, now: whole(it, replace(now, vehicle=it.claims.aud)))


def old_key_set(patch: pytest.MonkeyPatch) -> None:
    whole = trust.Trust.read
    patch.setattr(trust.Trust, "read", lambda self, data, min_version=0: whole(self, data))


def old_list(patch: pytest.MonkeyPatch) -> None:
    whole = provisioning.read_revocations
    patch.setattr(provisioning, "read_revocations", lambda *a, **more: whole(*a, **{**more, "min_sequence": 0}))


def forgotten_list(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(accepted, "read", lambda folder, owner: None)
    patch.setattr(provisioning.Provisioning, "_load_list", lambda self: None)


def late_commands(patch: pytest.MonkeyPatch) -> None:
    whole = verify._untimely

    def broken(it: Any, order: Any, now: Any, last: int | None) -> Any:
        return whole(it, replace(order, exp=2**40), replace(now, hi_s=now.lo_s), last)

    patch.setattr(verify, "_untimely", broken)


def any_signer(patch: pytest.MonkeyPatch) -> None:
    whole = cose.verifies
    patch.setattr(cose, "verifies", lambda public, alg, *rest: len(public) == 33 or whole(public, alg, *rest))


def any_place(patch: pytest.MonkeyPatch) -> None:
    def closes(it: Any, car: Any, lo_s: float, still_s: float) -> bool:
        home = msgspec.structs.replace(car.where, at=True)
        return may_auto_close(it, msgspec.structs.replace(car, where=home), lo_s, still_s)

    patch.setattr(door, "may_auto_close", closes)


def rolling(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(deciding, "decide", lambda it, wish, car: policy.decide(it, wish, policy.CarView(policy.Motion.NO)))


def revoked_at_once(patch: pytest.MonkeyPatch) -> None:
    whole = verify._barred
    patch.setattr(verify, "_barred", lambda it, now: whole(it, replace(now, at_station=True)))


def carried_home(patch: pytest.MonkeyPatch) -> None:
    whole = verify._carried
    patch.setattr(verify, "_carried", lambda outer, it, now: whole(outer, it, replace(now, at_station=False)))


def unseen(cls: type[booking.Plan], found: dict[str, Any]) -> booking.Plan:
    return _from_json({**found, "seen": None})


_from_json = booking.Plan.from_json
BREAKS: dict[str, Break] = {
    **OF_THE_CAST,
    "revocation ignored": barred_without(revoked=frozenset()),
    "superseded ignored": barred_without(superseded={}),
    "window ignored": setting(verify, "_window", lambda claims, situation: None),
    "R5 exemption removed": setting(verify.Situation, "is_open", lambda self, claims: False),
    "R5: revocation counts away from a station": revoked_at_once,
    "a dropped key strands the open booking": setting(verify, "_carried", lambda outer, token, now: None),
    "a dropped key is good at a station": carried_home,
    "counter not stored": unstored("command/counter/"),
    "kid ceiling ignored": setting(trust.IssuerKey, "may_mint", lambda self, role: True),
    "role ceiling ignored": setting(verify, "CEILING", dict.fromkeys(Role, Action(2**16 - 1))),
    "key set roll-back accepted": old_key_set,
    "one root is enough": setting(root_chain, "Trust", lambda roots, threshold: trust.Trust(roots, 1)),
    "list roll-back accepted": old_list,
    "list forgotten by a restart": forgotten_list,
    "floor not stored": setting(Timekeeper, "write", lambda self, **_: True),
    "R19 without its bound": setting(clock, "RISE_S", 1e12),
    "R18 without its day": setting(verify, "LEVEL_0_START_S", 10**12),
    "late commands obeyed": late_commands,
    "P-256 signatures not checked": any_signer,
    "another car's token": another_car,
    "takeover at any time": setting(deciding, "may_take_over", lambda open_, car, lo_s: True),
    "closed by itself far from home": any_place,
    "moving ignored": rolling,
    "open booking not stored": unstored(BOOKING_KEY),
    "ended bookings not stored": unstored(ENDED_KEY),
    "intent not stored": unstored("access/pending"),
    "no receipts": setting(receipts.Receipts, "write", lambda self, done: receipts.Written()),
    "numbers of receipts forgotten by a restart": setting(receipts.Receipts, "load", lambda self, vault: None),
    "receipts of an orphan forgotten": setting(booking.Plan, "from_json", classmethod(unseen)),
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.skipif("BOITIER_MACHINE_STEPS" not in os.environ, reason="a part of `make test-machine`")
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_guard_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BREAKS[name](monkeypatch)
    LifeWorld.steps = 0
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(
            LifeMachine,
            settings=settings(
                max_examples=RUNS, stateful_step_count=EACH, deadline=None, suppress_health_check=list(HealthCheck),
                database=None, phases=(Phase.generate,), report_multiple_bugs=False, derandomize=True,
            ),
        )
    print(f"{name}: found after {LifeWorld.steps:,} steps: {type(found.value).__name__} {str(found.value)[:100]!r}")
