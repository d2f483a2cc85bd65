"""What the local control socket answers: the command line talks to this, never to the parts.

What is not here: the socket itself (`drivers/local/control.py`) and what is counted (`health.py`).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping

from drivers.local.control import ControlSocket

Operation = Callable[[], Awaitable[object]]
Told = Callable[[Mapping[str, object]], Awaitable[object]]


class Control:
    """Requests are `{"op": name}`; answers `{"ok": true, name: …}` or `{"ok": false, "why": …}`.

    told: operations that look at more of the request than its name. at_ready: the modules that were loaded at READY.
    """

    def __init__(
        self, operations: Mapping[str, Operation], told: Mapping[str, Told] | None = None,
        at_ready: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self._operations: dict[str, Operation] = {**operations, "modules": self._modules}
        self._told = dict(told or {})
        self._at_ready = at_ready

    async def answer(self, request: Mapping[str, object]) -> dict[str, object]:
        """Never raises for what comes from outside."""
        name = request.get("op")
        known = isinstance(name, str) and (name in self._operations or name in self._told)
        if not known:
            return {"ok": False, "why": f"op must be one of {', '.join(sorted({*self._operations, *self._told}))}"}
        try:
            told = self._told.get(str(name))
            answer = await told(request) if told is not None else await self._operations[str(name)]()
            return {"ok": True, str(name): answer}
        except Exception as exc:  # the asker is told; the daemon goes on
            return {"ok": False, "why": f"{type(exc).__name__}: {exc}"}

    async def _modules(self) -> dict[str, list[str]]:
        return {"at_ready": sorted(self._at_ready), "now": sorted(sys.modules)}


class Answering:
    """The control socket as a part, so that it is watched and stopped like the others."""

    name = "control"
    vital = False

    def __init__(self, socket: ControlSocket) -> None:
        self._socket = socket

    async def run(self) -> None:
        await self._socket.open()
        await asyncio.Event().wait()

    async def close(self) -> None:
        await self._socket.close()
