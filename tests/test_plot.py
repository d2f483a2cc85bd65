"""`boitier car plot`: the page stands alone, says what it shows, and a real browser draws it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cli.car import car
from agent.cli.plot import Found
from config import vocabulary as v
from config.vocabulary import Signal
from tests import drive_log
from tests.browser import Browser

ROOT = Path(__file__).resolve().parents[1]


def plot(*arguments: object) -> Result:
    return CliRunner().invoke(car, ["plot", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log, and the page of all its curves."""
    made = tmp_path_factory.mktemp("plot")
    drive_log.write(made / "drive.log")
    result = plot(made / "drive.log", "--car", "zoe-ph1", "-o", made / "drive.html")
    assert result.exit_code == 0, result.output
    return made


def data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    told: dict[str, Any] = json.loads(found[1])
    return told


# --- the page as text


def test_the_page_asks_nobody_for_anything(folder: Path) -> None:
    page = (folder / "drive.html").read_text()
    for word in ("src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest"):
        assert word not in page
    addresses = set(re.findall(r"https?://[^\s\"'*)]+", page))
    assert addresses == {"https://github.com/leeoniya/uPlot"}, "its own licence line"


def test_only_what_the_policy_names_by_hash_may_run(folder: Path) -> None:
    page = (folder / "drive.html").read_text()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        texts = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]
        assert f"{directive} {' '.join(hashes)}" in policy
        assert len(texts) == 2


def test_the_page_says_car_log_frames_and_counters(folder: Path) -> None:
    page = (folder / "drive.html").read_text()
    frames = len((folder / "drive.log").read_text().splitlines())
    grouped = f"{frames:,}".replace(",", " ")
    assert "<h1>Renault Zoé Ph1" in page
    assert f"drive.log, {grouped} frames, from 2023-11-14 22:13:20 UTC" in page
    assert f"frames {frames}" in page
    assert "lines left out 0" in page
    assert "at most 2000 points are drawn" in page


def test_states_come_as_bands_with_what_was_asked_for(folder: Path) -> None:
    out = folder / "speed.html"
    assert plot(folder / "drive.log", "--car", "zoe-ph1", "--signals", "speed", "-o", out).exit_code == 0
    told = data(out.read_text())
    assert [[it["name"] for it in panel["curves"]] for panel in told["panels"]] == [[v.SPEED]]
    rows = {it["name"]: [band[2] for band in it["bands"]] for it in told["rows"]}
    assert set(rows) == {v.IGNITION, v.PLUGGED, v.CHARGING, v.LOCKED, *v.DOORS}
    assert rows[v.IGNITION] == ["off", "on", "off", "off"], "silence ends a band"
    assert rows[v.TRUNK] == ["no", "yes", "no", "no"]


@pytest.mark.long
def test_a_long_log_makes_no_long_page(folder: Path) -> None:
    drive_log.write(folder / "long.log", pace_s=0.4)
    out = folder / "long.html"
    assert plot(folder / "long.log", "--car", "zoe-ph1", "-o", out).exit_code == 0
    told = data(out.read_text())
    speed = next(it for panel in told["panels"] for it in panel["curves"] if it["name"] == v.SPEED)
    assert len(speed["t"]) <= 2000
    assert max(value for value in speed["v"] if value is not None) == pytest.approx(86.9, abs=0.2)


def test_a_log_named_like_a_script_runs_nothing(folder: Path) -> None:
    name = "<script>document.title='x'<script> & \"co\".log"
    (folder / name).write_bytes((folder / "drive.log").read_bytes())
    out = folder / "evil.html"
    assert plot(folder / name, "--car", "zoe-ph1", "--signals", "speed", "-o", out).exit_code == 0
    assert "<script>document" not in out.read_text()


CAR = """[car]
name = "A car that tells where it is"
years = "2026"
bus = "none"
"""
SIGNAL = """[[signal]]
name = "{name}"
message = "All"
field = "{field}"
confidence = "D"
source = "made up"
{more}
"""
DBC = """VERSION ""
BS_:
BU_: X
BO_ 256 All: 8 X
 SG_ Speed : 7|16@0+ (0.01,0) [0|250] "km/h" X
 SG_ Where : 23|24@0+ (0.00001,0) [0|90] "degrees" X
 SG_ Who : 47|24@0+ (1,0) [0|0] "" X
"""


