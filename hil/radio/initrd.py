"""The first file system of the emulated machine, as bytes: a static busybox, kernel modules in order, one script.

What is not here: where kernel and busybox come from (`hil/packages.py`), and who boots it (`emulated.py`).
"""

from __future__ import annotations

import gzip
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

# 9p is the machine's root; without cmac the kernel cannot power the controller up.
MODULES = (
    *("virtio_pci", "9pnet_virtio", "9p", "overlay"),
    *("cmac", "ecb", "ccm", "gcm", "aes_generic", "ecdh_generic", "bluetooth", "hci_vhci"),
)
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
_SCRIPT = """#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc p /proc; $B mount -t sysfs s /sys; $B mount -t devtmpfs d /dev
for m in MODULES; do $B insmod /m/$m || echo "insmod $m failed"; done
$B mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144 root /r
$B mount -t tmpfs t /rw; $B mkdir /rw/upper /rw/work
$B mount -t overlay o -o lowerdir=/r,upperdir=/rw/upper,workdir=/rw/work /new
$B mount -t proc p /new/proc; $B mount -t sysfs s /new/sys; $B mount -t devtmpfs d /new/dev
$B mkdir -p /new/dev/pts; $B mount -t devpts p /new/dev/pts
$B mount -t tmpfs t /new/run; $B mkdir /new/run/results
$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 results /new/run/results
$B ip link set lo up
$B chroot /new /bin/sh -c COMMAND &
while [ ! -e /new/run/over ] && $B kill -0 $! 2>/dev/null; do $B sleep 0.5; done
$B poweroff -f
"""


def in_order(folder: Path, wanted: Sequence[str] = MODULES) -> list[Path]:
    """The files of these modules and of all that they lean on, what is needed first. folder: `…/modules/VERSION`.

    What a module needs stands in the module itself; the package has no list, its installation would make it. A name
    without a file is compiled into the kernel.
    """
    files = {path.stem.replace("-", "_"): path for path in sorted((folder / "kernel").rglob("*.ko"))}
    ordered: list[Path] = []

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))
        if path is None or path in ordered:
            return
        found = _DEPENDS.search(path.read_bytes())
        for needed in found.group(1).decode().split(",") if found else []:
            add(needed)
        ordered.append(path)

    for name in wanted:
        add(name)
    return ordered


def archive(files: Mapping[str, bytes], folders: Sequence[str]) -> bytes:
    """A cpio archive as the kernel reads it ("newc"); every file may be run."""
    entries = [(name, 0o040755, b"") for name in folders] + [(name, 0o100755, data) for name, data in files.items()]
    entries.append(("TRAILER!!!", 0, b""))
    made = bytearray()
    for number, (name, mode, data) in enumerate(entries, 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        made += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        made += bytes(-len(made) % 4) + data
        made += bytes(-len(made) % 4)
    return bytes(made)


def initrd(busybox: Path, modules: Path, command: str) -> bytes:
    """All of it, compressed. command: for the shell, once the host's files are the root; the machine is switched off
    when it has ended or made the file /run/over.
    """
    ordered = in_order(modules)
    names = " ".join(path.name for path in ordered)
    script = _SCRIPT.replace("MODULES", names).replace("COMMAND", shlex.quote(command))
    files = {"init": script.encode(), "bin/busybox": busybox.read_bytes()}
    files |= {f"m/{path.name}": path.read_bytes() for path in ordered}
    return gzip.compress(archive(files, ("proc", "sys", "dev", "m", "r", "rw", "new", "bin")), 1)
