"""Logs of one frame a line, two buses in one log, and logs that go wrong in the middle."""

from __future__ import annotations

import contextlib
import gzip
import os
import pty
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import can
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.cli.car import car
from drivers.can import recording as module
from drivers.can.recording import Recording, RecordingError
from drivers.ports import Frame

SAME = {
    "a.csv": ";CANARY V2.3\n;TIME_us.d  ID       FL L DATA\n0001.250000 00000654 00 2 0A FF\n1.5 18DAF1DB 00 1 01\n",
    "b.csv": ";CANARY V2.3\n;TIME_us.d C ID\n0001.250000 0 00000654 00 2 0A FF\n0001.500000 0 18DAF1DB 00 1 01\n",
    "c.csv": "Time Stamp,ID,Extended,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\n"
    "1250000,00000654,false,0,2,0A,FF\n1500000,18DAF1DB,true,1,1,01\n",
    "d.csv": "Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\n"
    "1250000,00000654,false,Rx,0,2,0A,FF,,,,,,\n1500000,18DAF1DB,true,Rx,1,1,01,,,,,,,\n",
    "e.crtd": "# made up\n1.2 CXX hello\n1.250000 1R11 654 0a ff\n1.500000 2R29 18DAF1DB 01\n",
    "f.txt": " (1.250000)  can0  654   [2]  0A FF\n (1.500000)  can0  18DAF1DB   [1]  01\n",
    "g.log": "(1.250000) can0 654#0AFF R\n(1.500000) can0 18DAF1DB#01 T\n",
    "h.log": "(1.25) can0 654#0AFF\n\n(1.500000) can0 18daf1db#01\r\n",
    "i.log": "(1.250000) can0 654##00aff\n(1.300000) can0 654#R2\n(1.4) can0 20000004#00\n(1.5) can0 18DAF1DB#01\n",
}


def told(frames: Iterator[Frame]) -> list[tuple[int, int, bool, str]]:
    return [(frame.at.ns, frame.can_id, frame.extended, frame.data.hex()) for frame in frames]


def log(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", SAME)
def test_each_form_of_line_tells_the_same_frames(tmp_path: Path, name: str) -> None:
    recording = Recording(log(tmp_path / name, SAME[name]))
    expected = [(1_250_000_000, 0x654, False, "0aff"), (1_500_000_000, 0x18DAF1DB, True, "01")]
    assert told(recording.frames()) == expected
    assert recording.left_out == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ";CANARY\n1.0 20040300 00 1 01\n"),
        ("b.csv", "Time Stamp,ID,Extended,Bus,LEN,D1\n1,-5,false,0,1,0A\n2,FFFFFFFF,true,0,1,0A\n"),
        ("c.crtd", "1.2 1R29 FFFFFFFFF 01\n"),
        ("d.log", "(1.0) can0 123##0" + "AA" * 65 + "\n"),
    ],
)
def test_an_id_or_a_length_that_no_bus_has_is_no_frame(tmp_path: Path, name: str, text: str) -> None:
    recording = Recording(log(tmp_path / name, text))
    assert told(recording.frames()) == []
    assert recording.skipped == text.count("\n") - name.endswith(".csv")


@pytest.mark.parametrize("version", ["1_1", "1_3", "2_0", "2_1"])
def test_every_version_of_trc_is_read(tmp_path: Path, version: str) -> None:
    heads = {
        "1_1": ";$FILEVERSION=1.1\n;$STARTTIME=37704.5\n     1)         5.0  Rx         0654  2  0A FF\n",
        "1_3": ";$FILEVERSION=1.3\n;$STARTTIME=37704.5\n     1)         5.0 1  Rx        0654 -  2    0A FF\n",
        "2_0": ";$FILEVERSION=2.0\n;$STARTTIME=37704.5\n;$COLUMNS=N,O,T,I,d,l,D\n"
        "      1         5.000 DT     0654 Rx 2  0A FF\n",
        "2_1": ";$FILEVERSION=2.1\n;$STARTTIME=37704.5\n;$COLUMNS=N,O,T,B,I,d,R,L,D\n"
        "      1         5.000 DT 1      0654 Rx -  2    0A FF\n",
    }
    frames = list(Recording(log(tmp_path / "a.trc", heads[version])).frames())
    assert [(frame.can_id, frame.data) for frame in frames] == [(0x654, b"\x0a\xff")]


