"""Boot Debian's kernel under emulation, let one program run in it, power off. No root, no KVM, nothing installed.

The host's own files are the root, read only; what is written lies in memory, but for one folder of results.
"""

from __future__ import annotations

import importlib.util
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .. import compiled, packages
from .initrd import initrd

MEMORY_MB = 1024
_LOADED_INSIDE = "import hil.radio.inside, tests.radio_car, bumble.transport.vhci"


class NotBooted(RuntimeError):
    """The machine did not come to its end; the text carries the end of its console."""


def lacking() -> str:
    """Why it cannot run here, with what to do about it; "" when it can."""
    if platform.machine() != "x86_64":
        return "the radio bench runs this machine's own programs in an emulated one, which is an x86-64"
    absent = [need.package for need in packages.missing(["radio"]) if need.unpacked or need.package == "dbus-daemon"]
    absent += [] if importlib.util.find_spec("bumble") else ["bumble"]
    return f"the radio bench lacks {', '.join(absent)}; `make test-radio` gets it" if absent else ""


def run(argv: Sequence[str], results: Path, timeout_s: float) -> str:
    """Boot, run `argv` in this checkout with `results` as its /run/results, power off. Returns the console's text.

    Raises NotBooted when it has not ended in time.
    """
    emulator, kernel, busybox = packages.find("qemu-system-x86_64"), packages.emulated_kernel(), packages.busybox()
    if emulator is None or kernel is None or busybox is None:
        raise NotBooted(lacking())
    _compile()
    words = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/run",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(packages.ROOT),
        **compiled.environment(),
    }
    command = f"cd {shlex.quote(str(packages.ROOT))} && exec env {shlex.join(f'{k}={v}' for k, v in words.items())} "
    with tempfile.TemporaryDirectory(prefix="boitier-") as folder:
        first = Path(folder) / "initrd"
        first.write_bytes(initrd(busybox, kernel[1], command + shlex.join(argv)))
        line = [str(emulator), *_firmware(emulator), *_hardware(results), "-kernel", str(kernel[0])]
        line += ["-initrd", str(first), "-append", "console=ttyS0 quiet panic=1 cryptomgr.notests"]
        return _until_off(line, packages.environment(emulator), timeout_s)


def _compile() -> None:
    """Here and once, what would otherwise be compiled at every boot, under emulation."""
    compiled.warm()
    subprocess.run([sys.executable, "-c", _LOADED_INSIDE], cwd=packages.ROOT, check=True)


def _firmware(emulator: Path) -> list[str]:
    """An unpacked emulator looks for its firmware where it would have been installed."""
    if packages.UNPACKED not in emulator.parents:
        return []
    return [word for name in ("qemu", "seabios") for word in ("-L", str(packages.UNPACKED / "usr/share" / name))]


def _hardware(results: Path) -> list[str]:
    line = f"-accel tcg -cpu max -m {MEMORY_MB} -nographic -vga none -net none -no-reboot"
    shared = ["-fsdev", "local,id=r,path=/,security_model=none,multidevs=remap,readonly=on"]
    shared += ["-device", "virtio-9p-pci,fsdev=r,mount_tag=root"]
    shared += ["-fsdev", f"local,id=o,path={str(results).replace(',', ',,')},security_model=none"]
    return [*line.split(), *shared, "-device", "virtio-9p-pci,fsdev=o,mount_tag=results"]


def _until_off(line: Sequence[str], env: dict[str, str], timeout_s: float) -> str:
    pipe = subprocess.PIPE
    process = subprocess.Popen(line, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT)
    try:
        told, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        told, _ = process.communicate()
        tail = told.decode(errors="replace")[-3000:]
        raise NotBooted(f"the machine was not off after {timeout_s:.0f} s; its console ended with:\n{tail}") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return told.decode(errors="replace")
