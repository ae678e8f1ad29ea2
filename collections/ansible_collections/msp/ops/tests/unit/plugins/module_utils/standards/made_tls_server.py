# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real servers of TLS on loopback, by Python's own library, and certificates for them by the library cryptography."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
# Made once: each takes a moment.
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)


def certificate(
    subject: str = "www.example.com",
    issuer: str | None = None,
    *,
    key: Key = RSA,
    signing: Key | None = None,
    names: Sequence[x509.GeneralName] = (x509.DNSName("www.example.com"),),
    ends: dt.datetime = NOW + dt.timedelta(days=3650),
) -> x509.Certificate:
    def called(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(called(subject))
        .issuer_name(called(issuer or subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    by = signing or key
    return builder.sign(by, None if isinstance(by, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def der(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.DER)


def pem(one: x509.Certificate) -> str:
    return one.public_bytes(serialization.Encoding.PEM).decode()


def context(
    place: Path, ciphers: str = "ALL:@SECLEVEL=0", *, of: Sequence[tuple[x509.Certificate, Key]] = ()
) -> ssl.SSLContext:
    """Of a server that takes every version; each of these certificates with its key, by default one of RSA."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers(ciphers)
    made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    for number, (one, key) in enumerate(of or [(certificate(), RSA)]):
        path = place / f"server{number}.pem"
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_text(pem(one) + key.private_bytes(*form).decode())
        made.load_cert_chain(path)
    return made


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket, int], None]) -> Iterator[int]:
    """The port on which each connection is answered, with its number; one after another."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        number = 0
        while True:
            try:
                connection, _where = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                answer(connection, number)
            number += 1

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def handshake(made: ssl.SSLContext) -> Callable[[socket.socket, int], None]:
    """A server of TLS that says nothing afterwards."""

    def answer(connection: socket.socket, _number: int) -> None:
        with made.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    return answer
