"""The types of fields on the wire: ids, counts, and numbers with their unit (D1, D2, D4). Which field has which, in
`shapes.py` and `payloads.py`.

A set of words is closed unless it says otherwise: a schema lists the words of an open one as examples.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

MORE: Final = Meta(extra_json_schema={"x-open": True})  # further words may come; a schema lists these as examples


def _in(unit: str) -> Meta:
    return Meta(extra_json_schema={"x-unit": unit})


Id = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
TokenId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
CommandId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
PublicKey = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Base64Url = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]+$")]
Number = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Ms = Annotated[int, _in("ms")]
Seconds = Annotated[int, _in("s since 1970")]
Km = Annotated[float, _in("km")]
Kwh = Annotated[float, _in("kWh")]
Kw = Annotated[float, _in("kW")]
Percent = Annotated[float, _in("percent")]
Degrees = Annotated[float, _in("degrees")]
Metres = Annotated[float, _in("m")]
Hours = Annotated[float, _in("h")]
Wall = Annotated[list[int], Meta(min_length=2, max_length=2, extra_json_schema={"x-unit": "ms since 1970"})]
Source = Literal["signed", "gnss", "holdover", "none"]
YesNo = Literal["yes", "no"]
Via = Annotated[Literal["badge", "code", "phone", "command", "auto", "damaged", "trust"], MORE]
Movement = Annotated[
    Literal["lock", "unlock", "supply_on", "supply_off", "immobilise", "release", "release_cable"], MORE
]
Note = Annotated[
    Literal["clock_unsure_accepted", "after_end_open_booking", "just_ended", "hotline_code", "hotline_end"], MORE
]
BookingKind = Annotated[Literal["private", "staff", "relocation", "maintenance"], MORE]
Role = Annotated[Literal["driver", "agent", "technician", "emergency", "backend"], MORE]
How = Annotated[Literal["ended", "auto_closed", "takeover", "forced"], MORE]
Band = Annotated[Literal["at", "<500 m", "<2 km", "<10 km", "beyond"], MORE]
