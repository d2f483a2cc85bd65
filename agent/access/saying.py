"""Pure: a refusal in the driver's language, with what to do next; times as a clock on a wall in Paris shows them.

The texts are in `config/texts/`, read when they are first needed. What is not here: the car in words
(`agent/cli/said.py`), and which letter the reader shows (`showing.py`).
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import config
from config import rules
from keyless.refusal import Refusal

from ..car.hours import paris
from .booking import HARD

TEXTS: Final = Path(config.__file__).with_name("texts")
LANGUAGES: Final = rules.LANGUAGES
TIMES: Final = ("since", "until", "free_at")
"""Names in a refusal's detail under which seconds since 1970 stand."""


def language_of(wanted: str) -> str:
    """One of `LANGUAGES`, for a tag like `fr-FR`; English for any other."""
    return wanted[:2].lower() if wanted[:2].lower() in LANGUAGES else "en"


def said(refusal: Refusal, language: str, now_s: float | None = None) -> str:
    """One to a few sentences; never raises on what a refusal's detail holds.

    now_s: where it is known, a time of today stands without its day.
    """
    texts = _texts(language_of(language))
    reasons = reasons_of(refusal)
    known = [texts["reason"][name] for name in reasons if name in texts["reason"]]
    if known:
        end = refusal.detail.get("reasons") is not None and set(reasons) <= set(HARD)
        return " ".join([texts["not_ended"], *known] if end else known)
    code = refusal.code.value
    at_s = next((refusal.detail[name] for name in TIMES if name in refusal.detail), None)
    timed = texts["refused_at"].get(code)
    if timed is None or not isinstance(at_s, int | float) or not 0 <= at_s < 1 << 36:
        return str(texts["refused"][code])
    return str(timed.format(time=_time(texts, at_s, now_s)))


def reasons_of(refusal: Refusal) -> list[str]:
    """Names of what exactly is in the way, beside the code."""
    listed, detail = refusal.detail.get("reasons"), refusal.detail
    if isinstance(listed, list | tuple):
        return [str(name) for name in listed]
    moving = {"yes": ["moving"], "maybe": ["maybe_moving"]}.get(str(detail.get("moving")), [])
    return moving + (["ignition_on"] if detail.get("ignition") is True else [])


def flagged(flags: Iterable[str], language: str) -> str:
    """What an end that was granted asks to look after (`booking.SOFT`); empty where there is nothing."""
    texts = _texts(language_of(language))["flag"]
    return " ".join(texts[name] for name in flags if name in texts)


def ended_but(flags: Iterable[str], language: str) -> str | None:
    """The same for a screen, after the good news; `None` where there is nothing."""
    told = flagged(flags, language)
    return f"{_texts(language_of(language))['ended']} {told}" if told else None


def when(at_s: float, language: str) -> str:
    """Day and time, as a clock on a wall in Paris shows them."""
    return _time(_texts(language_of(language)), at_s, None)


def text(table: str, name: str, language: str) -> str:
    """One text of a table. A missing one is a KeyError."""
    return str(_texts(language_of(language))[table][name])


@functools.cache
def _texts(language: str) -> dict[str, Any]:
    return tomllib.loads((TEXTS / f"{language}.toml").read_text(encoding="utf-8"))


def _time(texts: dict[str, Any], at_s: float, now_s: float | None) -> str:
    at = paris(at_s)
    time = str(texts["clock"].format(hour=at.hour, minute=at.minute))
    if now_s is not None and paris(now_s).date() == at.date():
        return time
    day, month = texts["days"][at.weekday()], texts["months"][at.month - 1]
    return str(texts["on_day"].format(time=time, day=day, number=at.day, month=month))
