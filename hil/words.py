"""What the bench says to people, in English and French; refusals in plain words. The texts are in `texts/`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

TEXTS: Final = Path(__file__).with_name("texts")
LANGUAGES: Final = tuple(sorted(path.stem for path in TEXTS.glob("*.toml")))


class Words:
    """Texts of one language: `words("drives", who="the clerk", km=1.2)`. A missing key is a KeyError."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts: dict[str, str] = tomllib.loads((TEXTS / f"{language}.toml").read_text(encoding="utf-8"))
        phrases = TEXTS / "phrases" / f"{language}.toml"  # English needs none: it is what the oracle speaks
        found = tomllib.loads(phrases.read_text(encoding="utf-8")) if phrases.is_file() else {}
        self._phrases: dict[str, str] = dict(sorted(found.items(), key=lambda pair: -len(pair[0])))

    def __call__(self, key: str, **values: object) -> str:
        return self._texts[key].format(**values)

    def all_keys(self) -> frozenset[str]:
        return frozenset(self._texts)

    def phrase(self, text: str) -> str:
        """A cell of the oracle's table in this language; what no phrase covers stays as it is."""
        for english, said in self._phrases.items():
            text = text.replace(english, said)
        return text

    def refusal(self, code: str) -> str:
        """Plain words for a refusal code; the code itself where there are none."""
        return self._texts.get(f"code_{code}", code)
