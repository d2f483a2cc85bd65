"""A disk of the tests' own below the SQLite that the product itself uses: every write, sync and opening passes by here.

The library behind Python's `sqlite3` lets a program register a file system (a VFS). This registers one, by ctypes, in
that very library: it opens files as the one of the system does and only puts its own functions before those that
write, sync, cut, read, open and delete. So the product runs as it is, `sqlite3.connect` included, and on the release of
SQLite that it runs on elsewhere. apsw would have been the ready-made way; it brings an SQLite of its own, another
release than the system's, and would have needed a connection that pretends to be Python's.

What is not here: a disk that refuses (`disk_refuses.py`), one that is cut off (`disk_cuts.py`). The index beside a log
(`-shm`) is memory shared between processes: SQLite throws it away at the first opening, so nothing of it is kept.
"""

from __future__ import annotations

import _sqlite3
import contextlib
import ctypes
from collections.abc import Callable, Iterator
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from typing import Any, Final

import pytest

OK: Final = 0
CREATE: Final = 0x4
_NAME: Final = b"boitier-tests"


class Disk:
    """What happens, by file name. Each may answer with one of SQLite's codes, and then it is not done."""

    def opens(self, name: str, flags: int) -> int:
        return OK

    def reads(self, name: str) -> int:
        return OK

    def writes(self, name: str, offset: int, data: bytes) -> int:
        return OK

    def truncates(self, name: str, size: int) -> int:
        return OK

    def syncs(self, name: str) -> int:
        return OK

    def deletes(self, name: str, *, folder: bool) -> int:
        """folder: and that it is gone is synced as well."""
        return OK

    def maps(self, name: str) -> int:
        """The index of the log is made, or made longer."""
        return OK


_CLOSE = CFUNCTYPE(c_int, c_void_p)
_READ = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_MAP = CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int, c_void_p)
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, as SQLite's documentation of its C interface lists it."""

    _fields_ = [
        ("version", c_int), ("close", _CLOSE), ("read", _READ), ("write", _READ), ("truncate", _TRUNCATE),
        ("sync", _SYNC), ("others", c_void_p * 7), ("shm_map", _MAP), ("more", c_void_p * 5),
    ]  # fmt: skip


class _File(ctypes.Structure):
    _fields_ = [("methods", POINTER(_Methods))]


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, the same."""

    _fields_ = [
        ("version", c_int), ("file_size", c_int), ("longest_name", c_int), ("next", c_void_p), ("name", c_char_p),
        ("data", c_void_p), ("open", _OPEN), ("delete", _DELETE), ("others", c_void_p * 14),
    ]  # fmt: skip


class _Below:
    """The file system that is registered: there is one in a process, for good, and it is used while `disk` is set."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        library.sqlite3_vfs_find.argtypes = [c_char_p]
        library.sqlite3_vfs_register.argtypes = [POINTER(_Vfs), c_int]
        self._library, self._system = library, library.sqlite3_vfs_find(None)
        self._names: dict[int, str] = {}
        self._tables: dict[int, tuple[_Methods, _Methods]] = {}  # the system's methods, by address, and ours
        self._mine = _Vfs.from_buffer_copy(self._system.contents)
        self._mine.name = _NAME
        self._mine.open, self._mine.delete = _OPEN(self._open), _DELETE(self._delete)
        self.disk: Disk | None = None

    def make_default(self, *, mine: bool) -> None:
        vfs = ctypes.pointer(self._mine) if mine else self._system
        if self._library.sqlite3_vfs_register(vfs, 1) != OK:
            raise OSError("SQLite does not take the file system")

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
        text = ctypes.string_at(name).decode() if name else ""
        code = self.disk.opens(text, flags) if self.disk is not None else OK
        handle = _File.from_address(file)
        if code != OK:
            handle.methods = POINTER(_Methods)()
            return code
        done: int = self._system.contents.open(ctypes.addressof(self._system.contents), name, file, flags, out)
        if handle.methods:
            address = ctypes.addressof(handle.methods.contents)
            if address not in self._tables:
                self._tables[address] = (handle.methods.contents, self._around(handle.methods.contents))
            self._names[file] = text
            handle.methods = ctypes.pointer(self._tables[address][1])
        return done

    def _delete(self, _vfs: int, name: bytes, sync: int) -> int:
        code = self.disk.deletes(name.decode(), folder=bool(sync)) if self.disk is not None else OK
        done: int = code or self._system.contents.delete(ctypes.addressof(self._system.contents), name, sync)
        return done

    def _around(self, real: _Methods) -> _Methods:
        """The same methods, with the disk asked before each."""
        mine = _Methods.from_buffer_copy(real)

        def asked(ask: Callable[[Disk, str], int], file: int) -> int:
            return ask(self.disk, self._names[file]) if self.disk is not None else OK

        def read(file: int, data: int, count: int, offset: int) -> int:
            return asked(lambda disk, name: disk.reads(name), file) or real.read(file, data, count, offset)

        def write(file: int, data: int, count: int, offset: int) -> int:
            code = asked(lambda disk, name: disk.writes(name, offset, ctypes.string_at(data, count)), file)
            return code or real.write(file, data, count, offset)

        def truncate(file: int, size: int) -> int:
            return asked(lambda disk, name: disk.truncates(name, size), file) or real.truncate(file, size)

        def sync(file: int, flags: int) -> int:
            return asked(lambda disk, name: disk.syncs(name), file) or real.sync(file, flags)

        def shm_map(file: int, region: int, size: int, extend: int, out: int) -> int:
            code = asked(lambda disk, name: disk.maps(name), file) if extend else OK
            return code or real.shm_map(file, region, size, extend, out)

        mine.read, mine.write, mine.truncate = _READ(read), _READ(write), _TRUNCATE(truncate)
        mine.sync, mine.shm_map = _SYNC(sync), _MAP(shm_map)
        return mine


_registered: list[_Below] = []


@contextlib.contextmanager
def below(disk: Disk) -> Iterator[None]:
    """Every database opened from here on stands on `disk`; skips the test where SQLite cannot be reached."""
    if not _registered:
        library = ctypes.CDLL(_sqlite3.__file__)
        if not hasattr(library, "sqlite3_vfs_register"):
            pytest.skip("this Python hides its SQLite: no file system can be registered in it")
        _registered.append(_Below(library))
    (one,) = _registered
    one.disk = disk
    one.make_default(mine=True)
    try:
        yield
    finally:
        one.make_default(mine=False)
        one.disk = None
