"""The bench to play with: a pipe, a terminal, another terminal, and the verbs against a bench that really runs."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from hil import listen, packages, provision
from hil.backend.payload import pack
from hil.bench import Bench
from hil.commands import Commands
from hil.happenings import Happenings, Voices, summary
from hil.prompt import until
from hil.remote import Doorway, answers
from hil.words import Words

WORDS = Words("en")
ROOT = Path(__file__).resolve().parents[1]


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_a_fact_is_one_line_without_ids() -> None:
    reading = {"odometer_km": 48_211.4, "soc_percent": 78.0, "position": [48.7, -0.5]}
    body = {"event": "opened", "booking": 7, "token": "ab" * 8, "holder": None, "start": reading}
    assert summary("booking", body) == "booking opened: booking 7, start at 48211.4 km, 78.0 %"
    assert summary("dropped", {"from": 3, "to": 5, "why": "purged"}) == "dropped: from 3, to 5, why purged"


def test_listener_unpacks_what_is_packed_and_shows_the_rest_as_it_is() -> None:
    long = {"text": "é" * 600}
    lines = [f"t/a {pack({'v': 1}).hex()}\n", f"t/b {pack(long).hex()}\n", "t/c zz\n", "t/d d28443\n"]
    shown = list(listen.readable(lines))
    assert shown[0] == 't/a {"v": 1}'
    assert shown[1].startswith('t/b {"text": "ééé')
    assert shown[2:] == ["t/c zz", "t/d d28443"]


# --- from another terminal --------------------------------------------------------------------------------------------


async def do(path: Path, *words: str) -> tuple[int, str]:
    """`python -m hil do …` as another terminal runs it."""
    argv = [sys.executable, "-m", "hil", "do", "--socket", str(path), *words]
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_another_terminal_is_served_by_a_private_socket_that_leaves_nothing(tmp_path: Path) -> None:
    lines: list[str] = []
    voices = Voices()

    async def obey(line: str) -> bool:
        voices(f"heard {line}")
        return line != "bad"

    link, path = tmp_path / "out" / "bench.sock", tmp_path / "own.sock"
    async with Doorway(path, obey, voices, lines.append, link) as doorway:
        assert doorway.linked
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await do(link, "badge", "tap") == (0, "heard badge tap\n")
        assert await do(link, "bad") == (1, "heard bad\n")
        async with Doorway(tmp_path / "other.sock", obey, voices, lines.append, link) as second:
            assert not second.linked
        for noise in (b"", b"no json\n", b"[]\n", b'{"line"'):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(noise)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert lines == ["badge tap", "bad"]
    assert not answers(link)
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == []
    code, said = await do(link, "status")
    assert (code, "no bench runs" in said) == (2, True)


async def test_a_stale_link_of_a_bench_that_died_is_replaced(tmp_path: Path) -> None:
    async def obey(line: str) -> bool:
        return True

    link = tmp_path / "bench.sock"
    link.symlink_to(tmp_path / "gone.sock")
    async with Doorway(tmp_path / "own.sock", obey, Voices(), lambda line: None, link) as doorway:
        assert doorway.linked
        assert answers(link)


async def test_somebody_elses_quit_ends_the_wait() -> None:
    ending = asyncio.Event()
    ending.set()
    assert await until(ending, asyncio.Event().wait()) == 0  # type: ignore[arg-type]


# --- for real ---------------------------------------------------------------------------------------------------------


@pytest.mark.guest
async def test_the_verbs_move_a_bench_that_really_runs(tmp_path: Path) -> None:
    """The Kangoo, by its own lock command: booked, opened from another terminal, driven, broken, heard from outside."""
    said: list[str] = []
    voices = Voices(lambda text, by_itself: said.append(text))
    bench = Bench("kangoo-ze", "guest", driver="diagnostic")
    commands = Commands(bench, WORDS, voices)
    try:
        await bench.start()
        doorway = Doorway(bench.folder / "do.sock", commands.do, voices, said.append, tmp_path / "link.sock")
        async with Happenings(bench, WORDS, voices), doorway:
            await opened_and_driven(commands, doorway.path, said)
            await cut_and_back(commands, said)
            await heard_outside(bench)
    finally:
        await bench.stop()
    assert not bench.folder.exists()


async def opened_and_driven(commands: Commands, path: Path, said: list[str]) -> None:
    truth = lambda: commands.world.truth  # noqa: E731
    assert await commands.do("book staff 1h")
    assert await commands.do("badge tap stranger")
    assert said[-1] == "because no stored booking names this badge (not_stored)"
    await asyncio.sleep(2.3)  # the reader takes two sightings within two seconds for one
    code, output = await do(path, "badge", "tap", "clerk")
    assert (code, "the reader shows: opened" in output) == (0, True), output
    assert not truth().locked
    before = truth().odometer_km
    drive = asyncio.create_task(commands.do("drive 500m"))
    await asyncio.sleep(2)
    assert not await commands.do("ignition off")
    assert not await commands.do("drive 1km")
    assert await drive
    assert truth().odometer_km - before == pytest.approx(0.5)
    assert truth().ignition
    assert not truth().plugged
    assert not await commands.do("drive 400km")
    assert await commands.do("ignition off")
    assert any("the cable is pulled first" in line for line in said)


async def cut_and_back(commands: Commands, said: list[str]) -> None:
    for line in ("fault link cut", "fault gnss dark", "fault link back", "fault link delay 10ms", "power cut"):
        assert await commands.do(line), said[-1]
    for line in ("status", "badge tap", "power cut", "agent stop"):
        assert not await commands.do(line)
        assert said[-1] == WORDS("p_no_power")
    assert await commands.do("power back")
    for line in ("status", "records 5", "help", "agent log 5", "fault gnss clear", "fault can down", "fault can up"):
        assert await commands.do(line), said[-1]
    assert any("booking under way     staff" in text for text in said), said


async def heard_outside(bench: Bench) -> None:
    """The very line that is printed for people, ended after one message; the newest state is retained."""
    line = listen.command_line(bench)
    assert line is not None, "mosquitto-clients is missing"
    one = line.replace(" -q 1 ", " -q 1 -C 1 -W 20 ")
    process = await asyncio.create_subprocess_shell(one, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert output.decode().startswith(f"boitier/v1/{bench.vehicle.ident.hex()}/up/"), output
    assert '"v": 1' in output.decode()


@pytest.mark.guest
def test_a_terminal_gets_a_prompt_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """A real pseudo-terminal: the prompt appears, a line is obeyed, and Ctrl-C takes everything down in order."""
    near, far = pty.openpty()
    termios.tcsetwinsize(far, (40, 120))
    env = {**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm"}
    argv = [sys.executable, "-m", "hil", "up"]
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=far, stdout=far, stderr=far, env=env, start_new_session=True
    ) as process:
        os.close(far)
        screen = b""
        try:
            screen = read_until(near, screen, b"zoe-ph1>")
            os.write(near, b"agent log 20\r")
            screen = read_until(near, screen, b"INFO")
            # While it prints, the terminal is not the prompt's, and a key pressed then is nobody's.
            screen = read_until(near, screen[screen.index(b"INFO") :], b"zoe-ph1>")
            os.write(near, b"\x03")
            screen = read_until(near, screen, b"nothing is left")
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGTERM)
    os.close(near)
    assert [each.name for each in tmp_path.iterdir()] == []


def read_until(near: int, screen: bytes, wanted: bytes) -> bytes:
    deadline = time.monotonic() + 90  # the prompt draws itself anew for ever
    while wanted not in screen:
        assert time.monotonic() < deadline, screen.decode(errors="replace")
        assert select.select([near], [], [], 60)[0], screen.decode(errors="replace")
        data = os.read(near, 65_536)
        assert data, screen
        if b"\x1b[6n" in data:
            os.write(near, b"\x1b[1;1R")  # a terminal tells where its cursor is
        screen += data
    return screen


def test_only_a_real_terminal_needs_the_prompt_library() -> None:
    """A pipe, `do` and the demo work without the extra `bench`."""
    code = "import sys, hil.prompt, hil.remote; sys.exit('prompt_toolkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_bare_machine_is_told_how_to_get_the_listener(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packages, "find", lambda program: None)
    assert listen.command_line(None) is None  # type: ignore[arg-type]
    assert "apt-get install mosquitto-clients" in WORDS("p_no_mosquitto_sub")


def test_the_kangoo_has_a_lock_command_of_its_own() -> None:
    wiring = provision.wiring(provision.Vehicle(bytes(8), "kangoo-ze", "diagnostic"))
    assert wiring.unlock_request
    assert wiring.lock_request
