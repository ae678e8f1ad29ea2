"""A security key made of software, for tests: an agent of ssh with an sk-ssh-ed25519 key, which signs as a device does.

A stand-in for the device alone. The client that asks it and the server that checks what it signed are the real ones.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KIND = b"sk-ssh-ed25519@openssh.com"
APPLICATION = b"ssh:"
# What its owner did: touched it, and gave the PIN or a finger too.
TOUCHED, VERIFIED = 0x01, 0x04
# The protocol of agents: what is asked, and what is answered.
LIST, SIGN, FAILURE, KEYS, SIGNATURE = 11, 13, 5, 12, 14


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


@dataclass
class SoftwareSecurityKey:
    """flags is what its owner does when it is asked; signed how often it was."""

    flags: int = TOUCHED | VERIFIED
    signed: int = 0
    secret: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def blob(self) -> bytes:
        public = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return text(KIND) + text(public) + text(APPLICATION)

    @property
    def line(self) -> str:
        """For authorized_keys."""
        return f"{KIND.decode()} {base64.b64encode(self.blob).decode()} software"

    def sign(self, data: bytes) -> bytes:
        """As PROTOCOL.u2f of OpenSSH has it: digests, flags and a counter are what is signed."""
        self.signed += 1
        told = struct.pack(">BI", self.flags, self.signed)
        made = self.secret.sign(hashlib.sha256(APPLICATION).digest() + told + hashlib.sha256(data).digest())
        return text(text(KIND) + text(made) + told)

    def answer(self, asked: bytes) -> bytes:
        if asked[0] == LIST:
            return struct.pack(">BI", KEYS, 1) + text(self.blob) + text(b"software")
        if asked[0] == SIGN:
            (length,) = struct.unpack(">I", asked[1:5])
            blob, rest = asked[5 : 5 + length], asked[5 + length :]
            (length,) = struct.unpack(">I", rest[:4])
            if blob == self.blob:
                return bytes([SIGNATURE]) + self.sign(rest[4 : 4 + length])
        return bytes([FAILURE])


@contextlib.contextmanager
def agent(key: SoftwareSecurityKey, place: Path) -> Iterator[Path]:
    """An agent with this key alone: the path of its socket."""
    path = place / "agent"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen()
        threading.Thread(target=_serve, args=(listening, key), daemon=True).start()
        try:
            yield path
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            path.unlink()


def _serve(listening: socket.socket, key: SoftwareSecurityKey) -> None:
    while True:
        try:
            connection, _peer = listening.accept()
        except OSError:
            return  # the test is over
        with connection, connection.makefile("rwb") as stream:
            while head := stream.read(4):
                asked = stream.read(struct.unpack(">I", head)[0])
                stream.write(text(key.answer(asked)))
                stream.flush()
