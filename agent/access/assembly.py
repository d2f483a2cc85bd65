"""How the rooms of access are wired to each other: one function, no logic. Everything else is wired in
`agent/run/app.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from config.settings import Settings
from drivers.ports import Clock, Instant, LockPort, TokenPort
from keyless.claims import Interval

from ..car.state import CarState
from ..run.store import Store
from .booking import UnderWay
from .bookings import Authority, Bookings
from .door import Door
from .lockwork import Lockwork
from .remote import Remote, Result
from .scene import Scene, Stamp


def yes() -> bool | None:
    """No key holder is fitted: then the key counts as returned (D16)."""
    return True


def assemble(
    settings: Settings,
    clock: Clock,
    store: Store,
    car: CarState,
    under: UnderWay,
    authority: Authority,
    lock: LockPort,
    reader: TokenPort | None,
    *,
    interval: Callable[[Instant], Interval],
    stamp: Stamp,
    heard: Callable[[int], None],
    result: Result,
    guard: AbstractAsyncContextManager[Any],
    lock_signal: str | None,
    version: str,
    key_returned: Callable[[], bool | None] = yes,
) -> Door:
    """interval, stamp, heard: the timekeeper's. result(id, code, why, fact): publishes the answer to a remote command;
    must not block.

    guard: entered while an actuator moves. lock_signal: name in the car's lock block, `None` where it has none.
    version: of this software; a proof of the lock signal holds for one version (D18).
    """

    def answer(name: str, code: str, why: str, fact: int | None) -> None:
        remote.answered(name, code, why)
        result(name, code, why, fact)

    lockwork = Lockwork(
        clock,
        store,
        lock,
        car,
        under,
        guard,
        answer,
        vehicle=settings.vehicle.id,
        signal=lock_signal,
        version=version,
        confirm_s=settings.lock.confirm_s,
    )
    scene = Scene(clock, car, under, interval, stamp, lockwork.locked, key_returned, settings.tracking)
    folder = Path(settings.state) / "objects" / "bookings"
    bookings = Bookings(folder, store, authority, under, scene.now, heard)
    remote = Remote(store, authority, bookings, scene, lockwork, result)
    auto_close_s = settings.booking.auto_close_min * 60
    return Door(clock, store, scene, bookings, lockwork, remote, reader, auto_close_s=auto_close_s)
