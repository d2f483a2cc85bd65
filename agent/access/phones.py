"""Service: phones beside the car. One conversation a link, one message at a time, each command in the door's turn.

What is not here: bytes on the air (`drivers/ble/`), what the messages look like (`keyless/near.py`), what a command
does (`beside.py`). What is junk is counted and answered at most; it never reaches the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from drivers.phones import LinkClosed, LinkOpened, PhoneMessage, PhonePort
from drivers.ports import Clock
from keyless.near import MAX_COMMAND, NAME_BYTES, NONCE_BYTES, Hello, Kind, Nonces, write_answer, write_hello
from keyless.refusal import Code, refused

from ..sync.store import StoreBroken
from ..sync.together import together
from .beside import Beside, Heard, unproven
from .bookings import Bookings
from .door import Door
from .mule import Bag, Mule

log = logging.getLogger(__name__)

LOOK_S: Final = 10.0  # how soon a new day, or the time when it becomes known, shows in the name on the air
PURGE_LOOKS: Final = 360  # about an hour
LANGUAGES: Final = {b"fr": "fr", b"en": "en"}
Words = Callable[[Heard, str], "str | None"]


@dataclass(slots=True)
class Talk:
    """What is known of one link. token: as its phone showed or named it."""

    nonces: Nonces = field(default_factory=Nonces)
    token: bytes | None = None
    language: str = "fr"
    bag: Bag = field(default_factory=Bag)


class Phones:
    """hello(nonce): what a phone hears first. tag: the name on the air now. words(heard, language): for the screen, or
    `None` where nothing is to be said. random(n): n bytes of the operating system's generator. past_s: what ended
    before is erased. mule: `None` where phones carry nothing.
    """

    name = "phones"
    vital = False

    def __init__(
        self,
        clock: Clock,
        port: PhonePort,
        door: Door,
        bookings: Bookings,
        beside: Beside,
        *,
        hello: Callable[[bytes], Hello],
        tag: Callable[[], bytes],
        words: Words,
        random: Callable[[int], bytes],
        past_s: Callable[[], float],
        mule: Mule | None = None,
    ) -> None:
        self._clock, self._port, self._door, self._bookings, self._beside = clock, port, door, bookings, beside
        self._hello, self._tag, self._words, self._random, self._past_s = hello, tag, words, random, past_s
        self._mule = mule
        self._talks: dict[int, Talk] = {}
        self._shown = b""
        self.counters = {"hellos": 0, "tokens": 0, "unknown_types": 0, "unheard": 0}

    async def run(self) -> None:
        await self._beside.load()
        await together({"phones": self._listen(), "the name on the air": self._look()})

    async def close(self) -> None:
        await self._port.close()

    def status(self) -> dict[str, object]:
        """For `boitier status`; no id of a phone, no token, no tag."""
        carried = {} if self._mule is None else self._mule.counters
        counters = {**self._port.counters(), **self.counters, **self._beside.counters, **carried}
        return {"fitted": True, "trouble": self._port.trouble, "links": len(self._talks), "counters": counters}

    # --- loops

    async def _listen(self) -> None:
        while True:
            match await self._port.next_event():
                case LinkOpened(link=link):
                    self._talks[link] = Talk()
                    self.counters["hellos"] += 1
                    self._say(link, Kind.HELLO, write_hello(self._hello(self._fresh(link))))
                case LinkClosed(link=link):
                    self._talks.pop(link, None)
                case PhoneMessage() as message:
                    await self._heard(message)

    async def _look(self) -> None:
        looks = 0
        while True:
            tag = self._tag()
            if tag != self._shown:
                self._port.advertise(tag)
                self._shown = tag
            if looks % PURGE_LOOKS == 0:
                await self._purge()
            looks += 1
            await self._clock.sleep(LOOK_S)

    async def _purge(self) -> None:
        try:
            await self._door.wish(lambda: self._beside.purge(self._past_s()))
        except StoreBroken:
            return

    # --- one message

    async def _heard(self, message: PhoneMessage) -> None:
        # A link of before this part was started again has lost its nonces: the answer brings a new one.
        talk = self._talks.setdefault(message.link, Talk())
        match message.kind:
            case Kind.TOKEN:
                self.counters["tokens"] += 1
                talk.token = message.body
            case Kind.COMMAND:
                await self._command(message, talk)
            case Kind.LANGUAGE:
                talk.language = LANGUAGES.get(message.body, talk.language)
            case Kind.CARRY if self._mule is not None:
                taken = self._mule.carry(message.body, talk.bag)
                if taken is not None:
                    self._say(message.link, Kind.TAKEN, taken)
            case Kind.FETCH if self._mule is not None:
                self._say(message.link, *await self._mule.fetch(message.body))
            case _:
                self.counters["unknown_types"] += 1

    async def _command(self, message: PhoneMessage, talk: Talk) -> None:
        link, heard = message.link, await self._obeyed(message, talk)
        if heard.spent is not None:
            talk.nonces = talk.nonces.without(heard.spent)
        text = self._words(heard, talk.language)
        self._say(link, Kind.ANSWER, write_answer(replace(heard.answer, nonce=self._fresh(link), text=text)))
        if heard.receipt is not None:
            self._say(link, Kind.RECEIPT, heard.receipt)

    async def _obeyed(self, message: PhoneMessage, talk: Talk) -> Heard:
        command = message.body
        if len(command) > MAX_COMMAND:  # not worth a turn of the door's
            why = refused(Code.TOO_BIG, f"{len(command)} bytes, at most {MAX_COMMAND}")
            return unproven(why)
        token, nonces = talk.token, talk.nonces.good(message.at.ns)
        named = token is not None and len(token) == NAME_BYTES
        if token is not None and named:
            token = self._bookings.named(token)
        try:
            return await self._door.wish(lambda: self._beside.obey(token, command, nonces, message.at.ns, named=named))
        except StoreBroken as error:
            why = refused(Code.STORE_BROKEN, str(error))
            return unproven(why)

    def _fresh(self, link: int) -> bytes:
        nonce, talk = self._random(NONCE_BYTES), self._talks[link]
        talk.nonces = talk.nonces.with_new(nonce, self._clock.now().ns)
        return nonce

    def _say(self, link: int, kind: Kind, body: bytes) -> None:
        if not self._port.answer(link, kind, body):
            self.counters["unheard"] += 1
