"""`python -m hil`: the bench's commands."""

from __future__ import annotations

import sys

USAGE = """usage: python -m hil COMMAND [OPTIONS]

  demo   one working day of a shared Zoé, told and compared (python -m hil demo --help)
  up     a bench to play with: drive, break things, tap badges (python -m hil up --help)
  play   a broker, and a car that speaks until a backend has committed it: for whoever writes one
  do     one command for the bench that runs, from another terminal (python -m hil do help)
"""


def main() -> int:
    """Loads only the command that is asked for."""
    match sys.argv[1:]:
        case ["demo", *rest]:
            from . import demo

            return demo.main(rest)
        case ["up", *rest]:
            from . import prompt

            return prompt.main(rest)
        case ["play", *rest]:
            from . import play

            return play.main(rest)
        case ["do", *rest]:
            from . import remote

            return remote.main(rest)
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
