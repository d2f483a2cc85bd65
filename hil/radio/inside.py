"""The program of the emulated machine: a virtual controller, the real bluetoothd, the car, four phones, one story.

Leaves in its results folder `outcome.json` (what was seen, step by step), `car.btsnoop` and `bluetoothd.log`. What is
expected of it stands in `hil/scenarios/test_radio.py`. `python -m hil.radio.inside RESULTS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bumble.controller import Controller
from bumble.link import LocalLink
from bumble.transport import open_transport
from cryptography.hazmat.primitives.asymmetric import ec

from .. import beside, packages, tokens
from .hci_log import Snoop
from .phone import Phone, Refused

CAR = "F0:F1:F2:F3:F4:F5"
VEHICLE, SECRET, OPERATOR = bytes(range(8)), bytes(range(32)), "perche"
DAY_S = 86_400
PATIENCE_S = 60.0
START_S = 170.0  # of the daemon, under emulation
BUS = "unix:path=/run/radio-bus"
BUS_RULES = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>{BUS}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow eavesdrop="false"/><allow own="*"/></policy></busconfig>
"""


class Tap:
    """Between kernel and controller; a copy of each packet goes to the log. received: by the kernel."""

    def __init__(self, log: Snoop, sink: Any, *, received: bool) -> None:
        self._log, self._sink, self._received = log, sink, received

    def on_packet(self, packet: bytes) -> None:
        self._log.note(packet, received=self._received)
        self._sink.on_packet(packet)


class Radio:
    """The car's end: controller, message bus, bluetoothd, and the car as a process."""

    def __init__(self, results: Path, settings: dict[str, Any]) -> None:
        self.air = LocalLink()
        self.told: dict[str, Any] = {"trouble": "not started", "counters": {}}
        self._results, self._settings = results, settings
        self._log = (results / "bluetoothd.log").open("ab")
        self._bluetoothd: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Up to a car that phones can find. Raises TimeoutError."""
        kernel = await open_transport("vhci")
        snoop = Snoop((self._results / "car.btsnoop").open("wb", buffering=0))
        self.controller = Controller(
            "car", host_sink=Tap(snoop, kernel.sink, received=True), link=self.air, public_address=CAR
        )
        kernel.source.set_packet_sink(Tap(snoop, self.controller, received=False))
        # This link names senders by their random address, the kernel by the public one: they have to be the same.
        self.controller.random_address = self.controller.public_address
        self._start_bus()
        await until(lambda: Path("/run/radio-bus").exists())
        self.start_stack()
        self._car = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.radio_car", json.dumps(self._settings)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._listening = asyncio.create_task(self._listen())
        await self.registered()

    def _start_bus(self) -> None:
        Path("/run/radio-bus.conf").write_text(BUS_RULES)
        daemon = packages.find("dbus-daemon")
        assert daemon is not None
        rules = "--config-file=/run/radio-bus.conf"
        subprocess.Popen([daemon, "--nofork", "--nopidfile", rules], env=packages.environment(daemon))

    async def _listen(self) -> None:
        assert self._car.stdout is not None
        while line := await self._car.stdout.readline():
            self.told = json.loads(line)

    async def registered(self) -> None:
        await until(lambda: self.told["trouble"] == "", START_S)

    def start_stack(self) -> None:
        program = packages.bluetoothd()
        assert program is not None
        env = packages.environment(program) | {"DBUS_SYSTEM_BUS_ADDRESS": BUS}
        self._bluetoothd = subprocess.Popen([program, "-n", "-d"], env=env, stdout=self._log, stderr=self._log)

    async def end_stack(self) -> None:
        assert self._bluetoothd is not None
        self._bluetoothd.terminate()
        await asyncio.to_thread(self._bluetoothd.wait)

    def look_up(self) -> None:
        """The car's receiver sees the sky from now on."""
        assert self._car.stdin is not None
        self._car.stdin.write(b"\n")

    def name(self) -> str:
        """The local name in the controller's scan response, as a phone's scanner would be sent it."""
        for shown in self.controller.advertising_sets.values():
            data = bytes(shown.scan_response_data)
            while shown.enabled and data:
                if data[1] == 0x09:
                    return data[2 : data[0] + 1].decode()
                data = data[data[0] + 1 :]
        return ""


