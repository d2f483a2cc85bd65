"""The socket panel: what the agent may ask of the outside world, and the values that come back.

Values are frozen; ports are small. A driver implements one port and is passed in by `agent/run/app.py`; nothing is
looked up.
What is *not* here: business rules, and any type of the libraries behind the ports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Instant(Struct, frozen=True):
    """When something happened, by this board alone.

    boot: 16 hex digits, new at every boot of the machine. ns: nanoseconds since that boot, suspend counted.
    wall_ms: the system's wall clock in integer milliseconds; a label that nothing may be decided by (D21), `None`
    where unread.
    """

    boot: str
    ns: int
    wall_ms: int | None = None


class Clock(Protocol):
    """The only way to time (`drivers/clock.py`); tests pass a manual one."""

    @property
    def boot(self) -> str: ...

    def now(self) -> Instant: ...

    async def sleep(self, seconds: float) -> None: ...


# --- CAN -------------------------------------------------------------------------------------------------------------


class Frame(Struct, frozen=True):
    """One CAN frame. data: 0 to 8 bytes as received, also when shorter than the car's layout says.

    held: it came by a subscription with a rate. The kernel keeps such a frame until the interval is over, and takes a
    newer one in its place only when bits of that subscription's mask differ: all its other bits may be out of date.
    """

    can_id: int
    extended: bool
    data: bytes
    at: Instant
    held: bool = False


class Silence(Struct, frozen=True):
    """The kernel missed a subscribed frame for longer than its subscription allows: its signals are stale."""

    can_id: int
    extended: bool
    at: Instant


class Subscription(Struct, frozen=True):
    """Ask the kernel for one message. mask: the bits that matter (8 bytes, zero bits are ignored for "changed"); empty:
    every frame of this id, whatever it says.

    min_interval_ms: at most one event in that time (0: every change; doors, lock, plug, ignition, D28).
    silence_ms: how long without the frame until a `Silence` comes (0: never).
    """

    can_id: int
    extended: bool
    mask: bytes
    min_interval_ms: int
    silence_ms: int


class BusState(StrEnum):
    """What `status` shows of the bus."""

    CLOSED = "closed"
    OPEN = "open"
    LOST = "lost"  # device gone or down; being reopened with back-off


class CanWatch(Protocol):
    """Sampled reading of a bus. `next_event` raises nothing: errors close and reopen inside, counted."""

    @property
    def state(self) -> BusState: ...

    @property
    def trouble(self) -> str:
        """Why the bus is lost; "" while it is not."""
        ...

    @property
    def controller(self) -> str:
        """What the adapter last said of itself: "active", "warning", "passive" or "bus_off"."""
        ...

    def subscribe(self, wanted: tuple[Subscription, ...]) -> None:
        """Replace all subscriptions; takes effect at once and again after each reopen."""
        ...

    async def next_event(self) -> Frame | Silence | BusState:
        """The next thing that happened; a `BusState` whenever it changes."""
        ...

    def counters(self) -> dict[str, int]: ...

    def close(self) -> None: ...


# --- position --------------------------------------------------------------------------------------------------------


class Fix(Struct, frozen=True):
    """Position, date, time and validity of one and the same epoch.

    time_ms: the receiver's UTC as integer milliseconds, `None` while it knows no date. lat, lon: degrees WGS 84, `None`
    without a fix. mode: 0 none, 2 two-dimensional, 3 three-dimensional. speed_mps: metres per second. valid: the
    receiver itself says so.
    """

    at: Instant
    time_ms: int | None
    lat: float | None
    lon: float | None
    mode: int
    speed_mps: float | None
    satellites: int | None
    valid: bool


class GnssPort(Protocol):
    """Receiver in the loop; unplug and replug are survived inside and counted."""

    @property
    def plugged(self) -> bool: ...

    async def next_fix(self) -> Fix: ...

    def counters(self) -> dict[str, int]: ...

    def close(self) -> None: ...


# --- lock ------------------------------------------------------------------------------------------------------------


class LockAction(StrEnum):
    LOCK = "lock"
    UNLOCK = "unlock"


class LockOutcome(StrEnum):
    """DONE only when the car's own proven lock signal read back (R9); UNKNOWN blocks nothing and is never repeated
    blindly.
    """

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class LockPort(Protocol):
    """Moves the actuator once. Returns when the pulse or command is out.

    Raises `drivers.errors.DeviceError`; its `may_have_happened` says whether the car may have moved all the same.
    Whether the car obeyed is judged by the agent from the car's own signal, never by this port.
    """

    async def act(self, action: LockAction) -> None: ...

    @property
    def trouble(self) -> str:
        """Why the next act would probably fail, as far as can be known without moving anything; else ""."""
        ...

    def counters(self) -> dict[str, int]: ...

    def close(self) -> None: ...


# --- credentials at the windscreen -----------------------------------------------------------------------------------


class BadgeTap(Struct, frozen=True):
    """A badge was held to the reader. uid: the credential's bytes (five for common 125 kHz cards)."""

    uid: bytes
    at: Instant


class CodeEntered(Struct, frozen=True):
    """A code ended with `#` on the keypad. digits: ASCII digits, at most 16."""

    digits: str
    at: Instant


class Feedback(StrEnum):
    """What the reader shows or beeps; paused and ended must differ (R3)."""

    OPENED = "opened"
    PAUSED = "paused"
    ENDED = "ended"
    REFUSED = "refused"
    UNSURE = "unsure"


class Reason(StrEnum):
    """Beside REFUSED: the kinds that somebody at the reader can do something about. After NOT_ENDED come those of the
    last four that stand in the way.
    """

    TOO_EARLY = "too_early"
    OCCUPIED = "occupied"
    NOT_ENDED = "not_ended"
    KEYPAD_LOCKED = "keypad_locked"
    CLOCK_UNSURE = "clock_unsure"
    MOVING = "moving"
    IGNITION_ON = "ignition_on"
    DOOR_OPEN = "door_open"
    KEY_MISSING = "key_missing"


# --- backend ---------------------------------------------------------------------------------------------------------


class Arrived(Struct, frozen=True):
    """A message from the broker. acknowledge(): sends our PUBACK; call it after what it asks for is on disk."""

    topic: str
    payload: bytes
    retained: bool
    acknowledge: Callable[[], None]


class CloudPort(Protocol):
    """A thin pipe to one broker at a time: QoS 1, no queue of its own.

    publish: returns an awaitable that ends when the broker has taken it; raises `DeviceError` when the connection is
    lost first.
    A PUBACK only frees the window; delivery is what the backend acknowledges (D10).
    """

    @property
    def connected(self) -> bool: ...

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> Awaitable[None]: ...

    async def next_event(self) -> Arrived | bool:
        """A message, or `True`/`False` when the connection came up or went down."""
        ...

    def counters(self) -> dict[str, int]: ...

    async def close(self) -> None: ...
