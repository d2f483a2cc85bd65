"""What must hold of the receipts beside the facts of one car, told in the tests' own words."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from keyless.receipt import Receipt, believe_receipt

CLOSINGS = ("ended", "auto_closed", "takeover", "forced")


def read(body: dict[str, Any], public: bytes, vehicle: bytes) -> Receipt:
    data = base64.urlsafe_b64decode(body["cose"] + "==")
    found = believe_receipt(data, public, vehicle=vehicle)
    assert isinstance(found, Receipt), found
    assert (found.number, found.booking, found.event.name.lower()) == (body["number"], body["booking"], body["event"])
    return found


def agree(facts: Sequence[dict[str, Any]], public: bytes, vehicle: bytes, *, first: int = 1) -> list[Receipt]:
    """facts: all of the car, oldest first, with kind and body, from its receipt of the number `first` on. Answers the
    receipts; asserts that they say the same.
    """
    found = [read(fact["body"], public, vehicle) for fact in facts if fact["kind"] == "receipt"]
    assert [it.number for it in found] == list(range(first, first + len(found))), "none is missing, none is twice"
    for event, ends in (("opened", ("opened",)), ("closed", CLOSINGS)):
        told = [it["body"] for it in facts if it["kind"] == "booking" and it["body"]["event"] == event]
        signed = [it for it in found if it.event.name.lower() in ends]
        assert len(told) == len(signed), (event, told, signed)
        for body, receipt in zip(told, signed, strict=True):
            assert receipt.booking == body["booking"]
            assert event == "opened" or receipt.event.name.lower() == body["how"]
            _same(receipt.start, body["start"])
            if receipt.end is not None:
                _same(receipt.end, body["end"])
    return found


def _same(signed: Any, told: dict[str, Any]) -> None:
    km, soc, wall = told["odometer_km"], told["soc_percent"], told["wall"]
    assert signed.odometer_m == (None if km is None else round(1000 * km))
    assert signed.soc_permille == (None if soc is None else round(10 * soc))
    if wall is None:
        assert signed.hi_s is None
    else:
        assert 0 <= wall[0] - 1000 * signed.lo_s < 1000
        assert 0 <= 1000 * signed.hi_s - wall[1] < 1000
