"""The movement under way, as it lies in the vault between intent and outcome, and what is left of it when
its bytes are damaged.

What is not here: when it is written and what becomes of it (`lockwork.py`).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from drivers.fitted import SwitchAction
from drivers.ports import LockAction
from keyless.claims import Booking
from keyless.token import token_hash

from ..car.under_way import OpenBooking
from ..sync import stored
from .booking import Plan

PENDING: Final = "access/pending"
NOTHING: Final = Plan()
# Compiled when they are needed, which is seldom: not on the way to an open door (D24).
_ACCESS: Final = rb'"access":"([0-9a-f]{16})"'
Movement = LockAction | SwitchAction
ACTIONS: Final[dict[str, Movement]] = {action.value: action for kind in (LockAction, SwitchAction) for action in kind}
_ACTION: Final = rb'"action":"(%s)"' % "|".join(ACTIONS).encode()
_BOOKING: Final = rb'"booking":([0-9]{1,18})[,}]'
_COMMAND: Final = rb'"command":"([0-9a-f]{32})"'


class Asked(Struct, frozen=True):
    """Who asked for a movement. token, holder, command: hex. clock: source of the time it was decided by. note: see the
    contract. named: what a receipt names the token by, 32 hex digits. starts: holds the right to drive; so does what an
    earlier version wrote, and what is damaged (R5).
    """

    via: str
    booking: int | None = None
    token: str | None = None
    holder: str | None = None
    command: str | None = None
    clock: str = "none"
    note: str | None = None
    until: int | None = None
    named: str | None = None
    starts: bool = True

    @classmethod
    def by(cls, booking: Booking, via: str, clock: str, *, starts: bool) -> Asked:
        """A token that is believed, or a code. Booking number 0 is none."""
        return cls(
            via, booking.booking or None, booking.cti.hex(), booking.confirmation.id.hex(), clock=clock,
            note=booking.note, named=token_hash(booking.token).hex() if booking.token else None, starts=starts,
        )  # fmt: skip

    @classmethod
    def by_itself(cls, open_: OpenBooking | None, clock: str) -> Asked:
        """The box, for the booking under way."""
        if open_ is None:
            return cls("auto", clock=clock)
        return cls("auto", open_.booking, open_.token, open_.holder, clock=clock)

    def body(self) -> dict[str, object]:
        """The part of an intent fact that says who asked."""
        return {name: value for name, value in asdict(self).items() if name not in ("until", "named", "starts")}


class Pending(Struct, frozen=True):
    """access: 16 hex digits, the same in intent and outcome. damaged: what followed from it cannot be read any more, so
    nothing follows and its outcome is unknown.
    """

    access: str
    action: Movement
    asked: Asked
    plan: Plan = NOTHING
    damaged: bool = False

    def intent(self) -> dict[str, object]:
        """Body of the fact."""
        return {"event": "intent", "access": self.access, "action": self.action.value, **self.asked.body()}

    def to_bytes(self) -> bytes:
        told = {"access": self.access, "action": self.action, "asked": self.asked, "plan": self.plan}
        return msgspec.json.encode(told)

    @classmethod
    def from_bytes(cls, data: bytes) -> Pending | None:
        """`None` when not even the movement can be told from these bytes."""
        try:
            found = stored.value(dict[str, Any], data)
            asked, plan = stored.typed(Asked, found["asked"]), Plan.from_json(found["plan"])
            return cls(stored.typed(str, found["access"]), ACTIONS[found["action"]], asked, plan)
        except (ValueError, KeyError, TypeError):
            return _left(data)


def _left(data: bytes) -> Pending | None:
    access, action, booking, command = (re.search(it, data) for it in (_ACCESS, _ACTION, _BOOKING, _COMMAND))
    if access is None or action is None:
        return None
    asked = Asked(
        "damaged", int(booking[1]) if booking else None, command=command[1].decode() if command else None
    )  # fmt: skip
    return Pending(access[1].decode(), ACTIONS[action[1].decode()], asked, damaged=True)
