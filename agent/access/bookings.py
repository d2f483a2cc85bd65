"""The stored bookings: signed tokens that the backend sent ahead, kept twice (database and files, D14), judged again at
every tap.

What is not here: the booking under way (`booking.py`) and the judging itself (`keyless/verify.py`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from drivers.local import files
from keyless.claims import BadgeId, Booking, Claims, Interval
from keyless.code import hotline_end, hotline_slot
from keyless.refusal import Code, Refusal, refused
from keyless.token import token_hash
from keyless.verify import KEPT_S, Situation, store_check

from ..car.under_way import BOOKING_KEY, ENDED_KEY, UnderWay
from ..sync import facts
from ..sync.store import Fact, Store, StoreBroken
from .authority import Authority
from .booking import CarNow, OpenNow
from .choice import Stored, copied, outdated, revised, waiting, yielding
from .deciding import Known
from .revisions import REVISION, Revisions, rows

log = logging.getLogger(__name__)

TOKEN: Final = "token/"
MOST: Final = 512  # stored tokens; a car knows a week ahead, so this is a mistake or an attack
OURS: Final = (Code.REVOKED, Code.SUPERSEDED, Code.EXPIRED)  # refused, and yet our operator's word about this car


class Bookings:
    """folder: where the files are. now: the trusted clock. heard(iat): a signature verified, so time is not before that
    second (the clock's floor).
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        authority: Authority,
        under: UnderWay,
        now: Callable[[], Interval],
        heard: Callable[[int], None],
    ) -> None:
        self.folder, self._store, self._authority, self._under = folder, store, authority, under
        self._now, self._heard = now, heard
        self._tokens: dict[str, bytes] = {}
        self._believed: dict[str, Booking] = {}
        self._barred: dict[str, Claims] = {}  # stored and not believed now; kept like the others
        self._revisions = Revisions()
        self._recorded: set[str] = set()  # whose fact `stored` is in the database, or waits in memory for it
        self._unkept: set[str] = set()  # which no disk has taken yet
        self.counters = {"stored": 0, "refused": 0, "unreadable": 0, "damaged": 0}

    # --- start

    def load(self, vault: Mapping[str, bytes]) -> None:
        """From the files and the database, whichever is whole; verified again, because a disk can lie."""
        for name, data in vault.items():
            if name.startswith(TOKEN):
                self._tokens[name.removeprefix(TOKEN)] = data
                self._recorded.add(name.removeprefix(TOKEN))
            elif name.startswith(REVISION):
                self.counters["damaged"] += int(not self._revisions.take(name, data))
        try:
            paths = sorted(self.folder.glob("*.cwt"))
        except OSError:
            log.exception("the folder of bookings cannot be read")
            paths = []
        for path in paths:
            self._take_file(path)
        self.judge()

    def _take_file(self, path: Path) -> None:
        """One that cannot be read costs itself, not those after it."""
        try:
            data = files.read(path)
        except OSError as error:
            self.counters["damaged"] += 1
            log.error("a booking's file cannot be read: %s", error)
            return
        if data is not None:
            self._tokens.setdefault(path.stem, data)

    def judge(self, booking: int | None = None) -> None:
        """Verify stored tokens anew: at start and as the trust changes; as it opens, those believed of this booking."""
        own = [name for name, it in self._believed.items() if it.booking == booking]  # which it excused while open
        for name in self._tokens if booking is None else own:
            self._believed.pop(name, None)
            self._barred.pop(name, None)
            found = self._check(self._tokens[name], self._open, kept=True)
            if isinstance(found, Booking):
                self._keep(name, found)
                continue
            self.counters["unreadable"] += 1
            log.warning("stored booking %s is not believed now: %s", name, found.code)
            if found.claims is not None:
                self._barred[name] = found.claims
            if found.claims is not None and found.code is Code.REVOKED:  # and still the newest word about its booking
                self._revisions.see(found.claims.booking, found.claims.revision)
        for name in self._outdated():
            self._barred[name] = self._believed.pop(name)

    # --- one more

    async def book(self, token: bytes) -> Booking | Refusal:
        """On disk, file first, before it returns; the caller acknowledges then. A token that is stored already changes
        nothing. Raises `StoreBroken` where no disk took it: it counts until the power goes, and comes again.
        """
        found = self._check(token)
        if isinstance(found, Refusal) and found.code is Code.EXPIRED:  # neither revoked nor superseded, only old (R5)
            found = self._check(token, self._open)
        if isinstance(found, Booking):
            found = copied(found, self.claims(found.cti.hex()), self._authority.operator) or found
        if isinstance(found, Booking) and len(self._believed) >= MOST:
            found = refused(Code.STATE_GUARD, f"{MOST} bookings are stored already", found, reasons=["full"])
        if isinstance(found, Refusal):
            self.counters["refused"] += 1
            await self._commit(Fact("booking", facts.booking("refused", found.claims, found.code.value)))
            return found
        name = found.cti.hex()
        same = self._tokens.get(name) == token and name in self._believed and name in self._recorded
        if same and name not in self._unkept:
            return found  # with its file alone, the power was cut before the backend could be told
        kept = self._write(name, token)
        self._tokens[name] = token
        self._keep(name, found)
        gone = self._outdated()
        revisions = self._revisions.unwritten(found.booking)
        put = {TOKEN + name: token} | self._follow(found) | rows(revisions)
        self.counters["stored"] += int(not same)
        fact = None if same else Fact("booking", facts.booking("stored", found, None))
        written = await self._commit(fact, put, [TOKEN + old for old in gone])
        if written:
            self._revisions.written(revisions)
        kept = written or kept
        self._recorded.add(name)
        if not kept:
            self._unkept.add(name)
            raise StoreBroken("neither the file nor the database took the booking")
        self._unkept.discard(name)
        for old in gone:
            self._forget(old)
        return found

    async def purge(self, lo_s: float) -> None:
        """Drop what ended long ago, and revisions that the open booking held on to while it was open (R5). lo_s: the
        earliest it can be now.
        """
        known: dict[str, Claims] = {**self._barred, **self._believed}
        old = [name for name, it in known.items() if it.exp + KEPT_S < lo_s and it.booking != self._open]
        gone = {*old, *self._outdated()}
        left = {it.booking for name, it in known.items() if name not in gone}
        worn = self._revisions.worn(left)
        self._revisions.forget(worn)
        fresh = self._revisions.unwritten()
        slots = {n for n in self._under.ended if hotline_slot(n) and hotline_end(n) + KEPT_S < lo_s}
        if gone or worn or slots or fresh:
            numbers = ({known[name].booking for name in gone} | slots) - left
            drop = [TOKEN + name for name in gone] + [f"{ENDED_KEY}{n}" for n in numbers]
            if await self._commit(None, rows(fresh), drop + [f"{REVISION}{n}" for n in worn]):
                self._revisions.written(fresh)
            self._under.ended -= numbers
            for name in gone:
                self._forget(name)

    # --- looked at

    def claims(self, token: str) -> Claims | None:
        """Of a stored token, believed now or not. token: its id in hex."""
        return self._believed.get(token) or self._barred.get(token)

    def named(self, name: bytes) -> bytes | None:
        """A stored token by its name: see `keyless.token.token_hash`."""
        return next((token for token in self._tokens.values() if token_hash(token) == name), None)

    def __len__(self) -> int:
        return len(self._believed)

    def situation(
        self, now: Interval, open_booking: int | None, at_station: bool, just_ended: int | None = None
    ) -> Situation | Refusal:
        """What any token is judged against here; a refusal while there is no key set."""
        authority, keyset, under = self._authority, self._authority.trusted(), self._under.booking
        if isinstance(keyset, Refusal):
            return keyset
        return Situation(
            keyset=keyset,
            vehicle=authority.vehicle,
            operator=authority.operator,
            now=now,
            open_booking=open_booking,
            superseded=self._revisions.highest,
            revoked=authority.revoked,
            list_iat=authority.list_iat,
            at_station=at_station,
            carried=frozenset(under.carried if under is not None else ()),
            just_ended=just_ended,
        )

    def known(self, now: Interval, car: CarNow, tokens: tuple[Stored, ...]) -> Known:
        """What is decided by, here and now. tokens: see `Known`."""
        under = self._under.booking
        return Known(
            situation=self.situation(now, self._open, car.where.at is True, car.just_ended),
            now=now,
            car=car,
            open_=OpenNow(under.booking, under.paid_to_s) if under is not None else None,
            tokens=tokens,
            waiting=waiting(self._believed.values(), now.lo_s, self._under.ended),
            ended=self._under.ended,
            used=self._under.used.keys(),
        )

    def of_badge(self, badge: bytes) -> tuple[Stored, ...]:
        """The tokens that name this badge: see `keyless.claims.badge_id`."""
        mine = (it for it in self._believed.values() if it.confirmation == BadgeId(badge))
        return tuple(Stored(it.booking, it.nbf, it.token) for it in mine)

    def believed(self) -> Collection[Booking]:
        return self._believed.values()

    # --- inside

    @property
    def _open(self) -> int | None:
        return self._under.booking.booking if self._under.booking is not None else None

    def _check(self, token: bytes, open_: int | None = None, *, kept: bool = False) -> Booking | Refusal:
        """open_: for what is stored already. A new token of the open booking must be good by itself."""
        situation = self.situation(self._now(), open_, at_station=False)
        if isinstance(situation, Refusal):
            return situation
        found = store_check(token, situation, kept=kept)
        signed = found if isinstance(found, Booking) else found.claims if found.code in OURS else None
        if signed is not None and signed.iss == self._authority.operator:  # a second issuer tells this car no time
            self._heard(signed.iat)
        return found

    def _keep(self, name: str, booking: Booking) -> None:
        self._believed[name] = booking
        self._revisions.see(booking.booking, booking.revision)

    def _outdated(self) -> list[str]:
        return outdated(self._believed, self._revisions.highest, self._open)

    def _follow(self, new: Booking) -> dict[str, bytes]:
        """What a new token changes of the booking under way: its own extends it, another's may shorten a slot."""
        open_ = self._under.booking
        if open_ is None:
            return {}
        others = self._believed.values()
        own = open_.booking == new.booking
        now = revised(open_, new, others) if own else yielding(open_, others, self._now().lo_s, self._under.ended)
        if now is open_:
            return {}
        self._under.booking = now
        return {BOOKING_KEY: now.to_bytes()}

    def _forget(self, name: str) -> None:
        self._tokens.pop(name, None)
        self._believed.pop(name, None)
        self._barred.pop(name, None)
        self._recorded.discard(name)
        self._unkept.discard(name)
        with contextlib.suppress(OSError):  # the next start verifies it again and finds it superseded or over
            (self.folder / f"{name}.cwt").unlink(missing_ok=True)

    async def _commit(
        self, fact: Fact | None, put: Mapping[str, bytes] | None = None, drop: Iterable[str] = ()
    ) -> bool:
        """False: the database is broken, and the files carry the bookings (D14)."""
        try:
            await self._store.commit((fact,) if fact is not None else (), put=put or {}, drop=tuple(drop))
        except StoreBroken:
            log.warning("the database is broken; bookings live on in their files")
            return False
        return True

    def _write(self, name: str, token: bytes) -> bool:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            files.write_durably(self.folder / f"{name}.cwt", token)
        except OSError as error:
            log.warning("booking %s has no file of its own: %s", name, error)
            return False
        return True
