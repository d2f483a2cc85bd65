"""`boitier gnss decode` and the bench's sky: two pieces of code that share nothing, each judged by the other."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gnss.nmea import Decoder
from drivers.ports import Fix, Instant
from hil.sky import ROUTE, Place, Route, Sky, encode, sentence

NOW = datetime(2026, 11, 22, 7, 59, 58, 250_000, tzinfo=UTC)
TORN = gzip.compress(b"$GN" * 999, mtime=0)[:-9]  # without a date, so that its name is the same in every process
KEYS = ["time", "lat", "lon", "mode", "speed_mps", "valid"]


def boitier(*arguments: str, stdin: bytes = b"") -> tuple[int, list[str], str]:
    command = [sys.executable, "-c", "from agent.cli.gnss import gnss; gnss()", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def read(data: bytes) -> list[Fix]:
    at = Instant("0" * 16, 0)
    decoder = Decoder()
    fixes = decoder.feed(data, at) + decoder.end(at)
    assert not decoder.counters()["malformed"]
    return fixes


def drive(sky: Sky, seconds: int, speed_mps: float = 20.0) -> bytes:
    route = Route()
    epochs = (
        sky.lines(NOW + timedelta(seconds=s), route.at(s * speed_mps), speed_mps=speed_mps) for s in range(seconds)
    )
    return b"".join(encode(lines) for lines in epochs)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["plain", "gzip", "pipe"])
def test_each_epoch_is_one_json_object_of_the_fixed_shape(tmp_path, form) -> None:
    data = b"# a comment with $GNRMC,in,it*00\r\n" + drive(Sky(), 2) + drive(Sky(fix=False), 1)
    log = tmp_path / "log"
    log.write_bytes(gzip.compress(data) if form == "gzip" else data)
    code, lines, counted = boitier("decode", "-" if form == "pipe" else str(log), "--json", stdin=data)
    assert code == 0
    first, second, void = (json.loads(line) for line in lines)
    assert list(first) == list(void) == KEYS
    assert first == {
        "time": "2026-11-22T07:59:58.250Z", "lat": 48.7439, "lon": -0.5647, "mode": 3, "speed_mps": 20.002,
        "valid": True,
    }  # fmt: skip
    assert second["time"] == "2026-11-22T07:59:59.250Z"
    assert void == {
        "time": "2026-11-22T07:59:58.250Z", "lat": None, "lon": None, "mode": 0, "speed_mps": None, "valid": False,
    }  # fmt: skip
    assert "epochs 3" in counted
    assert "bad_checksum" not in counted  # the comment was not read


def test_people_get_a_line_an_epoch(tmp_path) -> None:
    (tmp_path / "log").write_bytes(drive(Sky(), 1) + drive(Sky(fix=False, dated=False), 1))
    code, lines, _ = boitier("decode", str(tmp_path / "log"))
    assert code == 0
    assert "48.743900" in lines[0]
    assert "3D" in lines[0]
    assert lines[1].split() == ["no", "date", "no", "fix"]


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"nothing of a receiver\n", b"\xb5\x62" * 99, b"\x1f\x8bbroken", TORN],
)
def test_a_file_without_an_epoch_is_a_finding_and_never_a_traceback(tmp_path, content) -> None:
    (tmp_path / "log").write_bytes(content)
    code, lines, said = boitier("decode", str(tmp_path / "log"), "--json")
    assert (code, lines) == (1, [])
    assert said
    assert "Traceback" not in said


def test_a_text_file_is_named_as_one_without_an_epoch(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("taken on the way home\n" * 9)
    code, _, said = boitier("decode", str(tmp_path / "notes.txt"))
    assert code == 1
    assert f"no epoch in {tmp_path / 'notes.txt'}" in said


def test_a_missing_file_is_wrong_use(tmp_path) -> None:
    code, lines, said = boitier("decode", str(tmp_path / "none"))
    assert (code, lines) == (2, [])
    assert "none" in said


# --- the sky ---------------------------------------------------------------------------------------------------------


def test_the_sky_writes_published_checksums() -> None:
    body = "GPGGA,143748.77,4806.3731,N,00138.6217,W,1,10,1.1,42.2,M,48.5,M,,"
    assert sentence(body) == f"${body}*4B"


def test_a_drive_is_read_as_it_was_driven() -> None:
    route, fixes = Route(), read(drive(Sky(), 1000))
    assert len(fixes) == 1000
    for second, fix in enumerate(fixes):
        place = route.at(second * 20.0)
        assert fix.valid
        assert fix.time_ms == int(NOW.timestamp() * 1000) + second * 1000
        assert abs(fix.lat - place.lat) < 1e-6
        assert abs(fix.lon - place.lon) < 1e-6
        assert (fix.mode, fix.satellites, fix.speed_mps) == (3, 9, pytest.approx(20.0, abs=0.01))


@settings(deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_any_place_on_earth_is_read_back_to_two_centimetres(lat: float, lon: float) -> None:
    (fix,) = read(encode(Sky().lines(NOW, Place(lat, lon, 0.0))))
    if fix.lat is None:
        assert abs(lat) < 1e-6  # the equator is the one place that no fix is believed from
        return
    assert abs(fix.lat - lat) < 2e-7
    assert abs(fix.lon - lon) < 2e-7


def test_weather_becomes_validity() -> None:
    place = Route().at(0)
    for sky, expected in [
        (Sky(fix=False), (False, 0, True)),
        (Sky(dated=False), (True, 3, False)),
        (Sky(fix=False, dated=False), (False, 0, False)),
        (Sky(three_d=False), (True, 2, True)),
        (Sky(satellites=3, three_d=False), (True, 2, True)),
        (Sky(gga=False), (True, 3, True)),
    ]:
        fixes = read(encode(sky.lines(NOW, place)))
        # Without a time nothing says that RMC and GGA belong together, so they may be two.
        assert {(fix.valid, fix.mode, fix.time_ms is not None) for fix in fixes} == {expected}, sky
    assert read(encode(Sky(corrupt=True).lines(NOW, place))) == []


def test_the_route_lies_in_the_orne_and_comes_home() -> None:
    route = Route()
    assert all(48.5 < lat < 48.8 and -0.7 < lon < -0.4 for _, lat, lon in ROUTE)
    assert 40_000 < route.length_m < 80_000
    assert (route.at(0).lat, route.at(0).lon) == ROUTE[0][1:]
    home = route.at(2 * route.length_m)
    assert (home.lat, home.lon) == pytest.approx(ROUTE[0][1:])
    there, back = route.at(1000), route.at(2 * route.length_m - 1000)
    assert (there.lat, there.lon) == pytest.approx((back.lat, back.lon))
    assert abs(there.course - back.course) == pytest.approx(180)


def test_a_metre_driven_is_a_metre_moved() -> None:
    route = Route()
    places = [route.at(metres) for metres in range(0, int(route.length_m), 100)]
    for a, b in pairwise(places):
        north = (b.lat - a.lat) * 111_195
        east = (b.lon - a.lon) * 111_195 * 0.66
        assert (north**2 + east**2) ** 0.5 < 102
