"""The command behind `python -m hil.backend.bills`: the bills of a receiver's database, for a person or as JSON.

What is not here: how anything is reckoned (`bills.py`, `charge_sessions.py`).
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from .bills import Account, Bill, Orders, settle
from .charge_sessions import ChargeSession, MeterError, read_meters, sessions
from .placing import gather, held_facts
from .tariff import EPOCH, HOUR_MS, SHIPPED, Tariff, TariffError, load

ABOUT = """
Bills from what the cars told: who had which car, how long, and what it costs by the tariff's own words.
Read only; the database may be in use. The same records give the same bills, in whatever order they arrived.
"""
MORE = """
examples:
  python -m hil.backend.bills backend.db
  python -m hil.backend.bills backend.db --month 2026-11 --orders orders.csv
  python -m hil.backend.bills backend.db --tariff ours.toml --json

A booking stands in the month in which its billed time ends; a month of use is paid once by each driver.
Only "billed" and "no_show" cost something. "open" and "stored" are not over yet, or not all of it has arrived;
"unsettled" needs a person. What the notes mean: docs/contract.md, "Billing from facts".
Copy hil/tariffs/autofree61.toml for a tariff of your own: each word in it is explained there.

--orders: CSV "booking,driver,cancelled". Without it a driver is the badge or phone that opened the car,
  so one person with both pays a month of use twice, and nobody can tell a cancelled booking from a no-show.
--meter: CSV "station,charge_point,begin,end,wh" of the charge points' own sessions. Energy is what they say;
  the battery's kWh never bill.

exit: 0 done, 2 a file is missing or wrong
"""
HEAD = ("booking", "car", "from", "to", "used h", "billed h", "km", "price", "kind", "status", "notes")


def main(argv: list[str]) -> int:
    """See `ABOUT` and `MORE`."""
    options = _parser().parse_args(argv)
    try:
        tariff = load(options.tariff)
        orders = Orders() if options.orders is None else _orders(options.orders)
        metered = [] if options.meter is None else read_meters(options.meter)
        gathered = gather(held_facts(options.database))
    except (TariffError, MeterError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except sqlite3.Error as error:
        print(f"{options.database}: {error}; give the database of a receiver", file=sys.stderr)
        return 2
    account = within(settle(gathered, tariff, orders), tariff, options.month)
    charges = [it for it in sessions(gathered, metered) if _falls(tariff, it.end_ms, options.month)]
    lines = [_json(account, charges, tariff)] if options.json else _page(account, charges, tariff)
    print("\n".join(lines))
    return 0


def within(account: Account, tariff: Tariff, month: str | None) -> Account:
    """That month's part; what is not over yet belongs to none and is shown in each. The months' parts add up."""
    bills = [it for it in account.bills if _falls(tariff, it.billed_to_ms or it.end_ms, month)]
    return Account(tuple(bills), tuple(it for it in account.months if month in (None, it.month)))


def _falls(tariff: Tariff, end_ms: int | None, month: str | None) -> bool:
    return month is None or end_ms is None or tariff.month(end_ms - 1) == month


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hil.backend.bills", description=ABOUT, epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("database", type=Path, help="the receiver's SQLite file")
    parser.add_argument("--tariff", type=Path, default=SHIPPED, help="TOML (default: hil/tariffs/autofree61.toml)")
    parser.add_argument("--month", type=_month, help="one month at the operator's, such as 2026-11")
    parser.add_argument("--orders", type=Path, help="CSV of the order book: who ordered what, and what was cancelled")
    parser.add_argument("--meter", type=Path, help="CSV of the charge points' own sessions")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table; money in cents")
    return parser


def _month(text: str) -> str:
    if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r}: write a month as 2026-11")
    return text


def _orders(path: Path) -> Orders:
    drivers, cancelled = {}, set()
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if "booking" not in (rows.fieldnames or ()):
            raise MeterError(f"{path}: the first line must name booking, driver, cancelled")
        for line, row in enumerate(rows, 2):
            if not (row["booking"] or "").isdecimal():
                raise MeterError(f"{path}:{line}: {row['booking']!r} is no number of a booking")
            if row.get("driver"):
                drivers[int(row["booking"])] = row["driver"]
            if row.get("cancelled"):
                cancelled.add(int(row["booking"]))
    return Orders(drivers, frozenset(cancelled))


def _json(account: Account, charges: Sequence[ChargeSession], tariff: Tariff) -> str:
    said = {"tariff": tariff.name, "currency": tariff.currency, "cents": account.cents, **asdict(account)}
    return json.dumps({**said, "charges": [asdict(charge) for charge in charges]}, indent=1)


def _page(account: Account, charges: Sequence[ChargeSession], tariff: Tariff) -> Iterator[str]:
    yield f"{tariff.name}: {len(account.bills)} bookings, {_money(account.cents)} {tariff.currency}"
    drivers = {bill.driver for bill in account.bills} | {month.driver for month in account.months}
    for driver in sorted(drivers, key=lambda it: (it is None, it or "")):
        bills = [bill for bill in account.bills if bill.driver == driver]
        months = [month for month in account.months if month.driver == driver]
        yield f"\ndriver {driver or 'not known'}"
        rows = [_row(bill, tariff) for bill in bills]
        rows += [("", f"month of use {it.month}", *[""] * 5, _money(it.cents), "", "", "") for it in months]
        total = sum(bill.cents for bill in bills) + sum(month.cents for month in months)
        yield from _table([HEAD, *rows, ("", "sum", *[""] * 5, _money(total), "", "", "")])
    if charges:
        yield "\ncharges (energy by the charge point's meter)"
        head = ("booking", "car", "station", "charge point", "from", "to", "metered kWh", "why it ended")
        yield from _table([head, *(_charge(charge, tariff) for charge in charges)])


def _row(bill: Bill, tariff: Tariff) -> tuple[str, ...]:
    used = "?" if bill.used_ms is None else f"{bill.used_ms / HOUR_MS:.2f}"
    return (
        str(bill.booking), bill.vehicle, _when(bill.begin_ms, tariff), _when(bill.end_ms, tariff), used,
        f"{bill.billed_ms / HOUR_MS:.2f}", "?" if bill.km is None else f"{bill.km:.2f}", _money(bill.cents),
        bill.kind or "?", bill.status, " ".join((*bill.how, *bill.notes)),
    )  # fmt: skip


def _charge(charge: ChargeSession, tariff: Tariff) -> tuple[str, ...]:
    return (
        "-" if charge.booking is None else str(charge.booking), charge.vehicle, charge.station or "?",
        charge.charge_point or "?", _when(charge.begin_ms, tariff), _when(charge.end_ms, tariff),
        "?" if charge.wh is None else f"{charge.wh / 1000:.3f}", charge.why,
    )  # fmt: skip


def _when(at_ms: int | None, tariff: Tariff) -> str:
    if at_ms is None:
        return "?"
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(tariff.zone).strftime("%Y-%m-%d %H:%M%z")


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
