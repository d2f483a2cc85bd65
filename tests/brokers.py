"""A real mosquitto on loopback, with TLS and client certificates made for the occasion; killed by its own id."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CONFIG = """
per_listener_settings false
listener {port} 127.0.0.1
cafile {folder}/ca.pem
certfile {folder}/broker.pem
keyfile {folder}/broker.key
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
acl_file {folder}/acl
allow_anonymous false
persistence false
set_tcp_nodelay true
{more}
"""

ACL = """
user backend
topic readwrite boitier/v1/#

pattern write boitier/v1/%u/up/#
pattern read boitier/v1/%u/down/#
"""


@dataclass
class Mosquitto:
    """folder: certificates `ca.pem`, and `<name>.pem` with `<name>.key` for the broker, the vehicle and the backend."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def files(self, name: str) -> tuple[str, str, str]:
        return str(self.folder / "ca.pem"), str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def start(self) -> None:
        """Start it, or start it again after a kill, on the same port."""
        self.process = launch(self.folder)
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            await asyncio.sleep(0.01)
        raise AssertionError("mosquitto did not start")


def program() -> str:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail("mosquitto is not installed (Debian package mosquitto)")
    return found


def launch(folder: Path) -> subprocess.Popen[bytes]:
    command = [program(), "-c", str(folder / "mosquitto.conf")]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def prepare(folder: Path, vehicle: str, more: str) -> int:
    """Certificates, access list and settings; the port."""
    certificates(folder, ("broker", vehicle, "backend"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "acl").write_text(ACL)
    if os.geteuid() == 0:
        more += "\nuser root"  # or it could not read its own files
    (folder / "mosquitto.conf").write_text(CONFIG.format(port=port, folder=folder, more=more))
    return port


def certificates(folder: Path, names: tuple[str, ...]) -> None:
    """One authority and a certificate for each name; the common name is what the broker takes for the user."""
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("test authority", key.public_key(), None, key, start)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    for name in names:
        own = ec.generate_private_key(ec.SECP256R1())
        signed = _certificate(name, own.public_key(), ca, key, start)
        (folder / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    signer: ec.EllipticCurvePrivateKey,
    start: datetime.datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signer, hashes.SHA256())
    )


@asynccontextmanager
async def mosquitto(folder: Path, vehicle: str, more: str = "") -> AsyncIterator[Mosquitto]:
    broker = Mosquitto(folder, prepare(folder, vehicle, more))
    await broker.start()
    try:
        yield broker
    finally:
        broker.kill()
