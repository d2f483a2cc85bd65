"""What the command line says to people about their car, in English and French. The texts are in `texts/`.

What is not here: which text is said when (`said.py`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

TEXTS: Final = Path(__file__).with_name("texts")
LANGUAGES: Final = tuple(sorted(path.stem for path in TEXTS.glob("*.toml")))


class Words:
    """Texts of one language: `words("supply", volts="12.6")`. A missing key is a KeyError."""

    def __init__(self, language: str) -> None:
        self._texts: dict[str, str] = tomllib.loads((TEXTS / f"{language}.toml").read_text(encoding="utf-8"))

    def __call__(self, key: str, **values: str) -> str:
        return self._texts[key].format(**values)

    def keys(self) -> frozenset[str]:
        return frozenset(self._texts)

    def number(self, value: float, digits: int = 0) -> str:
        """As this language writes it: 41,230.5 or 41 230,5."""
        whole, _, rest = f"{value:,.{digits}f}".partition(".")
        return whole.replace(",", self._texts["thousands"]) + (self._texts["decimal"] + rest if rest else "")

    def age(self, seconds: float) -> str:
        """In the largest unit of which there are two or more."""
        for unit, length in ((self._texts["day"], 86_400), ("h", 3_600), ("min", 60)):
            if seconds >= 2 * length:
                return f"{seconds / length:.0f} {unit}"
        return f"{max(seconds, 0):.0f} s"

    def span(self, minutes: float) -> str:
        """A time to wait."""
        hours, rest = divmod(round(minutes), 60)
        return f"{hours} h {rest:02d} min" if hours else f"{rest} min"


def language_of(environment: Mapping[str, str]) -> str:
    """The language that the locale asks for, English where it asks for another: first of LC_ALL, LC_MESSAGES, LANG."""
    asked = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return asked[:2] if asked[:2] in LANGUAGES else "en"
