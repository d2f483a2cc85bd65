"""`python -m agent --config FILE`: the daemon, as the systemd unit starts it. No command line library on the way (D24)."""

from __future__ import annotations

import sys

from .run.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
