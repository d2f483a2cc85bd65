"""A full bus, read two ways: `python -m tests.measured.full_bus CHANNEL SECONDS`; prints one JSON object.

A sender with a raw socket (92 identifiers, the twelve of the Zoé among them, every measured value changing with every
frame) and, one after the other, the agent's reading path and python-can's `recv` of every frame, each in a process of
its own. It lies here because it imports the product, which `hil/` may not.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from config import car as cars

FOLDER = cars.CARS / "zoe-ph1"
FRAME = struct.Struct("=IB3x8s")
RATE, IDENTIFIERS, SLICE_S = 4000, 92, 0.01
VARIANTS = 64
COPIES = 20
ALIVE_S = 1.0


def mapped() -> list[tuple[int, list[bytes]]]:
    """Identifier and payloads in turn: doors, lock, plug and ignition stand still, everything else counts up."""
    model = cars.load(FOLDER)
    found = []
    for message in model.messages:
        layout = model.database.get_message_by_name(message.name)
        field = {entry.field: entry for entry in model.signals if entry.message == message.name}
        raw = {s.name: 1 if s.name in field and field[s.name].states else (1 << s.length) // 3 for s in layout.signals}
        still = layout.encode(raw, scaling=False, strict=False).ljust(8, b"\0")
        turns = []
        for turn in range(VARIANTS):
            changed = {name: value + turn % 8 if value > 8 else value for name, value in raw.items()}
            fresh = layout.encode(changed, scaling=False, strict=False).ljust(8, b"\0")
            keep = message.prompt_mask
            turns.append(bytes(a & k | b & ~k & 0xFF for a, b, k in zip(still, fresh, keep, strict=True)))
        found.append((message.can_id, turns))
    return found


def send(channel: str, seconds: float) -> dict[str, Any]:
    """As many frames as a full bus of 500 kbit/s, a hundredth of a second's worth at a time."""
    wanted = mapped()
    used = {can_id for can_id, _ in wanted}
    strangers = [n for n in range(0x100, 0x7FF, 7) if n not in used][: IDENTIFIERS - len(wanted)]
    cycle = []
    for turn in range(VARIANTS):
        cycle += [FRAME.pack(can_id, 8, turns[turn]) for can_id, turns in wanted]
        cycle += [FRAME.pack(can_id, 8, struct.pack("<II", turn, can_id)) for can_id in strangers]
    sock = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    sock.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, b"")
    sock.bind((channel,))
    sent, began = 0, time.monotonic()
    while (now := time.monotonic() - began) < seconds or sent % IDENTIFIERS:  # to the end of a round
        for _ in range(int(now * RATE) - sent):
            sock.send(cycle[sent % len(cycle)])
            sent += 1
        time.sleep(max(0.0, SLICE_S - (time.monotonic() - began - now)))
    sock.close()
    seconds = time.monotonic() - began
    return {"sent": sent, "seconds": seconds, "of_ours": sent // IDENTIFIERS * len(wanted)}


async def agent(channel: str) -> dict[str, Any]:
    """The part `vehicle` on its watch and decoder, in the phase "driving"; until standard input ends.

    One of them works for a fraction of the guest's tick of 10 ms and sleeps, which such a clock cannot count. So there
    are many in one process, each with sockets and subscriptions of its own, begun at different moments.
    """
    from agent.car.state import CarState
    from agent.car.vehicle import Vehicle
    from config.vocabulary import SOC_FINE
    from drivers.can.decode import Decoder
    from drivers.can.watch import BcmWatch
    from drivers.clock import SystemClock

    clock, model = SystemClock(), cars.load(FOLDER)
    states = [CarState(clock, ()) for _ in range(COPIES)]
    lock = cars.lock_block(FOLDER)
    vehicles = [Vehicle(clock, BcmWatch(channel, clock), car, lock) for car in states]
    running = []
    for vehicle in vehicles:
        running.append(asyncio.create_task(vehicle.run()))
        vehicle.learn(model, Decoder(model))
        await asyncio.sleep(1.0 / COPIES)
    print("listening", flush=True)
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    cpu = time.process_time()
    loop.add_reader(0, ended.set)
    await ended.wait()
    cpu = time.process_time() - cpu
    counters = Counter[str]()
    for vehicle in vehicles:
        counters.update(vehicle.counters())
    told = [signal.value for car in states if (signal := car.fresh(SOC_FINE)) is not None]
    for task in running:
        task.cancel()
    account = broadcast_manager()
    await asyncio.gather(*running, return_exceptions=True)
    for vehicle in vehicles:
        await vehicle.close()
    return {"cpu_s": cpu, "copies": COPIES, "kernel": account, "told": len(told), "counters": counters}


def broadcast_manager() -> dict[str, int]:
    """What the kernel's own account says: frames that its subscriptions compared, and how many it passed on."""
    seen = passed = 0
    for account in Path("/proc/net/can-bcm").glob("*"):
        for few, all_ in re.findall(r"# recv (\d+) \((\d+)\)", account.read_text()):
            passed, seen = passed + int(few), seen + int(all_)
    return {"seen": seen, "passed": passed}


def subscribed() -> int:
    """How many of the kernel's subscriptions the twelve messages need: the frame of one with two is compared twice."""
    from drivers.can.frame import subscriptions

    return len(subscriptions(cars.load(FOLDER), cars.Phase.DRIVING))


def python_can(channel: str) -> dict[str, Any]:
    """`recv` of every frame, as a user would write it; until standard input ends."""
    import can

    with can.Bus(channel=channel, interface="socketcan") as bus:
        print("listening", flush=True)
        frames, cpu = 0, time.process_time()
        while not select.select([0], [], [], 0)[0]:
            for _ in range(200):
                if bus.recv(0.1) is None:
                    break
                frames += 1
        return {"cpu_s": time.process_time() - cpu, "frames": frames}


def together(role: str, channel: str, seconds: float) -> dict[str, Any]:
    """One reader with the sender: {reader…, sent, seconds}."""
    me = [sys.executable, "-m", "tests.measured.full_bus"]
    reader = subprocess.Popen([*me, role, channel], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    assert reader.stdin is not None
    reader.stdout.readline()
    sender = subprocess.run([*me, "send", channel, str(seconds)], capture_output=True, text=True, check=True)
    reader.stdin.close()
    told = json.loads(reader.stdout.readline())
    reader.wait()
    dropped = int(Path(f"/sys/class/net/{channel}/statistics/rx_dropped").read_text())
    return {**told, **json.loads(sender.stdout), "rx_dropped": dropped}


def main(argv: list[str]) -> None:
    match argv:
        case ["send", channel, seconds]:
            found = send(channel, float(seconds))
        case ["agent", channel]:
            found = asyncio.run(agent(channel))
        case ["python-can", channel]:
            found = python_can(channel)
        case [channel, seconds]:
            few = max(ALIVE_S, float(seconds) / 3)
            found = {"agent": together("agent", channel, float(seconds)), "can": together("python-can", channel, few)}
            found["machine"] = os.uname().release
            found["agent"]["wanted"] = found["agent"]["of_ours"] // len(mapped()) * subscribed() * COPIES
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
