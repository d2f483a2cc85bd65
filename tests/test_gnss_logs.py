"""Real receivers' recordings (gpsd's daemon tests) against what gpsd says about them, epoch by epoch: the decoder fed
with bytes, and the receiver's driver on a pty. The recordings, and every difference with its reason: `gpsd_logs.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.gnss.nmea import Decoder
from drivers.gnss.receiver import Receiver
from drivers.ports import Fix, Instant
from tests.gpsd_logs import DEVIATIONS, LOGS, VOIDS, deviations, expected, sent, void_seconds, voids
from tests.serial_bench import BOOT, Socket, StepClock, until

AT = Instant(BOOT, 0)


class Fed(Decoder):
    """Counts the bytes, so that a test knows when the last one has gone through the line."""

    fed = 0

    def feed(self, data: bytes, at: Instant) -> list[Fix]:
        self.fed += len(data)
        return super().feed(data, at)


@pytest.fixture(scope="session")
def folder(shared: Path) -> Path:
    return shared / "data/gnss/gpsd"


def test_all_recordings_are_in_the_list(folder: Path) -> None:
    files = [path.name for path in folder.glob("*.log*") if ".chk" not in path.name]
    present = {name.removesuffix(".gz").removesuffix(".log") for name in files}
    assert present == set(LOGS)
    assert set(DEVIATIONS) | set(VOIDS) <= set(LOGS)


@pytest.mark.parametrize("log", LOGS)
def test_every_epoch_is_what_gpsd_says(folder: Path, log: str) -> None:
    decoder = Decoder(earliest=None)
    fixes = decoder.feed(sent(folder, log), AT) + decoder.end(AT)
    reports = expected(folder, log)
    assert len(reports) == LOGS[log]
    assert deviations(fixes, reports) == set(DEVIATIONS.get(log, {}))
    assert voids(fixes, void_seconds(folder, log)) == VOIDS.get(log, (0, 0, ""))[:2]


@pytest.mark.parametrize("log", LOGS)
def test_a_recording_cut_into_single_bytes_gives_the_same(folder: Path, log: str) -> None:
    data = sent(folder, log)[:8000]
    whole, bytewise = Decoder(earliest=None), Decoder(earliest=None)
    fixes = [fix for byte in data for fix in bytewise.feed(bytes((byte,)), AT)] + bytewise.end(AT)
    assert fixes == whole.feed(data, AT) + whole.end(AT)
    assert bytewise.counters() == whole.counters()


@pytest.mark.parametrize("log", [log for log in LOGS if log not in ("telit-pls83-w", "ublox8-uniqid-monhw")])
def test_r19_the_product_believes_no_date_before_its_own_time(folder: Path, log: str) -> None:
    decoder = Decoder()
    fixes = decoder.feed(sent(folder, log), AT) + decoder.end(AT)
    assert not [fix for fix in fixes if fix.time_ms is not None]
    if LOGS[log]:
        assert decoder.counters()["implausible_date"] > 0


@pytest.mark.parametrize("log", LOGS)
async def test_played_byte_for_byte_through_a_pty_the_receiver_says_what_gpsd_says(folder, log, tmp_path) -> None:
    """The same table as at the decoder: the line, the reads of 1 to 97 bytes and the hang-up change nothing."""
    data = sent(folder, log)
    wall = Socket(tmp_path / "gnss")
    wall.plug()
    decoder, whole = Fed(earliest=None), Decoder(earliest=None)
    receiver = Receiver(wall.device, 9600, StepClock(), decoder)
    fixes: list[Fix] = []

    async def collect() -> None:
        while True:
            fixes.append(await receiver.next_fix())

    collecting = asyncio.create_task(collect())
    await until(lambda: receiver.plugged)
    await wall.send(data, chunk=97)
    await until(lambda: decoder.fed == len(data))
    wall.unplug()  # what is pending comes out
    await until(lambda: receiver.counters()["lost"])
    assert deviations(fixes, expected(folder, log)) == set(DEVIATIONS.get(log, {}))
    assert voids(fixes, void_seconds(folder, log)) == VOIDS.get(log, (0, 0, ""))[:2]
    assert len(fixes) == len(whole.feed(data, AT) + whole.end(AT))
    assert {name: receiver.counters()[name] for name in whole.counters()} == whole.counters()
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)
    receiver.close()