@pytest.mark.parametrize("name", ["bms-working", "single-bms"])
def test_both_forms_of_a_public_recording_are_the_same_frames(shared: Path, name: str) -> None:
    folder = shared / "data" / "can" / "kangoo"
    one, other = (Recording(folder / f"{name}{suffix}") for suffix in (".csv.gz", ".candump.log.gz"))
    assert told(one.frames()) == told(other.frames())
    assert one.seen in (15_849, 3_865)
    assert one.left_out == other.left_out == 0


@pytest.mark.parametrize("form", ["csv", "candump.log"])
def test_a_log_of_two_buses_is_played_in_order(shared: Path, form: str) -> None:
    """39,546 frames that step back and forth by up to 22 ms."""
    recording = Recording(shared / "data" / "can" / "kona" / f"power-off-on-ready-off.{form}.gz")
    times = [frame.at.ns for frame in recording.frames()]
    assert times == sorted(times)
    assert len(times) == 39_546
    assert recording.stepped_back == 13_736
    assert recording.restarts == recording.late == 0


def test_one_bus_alone_is_played_where_it_is_asked_for(shared: Path) -> None:
    path = shared / "data" / "can" / "kona" / "power-off-on-ready-off.candump.log.gz"
    one, other = Recording(path, bus="can0"), Recording(path, bus="can1")
    assert len(list(one.frames())) + len(list(other.frames())) == 39_546
    assert one.stepped_back == other.stepped_back == 0
    assert one.channels == {"can1"}


def lines(times: list[int]) -> str:
    """times: in milliseconds; the data is the place in the log."""
    return "".join(f"({at / 1000:.6f}) can0 123#{number:08X}\n" for number, at in enumerate(times))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data(), held=st.integers(1, 9))
