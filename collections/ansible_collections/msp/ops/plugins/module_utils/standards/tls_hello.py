# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first message of a TLS handshake, made by hand, and what a server answers to it. Pure: knows no socket.

A library of the host only offers what its own policy lets it, so that a server could accept what is never asked for.
Here everything can be offered. The handshake goes no further than the server's own first words, which say what it
chose; they come from anybody, so they are read within bounds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

SSL3, TLS10, TLS11, TLS12, TLS13 = (0x0300, 0x0301, 0x0302, 0x0303, 0x0304)
VERSIONS: dict[int, str] = {SSL3: "SSLv3", TLS10: "TLSv1", TLS11: "TLSv1.1", TLS12: "TLSv1.2", TLS13: "TLSv1.3"}
RANDOM = 32
# A server without a certificate for that name.
UNRECOGNIZED_NAME = 112
MOST_RECORD = 2**14 + 2048
MOST_BYTES = 256 * 1024
_ALERT, _HANDSHAKE = 21, 22
_SERVER_HELLO, _CERTIFICATE, _HELLO_DONE = 2, 11, 14
_SCSV = 0x00FF
_X25519 = 0x001D
# Whatever a server might insist on: the curves, the finite fields, and the hybrids with ML-KEM.
_GROUPS = (
    *(_X25519, 0x0017, 0x001E, 0x0019, 0x0018, 0x11EC, 0x11EB, 0x11ED, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104),
    *range(0x0001, 0x0017),
    *(0x001A, 0x001B, 0x001C, 0x001F, 0x0020, 0x0021, 0x0022, 0x0023, 0x0024, 0x0025, 0x0026, 0x0027, 0x0028, 0x0029),
)
_SIGNATURES = (
    *(0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x081A, 0x081B, 0x081C),
    *(0x0401, 0x0501, 0x0601, 0x0402, 0x0502, 0x0602, 0x0303, 0x0301, 0x0302, 0x0203, 0x0201, 0x0202, 0x0101),
    *(0x0708, 0x0709, 0x070A, 0x070B, 0x070C, 0x070D, 0x070E, 0x070F, 0x0904, 0x0905, 0x0906),
)


class NotTls(Exception):
    """What answers there speaks something else; the text is how it began."""


class Broken(Exception):
    """An answer that is TLS at its beginning and not in its form."""


class Hello(NamedTuple):
    """What a server chose. certificates are in DER, as it sent them: none where they are encrypted (TLS 1.3)."""

    version: int
    suite: int
    certificates: tuple[bytes, ...]


class Refused(NamedTuple):
    """A server that ended the handshake: with an alert, or None when it hung up without a word."""

    alert: int | None


# -- what is sent --------------------------------------------------------------------------------------------------


def client_hello(version: int, suites: Iterable[int], random: bytes, name: str = "") -> bytes:
    """One record. random are 3 * RANDOM bytes; name is the server's, and "" for none.

    Only that one version is offered, so that nothing else can be chosen.
    """
    numbers = list(suites)
    session = random[RANDOM : 2 * RANDOM] if version == TLS13 else b""
    if version < TLS13:
        numbers.append(_SCSV)
    body = struct.pack("!H", min(version, TLS12)) + random[:RANDOM] + _short(session, 1)
    body += _short(_numbers(numbers), 2) + _short(b"\0", 1)
    if version > SSL3:
        body += _short(_extensions(version, random[2 * RANDOM :], name), 2)
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return struct.pack("!BHH", _HANDSHAKE, min(version, TLS10), len(message)) + message


def _extensions(version: int, share: bytes, name: str) -> bytes:
    found = b""
    if name:
        host = b"\0" + _short(name.encode("ascii"), 2)
        found += _extension(0x0000, _short(host, 2))
    found += _extension(0x000A, _short(_numbers(_GROUPS), 2))
    found += _extension(0x000B, b"\x01\0")
    found += _extension(0x0017, b"")
    if version >= TLS12:
        found += _extension(0x000D, _short(_numbers(_SIGNATURES), 2))
    if version == TLS13:
        found += _extension(0x002B, b"\x02" + struct.pack("!H", TLS13))
        found += _extension(0x002D, b"\x01\x01")
        # Any 32 bytes are a public key of X25519. What comes of it is not needed here.
        found += _extension(0x0033, _short(struct.pack("!H", _X25519) + _short(share, 2), 2))
    return found


