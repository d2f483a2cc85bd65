"""Files that survive a cut, systemd's socket, the control socket: all on real files and real UNIX sockets."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.errors import DeviceError, DeviceGone, DeviceTimeout
from drivers.local import control
from drivers.local.control import ControlSocket, ask
from drivers.local.files import read, write_durably
from drivers.local.notify import Notifier

# --- files -----------------------------------------------------------------------------------------------------------


def test_d14_a_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path) -> None:
    path = tmp_path / "floor"
    assert read(path) is None
    write_durably(path, b"one")
    write_durably(str(path), b"two" * 100_000)
    assert read(path) == b"two" * 100_000
    assert [entry.name for entry in tmp_path.iterdir()] == ["floor"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_d14_content_is_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch) -> None:
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def noted(*args, name=name, real=real):
            folder = name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode)
            steps.append("fsync folder" if folder else name)
            return real(*args)

        monkeypatch.setattr(os, name, noted)
    write_durably(tmp_path / "keyset", b"x")
    assert steps == ["fsync", "replace", "fsync folder"]


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch) -> None:
    path = tmp_path / "keyset"
    write_durably(path, b"old")

    def full(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write_durably(path, b"new")
    monkeypatch.undo()
    assert read(path) == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["keyset"]


def test_what_a_cut_left_behind_is_overwritten(tmp_path) -> None:
    (tmp_path / ".floor.new").write_bytes(b"half of a longer content")
    write_durably(tmp_path / "floor", b"whole")
    assert read(tmp_path / "floor") == b"whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["floor"]


def test_reading_tells_missing_from_unreadable(tmp_path) -> None:
    assert read(tmp_path / "no" / "such") is None
    with pytest.raises(IsADirectoryError):
        read(tmp_path)


# --- systemd ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def systemd():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        yield listener


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_ready_status_watchdog_and_stopping(systemd, tmp_path, abstract) -> None:
    name = f"@boitier-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    systemd.bind("\0" + name[1:] if abstract else name)
    notifier = Notifier({"NOTIFY_SOCKET": name})
    assert notifier.ready("door can be opened")
    assert notifier.status("one\nREADY=1")
    assert notifier.watchdog()
    assert notifier.stopping()
    heard = [systemd.recv(4096) for _ in range(4)]
    assert heard == [b"READY=1\nSTATUS=door can be opened", b"STATUS=one READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    notifier.close()
    notifier.close()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/no/such/socket"}])
def test_without_systemd_every_word_is_a_no_op(environ) -> None:
    notifier = Notifier(environ)
    assert not notifier.ready()
    assert not notifier.watchdog()
    assert notifier.watchdog_timeout_s is None
    notifier.close()


def test_a_deaf_systemd_never_blocks(systemd, tmp_path) -> None:
    systemd.bind(str(tmp_path / "notify"))
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    assert not all(notifier.watchdog() for _ in range(10_000))  # its queue is full, and we are still here
    notifier.close()


@pytest.mark.parametrize(
    ("environ", "timeout"),
    [
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_timeout_is_what_systemd_allows_this_process(environ, timeout) -> None:
    assert Notifier(environ).watchdog_timeout_s == timeout


# --- control socket --------------------------------------------------------------------------------------------------


async def echo(request):
    if request.get("do") == "fail":
        raise RuntimeError("no such thing")
    if request.get("do") == "unsayable":
        return {"a": object()}
    return {"you said": request}


@pytest.fixture
async def server(tmp_path):
    server = ControlSocket(tmp_path / "control.sock", echo)
    await server.open()
    yield server
    await server.close()


async def say(path, *lines: bytes) -> list[dict]:
    """Raw lines in, answers out, until the other side or we hang up."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 20)
    answers = []
    try:
        for line in lines:
            writer.write(line)
            answers.append(json.loads(await reader.readline()))
    finally:
        writer.close()
        await writer.wait_closed()
    return answers


