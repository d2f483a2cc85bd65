"""`python -m hil.vectors --write docs/vectors/keyless`: write the cases; a second run writes the same bytes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .files import texts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m hil.vectors", description=__doc__)
    parser.add_argument("--write", type=Path, required=True, metavar="FOLDER", help="where the JSON files go")
    folder: Path = parser.parse_args().write
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
