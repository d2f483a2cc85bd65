"""The program `boitier`. `run` becomes the daemon at once, without click; all else is a command of `group.py`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"] and not {"-h", "--help"} & set(arguments):
        # -P: a folder called agent where somebody happens to stand must not be taken for ours.
        os.execv(sys.executable, [sys.executable, "-P", "-m", "agent", *arguments[1:]])
    from .group import boitier

    boitier()
