"""The pages are true as far as a machine can see: links lead somewhere, named files exist, cited numbers are defined.

What is not here: the wire's page against goldens and code (`test_wire.py`), and `--help` (`test_cli.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = ("agent", "buffer", "config", "drivers", "hil", "keyless", "systemd", "tests")
LATER = {"docs/results.md"}  # written by the long tests, not by hand; absent until they ran once
OTHERS_WORDS = {
    "R90": "a model of the Zoé",
    "P2": "a timer of ISO 14229-2",
}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TICKED = re.compile(r"`([^`\s]+)`")
A_PATH = re.compile(r"(?:agent|buffer|config|docs|drivers|hil|keyless|systemd|tests)/[\w./@-]*|[\w-]+\.(?:py|md|toml)")
A_TEST = re.compile(r"test_\w+")
CITED = re.compile(r"(?<![\w-])([RDP]\d{1,2})\b(?!-)")
IN_A_NAME = re.compile(r"def test_((?:[rdp]\d{1,2}_)+)")
DEFINED = re.compile(r"^\| ([RDP]\d{1,2}) \| (?!(?:now|partly|later) \|)", re.MULTILINE)
STANDS = re.compile(r"^\| ([RD]\d{1,2}) \| (now|partly|later) \|.*\|(.*)\|$", re.MULTILINE)


def page_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """As hosting pages make them of headings: lower case, words joined by hyphens."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=page_of)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    wrong = []
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        if not there.exists():
            wrong += [target] if page_of(there) not in LATER else []
        elif anchor and anchor not in anchors(there.read_text(encoding="utf-8")):
            wrong.append(target)
    assert not wrong


def named_files(text: str) -> Iterator[str]:
    """Paths in backticks. In a table a bare name (`worker.py`) lies beside the path before it in the same cell."""
    for line in text.splitlines():
        for cell in line.split("|") if line.startswith("|") else [line]:
            folder = ""
            for named in TICKED.findall(cell):
                name = named.split(":")[0]
                if not A_PATH.fullmatch(name):
                    continue
                if "/" in name:
                    folder = name.rsplit("/", 1)[0] + "/"
                    yield name
                elif folder and line.startswith("|"):
                    yield folder + name


@pytest.mark.parametrize("path", PAGES, ids=page_of)
def test_every_file_that_a_page_names_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if page_of(path) == "docs/decisions.md":  # D26 decides names of files that are still to come
        text = "\n".join(line for line in text.splitlines() if not line.startswith("| D26 |"))
    assert {name for name in named_files(text) if not (ROOT / name).exists()} - LATER == set()


def test_every_test_that_a_page_names_exists() -> None:
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "hil").rglob("test_*.py")]
    written = {name for path in files for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))}
    ticked = {name for path in PAGES for name in TICKED.findall(path.read_text(encoding="utf-8"))}
    named = {name for name in ticked if A_TEST.fullmatch(name)}
    assert len(named) > 30
    assert named - written == set()


def test_every_promise_names_the_tests_that_try_it() -> None:
    rows = [row for row in read("docs/promises.md").splitlines() if row.startswith("| ") and "proven by" not in row]
    assert len(rows) > 20
    assert [row for row in rows if not any(map(A_TEST.fullmatch, TICKED.findall(row.split("|")[-2])))] == []


def rooms(text: str) -> dict[str, list[str]]:
    """Package -> what its rows name in the second column; a row without a package goes on with the one before."""
    found, package = dict[str, list[str]](), ""
    for row in re.findall(r"^\| (`[^`]+` )?\| (`[^|]*) \|", text, re.MULTILINE):
        package = row[0].strip(" `") or package
        found.setdefault(package, []).extend(TICKED.findall(row[1]))
    return found


def test_every_module_of_the_product_stands_once_in_the_table_of_rooms_and_in_its_own() -> None:
    found = rooms(read("docs/architecture.md").split("## The rooms")[1].split("\n## ")[0])
    folders = [path for path in (ROOT / "agent").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert set(found) == {*map(page_of, folders), "drivers", "keyless", "buffer", "config"}
    for package, named in found.items():
        modules = [path.stem for path in (ROOT / package).glob("*.py") if not path.stem.startswith("__")]
        own = {f"{path.parent.name}/" for path in (ROOT / package).glob("*/*.py")}
        data = {name for name in named if name.endswith("/") and (ROOT / package / name).is_dir()} - own
        assert sorted(named) == sorted([*modules, *own, *data]), package


def cited(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    yield from CITED.findall(text)
    for name in IN_A_NAME.findall(text):
        yield from name.upper().strip("_").split("_")


def test_every_number_that_is_cited_is_defined() -> None:
    pages = [path for path in PAGES if path.name not in ("keyless.md", "README.md")]  # D2 is a byte there, R10 a law
    files = [path for package in CODE for path in sorted((ROOT / package).rglob("*")) if path.is_file()]
    sources = [path for path in files if path.suffix in (".py", ".toml", ".service") and path != Path(__file__)]
    defined = set(DEFINED.findall(read("docs/real-life.md") + read("docs/decisions.md"))) | set(OTHERS_WORDS)
    wrong = {f"{page_of(path)} cites {number}" for path in (*sources, *pages) for number in set(cited(path)) - defined}
    assert not wrong


def test_every_rule_and_decision_says_once_whether_it_stands() -> None:
    for page, letter in (("docs/real-life.md", "R"), ("docs/decisions.md", "D")):
        text = read(page)
        wanted = [number for number in DEFINED.findall(text.split("## What")[0]) if number.startswith(letter)]
        stands = STANDS.findall(text)
        assert [number for number, _, _ in stands] == wanted
        assert [number for number, word, guard in stands if word == "now" and "`" not in guard] == [], "unguarded"


def test_the_reading_of_pages_can_fail() -> None:
    assert list(named_files("| `agent/x.py` (a), `y.py` | `z.py` |")) == ["agent/x.py", "agent/y.py"]
    assert rooms("| `a` | `x` `y` | `z` |\n| | `w/` | |\n| `b` | `x` | |\n") == {"a": ["x", "y", "w/"], "b": ["x"]}
    assert IN_A_NAME.findall("def test_d3_d10_both() -> None:") == ["d3_d10_"]
    assert CITED.findall("R3 and (D14), P-256, ED25519, UN R155") == ["R3", "D14"]
    assert anchors("## What this version keeps\n") == {"what-this-version-keeps"}
    assert DEFINED.findall("| R1 | The charge point |\n| R2 | now | | `x` |\n") == ["R1"]
