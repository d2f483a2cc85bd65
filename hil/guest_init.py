"""First process of the guest: file systems, kernel modules, vcan0, then `hil.inside` on the serial line.

Written for speed: one interpreter, no other program, because system calls are slow in a user-mode kernel. The machine's
own file system is the root and nothing may be written to it, so an overlay in memory is pivoted in first. Called by the
kernel with the path of a settings file that `hil/guest.py` writes.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from . import links

_PIVOT_ROOT, _FINIT_MODULE = 155, 313  # x86-64, the only machine that user-mode Linux runs on
_DETACH = 2
_POWER_OFF = 0x4321FEDC  # linux/reboot.h
_MODULES = ("net/can/can", "net/can/can-raw", "net/can/can-bcm", "drivers/net/can/dev/can-dev", "drivers/net/can/vcan")
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source: str, target: Path, kind: str, options: str = "") -> None:
    """mount(2). Raises OSError."""
    done = _libc.mount(source.encode(), str(target).encode(), kind.encode(), ctypes.c_ulong(0), options.encode())
    _checked(done, f"mount {target}")


def load(module: Path) -> None:
    """Load a kernel module by finit_module(2), without kmod. Raises OSError."""
    fd = os.open(module, os.O_RDONLY)
    try:
        _checked(_libc.syscall(_FINIT_MODULE, fd, b"", 0), str(module))
    finally:
        os.close(fd)


def pivot_into_overlay(base: Path) -> None:
    """From here on, what is written anywhere stays in memory. base: an empty folder of the host."""
    mount("tmpfs", base, "tmpfs", "size=75%")
    upper, work, merged = base / "upper", base / "work", base / "merged"
    for folder in (upper, work, merged):
        folder.mkdir()
    mount("overlay", merged, "overlay", f"lowerdir=/,upperdir={upper},workdir={work}")
    old = merged / ".host"
    old.mkdir()
    _checked(_libc.syscall(_PIVOT_ROOT, str(merged).encode(), str(old).encode()), "pivot_root")
    os.chdir("/")
    _checked(_libc.umount2(b"/.host", _DETACH), "umount")


def prepare(settings: dict[str, Any]) -> None:
    """Everything that the inside needs of the system. Raises OSError."""
    modules = Path(settings["modules"]) / "kernel"
    load(modules / "fs/overlayfs/overlay.ko")
    pivot_into_overlay(Path(settings["base"]))
    mount("proc", Path("/proc"), "proc")
    mount("sysfs", Path("/sys"), "sysfs")
    mount("devtmpfs", Path("/dev"), "devtmpfs")
    for folder, kind, options in (("/dev/pts", "devpts", "mode=620,ptmxmode=666"), ("/dev/shm", "tmpfs", "")):
        Path(folder).mkdir(exist_ok=True)
        mount(kind, Path(folder), kind, options)
    mount("tmpfs", Path("/run"), "tmpfs")
    Path("/results").mkdir(exist_ok=True)
    mount("none", Path("/results"), "hostfs", settings["results"])
    Path("/data").mkdir(exist_ok=True)
    if settings["disk"]:
        mount("/dev/ubda", Path("/data"), "ext4")
    socket.sethostname(settings["hostname"])
    links.switch("lo", True)
    for name in _MODULES:
        load(modules / f"{name}.ko")
    links.create("vcan0")
    links.switch("vcan0", True)


def graft(top: Path) -> None:
    """Lay unpacked packages over the system's folders, as if they were installed. top: `/` where they really are."""
    if top == Path("/"):
        return
    for name in ("bin", "sbin", "lib"):
        layers = [folder for folder in (top / name, top / "usr" / name) if folder.is_dir()]
        lower = ":".join(map(str, [*layers, Path("/usr", name)]))
        mount("overlay", Path("/usr", name), "overlay", f"lowerdir={lower}")


def become_systemd(settings: dict[str, Any]) -> None:
    """Hand over to systemd as the first process; our control loop becomes a unit of it. Returns only by OSError.

    /etc is copied to a file system of its own and /var/lib starts empty: an ordinary user's guest may not read some
    files of the host's, and systemd-sysusers would fail on them (D36).
    """
    copy = Path("/run/etc")
    with contextlib.suppress(shutil.Error):  # what cannot be read is not needed
        shutil.copytree("/etc", copy, symlinks=True, ignore_dangling_symlinks=True)
    mount("tmpfs", Path("/etc"), "tmpfs")
    shutil.copytree(copy, "/etc", symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(copy)
    mount("tmpfs", Path("/var/lib"), "tmpfs")
    graft(Path(settings["systemd"]).parents[2])
    units = Path("/etc/systemd/system")
    shutil.rmtree(units, ignore_errors=True)  # the host's own services have no business here
    units.mkdir()
    (units / "serial-getty@ttyS0.service").symlink_to("/dev/null")
    emptying = Path("/etc/tmpfiles.d/tmp.conf")  # at boot it empties /tmp, where a checkout may lie
    emptying.parent.mkdir(exist_ok=True)
    emptying.unlink(missing_ok=True)
    emptying.symlink_to("/dev/null")
    words = [sys.executable, "-m", "hil.inside", "--device", "/dev/ttyS0", *settings["inside"]]
    (units / "bench.target").write_text("[Unit]\nRequires=basic.target\nWants=bench.service\nAfter=basic.target\n")
    lines = ["[Unit]", "After=basic.target", "[Service]", f"WorkingDirectory={settings['folder']}"]
    lines += [f'Environment="{name}={value}"' for name, value in settings["environment"].items()]
    lines += ["ExecStart=" + " ".join(f'"{word}"' for word in words), "ExecStopPost=/bin/systemctl poweroff"]
    (units / "bench.service").write_text("\n".join(lines) + "\n")
    os.execv("/lib/systemd/systemd", ["systemd", "--unit=bench.target", "--log-target=console", "--log-level=warning"])


def inside(settings: dict[str, Any]) -> None:
    """The child: the control loop, or instead of it one command with the console as its output."""
    os.environ.update(settings["environment"])
    os.chdir(settings["folder"])
    fd = os.open("/dev/ttyS0", os.O_RDWR | os.O_NOCTTY)
    from .inside import main

    sys.exit(main(["--fd", str(fd), *settings["inside"]]))


def reap_until(child: int) -> None:
    """Be the parent of every orphan until the one child that matters has ended."""
    while True:
        pid, _ = os.wait()
        if pid == child:
            return


def power_off() -> None:
    """Flush the disk and end the machine."""
    os.sync()
    _libc.umount2(b"/data", 0)
    # Never through /proc/sysrq-trigger: where mounting failed, that is the *host's* file, and root may write it.
    _libc.reboot(_POWER_OFF)
    time.sleep(60)  # the first process may not end before the machine does


def main() -> None:
    """See the module's first lines."""
    settings = json.loads(Path(sys.argv[1]).read_bytes())
    try:
        prepare(settings)
        if settings["systemd"]:
            become_systemd(settings)
        child = os.fork()
        if child == 0:
            try:
                inside(settings)
            except Exception:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)
        reap_until(child)
    except Exception:  # shown on the console, which the host keeps; an init that raised would be a kernel panic
        traceback.print_exc()
    power_off()


if __name__ == "__main__":
    main()
