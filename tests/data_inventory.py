"""docs/data-inventory.md, made from the catalogue. `python -m tests.data_inventory` writes it anew."""

from __future__ import annotations

from pathlib import Path

from agent.car.sampler import COLUMNS
from agent.sync.inventory import READING, SAMPLES, Point, points

PAGE = Path(__file__).resolve().parents[1] / "docs" / "data-inventory.md"
HEADINGS = ("data", "what it is", "purpose", "kept", "who gets it", "about a person")
TITLES = {
    "fact": "Every fact carries",
    READING: "A reading (`start`, `end`, `reading`, `plug_in`, `unplug`)",
    SAMPLES: "Samples: once a second while driving, once a minute in a booking",
    "state": "The newest state (`up/state`)",
    "result": "The answer to a command (`up/result`)",
    "box": "What else lies on the box's disk",
}
HEAD = """# What the box knows: the inventory of data

Every data point that a box writes, sends or keeps: for the register of processing, the impact assessment and the notice
to users. Made by the code (`python -m tests.data_inventory`) and tested against it; for machines:
`boitier buffer inventory --json`.

- The box knows numbers and ids: no name, mail, telephone, number plate or VIN is stored or sent (P6). Who booking 4711
  is, the operator knows. "About a person": it can be, through a booking's number or a holder's id.
- What is kept of positions is decided by the policy ([privacy.toml](../config/privacy.toml)) before anything is stored
  (P4). A private booking has no track, whatever the policy says (R27).
- `position_days` and `sample_days` are the policy's, and count whether the data was ever sent or not (P5). `keep_days`
  are the settings': after the backend has said that it has the data, for a backend restored from a backup. How long the
  backend keeps what it got is for the operator's register.
- Of one booking: `boitier buffer export --booking N` and `boitier buffer erase --booking N` (P9). Of everybody:
  `boitier buffer erase --all` (P8). Of people it leaves two things, by a pseudonym: how often a badge that proves
  itself was read (`sun/`), and which of the last sixteen bookings a code has ended, with the code's day
  (`access/forced`); a copied reading or a used code would count again. Emptying the state folder takes them too.
- Over Bluetooth whoever stands beside the car is told the name of the day, the car's time and three version numbers; a
  driver whose key signed, what became of the wish and the receipt of it; anybody who asks, records sealed for the
  operator's backend ([keyless.md](keyless.md) sections 1.10 and 6). Nothing of it is kept but counters.
"""


def page(listed: tuple[Point, ...]) -> str:
    lines = [HEAD]
    for where in dict.fromkeys(point.where for point in listed):
        title = TITLES.get(where) or f"Fact `{where.removeprefix('fact ')}`"
        lines += [f"## {title}\n", f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
        for it in listed:
            if it.where == where:
                cells = (f"`{it.key}`", it.what, it.purpose, it.retention, it.recipient, "yes" if it.personal else "no")
                lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    PAGE.write_text(page(points(COLUMNS)), encoding="utf-8")


if __name__ == "__main__":
    main()
