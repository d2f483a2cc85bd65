"""From a car to what the kernel is asked for. The values are in `drivers.ports`; what never lives here: a socket."""

from __future__ import annotations

from config.car import CarModel, Phase

from ..ports import Subscription


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
    return tuple(wanted)
