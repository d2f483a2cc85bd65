"""What the stations of the settings must mean together. Their values one by one: `rules.py`; polygons: `polygon.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Finding = tuple[str, str]  # what is wrong, what would be right


def stations(values: Mapping[str, Any]) -> Iterator[tuple[str, Finding]]:
    """Key and finding of each. values: as of `rules.judge_together`."""
    names: set[str] = set()
    for index, station in enumerate(values.get("station") or ()):
        if station.name in names:
            yield f"station[{index}].name", (f"{station.name!r} is there twice", "must be a name of its own")
        names.add(station.name)
        yield from _area(f"station[{index}]", station)


def _area(key: str, station: Any) -> Iterator[tuple[str, Finding]]:
    """A circle or a polygon; not both, not none, not half of one."""
    right = "must have lat and lon (and radius_m) for a circle, or polygon = [[lat, lon], …]"
    given = (station.lat is not None, station.lon is not None, bool(station.polygon))
    if given not in ((True, True, False), (False, False, True)):
        problem = "has a circle and a polygon" if given[2] else "has neither a whole circle nor a polygon"
        yield key, (f"{station.name!r} {problem}", right)