async def test_a_request_gets_its_answer_and_the_file_is_for_owner_and_group_alone(server, tmp_path) -> None:
    path = tmp_path / "control.sock"
    assert await asyncio.to_thread(ask, path, {"do": "status"}, 5) == {"you said": {"do": "status"}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


async def test_bad_requests_are_answered_with_an_error_and_the_line_stays_open(server, tmp_path) -> None:
    lines = [b"hello\n", b"[]\n", b"\xff\xfe\n", b"[" * 60_000 + b"\n", b'{"do":"fail"}\n', b'{"do":"unsayable"}\n']
    answers = await say(tmp_path / "control.sock", *lines, b'{"do":"status"}\n')
    assert [list(answer) for answer in answers] == [["ok", "why"]] * 6 + [["you said"]]
    assert [answer.get("ok") for answer in answers] == [False] * 6 + [None]
    assert "no such thing" in answers[4]["why"]
    assert server.counters() == {"clients": 1, "requests": 3, "refused": 0, "bad": 4, "failed": 2}


async def test_a_line_of_64_kib_is_the_longest(server, tmp_path) -> None:
    def padded(length: int) -> bytes:
        return b'{"a":"' + b"x" * (length - 8) + b'"}\n'

    (answer,) = await say(tmp_path / "control.sock", padded(control.LINE_BYTES))
    assert "you said" in answer
    (answer,) = await say(tmp_path / "control.sock", padded(control.LINE_BYTES * 2))
    assert answer["ok"] is False
    assert "longer" in answer["why"]


async def test_a_ninth_client_is_told_that_it_is_too_many(server, tmp_path) -> None:
    path = str(tmp_path / "control.sock")
    held = [await asyncio.open_unix_connection(path) for _ in range(control.CLIENTS)]
    for reader, writer in held:
        writer.write(b"{}\n")
        assert await reader.readline()
    reader, late = await asyncio.open_unix_connection(path)
    answer = json.loads(await reader.readline())
    assert answer["ok"] is False
    assert "busy" in answer["why"]
    assert await reader.read() == b""
    for _, writer in [*held, (reader, late)]:
        writer.close()
        await writer.wait_closed()
    while server._clients:
        await asyncio.sleep(0)
    assert (await say(path, b"{}\n"))[0] == {"you said": {}}


async def test_a_client_that_hangs_up_in_the_middle_harms_nobody(server, tmp_path) -> None:
    path = str(tmp_path / "control.sock")
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"do":')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await say(path, b"{}\n"))[0] == {"you said": {}}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
async def test_arbitrary_bytes_get_an_answer_or_a_hang_up(tmp_path_factory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("c") / "s"
    server = ControlSocket(path, echo)
    await server.open()
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(data + b"\n")
    writer.write_eof()
    for line in (await reader.read()).splitlines():
        assert isinstance(json.loads(line), dict)
    writer.close()
    await writer.wait_closed()
    await server.close()


async def test_a_stale_socket_file_is_replaced_and_ours_is_taken_away(tmp_path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = ControlSocket(path, echo)
    await server.open()
    assert (await say(path, b"{}\n"))[0] == {"you said": {}}
    await server.close()
    await server.close()
    assert not path.exists()


async def test_a_socket_where_somebody_listens_is_left_alone(server, tmp_path) -> None:
    path = tmp_path / "control.sock"
    with pytest.raises(DeviceError, match="another program") as caught:
        await ControlSocket(path, echo).open()
    assert not caught.value.retryable
    assert (await say(path, b"{}\n"))[0] == {"you said": {}}


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    for bad in (path, tmp_path / "no" / "folder", tmp_path / ("x" * 200)):
        with pytest.raises(DeviceError) as caught:
            await ControlSocket(bad, echo).open()
        assert not caught.value.retryable
    assert path.read_text() == "data"


def test_asking_nobody_says_so(tmp_path) -> None:
    with pytest.raises(DeviceGone):
        ask(tmp_path / "none", {})


def test_asking_a_deaf_daemon_ends_at_the_deadline(tmp_path) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen()
        with pytest.raises(DeviceTimeout):
            ask(tmp_path / "deaf", {}, 0.05)