def _extension(number: int, body: bytes) -> bytes:
    return struct.pack("!H", number) + _short(body, 2)


def _short(body: bytes, size: int) -> bytes:
    return struct.pack("!I", len(body))[4 - size :] + body


def _numbers(numbers: Iterable[int]) -> bytes:
    return b"".join(struct.pack("!H", number) for number in numbers)


# -- what comes back -----------------------------------------------------------------------------------------------


def answer(receive: Callable[[int], bytes]) -> Hello | Refused:
    """What a server says to it. receive gives at most so many bytes, and none at the end.

    Raises NotTls and Broken; an error of receive goes through.
    """
    waiting = b""
    hello: Hello | None = None
    total = 0
    while total <= MOST_BYTES:
        head = _exactly(receive, 5)
        if not head:
            return Refused(None) if hello is None else hello
        kind, version, length = struct.unpack("!BHH", head.ljust(5, b"\0"))
        if kind not in (_ALERT, _HANDSHAKE) or version >> 8 != 3:
            if hello is not None:
                # What follows a ServerHello of TLS 1.3 is encrypted.
                return hello
            raise NotTls(head.decode("latin-1"))
        if len(head) < 5 or not 0 < length <= MOST_RECORD:
            raise Broken("a record of %d bytes" % length)
        body = _exactly(receive, length)
        if len(body) < length:
            raise Broken("it ended within a record")
        if kind == _ALERT:
            return Refused(body[-1]) if hello is None else hello
        total += length
        waiting += body
        hello, waiting, over = _messages(waiting, hello)
        if over:
            return _needed(hello)
    raise Broken("an answer of more than %d bytes" % MOST_BYTES)


def _needed(hello: Hello | None) -> Hello:
    if hello is None:
        raise Broken("an answer without a ServerHello")
    return hello


def _exactly(receive: Callable[[int], bytes], length: int) -> bytes:
    """So many bytes, or fewer where it ended."""
    found = b""
    while len(found) < length:
        more = receive(length - len(found))
        if not more:
            break
        found += more
    return found


def _messages(waiting: bytes, hello: Hello | None) -> tuple[Hello | None, bytes, bool]:
    """The messages that are whole by now: what was chosen, the bytes that are left, and whether all was said."""
    while len(waiting) >= 4:
        length = int.from_bytes(waiting[1:4], "big")
        if length > MOST_BYTES:
            raise Broken("a message of %d bytes" % length)
        if len(waiting) < 4 + length:
            break
        kind, body, waiting = waiting[0], waiting[4 : 4 + length], waiting[4 + length :]
        if hello is None:
            if kind != _SERVER_HELLO:
                raise Broken("a message of type %d before the ServerHello" % kind)
            hello = _server_hello(body)
            if hello.version == TLS13:
                return hello, waiting, True
        elif kind == _CERTIFICATE:
            return hello._replace(certificates=_certificates(body)), waiting, True
        elif kind in (_HELLO_DONE, _SERVER_HELLO):
            # Anonymous: no certificate comes.
            return hello, waiting, True
    return hello, waiting, False


def _server_hello(body: bytes) -> Hello:
    """Also a request to begin anew with another group (HelloRetryRequest), which has the same form and the choice."""
    reader = Bytes(body)
    version = reader.number(2)
    reader.take(RANDOM)
    reader.take(reader.number(1))
    suite = reader.number(2)
    reader.number(1)
    if reader.left:
        extensions = Bytes(reader.take(reader.number(2)))
        while extensions.left:
            number = extensions.number(2)
            value = extensions.take(extensions.number(2))
            if number == 0x002B and len(value) == 2:
                version = int.from_bytes(value, "big")
    return Hello(version, suite, ())


def _certificates(body: bytes) -> tuple[bytes, ...]:
    reader = Bytes(body)
    rows = Bytes(reader.take(reader.number(3)))
    found = []
    while rows.left:
        found.append(rows.take(rows.number(3)))
    return tuple(found)


class Bytes:
    """Bytes that are taken from their beginning; Broken where there are not as many."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, length: int) -> bytes:
        if length > self.left:
            raise Broken("%d bytes where %d should be" % (self.left, length))
        found = self._data[self._at : self._at + length]
        self._at += length
        return found

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")
