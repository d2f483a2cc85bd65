"""The pure parts of the radio bench: modules in order, the first file system's bytes, round trips read from a log."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from hil import packages
from hil.radio import hci_log, initrd
from hil.radio.hci_log import Snoop

PHONE, OTHER = 0x0E01, 0x0E02
READ, WRITE, MTU, ERROR = 0x0A, 0x12, 0x02, 0x01


def module(folder: Path, name: str, *needs: str) -> None:
    path = folder / "kernel" / f"{name}.ko"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x7fELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0")


def test_modules_come_after_what_they_need_and_once(tmp_path: Path) -> None:
    module(tmp_path, "hci_vhci", "bluetooth")
    module(tmp_path, "bluetooth", "ecdh_generic", "crc16")
    module(tmp_path, "ecdh_generic", "ecc")
    module(tmp_path, "ecc")
    module(tmp_path, "virtio-pci")
    names = [path.stem for path in initrd.in_order(tmp_path, ("virtio_pci", "bluetooth", "hci_vhci", "compiled_in"))]
    assert names == ["virtio-pci", "ecc", "ecdh_generic", "bluetooth", "hci_vhci"]


@pytest.mark.skipif(shutil.which("cpio") is None, reason="no cpio on this machine to judge the archive by")
def test_the_archive_is_one_that_cpio_reads() -> None:
    made = initrd.archive({"init": b"#!x\n", "m/a.ko": b"abc"}, ("m",))
    listed = subprocess.run(["cpio", "-t"], input=made, capture_output=True, check=True).stdout.decode().split()
    assert listed == ["m", "init", "m/a.ko"]


def test_the_archive_is_laid_out_as_the_kernel_wants_it() -> None:
    """Header of 110 hex characters, name and data each filled up to a multiple of four."""
    made = initrd.archive({"init": b"12345"}, ())
    assert made[:6] == b"070701"
    assert int(made[54:62], 16) == 5
    assert made[110:115] == b"init\0"
    assert made[116:124] == b"12345\0\0\0"
    assert made[124:130] == b"070701"
    assert b"TRAILER!!!\0" in made


def test_the_first_program_gets_its_command_in_one_piece(tmp_path: Path) -> None:
    module(tmp_path, "bluetooth")
    (tmp_path / "busybox").write_bytes(b"box")
    made = gzip.decompress(initrd.initrd(tmp_path / "busybox", tmp_path, "cd '/a b' && run"))
    assert b"""-c 'cd '"'"'/a b'"'"' && run' &\n""" in made
    assert b"for m in bluetooth.ko;" in made


class Log:
    """A btsnoop file written packet by packet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._snoop = Snoop(self._file)

    def att(self, handle: int, *pdu: int, received: bool) -> None:
        data = bytes(pdu)
        l2cap = len(data).to_bytes(2, "little") + b"\x04\x00" + data
        head = b"\x02" + (handle | 0x2000).to_bytes(2, "little") + len(l2cap).to_bytes(2, "little")
        self._snoop.note(head + l2cap, received=received)

    def asked(self, handle: int, opcode: int, answer: tuple[int, ...] = ()) -> None:
        self.att(handle, opcode, 0x10, 0x00, received=True)
        self.att(handle, *(answer or (opcode + 1,)), received=False)

    def gone(self, handle: int) -> None:
        self._snoop.note(b"\x04\x05\x04\x00" + handle.to_bytes(2, "little") + b"\x13", received=True)

    def trips(self) -> list[tuple[int, int, list[int]]]:
        self._file.close()
        return [(found.found, found.talked, found.refused) for found in hci_log.round_trips(self._path)]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


def test_a_round_trip_is_a_question_of_the_phone_with_its_answer(log: Log) -> None:
    log.asked(PHONE, MTU)
    for opcode in (READ, WRITE, WRITE, READ):
        log.asked(PHONE, opcode)
    log.att(PHONE, READ, 0x10, 0x00, received=True)  # never answered
    assert log.trips() == [(1, 4, [])]


def test_what_the_stack_asks_the_phone_does_not_count(log: Log) -> None:
    log.att(PHONE, 0x08, 1, 0, received=False)
    log.att(PHONE, 0x09, 1, received=True)
    log.att(PHONE, READ, 0x10, 0x00, received=True)
    log.att(PHONE, 0x08, 1, 0, received=False)
    log.att(PHONE, READ + 1, received=False)
    assert log.trips() == [(0, 1, [])]


def test_phones_are_told_apart_and_a_number_used_again_is_another_connection(log: Log) -> None:
    log.asked(PHONE, READ)
    log.asked(OTHER, READ, (ERROR, READ, 0x10, 0x00, 0x80))
    log.gone(PHONE)
    log.asked(PHONE, WRITE)
    assert log.trips() == [(0, 1, []), (0, 1, [0x80]), (0, 1, [])]


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"pcap")
    with pytest.raises(ValueError, match="no btsnoop"):
        list(hci_log.packets(tmp_path / "x"))


def test_the_kernel_of_the_radio_bench_is_never_installed() -> None:
    """Its installation would write boot files and run the boot loader's scripts."""
    unpacked = {need.package for need in packages.needs(["radio"]) if need.unpacked}
    assert {"linux-image-amd64", "bluez"} <= unpacked
