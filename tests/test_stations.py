"""At a station, and how far from one: circles and polygons, answered inside the car (P3)."""

from __future__ import annotations

from math import atan2, cos, pi, radians, sin
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.car.stations import EARTH_M, Where, band, distance_m, edge_m, locate
from config import polygon
from config.settings import Station, examine

ALENCON = Station("Alençon, gare", 48.4331, 0.0998)
SEES = Station("Sées", 48.6050, 0.1731, radius_m=80.0, charge_points=["FR*CLM*E1"])
# An L: the corner at the north-east is missing.
YARD = Station(
    "yard",
    polygon=[(48.0, 0.0), (48.0, 0.002), (48.001, 0.002), (48.001, 0.001), (48.002, 0.001), (48.002, 0.0)],
    charge_points=["A", "B"],
)
DEGREE_M = radians(1) * EARTH_M


def test_distance_agrees_with_a_known_one() -> None:
    # One minute of latitude is a nautical mile by its old definition: 1852 m, within the mean radius' error.
    assert distance_m(48.0, 0.0, 48.0 + 1 / 60, 0.0) == pytest.approx(1853.2, abs=0.5)


def test_p3_at_station_is_answered_with_a_name_not_with_coordinates() -> None:
    assert locate((ALENCON, SEES), 48.4332, 0.0999) == Where(True, ALENCON.name, distance="at")
    assert locate((ALENCON, SEES), 48.6051, 0.1732).charge_point == "FR*CLM*E1"
    assert locate((ALENCON, SEES), 48.5, 0.1) == Where(False, distance="<10 km")
    assert locate((), 48.5, 0.1) == Where(anywhere=True)


def test_r1_a_position_lost_on_the_ramp_is_unknown_with_a_presumption() -> None:
    ramp = (48.4345, 0.0998)  # some 150 m north of the circle's centre
    assert locate((ALENCON,), *ramp, moved_m=1_100) == Where(presumed=ALENCON.name)
    assert locate((ALENCON,), *ramp, moved_m=9_000) == Where()
    assert locate((ALENCON,), 48.5, 0.1, moved_m=1_100).at is False, "nobody drives seven kilometres in one"
    assert locate((ALENCON,), *ramp, moved_m=None) == Where()


def test_p3_the_band_is_told_only_where_no_doubt_could_change_it() -> None:
    assert [band(it) for it in (-5, 0, 1, 500, 501, 2_000, 9_999, 10_001)] == [
        "at", "at", "<500 m", "<500 m", "<2 km", "<2 km", "<10 km", "beyond",
    ]  # fmt: skip
    assert (band(5_000, 1_000), band(2_500, 1_000), band(40_000, 9_000)) == ("<10 km", None, "beyond")


def test_a_polygon_is_inside_where_a_person_would_say_so() -> None:
    inside, notch, outside = (48.0005, 0.0015), (48.0015, 0.0015), (48.0005, 0.0025)
    assert locate((YARD,), *inside) == Where(True, "yard", distance="at")
    assert locate((YARD,), *notch).at is False
    # a degree of longitude at 48 degrees north is two thirds of one of latitude
    assert edge_m(YARD, *outside) == pytest.approx(0.0005 * DEGREE_M * cos(radians(48.0005)), rel=1e-3)
    assert edge_m(YARD, *inside) == pytest.approx(-0.0005 * DEGREE_M * cos(radians(48.0005)), rel=1e-3)
    assert edge_m(YARD, 48.003, 0.0005) == pytest.approx(0.001 * DEGREE_M, rel=1e-3)


def test_two_charge_points_of_a_station_name_none() -> None:
    assert locate((YARD,), 48.0005, 0.0015).charge_point is None


@st.composite
def stars(draw: st.DrawFn) -> list[tuple[float, float]]:
    """A polygon around a centre, its corners in the order of their bearing: it never crosses itself."""
    lat, lon = draw(st.floats(-60, 60)), draw(st.floats(-179, 179))
    count = draw(st.integers(3, 12))
    spread = [draw(st.floats(0.2, 1.0)) for _ in range(count)]
    bearings = [2 * pi * (index + 0.8 * draw(st.floats(0, 1))) / count for index in range(count)]
    scale = draw(st.floats(0.0005, 0.02))
    return [
        (lat + scale * r * cos(a), lon + scale * r * sin(a) / cos(radians(lat)))
        for r, a in zip(spread, bearings, strict=True)
    ]  # fmt: skip


def winds(corners: list[tuple[float, float]], lat: float, lon: float) -> bool:
    """Another way to say inside: how often the corners go round the point, by the sum of the angles."""
    turned = 0.0
    for (a_lat, a_lon), (b_lat, b_lon) in zip(corners, [*corners[1:], corners[0]], strict=True):
        a, b = (a_lat - lat, a_lon - lon), (b_lat - lat, b_lon - lon)
        turned += atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1])
    return round(turned / (2 * pi)) != 0


