"""Service: contacts beside the car's own words, each listened to on its own; what is not fitted or not known is `None`.

What is not here: what they mean for a booking (`agent/access/booking.py`), and lines and chips (`drivers/gpio/`).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from drivers.errors import DeviceError
from drivers.fitted import Input, InputPort
from drivers.ports import Clock

from ..sync.together import together


class Sensed(Struct, frozen=True):
    """What the rules look at. key_returned, card_returned: true where no holder is fitted (D16), `None` while unknown.
    door_open: `None` where no switch is fitted as well.
    """

    key_returned: bool | None = True
    card_returned: bool | None = True
    door_open: bool | None = None


class Inputs:
    """ports: only what is fitted."""

    name = "inputs"
    vital = False

    def __init__(self, clock: Clock, ports: Mapping[Input, InputPort]) -> None:
        self._clock, self._ports = clock, ports

    def active(self, name: Input) -> bool | None:
        port = self._ports.get(name)
        return port.value.active if port is not None else None

    def has(self, name: Input) -> bool:
        return name in self._ports

    def sensed(self) -> Sensed:
        return Sensed(
            self._returned(Input.KEY_HOLDER), self._returned(Input.CARD_HOLDER), self.active(Input.DOOR)
        )  # fmt: skip

    @property
    def fitted(self) -> bool:
        return bool(self._ports)

    @property
    def unreadable(self) -> bool:
        """For the alarm: something that is fitted tells nothing."""
        return any(port.trouble for port in self._ports.values())

    def status(self) -> dict[str, object]:
        """By name, only what is fitted: {active, age_s, source, trouble, counters}."""
        now_ns = self._clock.now().ns
        return {
            name.value: {
                "active": port.value.active,
                "age_s": round((now_ns - port.value.at.ns) / 1e9, 1),
                "source": port.value.source,
                "trouble": port.trouble,
                "counters": port.counters(),
            }
            for name, port in self._ports.items()
        }

    async def run(self) -> None:
        await together({f"input {name}": _listen(port) for name, port in self._ports.items()})

    async def close(self) -> None:
        for port in self._ports.values():
            port.close()

    def _returned(self, name: Input) -> bool | None:
        return self.active(name) if name in self._ports else True


async def _listen(port: InputPort) -> None:
    """The port keeps its newest value; here it is only made to move on."""
    while True:
        try:
            await port.next_value()
        except DeviceError:
            return