def test_r27_p6_neither_a_vin_nor_a_position_reaches_a_page(tmp_path: Path) -> None:
    told = ((v.SPEED, "Speed", ""), (v.LATITUDE, "Where", ""), (v.VIN_TAIL, "Who", 'text = "bcd"'))
    signals = "".join(SIGNAL.format(name=name, field=field, more=more) for name, field, more in told)
    (tmp_path / "car.toml").write_text(CAR + signals)
    (tmp_path / "bus.dbc").write_text(DBC)
    (tmp_path / "a.log").write_text("".join(f"({at}.0) can0 100#13884A06D8765432\n" for at in range(5)))
    decoded = CliRunner().invoke(car, ["decode", str(tmp_path / "a.log"), "--car", str(tmp_path), "--json"])
    assert {json.loads(line)["signal"] for line in decoded.stdout.splitlines()} == {v.SPEED, v.LATITUDE}
    assert plot(tmp_path / "a.log", "--car", tmp_path, "-o", tmp_path / "a.html").exit_code == 0
    page = (tmp_path / "a.html").read_text()
    assert v.SPEED in page
    for hidden in ("Latitude", "48.5", "VIN", "765432"):
        assert hidden not in page.split("<main")[1].split("<script>")[0]
    asked = plot(tmp_path / "a.log", "--car", tmp_path, "--signals", "latitude,vintail", "-o", tmp_path / "b.html")
    assert asked.exit_code == 1


def test_a_log_that_steps_back_is_drawn_in_order() -> None:
    found = Found({v.SPEED})
    found.take(Signal(v.SPEED, float(at), at * 10**9) for at in (5, 6, 2, 7))
    [told] = found.told({})
    assert list(told.times) == [-3, 0, 1, 2]
    assert told.values == [2.0, 5.0, 6.0, 7.0]


def test_a_log_with_nothing_of_it_and_a_page_that_cannot_be_written_are_said(folder: Path) -> None:
    (folder / "empty.log").write_text("(1.0) can0 111#00\n")
    result = plot(folder / "empty.log", "--car", "zoe-ph1", "-o", folder / "empty.html")
    assert result.exit_code == 1
    assert "nothing of what was asked for is in it (1 frames)" in result.output
    assert not (folder / "empty.html").exists()
    result = plot(folder / "drive.log", "--car", "zoe-ph1", "-o", folder / "no" / "where.html")
    assert result.exit_code == 2
    assert "name a file that can be written" in result.output


def test_what_was_read_of_a_broken_log_is_drawn_and_the_rest_is_said(folder: Path) -> None:
    head = "timestamp,arbitration_id,extended,remote,error,dlc,data"
    (folder / "cut.csv").write_text(f"{head}\n1,0x354,0,0,0,2,E4g=\nrubbish\n")
    result = plot(folder / "cut.csv", "--car", "zoe-ph1", "-o", folder / "cut.html")
    assert result.exit_code == 1
    assert "line 3" in result.output
    assert "what comes before it is shown" in (folder / "cut.html").read_text()


def test_the_vendored_files_are_what_their_note_says() -> None:
    note = (ROOT / "agent/cli/vendor/uplot/README.md").read_text()
    for name in ("uPlot.iife.min.js", "uPlot.min.css", "LICENSE"):
        digest = hashlib.sha256((ROOT / "agent/cli/vendor/uplot" / name).read_bytes()).hexdigest()
        assert f"{digest}  {name}" in note
    assert "(v1.6.32)" in (ROOT / "agent/cli/vendor/uplot/uPlot.iife.min.js").read_text()


# --- the page in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


INKED = """[...document.querySelectorAll('.panel canvas')].map((canvas) => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 250) seen.add(pixels.slice(i, i + 3).join());
  return seen;
}).map((seen, i) => [...seen].includes(COLOUR))"""


def inked(browser: Browser, name: str) -> list[bool]:
    """For each panel whether a pixel of it has the colour that the style sheet calls so."""
    colour = (
        "(() => { const c = document.createElement('canvas').getContext('2d'); c.fillStyle ="
        f" getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim(); c.fillRect(0, 0, 1, 1);"
        " return [...c.getImageData(0, 0, 1, 1).data.slice(0, 3)].join(); })()"
    )
    found: list[bool] = browser.ask(INKED.replace("COLOUR", colour))
    return found


