"""What the car's own state forbids to whom: moving, perhaps moving, ignition on; never a cable (R8, R10, R17)."""

from __future__ import annotations

import pytest

from keyless import policy
from keyless.claims import Action, Booking, Role
from keyless.policy import CarView, Motion, Wish
from keyless.refusal import Code
from tests.keyless_world import NOW, believe, code, token


def _booking(role: Role = Role.DRIVER, actions: int = 4095) -> Booking:
    booking = believe(token(role=role, actions=actions, nbf=NOW - 10, exp=NOW + 1000, early_s=0, late_s=0))
    assert isinstance(booking, Booking)
    return booking


@pytest.mark.parametrize("action", [Action.UNLOCK, Action.LOCK, Action.END])
@pytest.mark.parametrize("remote", [False, True])
def test_nothing_is_moved_in_a_moving_car(action: Action, remote: bool) -> None:
    role = Role.BACKEND if remote else Role.DRIVER
    assert code(policy.decide(_booking(role), Wish(action, remote), CarView(Motion.YES))) is Code.STATE_GUARD
    assert policy.decide(_booking(role), Wish(action, remote), CarView(Motion.NO)) is None


def test_r10_a_car_that_may_be_moving_refuses_from_afar_and_never_its_own_driver() -> None:
    maybe = CarView(Motion.MAYBE, ignition=True)
    assert code(policy.decide(_booking(Role.BACKEND), Wish(Action.UNLOCK, remote=True), maybe)) is Code.STATE_GUARD
    assert policy.decide(_booking(), Wish(Action.UNLOCK), maybe) is None
    assert code(policy.decide(_booking(Role.TECHNICIAN), Wish(Action.UNLOCK), maybe)) is Code.STATE_GUARD


def test_a_technician_needs_the_ignition_off() -> None:
    booking = _booking(Role.TECHNICIAN)
    assert code(policy.decide(booking, Wish(Action.UNLOCK), CarView(Motion.NO, ignition=True))) is Code.STATE_GUARD
    for ignition in (False, None):
        assert policy.decide(booking, Wish(Action.UNLOCK), CarView(Motion.NO, ignition)) is None


def test_asking_and_finding_move_nothing_and_are_never_guarded() -> None:
    for action in (Action.FIND_ME, Action.READ_STATE):
        assert policy.decide(_booking(Role.BACKEND), Wish(action, remote=True), CarView(Motion.YES)) is None


def test_r17_a_car_that_moves_or_may_be_driven_off_is_not_silenced_for_the_garage() -> None:
    technician = _booking(Role.TECHNICIAN, int(Action.GARAGE_ON | Action.GARAGE_OFF))
    for car in (CarView(Motion.YES), CarView(Motion.NO, ignition=True)):
        assert code(policy.decide(technician, Wish(Action.GARAGE_ON, remote=True), car)) is Code.STATE_GUARD
        assert policy.decide(technician, Wish(Action.GARAGE_OFF, remote=True), car) is None
    for car in (CarView(Motion.NO), CarView(Motion.MAYBE), CarView(Motion.NO, ignition=False)):
        assert policy.decide(technician, Wish(Action.GARAGE_ON, remote=True), car) is None


def test_a_right_that_the_token_lacks_is_refused_before_the_state() -> None:
    booking = _booking(actions=int(Action.UNLOCK))
    assert code(policy.decide(booking, Wish(Action.LOCK), CarView(Motion.YES))) is Code.ROLE_ACTION


def test_r8_no_guard_knows_of_a_cable() -> None:
    assert CarView.__struct_fields__ == ("moving", "ignition")
