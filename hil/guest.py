"""Start and kill the user-mode kernel: command line, disk image, shim, console. Inside begins `hil/guest_init.py`.

Nothing of the host is written but one folder of our own, with disk image and results, and the kernel's memory file
(which has no name). No root needed.
`python -m hil.guest -- COMMAND…` runs a command in a guest that has vcan0, and exits as it did.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from . import compiled, packages

MEMORY_MB = 512
DISK_MB = 256
_SHIM_SOURCE = Path(__file__).with_name("xstate.c")


class GuestFailed(RuntimeError):
    """The guest could not be started or ended by itself; the text carries the end of its console."""


def scratch() -> Path:
    """Where the guest's memory file goes: in memory when there is room (a container's /dev/shm is often too small)."""
    shm = Path("/dev/shm")
    with contextlib.suppress(OSError):
        room = os.statvfs(shm)
        fits = room.f_bavail * room.f_frsize > 2 * MEMORY_MB << 20
        if fits and os.access(shm, os.W_OK) and not room.f_flag & os.ST_NOEXEC:
            return shm
    return Path(tempfile.gettempdir())


def own_folder() -> Path:
    """A new folder of ours, without spaces in its name: the kernel's command line cannot quote them."""
    top = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="boitier-", dir="/tmp" if " " in top else top))


