"""How somebody outside the bench hears the records: a line for `mosquitto_sub`, and what makes its output readable.

`mosquitto_sub … -F '%t %x' | python -m hil.listen` prints topic and JSON, packed payloads unpacked.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import packages
from .backend import payload
from .bench import Bench

TOPIC = "boitier/v1/+/up/#"


def command_line(bench: Bench) -> str | None:
    """The line with this bench's port, authority and the listener's own certificate; None without mosquitto_sub."""
    program = packages.find("mosquitto_sub")
    if program is None:
        return None
    who = bench.authority.issue("listener")
    argv = [
        program.name if packages.UNPACKED not in program.parents else str(program),
        *("-h", bench.broker.host, "-p", bench.broker.port, "--cafile", bench.authority.certificate),
        *("--cert", who.certificate, "--key", who.key, "-q", 1, "-t", TOPIC, "-F", "%t %x"),
    ]
    libraries = packages.environment(program, {}).get("LD_LIBRARY_PATH")
    line = shlex.join(map(str, argv)) + f" | {python()} -m hil.listen"
    return f"LD_LIBRARY_PATH={shlex.quote(libraries)} {line}" if libraries else line


def python() -> str:
    """This interpreter, as one types it in the project's folder."""
    program = Path(sys.executable)
    return str(program.relative_to(packages.ROOT)) if packages.ROOT in program.parents else str(program)


def readable(lines: Iterable[str]) -> Iterator[str]:
    """Topic and JSON of lines with a topic and hex digits; what cannot be read is shown as it is."""
    for line in lines:
        topic, _, data = line.strip().partition(" ")
        try:
            yield f"{topic} {json.dumps(payload.unpack(bytes.fromhex(data)), ensure_ascii=False)}"
        except ValueError:
            yield line.rstrip("\n")


def main() -> int:
    """Until the end of standard input, or Ctrl-C."""
    try:
        for line in readable(sys.stdin):
            print(line, flush=True)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on; no second complaint at exit
    return 0


if __name__ == "__main__":
    sys.exit(main())