@given(stars(), st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_inside_and_distance_agree_with_another_method(
    corners: list[tuple[float, float]], up: float, right: float
) -> None:
    assert polygon.fault(corners) is None
    lats, lons = [it[0] for it in corners], [it[1] for it in corners]
    lat = (min(lats) + max(lats)) / 2 + up * (max(lats) - min(lats))
    lon = (min(lons) + max(lons)) / 2 + right * (max(lons) - min(lons))
    edge = edge_m(Station("s", polygon=corners), lat, lon)
    assume(abs(edge) > 0.5)  # a side of kilometres, straight in degrees, lies some centimetres off one in metres
    assert (edge < 0) is winds(corners, lat, lon)
    on_the_edge = [
        (a[0] + (b[0] - a[0]) * i / 60, a[1] + (b[1] - a[1]) * i / 60)
        for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)
        for i in range(60)
    ]
    nearest = min(distance_m(lat, lon, *it) for it in on_the_edge)
    step = max(distance_m(*a, *b) for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)) / 60
    assert abs(edge) == pytest.approx(nearest, abs=step + 0.002 * nearest)


@given(stars(), st.floats(-1, 1), st.floats(-1, 1))
def test_a_polygon_does_not_depend_on_where_its_list_begins_or_which_way_it_goes(
    corners: list[tuple[float, float]], up: float, right: float
) -> None:
    lat, lon = corners[0][0] + up / 50, corners[0][1] + right / 50
    one = edge_m(Station("s", polygon=corners), lat, lon)
    turned = edge_m(Station("s", polygon=[*corners[2:], *corners[:2]]), lat, lon)
    back = edge_m(Station("s", polygon=corners[::-1]), lat, lon)
    assert turned == pytest.approx(one, abs=1e-6)
    assert back == pytest.approx(one, abs=1e-6)


# --- the settings -----------------------------------------------------------------------------------------------------

BOW_TIE = "[[48.0, 0.0], [48.1, 0.1], [48.1, 0.0], [48.0, 0.1]]"
SPIKE = "[[48.0, 0.0], [48.1, 0.0], [48.0, 0.1], [48.1, 0.0]]"
FOLDED = "[[48.0, 0.0], [48.1, 0.1], [48.2, 0.2]]"


@pytest.mark.parametrize(
    ("station", "said"),
    [
        ('lat = 48.0\nlon = 0.0', ""),
        ('polygon = [[48.0, 0.0], [48.1, 0], [48.0, 0.1]]\ncharge_points = ["FR*1"]', ""),
        ("lat = 48.0", "neither a whole circle nor a polygon"),
        ("radius_m = 50.0", "neither a whole circle nor a polygon"),
        ("lat = 48.0\nlon = 0.0\npolygon = [[48.0, 0.0], [48.1, 0.0], [48.0, 0.1]]", "a circle and a polygon"),
        ("polygon = [[48.0, 0.0], [48.1, 0.0]]", "has 2 corners"),
        (f"polygon = {BOW_TIE}", "side 1 and side 3 cross"),
        (f"polygon = {SPIKE}", "names a corner twice"),
        (f"polygon = {FOLDED}", "cross or touch"),
        ("polygon = [[0.0, 148.0], [0.1, 148.0], [0.0, 148.1]]", ""),
        ("polygon = [[148.0, 0.0], [148.1, 0.0], [148.0, 0.1]]", "latitude comes first"),
        ("polygon = [[48.0], [48.1, 0.0], [48.0, 0.1]]", "does not fit"),
        ('lat = 48.0\nlon = 0.0\ncharge_points = ["a", "a"]', "does not fit"),
    ],
)  # fmt: skip
def test_a_wrong_station_is_told_in_words(tmp_path: Path, station: str, said: str) -> None:
    _, problems = examine(tmp_path / "agent.toml", f'[[station]]\nname = "s"\n{station}\n'.encode())
    told = [str(it) for it in problems if it.key.startswith("station")]
    assert (said in "\n".join(told)) if said else told == []


@given(st.integers(4, 20), st.data())
def test_a_ring_with_two_neighbours_in_the_wrong_order_is_refused(count: int, data: st.DataObject) -> None:
    ring = [(48 + cos(2 * pi * i / count), sin(2 * pi * i / count)) for i in range(count)]
    assert polygon.fault(ring) is None
    at = data.draw(st.integers(0, count - 1))
    ring[at], ring[at - 1] = ring[at - 1], ring[at]
    assert polygon.crossing(ring) is not None
