"""The house's laws, read from the sources: who may import whom, how long things may get, where a clock may be read.

Every ban carries its reason, so that a failing test teaches. Bans are lists of what must not be there (D26).
"""

from __future__ import annotations

import ast
import functools
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from agent.run.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("agent", "drivers", "keyless", "buffer", "config")
MEASURED = (*PRODUCT, "hil", "tests")
FILE_LINES, FUNCTION_LINES = 300, 50

PURE = "it is judged by vectors and replaced alone: bytes, time and state come in, a decision goes out"
SQL = "it is synchronous storage that knows no loop; the one-thread door to it is agent/sync/store.py"
PORTS = "the agent must never see a library's type: it speaks to drivers/ports.py"
ONE_WAY = "arrows point one way: agent -> drivers | keyless | buffer -> config"
OWN_WORDS = "the rig shares no code with what it tests, so that a wire mistake cannot cancel out"
STORAGE = "one connection in one thread, owned by buffer/: two writers can corrupt a WAL database"
CRYPTO = "signatures are judged in keyless/ alone, where they are tested against other encoders"

# package -> what it must not import (a module, or everything below it) -> why
BANS: dict[str, dict[str, str]] = {
    "config": dict.fromkeys(("agent", "drivers", "keyless", "buffer", "hil"), ONE_WAY),
    "drivers": dict.fromkeys(("agent", "keyless", "buffer", "hil"), ONE_WAY),
    "keyless": dict.fromkeys(("agent", "drivers", "buffer", "config", "hil"), ONE_WAY)
    | dict.fromkeys(("asyncio", "socket", "sqlite3", "time", "datetime", "logging", "threading", "subprocess"), PURE),
    "buffer": dict.fromkeys(("agent", "drivers", "keyless", "config", "hil"), ONE_WAY)
    | dict.fromkeys(("asyncio", "socket", "time", "datetime", "threading", "logging"), SQL),
    "agent": {"hil": ONE_WAY, "sqlite3": STORAGE, "sqlite_utils": STORAGE, "cryptography": CRYPTO}
    | dict.fromkeys(("can", "isotp", "serial", "paho", "pynmea2", "cantools", "dbus_fast", "gpiod"), PORTS),
    "hil": dict.fromkeys(("agent", "drivers", "keyless", "buffer"), OWN_WORDS),
}
# file -> module it may import in spite of the ban, and why
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("hil/fleet.py", "agent.sync"): "D26: the fleet runs the real code a thousand times",
}

CLOCKS = {
    "time": {
        "time", "time_ns", "monotonic", "monotonic_ns", "clock_gettime", "clock_gettime_ns", "perf_counter",
        "perf_counter_ns", "localtime", "gmtime", "sleep",
    },
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "loop": {"time"},
}  # fmt: skip
WHY_CLOCK = "time is an argument; only drivers/clock.py reads a clock, or a test cannot move it"


