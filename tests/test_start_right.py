"""Who may start the car after a movement or an end: every booking before and after, movement and outcome (R5, R15)."""

from __future__ import annotations

import itertools
from typing import Any

from msgspec.structs import replace

from agent.access.booking import Closing, How, Plan
from agent.access.pending import Asked, Pending
from agent.access.remembered import IMMOBILISED, Remembered
from agent.access.start_right import START_RIGHT, moved_on, put, restored
from agent.car.under_way import OpenBooking
from drivers.fitted import SwitchAction
from drivers.ports import LockAction
from keyless.verify import JUST_ENDED

NOWHERE: Any = {}
SEVEN, EIGHT = (OpenBooking(number, "", None, "private", 0, 0, NOWHERE) for number in (7, 8))
OPEN = list(itertools.product((None, SEVEN, EIGHT), repeat=2))  # before the movement, and after it
ACTIONS = (LockAction.LOCK, LockAction.UNLOCK, SwitchAction.IMMOBILISE)
PLANS = (Plan(), Plan(closes=Closing(How.ENDED, NOWHERE)))
YES_NO, KNOWN = (True, False), (True, False, None)


def test_only_an_end_or_a_lock_takes_it_and_only_an_unlock_gives_it() -> None:
    for may_start, (before, now), action, plan, starts, moved in itertools.product(
        KNOWN, OPEN, ACTIONS, PLANS, YES_NO, YES_NO
    ):
        case = may_start, before, now, action, plan, starts, moved
        after = moved_on(may_start, Pending("0" * 16, action, Asked("badge", starts=starts), plan), before, now, moved)
        if plan.closes is not None and now is None:
            assert after is False, case  # also where the lock did not move
        elif not moved or action is SwitchAction.IMMOBILISE:
            assert after is may_start, case
        elif action is LockAction.LOCK:
            assert after is (False if now is None else may_start), case
        else:
            keeps = may_start is not False and now is not None and now == before  # R5: whoever else unlocks
            assert after is (starts or keeps), case


def test_what_a_movement_leaves_comes_back_from_the_vault_and_only_what_moved_is_told() -> None:
    actions = (*LockAction, *SwitchAction)
    for locked, immobilised, action, note, moved in itertools.product(
        KNOWN, YES_NO, actions, (None, JUST_ENDED), YES_NO
    ):
        was = Remembered(locked, True, immobilised, Asked("badge"))
        after = was.after(Pending("0" * 16, action, asked := Asked("badge", note=note)), None, SEVEN, moved=moved)
        locks = isinstance(action, LockAction) and moved
        assert after.locked is (action is LockAction.LOCK if locks else locked)
        fetches = asked if action is LockAction.UNLOCK and note else None
        assert after.lock_after == (fetches if locks else was.lock_after)
        turned = {SwitchAction.IMMOBILISE: True, SwitchAction.RELEASE: False} if moved else {}
        assert after.immobilised is turned.get(action, immobilised)
        put, drop = after.to_vault()
        vault = {name: value for name, value in ({IMMOBILISED: b"1"} | put).items() if name not in drop}
        assert Remembered.from_vault(vault, SEVEN) == replace(after, lock_after=None)


def test_what_is_written_comes_back_and_what_was_not_follows_from_the_booking() -> None:
    for may_start, open_, locked in itertools.product(KNOWN, (None, SEVEN), KNOWN):
        found = restored(put(may_start).get(START_RIGHT), open_, locked)
        if may_start is not None:
            assert found is may_start
        elif open_ is not None:
            assert found is True, "R5: who has the car keeps it"
        else:
            assert found is (False if locked else None)
        assert restored(b"junk", open_, locked) is restored(None, open_, locked)
