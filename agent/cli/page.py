"""One recording as one HTML page that needs nothing else: no network, no server, opened from the disk.

What is not here: what is drawn (`curves.py`). The drawing itself is `assets/plot.js` on `vendor/uplot`. Every script
and style is named by its hash in the page's own security policy, so nothing else runs, whatever a log's name contains.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

from .curves import POINTS, Curve, Row
from .names import PLAIN, tails, text_of

HERE: Final = Path(__file__).parent
WALL_NS: Final = 946_684_800_000_000_000
"""The year 2000: a smaller time stamp counts from the start of something and is no date."""
LATEST_NS: Final = 253_402_300_800_000_000_000
"""The year 10000: no calendar here goes on, and no log is from then."""


COLUMNS: Final = ("signal", "unit", "first", "last", "lowest", "highest", "values", "drawn")
SILENCE: Final = "A hole in a curve or band is silence: what a car said too long ago is not drawn on."
THINNED: Final = (
    f"Of longer curves at most {POINTS} points are drawn: of every short stretch of time the lowest and the highest "
    "value, so that no peak is lost."
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the page shows. start_ns: the log's time of second 0. trouble: why the log could not be read to its end.

    panels: unit and curves. counters: what the decoder counted.
    """

    log: str
    car: str
    start_ns: int
    counters: Mapping[str, int]
    trouble: str
    panels: Sequence[tuple[str, Sequence[Curve]]]
    rows: Sequence[Row]


def page(sheet: Sheet) -> str:
    """The whole page as text."""
    styles = [_read("vendor/uplot/uPlot.min.css"), _read("assets/plot.css")]
    scripts = [_read("vendor/uplot/uPlot.iife.min.js"), _read("assets/plot.js")]
    policy = (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; "
        "base-uri 'none'; form-action 'none'"
    )
    title = f"{sheet.log}: {sheet.car}"
    head = [
        "<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(title)}</title>", *(f"<style>{style}</style>" for style in styles), "</head>",
    ]  # fmt: skip
    body = [
        "<body>", _header(sheet), TOOLS, '<main id="panels"></main>',
        '<noscript><p class="note">The curves need JavaScript. The table below does not.</p></noscript>',
        _table(sheet), _counters(sheet), f'<script type="application/json" id="data">{_data(sheet)}</script>',
        *(f"<script>{script}</script>" for script in scripts), "</body>", "</html>", "",
    ]  # fmt: skip
    return "\n".join(head + body)


TOOLS: Final = """<nav id="tools" aria-label="Time shown">
<button data-do="in" aria-label="zoom in">+</button><button data-do="out" aria-label="zoom out">−</button>
<button data-do="left" aria-label="earlier">◀</button><button data-do="right" aria-label="later">▶</button>
<button data-do="all">whole log</button><span id="span" aria-live="polite"></span>
<small>Drag to zoom in, double-click for the whole log; on a touch screen one finger reads, two zoom.</small>
</nav>"""


def _header(sheet: Sheet) -> str:
    frames = f"{sheet.counters.get('frames', 0):,}".replace(",", " ")
    when = f", from {_date(sheet.start_ns)}" if _dated(sheet.start_ns) else ""
    trouble = f'<p class="trouble">{escape(sheet.trouble)}: what comes before it is shown.</p>' if sheet.trouble else ""
    return f"<header><h1>{escape(sheet.car)}</h1><p>{escape(sheet.log)}, {frames} frames{when}</p>{trouble}</header>"


def _table(sheet: Sheet) -> str:
    """Every signal in numbers, for printing, for machines that read aloud, and without JavaScript."""
    rows = [_numbers(unit, it) for unit, group in sheet.panels for it in group] + [_states(row) for row in sheet.rows]
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in rows)
    thinned = any(_drawn(it) < it.told for _, group in sheet.panels for it in group)
    note = f"{SILENCE} {THINNED if thinned else 'Every value is drawn.'}"
    return (
        f'<section><h2>In numbers</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f'<tbody>{lines}</tbody></table></div><p class="note">{note}</p></section>'
    )


def _numbers(unit: str, it: Curve) -> list[str]:
    return [it.name, unit, *map(text_of, (it.first, it.last, it.low, it.high)), str(it.told), str(_drawn(it))]


def _states(row: Row) -> list[str]:
    states = ", ".join(sorted({band.state for band in row.bands}))
    return [row.name, "", row.bands[0].state, row.bands[-1].state, states, "", str(row.told), str(len(row.bands))]


def _drawn(it: Curve) -> int:
    return sum(value is not None for _, value in it.points)


def _counters(sheet: Sheet) -> str:
    counted = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sheet.counters.items())
    return f'<footer><h2>Counted while reading</h2><p class="note">{escape(counted)}</p></footer>'


def _data(sheet: Sheet) -> str:
    """For `assets/plot.js`. No `<` stands in it, so it cannot end its own element."""
    names = [it.name for _, group in sheet.panels for it in group] + [row.name for row in sheet.rows]
    short = tails(names)
    told = {
        "wall_ms": sheet.start_ns / 1e6 if _dated(sheet.start_ns) else None,
        "panels": [
            {"unit": unit, "curves": [
                {"name": it.name, "short": short[it.name], "t": [round(at, 4) for at, _ in it.points],
                 "v": [value for _, value in it.points]} for it in group
            ]} for unit, group in sheet.panels
        ],
        "rows": [
            {"name": row.name, "short": PLAIN.get(row.name, short[row.name]),
             "bands": [[round(band.start, 4), round(band.end, 4), band.state] for band in row.bands]}
            for row in sheet.rows
        ],
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _dated(ns: int) -> bool:
    return WALL_NS <= ns < LATEST_NS


def _date(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _hashes(texts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
