"""Rules of `life_machine.py`: phones beside the car, each on a link of its own, and who overhears them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from drivers.ports import LockAction
from hil import beside
from tests.door_bench import HOUR
from tests.life_bench import MAIN, PHONES
from tests.life_guests import GUEST, NAME
from tests.life_oracle import DRIVER, END, LOCK, UNLOCK
from tests.life_oracle_beside import EXTEND, Talk, Wish, believed, both, wished
from tests.life_rules import CarRules
from tests.life_terms import Permit, Verdict

WORDS = {UNLOCK: "unlock", LOCK: "lock", END: "end", EXTEND: "extend"}
MOVES = {UNLOCK: LockAction.UNLOCK, LOCK: LockAction.LOCK, END: LockAction.LOCK}
TAKEN = ("done", "failed", "unknown")
STRANGER = "a stranger"


def private(name: str) -> Ed25519PrivateKey | ec.EllipticCurvePrivateKey:
    key = PHONES[name]
    if key.kind == "ed25519":
        return Ed25519PrivateKey.from_private_bytes(key.secret)
    return ec.derive_private_key(int.from_bytes(key.secret, "big"), ec.SECP256R1())


HANDS: dict[str, Any] = {name: private(name) for name in PHONES}
NONCES = st.sampled_from(["fresh"] * 12 + ["used", "old", "other link's"])


@dataclass(frozen=True)
class Aired:
    """A command as it went over the air. permit: its token's. signer: whose phone signed it."""

    permit: Permit
    action: int
    counter: int
    signer: str
    nonce: bytes
    data: bytes


