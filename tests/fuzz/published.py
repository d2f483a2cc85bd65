"""The published cases of docs/vectors/keyless as inputs to begin with: most are refused, each at another step.

Their keys are those of `tests/keyless_world.py`, so what they signed is as good as what is signed here.
"""

from __future__ import annotations

from tests.keyless_vectors import cases


def published(file: str, name: str) -> list[bytes]:
    """The bytes called `name` in the cases of a file, each once, without the noughts of those that are too long."""
    return sorted({bytes.fromhex(case[name]) for case in cases(file) if name in case})
