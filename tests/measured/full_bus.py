"""A full bus and those who read it, each in a process of its own: prints one JSON object.

`python -m tests.measured.full_bus CPU CHANNEL SECONDS` reads it as the daemon does at several rates and then as
`python-can` users do; `… LOSS CHANNEL SECONDS` counts what one daemon's reading path misses of a full bus. The traffic
is `bus_traffic.py`. It lies here because it imports the product, which `hil/` may not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.car.state import CarState
from config import car as cars
from config.car import PROMPT
from config.vocabulary import SOC_FINE, Signal
from drivers.can.frame import subscriptions

from .bus_traffic import FOLDER

FULL, RATES = 4000, (500, 1000, 2000, 4000)
COPIES, ROUNDS, ALONE_ROUNDS = 100, 6, 4
WARM_S, OTHER_S = 3.0, 4
ALIVE_S = 1.0


# --- the agent -------------------------------------------------------------------------------------------------------


class Counting(CarState):
    """What the door's rules would have looked at, and how often each of its prompt signals changed."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.changes = Counter[str]()

    def update(self, signal: Signal) -> None:
        before = self.value(signal.name)
        if signal.name in PROMPT and before is not None and before.value != signal.value:
            self.changes[signal.name] += 1
        super().update(signal)


async def agent(channel: str, copies: int) -> None:
    """The part `vehicle` on its watch, decoder and car state; each line of standard input is answered by its meters.

    One of them works for a thousandth of a core, which is lost in what a guest uses anyway. So there may be many in one
    process, each with sockets and subscriptions of its own, begun at different moments.
    """
    from agent.car.vehicle import Vehicle
    from drivers.can.decode import Decoder
    from drivers.can.watch import BcmWatch
    from drivers.clock import SystemClock

    clock, model = SystemClock(), cars.load(FOLDER)
    states = [Counting(clock, ()) for _ in range(copies)]
    lock = cars.lock_block(FOLDER)
    vehicles = [Vehicle(clock, BcmWatch(channel, clock), car, lock) for car in states]
    running = []
    for vehicle in vehicles:
        running.append(asyncio.create_task(vehicle.run()))
        vehicle.learn(model, Decoder(model))
        await asyncio.sleep(1.0 / copies)
    print(json.dumps({"messages": len(model.messages), "signals": broadcast(model)}), flush=True)
    asked: asyncio.Queue[str] = asyncio.Queue()
    asyncio.get_running_loop().add_reader(0, lambda: asked.put_nowait(sys.stdin.readline()))
    while await asked.get():
        counters = Counter[str]()
        for vehicle in vehicles:
            counters.update(vehicle.counters())
        told = sum(car.fresh(SOC_FINE) is not None for car in states)
        changes = [dict(car.changes) for car in states]
        meters = {"cpu_s": time.process_time(), "told": told, "changes": changes, "counters": counters}
        print(json.dumps({**meters, "kernel": broadcast_manager()}), flush=True)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for vehicle in vehicles:
        await vehicle.close()


def broadcast(model: cars.CarModel) -> int:
    """How many signals its broadcast messages carry; the others are answers to questions."""
    heard = {message.name for message in model.messages}
    return sum(signal.message in heard for signal in model.signals)


def broadcast_manager() -> dict[str, int]:
    """What the kernel's own account says: frames that its subscriptions compared, and how many it passed on."""
    seen = passed = 0
    for account in Path("/proc/net/can-bcm").glob("*"):
        for few, all_ in re.findall(r"# recv (\d+) \((\d+)\)", account.read_text()):
            passed, seen = passed + int(few), seen + int(all_)
    return {"seen": seen, "passed": passed}


def compared(rounds: int, copies: int) -> int:
    """How many comparisons the kernel owes for so many rounds: a message with two subscriptions is compared twice."""
    return rounds * copies * len(subscriptions(cars.load(FOLDER), cars.Phase.DRIVING))


# --- what a user would run instead -----------------------------------------------------------------------------------


