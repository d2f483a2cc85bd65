"""`boitier token code`: the desk's 8-digit codes, read out or printed. How they come about: keyless/code.py."""

from __future__ import annotations

import datetime
from typing import Any

import click

from keyless import code as codes

from .token_bytes import as_json, car_key, say


class Day(click.ParamType[int]):
    """`2027-01-15`, a day in UTC."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return (datetime.date.fromisoformat(value) - datetime.date(1970, 1, 1)).days
        except ValueError:
            self.fail(f"{value!r} is no day like 2027-01-15", param, ctx)


@click.command()
@click.option("--key", "key_file", required=True, help="The car's code key: `boitier token keygen --kind code FILE`.")
@click.option("--booking", type=click.IntRange(1, (1 << 53) - 1), help="Number of a booking that the car has.")
@click.option("--revision", type=click.IntRange(0, (1 << 32) - 1), default=1, show_default=True, help="The car's own.")
@click.option("--desk", is_flag=True, help="A code to read out: passes a car's unsure clock. You vouch for the time.")
@click.option("--end", is_flag=True, help="A code to read out: ends this booking by force, on --day, once.")
@click.option("--day", type=Day(), help="Instead of a booking: a code of this day (UTC), for one the car has not.")
@click.option("--slot", type=click.IntRange(0, codes.SLOTS - 1), help="With --day: not given to anybody yet.")
@as_json
def code(
    key_file: str, booking: int | None, revision: int, desk: bool, end: bool, day: int | None, slot: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Eight digits for the keypad of one car: of a booking, of a slot of the day, or to end a booking by force (R1).

    Note the number of a slot: it bills. A code with --end is accepted once.
    """
    if end:
        _tell(_ending(key_file, booking, desk, day, slot), as_json)
        return
    if (booking is None) == (day is None) or (day is None) != (slot is None):
        raise click.UsageError("give either --booking, or --day and --slot")
    key = car_key(key_file, "code", (codes.KEY_BYTES,))
    if day is not None and slot is not None:
        if day < 0:
            raise click.UsageError("--day: not before 1970")
        number, digits = codes.hotline_number(day, slot), codes.slot_code(codes.day_key(key, day), slot)
        _tell({"code": digits, "booking": number, "until": codes.hotline_end(number)}, as_json)
    elif booking is not None:
        if booking >= codes.HOTLINE:
            raise click.UsageError("--booking: from 2^52 on it is a slot's number; give --day and --slot")
        kind = codes.CodeKind.DESK if desk else codes.CodeKind.BOOKING
        digits = codes.booking_code(key, booking, revision, kind)
        _tell({"code": digits, "booking": booking, "revision": revision, "kind": kind.name.lower()}, as_json)


def _ending(key_file: str, booking: int | None, desk: bool, day: int | None, slot: int | None) -> dict[str, Any]:
    if booking is None or day is None or slot is not None or desk:
        raise click.UsageError("--end takes --booking and --day, and nothing else")
    if day < 0:
        raise click.UsageError("--day: not before 1970")
    digits = codes.end_code(car_key(key_file, "code", (codes.KEY_BYTES,)), booking, day)
    return {"code": digits, "booking": booking, "kind": "end", "until": codes.end_until(day)}


def _tell(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say(said, as_json)
    else:
        digits = str(said["code"])
        click.echo(f"{digits[:4]} {digits[4:]} #      booking {said['booking']}")
