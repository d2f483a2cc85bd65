"""gpsd's reports to fixes, sans-I/O: by hand and with arbitrary bytes. The connection: test_gnss_gpsd_line; the real
gpsd: test_gnss_gpsd_real.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gnss.reports import MAX_LINE, OTHERS_PATIENCE, SKY_KEPT_EPOCHS, Reports
from drivers.ports import Fix, Instant
from tests.serial_bench import BOOT

AT = Instant(BOOT, 0)
HERE = {"lat": 48.748667, "lon": -0.568833}


def line(**message: object) -> bytes:
    return json.dumps(message).encode() + b"\r\n"


def tpv(second: int | None = 0, mode: int = 3, device: str = "/dev/a", **more: object) -> bytes:
    time = {} if second is None else {"time": f"2026-11-22T10:15:{second:02d}.250Z"}
    place = HERE if mode >= 2 else {}
    return line(**{"class": "TPV", "device": device, "mode": mode, **time, **place, "speed": 5.0, **more})


def sky(used: int, device: str = "/dev/a") -> bytes:
    satellites = [{"PRN": number, "used": number < used} for number in range(used + 3)]
    return line(**{"class": "SKY", "device": device, "satellites": satellites})


def read(data: bytes) -> tuple[list[Fix], dict[str, int]]:
    reports = Reports()
    return reports.feed(data, AT) + reports.end(), reports.counters()


def test_one_report_is_one_fix_with_position_date_time_speed_and_satellites() -> None:
    (_, fix), counters = read(tpv(0) + sky(7) + tpv(1))
    assert fix == Fix(AT, int(datetime(2026, 11, 22, 10, 15, 1, tzinfo=UTC).timestamp()) * 1000 + 250,
                      48.748667, -0.568833, 3, 5.0, 7, True)  # fmt: skip
    assert (counters["epochs"], counters["fixes"], counters["reports"]) == (2, 2, 2)


@pytest.mark.parametrize("mode", [0, 1])
def test_without_a_fix_there_is_no_position_even_when_coordinates_are_there(mode: int) -> None:
    (fix,), counters = read(tpv(0, mode, **HERE))
    assert (fix.valid, fix.lat, fix.mode, fix.speed_mps) == (False, None, 0, None)
    assert fix.time_ms is not None
    assert counters["void"] == 1


@pytest.mark.parametrize("status", [5, 7, 8])
def test_dead_reckoned_surveyed_and_simulated_positions_are_no_fix(status: int) -> None:
    (fix,), _ = read(tpv(0, status=status))
    assert not fix.valid


def test_a_report_without_a_time_is_a_position_and_never_a_time() -> None:
    fixes, _ = read(tpv(None) * 2)
    assert [(fix.valid, fix.time_ms) for fix in fixes] == [(True, None)] * 2


@pytest.mark.parametrize("year", [1980, 1999, 2006, 2019, 2023])
def test_r19_a_rolled_over_date_is_no_time_and_no_fix(year: int) -> None:
    (fix,), counters = read(tpv(0, time=f"{year}-11-22T10:15:00.000Z"))
    assert (fix.time_ms, fix.lat, fix.mode, fix.valid) == (None, None, 0, False)
    assert counters["implausible_date"] == 1


def test_latitude_zero_with_a_fix_is_nonsense() -> None:
    (fix,), counters = read(tpv(0, lat=0.0))
    assert not fix.valid
    assert counters["zero_latitude"] == 1


def test_several_reports_of_a_second_are_one_epoch_and_the_newest_counts() -> None:
    parts = tpv(0, speed=None) + tpv(0, lat=48.8) + tpv(0, 3, lat=None, lon=None, speed=None)
    (first, second), counters = read(parts + tpv(1))
    assert (first.lat, first.lon, first.speed_mps) == (48.8, HERE["lon"], 5.0)
    assert second.valid
    assert (counters["epochs"], counters["repeats"]) == (2, 2)


def test_a_fix_lost_within_the_second_is_no_fix() -> None:
    (fix, _), _ = read(tpv(0) + tpv(0, 1) + tpv(1))
    assert not fix.valid


def test_once_a_second_has_one_report_it_is_given_out_at_once_and_not_again() -> None:
    reports = Reports()
    assert reports.feed(tpv(0), AT) == []  # the first: how many more will come is not known yet
    assert len(reports.feed(tpv(1), AT)) == 2
    assert len(reports.feed(tpv(2), AT)) == 1
    assert reports.feed(tpv(2), AT) == []  # late: the second is told already
    assert reports.feed(tpv(3), AT) == []  # and two are waited for from now on
    assert len(reports.feed(tpv(3), AT)) == 1


def test_the_fix_carries_the_arrival_of_its_first_report() -> None:
    reports = Reports()
    early, late = Instant(BOOT, 5), Instant(BOOT, 999)
    reports.feed(tpv(0), early)
    reports.feed(tpv(0), late)
    assert [fix.at for fix in reports.end()] == [early]


def test_satellites_are_those_used_and_are_forgotten_when_nobody_tells_them_any_more() -> None:
    (_, fix), _ = read(tpv(0) + line(**{"class": "SKY", "device": "/dev/a", "uSat": 11, "satellites": []}) + tpv(1))
    assert fix.satellites == 11
    only_dilutions = line(**{"class": "SKY", "device": "/dev/a", "hdop": 1.0})
    fixes, _ = read(tpv(0) + sky(9) + b"".join(tpv(second) + only_dilutions for second in range(1, 20)))
    assert [fix.satellites for fix in fixes] == [9] * SKY_KEPT_EPOCHS + [None] * (20 - SKY_KEPT_EPOCHS)


def test_two_receivers_are_never_mixed_and_the_other_is_followed_when_it_alone_speaks() -> None:
    reports = Reports()
    both = b"".join(tpv(second) + tpv(second, device="/dev/b", lat=40.0) for second in range(5))
    fixes = reports.feed(both + sky(3, "/dev/b"), AT)
    assert {fix.lat for fix in fixes} == {HERE["lat"]}
    assert reports.counters()["other_receiver"] == 5
    alone = b"".join(tpv(second, device="/dev/b", lat=40.0) for second in range(OTHERS_PATIENCE + 3))
    assert {fix.lat for fix in reports.feed(alone, AT)} == {40.0}
    assert reports.receiver == "/dev/b"


@pytest.mark.parametrize(
    "said",
    [
        {"class": "DEVICE", "path": "/dev/a", "activated": 0},
        {"class": "DEVICE", "path": "/dev/a"},
        {"class": "DEVICES", "devices": []},
        {"class": "DEVICES", "devices": [{"class": "DEVICE", "path": "/dev/b", "activated": "2026-11-22T10:00:00Z"}]},
    ],
)
def test_a_receiver_that_gpsd_has_lost_is_left_and_its_last_epoch_comes_out(said: dict[str, object]) -> None:
    reports = Reports()
    reports.feed(tpv(0), AT)
    assert reports.receiver == "/dev/a"
    assert [fix.valid for fix in reports.feed(line(**said), AT)] == [True]
    assert reports.receiver is None


def test_what_gpsd_tells_beside_positions_is_read_over_and_its_errors_are_counted() -> None:
    data = line(**{"class": "VERSION", "release": "3.22"}) + line(**{"class": "WATCH", "enable": True})
    data += line(**{"class": "ERROR", "message": "Unrecognized request"}) + b"\r\n"
    fixes, counters = read(data + tpv(0))
    assert len(fixes) == 1
    assert counters["errors"] == 1
    assert counters["malformed"] == 0


@pytest.mark.parametrize(
    "broken",
    [
        b"{", b"[]", b"1", b"\xff\xfe{}", b'{"class":"TPV"', b"[" * 5000, b'{"a":' * 3000, b"9" * 6000,
        b'{"class":"TPV","mode":true}', b'{"class":"TPV","mode":9}', b'{"class":"TPV","mode":3,"lat":NaN,"lon":1}',
        b'{"class":"TPV","mode":3,"lat":91,"lon":1}', b'{"class":"TPV","mode":3,"lat":"48","lon":1}',
        b'{"class":"TPV","mode":3,"lat":1,"lon":' + b"9" * 400 + b"}", b'{"class":"TPV","mode":2,"speed":-1}',
        b'{"class":"TPV","time":"2026-13-01T00:00:00Z"}', b'{"class":"TPV","time":1795799495.1}',
        b'{"class":"TPV","time":"2026-W01-1T00:00:00Z"}', b'{"class":"TPV","device":7}', b'{"class":"SKY","device":3}',
        b'{"class":"DEVICE"}',
    ],
)  # fmt: skip
def test_a_broken_report_costs_itself_alone(broken: bytes) -> None:
    fixes, counters = read(tpv(0) + broken + b"\n" + tpv(1))
    assert [fix.valid for fix in fixes] == [True, True]
    assert counters["malformed"] == 1


def test_a_line_without_end_takes_no_memory_and_costs_itself_alone() -> None:
    reports = Reports()
    for _ in range(100):
        reports.feed(b"x" * 4096, AT)
    assert len(reports._line) <= MAX_LINE
    fixes = reports.feed(b"\n" + tpv(0), AT) + reports.end()
    assert [fix.valid for fix in fixes] == [True]
    assert reports.counters()["too_long"] == 1


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    read(data + b"\n" + data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["/dev/a", "2026-11-22T10:15:00.250Z", "0000-00-00T00:00:00Z", 10**400, 48.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5,
)  # fmt: skip
fields = st.sampled_from(["device", "time", "mode", "status", "lat", "lon", "speed", "uSat", "satellites", "devices",
                          "path", "activated"])  # fmt: skip
messages = st.builds(
    lambda kind, rest: line(**{**rest, "class": kind}),
    st.sampled_from(["TPV", "SKY", "DEVICE", "DEVICES", "ERROR", "VERSION"]), st.dictionaries(fields, anything),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(messages, max_size=6))
def test_reports_with_any_content_never_raise_and_a_fix_is_whole(said: list[bytes]) -> None:
    fixes, counters = read(b"".join(said))
    assert counters["too_long"] == 0
    for fix in fixes:
        assert fix.valid == (fix.lat is not None) == (fix.lon is not None) == (fix.mode >= 2)
        assert fix.time_ms is None or fix.time_ms >= 1_704_067_200_000  # 2024


@given(st.lists(st.dictionaries(fields, anything) | anything, max_size=4))
def test_devices_of_any_content_never_raise(devices: list[object]) -> None:
    """The receiver that is followed may be missing from a list in which a path is no text."""
    fixes, counters = read(tpv(0) + line(**{"class": "DEVICES", "devices": devices}) + tpv(1))
    assert counters["malformed"] == 0
    assert len(fixes) == 2


streams = st.lists(
    st.one_of(
        st.builds(tpv, st.none() | st.integers(0, 4), st.integers(0, 3), st.sampled_from(["/dev/a", "/dev/b"])),
        st.builds(sky, st.integers(0, 12)), st.binary(max_size=6), messages,
    ),
    max_size=15,
).map(b"".join)  # fmt: skip


@settings(deadline=None)
@given(streams, st.lists(st.integers(0, 4000), max_size=10))
def test_any_split_of_the_stream_gives_the_same(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    reports = Reports()
    fixes = [fix for a, b in pairwise(edges) for fix in reports.feed(data[a:b], AT)]
    assert (fixes + reports.end(), reports.counters()) == read(data)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), max_size=12))
def test_every_second_comes_out_once_however_often_gpsd_tells_it(steps: list[tuple[int, int]]) -> None:
    second, told, data = 0, [], b""
    for step, times in steps:
        second += step
        told.append(second)
        data += tpv(second) * times
    fixes, _ = read(data)
    start = int(datetime(2026, 11, 22, 10, 15, tzinfo=UTC).timestamp()) * 1000 + 250
    assert [fix.time_ms for fix in fixes] == [start + 1000 * it for it in told if it < 60]


def test_a_report_without_a_time_does_not_swallow_the_epoch_that_waits() -> None:
    reports = Reports()
    assert reports.feed(tpv(0), AT) == [], "the first waits: nobody knows how many reports a second has"
    waiting, timeless = reports.feed(tpv(None), AT)
    assert (waiting.valid, waiting.time_ms) == (True, 1_795_342_500_250)
    assert (timeless.valid, timeless.time_ms) == (True, None)
    assert reports.end() == []