def python_can(channel: str, decode: bool) -> None:
    """`recv` of every frame, as a user would write it; decode: and cantools' decode of every frame the DBC knows."""
    import can

    database = cars.load(FOLDER).database
    known = {message.frame_id for message in database.messages}
    with can.Bus(channel=channel, interface="socketcan") as bus:
        print("{}", flush=True)
        frames = decoded = 0
        while True:
            for _ in range(200):
                message = bus.recv(0.1)
                if message is None:
                    break
                frames += 1
                if decode and message.arbitration_id in known:
                    database.decode_message(message.arbitration_id, message.data)
                    decoded += 1
            if select.select([0], [], [], 0)[0]:
                if not sys.stdin.readline():
                    return
                print(json.dumps({"cpu_s": time.process_time(), "frames": frames, "decoded": decoded}), flush=True)


# --- together --------------------------------------------------------------------------------------------------------


class Program:
    """One of these programs: each line told is answered by one JSON object."""

    def __init__(self, module: str, *words: object) -> None:
        argv = [sys.executable, "-m", f"tests.measured.{module}", *map(str, words)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.first = self._answer()

    def ask(self, *words: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


@contextlib.contextmanager
def program(module: str, *words: object) -> Iterator[Program]:
    it = Program(module, *words)
    try:
        yield it
    finally:
        it.close()


def sliced(sender: Program, reader: Program, rate: int, seconds: float) -> dict[str, Any]:
    """What was sent, and by how much each of the reader's meters rose meanwhile."""
    before = reader.ask("meters")
    sent = sender.ask(rate, seconds)
    after = reader.ask("meters")
    counters = Counter(after.get("counters", {}))
    counters.subtract(before.get("counters", {}))
    rose = {name: after[name] - before[name] for name in ("cpu_s", "frames", "decoded") if name in after}
    return {**sent, **rose, "events": counters["bus_events"]}


def cpu(channel: str, seconds: float) -> dict[str, Any]:
    """All rates in turns, so that a busy moment of the machine hits each; then the others at the full rate."""
    copies, rounds = (COPIES, ROUNDS) if seconds > ALIVE_S else (4, 1)
    with program("bus_traffic", channel) as sender:
        alone = [sender.ask(rate, seconds) for _ in range(ALONE_ROUNDS if rounds > 1 else 1) for rate in RATES]
        found: dict[str, Any] = {**sender.first, "copies": copies, "alone": alone}
        with program("full_bus", "agent", channel, copies) as reader:
            found |= reader.first
            warm = sender.ask(FULL, max(WARM_S, ALIVE_S))
            found["slices"] = [sliced(sender, reader, rate, seconds) for _ in range(rounds) for rate in RATES]
            found["meters"] = reader.ask("meters")
            everything = warm["rounds"] + sum(one["rounds"] for one in found["slices"])
            found["compared"] = compared(everything, copies)
        few = max(ALIVE_S, seconds * rounds / OTHER_S)
        for name in ("recv", "decode"):
            with program("full_bus", name, channel) as reader:
                found[name] = sliced(sender, reader, FULL, few)
    return found


def loss(channel: str, seconds: float) -> dict[str, Any]:
    """One reading path at the full rate, doors, lock and plug changing all the time."""
    with program("bus_traffic", channel) as sender, program("full_bus", "agent", channel, 1) as reader:
        sent = sender.ask(FULL, seconds, "toggle")
        time.sleep(ALIVE_S)  # what the kernel still holds back
        return {**sender.first, **reader.first, **sent, **reader.ask("meters"), "compared": compared(sent["rounds"], 1)}


def main(argv: list[str]) -> None:
    match argv:
        case ["agent", channel, copies]:
            asyncio.run(agent(channel, int(copies)))
        case ["recv" | "decode" as how, channel]:
            python_can(channel, how == "decode")
        case ["CPU", channel, seconds]:
            print(json.dumps(cpu(channel, float(seconds))), flush=True)
        case ["LOSS", channel, seconds]:
            print(json.dumps(loss(channel, float(seconds))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
