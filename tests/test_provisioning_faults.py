"""What a bad file or a disk that refuses may cost a driver: nothing that a second copy or memory still has (D14)."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.run.accepted import ACCEPTED_FILE
from agent.run.provisioning import KEYSET_FILES, REVOKED_FILE, Provisioning
from hil import tokens
from keyless.refusal import Code, Refusal
from tests.test_provisioning import GONE, ISSUER, NOW_S, OTHER, ROOTS, Desk, keyset, restarted, revoking, two_keys

SECOND, THIRD = tokens.Roots.fresh(), tokens.Roots.fresh()


def _unreadable(path: Path) -> None:
    """Reading it is an error, as with a bad sector; it can be replaced."""
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(OSError, match="symbolic links"):
        path.read_bytes()


BAD: dict[str, Callable[[Path], object]] = {
    "damaged": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x00\x01"),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "unreadable": _unreadable,
}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def version(desk: Desk) -> int | None:
    return None if desk.authority.keyset is None else desk.authority.keyset.version


async def rotated(desk: Desk) -> Path:
    """A box whose provisioned key set has been replaced; the provisioned file."""
    given = desk.folder / "given.cbor"
    given.write_bytes(keyset(1))
    provisioning = desk.provisioning(given)
    provisioning.load()
    assert await provisioning.accept(keyset(4)) is None
    assert await provisioning.accept(keyset(5)) is None
    return given


# --- one bad file


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", KEYSET_FILES)
async def test_d14_after_a_rotation_one_bad_file_shuts_no_car_and_is_mended(desk: Desk, name: str, bad: str) -> None:
    given = await rotated(desk)
    BAD[bad](desk.folder / name)
    again, provisioning = restarted(desk, given=given)
    assert version(again) == 5
    assert ("keyset" in provisioning.trouble) is (bad != "gone"), "told, where there is something to tell"
    for each in KEYSET_FILES:
        assert (desk.folder / each).read_bytes() == (desk.folder / KEYSET_FILES[0]).read_bytes()
    other = next(each for each in KEYSET_FILES if each != name)
    BAD[bad](desk.folder / other)
    assert version(restarted(desk, given=given)[0]) == 5, "nor does the next one"


@pytest.mark.parametrize("bad", BAD)
async def test_d14_the_provisioned_file_may_be_the_bad_one(desk: Desk, bad: str) -> None:
    given = desk.folder / "given.cbor"
    given.write_bytes(keyset(1))
    assert version(restarted(desk, given=given)[0]) == 1
    BAD[bad](given)
    assert version(restarted(desk, given=given)[0]) == 1


async def test_a_newer_provisioned_file_counts(desk: Desk) -> None:
    given = await rotated(desk)
    given.write_bytes(keyset(6))
    assert version(restarted(desk, given=given)[0]) == 6
    given.write_bytes(keyset(1))
    again, provisioning = restarted(desk, given=given)
    assert version(again) == 6
    assert not provisioning.trouble, "what was given at install is old one day"


async def test_cut_between_the_copies_the_newer_one_counts(desk: Desk) -> None:
    given = await rotated(desk)
    (desk.folder / KEYSET_FILES[0]).write_bytes(keyset(6))
    again, provisioning = restarted(desk, given=given)
    assert version(again) == 6
    assert not provisioning.trouble
    (desk.folder / KEYSET_FILES[0]).unlink()
    assert version(restarted(desk, given=given)[0]) == 6


async def test_a_start_writes_nothing_that_is_there(desk: Desk) -> None:
    given = await rotated(desk)

    def files() -> list[tuple[str, int, int]]:
        return sorted((it.name, it.stat().st_ino, it.stat().st_mtime_ns) for it in desk.folder.iterdir())

    before = files()
    restarted(desk, given=given)
    assert files() == before


# --- an old file that cannot be read any more


@pytest.mark.parametrize("name", [*KEYSET_FILES, REVOKED_FILE, ACCEPTED_FILE])
async def test_d14_an_unreadable_old_file_keeps_no_new_one_out(desk: Desk, name: str) -> None:
    provisioning = await revoking(desk)
    for _ in range(2):
        _unreadable(desk.folder / name)
        number = 3 if provisioning.sequence == 5 else 4
        assert await provisioning.accept(two_keys(number, ISSUER, OTHER)) is None
        newer = tokens.revocations(ISSUER, number + 3, [GONE, bytes(8)], NOW_S, NOW_S + 1000)
        assert await provisioning.accept(newer) is None
        again, provisioning = restarted(desk)
        assert version(again) == number
        assert provisioning.sequence == number + 3
        assert again.authority.revoked == {GONE, bytes(8)}
        assert not provisioning.trouble


@pytest.mark.parametrize("bad", BAD)
async def test_d14_a_bad_file_of_old_roots_keeps_no_new_ones_out(desk: Desk, bad: str) -> None:
    provisioning = desk.provisioning()
    provisioning.load()
    assert await provisioning.accept(keyset(4)) is None
    assert await provisioning.accept(tokens.rootset(ROOTS, SECOND, 1)) is None
    BAD[bad](desk.folder / "roots" / "1.cbor")
    assert await provisioning.accept(tokens.rootset(ROOTS, SECOND, 1)) is None, "a retained message comes again"
    assert await provisioning.accept(tokens.rootset(SECOND, THIRD, 2)) is None
    assert await provisioning.accept(keyset(5, THIRD)) is None
    assert version(restarted(desk)[0]) == 5


# --- a disk that takes nothing


@contextlib.contextmanager
def _full(folder: Path, _: pytest.MonkeyPatch) -> Iterator[None]:
    with (folder / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"f" * 4096)
    yield
    (folder / "filler").unlink()


@contextlib.contextmanager
def _read_only(folder: Path, _: pytest.MonkeyPatch) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


@contextlib.contextmanager
def _failing(_: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fsync)
        yield


REFUSING = {"full": _full, "read-only": _read_only, "failing": _failing}


@pytest.fixture(name="small")
def a_small_disk(tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "t", folder]).returncode:
        pytest.skip("only root may mount a small file system")
    yield Desk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


async def _taken(provisioning: Provisioning, data: bytes) -> bool:
    """On the disk; False: the disk refused."""
    try:
        refusal = await provisioning.accept(data)
    except OSError:
        return False
    assert refusal is None
    return True


@pytest.mark.parametrize("how", REFUSING)
async def test_d14_a_disk_that_takes_nothing_keeps_no_new_key_out_and_nobody_revoked_in(
    small: Desk, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    provisioning = await revoking(small)
    newer = tokens.revocations(OTHER, 6, [GONE, bytes(8)], NOW_S, NOW_S + 1000)
    changes = small.changes
    with REFUSING[how](small.folder, monkeypatch):
        for _ in range(2):
            assert not await _taken(provisioning, two_keys(3, OTHER))
            assert not await _taken(provisioning, newer)
            assert version(small) == 3
            assert small.authority.revoked == {GONE, bytes(8)}
            assert small.changes == changes + 2, "stored tokens are judged again, once each"
            assert provisioning.trouble.keys() == {"keyset", "revocations"}
        older = await provisioning.accept(two_keys(2, ISSUER, OTHER))
        assert isinstance(older, Refusal)
        assert older.code is Code.SUPERSEDED
    lost = restarted(small)[0]
    assert (version(lost), lost.authority.revoked) in ((2, {GONE}), (3, {GONE, bytes(8)})), "as if it never came"
    assert await _taken(provisioning, two_keys(3, OTHER)), "what is not acknowledged comes again"
    assert await _taken(provisioning, newer)
    assert not provisioning.trouble
    assert small.changes == changes + 2
    again, provisioning = restarted(small)
    assert version(again) == 3
    assert again.authority.revoked == {GONE, bytes(8)}
    assert not provisioning.trouble


async def test_a_record_that_could_not_be_written_beside_its_file_is_written_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    provisioning = await revoking(desk)
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if target.name == ACCEPTED_FILE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", replace)
        assert not await _taken(provisioning, two_keys(3, OTHER))
    assert await _taken(provisioning, two_keys(3, OTHER))
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", replace)
        assert not await _taken(provisioning, tokens.rootset(ROOTS, SECOND, 1))
    assert await _taken(provisioning, tokens.rootset(ROOTS, SECOND, 1))
    for name in (*KEYSET_FILES, "roots/1.cbor"):
        (desk.folder / name).unlink()
    again, provisioning = restarted(desk)
    older = await provisioning.accept(tokens.keyset(SECOND, [(OTHER, ("driver",))], 2, NOW_S - 1000, NOW_S + 1000))
    assert isinstance(older, Refusal)
    assert older.code is Code.SUPERSEDED, "the record knows the number and the roots"
    assert again.authority.revoked == {GONE}


@pytest.mark.parametrize("how", REFUSING)
async def test_d14_new_roots_wait_for_the_disk_for_their_key_set_would_be_lost_with_them(
    small: Desk, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    provisioning = await revoking(small)
    with REFUSING[how](small.folder, monkeypatch):
        assert not await _taken(provisioning, tokens.rootset(ROOTS, SECOND, 1))
        found = await provisioning.accept(keyset(5, SECOND))
        assert isinstance(found, Refusal)
        assert version(small) == 2, "who was let in still is"
    assert await _taken(provisioning, tokens.rootset(ROOTS, SECOND, 1))
    assert await _taken(provisioning, keyset(5, SECOND))
    assert version(restarted(small)[0]) == 5


async def test_d14_a_key_set_that_no_file_took_leaves_the_one_before_it_good(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses it once, and takes what comes after it."""
    provisioning = await revoking(desk)
    with _failing(desk.folder, monkeypatch):
        assert not await _taken(provisioning, two_keys(3, OTHER))
    newer = tokens.revocations(OTHER, 6, [GONE, bytes(8)], NOW_S, NOW_S + 1000)
    assert await _taken(provisioning, newer)
    assert await _taken(provisioning, tokens.rootset(ROOTS, SECOND, 1))
    again, after = restarted(desk)
    assert version(again) == 2
    assert "keyset" not in after.trouble
    assert await _taken(after, keyset(3, SECOND))
    assert version(restarted(desk)[0]) == 3
