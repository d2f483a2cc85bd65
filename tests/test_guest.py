"""The user-mode guest as a bench: CAN, overlay, streams, power cuts. Boots a real kernel, so marked `guest`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hil import packages
from hil.control import MachineGone, Refused
from hil.guest import GuestFailed, session_members, shim
from hil.machine import GuestMachine

pytestmark = pytest.mark.guest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
async def machine() -> AsyncIterator[GuestMachine]:
    one = GuestMachine()
    await one.boot()
    yield one
    await one.close()


async def python(machine: GuestMachine, program: str, *arguments: str) -> str:
    """Run a few lines of Python inside; its output. Fails the test with that output on any exit but 0."""
    argv = [sys.executable, "-c", textwrap.dedent(program), *arguments]
    answer = await machine.call({"do": "run", "argv": argv, "cwd": str(ROOT)})
    assert answer["exit"] == 0, answer["output"]
    return str(answer["output"])


BROADCAST_MANAGER = """
    import select, socket, struct
    watch = socket.socket(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_BCM)
    watch.connect(("vcan0",))
    # RX_SETUP of identifier 0x42E, filter on its content: opcode, flags, count, two intervals, id, frames, mask
    mask = struct.pack("=IB3x8s", 0x42E, 8, b"\\xff" * 8)
    watch.send(struct.pack("@IIIllllII", 5, 0, 0, 0, 0, 0, 0, 0x42E, 1) + mask)
    bus = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    bus.bind(("vcan0",))
    bus.send(struct.pack("=IB3x8s", 0x42E, 8, bytes(range(8))))
    assert select.select([watch], [], [], 10)[0], "nothing came"
    told = watch.recv(256)
    print(struct.unpack_from("@I", told)[0], told[-8:].hex())
"""


async def test_the_broadcast_manager_hears_a_frame_on_a_real_vcan(machine: GuestMachine) -> None:
    assert await python(machine, BROADCAST_MANAGER) == "12 0001020304050607\n"  # 12 = RX_CHANGED


async def test_the_interface_goes_down_and_away_and_comes_back(machine: GuestMachine) -> None:
    names = "import socket; print([name for _, name in socket.if_nameindex()])"
    await machine.call({"do": "can", "op": "down"})
    assert "DOWN" in await python(machine, "print(open('/sys/class/net/vcan0/operstate').read().upper())")
    await machine.call({"do": "can", "op": "delete"})
    assert "vcan0" not in await python(machine, names)
    with pytest.raises(Refused, match=r"No such device|no interface"):
        await machine.call({"do": "can", "op": "delete"})
    await machine.call({"do": "can", "op": "create"})
    assert await python(machine, BROADCAST_MANAGER) == "12 0001020304050607\n"


async def test_what_the_guest_writes_never_reaches_the_host(machine: GuestMachine, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("host")
    program = """
        import pathlib, shutil, sys
        folder = pathlib.Path(sys.argv[1])
        (folder / "kept").write_text("guest")
        (folder / "new").write_text("guest")
        pathlib.Path("/boitier-was-here").write_text("guest")
        shutil.rmtree("hil")
        pathlib.Path("/results/out").write_text("shared on purpose")
        print((folder / "kept").read_text())
    """
    assert await python(machine, program, str(tmp_path)) == "guest\n"
    assert kept.read_text() == "host"
    assert os.listdir(tmp_path) == ["kept"]
    assert "boitier-was-here" not in os.listdir("/")
    assert "guest.py" in os.listdir(ROOT / "hil")
    assert (machine.results / "out").read_text() == "shared on purpose"


SEND_AND_COMPARE = """
    import os, socket, sys, threading
    def one(number):
        blob = bytes([number]) + os.urandom(1 << 20)
        link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        def send():
            link.sendall(blob)
            link.shutdown(socket.SHUT_WR)
        thread = threading.Thread(target=send); thread.start()
        got = bytearray()
        while data := link.recv(65536):
            got += data
        thread.join()
        print("same" if got == blob else f"different: {len(got)}")
    threads = [threading.Thread(target=one, args=(n,)) for n in range(3)]
    [thread.start() for thread in threads]; [thread.join() for thread in threads]
"""


async def test_a_megabyte_goes_both_ways_on_several_streams_at_once_and_ends_properly(machine: GuestMachine) -> None:
    ended = asyncio.Semaphore(0)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()
        ended.release()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        machine.forward("broker", *server.sockets[0].getsockname())
        assert await python(machine, SEND_AND_COMPARE, str(machine.ports["broker"])) == "same\n" * 3
        for _ in range(3):
            await ended.acquire()
    assert await machine.call({"do": "sync"}) == {}  # the control stream lives on


WRITE_ROWS = """
    import os
    kept = os.open("/data/kept", os.O_CREAT | os.O_WRONLY)
    lost = os.open("/data/lost", os.O_CREAT | os.O_WRONLY)
    os.fsync(lost)
    for number in range(200):
        os.write(kept, b"%07d\\n" % number)
        os.fsync(kept)
        os.write(lost, b"%07d\\n" % number)
    print("written", flush=True)
    import time; time.sleep(600)
