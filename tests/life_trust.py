"""Rules of `life_machine.py`: lists, key sets and signed time, from the backend or by a stranger's phone."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from hil import codes
from keyless import issue
from tests.door_bench import HOUR, OPERATOR, T0
from tests.life_bench import LIMITED, MAIN, STRANGER, keyset
from tests.life_guests import GUEST, MAIRIE, NAME, OFFICE
from tests.life_keypad import KeypadRules
from tests.life_oracle import AGENT, BACKEND, TECHNICIAN
from tests.life_rules import WHO
from tests.life_terms import Key, short
from tests.life_world import ALL, DAY, FEW, GUESTS, YEAR

SIGNERS = st.sampled_from([MAIN] * 4 + [LIMITED, GUEST, STRANGER])
SETS = ["limited may all", "main drivers", "main only", "limited only", "short", "office hours"]
WITHIN_S = 60


class TrustRules(KeypadRules):
    @precondition(lambda self: self.law.permits)
    @rule(
        what=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=2),
        step=st.sampled_from([1, 1, 1, 0, -1]), key=SIGNERS, by_phone=st.booleans(),
    )  # fmt: skip
    def revoke(self, what: list[tuple[int, int]], step: int, key: issue.SigningKey, by_phone: bool) -> None:
        permits = self.law.permits
        others = LIMITED.kid, short(b"booking", codes.number_of(int(self.bench.at() // DAY), 0).to_bytes(8, "big"))
        ids = {[*sorted(permits[-1 - which % len(permits)].ids), *others][part] for which, part in what}
        sequence, now = max(0, self.law.sequence + step), int(self.bench.at())
        iss = NAME if key is GUEST else OPERATOR
        data = issue.revocations(iss, sequence, now + 14 * DAY, now, ids, key)
        look, known = self.look(), self.law.keys.get(key.kid)
        good = self.speaks(key) and sequence >= self.law.sequence
        if known is None or look.lo_s > min(known.not_after, self.law.set_expires + 90 * DAY):
            good = False
        taken, cut = self.offer(data, by_phone)
        if cut:
            held = self.bench.provisioning._accepted
            before = self.law.sequence, self.law.revoked
            assert (held.sequence, held.ids) in [before, *([(sequence, frozenset(ids))] if good else [])]
            if (held.sequence, held.ids) != before:
                self.law.list_iat = now
            elif good and (sequence, frozenset(ids)) == before:
                self.law.list_iat = held.iat
            self.law.sequence, self.law.revoked = held.sequence, held.ids
            return
        assert taken == good, "a revocation list was taken that must not be, or the other way round"
        if good:
            self.law.sequence, self.law.revoked, self.law.list_iat = sequence, frozenset(ids), now
            self.vouched = max(self.vouched, now)
            if not self.lied and (look.hi_s is None or now <= look.hi_s):
                self.law.floor_s = max(self.law.floor_s, now)

    @precondition(lambda self: self.law.permits)
    @rule(home=st.booleans())
    def a_code_of_the_day_is_revoked(self, home: bool) -> None:
        self.parked(home)
        self.revoke([(0, 4)], 1, MAIN, False)
        self.type_slot(int(self.bench.at() // DAY), 0)

    def speaks(self, key: issue.SigningKey) -> bool:
        """Whether it says what the operator's backend says."""
        known = self.law.keys.get(key.kid)
        return known is not None and BACKEND in known.roles and known.calendar is None

    @rule(
        step=st.sampled_from([1, 1, 1, 1, -1, -2]), roots=st.sampled_from([2, 2, 2, 2, 1]),
        keys=st.sampled_from(["all"] * 6 + SETS),
        by_phone=st.booleans(),
    )  # fmt: skip
    def rotate(self, step: int, roots: int, keys: str, by_phone: bool) -> None:
        version, now = max(1, self.law.version + step), int(self.bench.at())
        if version == self.law.version:
            return
        end = now + (2 * HOUR if keys == "short" else YEAR)
        entries = {MAIN: Key(end, FEW if keys == "main drivers" else ALL)} if keys != "limited only" else {}
        if keys != "main only":
            entries[LIMITED] = Key(now + YEAR, ALL if keys == "limited may all" else FEW)
            entries[GUEST] = Key(now + YEAR, GUESTS, OFFICE if keys == "office hours" else MAIRIE)
        expires = now + (HOUR if keys == "short" else YEAR)
        good = roots >= 2 and version >= self.law.version
        taken, cut = self.offer(keyset(version, entries, expires, roots), by_phone)
        if cut:
            held = self.bench.authority.keyset
            assert held is not None
            assert held.version == self.law.version or (good and held.version == version)
            good = held.version == version
        else:
            assert taken == good, "a key set was taken that must not be, or the other way round"
        if good:
            self.law.keys = {key.kid: one for key, one in entries.items()}
            self.law.version, self.law.set_expires = version, expires
            # What is stored is judged anew: a token whose key is known again says anew when it was made, also to a box
            # whose floor was lost meanwhile.
            judged = [it for it in self.law.permits if it.stored != "no" and it.sound and it.iss == OPERATOR]
            self.vouched = max([self.vouched, *(it.iat for it in judged)])

    @rule(who=WHO, cut=st.booleans())
    def a_key_is_dropped_on_the_way(self, who: str, cut: bool) -> None:
        """D20. Any stranger's phone may bring such a set in the middle of a trip."""
        self.ride(who, False)
        self.rotate(1, 2, "limited only", True)
        if cut:
            self.reboot("intact")
            self.follow(opens=set(), closes=False, cut=True)
            self.parked(False)
            self.bench.dates()
        self.tap(who)
        self.tap(who)
        self.parked(True)
        self.tap(who)
        self.rotate(1, 2, "all", False)

    @rule(badge=WHO, role=st.sampled_from([AGENT, TECHNICIAN]), told=st.booleans())
    def staff_after_a_week_without_a_list(self, badge: str, role: int, told: bool) -> None:
        """Who brings the time has a network, and could have brought a list."""
        if self.bench.at() > T0 + 150 * DAY:
            return
        self.revoke([], 1, MAIN, False)
        self.bench.clock.move(8 * DAY)
        self.parked(True)
        self.deliver(self.mint(6, badge, role, -HOUR, 2 * HOUR, revision=self.law.seen.get(6, 0)))
        if told:
            self.signed_time(MAIN, False, 2, "asked", False)
        self.tap(badge)

    def offer(self, data: bytes, by_phone: bool) -> tuple[bool, bool]:
        """Whether it was taken, and whether the power went meanwhile."""
        work = self.bench.brought(data) if by_phone else self.bench.provisioning.accept(data)
        answer, moves, cut = self.attempt(work)
        assert not moves
        if cut:
            self.follow(opens=set(), closes=False, cut=True)
        return answer is None and not cut, cut

    # --- the time

    @rule(
        key=SIGNERS, by_phone=st.booleans(), late_s=st.sampled_from([2, 2, 2, 30, WITHIN_S + 1]),
        nonce=st.sampled_from(["asked"] * 5 + ["never asked"]), again=st.booleans(),
    )  # fmt: skip
    def signed_time(self, key: issue.SigningKey, by_phone: bool, late_s: int, nonce: str, again: bool) -> None:
        """The car asks, somebody carries the question away and the answer back."""
        question = self.asked(by_phone)
        if question is None:
            return
        said, at = question[2:10] if nonce == "asked" else bytes(8), int(self.bench.at())
        answer = issue.signed_time(NAME if key is GUEST else OPERATOR, said, at, key)
        self.bench.clock.move(late_s)
        good = nonce == "asked" and late_s <= WITHIN_S and self.speaks(key) and key.kid not in self.law.revoked
        known = self.law.keys.get(key.kid)
        if known is None or at > min(known.not_after, self.law.set_expires + 90 * DAY):
            good = False
        if good:
            self.durable_s = min(self.durable_s, at)  # it may be lowered on the disk from here on
        taken, cut = self.offer(answer, by_phone)
        if cut:
            return
        assert taken == good, "signed time was believed that must not be, or the other way round"
        if taken:
            self.lied, self.vouched = False, at
            self.law.floor_s = self.durable_s = at
        if taken and again:
            taken, cut = self.offer(answer, by_phone)
            assert cut or not taken, "an answer was believed twice"

    @rule(trick=st.sampled_from(["late", "never asked", "twice", "revoked"]), by_phone=st.booleans())
    def signed_time_by_a_trick(self, trick: str, by_phone: bool) -> None:
        """After a start the car asks."""
        self.reboot("intact")
        self.follow(opens=set(), closes=False, cut=True)
        if trick == "revoked":
            self.rotate(1, 2, "limited may all", False)
            self.revoke([(0, 3)], 1, MAIN, False)
        key = LIMITED if trick == "revoked" else MAIN
        nonce = trick if trick == "never asked" else "asked"
        self.signed_time(key, by_phone, WITHIN_S + 1 if trick == "late" else 2, nonce, trick == "twice")

    def asked(self, by_phone: bool) -> bytes | None:
        if not by_phone:
            return self.bench.question(by_phone=False)
        answer, _, cut = self.attempt(self.bench.connect())
        if cut:
            self.follow(opens=set(), closes=False, cut=True)
            return None
        _, hello = answer
        return hello.question
