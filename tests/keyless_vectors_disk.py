"""What a whole door says to those cases of door.json whose disk refuses: in the database's place there is a folder, and
where no file is written either, a file in the place of the folder of bookings (D14).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.access.authority import Authority
from agent.sync.store import Fact
from drivers.ports import BadgeTap, Instant, LockAction
from keyless import cose, issue, near
from keyless.claims import Action, Interval
from keyless.refusal import Code, Refusal
from keyless.trust import KeySet
from tests.keyless_vectors_door import Case, authority, car_now, nonces, opened, refused, stored
from tests.phone_bench import PhoneBench


class Refusing(PhoneBench):
    """A car in a case's state. written: every fact that was to be written."""

    def __init__(self, folder: Path, state: Case, keyset: KeySet, now: Interval) -> None:
        super().__init__(folder)
        self.state, self.trusted, self.now = state, keyset, now
        self.written: list[Fact] = []

    def believed(self) -> Authority:
        return authority(self.state, self.trusted)

    def interval(self, instant: Instant) -> Interval:
        return self.now

    async def starts(self) -> None:
        state, folder = self.state, self.folder / "bookings"
        (self.folder / "boitier.db").mkdir()
        folder.mkdir()
        for name, token in stored(state).items():
            (folder / f"{name}.cwt").write_bytes(token)
        await self.boot()
        assert self.store.broken
        self.under.booking, self.under.ended = opened(state), set(state["ended"])
        self.scene.car = lambda: car_now(state)  # type: ignore[method-assign]
        self.bookings.judge()
        if state["writes"] == "nothing":
            folder.rename(self.folder / "away")
            folder.write_bytes(b"")
        commit = self.store.commit

        async def noted(facts: Sequence[Fact] = (), **more: Any) -> tuple[int, ...]:
            self.written += facts
            return await commit(facts, **more)

        self.store.commit = noted  # type: ignore[method-assign]

    async def asked(self, case: Case) -> Case:
        if case["via"] == "badge":
            uid = bytes.fromhex(case["badge"])
            await self.door.wish(lambda: self.decisions.presented(BadgeTap(uid, self.clock.now())))
            return self.came_out()
        token, command = bytes.fromhex(case["token"]), bytes.fromhex(case["command"])
        if case["via"] == "command":
            await self.door.command(issue.remote(token, command))
            return self.came_out()
        at_ns = self.clock.now().ns
        heard = await self.door.wish(lambda: self.beside.obey(token, command, nonces(self.state), at_ns))
        if heard.refusal is not None:
            assert self.lock.moves == []
            return refused(heard.refusal)
        return self.came_out() if self.lock.moves else _still(token, command, self.state["open_booking"])

    def came_out(self) -> Case:
        """As the facts tell it, and the lock."""
        by = {(fact.kind, fact.body.get("event")): fact.body for fact in self.written}
        if ("refused", None) in by:
            assert self.lock.moves == []
            body = by["refused", None]
            detail = body["detail"]
            assert isinstance(detail, dict)
            return refused(Refusal(Code(body["code"]), detail))
        intent, ends = by["access", "intent"], by.get(("booking", "closed"))
        [move] = self.lock.moves
        how = None if ends is None else ends["how"]
        locks = Action.END if how == "ended" else Action.LOCK
        return {
            "accept": True, "code": None, "booking": intent["booking"], "note": intent["note"],
            "action": int(locks if move is LockAction.LOCK else Action.UNLOCK),
            "opens": ("booking", "opened") in by, "closes": how,
        }  # fmt: skip


def decided(case: Case, keyset: KeySet, now: Interval) -> Case:
    """In the form of `expect`."""

    async def once() -> Case:
        with tempfile.TemporaryDirectory() as folder:
            bench = Refusing(Path(folder), case["state"], keyset, now)
            await bench.starts()
            try:
                return await bench.asked(case)
            finally:
                await bench.off()

    return asyncio.run(once())


def _still(token: bytes, command: bytes, booking: int) -> Case:
    """What is done and moves nothing."""
    outer = cose.read_sign1(command, limit=near.MAX_COMMAND, with_kid=False)
    assert isinstance(outer, cose.Sign1)
    wish = near.read_command(outer.payload, token)
    assert isinstance(wish, near.NearCommand)
    said = {"booking": booking, "action": int(wish.action), "opens": False, "closes": None, "note": None}
    return {"accept": True, "code": None, **said}
