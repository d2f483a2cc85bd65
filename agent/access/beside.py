"""What a phone's command does, in the door's turn: judged, its counter durable with the intent, carried out once.

What is not here: links and messages (`phones.py`), what may move (`deciding.py`), the order of durability
(`lockwork.py`). Nonces live and die with the link (D13); here are the counters and the answers that a repeat gets.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Final, TypeGuard

from msgspec import Struct
from msgspec.structs import replace

from drivers.ports import Feedback
from keyless import near
from keyless.claims import Action, Booking, Claims
from keyless.near import Answer, NearCommand, Said
from keyless.refusal import Code, Refusal, refused
from keyless.token import token_hash

from ..sync import stored
from ..sync.store import Store, StoreBroken
from .authority import Authority
from .bookings import Bookings
from .decisions import Decided, Decisions
from .saying import reasons_of
from .scene import Scene
from .sparing import Sparing
from .unbelieved import for_anybody, signed_near, vouched

log = logging.getLogger(__name__)

COUNTER: Final = "near/counter/"
REMEMBERED: Final = 64  # answers; only commands that are believed take a place
OF_EACH: Final = 16  # of them of one token, so that one driver's commands do not push another's out
KEPT_S: Final = 86_400  # a counter outlives its token by a day: clocks are set back
STILL: Final = Action.EXTEND | Action.READ_STATE  # what asks for an answer and moves nothing


class Heard(Struct, frozen=True):
    """answer: without its nonce, which is the link's business. spent: the nonce that this command used up."""

    answer: Answer
    refusal: Refusal | None = None
    spent: bytes | None = None
    receipt: bytes | None = None


