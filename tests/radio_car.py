"""The car of the radio bench as a process: the real daemon with ptys for its serial lines and a broker that
no network leads to; no CAN.

Started inside the emulated machine by `hil/radio/inside.py` with what it trusts as JSON; a line in means that its
receiver sees the sky from now on, lines out tell of its Bluetooth, its lock's relay and its records.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
from pathlib import Path
from typing import Any

from hil.backend.ca import Authority
from tests import agent_process
from tests.agent_process import OPERATOR, UNLOCK_ON, VEHICLE, Box

FOLDER = Path("/run/box")
NOWHERE = "192.0.2.1:8883"  # RFC 5737: an address of nobody
LOCK_ON = bytes.fromhex("a00201a3")
TOLD_S = 0.5
agent_process.PATIENCE_S = 150.0  # under emulation


def box(settings: dict[str, Any]) -> Box:
    """Trusting the bench's issuer, and with the adapter of the emulated machine."""
    made = Box(FOLDER)
    (FOLDER / "keyset.cbor").write_bytes(bytes.fromhex(settings["keyset"]))
    text = re.sub(r"(?m)^roots = .*$", f"roots = {settings['roots']}", made.config.read_text())
    text = text.replace(VEHICLE, settings["vehicle"]).replace(f'"{OPERATOR}"', f'"{settings["operator"]}"')
    ca = Authority(FOLDER / "ca")
    car = ca.issue(settings["vehicle"])
    text += f'[cloud]\nbrokers = ["{NOWHERE}"]\nca = "{ca.certificate}"\n'
    text += f'certificate = "{car.certificate}"\nkey = "{car.key}"\n'
    made.config.write_text(text + f'[bluetooth]\nadapter = "hci0"\nsecret = "{settings["secret"]}"\n')
    return made


def told(car: Box) -> dict[str, Any]:
    """What this bench looks at, in one line."""
    if select.select([car.relay.end], [], [], 0)[0]:
        car.relay.heard += os.read(car.relay.end, 4096)
    status = car.ask("status")
    phones = status["phones"]
    return {
        "trouble": phones.get("trouble", "not composed yet"),
        "counters": phones.get("counters", {}),
        "pulses": {"unlock": car.relay.heard.count(UNLOCK_ON), "lock": car.relay.heard.count(LOCK_ON)},
        "booking": status["door"]["booking"],
        "clock": status["clock"]["source"],
        "key": status["vehicle_key"]["public"],
        "link": {name: status["link"].get(name) for name in ("configured", "connected", "trouble")},
    }


def main() -> None:
    settings = json.loads(sys.argv[1])
    car = box(settings)
    try:
        car.start(DBUS_SYSTEM_BUS_ADDRESS=settings["bus"])
        tell(car)
    finally:
        print(car.output(), file=sys.stderr)
        car.close()


def tell(car: Box) -> None:
    """Until the end of the lines in, which is the end."""
    sky = False
    while True:
        print(json.dumps(told(car)), flush=True)
        if select.select([sys.stdin], [], [], TOLD_S)[0]:
            if not sys.stdin.readline():
                return
            sky = True
        if sky:
            car.fix()
            time.sleep(0.3)


if __name__ == "__main__":
    main()
