"""Inside a guest whose first process is systemd: lays the box out as an installer does on a real one.

What is not here: the boot (`guest_init.py`), and the bench that works with it (`systemd_bench.py`).
`python -m hil.systemd_guest install` and `… give FOLDER` run inside, as root.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

from . import links, packages

CHANNEL = "can0"  # as the unit names it
RUN = Path("/run/bench")  # not /run/boitier: that one is the unit's, made and removed with it
UNITS = Path("/etc/systemd/system")
PREFIX = Path("/opt/boitier")  # as the unit names it
PYTHON = Path("/opt/python")
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")  # the guest kernel runs on no other machine
GIVEN = Path("/etc/boitier")
PRODUCT = ("agent", "drivers", "keyless", "buffer", "config")
WIRES = ("gnss", "badge", "relay")
_BIND = 0x1000  # linux/mount.h


# --- inside: what an installer does -----------------------------------------------------------------------------------


def install() -> None:
    """The product under /opt/boitier, units, user and folders; a CAN interface, down, that systemd knows of."""
    environment()
    units = packages.ROOT / "systemd"
    for unit in units.glob("*.service"):
        shutil.copy(unit, UNITS)
    for kind in ("sysusers", "tmpfiles"):
        Path(f"/etc/{kind}.d").mkdir(exist_ok=True)
        shutil.copy(units / f"boitier.{kind}", f"/etc/{kind}.d/boitier.conf")
    _run("systemd-sysusers", "/etc/sysusers.d/boitier.conf")
    _run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/boitier.conf")
    links.create(CHANNEL)
    announce(CHANNEL)
    _run("systemctl", "add-wants", "bench.target", "boitier.service")  # and so systemd never forgets how it ended
    _run("systemctl", "daemon-reload")
    for name in WIRES:  # as udev does with serial lines
        device = (RUN / "wires" / name).resolve()
        shutil.chown(device, "root", "dialout")
        device.chmod(0o660)


def environment() -> None:
    """An environment that no home folder hides. The product's packages are copied, as pip would; its libraries are
    those of the running environment.
    """
    _bind(Path(sys.base_prefix), PYTHON)
    for library in PYTHON.glob("lib/libpython*.so*"):  # the interpreter's own search path may lead into a home folder
        usual = LIBRARIES / library.name
        usual.unlink(missing_ok=True)  # Debian's Python may have the same name and be older
        usual.symlink_to(library)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = PREFIX / "lib" / version / "site-packages"
    for folder in (PREFIX / "bin", site):
        folder.mkdir(parents=True)
    (PREFIX / "bin/python").symlink_to(PYTHON / "bin" / version)
    (PREFIX / "pyvenv.cfg").write_text(f"home = {PYTHON}/bin\ninclude-system-site-packages = false\n")
    program = PREFIX / "bin/boitier"
    program.write_text(f"#!{PREFIX}/bin/python\nfrom agent.cli.main import main\n\nmain()\n")
    program.chmod(0o755)
    for name in PRODUCT:
        shutil.copytree(packages.ROOT / name, site / name)
    _bind(Path(sysconfig.get_path("purelib")), PREFIX / "libraries")
    (site / "libraries.pth").write_text(f"{PREFIX}/libraries\n")


def announce(interface: str) -> None:
    """What udev, which containers lack, would have noted of this interface: from that systemd makes the device unit."""
    name = f"n{socket.if_nametoindex(interface)}"
    noted = f"I:1\nE:SYSTEMD_ALIAS=/sys/subsystem/net/devices/{interface}\nG:systemd\nQ:systemd\nV:1\n"
    for path, text in (("data", noted), ("tags/systemd", "")):
        folder = Path("/run/udev") / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def give(source: Path) -> None:
    """Settings, key set and certificates, readable by the daemon and written by nobody but root."""
    for path in source.iterdir():
        copy = Path(shutil.copyfile(path, GIVEN / path.name))
        shutil.chown(copy, "root", "boitier")
        copy.chmod(0o640)


def _bind(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(os.fsencode(source), os.fsencode(target), b"", ctypes.c_ulong(_BIND), None) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"bind {source} to {target}: {os.strerror(number)}")


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def main() -> None:
    """`install`, or `give FOLDER`."""
    if sys.argv[1:] == ["install"]:
        install()
    else:
        give(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
