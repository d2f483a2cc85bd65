"""A tariff in its operator's own words (R24), read from TOML: what an hour costs and how it is counted, months of use,
and which kinds of booking are free. Money is in whole cents.

What is not here: which hours somebody had a car (`bills.py`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SHIPPED: Final = Path(__file__).resolve().parents[1] / "tariffs" / "autofree61.toml"
KINDS: Final = ("private", "staff", "relocation", "maintenance")
HOUR_MS: Final = 3_600_000
EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class TariffError(ValueError):
    """What is wrong with a tariff's file, all of it, one line each."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """cents: an hour. billed: "booked" or "used". late_free_ms: who is no later than that is not late. not_ended: what
    ends the use of a booking that its driver did not end: "last_leg" or "closing". rounding: of a booking's whole time
    to step_ms: "up", "down" or "nearest". no_show: "nothing", "minimum" or "booked". cent: of the money: "half_up" or
    "down". counts: "touched" or "begun". free: kinds of booking that cost nothing.
    """

    name: str
    currency: str
    zone: tzinfo
    cents: int
    billed: str
    late_free_ms: int
    not_ended: str
    step_ms: int
    rounding: str
    minimum_ms: int
    no_show: str
    cent: str
    month_cents: int
    counts: str
    free: frozenset[str]

    def rounded_ms(self, time_ms: int) -> int:
        """So long is billed for a booking that lasted so long."""
        more = {"up": self.step_ms - 1, "down": 0, "nearest": self.step_ms // 2}[self.rounding]
        return max((time_ms + more) // self.step_ms * self.step_ms, self.minimum_ms)

    def price(self, billed_ms: int) -> int:
        """Cents for time that is rounded already."""
        return (self.cents * billed_ms + (HOUR_MS // 2 if self.cent == "half_up" else 0)) // HOUR_MS

    def month(self, at_ms: int) -> str:
        """The calendar month of a moment at the operator's, such as "2026-11"."""
        return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(self.zone).strftime("%Y-%m")

    def months(self, begin_ms: int, end_ms: int) -> tuple[str, ...]:
        """Months of use. The end is not part of it: who is back at midnight has not used the month that begins."""
        last = self.month(max(begin_ms, end_ms - 1))
        found = [self.month(begin_ms)]
        while self.counts == "touched" and found[-1] != last:
            year, month = divmod(int(found[-1][:4]) * 12 + int(found[-1][5:]), 12)
            found.append(f"{year:04}-{month + 1:02}")
        return tuple(found)


def load(path: Path) -> Tariff:
    """Raises `TariffError` with every mistake in it, `OSError` when there is no such file."""
    try:
        return read(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TariffError(f"{path}: this is no TOML: {error}") from None
    except TariffError as error:
        raise TariffError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None


def read(said: dict[str, Any]) -> Tariff:
    """Every word is needed: a bill should rest on nothing that its tariff does not say."""
    words = _Words(said)
    kinds = {kind: words.one_of("kinds", kind, "priced", "free") for kind in KINDS}
    tariff = Tariff(
        name=words.text("", "name"),
        currency=words.text("", "currency"),
        zone=words.zone("", "timezone"),
        cents=words.number("hours", "cents"),
        billed=words.one_of("hours", "billed", "booked", "used"),
        late_free_ms=60_000 * words.number("hours", "late_free_min"),
        not_ended=words.one_of("hours", "not_ended", "last_leg", "closing"),
        step_ms=60_000 * words.number("hours", "step_min", low=1),
        rounding=words.one_of("hours", "rounding", "up", "down", "nearest"),
        minimum_ms=60_000 * words.number("hours", "minimum_min"),
        no_show=words.one_of("hours", "no_show", "nothing", "minimum", "booked"),
        cent=words.one_of("hours", "cent", "half_up", "down"),
        month_cents=words.number("month", "cents"),
        counts=words.one_of("month", "counts", "touched", "begun"),
        free=frozenset(kind for kind, word in kinds.items() if word == "free"),
    )
    words.done()
    return tariff


class _Words:
    """Takes the words out one by one and collects what is wrong with them."""

    def __init__(self, said: dict[str, Any]) -> None:
        self._left = {name: dict(value) if isinstance(value, dict) else value for name, value in said.items()}
        self._wrong: list[str] = []

    def text(self, table: str, key: str) -> str:
        return str(self._take(table, key, "a text", lambda it: isinstance(it, str) and bool(it.strip())) or "")

    def number(self, table: str, key: str, low: int = 0) -> int:
        def fits(value: object) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and low <= value < 1 << 31

        return int(self._take(table, key, f"a whole number from {low}", fits) or low)

    def one_of(self, table: str, key: str, *allowed: str) -> str:
        wanted = " or ".join(f'"{word}"' for word in allowed)
        return str(self._take(table, key, wanted, lambda it: it in allowed) or allowed[0])

    def zone(self, table: str, key: str) -> tzinfo:
        name = self.text(table, key)
        try:
            return ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._wrong.append(f'{key} = "{name}": no such time zone; write one like "Europe/Paris"')
            return ZoneInfo("UTC")

    def done(self) -> None:
        for name, value in self._left.items():
            unknown = [f"[{name}] {key}" for key in value] if isinstance(value, dict) else [name]
            self._wrong += [f"{word}: no such word in a tariff" for word in unknown]
        if self._wrong:
            raise TariffError("\n".join(self._wrong))

    def _take(self, table: str, key: str, wanted: str, fits: Callable[[object], bool]) -> Any:
        place = self._left.get(table) if table else self._left
        what = f"[{table}] {key}" if table else key
        if not isinstance(place, dict) or key not in place:
            self._wrong.append(f"{what} is missing; write {wanted}")
            return None
        value = place.pop(key)
        if not fits(value):
            self._wrong.append(f"{what} = {value!r}: write {wanted}")
            return None
        return value
