"""A car that is silent unless asked, under a clock that stands still: what it answers is what the test says."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.car.polling import Polling
from agent.car.state import CarState
from agent.car.vehicle import Vehicle
from config import car as cars
from drivers.can.decode import Decoder
from drivers.can.diag import NegativeReply
from drivers.ports import BusState, Fix, Frame, Silence, Subscription
from tests.fakes.clock import ManualClock, settle

FOLDER = Path(__file__).parent / "cars" / "poll-only"
TELEMATICS = 0x18DAF1DB
IGNITION_ON, IGNITION_OFF = bytes.fromhex("62200E01"), bytes.fromhex("62200E00")


class StandInWatch:
    """A bus that says what the test says; `drivers/can/watch.py` is tried on a real kernel bus in the guest."""

    def __init__(self) -> None:
        self.state, self.trouble, self.controller = BusState.OPEN, "", "active"
        self.wanted: tuple[Subscription, ...] = ()
        self.times = 0
        self.events: asyncio.Queue[Frame | Silence | BusState] = asyncio.Queue()

    def subscribe(self, wanted: tuple[Subscription, ...]) -> None:
        self.wanted = wanted
        self.times += 1

    async def next_event(self) -> Frame | Silence | BusState:
        return await self.events.get()

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        self.events.put_nowait(BusState.CLOSED)


class StandInDiagnostics:
    """answers: by question; what is not there is met with silence."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.takes_s = 0.02
        self.asked: list[tuple[float, bytes]] = []
        self.answers: dict[bytes, bytes | NegativeReply | Exception | None] = {}

    async def request(self, request_id: int, reply_id: int, payload: bytes, timeout_s: float) -> object:
        self.asked.append((self._clock.now().ns / 1e9, payload))
        await self._clock.sleep(self.takes_s)
        found = self.answers.get(payload)
        if isinstance(found, Exception):
            raise found
        return found

    def counters(self) -> dict[str, int]:
        return {"asked": len(self.asked)}

    def since(self, at_s: float) -> list[bytes]:
        return [payload for asked_s, payload in self.asked if asked_s >= at_s]


class PollingBench:
    def __init__(self, folder: Path = FOLDER) -> None:
        self.clock, self.watch = ManualClock(), StandInWatch()
        self.car, self.model = CarState(self.clock), cars.load(folder)
        self.why = ""
        lock = cars.lock_block(folder)
        self.vehicle = Vehicle(self.clock, self.watch, self.car, lock)
        decoder = Decoder(self.model)
        self.diagnostics = StandInDiagnostics(self.clock)
        self.vehicle.learn(self.model, decoder)
        self.polling = Polling(
            self.clock, self.vehicle, self.car, self.model, decoder, self.diagnostics,  # type: ignore[arg-type]
            lambda: self.why,
        )  # fmt: skip
        self.tasks = [asyncio.create_task(it.run()) for it in (self.vehicle, self.polling)]

    @property
    def now_s(self) -> float:
        return self.clock.now().ns / 1e9

    def answer(self, **by_name: bytes | NegativeReply | None) -> None:
        """By the name of a poll."""
        for poll in self.model.polls:
            if poll.name in by_name:
                self.diagnostics.answers[poll.payload] = by_name[poll.name]

    def awake_and_off(self) -> None:
        """A car that answers everything, with the ignition off."""
        for poll in self.model.polls:
            if poll.session:
                self.diagnostics.answers[poll.session] = bytes([poll.session[0] + 0x40]) + poll.session[1:]
            length = self.model.database.get_message_by_name(poll.message).length
            head = bytes([poll.payload[0] + 0x40]) + poll.payload[1:]
            self.diagnostics.answers[poll.payload] = head.ljust(length, b"\0")
        self.answer(supply=bytes.fromhex("62200504F6"))  # 12.7 V

    async def hear(self, can_id: int, data: str, extended: bool = False) -> None:
        self.watch.events.put_nowait(Frame(can_id, extended, bytes.fromhex(data), self.clock.now()))
        await settle()

    async def telematics(self) -> None:
        await self.hear(TELEMATICS, "0462901101AA0000", extended=True)

    async def roll(self, times: int) -> None:
        for _ in range(times):
            self.car.fix(Fix(self.clock.now(), None, 48.0, 0.1, 3, 12.0, 9, True))
            await self.clock.advance(1)

    async def off(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
