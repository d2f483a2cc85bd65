"""`python -m agent --config FILE`: the daemon, as the systemd unit starts it; no command line library on the way."""

from __future__ import annotations

import gc
import sys

gc.disable()  # importing makes no garbage, only work for the collector; it is turned on at READY

from .run.app import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