@pytest.mark.long
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (390, False), (390, True)])
def test_every_panel_is_drawn_in_light_and_dark_wide_and_narrow(
    folder: Path, browser: Browser, width: int, dark: bool
) -> None:
    browser.trouble.clear()
    browser.look(width, 844, dark, touch=width < 600)
    browser.open(folder / "drive.html")
    told = data((folder / "drive.html").read_text())
    assert browser.ask("document.documentElement.dataset.drawn") == str(1 + len(told["panels"]))
    assert browser.trouble == []
    for at, panel in enumerate(told["panels"], start=1):  # the curve drawn last, for it may lie on the others
        assert inked(browser, f"c{(len(panel['curves']) - 1) % 8}")[at], panel["unit"]
    assert inked(browser, "some")[0], "the bands are painted"
    assert browser.ask("document.documentElement.scrollWidth") == browser.ask("document.documentElement.clientWidth")


def test_dragging_zooms_every_panel_and_pointing_reads_values_and_time(folder: Path, browser: Browser) -> None:
    browser.trouble.clear()
    browser.look(1200, 2400)
    browser.open(folder / "drive.html")
    assert browser.ask("span.textContent") == "0:00 to 20:00"
    top = browser.ask("document.querySelectorAll('.u-over')[1].getBoundingClientRect().top") + 60
    left = browser.ask("document.querySelectorAll('.u-over')[1].getBoundingClientRect().left")
    width = browser.ask("document.querySelectorAll('.u-over')[1].getBoundingClientRect().width")
    browser.drag(left + width * 0.2, top, left + width * 0.4)
    assert re.fullmatch(r"3:5\d|4:0\d", browser.ask("span.textContent").split(" to ")[0])
    browser.mouse("mouseMoved", left + width / 2, top)
    assert re.match(r"[56]:\d\d\.\d{3} · 2023-11-14 22:19:\d\d\.\d{3} UTC", browser.ask("span.textContent"))
    read = browser.ask("[...document.querySelectorAll('.legend li')].map((li) => [li.title, li.lastChild.textContent])")
    values = dict(read)
    assert values[v.SOH] == "91"
    assert values[v.VOLTAGE_12V] == "14.125"
    assert all(values.values()), "one cursor for all panels"
    browser.ask("document.querySelector('[data-do=all]').click()")
    assert browser.ask("span.textContent") == "0:00 to 20:00"
    assert browser.trouble == []


def test_paper_is_white_even_when_the_screen_is_dark(folder: Path, browser: Browser) -> None:
    browser.look(1200, 900, dark=True)
    browser.open(folder / "drive.html")
    assert browser.printed().startswith(b"%PDF")
    browser.ask("dispatchEvent(new Event('beforeprint'))")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.ask("dispatchEvent(new Event('afterprint'))")
    assert browser.ask("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"


def test_the_policy_stops_what_the_page_did_not_bring(folder: Path, browser: Browser) -> None:
    page = (folder / "drive.html").read_text().replace("</main>", "</main><script>document.title = 'run'</script>")
    (folder / "forged.html").write_text(page)
    browser.trouble.clear()
    browser.open(folder / "forged.html")
    assert browser.ask("document.title") != "run"
    assert any("Content Security Policy" in text for text in browser.trouble)


@pytest.mark.parametrize(
    ("name", "seconds", "code"),
    [(b"huge.log", "99999999999999", 0), (b"digits.log", "9" * 5_000, 1), (b"\xff\xfe.log", "1436509052", 0)],
)
def test_a_log_of_no_time_that_can_be_or_no_name_that_is_text_ends_in_words(
    folder: Path, name: bytes, seconds: str, code: int
) -> None:
    log = folder / name.decode("utf-8", "surrogateescape")
    log.write_text("".join(f"({seconds}.{n}00000) can0 155#0797209454A0004A\n" for n in (1, 2)))
    found = plot(log, "--car", "ev-can", "-o", folder / "odd.html")
    assert found.exit_code == code, found.output
    assert found.exception is None or isinstance(found.exception, SystemExit)
