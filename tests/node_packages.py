"""JavaScript in tests: run where Node.js and the pinned packages are, skipped with the reason elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import node


def runnable(folder: Path, script: Path) -> list[str]:
    """The command that runs a copy of the script in this folder, where it finds its packages."""
    modules, program = node.modules(), node.program("node")
    if modules is None or program is None:
        pytest.skip("no Node.js with the packages of tests/node: python -m hil.node gets them")
    copy = folder / script.name
    copy.write_bytes(script.read_bytes())
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(modules)
    return [program, str(copy)]
