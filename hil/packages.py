"""What the bench needs from Debian, where it is, and how it gets here.

Runs before the virtual environment exists, so it uses the standard library only. As root it installs; as an ordinary
user it downloads and unpacks into `.cache/debian` of the project, touching nothing else. What belongs to the radio
bench is unpacked for root too: installed, that kernel would write boot files. `python3 -m hil.packages` is what `make
packages` calls. Python packages are not its business (`Makefile`, `constraints.txt`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "debian"
UNPACKED = CACHE / "root"
_FOLDERS = ("usr/local/bin", "usr/local/sbin", "usr/bin", "usr/sbin", "bin", "sbin")
# What Debian starts when it installs: package -> units.
SERVICES = {"mosquitto": ("mosquitto.service",), "gpsd": ("gpsd.socket", "gpsd.service")}
_COMPILERS = ("cc", "gcc", "clang", "tcc")
BROWSER = "chromium-headless-shell"


@dataclass(frozen=True, slots=True)
class Need:
    """A Debian package and the sentence that tells the user why it is fetched."""

    package: str
    why: str
    present: Callable[[], bool]
    unpacked: bool = False  # never installed, whoever asks: its installation would start or change something


def find(program: str) -> Path | None:
    """Where a program is: on the PATH, in the system's sbin folders (not on everybody's PATH), or unpacked here."""
    found = shutil.which(program)
    if found:
        return Path(found)
    places = [Path("/") / folder for folder in _FOLDERS] + [UNPACKED / folder for folder in _FOLDERS]
    return next((place / program for place in places if os.access(place / program, os.X_OK)), None)


def environment(program: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment to start `program` with: an unpacked one finds its unpacked libraries."""
    env = dict(os.environ if base is None else base)
    if UNPACKED in program.parents:
        folders = [str(folder) for folder in _library_folders()]
        env["LD_LIBRARY_PATH"] = os.pathsep.join([*folders, *filter(None, [env.get("LD_LIBRARY_PATH")])])
    return env


def _library_folders() -> list[Path]:
    tops = [UNPACKED / "usr/lib", UNPACKED / "lib"]
    multiarch = [folder for top in tops if top.is_dir() for folder in sorted(top.glob("*-linux-gnu*"))]
    return [folder for folder in [*multiarch, *tops] if folder.is_dir()]


def modules_folder() -> Path | None:
    """The guest kernel's modules: `…/modules/VERSION`, the newest there is."""
    for top in (Path("/usr/lib/uml/modules"), UNPACKED / "usr/lib/uml/modules"):
        versions = sorted(top.iterdir()) if top.is_dir() else []
        if versions:
            return versions[-1]
    return None


def emulated_kernel() -> tuple[Path, Path] | None:
    """Image and `…/modules/VERSION` of Debian's own kernel, for the radio bench; the newest that has both."""
    found = []
    for top in (Path("/"), UNPACKED):
        for image in (top / "boot").glob("vmlinuz-*-amd64"):
            modules = top / "lib/modules" / image.name.removeprefix("vmlinuz-")
            if os.access(image, os.R_OK) and (modules / "kernel/drivers/bluetooth").is_dir():
                found.append((image, modules))
    return max(found, default=None, key=lambda pair: pair[1].stat().st_mtime)


def bluetoothd() -> Path | None:
    """BlueZ's daemon, which is on nobody's PATH."""
    places = [top / "usr/libexec/bluetooth/bluetoothd" for top in (Path("/"), UNPACKED)]
    return next((place for place in places if os.access(place, os.X_OK)), None)


def busybox() -> Path | None:
    """One that needs no library; Debian has another of the same name that does."""
    places = [Path("/usr/bin/busybox"), Path("/bin/busybox"), UNPACKED / "usr/bin/busybox", UNPACKED / "bin/busybox"]
    return next((path for path in places if path.exists() and b"/ld-linux" not in path.read_bytes()), None)


