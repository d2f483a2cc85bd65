"""The stand-in bluetoothd of `bluez_standin.py` inside the bench's machine, and the phones that reach the car by it.

`python -m tests.bluez_inside FOLDER` is both, with its bus at FOLDER/bus, until it is ended; it says "ready". With
`ask` behind the folder it hands one JSON line of its input to that one: what a phone says ([type, hex], …); and prints
the message that this phone hears next, [type, hex]. A phone's number is a link of its own.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path

from tests.bluez_standin import Phone, bluetooth


async def serve(folder: Path) -> None:
    async with bluetooth(folder) as (_, stack):
        phones: dict[int, Phone] = {}

        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = json.loads(await reader.readline())
            phone = phones.setdefault(asked["phone"], Phone(stack, asked["phone"]))
            while not stack.application:
                await asyncio.sleep(0.05)
            await phone.say(*((kind, bytes.fromhex(body)) for kind, body in asked["say"]))
            kind, body = await phone.hear()
            writer.write(json.dumps([kind, body.hex()]).encode() + b"\n")
            writer.close()

        async with await asyncio.start_unix_server(served, folder / "phones") as server:
            print("ready", flush=True)
            await server.serve_forever()


def ask(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(folder / "phones"))
        line.sendall(sys.stdin.readline().encode())
        print(line.makefile().readline(), end="")


if __name__ == "__main__":
    where = Path(sys.argv[1])
    if sys.argv[2:] == ["ask"]:
        ask(where)
    else:
        asyncio.run(serve(where))