def test_any_log_that_steps_back_within_the_window_comes_sorted(tmp_path: Path, data: st.DataObject, held: int) -> None:
    """Each frame lies fewer than `held` places off; what has one time keeps its order."""
    count = data.draw(st.integers(0, 60))
    places = sorted(range(count), key=lambda at: at + data.draw(st.integers(0, held - 1)))
    path = log(tmp_path / "a.log", lines([at // 2 for at in places]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HELD", held)
        recording = Recording(path)
        found = [(frame.at.ns // 1_000_000, int(frame.data.hex(), 16)) for frame in recording.frames()]
    assert found == sorted(found)
    assert len(found) == count
    assert recording.late == recording.restarts == 0


def test_what_steps_back_too_far_to_be_sorted_is_counted_and_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD", 2)
    recording = Recording(log(tmp_path / "a.log", lines([1, 2, 3, 4, 5, 6, 0, 7, 8])))
    assert len(list(recording.frames())) == 9
    assert recording.late == 1


def test_two_recordings_in_one_file_come_one_after_the_other(tmp_path: Path) -> None:
    recording = Recording(log(tmp_path / "a.log", lines([900_000, 900_002, 900_001, 5, 7, 6])))
    assert [frame.at.ns // 1_000_000 for frame in recording.frames()] == [900_000, 900_001, 900_002, 5, 6, 7]
    assert (recording.stepped_back, recording.restarts) == (2, 1)


def test_only_wanted_frames_are_given_and_all_are_counted(tmp_path: Path) -> None:
    text = "(1.000000) can0 654#00\n(1.100000) can0 18DAF1DB#01\n(1.200000) can0 00000654#02\n"
    for extra in ("", "rubbish\n"):  # a block of good lines at once, and line by line
        recording = Recording(log(tmp_path / "a.log", text + extra), wanted={(0x654, False)})
        assert [frame.data for frame in recording.frames()] == [b"\0"]
        assert (recording.seen, recording.unwanted, recording.left_out) == (3, 2, len(extra) // 8)


@pytest.mark.parametrize("cut", range(1, 36))
def test_a_log_cut_in_the_middle_of_a_line_tells_nothing_of_that_line(tmp_path: Path, cut: int) -> None:
    """Half a byte is none: python-can makes 0x0F of a lonely F."""
    whole = "(1600000000.100000) can0 654#0102030405FF\n"
    recording = Recording(log(tmp_path / "a.log", whole + whole[:-cut]))
    second = [frame.data for frame in recording.frames()][1:]
    if cut <= 13 and cut % 2:
        assert second == [bytes.fromhex("0102030405FF")[: (13 - cut) // 2]]
        assert recording.left_out == 0
    else:
        assert second == []
        assert [number for number, _ in recording.bad] == [2]


def test_a_cut_line_of_the_other_forms_is_said(tmp_path: Path) -> None:
    for name in ("a.csv", "c.csv", "e.crtd"):
        recording = Recording(log(tmp_path / name, SAME[name].rstrip("\n")[:-1]))
        assert len(list(recording.frames())) == 1
        assert recording.left_out == 1, name
    path = log(tmp_path / "a.csv", "timestamp,arbitration_id,extended,remote,error,dlc,data\n1,0x1,0,0,0,1,AA==\n2,0x")
    with pytest.raises(RecordingError, match="line 3, cut in the middle"):
        list(Recording(path).frames())


def test_what_a_broken_gzip_gave_before_it_broke_is_read(tmp_path: Path) -> None:
    drawn = random.Random(1)
    text = lines([*range(30_000)]).replace("#", f"#{drawn.randbytes(1).hex()}")
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(text.encode(), 1)[:-5_000])
    recording = Recording(path)
    found: list[Frame] = []
    with pytest.raises(RecordingError, match=r"a\.log\.gz"):
        found.extend(recording.frames())  # takes one after the other: what came before the error stays
    assert len(found) == recording.seen > 20_000


def test_the_screen_form_without_times_is_refused_with_what_to_do(tmp_path: Path, shared: Path) -> None:
    path = shared / "data" / "can" / "leaf" / "ze1-quick-charge.candump.txt.gz"
    for log_path in (path, log(tmp_path / "a.log", "  can0  654   [2]  0A FF\n")):
        with pytest.raises(RecordingError, match=r"has no times; record with candump -L"):
            list(Recording(log_path).frames())


def test_a_file_of_rubbish_is_bounded_in_memory(tmp_path: Path) -> None:
    recording = Recording(log(tmp_path / "a.log", "rubbish\n" * 5_000 + "x" * 3_000_000))
    assert list(recording.frames()) == []
    assert len(recording.bad) == module.TOLD
    assert recording.left_out >= 5_001


@pytest.mark.parametrize("suffix", [".asc", ".blf", ".log"])
def test_a_bus_is_chosen_in_every_form_that_knows_buses(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with can.Logger(path) as writer:
        for channel in (0, 1, 1):
            writer(can.Message(timestamp=1.6e9, arbitration_id=0x123, is_extended_id=False, channel=channel))
    everything = Recording(path, bus="nothing")
    assert not list(everything.frames())
    assert len(everything.channels) == 2
    assert sorted(len(list(Recording(path, bus=bus).frames())) for bus in everything.channels) == [1, 2]


def test_a_bus_that_is_not_in_the_log_is_said_with_those_that_are(tmp_path: Path) -> None:
    path = log(tmp_path / "a.log", "(1.000000) can0 654#00\n(1.100000) can1 654#01\n")
    result = CliRunner().invoke(car, ["decode", "--car", "kangoo-ze", "--bus", "can7", str(path)])
    assert result.exit_code == 1
    assert "no frame on bus can7; it has can0, can1" in result.stderr


@pytest.mark.parametrize("watched", [True, False])
def test_a_bar_of_bytes_is_shown_where_somebody_looks(tmp_path: Path, watched: bool) -> None:
    """On a terminal, while the values go elsewhere; in a pipe nothing but the counts."""
    path = log(tmp_path / "drive.log", "".join(f"({at}.0) can0 654#0000003900000000\n" for at in range(5_000)))
    ours, theirs = pty.openpty()
    code = f"from agent.cli.group import boitier; boitier(['car', 'decode', '--car', 'kangoo-ze', {str(path)!r}])"
    with open(tmp_path / "values", "wb") as values:
        error = theirs if watched else subprocess.PIPE
        running = subprocess.Popen([sys.executable, "-c", code], stdout=values, stderr=error)
    os.close(theirs)
    said = b""
    if watched:
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while part := os.read(ours, 4096):
                said += part
    else:
        said = running.communicate()[1]
    os.close(ours)
    assert running.wait() == 0
    assert (b"drive.log" in said) is watched
    assert b"frames 5000" in said
    assert (tmp_path / "values").read_text().count("Displayed") == 5_000
