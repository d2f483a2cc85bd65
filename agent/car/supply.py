"""Pure: the 12 V battery. Its resting voltage is learnt, and a battery that falls below it is called low (R16).

What is not here: who reads the voltage, and what follows (`tending.py`, `polling.py`).
"""

from __future__ import annotations

import json
from statistics import median
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ..sync import stored

CALM_S: Final = 3_600.0  # after driving or charging the voltage is still that of the charge
PLAUSIBLE: Final = (12.2, 13.1)  # of a rested lead battery that is neither flat nor being charged
READINGS: Final = 5  # a second apart, whose median is the night's value: a door that opens loads the battery
STEP_NS: Final = 1_000_000_000
NIGHTS: Final = 7  # whose median is the reference, so that neither one cold night nor one odd reading moves it
ENOUGH: Final = 3
BELOW_V: Final = 0.3  # R16
UNKNOWN_V: Final = 12.4  # R16: while the reference is unknown
BACK_V: Final = 0.2  # above the limit: low is over
HOLD_S: Final = 60.0  # so long, without a reading that says otherwise; sleep in between does not count
GAP_NS: Final = 5_000_000_000  # looks further apart than this do not count as the time between them


class Supply(Struct, frozen=True):
    """nights: resting voltages, newest last. low: R16's early warning.

    rest_ns: since when nobody drives or charges. readings: of the night that is being learnt; taken: that it was.
    seen_ns: the last look with a voltage. read_ns: the last reading. against_s: how long readings have contradicted
    `low`.
    """

    nights: tuple[float, ...] = ()
    low: bool = False
    rest_ns: int | None = None
    readings: tuple[float, ...] = ()
    taken: bool = False
    seen_ns: int | None = None
    read_ns: int | None = None
    against_s: float = 0.0

    @property
    def reference(self) -> float | None:
        return median(self.nights) if len(self.nights) >= ENOUGH else None

    @property
    def limit(self) -> float:
        """Volts, below which the battery is low."""
        reference = self.reference
        return UNKNOWN_V if reference is None else round(reference - BELOW_V, 3)

    def to_bytes(self) -> bytes:
        """What survives a power cut: what was learnt, and the warning."""
        return json.dumps({"nights": list(self.nights), "low": self.low}, separators=(",", ":")).encode()


class _Kept(Struct, frozen=True):
    """What `Supply.to_bytes` wrote."""

    nights: tuple[float, ...] = ()
    low: bool = False


def restored(data: bytes | None) -> Supply:
    """From the vault; what cannot be read is as if nothing were known."""
    try:
        found = stored.value(_Kept, data or b"{}")
        nights = found.nights[-NIGHTS:]
        if not all(PLAUSIBLE[0] <= it <= PLAUSIBLE[1] for it in nights):
            return Supply()
        return Supply(nights=nights, low=found.low)
    except ValueError:
        return Supply()


def step(state: Supply, volts: float | None, resting: bool, now_ns: int) -> Supply:
    """One look. volts: as the car says now, `None` while it says nothing. resting: off and not charging, as far as may
    be believed; a car that sleeps rests on.
    """
    if not resting:
        state = replace(state, rest_ns=None, readings=(), taken=False)
    elif state.rest_ns is None:
        state = replace(state, rest_ns=now_ns)
    if volts is None:
        return replace(state, seen_ns=None)
    return _learnt(_judged(state, volts, now_ns), volts, now_ns)


def _judged(state: Supply, volts: float, now_ns: int) -> Supply:
    """Low, or not low any more, once readings have said so for long enough."""
    between_ns = 0 if state.seen_ns is None else now_ns - state.seen_ns
    state = replace(state, seen_ns=now_ns)
    against = volts >= state.limit + BACK_V if state.low else volts < state.limit
    if not against:
        return replace(state, against_s=0.0)
    against_s = state.against_s + (between_ns / 1e9 if 0 <= between_ns <= GAP_NS else 0.0)
    if against_s < HOLD_S:
        return replace(state, against_s=against_s)
    return replace(state, low=not state.low, against_s=0.0)


def _learnt(state: Supply, volts: float, now_ns: int) -> Supply:
    """One value a rest. A battery that is low teaches nothing."""
    calm = state.rest_ns is not None and now_ns - state.rest_ns >= CALM_S * 1e9
    due = state.read_ns is None or now_ns - state.read_ns >= STEP_NS
    if not calm or not due or state.taken or state.low or not PLAUSIBLE[0] <= volts <= PLAUSIBLE[1]:
        return state
    readings = (*state.readings, volts)
    if len(readings) < READINGS:
        return replace(state, readings=readings, read_ns=now_ns)
    nights = (*state.nights, round(median(readings), 3))[-NIGHTS:]
    return replace(state, nights=nights, readings=(), taken=True, read_ns=now_ns)