def shim() -> Path | None:
    """The preload library for this CPU, compiled at first use; None where none is needed. Raises GuestFailed."""
    if not packages.needs_shim():
        return None
    source = _SHIM_SOURCE.read_bytes()
    library = packages.ROOT / ".cache" / f"xstate-{hashlib.sha256(source).hexdigest()[:12]}.so"
    if library.exists():
        return library
    compiler = packages.compiler()
    if compiler is None:
        raise GuestFailed("no C compiler for hil/xstate.c, which this CPU needs; `make packages` gets a small one")
    library.parent.mkdir(parents=True, exist_ok=True)
    unfinished = library.with_suffix(f".{os.getpid()}")
    argv = [str(compiler), "-shared", "-fPIC", "-nostdlib", "-o", str(unfinished), str(_SHIM_SOURCE)]
    done = subprocess.run(argv, env=packages.environment(compiler), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise GuestFailed(f"{shlex.join(argv)} failed:\n{done.stderr}")
    unfinished.rename(library)  # at once: two benches may start together
    return library


def find_systemd() -> Path:
    """systemd's own program. Raises GuestFailed."""
    for top in (Path("/"), packages.UNPACKED):
        if (program := top / "lib/systemd/systemd").exists():
            return program
    raise GuestFailed("systemd is not here; `make test` gets it")


def make_disk(path: Path, size_mb: int = DISK_MB) -> None:
    """An empty ext4 image, sparse. Raises GuestFailed."""
    program = packages.find("mke2fs")
    if program is None:
        raise GuestFailed("mke2fs is not here; `make packages` gets it (e2fsprogs)")
    with path.open("wb") as image:
        image.truncate(size_mb << 20)
    argv = [str(program), "-q", "-F", "-t", "ext4", "-m", "0", str(path)]
    done = subprocess.run(argv, env=packages.environment(program), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise GuestFailed(f"mke2fs failed:\n{done.stderr}")


class Guest:
    """One guest machine, booted as often as wanted on the same disk. inside: arguments for `hil.inside`.

    systemd: it is the first process then, and our control loop a unit of it.
    """

    def __init__(self, inside: Sequence[str], *, disk: bool = True, systemd: bool = False) -> None:
        self.folder = own_folder()
        self.results = self.folder / "results"
        self.console: deque[str] = deque(maxlen=500)
        self.on_console: Callable[[str], None] | None = None
        self.disk = self.folder / "disk" if disk else None
        self._inside = list(inside)
        self._systemd = systemd
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        for name in ("results", "base", "uml"):
            (self.folder / name).mkdir()

    async def start(self) -> int:
        """Start the kernel; the host's end of the serial line (a socket, owned by the caller). Raises GuestFailed."""
        kernel, modules = packages.find("linux.uml"), packages.modules_folder()
        if kernel is None or modules is None:
            raise GuestFailed("the guest kernel is not here; `make packages` gets it (user-mode-linux)")
        if self.disk is not None and not self.disk.exists():
            make_disk(self.disk)
        await asyncio.to_thread(compiled.warm)
        init = self._write_init(modules)
        ours, theirs = socket.socketpair()
        env = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(scratch()), "HOME": str(self.folder)}
        if (library := shim()) is not None:  # copied, because the loader takes a space in the path for a separator
            env["LD_PRELOAD"] = str(shutil.copy(library, self.folder / "xstate.so"))
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                str(kernel),
                *self._kernel_line(init, theirs.fileno()),
                env=env,
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # so that the cut finds every process of it, and nobody else's
            )
        with contextlib.suppress(ProcessLookupError):  # it holds every file open that is in use inside
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.prlimit(self._process.pid, resource.RLIMIT_NOFILE, (most, most))
        self._listening = asyncio.create_task(self._listen(self._process))
        return ours.detach()

    def _kernel_line(self, init: Path, fd: int) -> list[str]:
        disk = [f"ubd0={self.disk}"] if self.disk is not None else []
        line = f"mem={MEMORY_MB}M rootfstype=hostfs rw quiet loglevel=3 con=null con0=fd:0,fd:1 con1=null ssl=null"
        return [*line.split(), f"ssl0=fd:{fd}", f"uml_dir={self.folder}/uml", f"init={init}", *disk]

    def _write_init(self, modules: Path) -> Path:
        settings = {
            "modules": str(modules),
            "base": str(self.folder / "base"),
            "results": str(self.results),
            "disk": self.disk is not None,
            "hostname": "boitier",
            "systemd": str(find_systemd()) if self._systemd else "",
            "folder": str(packages.ROOT),
            "inside": self._inside,
            "environment": {
                "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                "HOME": "/run",
                "LANG": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1",  # nobody reads it again: the overlay is gone after the run
                **compiled.environment(),
                "PYTHONUNBUFFERED": "1",
                "PYTHONPATH": str(packages.ROOT),  # this checkout is tried, wherever the environment was installed from
            },
        }
        (self.folder / "settings.json").write_text(json.dumps(settings))
        init = self.folder / "init"
        words = [sys.executable, "-m", "hil.guest_init", str(self.folder / "settings.json")]
        known = [f"{name}={value}" for name, value in compiled.environment().items()]
        line = shlex.join(["env", *known, *words])
        init.write_text(f"#!/bin/sh\ncd {shlex.quote(str(packages.ROOT))} && exec {line}\n")
        init.chmod(0o755)
        return init

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            text = line.decode(errors="replace").rstrip()
            self.console.append(text)
            if self.on_console is not None:
                self.on_console(text)

    def processes(self) -> list[int]:
        """The host's processes that it consists of, while it runs."""
        return session_members(self._process.pid) if self._process is not None else []

    async def ended(self) -> None:
        """Wait until the machine is off."""
        if self._process is not None:
            await self._process.wait()
        if self._listening is not None:
            await self._listening

    async def kill(self) -> None:
        """Power off at once: SIGKILL to every process of the session, and look that none is left."""
        if self._process is None:
            return
        session = self._process.pid
        while living := session_members(session):
            for pid in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.005)
        await self.ended()

    def remove(self) -> None:
        """Delete the folder with disk and results."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def failure(self, what: str) -> GuestFailed:
        """An error that shows the end of the console."""
        return GuestFailed(f"{what}; its console ended with:\n" + "\n".join(list(self.console)[-25:]))


def session_members(session: int) -> list[int]:
    """Processes of this session that still live (a zombie is dead)."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] not in "ZX":
                    members.append(int(entry.name))
    return members


async def run(argv: Sequence[str]) -> int:
    """Boot, run one command with its output shown live, halt. Returns its exit code."""
    from .machine import GuestMachine  # the machine is built from a guest, not the other way round

    machine = GuestMachine(disk=False)
    machine.listeners.append(lambda event: print(event["line"], flush=True) if event["saw"] == "run" else None)
    try:
        await machine.boot(say=lambda text: print(f"[guest] {text}", file=sys.stderr, flush=True))
        answer = await machine.call({"do": "run", "argv": list(argv), "cwd": os.getcwd(), "live": True})
        await machine.halt()
    finally:
        await machine.close()
    return int(answer["exit"])


def main() -> int:
    """`python -m hil.guest -- COMMAND…`"""
    argv = sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:]
    if not argv:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        return asyncio.run(run(argv))
    except GuestFailed as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
