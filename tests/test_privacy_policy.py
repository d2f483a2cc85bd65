"""The privacy policy's file, and what follows from it before anything is stored."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.car.hours import paris, working
from agent.car.privacy import DEGREE_M, Kept, coarse, may_track, paused, place, track
from agent.car.stations import distance_m
from config.privacy import SHIPPED, STRICTEST, KindPolicy, Policy, Work, examine
from drivers.ports import Fix, Instant

TRACKS = KindPolicy(track=True, every_s=10.0, precision_m=50)
OPEN_END = Work(days=["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from_="00:00", to="24:00")
EVERYTHING = Policy(*(KindPolicy(track=True),) * 4, work=OPEN_END)
KINDS = ("private", "staff", "relocation", "maintenance")
NOON = 1_795_777_200_000  # Friday 27 November 2026, 12:00 in Paris, ms
LATS, LONS = st.floats(-90, 90), st.floats(-180, 180)
PRECISIONS = st.integers(1, 100_000)


def wall(ms: int, width_ms: int = 400) -> list[int]:
    return [ms, ms + width_ms]


def fix(lat: float | None = 48.43123, lon: float | None = 0.08865) -> Fix:
    return Fix(Instant("b0070000000000a1", 0), None, lat, lon, 3, 0.0, 9, True)


# --- the file


def write(folder: Path, text: str) -> str:
    path = folder / "privacy.toml"
    path.write_text(text)
    return str(path)


def test_the_shipped_policy_shows_every_key_with_its_default() -> None:
    policy, problems = examine("")
    assert problems == ()
    assert policy == Policy()
    text = SHIPPED.read_text()
    for table in msgspec.structs.fields(Policy):
        part = text.split(f"\n[{table.name}]\n")[1].split("\n[")[0]
        for field in msgspec.structs.fields(table.type):
            assert f"\n{field.encode_name} = " in f"\n{part}", f"{table.name}.{field.encode_name}"


def test_p1_the_default_keeps_no_track_of_anybody_and_at_most_a_month_of_anything() -> None:
    policy = Policy()
    assert not any(getattr(policy, kind).track for kind in KINDS)
    assert policy.private.start
    assert policy.private.end
    assert 0 < policy.retention.position_days <= policy.retention.sample_days <= 30


def test_r27_the_track_of_a_private_booking_is_refused_with_the_reason(tmp_path: Path) -> None:
    policy, problems = examine(write(tmp_path, "[private]\ntrack = true\n"))
    assert [problem.key for problem in problems] == ["private.track"]
    assert "SAN-2022-015" in problems[0].hint
    assert policy == STRICTEST


def test_d31_all_mistakes_come_at_once_and_nothing_is_kept_meanwhile(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "[private]\ntrak = true\n[staff]\nevery_s = 0\nprecision_m = 2.5\n[retention]\nposition_days = 31\n"
        'sample_days = -1\n[work]\ndays = ["mo"]\nfrom = "7"\nto = "25:00"\n[declared]\nprecision_m = 0\n[nobody]\n',
    )
    policy, problems = examine(file)
    assert {problem.key for problem in problems} == {
        "private.trak", "staff.every_s", "staff.precision_m", "retention.position_days", "retention.sample_days",
        "work.days", "work.from", "work.to", "declared.precision_m", "nobody",
    }  # fmt: skip
    assert all(problem.file == file and problem.hint for problem in problems)
    assert policy == STRICTEST


@pytest.mark.parametrize("text", ["=", '[work]\nfrom = "08:00"\nto = "08:00"\n', "staff = 1"])
def test_what_is_no_policy_is_the_strictest_one(tmp_path: Path, text: str) -> None:
    policy, problems = examine(write(tmp_path, text))
    assert problems
    assert policy == STRICTEST


def test_a_policy_that_is_not_there_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    policy, problems = examine(str(tmp_path / "none.toml"))
    assert "is not there" in problems[0].problem
    assert policy == STRICTEST


@given(
    st.dictionaries(
        st.sampled_from(["private", "staff", "work", "retention", "declared", "x"]),
        st.dictionaries(
            st.sampled_from(["track", "every_s", "precision_m", "start", "days", "from", "to", "position_days"]),
            st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.text(max_size=3)),
        )
        | st.integers(),
    )
)
def test_no_value_of_any_shape_crashes_the_reading(table: dict[str, object]) -> None:
    from config.privacy import RULES, _together, judge
    from config.reading import Reading

    reading = Reading("f", RULES, judge)
    reading.struct(Policy, table, "", "")
    list(_together(reading.values))


# --- who, and when


POLICIES = st.builds(Policy, *(st.builds(KindPolicy, track=st.booleans(), start=st.booleans()) for _ in KINDS))


@given(POLICIES, st.none() | st.integers(0, 4_000_000_000_000))
def test_r27_a_private_booking_has_no_track_whatever_the_policy_says(policy: Policy, at: int | None) -> None:
    when = None if at is None else wall(at)
    for kind in ("private", None, "a kind from the future"):
        assert not may_track(kind, policy, when)
        assert track(None, 7, kind, policy, when, 0, fix()) is None
    for kind in (None, "a kind from the future"):
        assert place("start", kind, policy, when, None, fix()) is None


@pytest.mark.parametrize("kind", KINDS[1:])
def test_p7_each_kind_has_its_own_policy_and_the_default_is_none(kind: str) -> None:
    assert not may_track(kind, Policy(), wall(NOON))
    assert may_track(kind, EVERYTHING, wall(NOON))
    only = Policy(**{kind: TRACKS}, work=OPEN_END)
    assert [may_track(other, only, wall(NOON)) for other in KINDS[1:]] == [other == kind for other in KINDS[1:]]


@pytest.mark.parametrize(
    ("when", "counts"),
    [
        ("2026-11-27 12:00", True), ("2026-11-27 07:00", True), ("2026-11-27 06:59", False),
        ("2026-11-27 18:59", True), ("2026-11-27 19:00", False), ("2026-11-28 12:00", False),
        ("2026-07-15 07:00", True), ("2026-07-15 06:59", False), ("2026-11-29 12:00", False),
    ],
)  # fmt: skip
def test_p7_nothing_of_staff_is_kept_outside_of_their_work(when: str, counts: bool) -> None:
    local = datetime.fromisoformat(when).replace(tzinfo=ZoneInfo("Europe/Paris"))
    policy, at = Policy(staff=TRACKS), wall(round(local.timestamp() * 1000))
    assert may_track("staff", policy, at) is counts
    assert paused("staff", policy, at) is not counts
    assert (place("end", "staff", policy, at, None, fix()) is not None) is counts
    assert not paused("private", policy, at)


@pytest.mark.parametrize("when", [None, [0, 2**53], [NOON, NOON + 900_001], [NOON - 6 * 3_600_000, NOON]])
def test_p7_staff_count_as_not_at_work_while_the_time_is_not_known(when: list[int] | None) -> None:
    assert not may_track("staff", EVERYTHING, when)
    assert paused("staff", EVERYTHING, when)
    assert may_track("relocation", EVERYTHING, when), "only staff have hours"


def test_p7_no_pause_where_nothing_would_be_kept_anyway() -> None:
    assert not paused("staff", STRICTEST, None)


def test_a_night_shift_belongs_to_the_day_on_which_it_begins() -> None:
    work = Work(days=["fri"], from_="22:00", to="06:00")

    def at(text: str) -> list[int]:
        return wall(round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Paris")).timestamp() * 1000))

    held = {text: working(work, at(text)) for text in (
        "2026-11-27 21:59", "2026-11-27 22:00", "2026-11-28 05:59", "2026-11-28 06:00", "2026-11-28 22:00",
        "2026-11-27 03:00",
    )}  # fmt: skip
    assert list(held.values()) == [False, True, True, False, False, False]


def test_an_interval_that_reaches_beyond_the_end_of_work_is_outside() -> None:
    seven = round(datetime(2026, 11, 27, 19, tzinfo=ZoneInfo("Europe/Paris")).timestamp() * 1000)
    assert working(Work(), [seven - 2_000, seven - 1])
    assert not working(Work(), [seven - 2_000, seven])


@given(st.integers(946_684_800, 2_145_916_800))  # 2000 to 2037: there the list's own arithmetic ends on some systems
@example(1_774_746_000 - 1)
@example(1_774_746_000)  # Sunday 29 March 2026, 01:00 UTC
@example(1_792_890_000 - 1)
@example(1_792_890_000)  # Sunday 25 October 2026, 01:00 UTC
def test_r24_the_time_of_paris_is_that_of_the_list_of_time_zones(at_s: int) -> None:
    there = datetime.fromtimestamp(at_s, ZoneInfo("Europe/Paris"))
    assert paris(at_s) == there.replace(tzinfo=None)


# --- how coarse, how often


@given(LATS, LONS, PRECISIONS)
@example(90.0, 180.0, 100_000)
@example(-90.0, -180.0, 1)
@example(48.43123, 0.08865, 100)
def test_p4_making_coarse_twice_is_making_coarse_once(lat: float, lon: float, precision_m: int) -> None:
    once = coarse(lat, lon, precision_m)
    assert coarse(once.lat, once.lon, precision_m) == once
    assert -90 <= once.lat <= 90
    assert -180 <= once.lon <= 180


@given(st.floats(-89, 89), LONS, PRECISIONS, st.floats(-0.499, 0.499), st.floats(-0.499, 0.499))
def test_p4_everybody_in_a_square_of_that_size_says_the_same(
    lat: float, lon: float, precision_m: int, north: float, east: float
) -> None:
    """So a rounded position never tells more than precision_m, however often it is said."""
    said = coarse(lat, lon, precision_m)
    there = said.lat + north * precision_m / DEGREE_M
    slack = 1e-6 * DEGREE_M / precision_m  # the digits that are written
    if abs(north) + slack < 0.5 and abs(east) + slack < 0.5 and abs(there) <= 90:
        along = said.lon + east * precision_m / (DEGREE_M * math.cos(math.radians(said.lat)))
        assert coarse(there, (along + 180) % 360 - 180, precision_m) == said


@given(st.floats(-80, 80), st.floats(-179, 179), PRECISIONS)
def test_p4_what_is_said_is_not_far_from_what_is_meant(lat: float, lon: float, precision_m: int) -> None:
    said = coarse(lat, lon, precision_m)
    assert distance_m(lat, lon, said.lat, said.lon) <= 0.75 * precision_m * (1 + precision_m / 100_000) + 0.2


def test_p4_a_track_is_thinned_by_the_policy_before_it_is_stored() -> None:
    policy = Policy(staff=TRACKS, work=OPEN_END)
    first = track(None, 7, "staff", policy, wall(NOON), 1_000, fix())
    assert first == Kept(7, 1_000, coarse(48.43123, 0.08865, 50))
    assert track(first, 7, "staff", policy, wall(NOON), 10_999, fix(48.5)) is first
    second = track(first, 7, "staff", policy, wall(NOON), 11_000, fix(48.5))
    assert second == Kept(7, 11_000, coarse(48.5, 0.08865, 50))
    assert track(first, 7, "staff", policy, wall(NOON), 11_000, None) is None, "no fix, no position"
    assert track(first, 8, "staff", policy, wall(NOON), 1_001, fix(48.5)) == Kept(8, 1_001, coarse(48.5, 0.08865, 50))
    assert track(first, 7, "staff", policy, None, 1_001, fix()) is None, "a pause ends what may be known"


def test_p1_p3_a_private_booking_keeps_where_it_begins_and_ends_unless_that_is_a_station() -> None:
    for event in ("start", "end"):
        assert place(event, "private", Policy(), None, False, fix()) == coarse(48.43123, 0.08865, 100)
        assert place(event, "private", Policy(), None, None, fix()) == coarse(48.43123, 0.08865, 100)
        assert place(event, "private", Policy(), None, True, fix()) is None
        assert place(event, "private", Policy(), None, False, None) is None
        assert place(event, "private", STRICTEST, None, False, fix()) is None
    only_end = Policy(private=KindPolicy(start=False))
    assert place("start", "private", only_end, None, False, fix()) is None
    assert place("end", "private", only_end, None, False, fix()) is not None
