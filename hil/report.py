"""The day as one self-contained HTML page: no script, no outside resource. The pictures are made in `charts.py`, the words in `words.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from . import charts
from .charts import Axis, Band
from .words import Words

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison: what happened in the world, and what the backend holds of it."""

    what: str
    happened: str
    holds: str
    agrees: bool


@dataclass(frozen=True, slots=True)
class Day:
    """Everything the report draws. Times are milliseconds since 1970 on the host's clock.

    route: (at, latitude, longitude) of the clerk's booking as the backend holds it. soc: (at, percent). queue: (at, records that wait).
    truth_locks, held_locks: (at, "unlock" | "lock" | "refused", text): what the car did, and what the backend was told.
    private_positions: how many positions of the private booking the backend holds; anything but 0 is a finding.
    """

    car: str
    bench: str
    start_ms: int
    end_ms: int
    happened: tuple[tuple[int, str], ...]
    rows: tuple[Row, ...]
    route: tuple[tuple[int, float, float], ...]
    stations: tuple[tuple[float, float, str], ...]
    private_positions: int
    dead_zones: tuple[Span, ...]
    power_cuts: tuple[Span, ...]
    bookings: tuple[tuple[int, int, str], ...]
    soc: tuple[tuple[int, float], ...]
    queue: tuple[tuple[int, float], ...]
    truth_locks: tuple[tuple[int, str, str], ...]
    held_locks: tuple[tuple[int, str, str], ...]

    @property
    def agrees(self) -> bool:
        return all(row.agrees for row in self.rows) and self.private_positions == 0


STYLE = """
:root{--ink:#1d2733;--soft:#5d6b7a;--line:#d9dfe6;--paper:#fff;--blue:#1f6feb;--green:#1a7f37;--red:#c62828;--amber:#b26a00}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf3;--soft:#9fb0c0;--line:#344150;--paper:#131a22;--blue:#6ea8fe;--green:#57c878;--red:#ff8a80;--amber:#ffbf5e}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:820px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{margin-top:2.2rem;font-size:1.15rem}p.sub{color:var(--soft);margin-top:0}
.verdict{padding:.7rem 1rem;border-left:6px solid var(--green);background:color-mix(in srgb,var(--green) 9%,transparent);font-weight:600}
.verdict.no{border-color:var(--red);background:color-mix(in srgb,var(--red) 9%,transparent)}
table{border-collapse:collapse;width:100%;font-size:.93rem}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.yes{color:var(--green);font-weight:600}td.no{color:var(--red);font-weight:600}td.when{white-space:nowrap;color:var(--soft)}
figure{margin:1rem 0}figcaption{font-weight:600;margin-bottom:.2rem}svg{width:100%;height:auto;overflow:visible}
.grid{stroke:var(--line);stroke-width:1}.tick,.place,.bandlabel{fill:var(--soft);font-size:11px}.curve{fill:none;stroke:var(--blue);stroke-width:2}
.band{opacity:.16}.band.dead{fill:var(--amber)}.band.dark{fill:var(--red)}.band.booking{fill:var(--green);opacity:.1}
.way{stroke-width:4;stroke-linecap:round}.way.live{stroke:var(--blue)}.way.dead{stroke:var(--amber);stroke-dasharray:2 7}
.station{fill:var(--green)}.scale{stroke:var(--ink);stroke-width:2}.moment.unlock{fill:var(--green)}.moment.lock{fill:var(--blue)}.moment.refused{fill:var(--red)}
.nothing{fill:var(--soft);font-size:15px}.legend{color:var(--soft);font-size:.9rem}
"""


def page(day: Day, words: Words) -> str:
    """The whole page as text."""
    axis = Axis(0.0, (day.end_ms - day.start_ms) / 1000)
    bands = _bands(day, words)
    verdict = "agree" if day.agrees else "disagree"
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="{words.language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(words('report_title'))}</title><style>{STYLE}</style></head><body>",
            f"<h1>{escape(words('report_title'))}</h1><p class=sub>{escape(words('report_sub', car=day.car, bench=day.bench))}</p>",
            f'<p class="verdict{"" if day.agrees else " no"}">{escape(words(verdict))}</p>',
            f"<h2>{escape(words('table_title'))}</h2>",
            _table(day.rows, words),
            f"<h2>{escape(words('pictures'))}</h2>",
            _route(day, words),
            f"<p class=legend>{escape(words('route_legend'))}</p>",
            charts.route((), (), title=words("private_route"), nothing=words("private_nothing", count=day.private_positions)),
            charts.curve(_seconds(day, day.soc), axis, bands, title=words("soc"), unit="%"),
            charts.curve(_seconds(day, day.queue), axis, bands, title=words("queue"), unit=words("records"), steps=True),
            charts.moments(
                [(words("row_car"), _marks(day, day.truth_locks)), (words("row_backend"), _marks(day, day.held_locks))],
                axis,
                bands,
                title=words("locks"),
            ),
            f"<p class=legend>{escape(words('time_legend'))}</p>",
            f"<h2>{escape(words('told'))}</h2>",
            _story(day),
            "</body></html>",
        ]
    )


def _bands(day: Day, words: Words) -> list[Band]:
    spans = [(a, b, "booking", label) for a, b, label in day.bookings]
    spans += [(a, b, "dead", words("dead_zone")) for a, b in day.dead_zones]
    spans += [(a, b, "dark", words("power_off")) for a, b in day.power_cuts]
    return [Band((a - day.start_ms) / 1000, (b - day.start_ms) / 1000, kind, label) for a, b, kind, label in spans]


def _seconds(day: Day, points: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    return [((at - day.start_ms) / 1000, value) for at, value in points]


def _marks(day: Day, locks: Sequence[tuple[int, str, str]]) -> list[tuple[float, str, str]]:
    return [((at - day.start_ms) / 1000, kind, text) for at, kind, text in locks]


def _route(day: Day, words: Words) -> str:
    def stretch(at: int) -> str:
        return "dead" if any(a <= at <= b for a, b in day.dead_zones) else "live"

    points = [(lat, lon, stretch(at)) for at, lat, lon in day.route]
    return charts.route(points, day.stations, title=words("staff_route"), nothing=words("no_route"))


def _table(rows: Sequence[Row], words: Words) -> str:
    head = "".join(f"<th>{escape(words(key))}</th>" for key in ("col_what", "col_happened", "col_holds", "col_agrees"))
    body = "".join(
        f"<tr><td>{escape(row.what)}</td><td>{escape(row.happened)}</td><td>{escape(row.holds)}</td>"
        f'<td class="{"yes" if row.agrees else "no"}">{escape(words("yes" if row.agrees else "no"))}</td></tr>'
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _story(day: Day) -> str:
    lines = "".join(
        f"<tr><td class=when>{(at - day.start_ms) // 60000}:{(at - day.start_ms) // 1000 % 60:02d}</td><td>{escape(text)}</td></tr>"
        for at, text in day.happened
    )
    return f"<table><tbody>{lines}</tbody></table>"
