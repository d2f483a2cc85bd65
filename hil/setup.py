"""Make the virtual environment, with whatever this machine has for it.

Runs with the system's bare Python, so standard library only. Debian splits pip and venv off Python: as root the missing
package is installed, as an ordinary user its pip is unpacked into the project's cache and used from there. Debian
packages of the bench are `hil/packages.py`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from . import packages
from .packages import say


def can_make_venv_with_pip() -> bool:
    """Debian's Python has no ensurepip without the package python3-venv."""
    return importlib.util.find_spec("ensurepip") is not None


def bundled_pip() -> Path | None:
    """pip as Debian's wheel: runs from the file, unpacked or installed."""
    for top in (Path("/"), packages.UNPACKED):
        wheels = sorted((top / "usr/share/python-wheels").glob("pip-*.whl"))
        if wheels:
            return wheels[-1]
    return None


def make_venv(folder: Path) -> None:
    """A virtual environment with pip in it. Raises SystemExit with what to do by hand."""
    if (folder / "bin" / "python").exists() and _has_pip(folder):
        return
    if not can_make_venv_with_pip() and os.geteuid() == 0:
        say("missing: python3-venv - Debian keeps the maker of virtual environments out of its Python; installing:")
        packages.provide(["python3-venv"])
    say(f"making the virtual environment {folder} with Python {sys.version.split()[0]}")
    if _runs([sys.executable, "-c", "import ensurepip"]):  # asked anew: it may have come just now
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        return
    if bundled_pip() is None:
        say("missing: python3-pip-whl - this Python has no pip for a virtual environment; not root, so unpacking it:")
        packages.provide(["python3-pip-whl"])
    wheel = bundled_pip()
    if wheel is None:
        raise SystemExit("No pip found. As root this helps: apt-get install python3-venv")
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, str(wheel / "pip"), "install", "-q", "--no-index", str(wheel)], check=True)


def _has_pip(folder: Path) -> bool:
    return _runs([str(folder / "bin" / "python"), "-c", "import pip"])


def _runs(argv: list[str]) -> bool:
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def install(folder: Path) -> None:
    """The package itself, editable, with all extras for work on it; versions as `constraints.txt` says."""
    say("installing the Python packages (about 100 MB the first time)")
    argv = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    argv += ["-c", "constraints.txt", "-e", ".[dev]"]
    done = subprocess.run(argv, cwd=packages.ROOT, check=False)
    if done.returncode != 0:
        raise SystemExit("pip could not install the Python packages; its own message is above. Then: make venv")


def main() -> int:
    """`python3 -m hil.setup FOLDER`"""
    folder = Path(sys.argv[1])
    make_venv(folder)
    install(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
