"""Which settings to start with: the file, else the last good copy (D15). What is right in them is `config/`."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Final

from msgspec import Struct

from config.errors import ConfigError, Problem
from config.settings import Settings, examine
from drivers.local import files

DEFAULT_CONFIG: Final = Path("/etc/boitier/agent.toml")
DEFAULT_STATE: Final = "/var/lib/boitier"
GOOD_COPY: Final = "settings.good.toml"
STATE_LINE: Final = r'(?m)^\s*state\s*=\s*["\'](/[^"\']*)["\']'
# D15: a broken car folder starts with the relay, and says so; a key holder without a line keeps no door shut, nor
# does a privacy policy that is not there: nothing is kept then. `tracking` is of the release before.
OPENS_ANYHOW: Final = {"vehicle.car", "booking.key_holder", "privacy", "tracking"}
OPENS_WITHOUT: Final = ("inputs.",)  # tables whose mistakes cost what they name and no more


class Chosen(Struct, frozen=True):
    """settings: to run with. file: where they were read. problems: of the file that was asked for, for the alarm.

    text: what was examined, whatever stands in the file by now.
    """

    settings: Settings
    file: Path
    problems: tuple[Problem, ...]
    text: bytes | None = None


def choose(config: Path) -> Chosen:
    """Raises `ConfigError` with every problem when there is nothing to start with."""
    try:
        text = files.read(config)
    except OSError:
        text = None  # `examine` says why
    settings, problems = examine(config, text)
    if settings is not None and not problems:
        return Chosen(settings, config, (), text)
    copy = state_folder(config) / GOOD_COPY
    kept, wrong = examine(copy)
    if kept is not None and _opens(wrong):
        return Chosen(kept, copy, problems)
    if settings is not None and _opens(problems):
        return Chosen(settings, config, problems)
    raise ConfigError(problems)


def _opens(problems: tuple[Problem, ...]) -> bool:
    return all(it.key in OPENS_ANYHOW or it.key.startswith(OPENS_WITHOUT) for it in problems)


def keep(chosen: Chosen) -> None:
    """The door could be opened with these: the next start may fall back on them. Raises `OSError`."""
    text = chosen.text
    if chosen.problems or text is None:
        return
    copy = Path(chosen.settings.state) / GOOD_COPY
    if not copy.is_file() or copy.read_bytes() != text:
        files.write_durably(copy, text)


def state_folder(config: Path) -> Path:
    """Where the good copy lies, as far as a broken file still tells; systemd and the default know it otherwise."""
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    told: object = None
    try:
        told = tomllib.loads(text).get("state")
    except tomllib.TOMLDecodeError:
        found = re.search(STATE_LINE, text)
        told = found[1] if found is not None else None
    if isinstance(told, str) and told.startswith("/"):
        return Path(told)
    return Path(os.environ.get("STATE_DIRECTORY", DEFAULT_STATE).partition(":")[0])
