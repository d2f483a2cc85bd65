"""Is a broker there, and would it talk to this car? One TLS handshake, for `boitier check`; MQTT is in `../mqtt/`."""

from __future__ import annotations

import socket
import ssl
from typing import Final

PATIENCE_S: Final = 5.0


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
