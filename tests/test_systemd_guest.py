"""The shipped units under a real systemd, in a guest: ready, opening, watched, restarted, confined, stopped in order.

One boot for all of them; each leaves the unit running and no booking under way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hil import packages
from hil.systemd_bench import SERVICE, SystemdBench

pytestmark = [
    pytest.mark.guest,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(packages.find("systemd-analyze") is None, reason="systemd is not here; `make test` gets it"),
]

WATCHDOG_S = 6  # 20 in a car; here only so that the test need not wait so long
SAME_TAP_S = 2.5  # within two seconds the reader takes a badge for still lying there
PATIENCE_S = 60.0  # a machine under full load


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench() -> AsyncIterator[SystemdBench]:
    async with SystemdBench(f"WatchdogSec={WATCHDOG_S}") as one:
        yield one


async def until_running(bench: SystemdBench, other_than: str) -> dict[str, str]:
    """What systemd shows once the unit is active with another main process."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            shown = await bench.shown()
            if shown["ActiveState"] == "active" and shown["MainPID"] not in ("0", other_than):
                return shown
            await asyncio.sleep(0.5)


async def rent(bench: SystemdBench, booking: int) -> bytes:
    """A badge with a stored booking."""
    badge = bytes([1, 2, 3, 4, booking])
    bench.desk.book(bench.order(booking, badge))
    assert (await bench.desk.booked(booking, PATIENCE_S)).body["event"] == "stored"
    return badge


async def opened_and_ended(bench: SystemdBench, badge: bytes) -> list[tuple[int, bool]]:
    """Tap to open, tap to end; what the relays did at the first tap, as (channel, on)."""
    relays: list[tuple[int, bool]] = []

    def look(event: dict[str, object]) -> None:
        if event["saw"] == "relay":
            relays.append((int(str(event["channel"])), bool(event["on"])))

    bench.machine.listeners.append(look)
    await bench.tap(badge, "O")
    bench.machine.listeners.remove(look)
    await asyncio.sleep(SAME_TAP_S)
    await bench.tap(badge, "E")
    return relays


async def test_d24_the_unit_is_active_only_once_the_car_can_be_opened(bench: SystemdBench) -> None:
    shown = await bench.shown()
    assert (shown["ActiveState"], shown["SubState"], shown["NRestarts"]) == ("active", "running", "0")
    assert shown["StatusText"].startswith("the car can be opened")
    await bench.machine.shell("systemctl", "start", "boitier-can@can0.service")  # wanted by the unit: waits for its end
    assert "UP" in await bench.machine.shell("ip", "-brief", "link", "show", "can0")
    assert (await bench.machine.shell("systemctl", "list-units", "--failed", "--plain", "--no-legend")) == ""


async def test_a_tap_moves_the_relay_and_the_backend_holds_intent_and_outcome(bench: SystemdBench) -> None:
    badge = await rent(bench, 11)
    assert await opened_and_ended(bench, badge) == [(1, True), (1, False)]
    intent = await bench.desk.fact("access", PATIENCE_S, event="intent", booking=11, action="unlock")
    outcome = await bench.desk.fact("access", PATIENCE_S, event="outcome", access=intent.body["access"])
    assert outcome.n > intent.n


async def test_d23_a_process_without_evidence_is_killed_and_the_restarted_one_opens_without_a_link(
    bench: SystemdBench,
) -> None:
    badge = await rent(bench, 12)
    before = await bench.shown()
    bench.cut_link()
    await bench.signal("SIGSTOP")
    shown = await until_running(bench, before["MainPID"])
    assert shown["NRestarts"] == str(int(before["NRestarts"]) + 1)
    assert any("Watchdog timeout" in line for line in bench.machine.console)
    assert await opened_and_ended(bench, badge) == [(1, True), (1, False)]
    bench.mend_link()
    await bench.desk.fact("booking", PATIENCE_S, event="closed", booking=12)


async def test_a_killed_process_is_started_again(bench: SystemdBench) -> None:
    before = await bench.shown()
    await bench.kill_agent()
    shown = await until_running(bench, before["MainPID"])
    assert int(shown["NRestarts"]) == int(before["NRestarts"]) + 1


async def test_d24_a_missing_can_adapter_does_not_hold_the_door_back(bench: SystemdBench) -> None:
    await bench.machine.shell("systemctl", "start", "--no-block", "boitier-can@can9.service")
    await bench.systemctl("restart")
    waiting = await bench.machine.shell("systemctl", "list-jobs", "--plain", "--no-legend")
    assert "boitier-can@can9.service" in waiting
    await bench.machine.shell("systemctl", "cancel")


async def test_status_answers_root_and_nobody_else(bench: SystemdBench) -> None:
    code, output = await bench.boitier("status", "--json")
    status = json.loads(output)
    assert (code, status["can"]["state"], status["alarms"]) == (0, "open", {})
    stranger = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    refused = await bench.machine.call({"do": "run", "argv": [*stranger, "/opt/boitier/bin/boitier", "status"]})
    assert refused["exit"] == 1, refused["output"]
    assert "Permission denied" in refused["output"]


async def test_the_process_is_as_confined_as_the_unit_says(bench: SystemdBench) -> None:
    pid = (await bench.shown())["MainPID"]
    status = await bench.machine.shell("cat", f"/proc/{pid}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    dialout = (await bench.machine.shell("getent", "group", "dialout")).split(":")[2]
    assert fields["Uid"].split()[0] == (await bench.machine.shell("id", "-u", "boitier")).strip() != "0"
    assert dialout in fields["Groups"].split()
    assert (int(fields["CapBnd"], 16), fields["NoNewPrivs"], fields["Seccomp"]) == (0, "1", "2")
    mounts = (await bench.machine.shell("cat", f"/proc/{pid}/mountinfo")).splitlines()
    writable = {line.split()[4] for line in mounts if "rw" in line.split()[5].split(",")}
    assert {"/var/lib/boitier", "/run/boitier"} <= writable
    assert not {"/", "/etc", "/opt/python", "/var/lib", "/sys"} & writable
    inside_its_group = f"echo $$ > /sys/fs/cgroup/system.slice/{SERVICE}/cgroup.procs; : < /dev/ttyS1; : < /dev/hwrng"
    tried = await bench.machine.shell("sh", "-c", inside_its_group, check=False)
    assert "/dev/hwrng: Operation not permitted" in tried
    assert "/dev/ttyS1: Operation not permitted" not in tried


async def test_an_ordinary_life_leaves_no_error_in_the_journal(bench: SystemdBench) -> None:
    said = await bench.journal()
    assert "Traceback" not in said, said
    assert "ERROR" not in said, said


async def test_stopping_is_orderly_and_a_new_start_finds_its_records(bench: SystemdBench) -> None:
    badge = await rent(bench, 13)
    assert await bench.stop_agent() == 0
    shown = await bench.shown()
    assert (shown["ActiveState"], shown["Result"], shown["ExecMainCode"]) == ("inactive", "success", "1")
    took_us = int(shown["InactiveEnterTimestampMonotonic"]) - int(shown["ActiveExitTimestampMonotonic"])
    assert took_us < 5_000_000, "the program promises to stop itself inside five seconds"
    folders = (await bench.machine.shell("ls", "/run", "/var/lib/boitier")).split()
    assert "boitier" not in folders
    assert "records.db" in folders
    bench.cut_link()
    await bench.systemctl("start")
    assert await opened_and_ended(bench, badge) == [(1, True), (1, False)]
    bench.mend_link()
    await bench.desk.fact("booking", PATIENCE_S, event="closed", booking=13)