def sources(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Each file once: seven laws read all of them."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Absolute names of everything a file imports, also inside functions and under `if TYPE_CHECKING`."""
    inside = path.relative_to(ROOT).parent.parts
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = list(inside[: len(inside) - node.level + 1]) if node.level else []
            module = ".".join([*prefix, *([node.module] if node.module else [])])
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def within(module: str, banned: str) -> bool:
    return module == banned or module.startswith(banned + ".")


@pytest.mark.parametrize("package", BANS)
def test_arrows_point_one_way_and_every_ban_says_why(package: str) -> None:
    wrong = []
    for path in sources(package):
        file = name_of(path)
        for line, module in imports(path):
            for banned, why in BANS[package].items():
                excused = any(file == where and within(module, allowed) for where, allowed in EXCEPTIONS)
                if within(module, banned) and not excused:
                    wrong.append(f"{file}:{line} imports {module}: {why}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_the_rig_shares_the_car_data_with_the_product_and_nothing_else() -> None:
    wrong = [
        f"{name_of(path)}:{line} imports {module}: {OWN_WORDS}"
        for path in sources("hil")
        for line, module in imports(path)
        if within(module, "config") and not any(within(module, one) for one in ("config.car", "config.vocabulary"))
        if module != "config"  # the folder itself, which is empty
    ]
    assert not wrong, "\n".join(sorted(set(wrong)))


@pytest.mark.parametrize("package", PRODUCT)
def test_imports_are_relative_inside_a_package_and_absolute_between(package: str) -> None:
    """So that a move under one namespace would be a mechanical edit of the absolute ones only."""
    wrong = [
        f"{name_of(path)}:{node.lineno} imports {node.module} of its own package by its absolute name"
        for path in sources(package)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and not node.level and within(node.module or "", package)
    ]
    assert not wrong, "\n".join(wrong)


def clock_readings(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if node.attr in CLOCKS.get(owner, ()):
                yield node.lineno, f"{owner}.{node.attr}"
            if owner == "asyncio" and node.attr == "sleep":
                yield node.lineno, "asyncio.sleep"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield node.lineno, "from time import"


def test_only_drivers_clock_reads_a_clock() -> None:
    """Waiting is a reading too: outside of the drivers, which wait for real devices, it is the clock's `sleep`."""
    wrong = [
        f"{name_of(path)}:{line} uses {what}: {WHY_CLOCK}"
        for path in sources(*PRODUCT)
        if name_of(path) != "drivers/clock.py"
        for line, what in clock_readings(path)
        if what != "asyncio.sleep" or not (name_of(path).startswith("drivers/") or _yields_only(path, line))
    ]
    assert not wrong, "\n".join(wrong)


def _yields_only(path: Path, line: int) -> bool:
    """`asyncio.sleep(0)` gives others a turn and measures no time."""
    return "asyncio.sleep(0)" in path.read_text(encoding="utf-8").splitlines()[line - 1]


def test_no_file_is_longer_than_300_lines() -> None:
    """The tail separates readable houses from others; the file that runs away is always the one that coordinates."""
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in sources(*MEASURED)}
    assert not {name: length for name, length in lengths.items() if length > FILE_LINES}


def test_no_function_is_longer_than_50_lines() -> None:
    """A function that does not fit on a screen has a second one hidden in it."""
    long = []
    for path in sources(*MEASURED):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    long.append(f"{name_of(path)}:{node.lineno} {node.name} has {length} lines")
    assert not long, "\n".join(long)


def test_every_module_says_what_lives_in_it() -> None:
    silent = [name_of(path) for path in sources(*PRODUCT) if ast.get_docstring(parsed(path)) is None]
    assert not silent


def test_d24_package_files_hold_a_docstring_and_nothing_else() -> None:
    """What stands in an `__init__.py` is paid for at every start, on the way to an open door."""
    wrong = [
        name_of(path)
        for path in sources(*PRODUCT)
        if path.name == "__init__.py"
        and any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in _body(path))
    ]
    assert not wrong


def _body(path: Path) -> list[ast.stmt]:
    return parsed(path).body


def test_the_five_package_names_are_provided_by_our_distribution_alone() -> None:
    """Distributions called agent, buffer, config and drivers all exist: a collision would load a stranger's code."""
    providers = packages_distributions()
    for package in PRODUCT:
        assert set(providers.get(package, ["boitier"])) == {"boitier"}, package


def test_the_version_that_costs_nothing_to_read_is_the_version_of_the_distribution() -> None:
    """It stands twice because asking the package metadata takes 20 ms of the way to an open door (D24)."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_there_is_no_python_under_systemd() -> None:
    """A widely used binding imports under that very name: a package of ours there would hide it, or it ours."""
    assert list((ROOT / "systemd").rglob("*.py")) == []


def test_no_class_is_named_for_a_role_that_says_nothing() -> None:
    """Manager, Helper, Utils and Base name no duty; the field's own words do."""
    vague = ("Manager", "Helper", "Utils", "Util", "Base")
    wrong = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in sources(*PRODUCT)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith(vague)
    ]
    assert not wrong


def test_the_law_can_fail(tmp_path: Path) -> None:
    """The reading of imports and clocks is itself tried on a file that breaks every rule."""
    sample = tmp_path / "bad.py"
    sample.write_text("x = time.monotonic()\ny = datetime.datetime.now()\nfrom time import time\n")
    assert {what for _, what in clock_readings(sample)} == {"time.monotonic", "datetime.now", "from time import"}
    assert within("hil.world", "hil")
    assert not within("hilbert", "hil")