class PhoneRules(CarRules):
    """Commands beside the car; each may be aired again."""

    def __init__(self) -> None:
        super().__init__()
        self.aired: list[Aired] = []
        self.obeyed: set[bytes] = set()

    # --- a link

    def talk(self, name: str, *, anew: bool = False) -> Talk | None:
        """`None`: the power went meanwhile. A hello says what the car has, and nothing else of it."""
        found = self.talks.get(name)
        if found is not None and not anew:
            return found
        if found is not None:
            self.bench.port.leave(found.link)
        answer, _, cut = self.attempt(self.bench.connect())
        if cut:
            self.follow(opens=set(), closes=False, cut=True)
            return None
        link, hello = answer
        assert (hello.keyset, hello.revocations) == (self.law.version, self.law.sequence)
        self.talks[name] = talk = Talk(link, [(hello.nonce, self.bench.clock.now().ns)])
        return talk

    def nonce(self, talk: Talk, which: str) -> bytes:
        match which:
            case "used" if talk.spent:
                return list(talk.spent)[-1]
            case "old":
                return talk.given[0][0]
            case "other link's":
                others = [one for one in self.talks.values() if one is not talk]
                return others[0].given[-1][0] if others else bytes(16)
        return talk.given[-1][0]

    # --- rules

    @precondition(lambda self: any(it.holder in PHONES for it in self.law.permits))
    @rule(
        which=st.integers(0, 20), action=st.sampled_from([UNLOCK, UNLOCK, UNLOCK, LOCK, LOCK, END, END, EXTEND]),
        nonce=NONCES, step=st.sampled_from([1] * 6 + [0, -1]), other=st.sampled_from([False] * 5 + [True]),
        named=st.booleans(), anew=st.sampled_from([False] * 4 + [True]), fit=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def ask(
        self, which: int, action: int, nonce: str, step: int, other: bool, named: bool, anew: bool, fit: bool
    ) -> None:
        """other: with a token that is not its own. named: by the token's name only. fit: by one that may open now."""
        look = self.look()
        it = self.pick(which, lambda it: it.holder in PHONES and self.law.may(it, look)) if fit else None
        it = it or self.pick(which, lambda it: it.holder in PHONES)
        if it is not None:
            signer = next(name for name in PHONES if (name != it.holder) is other)
            self.ask_with(it, signer, action, nonce, step, named=named, anew=anew)

    @precondition(lambda self: any(it.holder in PHONES for it in self.law.permits))
    @rule(
        which=st.integers(0, 4),
        actions=st.sampled_from([(UNLOCK, LOCK), (LOCK, LOCK), (UNLOCK, UNLOCK), (UNLOCK, END)]),
        trick=st.sampled_from(["used", "old", "other link's", "late", "low", "low after a restart"]),
    )  # fmt: skip
    def ask_and_trick(self, which: int, actions: tuple[int, int], trick: str) -> None:
        """An honest command, and one that its holder's phone signed on a bad nonce, too late or with a low counter."""
        look = self.look()
        it = self.pick(which, lambda it: it.holder in PHONES and it.number == self.law.open and self.law.may(it, look))
        it = it or self.pick(which, lambda it: it.holder in PHONES and self.law.may(it, look))
        if it is None:
            return
        self.ask_with(it, it.holder, actions[0])
        if trick == "low after a restart":
            self.reboot("intact")
            self.follow(opens=set(), closes=False, cut=True)
        nonce, step = (trick, 1) if trick in ("used", "old", "other link's") else ("fresh", 0)
        if trick == "late":
            step = 1
            self.bench.clock.move(31)
        self.ask_with(it, it.holder, actions[1], nonce, step)

    def ask_with(
        self, it: Permit, signer: str, action: int, nonce: str = "fresh", step: int = 1, *, named: bool = False,
        anew: bool = False,
    ) -> None:  # fmt: skip
        talk = self.talk(signer, anew=anew)
        if talk is None:
            return
        used, counter = self.nonce(talk, nonce), max(1, it.near_shown + step)
        data = beside.command(HANDS[signer], it.token, used, WORDS[action], counter)
        self.aired.append(Aired(it, action, counter, signer, used, data))
        self.send_near(talk, self.aired[-1], named=named)

    @precondition(lambda self: self.aired)
    @rule(which=st.integers(0, 9), link=st.sampled_from(["same", "next", "a stranger's"]), late=st.booleans())
    def air_again(self, which: int, link: str, late: bool) -> None:
        """The same bytes: on the same link, the next one, or by who overheard them; also after a power cut."""
        said = self.aired[-1 - which % len(self.aired)]
        if late:
            self.bench.clock.move(31)
        talk = self.talk(STRANGER if link == "a stranger's" else said.signer, anew=link == "next")
        if talk is not None:
            self.send_near(talk, said)

    @precondition(lambda self: any(it.holder in PHONES for it in self.law.permits))
    @rule(
        which=st.integers(0, 20), action=st.sampled_from([UNLOCK, LOCK]), moments=st.integers(1, 8),
        end=st.booleans(),
    )  # fmt: skip
    def ask_across_a_power_cut(self, which: int, action: int, moments: int, end: bool) -> None:
        """Also between the counter on disk and the relay, and then the same bytes again."""
        it = self.pick(which, lambda it: it.holder in PHONES)
        if it is None:
            return
        self.ask_with(it, it.holder, action)
        self.bench.fuse = moments
        self.ask_with(it, it.holder, END if end else action)
        if self.bench.fuse is not None:
            self.reboot("intact")
            self.follow(opens=set(), closes=False, cut=True)
        self.air_again(0, "same", False)
        self.ask_with(it, it.holder, action)

    @rule(which=st.integers(0, 4), action=st.sampled_from([UNLOCK, LOCK]))
    def a_phone_extends_offline(self, which: int, action: int) -> None:
        """R6, R12: a token of a higher revision that only its phone has; the one before is worth less from then on."""
        it = self.pick(which, lambda it: it.holder in PHONES and it.number == self.law.open and it.role == DRIVER)
        if it is None:
            return
        key, revision = GUEST if it.iss == NAME else MAIN, self.law.seen.get(it.number, 0) + 1
        new = self.mint(it.number, it.holder, DRIVER, -HOUR, 4 * HOUR, key=key, revision=revision)
        self.ask_with(new, it.holder, EXTEND)
        self.ask_with(it, it.holder, action)
        self.ask_with(new, it.holder, action)

    @rule(
        phone=st.sampled_from(list(PHONES)), hours=st.sampled_from([0, 9, 80]),
        last=st.sampled_from([UNLOCK, LOCK, END]),
    )  # fmt: skip
    def phone_late_and_far_from_home(self, phone: str, hours: int, last: int) -> None:
        """R5: whoever has the car opens it, closes it and drives on, whatever the time."""
        look = self.look()
        mine = [it for it in self.law.permits if it.holder == phone and it.number and self.law.may(it, look)]
        if not mine:
            return
        it = next((one for one in mine if one.number == self.law.open), mine[-1])
        self.ask_with(it, phone, UNLOCK)
        self.drive(False, None)
        self.bench.clock.move(hours * HOUR)
        for action in (LOCK, UNLOCK, last):
            self.ask_with(it, phone, action, anew=action == LOCK)

    # --- one command

    def send_near(self, talk: Talk, aired: Aired, *, named: bool = False) -> None:
        it, action, counter, signer, data = aired.permit, aired.action, aired.counter, aired.signer, aired.data
        law, look, had = self.law, self.look(), it.stored
        state = talk.state(aired.nonce, self.bench.clock.now().ns)
        wish = Wish(action, counter, signer, Verdict.MUST_NOT if data in self.obeyed else state)
        judged, booked = believed(law, it, wish, look), law.book(it, look)
        verdict = both(judged, booked if action == EXTEND else wished(law, it, wish, look))
        named = named and it.stored == "yes" and law.kept(it) and law.newest(it)
        shown = beside.name_of(it.token) if named else it.token
        if it.sound and it.iss == law.operator:
            self.vouched = max(self.vouched, it.iat)
        work = self.bench.told(talk.link, (beside.TOKEN, shown), (beside.COMMAND, data))
        answer, moves, cut = self.attempt(work)
        it.near_shown = max(it.near_shown, counter)
        law.use_up([it], bool(moves), cut)
        said = None if cut else self.answered(talk, answer, it, signer, aired.nonce)
        if moves:
            assert verdict is not Verdict.MUST_NOT, f"{signer} moved the lock: {moves} by {WORDS[action]}"
            assert moves == [MOVES[action]]
            it.near_used = max(it.near_used, counter)
            self.obeyed.add(data)
        if said is not None and verdict is Verdict.MUST:
            assert said.code in TAKEN, f"{signer} was refused: {said}"
        if said is not None and verdict is Verdict.MUST_NOT and data not in self.obeyed:
            assert said.code == "refused", f"{signer} was obeyed: {said}"
        if said is not None and said.code in TAKEN and judged is not Verdict.MUST_NOT:
            self.obeyed.add(data)
        self.stored_by_phone(it, judged, booked, had, look, sure=not cut)
        carried = law.open if law.is_open(it) and it.stored == "yes" != had and not cut else None
        opens = law.begins([it], look) if action == UNLOCK else set()
        closes = action == END or (action == UNLOCK and law.open != it.number)
        may = verdict is not Verdict.MUST_NOT
        self.follow(opens=opens if may else set(), closes=closes and may, by=[it], moves=moves, cut=cut)
        if carried is not None and carried == law.open:
            self.carry({it})

    def answered(self, talk: Talk, answer: list[tuple[int, bytes]], it: Permit, signer: str, nonce: bytes) -> Any:
        kind, body = answer[0]
        assert kind == beside.ANSWER
        said = beside.read_answer(body)
        talk.given.append((said.nonce, self.bench.clock.now().ns))
        if signer == it.holder:
            talk.spent[nonce] = "surely" if said.code in TAKEN else talk.spent.get(nonce, "maybe")
        else:
            assert said.locked is None, "somebody else hears of the lock"
        return said

    def stored_by_phone(
        self, it: Permit, judged: Verdict, booked: Verdict, had: str, look: Any, *, sure: bool
    ) -> None:
        """A token that its holder has shown is stored like one that was sent."""
        if sure and judged is Verdict.MUST:
            if booked is Verdict.MUST:
                self.law.stored(it)
                self.makes_way(it, look, surely=had == "no")
                self.heard(it, look)
        else:
            self.maybe_stored(it, both(judged, booked), had, look)
