"""Parts of one service that end together: when one ends or fails, so do the others.

What is not here: restarting a service (`agent/run/supervisor.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any


async def together(parts: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Until the first of them ends; what it raised is raised. parts: by the names that their tasks carry."""
    tasks = [asyncio.create_task(part, name=name) for name, part in parts.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
