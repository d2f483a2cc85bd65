"""What phone and car say to each other beside the car (docs/keyless.md section 6.1): messages, nonces, the judgement.

What is not here: how messages travel (`drivers/ble/`), and what is remembered of links, tokens and counters. Signed
objects that a phone only carries have modules of their own.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from enum import IntEnum, StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from . import cbor
from .claims import Action, Booking, Role
from .refusal import Code, Refusal, refused
from .token import token_hash
from .verify import Situation, believe_pair

NONCE_BYTES: Final = 16
NAME_BYTES: Final = 16  # of a token that the car has: see `token.token_hash`
MAX_COMMAND: Final = 120
COUNTER_BITS: Final = 16  # one token lives a month at most; so a command is never longer than 120 bytes
NONCE_NS: Final = 30_000_000_000  # of monotonic time
MOST_NONCES: Final = 3
_WISH: Final = frozenset({1, 2, 3, 4})
_ACTIONS: Final = frozenset(map(int, Action))


class Kind(IntEnum):
    """The type of a message. HELLO, ANSWER, RECEIPT, TAKEN and PARCEL go to the phone, the others to the car."""

    HELLO = 1
    TOKEN = 2
    COMMAND = 3
    ANSWER = 4
    RECEIPT = 5
    CARRY = 6
    TAKEN = 7
    FETCH = 8
    LANGUAGE = 9
    PARCEL = 10


class Hello(Struct, frozen=True):
    """The first that a phone hears. No lasting identity, and no secret: anybody may ask.

    nonce: 16 bytes. lo_s, hi_s, source: the car's clock as an interval in whole seconds; hi_s `None`: no end.
    keyset_version: 0 for none. revocations: sequence of the list, 0 for none. receipt: number of the last receipt, 0
    for none. question: bytes to be answered with signed time (`signed_time.py`), `None` where none is asked.
    """

    nonce: bytes
    lo_s: int
    hi_s: int | None
    source: str
    keyset_version: int
    revocations: int
    receipt: int
    question: bytes | None = None


def write_hello(hello: Hello) -> bytes:
    return cbor.encode(
        {
            1: hello.nonce,
            2: [hello.lo_s, hello.hi_s, hello.source],
            3: hello.keyset_version,
            4: hello.revocations,
            5: hello.receipt,
            6: hello.question,
        }
    )


class Said(StrEnum):
    """DONE: the car's own proven signal read back (R9), or nothing was to be moved. UNKNOWN: it was moved, unread."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REFUSED = "refused"


class Answer(Struct, frozen=True):
    """What became of a command. nonce: for the next one on this link.

    refusal: its code. reasons: what exactly is in the way, or of an end what is to be looked after. since_s: too early
    until then; until_s: over since then, and of what was done the end of the paid time of the booking that has the car;
    free_at_s: when the other booking's paid time ends. locked: what is believed of the lock. counter: the highest taken
    for this token, with `replay`. text: in the driver's language, for the screen.
    """

    said: Said
    nonce: bytes
    locked: bool | None = None
    refusal: Code | None = None
    reasons: Sequence[str] = ()
    since_s: int | None = None
    until_s: int | None = None
    free_at_s: int | None = None
    counter: int | None = None
    text: str | None = None


def write_answer(answer: Answer) -> bytes:
    """Fields that say nothing are left out, but for `locked`."""
    told: dict[int, object] = {1: answer.said.value, 2: answer.nonce, 3: answer.locked}
    refusal = None if answer.refusal is None else answer.refusal.value
    more = (
        refusal, list(answer.reasons) or None, answer.since_s, answer.until_s, answer.free_at_s, answer.counter,
        answer.text,
    )  # fmt: skip
    return cbor.encode(told | {key: value for key, value in enumerate(more, 4) if value is not None})


class NearCommand(Struct, frozen=True):
    """What a holder wants beside the car. nonce: 16 bytes of the car's. counter: 1 to 65535, rising for each token."""

    nonce: bytes
    action: Action
    counter: int


def write_command(token: bytes, command: NearCommand) -> bytes:
    """The payload as the holder signs it."""
    return cbor.encode({1: token_hash(token), 2: command.nonce, 3: int(command.action), 4: command.counter})


def read_command(payload: bytes, token: bytes) -> NearCommand | Refusal:
    """`malformed`, also for a remote command, which has an end; or `holder` when it is bound to another token."""
    value = cbor.decode(payload)
    if isinstance(value, Refusal):
        return value
    if not cbor.has_keys(value, _WISH):
        return refused(Code.MALFORMED, "not the map of a command beside the car")
    bound, nonce, action, counter = (value[key] for key in (1, 2, 3, 4))
    if not cbor.is_bytes(bound, NAME_BYTES) or not cbor.is_bytes(nonce, NONCE_BYTES):
        return refused(Code.MALFORMED, "token hash or nonce is not 16 bytes")
    if not cbor.is_uint(action, 32) or action not in _ACTIONS:
        return refused(Code.MALFORMED, "not exactly one known action")
    if not cbor.is_uint(counter, COUNTER_BITS) or counter == 0:
        return refused(Code.MALFORMED, "counter is out of bounds")
    if bound != token_hash(token):
        return refused(Code.HOLDER, "bound to another token")
    return NearCommand(nonce, Action(action), counter)


def believe_near(
    token: bytes, command: bytes, situation: Situation, nonces: Container[bytes], counter: int | None
) -> tuple[Booking, NearCommand] | Refusal:
    """Whether the holder of this token, who stands beside the car, wants this now. The order is that of `verify`.

    nonces: the good ones of the link by which the command came. counter: the highest one taken for this token; `None`
    also where that is not known, so that the nonce alone guards: a damaged memory must strand nobody. The caller
    strikes the nonce out, and stores the counter with the intent. A `replay` by its counter carries the highest as
    `detail["counter"]`.
    """
    pair = believe_pair(token, command, situation, limit=MAX_COMMAND)
    if isinstance(pair, Refusal):
        return pair
    booking, payload = pair
    wish = read_command(payload, token)
    if isinstance(wish, Refusal):
        return replace(wish, claims=booking)
    if wish.nonce not in nonces:
        return refused(Code.REPLAY, "the nonce is used, older than 30 s, or of another conversation", booking)
    if counter is not None and wish.counter <= counter:
        return refused(Code.REPLAY, f"counter {wish.counter}, seen {counter}", booking, counter=counter)
    if booking.role is Role.BACKEND:
        return refused(Code.ROLE_ACTION, "a backend's token acts from afar only", booking)
    if not booking.actions & wish.action:
        return refused(Code.ROLE_ACTION, f"not allowed: {wish.action.name}", booking)
    return booking, wish


class Nonces(Struct, frozen=True):
    """The open nonces of one link, oldest first, each with the ns at which it was given. They end with the link.

    Kept in memory only: a restart voids them all (D13).
    """

    given: tuple[tuple[bytes, int], ...] = ()

    def with_new(self, nonce: bytes, now_ns: int) -> Nonces:
        """nonce: 16 bytes of the operating system's generator. The oldest of more than three is void."""
        return Nonces((*self.given, (nonce, now_ns))[-MOST_NONCES:])

    def without(self, nonce: bytes) -> Nonces:
        """It has been used."""
        return Nonces(tuple(pair for pair in self.given if pair[0] != nonce))

    def good(self, now_ns: int) -> frozenset[bytes]:
        """Those that a command may carry now."""
        return frozenset(nonce for nonce, at_ns in self.given if 0 <= now_ns - at_ns <= NONCE_NS)
