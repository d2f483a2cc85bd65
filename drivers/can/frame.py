"""From a car to what the kernel is asked for. The values are in `drivers.ports`; what never lives here: a socket."""

from __future__ import annotations

from typing import Final

from config.car import CarModel, Phase, WakeBlock

from ..ports import Subscription

HEARD_MS: Final = 1_000  # a sign of life is good for a minute: more than one a second would only cost
ASLEEP_MS: Final = 250  # the last word before silence; the kernel tells it when the interval is over


def subscriptions(car: CarModel, phase: Phase) -> tuple[Subscription, ...]:
    """Every mapped message at the rate wanted in this phase.

    A message with both kinds of fields comes twice: once for every change of its doors, lock, plug or ignition (D28),
    once at most every interval for the rest. Only the first of the two watches for silence.
    """
    wanted: list[Subscription] = []
    for message in car.messages:
        silence = message.silence_ms
        if any(message.prompt_mask):
            wanted.append(Subscription(message.can_id, message.extended, message.prompt_mask, 0, silence))
            silence = 0
        if any(message.sampled_mask):
            interval = message.interval_ms[phase]
            wanted.append(Subscription(message.can_id, message.extended, message.sampled_mask, interval, silence))
    if car.wake is not None:
        wanted += _signs(car.wake, {(message.can_id, message.extended) for message in car.messages})
    return tuple(wanted)


def _signs(wake: WakeBlock, mapped: set[tuple[int, bool]]) -> list[Subscription]:
    """Frames that tell only whether the car is awake: by id, since what they say need not change. A flood of them costs
    a few events a second.
    """
    rates = dict.fromkeys(wake.heard, HEARD_MS)
    rates |= {(can_id, extended): ASLEEP_MS for can_id, extended, _mask, _data in wake.asleep}
    return [Subscription(*key, b"", rate, 0) for key, rate in rates.items() if key not in mapped]
