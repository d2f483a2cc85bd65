"""`boitier token tags`: the names that one car will have on the air, which go out with a booking. How they come about:
keyless/tag.py.
"""

from __future__ import annotations

from typing import Final

import click

from keyless.claims import LONGEST_S
from keyless.tag import DAY_S, fallback_tag, tags_with

from .token_bytes import as_json, car_key, read_bytes, say
from .token_reading import read_token

SECRET_BYTES: Final = range(16, 65)  # as the settings have it


@click.command()
@click.argument("token")
@click.option("--key", "key_file", required=True, help="The car's secret: `boitier token keygen --kind tags FILE`.")
@as_json
def tags(token: str, key_file: str, as_json: bool) -> None:
    """The tags that a token comes with: one a day, two days beyond its end (R13), and the one of a car that does not
    know the day. The token is not verified. TOKEN: a file, `-`, or hex or base64url text.
    """
    secret = car_key(key_file, "tags", SECRET_BYTES)
    _, claims = read_token(read_bytes(token), as_json)
    if claims.exp - claims.nbf > max(LONGEST_S.values()):
        raise click.UsageError("no car would take this: longer than any role may last")
    fixed = fallback_tag(secret).hex()
    days = [(day * DAY_S, tag.hex()) for day, tag in tags_with(secret, claims.nbf, claims.exp)]
    if as_json:
        said = [{"from": begin, "tag": tag} for begin, tag in days]
        say({"vehicle": claims.aud.hex(), "fixed": fixed, "days": said}, as_json)
    else:
        click.echo("\n".join(f"{begin:<11}{tag}" for begin, tag in [*days, ("fixed", fixed)]))
