"""A token believed and its intent on disk: `python -m tests.measured.unlock FOLDER COUNT`; prints one JSON object.

The two parts of it are timed beside, in turns with it: the bare Ed25519 check by `cryptography`, and a bare append with
fsync of as many bytes. It lies here because it imports the product, which `hil/` may not.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.sync.store import Fact, Store
from config.settings import Buffer
from drivers.clock import SystemClock
from drivers.ports import Instant
from hil import tokens
from keyless import cose
from keyless.claims import Booking, Interval
from keyless.trust import KeySet, read_keyset
from keyless.verify import Situation, believe

VEHICLE, OPERATOR, BADGE = bytes(range(8)), "bench", bytes.fromhex("04a1b2c3d4")
WARM = 5


def stamp(at: Instant) -> tuple[list[int] | None, str]:
    now = at.wall_ms or 0
    return [now - 50, now + 50], "gnss"


def prepared(now_s: int) -> tuple[bytes, Callable[[bytes], Booking], Callable[[], None]]:
    """A real token by the bench's own encoder, the judgement that a tap asks for, the bare check of its signature."""
    issuer, roots = tokens.Issuer(OPERATOR), tokens.Roots.fresh()
    data = tokens.keyset(roots, [(issuer, ("driver",))], 1, now_s - 60, now_s + 86_400)
    keyset = read_keyset(data, [bytes.fromhex(root) for root in roots.public], roots.threshold)
    assert isinstance(keyset, KeySet)
    order = tokens.Order(VEHICLE, 61_001, now_s - 60, now_s + 3600, now_s - 120, badge=BADGE, kind="staff")

    def judge(token: bytes) -> Booking:
        situation = Situation(
            keyset, vehicle=VEHICLE, operator=OPERATOR, now=Interval(now_s, now_s + 1, "gnss"),
            open_booking=None, superseded={}, revoked=frozenset(), list_iat=None, at_station=True,
        )  # fmt: skip
        found = believe(token, situation)
        assert isinstance(found, Booking), found
        return found

    token = issuer.token(order)
    outer = cose.read_sign1(token, limit=len(token), with_kid=True)
    assert isinstance(outer, cose.Sign1)
    key, signed = Ed25519PublicKey.from_public_bytes(issuer.public), cose.to_be_signed(outer.protected, outer.payload)
    return token, judge, lambda: key.verify(outer.signature, signed)


async def measure(folder: Path, count: int) -> dict[str, Any]:
    """Seconds of each, in the order in which they were taken."""
    clock = SystemClock()
    store = Store(folder / "records.db", clock, stamp, VEHICLE.hex(), Buffer())
    await store.open()
    token, judge, check = prepared(int(time.time()))
    booking = judge(token)
    body = {
        "event": "intent", "access": "00" * 8, "via": "badge", "action": "unlock", "booking": booking.booking,
        "token": booking.cti.hex(), "holder": "00" * 8, "command": None, "clock": "gnss", "note": None,
    }  # fmt: skip
    pending = json.dumps(body).encode()
    line = json.dumps({"n": 1, "at": 1, "wall": [1, 2], "source": "gnss", "body": body}).encode() + b"\n"
    times: dict[str, list[float]] = {"unlock": [], "believe": [], "commit": [], "check": [], "append": []}
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for turn in range(count + WARM):
        begun = time.perf_counter()
        judge(token)
        believed = time.perf_counter()
        await store.commit((Fact("access", body),), put={"lock/pending": pending})
        stored = time.perf_counter()
        check()
        checked = time.perf_counter()
        os.write(log, line)
        os.fsync(log)
        appended = time.perf_counter()
        if turn >= WARM:
            times["unlock"].append(stored - begun)
            times["believe"].append(believed - begun)
            times["commit"].append(stored - believed)
            times["check"].append(checked - stored)
            times["append"].append(appended - checked)
        await asyncio.sleep(0.002)  # a tap never comes hot on the heels of another
    os.close(log)
    await store.close()
    return times


def main(argv: list[str]) -> None:
    folder, count = argv
    print(json.dumps(asyncio.run(measure(Path(folder), int(count)))))


if __name__ == "__main__":
    main(sys.argv[1:])
