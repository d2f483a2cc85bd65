"""What is shown and typed at the windscreen: the message of a badge that proves itself, and digits."""

from __future__ import annotations

from typing import Final

from hil.badges import Card
from keyless import code
from keyless.claims import Interval
from keyless.refusal import Code, Refusal
from keyless.sun import MESSAGE_BYTES, read_sun
from tests.fuzz.target import Target
from tests.keyless_world import CLAIMS, DAY, NOW, SURE

META, MASTER = bytes(range(16)), bytes(range(16, 32))
CARD: Final = Card.made(bytes.fromhex("04DE5F1EACC040"), META, MASTER)
READINGS: Final = tuple(CARD.read() for _ in range(3))
KEY: Final = bytes(range(32))
TIMES: Final = (SURE, Interval(NOW, None, "none"), Interval(NOW - DAY, NOW + DAY, "holdover"))
CODES: Final = {
    code.booking_code(KEY, CLAIMS.booking, CLAIMS.revision): 42,
    code.booking_code(KEY, CLAIMS.booking, CLAIMS.revision, code.CodeKind.DESK): 42,
    code.slot_code(code.day_key(KEY, NOW // DAY), 3): code.hotline_number(NOW // DAY, 3),
}


def judge_sun(data: bytes) -> bool:
    found = read_sun(data, META, MASTER)
    if isinstance(found, Refusal):
        assert found.code is (Code.SIGNATURE if len(data) == MESSAGE_BYTES else Code.MALFORMED)
        return False
    assert data in READINGS, "believed, and no card wrote it"
    return True


def judge_digits(data: bytes) -> bool:
    typed = data.decode("latin-1")
    named = code.stands_for(KEY, typed, CLAIMS) is not None
    slot = code.hotline_booking(KEY, typed, TIMES[sum(data) % len(TIMES)], None)
    assert named == (CODES.get(typed) == CLAIMS.booking)
    assert slot is None or len(typed) == code.DIGITS
    return named or slot is not None


TARGETS: Final = (
    Target("sun", judge_sun, READINGS, 2 * MESSAGE_BYTES),
    Target("digits", judge_digits, [one.encode() for one in CODES], 16),
)
