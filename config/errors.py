"""Mistakes in what people write: all of them at once, each with file, key, what is wrong and what would be right."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One mistake. key: dotted path in the file, "" for the file as a whole. hint: what would be right."""

    file: str
    key: str
    problem: str
    hint: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: {self.problem}; {self.hint}"


class ConfigError(Exception):
    """Carries every `Problem` found, so that nobody mends them one run at a time."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint to a name that is not known."""
    from difflib import get_close_matches

    names = list(known)
    close = get_close_matches(name, names, 1, 0.4)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(names[:6])}{' ...' if len(names) > 6 else ''}"