class Beside:
    """Its methods are called in the door's turn, one at a time, and never cancelled; `load` before the first.

    locked: what is believed of the lock (R9). heard(iat): see `Bookings`.
    """

    def __init__(
        self,
        store: Store,
        authority: Authority,
        bookings: Bookings,
        scene: Scene,
        decisions: Decisions,
        locked: Callable[[], bool | None],
        heard: Callable[[int], None],
    ) -> None:
        self._store, self._authority, self._bookings = store, authority, bookings
        self._scene, self._decisions, self._locked, self._heard = scene, decisions, locked, heard
        self._counters: dict[str, tuple[int, int]] = {}  # token name -> highest counter, end of the token
        # hash of the command's bytes -> token name and what was answered, oldest first
        self._answered: dict[bytes, tuple[str, Heard]] = {}
        self._unstored: dict[str, Refusal] = {}  # token name -> why it is believed and could not be stored
        self._sparing = Sparing()
        self.counters = {"commands": 0, "unrecorded": 0, "repeated": 0, "replayed": 0, "unproven": 0, "damaged": 0}

    async def load(self) -> None:
        """What earlier runs left. A counter that does not read is left out: the nonce alone guards then."""
        try:
            vault = await self._store.read(COUNTER)
        except StoreBroken:
            return
        for name, data in vault.items():
            try:
                self._counters.setdefault(name.removeprefix(COUNTER), stored.value(tuple[int, int], data))
            except ValueError as error:
                self.counters["damaged"] += 1
                log.error("%s cannot be read: %s", name, error)

    async def obey(
        self, token: bytes | None, command: bytes, nonces: frozenset[bytes], at_ns: int, *, named: bool = False
    ) -> Heard:
        """token: as the link showed it or (named) the stored one of that name, `None` for none that is known. nonces:
        the good ones of that link. at_ns: when it came, of monotonic time.
        """
        name = hashlib.sha256(command).digest()
        before = self._answered.get(name)
        if before is not None:
            self.counters["repeated"] += 1
            return replace(before[1], spent=None)
        self.counters["commands"] += 1
        if token is None:
            return unproven(refused(Code.NOT_STORED, "send the token itself"))
        key = token_hash(token).hex()
        found = self._judge(token, command, nonces, key)
        if isinstance(found, Refusal) and found.code is Code.CLOCK_UNSURE and self._is_ours(found.claims):
            self._heard(found.claims.iat)  # its signature has verified: it is not before that second, and maybe enough
            found = self._judge(token, command, nonces, key)
        if isinstance(found, Refusal):
            wish = signed_near(found, token, command)
            if wish is None or wish.nonce not in nonces:
                self.counters["replayed" if found.code is Code.REPLAY else "unproven"] += 1
                return unproven(for_anybody(found, wish, named=named))
            return await self._turned_down(found, wish, key, at_ns)
        booking, wish = found
        unstored = await self._keep(booking, key, at_ns)
        decided = await self._act(booking, wish, key, unstored, at_ns)
        return self._remember(name, key, self._told(decided, booking, wish))

    async def purge(self, lo_s: float) -> None:
        """Forget the counters of tokens that are surely over. lo_s: the earliest it can be now."""
        dead = [name for name, (_, exp) in self._counters.items() if exp + KEPT_S < lo_s]
        if dead:
            with contextlib.suppress(StoreBroken):  # it keeps that in memory, and does it when it is whole
                await self._store.commit(drop=tuple(COUNTER + name for name in dead))
        for name in dead:
            del self._counters[name]
            self._unstored.pop(name, None)

    # --- inside

    def _is_ours(self, claims: Claims | None) -> TypeGuard[Claims]:
        """Of the operator's own: a second issuer tells this car no time."""
        return claims is not None and claims.iss == self._authority.operator

    def _judge(
        self, token: bytes, command: bytes, nonces: frozenset[bytes], key: str
    ) -> tuple[Booking, NearCommand] | Refusal:
        car, open_ = self._scene.car(), self._scene.open_number
        situation = self._bookings.situation(self._scene.now(), open_, car.where.at is True, car.just_ended)
        if isinstance(situation, Refusal):
            return situation
        counter = self._counters[key][0] if key in self._counters else None
        return near.believe_near(token, command, situation, nonces, counter)

    async def _turned_down(self, refusal: Refusal, wish: NearCommand, key: str, at_ns: int) -> Heard:
        """Its holder asks on a nonce that was given: only so are the reason told and a fact written, for who overheard
        or forges must neither fill the disk nor wear it out, nor learn which car this is and who still has it.

        Not remembered: a former driver must not push honest answers out, and who lost this one asks anew.
        """
        heard = self._refused(refusal, wish.nonce, believed=isinstance(refusal.claims, Booking))
        if refusal.code is Code.REPLAY:  # an honest phone that has lost count: it goes on with the next nonce
            self.counters["replayed"] += 1
            return heard
        if vouched(self._authority, refusal) and self._may_record(key, at_ns):
            await self._decisions.refuse("phone", refusal)
        return heard

    def _may_record(self, key: str, at_ns: int) -> bool:
        """Whether one more refusal about this token becomes a fact."""
        may = self._sparing.take(key, at_ns)
        self.counters["unrecorded"] += int(not may)
        return may

    async def _keep(self, booking: Booking, key: str, at_ns: int) -> Refusal | None:
        """A token that was shown is stored like one that the backend sent: a higher revision extends, offline as well.
        Why it could not be strands nobody: it is the answer to EXTEND alone. Each try that fails is a fact, so it is
        tried again as seldom as these are told.
        """
        before = self._unstored.get(key)
        if before is not None and not self._may_record(key, at_ns):
            return before
        try:
            found = await self._bookings.book(booking.token)
        except StoreBroken:
            found = refused(Code.STORE_BROKEN)
        if isinstance(found, Refusal):
            log.warning("the token of a phone is not stored: %s", found.code.value)
            self._unstored[key] = found
            return found
        self._unstored.pop(key, None)
        return None

    async def _act(
        self, booking: Booking, wish: NearCommand, key: str, unstored: Refusal | None, at_ns: int
    ) -> Decided | None:
        """`None`: there was nothing to move. unstored: why the token could not be."""
        used = wish.counter, booking.exp
        self._counters[key] = used
        if wish.action is Action.EXTEND and unstored is not None:
            return Decided(Feedback.REFUSED, unstored)
        if wish.action in STILL:
            return None
        put = {COUNTER + key: json.dumps(used, separators=(",", ":")).encode()}
        may_record = functools.partial(self._may_record, key, at_ns)
        return await self._decisions.wished(booking, wish.action, may_record=may_record, put=put)

    def _told(self, decided: Decided | None, booking: Booking, wish: NearCommand) -> Heard:
        if decided is not None and decided.refusal is not None:
            return self._refused(decided.refusal, wish.nonce, believed=True)
        moved = None if decided is None else decided.moved
        open_ = self._scene.under.booking
        until_s = open_.paid_to_s if open_ is not None and open_.booking == booking.booking else None
        said = Said.DONE if moved is None else Said(moved.outcome.value)
        flags = () if decided is None else decided.flags
        answer = Answer(said, b"", self._locked(), reasons=flags, until_s=until_s)
        return Heard(answer, spent=wish.nonce, receipt=None if moved is None else moved.receipt)

    def _refused(self, refusal: Refusal, spent: bytes, *, believed: bool) -> Heard:
        """believed: the token; a holder of another time or another car is not told of the lock."""
        return Heard(answer_of(refusal, self._locked() if believed else None), refusal, spent)

    def _remember(self, name: bytes, key: str, heard: Heard) -> Heard:
        self._answered[name] = key, heard
        mine = [each for each, (token, _) in self._answered.items() if token == key]
        for each in mine[:-OF_EACH]:
            del self._answered[each]
        while len(self._answered) > REMEMBERED:
            del self._answered[next(iter(self._answered))]
        return heard


def unproven(refusal: Refusal) -> Heard:
    """Of somebody who may be anybody: not a word of the lock."""
    return Heard(answer_of(refusal, None), refusal)


def answer_of(refusal: Refusal, locked: bool | None) -> Answer:
    """A refusal as a phone is told of it; the nonce is still to come."""
    detail: Mapping[str, object] = refusal.detail

    def number(name: str) -> int | None:
        value = detail.get(name)
        return value if isinstance(value, int) else None

    return Answer(
        Said.REFUSED, b"", locked, refusal.code, reasons_of(refusal), number("since"), number("until"),
        number("free_at"), number("counter"),
    )  # fmt: skip
