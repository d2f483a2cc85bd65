"""`boitier car decode --json` as people run it: `python -m tests.measured.decode LOG CAR`.

It lies here because it imports the product, which `hil/` may not.
"""

from __future__ import annotations

import sys

from agent.cli.group import boitier

if __name__ == "__main__":
    boitier(["car", "decode", "--json", "--car", sys.argv[2], sys.argv[1]])
