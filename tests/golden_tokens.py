"""What the golden payloads carry that is signed, by keys that everybody may know: a booking, a command, a key set."""

from __future__ import annotations

from keyless import issue
from keyless.claims import Action, BadgeId, Claims, Command, HolderKey, Role, badge_id
from keyless.trust import IssuerKey
from tests.golden_receipts import BEGUN_S, VEHICLE

ISSUER, HOLDER, ROOTS = (
    issue.SigningKey(b"\x21" * 32), issue.SigningKey(b"\x31" * 32),
    [issue.SigningKey(bytes([byte]) * 32) for byte in (0x41, 0x42)],
)  # fmt: skip
CTI, COMMAND_ID = bytes.fromhex("7f6e5d4c3b2a19080011223344556677"), bytes.fromhex("00112233445566778899aabbccddeeff")
HOURS = 2 * 3600


def claims(confirmation: BadgeId | HolderKey, role: Role, actions: Action) -> Claims:
    return Claims(
        "example", bytes.fromhex(VEHICLE), BEGUN_S + HOURS, BEGUN_S, BEGUN_S - 600, CTI, confirmation, role, actions,
        0, 0, 33, 1, 0,
    )  # fmt: skip


BOOKING = issue.token(
    claims(BadgeId(badge_id(b"\x01\x02\x03\x04\x05")), Role.DRIVER, Action.UNLOCK | Action.LOCK | Action.START), ISSUER
)
AGENT = issue.token(claims(HolderKey(HOLDER.public), Role.BACKEND, Action.LOCK), ISSUER)
COMMAND = issue.remote(AGENT, issue.command(AGENT, Command(COMMAND_ID, Action.LOCK, 1, BEGUN_S + 300), HOLDER))
KEYSET = issue.keyset(1, BEGUN_S + 10**7, [IssuerKey(ISSUER.public, 0, 2**31, 0b111110)], ROOTS)
