"""What hangs on relays beside the lock, composed after READY: card supply, immobiliser, the cable's button. A list.

Until then a car is as its relays are at rest: it starts (R15). What is not here: when they move
(`agent/access/switching.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from drivers.fitted import SwitchAction
from drivers.lock.board import Board
from drivers.lock.relay import RelayLock
from drivers.lock.switch import RelayPulse, RelaySwitch

from ..access.choice import may_start_now
from ..access.switching import Held, SupplyFirst, Switching, supply_wanted

if TYPE_CHECKING:
    from .app import House

SUPPLY = SwitchAction.SUPPLY_ON, SwitchAction.SUPPLY_OFF
START = SwitchAction.RELEASE, SwitchAction.IMMOBILISE


class Boards:
    """By device, so that two relays of one board share its line; the lock's own is among them."""

    def __init__(self, house: House) -> None:
        self._clock = house.clock
        lock = house.lock.board if isinstance(house.lock, RelayLock) else None
        self._found = {} if lock is None else {lock.device: lock}
        self._own: list[Board] = []

    def at(self, device: str, baud: int) -> Board:
        if device not in self._found:
            self._own.append(Board(device, baud, self._clock))
            self._found[device] = self._own[-1]
        return self._found[device]

    def close(self) -> None:
        """Of the boards that are not the lock's: what they hold is let go."""
        for board in self._own:
            board.close()


def compose(house: House) -> Switching | None:
    """`None` where nothing is fitted that holds a state."""
    settings, clock, lockwork, scene = house.settings, house.clock, house.lockwork, house.scene
    supply, immobiliser, cable = settings.card_supply, settings.immobiliser, settings.cable

    def immobilised() -> bool:
        return lockwork.remembered.immobilised

    boards, held = Boards(house), list[Held]()
    moves: dict[SwitchAction, Callable[[], Awaitable[None]]] = {}
    first: SupplyFirst | None = None
    house.closing.append(boards.close)
    if immobiliser.allowed and immobiliser.device:
        port = RelaySwitch(
            boards.at(immobiliser.device, immobiliser.baud), immobiliser.channel, inverted=immobiliser.inverted
        )
        held.append(Held("immobiliser", port, START, lambda: not immobilised(), clock, lockwork, scene))
        moves |= held[-1].moves(START)
    if supply.device:
        port = RelaySwitch(boards.at(supply.device, supply.baud), supply.channel, inverted=supply.inverted)
        by_card = immobiliser.allowed and not immobiliser.device

        def withheld() -> bool:
            return by_card and immobilised()

        def wanted() -> bool | None:
            now = may_start_now(house.under.booking, house.bookings.believed())
            return supply_wanted(lockwork.remembered.may_start, withheld(), now)

        card = Held("card_supply", port, SUPPLY, wanted, clock, lockwork, scene)
        held.append(card)
        moves |= card.moves(SUPPLY)
        if by_card:
            moves |= card.moves(START)
        if supply.order == "supply_first":
            first = SupplyFirst(card, clock, scene, supply.delay_s, withheld)
    if cable.device:
        button = RelayPulse(boards.at(cable.device, cable.baud), cable.channel, cable.pulse_ms)
        moves[SwitchAction.RELEASE_CABLE] = button.press
    lockwork.fit(moves, first)
    if not held:
        return None
    return Switching(clock, house.door, lockwork, tuple(held), supply.delay_s)
