"""What is signed, believed or refused: `python -m tests.measured.keys COUNT`; prints one JSON object.

Each is timed in turns with the bare checks of the same signatures by `cryptography`: the issuer's key is at hand, as in
a car, the holder's comes as bytes in the token. It lies here because it imports the product, which `hil/` may not.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from keyless import cose
from keyless.refusal import Code
from tests.keyless_world import ISSUER, PHONE, believe, code, command, forged
from tests.keyless_world import believe_command as judge

WARM = 50


def bare(data: bytes, *, with_kid: bool) -> Callable[[], None]:
    """Nothing but the check of this object's signature, with everything else read beforehand."""
    outer = cose.read_sign1(data, limit=len(data), with_kid=with_kid)
    assert isinstance(outer, cose.Sign1)
    signed, signature = cose.to_be_signed(outer.protected, outer.payload), outer.signature
    if with_kid:
        key = Ed25519PublicKey.from_public_bytes(ISSUER.public)
        return lambda: key.verify(signature, signed)
    two = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    curve, kind, public = SECP256R1(), ECDSA(SHA256()), PHONE.public
    return lambda: EllipticCurvePublicKey.from_encoded_point(curve, public).verify(two, signed, kind)


def measure(count: int) -> dict[str, list[float]]:
    """Seconds of each, in the order in which they were taken."""
    pair = command()
    bad = forged(pair[0])
    token_check, command_check = bare(pair[0], with_kid=True), bare(pair[1], with_kid=False)
    assert code(judge(pair)) is None
    assert code(believe(bad)) is Code.SIGNATURE

    def both() -> None:
        token_check()
        command_check()

    told: dict[str, Callable[[], Any]] = {
        "both": both,
        "command": lambda: judge(pair),
        "check": token_check,
        "forgery": lambda: believe(bad),
        "token": lambda: believe(pair[0]),
    }
    times: dict[str, list[float]] = {name: [] for name in told}
    for turn in range(count + WARM):
        for name, act in told.items():
            begun = time.perf_counter()
            act()
            took = time.perf_counter() - begun
            if turn >= WARM:
                times[name].append(took)
    return times


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
