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
@click.option("--booking", type=click.IntRange(1, codes.HOTLINE - 1), help="Number of a booking that the car has.")
@click.option("--revision", type=click.IntRange(0, (1 << 32) - 1), default=1, show_default=True, help="The car's own.")
@click.option("--desk", is_flag=True, help="A code to read out: passes a car's unsure clock. You vouch for the time.")
@click.option("--day", type=Day(), help="Instead of a booking: a code of this day (UTC), for one the car has not.")
@click.option("--slot", type=click.IntRange(0, codes.SLOTS - 1), help="With --day: not given to anybody yet.")
@as_json
def code(
    key_file: str, booking: int | None, revision: int, desk: bool, day: int | None, slot: int | None, as_json: bool
) -> None:
    """Eight digits for the keypad of one car: of a booking, or of a slot of the day. Note the number: it bills."""
    if (booking is None) == (day is None) or (day is None) != (slot is None):
        raise click.UsageError("give either --booking, or --day and --slot")
    key = car_key(key_file, "code", (codes.KEY_BYTES,))
    if day is not None and slot is not None:
        if day < 0:
            raise click.UsageError("--day: not before 1970")
        number, digits = codes.hotline_number(day, slot), codes.slot_code(codes.day_key(key, day), slot)
        _tell({"code": digits, "booking": number, "until": codes.hotline_end(number)}, as_json)
    elif booking is not None:
        kind = codes.CodeKind.DESK if desk else codes.CodeKind.BOOKING
        digits = codes.booking_code(key, booking, revision, kind)
        _tell({"code": digits, "booking": booking, "revision": revision, "kind": kind.name.lower()}, as_json)


def _tell(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say(said, as_json)
    else:
        digits = str(said["code"])
        click.echo(f"{digits[:4]} {digits[4:]} #      booking {said['booking']}")
