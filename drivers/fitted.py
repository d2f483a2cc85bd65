"""The part of the socket panel that an installer may leave empty: inputs (R30), and actuators beside the lock (R8,
R15). The rest is in `ports.py`.

What is *not* here: what an input means for a booking, and when anything may be switched (`agent/access/`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from .ports import Instant


class Input(StrEnum):
    """What can be asked of a contact. Active means: key there, card there, door open, lid open."""

    KEY_HOLDER = "key_holder"
    CARD_HOLDER = "card_holder"
    DOOR = "door"
    BOX_LID = "box_lid"


class InputValue(Struct, frozen=True):
    """active: `None` while it is not known. source: the line that told. at: when this began to be so."""

    active: bool | None
    source: str
    at: Instant


class InputPort(Protocol):
    """One input. The line may come and go inside; while it is gone its value is unknown, and never the last one."""

    @property
    def value(self) -> InputValue: ...

    @property
    def trouble(self) -> str:
        """Why nothing is known; "" while something is."""
        ...

    async def next_value(self) -> InputValue:
        """Opens where needed; the first value, then each change. Raises `DeviceGone` only after `close()`."""
        ...

    def counters(self) -> dict[str, int]: ...

    def close(self) -> None: ...


class SwitchAction(StrEnum):
    """What else can be moved. SUPPLY_*: the spare key card's battery. IMMOBILISE takes the car's start away."""

    SUPPLY_ON = "supply_on"
    SUPPLY_OFF = "supply_off"
    IMMOBILISE = "immobilise"
    RELEASE = "release"
    RELEASE_CABLE = "release_cable"


class SwitchPort(Protocol):
    """Holds a state. A box, a board or a line that dies leaves it on: the car then starts (R15)."""

    async def turn(self, on: bool) -> None:
        """Raises `DeviceError`, see `LockPort.act`. Nothing tells whether the car noticed."""
        ...

    @property
    def trouble(self) -> str:
        """Why it cannot be turned now; looks for a device that came back."""
        ...

    def close(self) -> None:
        """Idempotent: back to on, as far as the device can be reached."""
        ...
