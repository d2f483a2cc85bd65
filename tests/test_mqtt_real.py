"""The session against a real mosquitto: TLS both ways, kills, the will, and certificates of somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.brokers import Mosquitto, certificates, mosquitto
from tests.session_bench import (  # noqa: F401 (fixtures)
    DOWN,
    STATE,
    UP,
    VEHICLE,
    Make,
    event,
    message,
    the_broker,
    the_make,
    up,
)

# --- a real broker ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with mosquitto(tmp_path, VEHICLE) as broker:
        yield broker


async def test_tls_with_a_client_certificate_both_ways_through_mosquitto(real: Mosquitto, make: Make) -> None:
    car = make(real.address, tls=real.files(VEHICLE))
    backend = make(real.address, tls=real.files("backend"), client="backend", subscriptions=(UP,))
    await up(car)
    await up(backend)
    await car.publish(UP, b"fact")
    arrived = await message(backend)
    assert arrived.payload == b"fact"
    arrived.acknowledge()
    await backend.publish(DOWN, b"ack")
    assert (await message(car)).payload == b"ack"


async def test_a_broker_killed_and_started_again_is_found_again(real: Mosquitto, make: Make) -> None:
    car = make(real.address, tls=real.files(VEHICLE))
    await up(car)
    real.kill()
    assert await event(car) is False
    await real.start()
    await up(car)
    await car.publish(UP, b"fact")


async def test_the_will_is_spoken_when_the_car_vanishes(real: Mosquitto, make: Make) -> None:
    backend = make(real.address, tls=real.files("backend"), client="backend", subscriptions=(STATE,))
    car = make(real.address, tls=real.files(VEHICLE))
    await up(backend)
    await up(car)
    connection = car._connection
    assert connection is not None
    sock = connection._client.socket()
    assert sock is not None
    sock.shutdown(2)  # type: ignore[attr-defined]
    arrived = await message(backend)
    assert (arrived.topic, arrived.payload) == (STATE, b"gone")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # paho lets go of a failed handshake's socket
async def test_a_certificate_of_somebody_else_is_not_believed(real: Mosquitto, make: Make, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    certificates(other, (VEHICLE,))
    wrong_ca = make(real.address, tls=(str(other / "ca.pem"), *real.files(VEHICLE)[1:]))
    own = str(other / f"{VEHICLE}.pem"), str(other / f"{VEHICLE}.key")
    wrong_own = make(real.address, tls=(real.files(VEHICLE)[0], *own))
    for session in (wrong_ca, wrong_own):
        session.open()
        while session.counters()["connects"] < 3:
            await asyncio.sleep(0.01)
        assert not session.connected
    assert "CERTIFICATE_VERIFY_FAILED" in wrong_ca.trouble
