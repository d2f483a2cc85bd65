"""A full bus's traffic: `python -m tests.measured.bus_traffic CHANNEL`, told on standard input what to send.

92 identifiers in turn, those of the Zoé's folder among them, every measured value changing with every frame. A line
`RATE SECONDS [toggle]` sends so many frames a second for so long and is answered by one JSON object; with `toggle`
doors, lock and plug change every sixteenth round. It lies here because it imports the product's interfaces.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from typing import Any

from config import car as cars
from config.car import PROMPT
from config.vocabulary import IGNITION

FOLDER = cars.CARS / "zoe-ph1"
FRAME = struct.Struct("=IB3x8s")
IDENTIFIERS, SLICE_S = 92, 0.01
VARIANTS, TOGGLE_ROUNDS = 64, 16


def payloads(model: cars.CarModel, message: cars.MessageMap, toggle: bool) -> list[bytes]:
    """In turns: the ignition stays on, doors, lock and plug stand still or toggle, everything else counts up."""
    layout = model.database.get_message_by_name(message.name)
    mapped = {entry.field: entry for entry in model.signals if entry.message == message.name}
    raw = {s.name: 1 if s.name in mapped and mapped[s.name].states else (1 << s.length) // 3 for s in layout.signals}
    toggled = {name for name, entry in mapped.items() if entry.name in PROMPT and entry.name != IGNITION}
    keep, found = message.prompt_mask, []
    for turn in range(VARIANTS):
        changed = {name: value + turn % 8 if value > 8 else value for name, value in raw.items()}
        prompt = {name: turn // TOGGLE_ROUNDS % 2 if toggle and name in toggled else raw[name] for name in raw}
        fresh, still = (
            layout.encode(fields, scaling=False, strict=False).ljust(8, b"\0") for fields in (changed, prompt)
        )
        found.append(bytes(a & k | b & ~k & 0xFF for a, b, k in zip(still, fresh, keep, strict=True)))
    return found


def frames(toggle: bool) -> list[bytes]:
    """VARIANTS rounds of all identifiers, as the socket takes them."""
    model = cars.load(FOLDER)
    ours = [(message.can_id, payloads(model, message, toggle)) for message in model.messages]
    used = {can_id for can_id, _ in ours}
    strangers = [n for n in range(0x100, 0x7FF, 7) if n not in used][: IDENTIFIERS - len(ours)]
    cycle = []
    for turn in range(VARIANTS):
        cycle += [FRAME.pack(can_id, 8, turns[turn]) for can_id, turns in ours]
        cycle += [FRAME.pack(can_id, 8, struct.pack("<II", turn, can_id)) for can_id in strangers]
    return cycle


class Sender:
    """Sends on one channel and reads nothing."""

    def __init__(self, channel: str) -> None:
        self._sock = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
        self._sock.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, b"")
        self._sock.bind((channel,))
        self._cycles = {toggle: frames(toggle) for toggle in (False, True)}

    def send(self, rate: int, seconds: float, toggle: bool) -> dict[str, Any]:
        """A hundredth of a second's worth at a time, from a round's beginning to a round's end.

        since: when it began, in seconds since 1970. rounds: of all identifiers. toggles: how often each toggled signal
        changed, its first word not counted.
        """
        cycle, sent, cpu = self._cycles[toggle], 0, time.process_time()
        since, began = time.time(), time.monotonic()
        while (now := time.monotonic() - began) < seconds or sent % IDENTIFIERS:
            for _ in range(int(now * rate) - sent):
                self._sock.send(cycle[sent % len(cycle)])
                sent += 1
                if now >= seconds and sent % IDENTIFIERS == 0:
                    break
            time.sleep(max(0.0, SLICE_S - (time.monotonic() - began - now)))
        rounds = sent // IDENTIFIERS
        return {
            "rate": rate, "sent": sent, "since": since, "seconds": time.monotonic() - began, "rounds": rounds,
            "toggles": (rounds - 1) // TOGGLE_ROUNDS if toggle else 0, "sender_cpu_s": time.process_time() - cpu,
        }  # fmt: skip


def main(channel: str) -> None:
    sender = Sender(channel)
    print(json.dumps({"machine": os.uname().release}), flush=True)
    for line in sys.stdin:
        rate, seconds, *how = line.split()
        print(json.dumps(sender.send(int(rate), float(seconds), how == ["toggle"])), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
