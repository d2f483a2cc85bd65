"""The descriptor in the loop, on real pipes and socket pairs."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from drivers.errors import DeviceError, DeviceGone
from drivers.fd import FdReader


async def settle(turns: int = 5) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def pipe_reader(fd: int, size: int = 1, **more: int) -> FdReader[bytes]:
    def read() -> bytes | None:
        data = os.read(fd, size)
        if not data:
            raise DeviceGone("end of file")
        return data

    return FdReader(fd, read, **more)


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    ends = {"r": reading, "w": writing}
    yield ends
    for fd in ends.values():
        if fd >= 0:
            os.close(fd)


async def test_items_come_in_order_and_next_waits_for_them(pipe) -> None:
    reader = pipe_reader(pipe["r"])
    reader.open()
    waiting = asyncio.create_task(reader.next())
    await settle()
    assert not waiting.done()
    os.write(pipe["w"], b"abc")
    assert [await waiting, await reader.next(), await reader.next()] == [b"a", b"b", b"c"]
    reader.close()


async def test_a_full_queue_drops_the_oldest_and_counts(pipe) -> None:
    reader = pipe_reader(pipe["r"], depth=4)
    reader.open()
    os.write(pipe["w"], b"0123456789")
    while reader.dropped < 6:
        await asyncio.sleep(0)
    assert [await reader.next() for _ in range(4)] == [b"6", b"7", b"8", b"9"]
    assert reader.dropped == 6
    reader.close()


async def test_a_flood_takes_only_one_burst_in_a_turn(pipe) -> None:
    reader = pipe_reader(pipe["r"], burst=2)
    reader.open()
    os.write(pipe["w"], b"0123456789")
    turns = 0
    while len(reader._items) < 10:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 5
    reader.close()


async def test_what_was_read_before_the_end_is_still_handed_out_then_the_error_every_time(pipe) -> None:
    reader = pipe_reader(pipe["r"])
    reader.open()
    os.write(pipe["w"], b"xy")
    os.close(pipe["w"])
    pipe["w"] = -1
    assert await reader.next() == b"x"
    assert await reader.next() == b"y"
    for _ in range(2):
        with pytest.raises(DeviceGone):
            await reader.next()
    assert reader.error is not None


async def test_an_ended_descriptor_leaves_the_loop(pipe) -> None:
    reader = pipe_reader(pipe["r"])
    reader.open()
    os.close(pipe["w"])
    pipe["w"] = -1
    with pytest.raises(DeviceGone):
        await reader.next()
    assert not asyncio.get_running_loop().remove_reader(pipe["r"])  # False: nobody was registered any more


async def test_close_is_idempotent_and_ends_a_waiting_next(pipe) -> None:
    reader = pipe_reader(pipe["r"])
    reader.open()
    waiting = asyncio.create_task(reader.next())
    await settle()
    reader.close()
    reader.close()
    with pytest.raises(DeviceGone, match="closed"):
        await waiting
    os.fstat(pipe["r"])  # still the owner's


async def test_an_os_error_becomes_a_device_error_that_may_be_retried() -> None:
    left, right = socket.socketpair()

    def read() -> bytes:
        raise OSError(5, "Input/output error")

    reader: FdReader[bytes] = FdReader(left.fileno(), read)
    reader.open()
    right.send(b"x")
    with pytest.raises(DeviceError) as caught:
        await reader.next()
    assert caught.value.retryable
    assert not caught.value.may_have_happened
    left.close()
    right.close()


async def test_a_descriptor_that_cannot_be_watched_is_a_device_error(tmp_path) -> None:
    with (tmp_path / "file").open("wb") as file:  # epoll refuses regular files
        reader: FdReader[bytes] = FdReader(file.fileno(), lambda: None)
        with pytest.raises(DeviceGone):
            reader.open()
    reader.close()


async def test_cancelling_next_loses_nothing(pipe) -> None:
    reader = pipe_reader(pipe["r"])
    reader.open()
    waiting = asyncio.create_task(reader.next())
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    os.write(pipe["w"], b"k")
    assert await reader.next() == b"k"
    reader.close()
