"""Compiled code for the machine inside: what it compiles itself is gone with its memory at every power cut.

A board runs an installed package, which is compiled; without this the guest spends more time compiling than starting.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

from . import packages

# Everything that a box, its command line and our end of the line inside may load; loading does nothing by itself.
LOAD_ALL = """
import importlib, pkgutil
import agent, buffer, config, drivers, keyless
for package in (agent, buffer, config, drivers, keyless):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
import hil.guest_init, hil.inside
"""


def environment() -> dict[str, str]:
    """For a process inside, so that it finds what is compiled here."""
    return {"PYTHONPYCACHEPREFIX": sys.pycache_prefix} if sys.pycache_prefix else {}


@cache
def warm() -> None:
    """Compile here, once in the life of this process, what changed since the last time. Does nothing where Python was
    told to write no compiled files. Raises `RuntimeError` when the code cannot be loaded.
    """
    if sys.dont_write_bytecode:
        return
    env = {**os.environ, "PYTHONPATH": str(packages.ROOT)}
    done = subprocess.run([sys.executable, "-c", LOAD_ALL], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the box's code cannot be loaded:\n{done.stderr}")
