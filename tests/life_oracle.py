"""What docs/keyless.md and docs/real-life.md say about each attempt, written anew: it shares no rule with `keyless/`.

The clock's interval is an input, because the rules are about it; `test_door_machine.py` holds that interval itself
against the true time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.life_terms import Key, Look, Order, Permit, Verdict

DRIVER, AGENT, TECHNICIAN, EMERGENCY, BACKEND = 1, 2, 3, 4, 5
UNLOCK, LOCK, START, END = 1, 2, 4, 8
DRIVES = (DRIVER, AGENT, TECHNICIAN)
USE = UNLOCK | LOCK | END
MOST_RIGHTS = {DRIVER: USE, AGENT: USE, TECHNICIAN: USE, EMERGENCY: UNLOCK, BACKEND: USE}
DAY = 86_400
LONGEST_S = {DRIVER: 31 * DAY, AGENT: DAY, TECHNICIAN: 43_200, EMERGENCY: 1_800, BACKEND: 31 * DAY}
TOLERANCE_S = {DRIVER: 900, AGENT: 900, TECHNICIAN: 3_600, EMERGENCY: DAY, BACKEND: 900}
KEY_SET_GRACE_S = 90 * DAY
KEPT_S = 2 * DAY
LIST_S = 7 * DAY
SLOTS = 2**52  # numbers of codes of the day


@dataclass
class Law:
    """What the car ought to know, and what follows from it. operator: whose car. floor_s: nothing is earlier, as far as
    it can be told. list_iat: when the list was made, `None` before the first.
    """

    operator: str
    keys: dict[bytes, Key]
    version: int
    set_expires: int
    sequence: int = 0
    list_iat: int | None = None
    revoked: frozenset[bytes] = frozenset()
    seen: dict[int, int] = field(default_factory=dict)
    permits: list[Permit] = field(default_factory=list)
    open: int | None = None
    opener: str | None = None  # who opened it, where that is sure
    paid: tuple[float, float] = (0, 0)
    carried: set[Permit] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)  # of them those that may be forgotten with their tokens
    left: tuple[int, float] | None = None  # what ended last, and when
    floor_s: float = 0
    erased_s: float = 0

    # --- one permit

    def is_open(self, it: Permit) -> bool:
        return it.number != 0 and it.number == self.open and it.role in DRIVES

    def genuine(self, it: Permit, look: Look, *, exempt: bool = True) -> bool:
        """Steps 1 to 7. exempt: the age of keys never stops who drives the open booking (R5), and a key set that stands
        for it no more only at a station (D20).
        """
        if exempt and it in self.carried and self.is_open(it) and look.place is not True:
            return True
        key = self.keys.get(it.kid)
        if not it.sound or key is None or it.role not in key.roles or it.exp - it.nbf > LONGEST_S[it.role]:
            return False
        if not self.issued(it, key, hours=not (exempt and self.is_open(it))):
            return False
        if exempt and self.is_open(it):
            return True
        if look.lo_s > key.not_after or look.lo_s > self.set_expires + KEY_SET_GRACE_S:
            return False
        return it.role == DRIVER or look.lo_s <= self.set_expires

    def issued(self, it: Permit, key: Key, *, hours: bool) -> bool:
        """Name, numbers and hours of its issuer."""
        calendars = [one.calendar for one in self.keys.values() if one.calendar is not None]
        owners = [one.issuer for one in calendars if it.number in one.numbers]
        whose = self.operator if key.calendar is None else key.calendar.issuer
        if it.iss != whose or (owners or [self.operator]) != [whose]:
            return False
        return key.calendar is None or not hours or key.calendar.admits(it.paid_from, it.paid_to, it.early, it.late)

    def barred(self, it: Permit) -> bool:
        """Steps 8 and 9."""
        superseded = it.number != 0 and it.revision < self.seen.get(it.number, 0)
        return superseded or bool((it.ids | {it.kid}) & self.revoked)

    def timely(self, it: Permit, look: Look) -> bool:
        """Step 10."""
        lo, hi = look.lo_s, look.hi_s
        if it.exp < max(lo, self.floor_s) or (hi is not None and hi < it.nbf):
            return False
        if hi is not None and ((it.nbf <= lo and hi <= it.exp) or hi - lo <= TOLERANCE_S[it.role]):
            return True
        return it.role == DRIVER and it.nbf <= lo + DAY  # R18

    def blind(self, it: Permit, look: Look) -> bool:
        """Section 2.1: staff of whom the car may not have heard that they were revoked."""
        asked = it.role in (AGENT, TECHNICIAN) and look.source != "signed" and self.list_iat is not None
        return asked and look.lo_s > (self.list_iat or 0) + LIST_S

    def may(self, it: Permit, look: Look) -> bool:
        """Whether this permit opens now, for its holder. Exact: the rules leave nothing open here."""
        if not self.genuine(it, look):
            return False
        if self.is_open(it):
            return look.place is not True or not self.barred(it)  # R5, D20
        in_time = self.timely(it, look) or (self.may_fetch(it, look) and look.lo_s > it.exp)
        return not self.barred(it) and in_time and not self.blind(it, look)

    def may_fetch(self, it: Permit, look: Look) -> bool:
        """What was forgotten in the car, of a booking that has just ended."""
        return self.open is None and it.number == look.just_ended and it.role in DRIVES

    def begins(self, by: list[Permit], look: Look) -> set[int]:
        """The bookings that an unlock by these may open."""
        fetched = [it for it in by if self.may_fetch(it, look)]
        over = [it for it in fetched if self.over(it, look, look.place is True) is Verdict.MUST_NOT]
        return {it.number for it in by if it not in over and (it not in fetched or look.lo_s <= it.exp)} - {0}

    def over(self, it: Permit, look: Look, at_station: bool) -> Verdict:
        """R4: MUST_NOT where an ended booking begins again after its paid end or in somebody else's time."""
        if it.spent != "no":
            return Verdict.MUST_NOT if it.spent == "yes" else Verdict.FREE
        if it.number not in self.ended or it.number == self.open:
            return Verdict.MUST
        surely = Verdict.FREE if it.number in self.doubtful else Verdict.MUST_NOT
        if at_station and look.lo_s >= it.paid_to:
            return surely
        found = Verdict.MUST
        for other in self.permits:
            waits = other.number not in self.ended - self.doubtful and other.number not in (0, it.number)
            waits = waits and other.role in DRIVES
            if other.stored != "no" and waits and other.paid_from <= look.lo_s < other.paid_to:
                good = self.genuine(other, look) and not self.barred(other)
                if self.kept(other) and good and other.number not in self.doubtful:
                    return surely
                found = Verdict.FREE
        return found

    # --- attempts

    def of_holder(self, name: str, look: Look) -> list[Permit]:
        """The permits that may open now for who shows a badge."""
        return [it for it in self.permits if it.holder == name and it.stored != "no" and self.may(it, look)]

    def at_reader(self, mine: list[Permit], look: Look) -> Verdict:
        """mine: what is shown stands for these, each of which may open now."""
        if look.moving or not mine:
            return Verdict.MUST_NOT
        if self.open is not None:
            own = [it for it in mine if it.number == self.open]
            urgent = [it for it in mine if self.is_urgent(it)]
            if urgent and not own:
                surely = len(mine) == 1 and mine[0].spent == "no" and self.kept(mine[0])
                return Verdict.MUST if surely else Verdict.FREE
            fit = [it for it in mine if self.over(it, look, look.place is True) is not Verdict.MUST_NOT]
            return self._own(own, look) if own else self.next_driver(fit, look)
        fetched = [it for it in mine if self.may_fetch(it, look)]
        if fetched:
            surely = all(self._whole(it) for it in mine) and any(self.kept(it) for it in fetched)
            return Verdict.MUST if surely else Verdict.FREE
        fit = [it for it in mine if self.over(it, look, look.place is True) is not Verdict.MUST_NOT]
        if not fit:
            return Verdict.MUST_NOT
        plain = all(self._whole(it) for it in fit)
        ready = any(self.kept(it) and self.over(it, look, look.place is True) is Verdict.MUST for it in fit)
        return Verdict.MUST if plain and ready else Verdict.FREE

    @staticmethod
    def is_urgent(it: Permit) -> bool:
        """It unlocks once, whoever has the car."""
        return it.role == EMERGENCY and it.number == 0 and it.spent != "yes"

    @staticmethod
    def use_up(by: list[Permit], moves: bool, cut: bool) -> None:
        for it in by:
            if it.role == EMERGENCY and (moves or cut) and it.spent == "no":
                it.spent = "yes" if len(by) == 1 and not cut else "maybe"

    @staticmethod
    def free(mine: list[Permit], look: Look) -> Verdict:
        """It may open or not, where it may at all."""
        return Verdict.FREE if mine and not look.moving else Verdict.MUST_NOT

    def _own(self, own: list[Permit], look: Look) -> Verdict:
        may_end = look.locked is False and look.place is not False
        if may_end and look.doors_open is not False:
            return Verdict.FREE  # R1: a hard check may stand against an end
        ready = any(self.kept(it) and self.newest(it) for it in own)
        return Verdict.MUST if ready and all(self._whole(it) for it in own) else Verdict.FREE

    def next_driver(self, mine: list[Permit], look: Look) -> Verdict:
        """R4, R7."""
        others = [it for it in mine if it.number != 0]
        if not others or look.place is False or look.doors_open is True or look.lo_s < self.paid[0]:
            return Verdict.MUST_NOT
        if look.place is not True or look.doors_open is not False or look.lo_s < self.paid[1]:
            return Verdict.FREE
        ready = [it for it in others if self.kept(it) and it.number not in self.ended]
        plain = len(others) == len(mine) and all(self._whole(it) for it in mine)
        return Verdict.MUST if ready and plain else Verdict.FREE

    def erased_until(self, lo_s: float) -> None:
        """What ended two days before may be gone from here on, also when its number has the car again later."""
        self.erased_s = max(self.erased_s, lo_s)
        for it in self.permits:
            if it.stored == "yes" and not self.kept(it):
                it.stored = "maybe"
        there = {it.number for it in self.permits if it.stored == "yes"}
        self.doubtful |= self.ended - there

    def kept(self, it: Permit) -> bool:
        """Surely still there: not erased two days after its end, unless the open booking held it."""
        return it.stored == "yes" and (it.number == self.open or it.exp + KEPT_S >= self.erased_s)

    def counter_gone(self, it: Permit) -> bool:
        """A counter is kept for a day after its token; who drives on later signs on fresh nonces all the same."""
        return it.exp + DAY < self.erased_s

    def newest(self, it: Permit) -> bool:
        same = [p for p in self.permits if (p.number, p.holder, p.role) == (it.number, it.holder, it.role)]
        return all(p.revision <= it.revision for p in same if p.stored != "no")

    def _whole(self, it: Permit) -> bool:
        return it.role in DRIVES and self.rights(it) == USE

    def rights(self, it: Permit) -> int:
        return it.rights & MOST_RIGHTS[it.role]

    def command(self, it: Permit, order: Order, look: Look) -> Verdict:
        late = look.hi_s is None or look.hi_s > order.exp
        used = order.counter <= it.used and not self.counter_gone(it)
        if order.by != it.holder or order.known or used or late or look.moving:
            return Verdict.MUST_NOT
        if not self.may(it, replace(look, just_ended=None)) or not self.rights(it) & order.action:
            return Verdict.MUST_NOT
        forced = it.role in (BACKEND, AGENT, TECHNICIAN) and (it.iss == self.operator or it.number == self.open)
        beside = self.open is not None and it.number != self.open
        lets_in = order.action == UNLOCK and (it.number != 0 or it.role != BACKEND)
        if beside and (not forced or lets_in):
            return Verdict.MUST_NOT  # R7
        if it.role == EMERGENCY and it.spent != "no":
            return Verdict.MUST_NOT if it.spent == "yes" else Verdict.FREE
        if order.action == END:
            if self.open is None:
                return Verdict.MUST_NOT
            if not forced and look.doors_open is not False:
                return Verdict.MUST_NOT if look.doors_open else Verdict.FREE
        if order.action == UNLOCK and it.number in self.ended and it.number != self.open:
            found = self.over(it, look, True)
            if found is not Verdict.MUST:
                return found
        return Verdict.MUST if order.counter > it.shown else Verdict.FREE

    def book(self, it: Permit, look: Look) -> Verdict:
        """A new token must be good by itself, open booking or not (D20)."""
        good = self.genuine(it, look, exempt=False) and not self.barred(it)
        old = look.lo_s > it.exp + KEPT_S and not self.is_open(it)
        return Verdict.MUST if good and not old else Verdict.MUST_NOT

    # --- what came of it

    def stored(self, it: Permit) -> None:
        it.stored = "yes"
        if it.number:
            self.seen[it.number] = max(it.revision, self.seen.get(it.number, 0))
            self.drop_superseded()
        if it.number and it.number == self.open:
            self.paid = self.revised(it)

    def revised(self, it: Permit) -> tuple[float, float]:
        """Between what the paid end of the open booking is, with this token of it."""
        if it.role not in DRIVES:
            return self.paid
        if it.holder == self.opener or it.number >= SLOTS:
            return it.paid_to, it.paid_to
        same = [one for one in self.permits if (one.number, one.revision) == (it.number, it.revision)]
        ends = [one.paid_to for one in same if one.role in DRIVES and one.stored != "no"]
        return min(self.paid[0], *ends), max(self.paid[1], *ends)

    def drop_superseded(self) -> None:
        """A token with a newer one is erased, at once or later; one of the open booking's drivers once it is over."""
        for it in self.permits:
            if it.stored == "yes" and it.revision < self.seen.get(it.number, 0) and it.number not in (0, self.open):
                it.stored = "maybe"
