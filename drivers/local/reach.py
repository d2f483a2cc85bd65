"""Is a broker there, and would it talk to this car? Is gpsd there, and has it a receiver? For `boitier check`.

One handshake each. What is not here: MQTT (`../mqtt/`) and gpsd's reports of positions (`../gnss/reports.py`).
"""

from __future__ import annotations

import json
import socket
import ssl
from typing import Final

PATIENCE_S: Final = 5.0
GPSD_ANSWERS: Final = 4  # its VERSION comes first
GPSD_LINE_BYTES: Final = 16_384


def unreachable(broker: str, ca: str, certificate: str, key: str, patience_s: float = PATIENCE_S) -> str | None:
    """`None` when "host:port" answers by TLS and has not turned this car's certificate away; else why not."""
    host, _, port = broker.rpartition(":")
    host = host.strip("[]")
    try:
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(certificate, key)
        with (
            socket.create_connection((host, int(port)), patience_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as line,
        ):
            # With TLS 1.3 a refused client certificate shows only on the first read.
            line.settimeout(0.3)
            try:
                if line.recv(1) == b"":
                    return "closes the connection: it may not know this car's certificate"
            except TimeoutError:
                return None
    except (OSError, ValueError) as error:  # ssl.SSLError and socket.gaierror are OSErrors
        return str(error)
    return None


def gpsd_receivers(address: str, patience_s: float = PATIENCE_S) -> tuple[str, ...]:
    """The receivers that the gpsd at "ip:port" knows, by device. Raises `OSError` with why there is no gpsd."""
    host, _, port = address.rpartition(":")
    there = (host.strip("[]"), int(port))
    with socket.create_connection(there, patience_s) as line, line.makefile("rb") as answers:
        line.sendall(b"?DEVICES;\n")
        for _ in range(GPSD_ANSWERS):
            try:
                answer = json.loads(answers.readline(GPSD_LINE_BYTES))
            except (ValueError, RecursionError):
                raise OSError("what answers there is not gpsd") from None
            if isinstance(answer, dict) and answer.get("class") == "DEVICES":
                listed = answer.get("devices")
                return tuple(str(it.get("path")) for it in listed or () if isinstance(it, dict))
    raise OSError("what answers there tells no receivers")
