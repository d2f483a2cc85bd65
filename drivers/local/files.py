"""Small files that must survive a power cut: whole in the old form or whole in the new one, never in between (D14).

What is not here: what is in them. Both functions block for a disk's write; call them where that is allowed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_durably(path: str | Path, data: bytes, *, mode: int = 0o600) -> None:
    """Temporary file in the same folder, written, synced, renamed; then the folder is synced.

    When this returns, the new content survives a cut. Raises `OSError` (disk full, read-only, no folder); the old file
    is then untouched, except when the very last step failed: then the new one is there and may not survive.
    """
    target = Path(path)
    # One fixed name: what a cut leaves behind is overwritten by the next write instead of piling up.
    temporary = target.with_name(f".{target.name}.new")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, target)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)


def read(path: str | Path) -> bytes | None:
    """The whole content, or `None` when there is no such file. Raises `OSError` when it is there and cannot be read."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
