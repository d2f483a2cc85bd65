"""Facts of made-up fleets for the tests of bills: a car that tells what an honest box would, and the tariffs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hil.backend import tariff
from hil.backend.payload import Fact

PARIS = ZoneInfo("Europe/Paris")
PLAIN = replace(tariff.load(tariff.SHIPPED), late_free_ms=0)
USED = replace(PLAIN, billed="used")
ANNA, BORIS = "a" * 16, "b" * 16


def at(text: str, fold: int = 0) -> int:
    """Milliseconds since 1970 of a wall clock in Paris. fold: 1 for the second time an hour comes in autumn."""
    return round(datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold).timestamp() * 1000)


class Car:
    """Numbers its facts in order. boot_at: when the running boot began. knows: whether it knows the time."""

    def __init__(self, name: str = "1" * 16, begin: str = "2026-11-01 00:00") -> None:
        self.vehicle, self.stream, self.facts = name, name[::-1][:15] + "5", list[Fact]()
        self.boots, self.knows = 0, True
        self.boot(at(begin))

    def boot(self, at_ms: int, knows: bool = True) -> None:
        self.boots += 1
        self.boot_id, self.boot_ms, self.knows = f"{self.boots:04x}{self.vehicle[:12]}", at_ms, knows
        self.tell(at_ms, "boot", why="start")

    def tell(self, when: int, kind: str, **body: Any) -> Fact:
        wall = (when - 400, when + 400) if self.knows else None
        head = {"n": len(self.facts) + 1, "kind": kind, "boot": self.boot_id, "at": when - self.boot_ms}
        item = json.dumps({**head, "wall": wall, "body": body}, sort_keys=True)
        source = "gnss" if self.knows else "none"
        fact = Fact(
            self.vehicle, self.stream, head["n"], kind, self.boot_id, when - self.boot_ms, wall, source, body, item
        )
        self.facts.append(fact)
        return fact

    def reading(self, when: int, km: float = 100.0, **more: Any) -> dict[str, Any]:
        wall = [when - 400, when + 400] if self.knows else None
        head = {"odometer_km": km, "soc_percent": 50.0, "energy_kwh": 20.0, "range_km": 120.0, "plugged": "no"}
        return {**head, "at_station": None, "boot": self.boot_id, "at": when - self.boot_ms, "wall": wall, **more}

    def stored(self, booking: int, begin: int, end: int, revision: int = 0, kind: str = "private") -> None:
        self.tell(
            begin - 3_600_000, "booking", event="stored", booking=booking, revision=revision, token="0" * 16,
            booking_kind=kind, **{"from": begin // 1000, "to": end // 1000}, code=None,
        )  # fmt: skip

    def opens(self, booking: int, when: int, holder: str = ANNA, kind: str = "private", km: float = 100.0) -> Any:
        start = self.reading(when, km)
        self.tell(when, "booking", event="opened", booking=booking, holder=holder, booking_kind=kind, start=start)
        return start

    def leg(self, booking: int, when: int, km: float = 112.0) -> None:
        self.tell(when, "leg", event="closed", booking=booking, leg=1, end=self.reading(when, km), energy_kwh=2.0)

    def closes(self, booking: int, start: Any, when: int, how: str = "ended", km: float = 112.0, **more: Any) -> None:
        end = self.reading(when, km)
        body = {"how": how, "start": start, "end": end, "km": km - 100, "energy_kwh": 2.5, **more}
        self.tell(when, "booking", event="closed", booking=booking, **body)

    def drives(
        self, booking: int, begin: str, end: str, back: str | None = None, *, kind: str = "private",
        holder: str = ANNA, how: str = "ended",
    ) -> None:  # fmt: skip
        """Booked from begin to end, there in time, and back at the end or when said."""
        self.stored(booking, at(begin), at(end), kind=kind)
        start = self.opens(booking, at(begin), holder, kind)
        self.closes(booking, start, at(back or end), how)
