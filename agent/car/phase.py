"""Pure: what the car is doing, from what it says; for a car that is silent unless asked, whether it is awake at all.

What is not here: who hears (`vehicle.py`), and what follows for rates and questions (`schedule.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from config.car import Phase, WakeBlock


@dataclass(frozen=True, slots=True)
class Life:
    """Of a car that is silent unless asked (`WakeBlock`). sign_ns: its newest sign of life. slept_ns: when it last
    said, or showed by answering nothing, that it sleeps.
    """

    sign_ns: int | None = None
    slept_ns: int | None = None

    def signed(self, at_ns: int | None) -> Life:
        """A sign of life; one that is older than what is known changes nothing."""
        if at_ns is None or (self.sign_ns is not None and at_ns <= self.sign_ns):
            return self
        return replace(self, sign_ns=at_ns)

    def slept(self, at_ns: int) -> Life:
        return replace(self, slept_ns=at_ns)

    def awake(self, hold_s: float, now_ns: int) -> bool:
        """Believed awake: a sign since it last slept, and not longer ago than it may be held."""
        if self.sign_ns is None or (self.slept_ns is not None and self.sign_ns <= self.slept_ns):
            return False
        return now_ns - self.sign_ns <= hold_s * 1e9


def sleeps(wake: WakeBlock, can_id: int, extended: bool, data: bytes) -> bool:
    """Whether this frame is the word that the car goes to sleep."""
    padded = data.ljust(8, b"\0")[:8]
    return any(
        (can_id, extended) == (it_id, it_extended)
        and len(data) >= len(mask.rstrip(b"\0"))
        and bytes(a & b for a, b in zip(padded, mask, strict=True)) == wanted
        for it_id, it_extended, mask, wanted in wake.asleep
    )


def charging(flag: str | None, status: str | None) -> bool:
    """flag, status: as the car says them now, `None` while it does not. Where it has both they must agree: the flag is
    stuck on some cars (can.md section 8).
    """
    if flag is not None and status is not None:
        return flag == "yes" and status == "charging"
    return flag == "yes" or status == "charging"


def phase(awake: bool, ignition: str | None, is_charging: bool) -> Phase:
    """awake: something of the car still comes, or it is believed awake. ignition: as said now, `None` when stale.

    Silence of everything is PARKED, whatever was said last (R10).
    """
    if not awake:
        return Phase.PARKED
    if ignition == "on":
        return Phase.DRIVING
    return Phase.CHARGING if is_charging else Phase.AWAKE
