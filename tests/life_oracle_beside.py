"""The part of the oracle for whom stands beside the car: phones (docs/keyless.md section 6.1), codes and the tries at
the keypad (1.9), and the right to start (1.2, R15). Written anew like `life_oracle.py`; codes by the bench's hand.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from hil import codes
from tests.life_oracle import BACKEND, DAY, DRIVER, DRIVES, KEPT_S, LOCK, START, UNLOCK, USE, Law
from tests.life_terms import Look, Permit, Verdict, short

EXTEND = 2_048
NONCE_NS, NONCES = 30 * 10**9, 3
WRONG, REST_S, MARGIN_S = 5, 600, 2
NIGHT_S, YIELDS_S = DAY // 2, 900
WITH_BOOKING, DESK = 1, 2
END_LATE_S = 3_600


# --- phones


@dataclass
class Talk:
    """One link as its phone sees it. given: nonces with the nanosecond at which they came, newest last. spent: each was
    used in a command that its holder had signed: "surely" where it was obeyed.
    """

    link: int
    given: list[tuple[bytes, int]] = field(default_factory=list)
    spent: dict[bytes, str] = field(default_factory=dict)

    def state(self, nonce: bytes, now_ns: int) -> Verdict:
        place = next((n for n, (one, at) in enumerate(self.given) if one == nonce and now_ns - at <= NONCE_NS), None)
        if place is None or self.spent.get(nonce) == "surely":
            return Verdict.MUST_NOT
        newer = [one for one, _ in self.given[place + 1 :]]
        if sum(one not in self.spent for one in newer) >= NONCES:  # three are open at most: a used one makes room
            return Verdict.MUST_NOT
        return Verdict.FREE if nonce in self.spent or len(newer) >= NONCES else Verdict.MUST


@dataclass(frozen=True)
class Wish:
    """A command beside the car. by: the phone that signed it. nonce: whether that is good on this link."""

    action: int
    counter: int
    by: str
    nonce: Verdict


def believed(law: Law, it: Permit, wish: Wish, look: Look) -> Verdict:
    """Whether token and command are those of its holder, here and now."""
    used = wish.counter <= it.near_used and not law.counter_gone(it)
    if wish.by != it.holder or wish.nonce is Verdict.MUST_NOT or used or it.role == BACKEND:
        return Verdict.MUST_NOT
    extends = wish.action == EXTEND and it.role == DRIVER and bool(it.rights & EXTEND)
    if not extends and not law.rights(it) & wish.action:
        return Verdict.MUST_NOT
    # A token whose time is in doubt says itself when it was made.
    later = replace(look, lo_s=max(look.lo_s, it.iat), hi_s=None if look.hi_s is None else max(look.hi_s, it.iat))
    found = {law.may(it, one) for one in (look, later)}
    if len(found) == 2:
        return Verdict.FREE
    if found == {False}:
        return Verdict.MUST_NOT
    return wish.nonce if wish.counter > it.near_shown else Verdict.FREE


def wished(law: Law, it: Permit, wish: Wish, look: Look) -> Verdict:
    """What the door says to a command that is believed."""
    if look.moving:
        return Verdict.MUST_NOT
    if law.open is not None and law.open != it.number and not (wish.action == UNLOCK and law.is_urgent(it)):
        if wish.action != UNLOCK:
            return Verdict.MUST_NOT
        return both(law.next_driver([it], look), law.over(it, look, look.place is True))
    if wish.action == UNLOCK and law.may_fetch(it, look):
        return Verdict.MUST
    if wish.action == UNLOCK:
        return law.over(it, look, look.place is True)
    if wish.action == LOCK:
        return Verdict.MUST
    if law.open is None or look.doors_open is True:
        return Verdict.MUST_NOT  # R1
    return Verdict.MUST


def both(first: Verdict, second: Verdict) -> Verdict:
    if Verdict.MUST_NOT in (first, second):
        return Verdict.MUST_NOT
    return Verdict.MUST if first is second is Verdict.MUST else Verdict.FREE


# --- codes


def by_code(law: Law, it: Permit, kind: int, look: Look) -> bool:
    """Whether who typed the code of this permit may open now. Who reads one out at the desk says that the time is
    right, where a driver's clock cannot tell.
    """
    if law.may(it, look):
        return True
    told = kind == DESK and it.role == DRIVER and law.genuine(it, look) and not law.barred(it)
    return told and it.exp >= look.lo_s and (look.hi_s is None or (it.nbf <= look.hi_s and not _sure(it, look)))


def _sure(it: Permit, look: Look) -> bool:
    return look.hi_s is not None and it.nbf <= look.lo_s and look.hi_s <= it.exp


def near(it: Permit, look: Look) -> bool:
    return (look.hi_s is None or it.nbf - DAY <= look.hi_s) and look.lo_s <= it.exp + DAY


def slot(day: int, which: int, vehicle: bytes) -> Permit:
    """The booking that the car makes of a code of the day."""
    number = codes.number_of(day, which)
    named = number.to_bytes(8, "big")
    holder = hashlib.sha256(b"hotline" + vehicle + named).digest()[:8]
    ids = frozenset({short(b"token", b"hotline\0" + named), short(b"booking", named), holder})
    begin, end = day * DAY, (day + 1) * DAY + NIGHT_S
    return Permit(
        b"", "", number, DRIVER, f"slot {number}", b"", begin, end, begin, end, 0, begin, USE | START, ids, True,
        stored="yes",
    )  # fmt: skip


def by_end_code(day: int, look: Look) -> Verdict:
    """Whether a code that ends is of now: its day and an hour."""
    begin, end = day * DAY, (day + 1) * DAY + END_LATE_S
    if look.hi_s is None:
        return Verdict.FREE if look.lo_s < end else Verdict.MUST_NOT
    if look.lo_s > end or look.hi_s < begin:
        return Verdict.MUST_NOT
    return Verdict.MUST if begin <= look.lo_s and look.hi_s < end else Verdict.FREE


def tried(law: Law, number: int, day: int, look: Look) -> bool:
    """Whether the code of that day is one that the car compares now."""
    first = int(max(0.0, look.lo_s - NIGHT_S - 1) // DAY)
    last = int((look.lo_s + DAY if look.hi_s is None else look.hi_s) // DAY)
    whose = look.just_ended if law.open is None else law.open
    return number == whose or first <= day <= min(last, first + 2)


def slot_may(law: Law, it: Permit, look: Look) -> bool:
    if it.number == law.open:
        return look.place is not True or not law.barred(it)
    return not law.barred(it) and (law.timely(it, look) or (law.may_fetch(it, look) and look.lo_s > it.exp))


def slot_ends(law: Law, it: Permit, look: Look) -> tuple[int, int]:
    """Between what its paid end is: the first of noon and of the next who has not had the car."""
    soonest = latest = it.paid_to
    for other in law.permits:
        if other.role not in DRIVES:
            continue
        if other.stored == "no" or other.number in (0, *law.ended - law.doubtful) or look.lo_s >= other.paid_to:
            continue
        yields = other.paid_from if look.lo_s < other.paid_from else int(look.lo_s) + YIELDS_S
        soonest = min(soonest, yields)
        surely = other.stored == "yes" and other.exp + KEPT_S >= law.erased_s and other.number not in law.doubtful
        if surely and law.genuine(other, look):
            latest = min(latest, yields + 1) if not law.barred(other) else latest
    return soonest, latest


@dataclass
class Tries:
    """Wrong codes that still count, at least and at most. at_s: when the last of them was."""

    least: int = 0
    most: int = 0
    at_s: float = 0

    def resting(self, now_s: float) -> Verdict:
        """MUST: the keypad takes nothing now."""
        if self.least >= WRONG and now_s < self.at_s + REST_S - MARGIN_S:
            return Verdict.MUST
        over = self.most < WRONG or now_s > self.at_s + REST_S + MARGIN_S
        return Verdict.MUST_NOT if over else Verdict.FREE

    def restarted(self, now_s: float) -> None:
        """What counts then counts for ten minutes more; what had its time before may do so as well."""
        self._age(now_s)
        self.at_s = now_s

    def _age(self, now_s: float) -> None:
        if now_s > self.at_s + REST_S - MARGIN_S:
            self.least = 0

    def wrong(self, now_s: float, *, surely: bool) -> None:
        self._age(now_s)
        if now_s > self.at_s + REST_S + MARGIN_S:
            self.most = 0
        self.least, self.most = min(WRONG, self.least + int(surely)), min(WRONG, self.most + 1)
        self.at_s = now_s


# --- the right to start


@dataclass
class Start:
    """Whether who has the car may start it: true and false are promises, `None` is none. gone: the booking is over."""

    may: bool | None = None

    def over(self) -> None:
        self.may = False

    def unlocked(self, rights: bool | None, *, same: bool) -> None:
        """rights: START of who unlocked. same: a booking has the car that had it before."""
        if not same:
            self.may = rights
        elif self.may is not True:
            self.may = True if rights else (None if rights is None else self.may)

    def doubted(self, *, same: bool) -> None:
        """The power went meanwhile."""
        if not (same and self.may):
            self.may = None


def starts(law: Law, by: list[Permit]) -> bool | None:
    """START of whoever of these it was; a backend's booking starts as its stored tokens say."""
    found = {_starts(law, it) for it in by}
    return found.pop() if len(found) == 1 else None


def _starts(law: Law, it: Permit) -> bool | None:
    if it.role != BACKEND or not it.number:
        return it.role in DRIVES and bool(it.rights & START)
    own = [one for one in law.permits if (one.number, one.stored != "no") == (it.number, True) and one.role != BACKEND]
    held = {one.role in DRIVES and bool(one.rights & START) for one in own}
    if not own or held == {True}:
        return True
    return None
