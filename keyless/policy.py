"""A believed booking, a wish and the car's state in; nothing or a `Refusal` out. verify.py has judged the rest.

Whether another booking is under way (`occupied`) and the checks at the end of a booking belong to the door.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from .claims import Action, Booking, Role
from .refusal import Code, Refusal, refused


class Motion(StrEnum):
    """MAYBE: the speed is stale and the ignition was last seen on (R10). Silence after ignition off is NO."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


class CarView(Struct, frozen=True):
    """What the guards look at. ignition: `None` while unknown. No cable here, on purpose: it never refuses (R8)."""

    moving: Motion
    ignition: bool | None = None


class Wish(Struct, frozen=True):
    """remote: asked from afar (a command over the network), so nobody beside the car sees what it does."""

    action: Action
    remote: bool = False


# What moves nothing, or gives back: a stolen car moves, and a garage works with the ignition on. The switch itself is
# turned on a car that is off: this box is then quiet, and what the car said last stands for hours.
_GARAGE: Final = Action.GARAGE_ON | Action.GARAGE_OFF
_LOCATE: Final = Action.LOCATE_THEFT | Action.LOCATE_ASSISTANCE
_HARMLESS: Final = (
    Action.FIND_ME | Action.READ_STATE | Action.READ_LOGS | Action.RELEASE_IMMOBILISER | _GARAGE | _LOCATE
)


def decide(booking: Booking, wish: Wish, car: CarView) -> Refusal | None:
    """`None`: go ahead. `role_action`: the token does not hold that right. `state_guard`: not while the car is so."""
    if not booking.actions & wish.action:
        return refused(Code.ROLE_ACTION, f"not allowed: {wish.action.name}", booking)
    if wish.action is Action.GARAGE_ON and car.moving is Motion.YES:
        return refused(Code.STATE_GUARD, "the car is moving", booking, moving=car.moving.value)
    if wish.action is Action.GARAGE_ON and car.ignition is True:
        return refused(Code.STATE_GUARD, "the ignition is on: switch it off first", booking, ignition=True)
    if wish.action & _HARMLESS:
        return None
    if car.moving is Motion.YES:
        return refused(Code.STATE_GUARD, "the car is moving", booking, moving=car.moving.value)
    strict = wish.remote or booking.role is Role.TECHNICIAN
    if car.moving is Motion.MAYBE and strict:
        return refused(Code.STATE_GUARD, "the car may be moving", booking, moving=car.moving.value)
    if (booking.role is Role.TECHNICIAN or wish.action is Action.IMMOBILISE_THEFT) and car.ignition is True:
        return refused(Code.STATE_GUARD, "the ignition is on", booking, ignition=True)
    return None
