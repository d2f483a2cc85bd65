"""The words that the prompt of the bench understands: one form a command, read, completed and explained from one list.

What is not here: doing it (`commands.py`), and any terminal (`prompt.py`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .truth import DOORS
from .words import Words

Value = str | int | float | bytes

# In capitals: something to fill in (`KINDS`). [brackets]: may be left out. help_… and kind_… are in the texts.
FORMS: Final[tuple[tuple[str, str], ...]] = (
    ("drive KM|home [back]", "help_drive"),
    ("ignition on|off", "help_ignition"),
    ("plug in|out", "help_plug"),
    ("charge stop|fault|start", "help_charge"),
    (f"door {'|'.join(DOORS)} open|shut", "help_door"),
    ("key unlock|lock", "help_key"),
    ("badge tap [clerk|private|stranger|HEX]", "help_badge"),
    ("book staff|private [TIME]", "help_book"),
    ("command unlock|lock|end", "help_command"),
    ("lock prove", "help_lock"),
    ("power cut|back", "help_power"),
    ("fault link cut|back", "help_fault_link"),
    ("fault link delay TIME", "help_fault_delay"),
    ("fault power cut|back", "help_power"),
    ("fault can down|up|delete|create", "help_fault_can"),
    ("fault gnss unplug|plug|dark|clear", "help_fault_gnss"),
    ("fault broker freeze|thaw|kill|restart|lie|honest", "help_fault_broker"),
    ("agent start|stop|kill", "help_agent"),
    ("agent log [N]", "help_agent_log"),
    ("status", "help_status"),
    ("records [N]", "help_records"),
    ("judge", "help_judge"),
    ("listen", "help_listen"),
    ("wait [TIME]", "help_wait"),
    ("help [WORD]", "help_help"),
    ("quit", "help_quit"),
)
SECONDS: Final = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}
MOST_KM: Final = 500.0
MOST_LINES: Final = 400


class Misunderstood(ValueError):
    """The text says which word, why, and what would be right."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What fits at a place. text: a word, or in capitals the kind of thing to fill in. about: a key of the texts."""

    text: str
    about: str = ""


def parse(line: str, words: Words) -> tuple[Value, ...]:
    """The command's words with filled-in values: KM as float, TIME in seconds, HEX as bytes, N as int; () for an empty
    line. Raises `Misunderstood`.
    """
    given = _split(line)
    if not given:
        return ()
    forms = [form.split() for form, _ in FORMS]
    for place in range(len(given) + 1):
        fitting = [form for form in forms if _fits(form, given[: place + 1])]
        if place < len(given) and not fitting:
            raise _astray(given, place, forms, words)
        forms = fitting or forms
    for form in forms:
        if all(_optional(slot) for slot in form[len(given) :]):
            values = [_value(slot, word) for slot, word in zip(form, given, strict=False)]
            return tuple(value for value in values if value is not None)
    wanted = words("or").join(choice.text for choice in _next(forms, len(given)))
    raise Misunderstood(words("unfinished", line=" ".join(given), wanted=wanted))


def complete(line: str) -> list[Choice]:
    """What may stand at the end of this beginning of a line, its last word being under way (or not begun)."""
    given = _split(line)
    begun = given.pop() if given and not line[-1:].isspace() else ""
    forms = [form.split() for form, _ in FORMS if _fits(form.split(), given)]
    return [choice for choice in _next(forms, len(given)) if choice.text.startswith(begun)]


def explain(word: str, words: Words) -> list[tuple[str, str]]:
    """Form and meaning of the commands that begin with this word; of all of them for "". Raises `Misunderstood`."""
    found = [(form, words(about)) for form, about in FORMS if word in ("", form.split()[0])]
    if not found:
        raise _astray([word], 0, [form.split() for form, _ in FORMS], words)
    return found


def duration(text: str) -> float:
    """Seconds of "2h", "30min", "5s", "200ms". Raises `ValueError`."""
    found = re.fullmatch(r"(\d{1,6}(?:[.,]\d{1,3})?)(ms|s|min|h)", text)
    if found is None:
        raise ValueError(text)
    return float(found[1].replace(",", ".")) * SECONDS[found[2]]


def distance(text: str) -> float:
    """Kilometres of "12km", "800m", "12". Raises `ValueError`."""
    found = re.fullmatch(r"(\d{1,6}(?:[.,]\d{1,3})?)(km|m)?", text)
    km = float(found[1].replace(",", ".")) / (1000 if found[2] == "m" else 1) if found else 0.0
    if not 0 < km <= MOST_KM:
        raise ValueError(text)
    return km


def badge(text: str) -> bytes:
    """Five bytes as ten hex digits. Raises `ValueError`."""
    if re.fullmatch(r"[0-9a-fA-F]{10}", text) is None:
        raise ValueError(text)
    return bytes.fromhex(text)


def count(text: str) -> int:
    """A number of lines. Raises `ValueError`."""
    if not text.isdecimal() or not 0 < int(text[:9]) <= MOST_LINES:
        raise ValueError(text)
    return int(text)


KINDS: Final[dict[str, Callable[[str], Value]]] = {
    "KM": distance, "TIME": duration, "HEX": badge, "N": count, "WORD": str,
}  # fmt: skip


def _split(line: str) -> list[str]:
    """Lower-case words; a number and its unit belong together ("12 km")."""
    line = line.partition("#")[0].lower()
    return re.sub(r"(\d)\s+(km|m|ms|s|min|h)(?=\s|$)", r"\1\2", line).split()


def _fits(form: Sequence[str], given: Sequence[str]) -> bool:
    return len(given) <= len(form) and all(
        _value(slot, word) is not None for slot, word in zip(form, given, strict=False)
    )


def _value(slot: str, word: str) -> Value | None:
    """What the word means at that place, None when it does not belong there."""
    for choice in slot.strip("[]").split("|"):
        if choice == word:
            return word
        if choice in KINDS:
            try:
                return KINDS[choice](word)
            except ValueError:
                continue
    return None


def _optional(slot: str) -> bool:
    return slot.startswith("[")


def _next(forms: Sequence[Sequence[str]], place: int) -> Iterator[Choice]:
    seen: set[str] = set()
    about = {tuple(form.split()): key for form, key in FORMS}
    for form in forms:
        for text in form[place].strip("[]").split("|") if place < len(form) else ():
            if text not in seen:
                seen.add(text)
                last = place == len(form) - 1 or place == 0
                yield Choice(text, f"kind_{text.lower()}" if text in KINDS else about[tuple(form)] if last else "")


def _astray(given: Sequence[str], place: int, forms: Sequence[Sequence[str]], words: Words) -> Misunderstood:
    """The sentence for a word that does not belong where it stands."""
    choices = list(_next(forms, place))
    word, before = given[place], " ".join(given[:place])
    if not choices:
        return Misunderstood(words("too_many", word=word, before=before))
    near = difflib.get_close_matches(word, [choice.text for choice in choices if choice.text not in KINDS], 1, 0.6)
    if near:
        return Misunderstood(words("did_you_mean", word=word, near=" ".join([*given[:place], near[0]])))
    if not place:
        return Misunderstood(words("unknown_word", word=word))
    kinds = [f"{c.text} ({words(c.about)})" if c.text in KINDS else c.text for c in choices]
    return Misunderstood(words("expected", word=word, before=before, wanted=words("or").join(kinds)))