"""


async def test_a_cut_keeps_what_was_flushed_loses_what_was_not_and_leaves_no_process(machine: GuestMachine) -> None:
    events = machine.events()
    argv = [sys.executable, "-c", textwrap.dedent(WRITE_ROWS)]
    command = asyncio.create_task(machine.call({"do": "run", "argv": argv, "live": True}))
    await events.until(lambda event: event.get("line") == "written")
    session = machine._guest._process.pid  # type: ignore[union-attr]
    assert session_members(session)
    await machine.cut()
    assert session_members(session) == []
    with pytest.raises(MachineGone):
        await command
    await machine.boot()
    sizes = await python(machine, "import os; print(*(os.path.getsize(f'/data/{n}') for n in ('kept', 'lost')))")
    kept, lost = map(int, sizes.split())
    assert kept == 200 * 8
    assert lost < 200 * 8, "the cut lost nothing: it is none"
    await machine.halt()
    assert session_members(machine._guest._process.pid) == []  # type: ignore[union-attr]


async def test_cuts_in_a_row_always_leave_a_disk_that_mounts(machine: GuestMachine) -> None:
    program = "import os,sys; f=os.open('/data/n', os.O_CREAT|os.O_APPEND|os.O_WRONLY); os.write(f,b'x'); os.fsync(f)"
    for number in range(3):
        await python(machine, program)
        await machine.cut()
        await machine.boot()
        assert await python(machine, "print(len(open('/data/n').read()))") == f"{number + 1}\n"


async def test_the_agents_child_is_started_heard_measured_and_stopped(machine: GuestMachine) -> None:
    script = """
        import os, signal, socket, sys
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        note = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        note.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
        print("config:", open(sys.argv[1]).read(), os.environ["COLOUR"], flush=True)
        signal.sigwait([signal.SIGTERM])
        sys.exit(7)
    """
    events = machine.events()
    argv = [sys.executable, "-c", textwrap.dedent(script), "{config}"]
    await machine.call({"do": "agent", "op": "start", "toml": "a = 1", "env": {"COLOUR": "blue"}, "argv": argv})
    line = await events.until(lambda event: event["saw"] == "log")
    assert line["line"] == "config: a = 1 blue"
    numbers = await machine.call({"do": "proc"})
    assert numbers["rss_kb"] > 1000
    assert numbers["threads"] == 1
    with pytest.raises(Refused, match="runs already"):
        await machine.call({"do": "agent", "op": "start", "toml": "", "argv": argv})
    assert await machine.call({"do": "agent", "op": "stop"}) == {"exit": 7}
    assert (await events.until(lambda event: "exit" in event))["exit"] == 7


async def test_a_machine_on_its_own_kernels_can_obeys_the_same_way(machine: GuestMachine) -> None:
    """The host bench, tried where this test suite surely finds a kernel with CAN: inside the guest."""
    program = """
        import asyncio
        from hil import packages
        from hil.machine import HostMachine, choose
        async def main():
            assert packages.host_has_can()
            one = choose("auto")
            assert isinstance(one, HostMachine)
            await one.boot()
            await one.call({"do": "can", "op": "down"})
            print((await one.call({"do": "run", "argv": ["cat", "/sys/class/net/vcan0/operstate"]}))["output"])
            await one.cut()
            await one.boot()
            await one.halt()
            await one.close()
        asyncio.run(main())
    """
    assert (await python(machine, program)).strip() == "down"


@pytest.mark.slow
async def test_d36_systemd_runs_units_as_the_first_process() -> None:
    async with GuestMachine(systemd=True) as machine:
        unit = """
            import pathlib, subprocess
            lines = ["[Service]", "Type=oneshot", "DynamicUser=yes", "StateDirectory=probe"]
            lines += ["ExecStart=touch /var/lib/probe/here", ""]
            pathlib.Path("/run/systemd/system/probe.service").write_text("\\n".join(lines))
            for words in (["daemon-reload"], ["start", "probe.service"], ["is-active", "basic.target"]):
                subprocess.run(["systemctl", *words], check=True)
            print(pathlib.Path("/var/lib/private/probe/here").exists())
        """
        assert await python(machine, unit) == "active\nTrue\n"
        await machine.halt()


async def test_a_guest_that_cannot_start_says_why() -> None:
    machine = GuestMachine()
    machine._guest._inside += ["--no-such-option"]
    with pytest.raises(GuestFailed, match="unrecognized arguments: --no-such-option"):
        await machine.boot()
    await machine.close()


@pytest.mark.skipif(not packages.needs_shim(), reason="this CPU needs no shim: its registers fit the guest kernel")
def test_the_shim_is_compiled_once_and_exports_only_ptrace() -> None:
    library = shim()
    assert library is not None
    assert library == shim()
    assert b"ptrace" in library.read_bytes()
    loaded = subprocess.run(["/bin/true"], env={**os.environ, "LD_PRELOAD": str(library)}, check=False)
    assert loaded.returncode == 0
