"""Rules of `life_machine.py`: bookings of both issuers as they are minted, sent, sent again and changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from hil import codes
from hil.badges import Card
from keyless import issue
from keyless.claims import BadgeId, Claims, HolderKey, Role, badge_id
from tests.door_bench import ALICE, BOB, HOUR, OPERATOR, SUN_MASTER, SUN_META, VEHICLE
from tests.life_bench import LIMITED, MAIN, PHONES, STRANGER
from tests.life_guests import GUEST, NAME, NUMBERS
from tests.life_oracle import AGENT, BACKEND, DRIVER, EMERGENCY, START, TECHNICIAN
from tests.life_oracle_beside import slot, slot_ends
from tests.life_terms import Look, Permit, Verdict, short
from tests.life_world import DAY, LifeWorld

BADGES = {"alice": ALICE, "bob": BOB, "carol": b"\x04CARO", "erin": b"\x04ERIN"}  # erin's tokens never let her start
CARDS = {"dora": Card.made(b"\x04DORA01", SUN_META, SUN_MASTER)}  # they prove themselves
AT_READER = (*BADGES, *CARDS)
FIRST = (  # number 0 is no booking
    ("ed25519 phone", BACKEND, -HOUR, 30 * DAY), ("alice", DRIVER, -HOUR, 6 * HOUR), ("bob", DRIVER, HOUR, 30 * HOUR),
    ("p256 phone", DRIVER, -HOUR, 20 * HOUR), ("carol", DRIVER, 2 * DAY, DAY), ("p256 phone", EMERGENCY, -600, 1_800),
    ("dora", DRIVER, -HOUR, 12 * HOUR), ("erin", DRIVER, -HOUR, 10 * HOUR), ("alice", DRIVER, -HOUR, 8 * HOUR),
    ("ed25519 phone", DRIVER, -HOUR, 9 * HOUR),
)  # fmt: skip
DEFECTS = ["operator", "vehicle", "stranger", "signature", "grace"]
RIGHTS = [0xFFF] * 6 + [0xFFB, 1, 2]  # all, all but to start, to unlock, to lock
HOLDERS = st.sampled_from([*AT_READER, *AT_READER, *PHONES])
ROLES = st.sampled_from([DRIVER] * 5 + [AGENT, TECHNICIAN, EMERGENCY, BACKEND, BACKEND])
KEYS = st.sampled_from([MAIN, MAIN, MAIN, LIMITED, GUEST, GUEST])


def confirmation(holder: str) -> BadgeId | HolderKey:
    if holder in PHONES:
        return HolderKey(PHONES[holder].public)
    return BadgeId(short(b"sun", CARDS[holder].uid) if holder in CARDS else badge_id(BADGES[holder]))


class Issuing(LifeWorld):
    @initialize(proven=st.booleans())
    def start(self, proven: bool) -> None:
        async def begin() -> None:
            await self.bench.power_on()
            self.bench.park()
            self.bench.dates()
            if proven:
                await self.bench.prove()

        for card in CARDS.values():
            card.counter = 0
        self.run(begin())
        self.began()
        self.parked(True)
        for number, (holder, role, begin_s, length) in enumerate(FIRST):
            key = GUEST if number in NUMBERS else MAIN
            self.deliver(self.mint(0 if role == EMERGENCY else number, holder, role, begin_s, length, key=key))

    def mint(self, number: int, holder: str, role: int, begin: float, length: float, **more: Any) -> Permit:
        """begin: seconds from now; ten minutes of grace before, up to an hour after. more: key, defect, revision,
        rights, ahead (seconds that its maker's clock is), cti (another token's, so it must not be stored).
        """
        key, defect = more.get("key", MAIN), more.get("defect", "")
        now, early, late = int(self.bench.at()), min(600, int(length) // 4), min(HOUR, int(length) // 4)
        if defect == "grace" and length >= 2 * HOUR:
            late = HOUR + 600
        nbf, exp, iat = now + int(begin), now + int(begin + length), now + more.get("ahead", 0)
        cti = more.get("cti") or next(self.serial).to_bytes(16, "big")
        iss = NAME if key is GUEST else OPERATOR
        who, revision, rights = confirmation(holder), more.get("revision", 0), more.get("rights", 0xFFF)
        rights &= ~START if holder == "erin" else 0xFFF
        claims = Claims(
            "other.example" if defect == "operator" else iss, bytes(8) if defect == "vehicle" else VEHICLE,
            exp, nbf, iat, cti, who, Role(role), rights, early, late, number, revision, 0,
        )  # fmt: skip
        token = issue.token(claims, STRANGER if defect == "stranger" else key)
        if defect == "signature":
            token = token[:-1] + bytes([token[-1] ^ 1])
        ids = frozenset({short(b"token", cti), short(b"booking", number.to_bytes(8, "big")), who.id})
        permit = Permit(
            token, iss, number, role, holder, key.kid, nbf, exp, nbf + early, exp - late, revision, iat, rights, ids,
            defect in ("", "grace") and "cti" not in more, early, late,
        )  # fmt: skip
        self.law.permits.append(permit)
        return permit

    def deliver(self, it: Permit) -> None:
        look, verdict, had = self.look(), self.law.book(it, self.look()), it.stored
        if it.sound and it.iss == OPERATOR:  # what is refused as old or revoked says what time it is, too
            self.vouched = max(self.vouched, it.iat)
        answer, moves, cut = self.attempt(self.bench.door.book(it.token))
        assert not moves
        if cut:
            self.maybe_stored(it, verdict, had, look)
            self.carry(set())
            return
        accepted = type(answer).__name__ == "Booking"
        assert accepted == (verdict is Verdict.MUST), f"book: {verdict}, and the door said {answer}"
        if accepted:
            self.law.stored(it)
            self.makes_way(it, look, surely=had == "no")
            self.heard(it, look)
            self.carry({it} if self.law.is_open(it) and had != "yes" else set())

    def maybe_stored(self, it: Permit, verdict: Verdict, had: str, look: Look) -> None:
        """Nobody could say whether it was: the car is looked at. verdict: whether it was to be stored."""
        held = it.token in self.bench.bookings._tokens.values()
        assert not held or verdict is not Verdict.MUST_NOT or had != "no", "a token that must not be stored was"
        if held and verdict is not Verdict.MUST_NOT:
            paid = self.law.paid
            self.law.stored(it)
            self.law.paid = min(paid[0], self.law.paid[0]), max(paid[1], self.law.paid[1])
            self.makes_way(it, look, surely=False)
        elif had == "no" and not held:
            it.stored = "no"

    def makes_way(self, it: Permit, look: Look, *, surely: bool) -> None:
        """What a token that is stored, and says when it was made, takes from the open slot. surely: it is a new one."""
        law, first = self.law, codes.number_of(0, 0)
        if law.open is None or law.open < first:
            return
        later, one = replace(look, lo_s=max(look.lo_s, it.iat)), slot(*divmod(law.open - first, 32), VEHICLE)
        soonest, latest = slot_ends(law, one, look)[0], slot_ends(law, one, later)[1]
        own = any(one.number == law.open and one.stored != "no" for one in law.permits)
        law.paid = min(law.paid[0], soonest), law.paid[1] if own or not surely else min(law.paid[1], latest)
        open_ = self.bench.under.booking
        if surely and open_ is not None:
            assert law.paid[0] <= open_.paid_to_s <= law.paid[1], f"the slot has the car until {law.paid}"

    def pick(self, which: int, fits: Callable[[Permit], bool] = lambda it: True) -> Permit | None:
        pool = [it for it in self.law.permits if fits(it)]
        return pool[-1 - which % len(pool)] if pool else None

    # --- rules

    @rule(
        number=st.integers(1, 6), holder=HOLDERS, role=ROLES, key=KEYS,
        begin=st.sampled_from([-HOUR] * 6 + [-3 * HOUR, 1_200, 2 * DAY]),
        length=st.sampled_from([2 * HOUR, 9 * HOUR, DAY]), defect=st.sampled_from([""] * 12 + DEFECTS),
        rights=st.sampled_from(RIGHTS), sent=st.sampled_from([True, True, True, False]),
        higher=st.sampled_from([0, 0, 0, 1, -1]), foreign=st.sampled_from([False] * 7 + [True]),
    )  # fmt: skip
    def book(
        self, number: int, holder: str, role: int, key: issue.SigningKey, begin: int, length: int, defect: str,
        rights: int, sent: bool, higher: int, foreign: bool,
    ) -> None:  # fmt: skip
        """foreign: with a number of the other issuer's."""
        if (key is GUEST) is not foreign:
            number = NUMBERS[number % len(NUMBERS)]
        if role in (EMERGENCY, BACKEND) and holder in PHONES and (key is not GUEST or role == EMERGENCY):
            number = 0
        if role == EMERGENCY:
            begin, length = max(begin, -600), 1_800 if begin != -HOUR else 3_600
        permit = self.mint(
            number, holder, role, begin, length, key=key, defect=defect, rights=rights,
            revision=max(0, self.law.seen.get(number, 0) + higher),
            ahead=30 * DAY if key is GUEST and higher == -1 else 0,
        )  # fmt: skip
        if sent:
            self.deliver(permit)

    @rule(defect=st.sampled_from(DEFECTS), begin=st.sampled_from([-HOUR, HOUR]))
    def a_token_with_one_defect(self, defect: str, begin: int) -> None:
        self.deliver(self.mint(6, "carol", DRIVER, begin, 2 * HOUR, defect=defect))

    @rule(badge=st.sampled_from(list(BADGES)), number=st.sampled_from(NUMBERS))
    def a_guest_copies_an_id(self, badge: str, number: int) -> None:
        """So that its token would take the place of the operator's."""
        stored = [it for it in self.law.permits if it.stored == "yes" and it.iss == OPERATOR]
        names = self.bench.bookings._tokens.items()
        for name in [name for name, token in names if any(it.token == token for it in stored)][:1]:
            if self.bench.bookings.claims(name) is not None:
                copy = self.mint(number, badge, DRIVER, -HOUR, 2 * HOUR, key=GUEST, cti=bytes.fromhex(name))
                self.deliver(copy)
                self.law.permits.remove(copy)  # it may be stored once the other one is gone

    @precondition(lambda self: self.law.permits)
    @rule(which=st.integers(0, 99))
    def deliver_again(self, which: int) -> None:
        self.deliver(self.law.permits[-1 - which % len(self.law.permits)])

    @precondition(lambda self: self.law.permits)
    @rule(
        which=st.integers(0, 99), of_open=st.booleans(), change=st.sampled_from(["extend", "early end", "withdraw"]),
        other=st.sampled_from([None, None, *AT_READER, *PHONES]), by_phone=st.booleans(),
    )  # fmt: skip
    def revise(self, which: int, of_open: bool, change: str, other: str | None, by_phone: bool = False) -> None:
        """other: a new phone, a colleague, another driver (R6, R12). by_phone: its own brings it, later or never."""
        own = [it for it in self.law.permits if it.number == self.law.open] if of_open else []
        pool = own or self.law.permits
        it = pool[-1 - which % len(pool)]
        begin = min(it.nbf - self.bench.at(), -HOUR)
        end = {"extend": 4 * HOUR, "early end": 0, "withdraw": begin + 1_201}[change]
        if it.role in (EMERGENCY, BACKEND):
            return
        length = min(end - begin + 600, 30 * DAY if it.role == DRIVER else 11 * HOUR)
        revision = self.law.seen.get(it.number, 0) + 1
        holder = other or it.holder
        key = GUEST if it.iss == NAME else MAIN
        new = self.mint(it.number, holder, it.role, begin, length, revision=revision, key=key)
        if holder not in PHONES or not by_phone:
            self.deliver(new)