def needs_shim() -> bool:
    """Does this CPU have registers that the guest kernel's buffer cannot hold (AMX tiles; `hil/xstate.c`)?"""
    try:
        flags = Path("/proc/cpuinfo").read_text(errors="replace").split()
    except OSError:
        return False
    return any(flag.startswith("amx_") or flag == "apx" for flag in flags)


def browser() -> Path | None:
    """A browser without a window. Debian's starter of it names its place from the root, so an unpacked one is called
    itself.
    """
    unpacked = UNPACKED / "usr/lib/chromium" / BROWSER
    return unpacked if os.access(unpacked, os.X_OK) else find(BROWSER)


def compiler() -> Path | None:
    """Any C compiler that can make the shim."""
    return next((path for name in _COMPILERS if (path := find(name))), None)


def host_has_can() -> bool:
    """Can this machine make a virtual CAN of its own? (root, and a kernel with CAN)"""
    import socket  # here, so that a Python without CAN support can still read this file

    if os.geteuid() != 0 and not Path("/sys/class/net/vcan0").exists():
        return False
    try:
        socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW).close()
    except (AttributeError, OSError):
        return False
    return True


def needs(purposes: Sequence[str] = ()) -> list[Need]:
    """All packages, in the order of use. purposes: `systemd`, `gpsd`, `dbus`, `radio` and `browser` add what only
    tests want: those of the units, of positions, of phones, of phones on a real Bluetooth stack, of pages.
    """
    listed = [
        Need(
            "user-mode-linux",
            "a Linux kernel with CAN that runs as an ordinary process",
            lambda: find("linux.uml") is not None and modules_folder() is not None,
        ),
        Need("e2fsprogs", "makes the disk image that the power cuts hit", lambda: find("mke2fs") is not None),
        Need("mosquitto", "the real MQTT broker of the bench", lambda: find("mosquitto") is not None),
        Need("mosquitto-clients", "listens to the records from outside", lambda: find("mosquitto_sub") is not None),
    ]
    if needs_shim():
        why = "this CPU's AMX registers need a 40-line shim for the guest kernel (hil/xstate.c)"
        listed.append(Need("tcc", f"a C compiler, and a tiny one: {why}", lambda: compiler() is not None))
    if "systemd" in purposes:
        why = "boots in the guest with our units, and judges their hardening"
        listed.append(Need("systemd", why, lambda: find("systemd-analyze") is not None))
    if "gpsd" in purposes:
        why = "the real daemon between a receiver and the box, on loopback only"
        listed.append(Need("gpsd", why, lambda: find("gpsd") is not None))
    if "dbus" in purposes or "radio" in purposes:
        why = "the real message bus between the box and its Bluetooth stack, a private one"
        listed.append(Need("dbus-daemon", why, lambda: find("dbus-daemon") is not None))
    if "radio" in purposes:
        listed += _radio_needs()
    if "browser" in purposes:
        why = "opens the pages that `boitier car plot` writes, as a person would"
        listed.append(Need(BROWSER, why, lambda: browser() is not None))
    return listed


def _radio_needs() -> list[Need]:
    def emulator() -> bool:
        return find("qemu-system-x86_64") is not None

    def stack() -> bool:
        return bluetoothd() is not None

    def kernel() -> bool:
        return emulated_kernel() is not None

    return [
        Need("qemu-system-x86", "emulates a machine whose kernel has Bluetooth", emulator, unpacked=True),
        Need("linux-image-amd64", "Debian's kernel for that machine, never for this one", kernel, unpacked=True),
        Need("bluez", "the real bluetoothd between phones and the box, in that machine only", stack, unpacked=True),
        Need("busybox-static", "that machine's first program", lambda: busybox() is not None, unpacked=True),
    ]


def missing(purposes: Sequence[str] = ()) -> list[Need]:
    """What is not here yet."""
    return [need for need in needs(purposes) if not need.present()]


def say(text: str) -> None:
    """A line for the user, at once."""
    print(text, flush=True)


def provide(wanted: Sequence[str]) -> None:
    """Install (root) or unpack (ordinary user) these Debian packages. Raises SystemExit with what to do by hand."""
    if os.geteuid() == 0 and wanted:
        _refuse_without_apt(wanted)
        _install(wanted)
    else:
        unpack(wanted)