class Story:
    """What happens, in order; `seen` is what a reader of the outcome gets."""

    def __init__(self, results: Path) -> None:
        self.seen: dict[str, Any] = {}
        self._results = results
        self._issuer, self._roots = tokens.Issuer(OPERATOR), tokens.Roots.fresh()
        self._now_s = now = int(time.time())
        keyset = tokens.keyset(self._roots, [(self._issuer, ["driver"])], 1, now - DAY_S, now + DAY_S)
        settings = {"keyset": keyset.hex(), "roots": self._roots.public, "secret": SECRET.hex(), "bus": BUS}
        self._radio = Radio(results, settings | {"vehicle": VEHICLE.hex(), "operator": OPERATOR})
        self._began = time.monotonic()

    def see(self, name: str, what: object) -> None:
        self.seen[name] = what
        print(f"[{time.monotonic() - self._began:6.1f}] {name}: {what}", flush=True)

    def end(self) -> None:
        """Leave what was seen, then have the machine switched off."""
        (self._results / "outcome.json").write_text(json.dumps(self.seen, indent=1))
        Path("/run/over").touch()

    async def play(self) -> None:
        await self._radio.start()
        self.see("registered", True)
        self.see("tag without a day", {"due": tag(b" fallback"), "shown": self._radio.name()})
        await self._the_day_is_known()
        phones = [await Phone.on_air(number, self._radio.air) for number in range(4)]
        alice, carol = Driver(phones[0]), Driver(phones[2])
        alice.token, carol.token = self._token(alice, 1), self._token(carol, 1)
        await alice.phone.connect(CAR)
        self.see("opened", await alice.opens("unlock"))
        thief = Driver(phones[1], token=alice.token)
        await thief.phone.connect(CAR)
        self.see("stolen token", await thief.opens("unlock"))
        await carol.phone.connect(CAR)
        self.see("second driver", await carol.opens("lock"))
        try:
            await phones[3].connect(CAR)
            self.see("fourth phone", (await phones[3].hear())[0])
        except Refused as refused:
            self.see("fourth phone", refused.code)
        for phone in phones[:3]:
            await phone.leave()
        await self._extended_and_ended(alice)
        await self._restart(carol)
        await self._told()
        self.see("car", self._radio.told)

    def _token(self, driver: Driver, revision: int, hours: int = 1, booking: int = 42) -> bytes:
        now, actions = self._now_s, tokens.DRIVER_ACTIONS | tokens.ACTIONS["extend"]
        order = tokens.Order(
            VEHICLE, booking, now - 60, now + hours * 3600, now - 60, holder=driver.key, actions=actions,
            revision=revision,
        )  # fmt: skip
        return self._issuer.token(order)

    async def _the_day_is_known(self) -> None:
        """The receiver sees the sky."""
        self._radio.look_up()
        day = (int(time.time()) // DAY_S).to_bytes(4, "big")
        with contextlib.suppress(TimeoutError):  # the two names in the outcome tell
            await until(lambda: self._radio.name() == tag(day))
        self.see("tag today", {"due": tag(day), "shown": self._radio.name()})

    async def _extended_and_ended(self, driver: Driver) -> None:
        """A second revision of the token, which only this phone has; then the end with its receipt."""
        await driver.phone.connect(CAR)
        driver.token = self._token(driver, 2, hours=2)
        self.see("extended", await driver.opens("extend"))
        self.see("paid until", self._now_s + 7200)
        self.see("ended", await driver.asks("end"))
        kind, receipt = await driver.phone.hear()
        self.see("receipt", {"type": kind, "bytes": receipt.hex()})
        await driver.phone.leave()

    async def _restart(self, driver: Driver) -> None:
        """bluetoothd ends and comes back; the car is found again and answers again."""
        await until(lambda: self._radio.name() != "")
        await self._radio.end_stack()
        await until(lambda: self._radio.told["trouble"] != "")
        self.see("trouble without a stack", self._radio.told["trouble"])
        self._radio.start_stack()
        await self._radio.registered()
        await driver.phone.connect(CAR)
        driver.token = self._token(driver, 1, booking=43)
        self.see("opened after restart", await driver.opens("unlock"))
        await driver.phone.leave()

    async def _told(self) -> None:
        """Until the car has told of what is now."""
        before = self._radio.told
        await until(lambda: self._radio.told is not before)
        before = self._radio.told
        await until(lambda: self._radio.told is not before)


@dataclass(slots=True)
class Driver:
    """A phone with a key of its own and a token, which need not fit each other."""

    phone: Phone
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    token: bytes = b""
    counter: int = 0
    nonce: bytes = b""

    async def opens(self, action: str) -> dict[str, Any]:
        """Hello, token, command, answer."""
        kind, hello = await self.phone.hear()
        assert kind == beside.HELLO, kind
        self.nonce = beside.read_hello(hello).nonce
        return await self.asks(action, (beside.TOKEN, self.token))

    async def asks(self, action: str, *first: tuple[int, bytes]) -> dict[str, Any]:
        """Another command on the same link, by the nonce of the last answer."""
        self.counter += 1
        command = beside.command(self.key, self.token, self.nonce, action, self.counter)
        await self.phone.say(*first, (beside.COMMAND, command))
        kind, body = await self.phone.hear()
        while kind == beside.RECEIPT:  # of the command before
            kind, body = await self.phone.hear()
        assert kind == beside.ANSWER, kind
        answer = beside.read_answer(body)
        self.nonce = answer.nonce
        told = asdict(answer)
        del told["nonce"]
        return told


def tag(what: bytes) -> str:
    """The name on the air, as docs/keyless.md section 6 makes it."""
    return hmac.new(SECRET, b"nearby" + what, hashlib.sha256).digest()[:8].hex()


async def until(there: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(patience_s):
        while not there():
            await asyncio.sleep(0.05)


async def main() -> None:
    results = Path(sys.argv[1])
    story = Story(results)
    try:
        async with asyncio.timeout(float(sys.argv[2])):
            await story.play()
    except Exception as error:
        story.see("mishap", repr(error))
        traceback.print_exc()
    story.end()
    await asyncio.sleep(PATIENCE_S)  # by ending, it would take the controller from the kernel, which waits 20 s for it


if __name__ == "__main__":
    asyncio.run(main())
