"""A session and the brokers it meets: fixtures and what one waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from drivers.errors import DeviceError
from drivers.mqtt.session import Session
from drivers.ports import Arrived
from tests import fake_broker as fake
from tests.fake_broker import FakeBroker

VEHICLE = "9f3c1a77e2b04d58"
UP, DOWN = f"boitier/v1/{VEHICLE}/up/facts", f"boitier/v1/{VEHICLE}/down/ack"
STATE = f"boitier/v1/{VEHICLE}/up/state"
QUICK = {"establish_s": 1.0, "stall_s": 0.5, "backoff_s": (0.02, 0.05)}

Make = Callable[..., Session]


@pytest.fixture(name="broker")
async def the_broker() -> AsyncIterator[FakeBroker]:
    async with fake.fake_broker() as one:
        yield one


@pytest.fixture(name="make")
async def the_make() -> AsyncIterator[Make]:
    made: list[Session] = []

    def one(*brokers: str, tls: tuple[str, str, str] = ("", "", ""), client: str = VEHICLE, **more: object) -> Session:
        options = {"subscriptions": (DOWN,), "keepalive_s": 5} | QUICK | more
        made.append(Session(brokers, *tls, client, STATE, b"gone", jitter_seed="seed", **options))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for session in made:
        await session.close()


async def event(session: Session) -> Arrived | bool:
    return await asyncio.wait_for(session.next_event(), 20)


async def message(session: Session) -> Arrived:
    while True:
        one = await event(session)
        if isinstance(one, Arrived):
            return one


async def up(session: Session) -> None:
    while await event(session) is not True:
        pass


async def alive(session: Session) -> None:
    """Sooner or later a message gets through."""
    for _ in range(50):
        while not session.connected:
            await up(session)
        with contextlib.suppress(DeviceError):
            await asyncio.wait_for(session.publish(UP, b"alive"), 20)
            return
        await asyncio.sleep(0.02)  # a connection that is going down refuses at once: let it go down
    raise AssertionError(session.trouble)


async def lost(awaitable: object) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        await asyncio.wait_for(awaitable, 20)  # type: ignore[arg-type]
    return caught.value
