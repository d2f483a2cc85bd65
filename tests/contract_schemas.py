"""docs/contract/schemas/, made of the shapes. `python -m tests.contract_schemas` writes them anew."""

from __future__ import annotations

import json
from pathlib import Path

from agent.sync import schema, wire

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "contract" / "schemas"


def files() -> dict[str, str]:
    """Text by file name."""
    return {name_of(kind): text_of(found) for kind, found in schema.schemas().items()}


def name_of(kind: wire.Kind) -> str:
    return schema.name_of(kind) + ".json"


def text_of(found: schema.Schema) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
