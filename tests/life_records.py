"""What must hold of the facts and the decisions that a car has written, looked at once, as they come."""

from __future__ import annotations

import json
from typing import Any

from agent.access import decision_record
from agent.sync.forms import problems
from agent.sync.store import Store
from tests import receipt_rules


class Records:
    """Over all starts of one car. open_: the booking that has it, by the facts alone."""

    def __init__(self, public: bytes, vehicle: bytes) -> None:
        self._public, self._vehicle = public, vehicle
        self._last = self._receipts = 0
        self._intents: set[str] = set()
        self._outcomes: set[str] = set()
        self._replayed: set[bytes] = set()
        self.open_: int | None = None

    async def take(self, store: Store) -> None:
        """The facts since the last look."""
        _, rows = await store.next_facts(self._last, 1 << 24, 100_000)
        if not rows:
            return
        assert [row.n for row in rows] == list(range(self._last + 1, rows[-1].n + 1)), "a fact is missing"
        self._last = rows[-1].n
        facts = [json.loads(row.body) for row in rows]
        for fact in facts:
            wrong = list(problems(fact["kind"], fact["body"]))
            assert not wrong, f"a fact is not as the contract says: {wrong}"
            self._took(fact["kind"], fact["body"])
        self._receipts += len(receipt_rules.agree(facts, self._public, self._vehicle, first=self._receipts + 1))
        pending = await store.read("access/pending")
        assert len(self._intents - self._outcomes) == len(pending), "an intent without outcome is the one still pending"

    def _took(self, kind: str, body: dict[str, Any]) -> None:
        match kind, body.get("event"):
            case "booking", "opened":
                assert self.open_ is None, "two open bookings"
                self.open_ = body["booking"]
            case "booking", "closed":
                assert self.open_ == body["booking"]
                self.open_ = None
            case "access", "intent":
                self._intents.add(body["access"])
            case "access", "outcome":
                assert body["access"] not in self._outcomes, "two outcomes"
                self._outcomes.add(body["access"])

    async def replay(self, store: Store) -> None:
        """What the door decided since the last look comes out again from its record, byte for byte."""
        kept = set((await store.read("decision/")).values())
        for data in kept - self._replayed:
            found = decision_record.read(data)
            assert isinstance(found, decision_record.Record), found
            assert decision_record.decide_again(found) == bytes(found.decision), data
        self._replayed = kept