def _refuse_without_apt(wanted: Sequence[str]) -> None:
    if find("apt-get") is None:
        raise SystemExit(
            f"This is no Debian: apt-get is not here. Please install what provides {', '.join(wanted)}, then try again."
        )


def _run(*argv: str, env: Mapping[str, str] | None = None) -> int:
    say(f"  $ {' '.join(argv)}")
    return subprocess.run(argv, check=False, env=None if env is None else {**os.environ, **env}).returncode


def _install(wanted: Sequence[str]) -> None:
    """As root. Debian would also start a broker and a gpsd, which nobody asked for: the bench starts its own."""
    if _run("apt-get", "update", "-q") != 0:
        say("  (not every package list could be read; trying with those that could)")
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    if _run("apt-get", "install", "-y", "-q", "--no-install-recommends", *wanted, env=quiet) != 0:
        raise SystemExit(f"apt-get could not install {', '.join(wanted)}; its own message is above.")
    for package, units in SERVICES.items():
        if package in wanted and Path("/run/systemd/system").is_dir():
            say(f"  Debian's {package} is switched off again: the bench starts its own.")
            _run("systemctl", "disable", "--now", *units)


def unpack(wanted: Sequence[str]) -> None:
    """Without installing: simulate the installation to learn the dependencies, download all, unpack all."""
    if not wanted:
        return
    _refuse_without_apt(wanted)
    downloads = CACHE / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    if not _download(wanted, [], downloads):
        say("  (no usable package lists here: reading them into the project's own cache)")
        options = _private_state()
        if _run("apt-get", *options, "update", "-q") != 0:
            say("  (not every package list could be read; trying with those that could)")
        if not _download(wanted, options, downloads):
            raise SystemExit(
                f"apt-get cannot download {', '.join(wanted)}. As root this helps:"
                f" apt-get update && apt-get install --no-install-recommends {' '.join(wanted)}"
            )
    for archive in sorted(downloads.glob("*.deb")):
        say(f"  unpacking {archive.name}")
        subprocess.run(["dpkg", "-x", str(archive), str(UNPACKED)], check=True)
        archive.unlink()


def _private_state() -> list[str]:
    """apt's lists and locks in our own cache, for a user who may not write the system's."""
    for folder in ("lists/partial", "archives/partial"):
        (CACHE / "apt" / folder).mkdir(parents=True, exist_ok=True)
    options = [f"Dir::State::Lists={CACHE / 'apt/lists'}", f"Dir::Cache={CACHE / 'apt'}", "Acquire::Languages=none"]
    return [word for option in options for word in ("-o", option)]


def _download(wanted: Sequence[str], options: list[str], folder: Path) -> bool:
    packages = _simulated(wanted, options)
    if not packages:
        return False
    say(f"  $ apt-get download {' '.join(packages)}")
    return subprocess.run(["apt-get", *options, "download", *packages], cwd=folder, check=False).returncode == 0


def _simulated(wanted: Sequence[str], options: list[str]) -> list[str]:
    """The packages that an installation would add, dependencies included; empty when apt cannot tell."""
    argv = ["apt-get", *options, "-s", "-q", "install", "--no-install-recommends", "--reinstall", *wanted]
    env = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(argv, check=False, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        return []
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Inst ")]


def main() -> int:
    """Tell what is missing and why, and get it. Exit 0 when everything is here."""
    purposes = sys.argv[1:]
    absent = missing(purposes)
    if not absent:
        return 0
    for need in absent:
        say(f"missing: {need.package} - {need.why}")
    how = "installing" if os.geteuid() == 0 else f"not root, so unpacking into {CACHE.relative_to(ROOT)}"
    say(f"{how}:")
    provide([need.package for need in absent if not need.unpacked])
    unpack([need.package for need in absent if need.unpacked])
    left = [need.package for need in missing(purposes)]
    if left:
        raise SystemExit(f"still missing: {', '.join(left)}; please install by hand.")
    say("Everything the bench needs is here.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
