"""What the local control socket answers: the command line and the technician page talk to this, never to the parts.

What is not here: the socket itself (`drivers/local/control.py`) and what is counted (`health.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping

Operation = Callable[[], Awaitable[object]]


class Control:
    """Requests are `{"op": name}`; answers `{"ok": true, name: …}` or `{"ok": false, "why": …}`."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self._operations = {**operations, "modules": self._modules}
        self._at_ready: frozenset[str] = frozenset()

    def ready(self) -> None:
        """Called once, at READY: notes what is loaded by then."""
        self._at_ready = frozenset(sys.modules)

    async def answer(self, request: Mapping[str, object]) -> dict[str, object]:
        """Never raises for what comes from outside."""
        name = request.get("op")
        operation = self._operations.get(name) if isinstance(name, str) else None
        if operation is None:
            return {"ok": False, "why": f"op must be one of {', '.join(sorted(self._operations))}"}
        try:
            return {"ok": True, str(name): await operation()}
        except Exception as exc:  # the asker is told; the daemon goes on
            return {"ok": False, "why": f"{type(exc).__name__}: {exc}"}

    async def _modules(self) -> dict[str, list[str]]:
        return {"at_ready": sorted(self._at_ready), "now": sorted(sys.modules)}
