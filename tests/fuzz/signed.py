"""Everything that is signed. "Raw" targets take bytes as they come: nothing but what the keys of this bench have signed
may be believed. "Payload" targets sign the fuzzer's bytes with the right key, so that it reaches what lies behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from agent.access import unbelieved
from agent.access.authority import Authority
from keyless import cbor, cose, issue, roots, trust, verify
from keyless.claims import CEILING, Action, Booking, Claims, Command, HolderKey
from keyless.refusal import Code, Refusal
from keyless.token import (
    MAX_COMMAND,
    MAX_REMOTE,
    MAX_TOKEN,
    read_claims,
    read_command,
    read_remote,
    write_claims,
    write_command,
)
from tests.fuzz.published import published
from tests.fuzz.target import Target, goes_on
from tests.keyless_world import (
    ISSUER,
    KEYS,
    KEYSET,
    LEVEL_0,
    NOW,
    OPERATOR,
    PHONE,
    PUBLIC_ROOTS,
    ROOTS,
    STRANGER,
    SURE,
    VEHICLE,
    command,
    situation,
    token,
)

SITUATIONS: Final = (
    situation(),
    situation(now=LEVEL_0),
    situation(open_booking=42, superseded={42: 9}, revoked=frozenset({KEYS[0].key[:8]}), at_station=True),
)
TOKENS: Final = (
    token(),
    token(confirmation=HolderKey(PHONE.public)),
    token(confirmation=HolderKey(STRANGER.public), revision=4, flags=3),
)
PAIR: Final = command()
LIST: Final = issue.revocations(OPERATOR, 5, NOW + 60, NOW, [bytes(8), b"\x01" * 8], ISSUER)
KEYSET_BYTES: Final = issue.keyset(1, NOW + 9, KEYS, ROOTS[:2])
ROOTS_NOW: Final = trust.Trust(tuple(PUBLIC_ROOTS), 2)
ROOTSET: Final = issue.rootset(1, ROOTS_NOW, ROOTS[:2], ROOTS[1:])
NESTED: Final = cbor.encode({1: [b"x", {2: "é", -3: None}], 9: [True, -1, 1 << 63]})
TOKENS_TOLD: Final = published("token.json", "token")
PAIRS_TOLD: Final = published("pair.json", "pair")
KEYSETS_TOLD: Final = published("keyset.json", "keyset")
ROOTSETS_TOLD: Final = published("rootset.json", "rootset")
REROOTED: Final = [signed[:1] for one in (ROOTSET, *ROOTSETS_TOLD) if isinstance(signed := cbor.decode(one), list)]
LISTS_TOLD: Final = published("revocations.json", "list")
SIGNED: Final = frozenset((*TOKENS, PAIR[0], *TOKENS_TOLD, *published("command.json", "token")))
COMMAND_PAYLOAD: Final = cose.read_sign1(PAIR[1], limit=MAX_COMMAND, with_kid=False).payload  # type: ignore[union-attr]
AUTHORITY: Final = Authority(VEHICLE, OPERATOR, KEYSET)


def payload(data: bytes) -> bytes:
    """What is signed in one of our own objects."""
    read: Any = cose.read_sign1(data, limit=trust.MAX_LIST, with_kid=True)
    return bytes(read.payload)


def payloads(objects: list[bytes], *, with_kid: bool = True) -> list[bytes]:
    """What is signed in those that are a COSE_Sign1 at all."""
    read = [cose.read_sign1(one, limit=trust.MAX_LIST, with_kid=with_kid) for one in objects]
    return [one.payload for one in read if not isinstance(one, Refusal)]


# Of each pair that somebody signed, the token and what its holder signed: P-256 has two signatures of everything.
OBEYED: Final = {
    (pair[0], told)
    for pair in (PAIR, *(read_remote(one) for one in PAIRS_TOLD))
    if not isinstance(pair, Refusal)
    for told in payloads([pair[1]], with_kid=False)
}
ROOTED: Final = [value[0] for value in map(cbor.decode, (KEYSET_BYTES, *KEYSETS_TOLD)) if isinstance(value, list)]


def judge_cbor(data: bytes) -> bool:
    value = cbor.decode(data)
    if isinstance(value, Refusal):
        assert value.code is Code.MALFORMED
        return False
    assert cbor.objection(data) is None
    assert cbor.encode(value) == data
    return True


def judge_token(chosen: bytes) -> bool:
    """chosen: how it is asked, then the token."""
    which, data = sum(chosen[:1]) % 4, chosen[1:]
    outer = cose.read_sign1(data, limit=MAX_TOKEN, with_kid=True)
    if not isinstance(outer, Refusal):
        assert b"\xd2" + cbor.encode([outer.protected, {}, outer.payload, outer.signature]) == data
    if which < len(SITUATIONS):
        found = verify.believe(data, SITUATIONS[which])
    else:
        found = verify.store_check(data, SITUATIONS[0], kept=True)
    assert isinstance(found, Booking | Refusal)
    assert data in SIGNED or (isinstance(found, Refusal) and found.claims is None), "believed without a signature"
    return isinstance(found, Booking)


def judge_claims(data: bytes) -> bool:
    claims = read_claims(data)
    if isinstance(claims, Refusal):
        assert claims.code is Code.MALFORMED
        return False
    assert write_claims(claims) == data
    signed = issue.sign1(data, ISSUER)
    found = verify.believe(signed, SITUATIONS[sum(data) % len(SITUATIONS)])
    assert found.code is not Code.SIGNATURE if isinstance(found, Refusal) else _believable(found, claims)
    return True


def _believable(found: Booking, claims: Claims) -> bool:
    """No right that the role has not, no other car, no window turned round."""
    assert not found.actions & ~CEILING[claims.role]
    assert found.aud == VEHICLE
    assert found.iss == OPERATOR
    assert claims.nbf <= found.paid_from_s <= found.paid_to_s <= claims.exp
    return True


def judge_command(data: bytes) -> bool:
    """data: what the holder signs."""
    found = read_command(data, PAIR[0])
    if isinstance(found, Refusal):
        assert found.code in (Code.MALFORMED, Code.HOLDER)
        return False
    assert write_command(PAIR[0], found) == data
    signed = issue.sign1(data, PHONE, with_kid=False)
    for counter in (None, found.counter):
        judged = verify.believe_command(PAIR[0], signed, SITUATIONS[0], counter)
        if isinstance(judged, Refusal):
            assert judged.code in (Code.EXPIRED, Code.CLOCK_UNSURE, Code.ROLE_ACTION, Code.REPLAY)
        else:
            assert counter is None
            assert judged[1] == found
            assert found.action in Action(judged[0].actions)
    return True


def judge_remote(data: bytes) -> bool:
    pair = read_remote(data)
    if isinstance(pair, Refusal):
        assert pair.code in (Code.MALFORMED, Code.TOO_BIG)
        return False
    assert issue.remote(*pair) == data
    found = verify.believe_command(*pair, SITUATIONS[0], None)
    if isinstance(found, Refusal):
        told = unbelieved.addressed(found, *pair)
        assert unbelieved.signed(AUTHORITY, found, *pair) is None or pair[0] in SIGNED
        assert "command" not in told.detail or pair[0] in SIGNED
        return False
    inner: Any = cose.read_sign1(pair[1], limit=MAX_COMMAND, with_kid=False)
    assert (pair[0], inner.payload) in OBEYED, "obeyed without a signature"
    return True


def judge_keyset(data: bytes) -> bool:
    trust.read_keyset_unverified(data)
    found = trust.read_keyset(data, PUBLIC_ROOTS, 2)
    if isinstance(found, Refusal):
        return False
    again = cbor.decode(data)
    assert cbor.encode(again) == data
    assert isinstance(again, list)
    assert again[0] in ROOTED, "believed without two roots"
    return True


def judge_keys(data: bytes) -> bool:
    """data: what the roots sign."""
    unsigned = trust.read_keyset_unverified(cbor.encode([data, []]))
    if isinstance(unsigned, Refusal):
        return False
    message = cose.to_be_signed(b"", data, context=trust.KEYSET_CONTEXT)
    found = trust.read_keyset(
        cbor.encode([data, [[root.kid, root.sign(message)] for root in ROOTS[:2]]]), PUBLIC_ROOTS, 2
    )
    assert found == unsigned or (isinstance(found, Refusal) and found.code is Code.TOO_BIG)
    again = issue.keyset(unsigned.version, unsigned.expires, unsigned.keys.values(), ())
    assert again == cbor.encode([data, []])
    return True


def judge_rootset(data: bytes) -> bool:
    found = roots.read_rootset(data, ROOTS_NOW, version=0)
    if isinstance(found, Refusal):
        return False
    again: Any = cbor.decode(data)
    assert again[:1] in REROOTED, "believed without the signatures of both"
    return True


def judge_revocations(data: bytes) -> bool:
    found = trust.read_revocations(data, KEYSET, operator=OPERATOR, now=SURE)
    assert isinstance(found, Refusal) or data in (LIST, *LISTS_TOLD), "believed without a signature"
    return not isinstance(found, Refusal)


def judge_revoked(data: bytes) -> bool:
    """data: what the issuer signs."""
    if isinstance(trust._read_list(data), Refusal) and not goes_on(data):
        return False
    found = trust.read_revocations(issue.sign1(data, ISSUER), KEYSET, operator=OPERATOR, now=SURE)
    if isinstance(found, Refusal):
        assert found.code in (Code.MALFORMED, Code.ISSUER_ROLE, Code.TOO_BIG)
        return False
    assert all(len(each) == 8 for each in found.ids)
    body: Any = cbor.decode(data)
    again = issue.revocations(OPERATOR, found.sequence, found.expires, found.iat, found.ids, ISSUER)
    assert found.ids == frozenset(body[trust.LIST_KEY][1][at : at + 8] for at in range(0, 8 * len(found.ids), 8)) or (
        len(found.ids) < len(body[trust.LIST_KEY][1]) // 8
    )
    assert trust.read_revocations(again, KEYSET, operator=OPERATOR, now=SURE) == found
    return True


def asked(tokens: Iterable[bytes]) -> list[bytes]:
    return [b"\0" + one for one in tokens]


SOON: Final = Command(b"j" * 16, Action.END, 1 << 40, NOW + 5)
TARGETS: Final = (
    Target("cbor", judge_cbor, (NESTED, bytes.fromhex("81818181818100"), KEYSET_BYTES), MAX_REMOTE),
    Target("token", judge_token, asked(TOKENS), MAX_TOKEN + 10, corpus=asked(TOKENS_TOLD)),
    Target("claims", judge_claims, [payload(one) for one in TOKENS], MAX_TOKEN - 100, corpus=payloads(TOKENS_TOLD)),
    Target(
        "command", judge_command, (COMMAND_PAYLOAD, write_command(PAIR[0], SOON)), MAX_COMMAND - 100,
        corpus=payloads(published("command.json", "command"), with_kid=False),
    ),
    Target("remote", judge_remote, (issue.remote(*PAIR),), MAX_REMOTE + 9, corpus=PAIRS_TOLD),
    Target("keyset", judge_keyset, (KEYSET_BYTES,), trust.MAX_KEYSET + 9, corpus=KEYSETS_TOLD),
    Target("keys", judge_keys, (cbor.decode(KEYSET_BYTES)[0],), trust.MAX_KEYSET - 200),  # type: ignore[index]
    Target("rootset", judge_rootset, (ROOTSET,), roots.MAX_ROOTSET + 9, corpus=ROOTSETS_TOLD),
    Target("revocations", judge_revocations, (LIST,), trust.MAX_LIST + 9, corpus=LISTS_TOLD),
    Target("revoked", judge_revoked, (payload(LIST),), trust.MAX_LIST - 200, (), 300, payloads(LISTS_TOLD)),
)  # fmt: skip
