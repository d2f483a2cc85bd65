"""NMEA to fixes: epochs written by hand. Arbitrary bytes: test_gnss_any_bytes; real recordings: test_gnss_logs and
test_gnss_streams; ptys: test_gnss_receiver.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from drivers.gnss.nmea import Decoder
from drivers.ports import Fix, Instant
from tests.serial_bench import BOOT

AT = Instant(BOOT, 0)


def sentence(body: str) -> bytes:
    value = 0
    for byte in body.encode():
        value ^= byte
    return f"${body}*{value:02X}\r\n".encode()


def rmc(clock: str, status: str = "A", day: str = "221126", place: str = "4844.9200,N,00034.1300,W", **more) -> bytes:
    return sentence(f"{more.get('talker', 'GN')}RMC,{clock},{status},{place},10.0,90.0,{day},,,{more.get('how', 'A')}")


def gga(clock: str, quality: int = 1, place: str = "4844.9200,N,00034.1300,W", used: str = "09", talker="GN") -> bytes:
    return sentence(f"{talker}GGA,{clock},{place},{quality},{used},0.9,210.0,M,48.0,M,,")


def gll(clock: str, status: str = "A", how: str = "A", talker: str = "GP") -> bytes:
    return sentence(f"{talker}GLL,4844.9200,N,00034.1300,W,{clock},{status},{how}")


def gsa(mode: int, talker: str = "GN") -> bytes:
    return sentence(f"{talker}GSA,A,{mode},01,02,03,04,,,,,,,,,1.6,1.0,1.2")


def decode(data: bytes, earliest: date | None = date(2024, 1, 1)) -> tuple[list[Fix], dict[str, int]]:
    decoder = Decoder(earliest)
    return decoder.feed(data, AT) + decoder.end(AT), decoder.counters()


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1000


def test_one_epoch_gives_position_date_time_speed_and_satellites() -> None:
    (fix,), counters = decode(gsa(3) + rmc("101500.250") + gga("101500.250"))
    assert fix.time_ms == ms(2026, 11, 22, 10, 15, 0) + 250
    assert fix.lat == pytest.approx(48.748667, abs=1e-6)
    assert fix.lon == pytest.approx(-0.568833, abs=1e-6)
    assert (fix.mode, fix.satellites, fix.valid) == (3, 9, True)
    assert fix.speed_mps == pytest.approx(5.1444, abs=1e-4)
    assert counters["fixes"] == counters["epochs"] == 1


@pytest.mark.parametrize("talker", ["GN", "GP", "GL", "GA", "GB", "BD"])
def test_each_constellations_talker_is_heard(talker: str) -> None:
    (fix,), _ = decode(rmc("101500", talker=talker) + gga("101500", talker=talker))
    assert fix.valid


def test_a_learnt_epoch_is_given_out_with_its_last_sentence_not_one_epoch_later() -> None:
    decoder = Decoder()
    assert decoder.feed(rmc("101500") + gga("101500"), AT) == []  # the first one: what belongs to it is not known yet
    assert len(decoder.feed(rmc("101501"), AT)) == 1
    assert len(decoder.feed(gga("101501"), AT)) == 1
    assert len(decoder.feed(rmc("101502"), AT)) == 0
    assert len(decoder.feed(gga("101502"), AT)) == 1


@pytest.mark.parametrize("first", [rmc, gga])
def test_one_lost_sentence_costs_one_epoch_its_date_and_the_next_one_nothing(first) -> None:
    second = gga if first is rmc else rmc
    data = b"".join(first(f"10150{s}") + second(f"10150{s}") for s in range(3))
    data += gga("101503") + b"".join(first(f"10150{s}") + second(f"10150{s}") for s in range(4, 7))
    fixes, _ = decode(data)
    assert [fix.time_ms is not None for fix in fixes] == [True, True, True, False, True, True, True]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (1, 0, 2)])
def test_any_order_of_the_sentences_gives_the_same_epochs(order) -> None:
    data = b""
    for second in range(5):
        parts = (rmc(f"10150{second}"), gga(f"10150{second}"), gsa(3))
        data += b"".join(parts[index] for index in order)
    fixes, _ = decode(data)
    assert [fix.time_ms for fix in fixes] == [ms(2026, 11, 22, 10, 15, second) for second in range(5)]
    assert all(fix.valid and fix.mode == 3 for fix in fixes)


def test_the_fix_carries_the_arrival_of_its_first_sentence() -> None:
    decoder = Decoder()
    early, late = Instant(BOOT, 5), Instant(BOOT, 999)
    decoder.feed(rmc("101500"), early)
    decoder.feed(gga("101500"), late)
    assert [fix.at for fix in decoder.end(late)] == [early]


def test_a_void_epoch_has_no_position_even_when_coordinates_are_there() -> None:
    (fix,), counters = decode(rmc("101500", "V") + gga("101500"))
    assert (fix.lat, fix.lon, fix.mode, fix.speed_mps, fix.valid) == (None, None, 0, None, False)
    assert counters["void"] == 1


@pytest.mark.parametrize("quality", [0, 6, 7, 8])
def test_rmc_and_gga_must_both_have_a_fix(quality: int) -> None:
    (fix,), _ = decode(rmc("101500") + gga("101500", quality))
    assert not fix.valid


@pytest.mark.parametrize("how", ["N", "E", "M", "S"])
def test_estimated_manual_and_simulated_positions_are_no_fix(how: str) -> None:
    (fix,), _ = decode(rmc("101500", how=how))
    assert not fix.valid


def test_position_and_date_of_two_epochs_are_never_mixed() -> None:
    fixes, _ = decode(rmc("101500", "V") + gga("101501"))
    assert [(fix.valid, fix.time_ms is None) for fix in fixes] == [(False, False), (True, True)]


@pytest.mark.parametrize(
    "day", ["060180", "220899", "061106", "060406", "060419", "311223", "2208-1", "320126", "000000"]
)
def test_r19_a_rolled_over_or_impossible_date_is_no_time_and_no_fix(day: str) -> None:
    (fix,), counters = decode(rmc("101500", day=day) + gga("101500"))
    assert (fix.time_ms, fix.lat, fix.mode, fix.valid) == (None, None, 0, False)
    assert counters["implausible_date"] == 1


def test_old_dates_are_believed_when_asked_for() -> None:
    (fix,), _ = decode(rmc("101500", day="070898"), earliest=None)
    assert fix.time_ms == ms(1998, 8, 7, 10, 15, 0)


def test_without_a_date_there_is_a_position_but_no_time() -> None:
    (fix,), _ = decode(rmc("101500", day="") + gga("101500"))
    assert fix.valid
    assert fix.time_ms is None


def test_a_receiver_with_gga_alone_works_and_zda_gives_it_the_date() -> None:
    fixes, _ = decode(b"".join(gga(f"10150{s}") + sentence(f"GNZDA,10150{s},22,11,2026,00,00") for s in range(3)))
    assert [fix.time_ms for fix in fixes] == [ms(2026, 11, 22, 10, 15, s) for s in range(3)]
    fixes, _ = decode(b"".join(gga(f"10150{s}") for s in range(3)))
    assert [(fix.valid, fix.time_ms) for fix in fixes] == [(True, None)] * 3


def test_a_receiver_with_gll_alone_gives_positions_without_a_time_and_zda_dates_them() -> None:
    fixes, _ = decode(b"".join(gsa(3) + gll(f"10150{s}") for s in range(3)))
    assert [(fix.valid, fix.time_ms) for fix in fixes] == [(True, None)] * 3
    assert fixes[-1].satellites == 4
    assert fixes[0].lat == pytest.approx(48.748667, abs=1e-6)
    fixes, _ = decode(b"".join(gll(f"10150{s}") + sentence(f"GNZDA,10150{s},22,11,2026,00,00") for s in range(3)))
    assert [fix.time_ms for fix in fixes] == [ms(2026, 11, 22, 10, 15, s) for s in range(3)]


@pytest.mark.parametrize(("status", "how"), [("V", "A"), ("A", "N"), ("A", "E"), ("A", "S")])
def test_a_void_gll_is_no_fix(status: str, how: str) -> None:
    (fix,), counters = decode(gll("101500", status, how))
    assert not fix.valid
    assert counters["void"] == 1


def test_gll_beside_rmc_or_gga_says_nothing_new_whatever_time_it_carries() -> None:
    group = (rmc("101500", "V") + gll("101500"), rmc("101501", "V") + gll("101501.500") + gga("101501", 0))
    fixes, _ = decode(b"".join(group) + gll("101502"))
    assert [fix.valid for fix in fixes] == [False, False]


@pytest.mark.parametrize("better", [rmc, gga])
def test_gll_is_not_waited_for_beside_something_better(better) -> None:
    decoder = Decoder()
    assert len(decoder.feed(gll("101500") + better("101500") + better("101501"), AT)) == 2
    assert len(decoder.feed(better("101502"), AT)) == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_midnight_changes_the_day_with_the_epoch_and_no_epoch_borrows_a_date(order) -> None:
    days = [("235958", "311226"), ("235959", "311226"), ("000000", "010127"), ("000001", "010127")]
    groups = [(rmc(clock, day=day), gga(clock)) for clock, day in days]
    fixes, _ = decode(b"".join(group[index] for group in groups for index in order))
    start = ms(2026, 12, 31, 23, 59, 58)
    assert [fix.time_ms for fix in fixes] == [start + 1000 * s for s in range(4)]
    fixes, _ = decode(rmc("235959", day="311226") + gga("235959") + gga("000000"))  # the RMC of the new day is lost
    assert [fix.time_ms for fix in fixes] == [ms(2026, 12, 31, 23, 59, 59), None]


def test_a_receiver_that_sends_rmc_only_with_a_fix_is_void_before_and_dated_after() -> None:
    searching = b"".join(gga(f"10150{s}", 0) for s in range(3))
    found = b"".join(rmc(f"10150{s}") + gga(f"10150{s}") for s in range(3, 6))
    fixes, _ = decode(searching + found + gga("101506", 0))
    assert [(fix.valid, fix.time_ms is not None) for fix in fixes] == [(False, False)] * 3 + [(True, True)] * 3 + [
        (False, False)
    ]


def test_a_receiver_with_rmc_alone_is_given_out_at_once() -> None:
    decoder = Decoder()
    decoder.feed(rmc("101500"), AT)
    assert len(decoder.feed(rmc("101501"), AT)) == 2
    assert len(decoder.feed(rmc("101502"), AT)) == 1


def test_latitude_zero_with_a_fix_is_nonsense_but_longitude_zero_is_a_road_in_the_orne() -> None:
    (fix,), counters = decode(rmc("101500", place="0000.0000,N,00034.1300,W") + gga("101500"))
    assert not fix.valid
    assert counters["zero_latitude"] == 1
    argentan = "4844.0000,N,00000.0000,E"
    (fix,), _ = decode(rmc("101500", place=argentan) + gga("101500", place=argentan))
    assert (fix.valid, fix.lon) == (True, 0.0)


def test_two_places_in_one_epoch_are_no_place() -> None:
    (fix,), counters = decode(rmc("101500") + gga("101500", place="4944.9200,N,00034.1300,W"))
    assert not fix.valid
    assert counters["contradictory"] == 1


@pytest.mark.parametrize(
    "place", ["9100.0000,N,00034.1300,W", "4860.0000,N,00034.1300,W", "4844.9200,X,00034.1300,W", "4844.9,N,1e3,W"]
)
def test_impossible_coordinates_cost_the_sentence(place: str) -> None:
    fixes, counters = decode(rmc("101500", place=place))
    assert fixes == []
    assert counters["malformed"] == 1


@pytest.mark.parametrize("clock", ["250000", "106000", "101560", "1015", "10:15:00", "-10150", "101500.x"])
def test_an_impossible_time_costs_the_sentence(clock: str) -> None:
    fixes, counters = decode(rmc(clock))
    assert fixes == []
    assert counters["malformed"] == 1


def test_a_leap_second_is_a_second() -> None:
    (fix,), _ = decode(rmc("235960", day="311226"))
    assert fix.time_ms == ms(2027, 1, 1, 0, 0, 0)


def test_a_sentence_without_checksum_is_refused_and_counted() -> None:
    fixes, counters = decode(rmc("101500").split(b"*")[0] + b"\r\n")
    assert fixes == []
    assert counters["no_checksum"] == 1


def test_every_flipped_bit_of_a_sentence_is_noticed() -> None:
    good = rmc("101500")
    for index in range(1, len(good) - 5):
        fixes, _ = decode(good[:index] + bytes((good[index] ^ 1,)) + good[index + 1 :])
        assert fixes == []


def test_garbage_binary_half_and_long_lines_are_counted_and_the_next_sentence_is_whole() -> None:
    junk = b"\xb5\x62\x01\x24\x07" + rmc("101459")[:20] + b"$GN" + b"A" * 200 + b"\r\n" + b"noise\n"
    (fix,), counters = decode(junk + rmc("101500"))
    assert fix.valid
    assert (counters["binary"], counters["half"], counters["too_long"]) == (1, 1, 1)
    assert counters["garbage_bytes"] > 0


def test_a_sentence_injected_into_another_one_is_read_and_the_other_is_lost() -> None:
    outer = rmc("101500")
    (fix,), counters = decode(outer[:30] + gga("101501") + outer[30:])
    assert fix.valid
    assert fix.time_ms is None
    assert counters["half"] == 1


def test_a_receiver_that_froze_gives_one_fix_not_many() -> None:
    fixes, counters = decode((rmc("101500") + gga("101500")) * 20)
    assert len(fixes) == 1
    assert counters["repeats"] == 38


def test_an_untimed_void_receiver_gives_a_void_epoch_each_second() -> None:
    fixes, _ = decode((sentence("GPRMC,,V,,,,,,,,,,N") + sentence("GPGGA,,,,,,0,,,,M,,M,,")) * 5)
    assert [(fix.valid, fix.time_ms) for fix in fixes] == [(False, None)] * 5


def test_a_track_over_midnight_without_any_date_keeps_every_position(shared: Path) -> None:
    folder = shared / "data/gnss/gpsbabel"
    fixes, _ = decode((folder / "adddate.nmea").read_bytes())
    points = [line.split(",") for line in (folder / "adddate.csv").read_text().splitlines()[1:]]
    assert len(fixes) == len(points)
    for fix, point in zip(fixes, points, strict=True):
        assert fix.time_ms is None
        assert fix.lat == pytest.approx(float(point[1]), abs=2e-6)
        assert fix.lon == pytest.approx(float(point[2]), abs=2e-6)
