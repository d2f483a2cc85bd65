"""The line between host and inside: frames, streams, windows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.forward import Outlet, Targets
from hil.frames import Decoder, Kind, LineBroken, LineFrame, encode
from hil.mux import HOST_LINE_WINDOW, STREAM_WINDOW, Mux, Stream, StreamReset

frames = st.builds(LineFrame, st.sampled_from(Kind), st.integers(0, 0xFFFF), st.binary(max_size=1024))


HELLO = LineFrame(Kind.HELLO, 0, b"")


@given(st.lists(frames, max_size=6), st.integers(1, 50))
def test_frames_survive_every_cut_into_reads(sent: list[LineFrame], step: int) -> None:
    sent = [HELLO, *sent]
    line = b"".join(encode(frame) for frame in sent)
    decoder = Decoder()
    got = [frame for at in range(0, len(line), step) for frame in decoder.feed(line[at : at + step])]
    assert got == sent
    assert decoder.skipped == 0


@given(st.binary(max_size=200), frames, st.integers(1, 50))
def test_text_before_the_first_hello_is_skipped_and_counted(garbage: bytes, frame: LineFrame, step: int) -> None:
    line = garbage + encode(HELLO) + encode(frame)
    decoder = Decoder()
    got = [frame for at in range(0, len(line), step) for frame in decoder.feed(line[at : at + step])]
    assert got == [HELLO, frame]
    assert decoder.skipped == len(garbage)


@given(frames, st.data())
def test_a_damaged_byte_after_the_first_frame_breaks_the_line(frame: LineFrame, data: st.DataObject) -> None:
    whole = encode(frame)
    at = data.draw(st.integers(0, len(whole) - 1))
    bent = whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :]
    decoder = Decoder()
    decoder.feed(encode(HELLO))
    with pytest.raises(LineBroken):
        decoder.feed(bent + bytes(1100))


class Pair:
    """Both ends of a line in one process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.accepted: asyncio.Queue[Stream] = asyncio.Queue()
        self.targets = Targets()
        self.host = Mux(ours.detach(), host=True, accept=self._accept)
        self.guest = Mux(theirs.detach(), host=False, accept=self.accepted.put_nowait)

    def _accept(self, stream: Stream) -> None:
        if stream.name == "broker":
            self.targets.accept(stream)
        else:
            self.accepted.put_nowait(stream)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    both = Pair()
    await asyncio.gather(both.host.start(), both.guest.start())
    yield both
    await both.targets.close()
    both.host.close()
    both.guest.close()


async def read_all(stream: Stream) -> bytes:
    got = bytearray()
    while data := await stream.read():
        got += data
    return bytes(got)


async def test_three_streams_carry_megabytes_both_ways_and_end(pair: Pair) -> None:
    blobs = [os.urandom(300_000 + n) for n in range(3)]

    async def send(stream: Stream, blob: bytes) -> None:
        await stream.write(blob)
        await stream.end()

    async def answer(blob: bytes) -> bool:
        stream = await pair.accepted.get()
        _, got = await asyncio.gather(send(stream, blob), read_all(stream))
        return got in blobs

    async def ask(blob: bytes) -> bytes:
        stream = await pair.guest.open("x")
        _, got = await asyncio.gather(send(stream, blob), read_all(stream))
        return got

    results = await asyncio.gather(*(ask(blob) for blob in blobs), *(answer(blob) for blob in blobs))
    assert sorted(len(x) for x in results[:3] if isinstance(x, bytes)) == sorted(map(len, blobs))
    assert all(results[3:])
    assert not pair.host._streams
    assert not pair.guest._streams


async def test_an_unread_stream_is_held_back_and_does_not_stop_others(pair: Pair) -> None:
    stuck = await pair.host.open("stuck")
    unread = await pair.accepted.get()
    flood = asyncio.create_task(stuck.write(bytes(10 * STREAM_WINDOW)))
    lively = await pair.host.open("lively")
    other = await pair.accepted.get()
    await lively.write(b"hello")
    assert await other.read() == b"hello"
    while unread._held < STREAM_WINDOW:  # the window fills and then stays
        await asyncio.sleep(0)
    await lively.write(b"again")
    assert await other.read() == b"again"
    assert unread._held == STREAM_WINDOW
    assert not flood.done()
    assert pair.host._on_line <= HOST_LINE_WINDOW + 1100
    flood.cancel()


async def test_a_reset_reaches_the_other_end(pair: Pair) -> None:
    stream = await pair.guest.open("x")
    other = await pair.accepted.get()
    await other.reset()
    with pytest.raises(StreamReset):
        await stream.read()


async def test_the_end_of_the_line_resets_every_stream(pair: Pair) -> None:
    stream = await pair.guest.open("x")
    await pair.accepted.get()
    pair.host.close()
    with pytest.raises(StreamReset):
        await stream.read()
    await pair.guest.lost.wait()
    with pytest.raises(StreamReset):
        await pair.guest.open("y")


async def test_a_connection_is_forwarded_held_and_reset_with_its_target(pair: Pair) -> None:
    held: list[asyncio.StreamWriter] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        while data := await reader.read(1000):
            writer.write(data.upper())
            await writer.drain()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    pair.targets.set("broker", "127.0.0.1", server.sockets[0].getsockname()[1])
    outlet = Outlet(pair.guest, "broker")
    port = await outlet.listen(0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"one")
    assert await reader.read(10) == b"ONE"
    pair.targets.hold("broker")
    writer.write(b"two")
    with contextlib.suppress(TimeoutError):
        assert not await asyncio.wait_for(reader.read(10), 0.05), "a held stream delivered"
    pair.targets.release("broker")
    assert await reader.read(10) == b"TWO"
    held[0].transport.abort()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read(10) == b""
    writer.close()
    await outlet.close()
    server.close()


async def test_nobody_at_the_target_resets_the_connection(pair: Pair) -> None:
    free = socket.create_server(("127.0.0.1", 0))
    pair.targets.set("broker", "127.0.0.1", free.getsockname()[1])
    free.close()
    outlet = Outlet(pair.guest, "broker")
    reader, writer = await asyncio.open_connection("127.0.0.1", await outlet.listen(0))
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    assert pair.targets.refused == 1
    writer.close()
    await outlet.close()


async def test_d33_after_a_power_cut_the_broker_is_told_nothing(pair: Pair) -> None:
    """A box without power sends no FIN: what the broker sees is silence, until its keep-alive or our clean-up."""
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *ends: arrived.put_nowait(ends), "127.0.0.1", 0)
    pair.targets.set("broker", "127.0.0.1", server.sockets[0].getsockname()[1])
    stream = await pair.guest.open("broker")
    await stream.write(b"hello")
    reader, writer = await arrived.get()
    assert await reader.readexactly(5) == b"hello"
    pair.targets.vanish(True)
    pair.host.close()
    while pair.targets._carrying:
        await asyncio.sleep(0)
    heard = asyncio.create_task(reader.read(1))
    await asyncio.sleep(0.05)
    assert not heard.done(), "the broker was told of the cut"
    await pair.targets.close()
    with contextlib.suppress(ConnectionResetError):
        assert await heard == b""
    writer.close()
    server.close()
