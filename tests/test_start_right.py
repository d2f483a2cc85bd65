"""Who may start the car after a movement or an end: every booking before and after, movement and outcome (R5, R15)."""

from __future__ import annotations

import itertools
from typing import Any

from agent.access.booking import Closing, How, Plan
from agent.access.pending import Asked, Pending
from agent.access.start_right import START_RIGHT, moved_on, put, restored
from agent.car.under_way import OpenBooking
from drivers.fitted import SwitchAction
from drivers.ports import LockAction

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
