"""A real browser without a window, spoken to through its DevTools pipe: what a person would see, as pixels and text.

The program is `hil/packages.py`'s to find; tests skip where it is absent.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from hil import packages

PATIENCE_S = 60.0
COMMANDS_FD, ANSWERS_FD = 3, 4


class Browser:
    """One page. trouble: everything that the browser's console, the security policy or a script complained of."""

    def __init__(self, folder: Path) -> None:
        program = packages.browser()
        if program is None:
            pytest.skip(f"no browser: python3 -m hil.packages browser fetches {packages.BROWSER}")
        command_read, self._commands = os.pipe()
        self._answers, answer_write = os.pipe()
        arguments = [
            str(program), "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" {COMMANDS_FD}<&{command_read} {ANSWERS_FD}>&{answer_write}', "bash", *arguments],
            pass_fds=(command_read, answer_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**packages.environment(program), "HOME": str(folder)},
        )  # fmt: skip
        os.close(command_read)
        os.close(answer_write)
        self._buffer, self._number, self._session = b"", 0, ""
        self.trouble: list[str] = []
        self._seen: set[str] = set()
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        targets = self._send("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self._send("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._send(f"{domain}.enable")

    def look(self, width: int, height: int, dark: bool = False, touch: bool = False) -> None:
        """How large the window is, and which colours its owner likes."""
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", features=[scheme])
        self._send("Emulation.setTouchEmulationEnabled", enabled=touch)

    def open(self, path: Path) -> None:
        self._seen.discard("Page.loadEventFired")
        self._send("Page.navigate", url=path.resolve().as_uri())
        while "Page.loadEventFired" not in self._seen:
            self._receive(time.monotonic() + PATIENCE_S)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self._send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def mouse(self, kind: str, x: float, y: float) -> None:
        """kind: mouseMoved, mousePressed or mouseReleased."""
        pressed = {"button": "left", "buttons": 1, "clickCount": 1} if kind != "mouseMoved" else {}
        self._send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def drag(self, x: float, y: float, to_x: float) -> None:
        self.mouse("mousePressed", x, y)
        for step in range(1, 6):
            at = x + (to_x - x) * step / 5
            self._send("Input.dispatchMouseEvent", type="mouseMoved", x=at, y=y, button="left", buttons=1)
        self.mouse("mouseReleased", to_x, y)

    def picture(self, path: Path, whole: bool = True) -> None:
        """A PNG of the window, or of the whole page."""
        data = self._send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self._send("Page.printToPDF", printBackground=False)["data"])

    def close(self) -> None:
        os.close(self._commands)  # the browser ends with its pipe
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)

    # --- the pipe: JSON objects that end in a zero byte

    def _send(self, method: str, **parameters: object) -> Any:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            told = self._receive(deadline)
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._answers, 1 << 16)
            assert data, "the browser is gone"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        self._note(told.get("method", ""), told.get("params", {}))
        return told

    def _note(self, method: str, told: dict[str, Any]) -> None:
        self._seen.add(method)
        if method == "Runtime.exceptionThrown":
            self.trouble.append(str(told["exceptionDetails"].get("exception", told["exceptionDetails"])))
        elif method == "Log.entryAdded":
            self.trouble.append(told["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.trouble.append(str(told["args"]))
        elif method == "Network.requestWillBeSent" and not told["request"]["url"].startswith(("file:", "about:")):
            self.trouble.append("asks for " + told["request"]["url"][:100])
