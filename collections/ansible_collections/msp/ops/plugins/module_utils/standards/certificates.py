# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates (X.509) out of their bytes: who, by whom, until when, for which names, with which key. Pure.

The standard library tells neither key nor signature. Only what is needed is read, within bounds: a certificate comes
from anybody. Proves nothing: whether a chain ends in a known authority is asked of OpenSSL (tls_client.py).
"""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import ipaddress
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.standards.tls_profiles import CURVE_BITS, RSA_BITS

MOST_BYTES = 64 * 1024
LONGEST_NAME = 100
MOST_NAMES = 1000
DAY = 86400
_SEQUENCE, _SET, _OID, _INTEGER, _BITS, _OCTETS, _BOOLEAN = (0x30, 0x31, 0x06, 0x02, 0x03, 0x04, 0x01)
_UTC, _GENERAL = 0x17, 0x18
_BMP, _LATIN = 0x1E, 0x14
_COMMON_NAME, _ORGANISATION = "2.5.4.3", "2.5.4.10"
_ALTERNATIVE = "2.5.29.17"
RSA, EC, DSA, EDWARDS, OTHER = ("RSA", "EC", "DSA", "EdDSA", "key")
_KEYS = {
    "1.2.840.113549.1.1.1": RSA,
    "1.2.840.113549.1.1.10": RSA,
    "1.2.840.10045.2.1": EC,
    "1.2.840.10040.4.1": DSA,
    "1.3.101.112": EDWARDS,
    "1.3.101.113": EDWARDS,
}
_PSS = "1.2.840.113549.1.1.10"
# Signatures over a hash for which somebody can make a second text: MD2, MD4, MD5, SHA-1.
_WEAK = {
    "1.2.840.113549.1.1.2": "MD2",
    "1.2.840.113549.1.1.3": "MD4",
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.3.14.3.2.29": "SHA-1",
    "1.2.840.10045.4.1": "SHA-1",
    "1.2.840.10040.4.3": "SHA-1",
    "1.3.14.3.2.27": "SHA-1",
}
# Hashes that a signature by RSASSA-PSS can name: those of SHA-2 and SHA-3 begin so.
_STRONG_HASH = bytes.fromhex("06096086480165030402")
_PEM = re.compile(r"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([A-Za-z0-9+/=\s]{1,100000})-----END")


class NoCertificate(ValueError):
    """Bytes that are no certificate."""


class Certificate(NamedTuple):
    """names are the DNS names that it is for, in lower case; addresses those of IP. Times are seconds since 1970.

    weak_hash is what its signature is over, where that is weak, else "". fingerprint is SHA-256, in hex.
    """

    subject: str
    issuer: str
    own: bool
    not_before: int
    not_after: int
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    key: str
    bits: int
    weak_hash: str
    fingerprint: str


# -- what is said of one -------------------------------------------------------------------------------------------


def day(seconds: int) -> str:
    """Of a time since 1970, in UTC: 2027-01-31."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def weaknesses(certificate: Certificate) -> list[str]:
    """What of its key and its signature can be broken. Who signed himself is believed or not, whatever the hash."""
    found = []
    key, bits = certificate.key, certificate.bits
    if (key == RSA and bits < RSA_BITS) or (key == EC and bits < CURVE_BITS) or key == DSA:
        found.append("%s %d" % (key, bits))
    if certificate.weak_hash and not certificate.own:
        found.append(certificate.weak_hash)
    return found


def is_for(certificate: Certificate, name: str) -> bool:
    """Whether a client that asks for this name takes it: a star stands for one label, the first (RFC 9525)."""
    try:
        return str(ipaddress.ip_address(name)) in certificate.addresses
    except ValueError:
        pass
    wanted = name.lower().rstrip(".")
    _first, dot, rest = wanted.partition(".")
    return wanted in certificate.names or bool(dot and rest and "*." + rest in certificate.names)


# -- out of bytes --------------------------------------------------------------------------------------------------


def of_pem(text: str) -> list[bytes]:
    """The certificates of a file in PEM, as DER, in their order. What is no certificate in it is passed over."""
    found = []
    for body in _PEM.findall(text):
        try:
            found.append(base64.b64decode("".join(body.split()), validate=True))
        except binascii.Error as error:
            raise NoCertificate("a certificate in PEM that is not base64: %s" % error) from error
    return found


def read(der: bytes) -> Certificate:
    """Raises NoCertificate."""
    if len(der) > MOST_BYTES:
        raise NoCertificate("more than %d bytes" % MOST_BYTES)
    try:
        return _read(der)
    except (IndexError, UnicodeDecodeError, OverflowError, ValueError) as error:
        raise NoCertificate("%s" % error) from error


def _read(der: bytes) -> Certificate:
    whole = _children(_one(der, _SEQUENCE))
    fields = _children(_body(whole[0], _SEQUENCE))
    if fields[0][0] == 0xA0:
        fields = fields[1:]
    _serial, signature, issuer, validity, subject, public = fields[:6]
    begin, end = (_time(tag, body) for tag, body in _children(_body(validity, _SEQUENCE))[:2])
    key, bits = _key(_children(_body(public, _SEQUENCE)))
    names, addresses = _alternatives(fields[6:])
    return Certificate(
        _name(subject[1]),
        _name(issuer[1]),
        subject[1] == issuer[1],
        begin,
        end,
        tuple(names),
        tuple(addresses),
        key,
        bits,
        _weak_hash(_children(_body(signature, _SEQUENCE))),
        hashlib.sha256(der).hexdigest(),
    )


def _split(data: bytes, at: int) -> tuple[int, int, int]:
    """Of what begins there: its tag, and where its body begins and ends."""
    tag, length = data[at], data[at + 1]
    start = at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise ValueError("a length of %d bytes" % count)
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise ValueError("it ends too early")
    return tag, start, start + length


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, start, end = _split(data, at)
        yield (tag, data[start:end])
        at = end


def _children(data: bytes) -> list[tuple[int, bytes]]:
    return list(_items(data))


def _one(data: bytes, wanted: int) -> bytes:
    tag, start, end = _split(data, 0)
    return _body((tag, data[start:end]), wanted)


def _body(item: tuple[int, bytes], wanted: int) -> bytes:
    if item[0] != wanted:
        raise ValueError("0x%02x where 0x%02x should be" % (item[0], wanted))
    return item[1]


def _oid(item: tuple[int, bytes]) -> str:
    body = _body(item, _OID)
    if not body or len(body) > 40:
        raise ValueError("an identifier of %d bytes" % len(body))
    numbers, value = [], 0
    for byte in body:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))


def _name(body: bytes) -> str:
    """The common name, else the organisation, else all that it has of text; printable and short."""
    found: dict[str, str] = {}
    for _tag, group in _items(body):
        for _tag, pair in _items(group):
            kind, value = _children(pair)[:2]
            found.setdefault(_oid(kind), _text(*value))
    chosen = found.get(_COMMON_NAME) or found.get(_ORGANISATION) or " ".join(found.values())
    shown = "".join(one if one.isprintable() else "?" for one in " ".join(chosen.split()))
    return shown[:LONGEST_NAME] or "nobody"


def _text(tag: int, body: bytes) -> str:
    if tag == _BMP:
        return body.decode("utf-16-be", "replace")
    return body.decode("latin-1" if tag == _LATIN else "utf-8", "replace")


def _time(tag: int, body: bytes) -> int:
    text = body.decode("ascii")
    if tag == _UTC:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERAL:
        raise ValueError("no time")
    if not re.fullmatch(r"[0-9]{14}Z", text):
        raise ValueError("no time: %.30r" % text)
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def _key(public: list[tuple[int, bytes]]) -> tuple[str, int]:
    algorithm = _children(_body(public[0], _SEQUENCE))
    identity = _oid(algorithm[0])
    kind = _KEYS.get(identity, OTHER)
    # The first byte of a bit string counts bits that are not used.
    bits = _body(public[1], _BITS)[1:]
    if kind == RSA:
        return kind, _size(_children(_one(bits, _SEQUENCE))[0])
    if kind == DSA:
        return kind, _size(_children(_body(algorithm[1], _SEQUENCE))[0]) if len(algorithm) > 1 else 0
    if kind == EC:
        # 04, x, y; or 02 or 03 and x.
        return kind, 8 * ((len(bits) - 1) // 2 if bits[0] == 4 else len(bits) - 1)
    return kind, 8 * len(bits)


def _size(item: tuple[int, bytes]) -> int:
    return int.from_bytes(_body(item, _INTEGER), "big").bit_length()


def _weak_hash(signature: list[tuple[int, bytes]]) -> str:
    identity = _oid(signature[0])
    if identity == _PSS:
        # Where it names none, it is SHA-1.
        return "" if len(signature) > 1 and _STRONG_HASH in signature[1][1] else "SHA-1"
    return _WEAK.get(identity, "")


def _alternatives(rest: list[tuple[int, bytes]]) -> tuple[list[str], list[str]]:
    names: list[str] = []
    addresses: list[str] = []
    for tag, body in rest:
        if tag != 0xA3:
            continue
        for _tag, extension in _items(_one(body, _SEQUENCE)):
            parts = _children(extension)
            if _oid(parts[0]) != _ALTERNATIVE:
                continue
            for kind, value in _items(_one(_body(parts[-1], _OCTETS), _SEQUENCE)):
                if kind == 0x82:
                    names.append(value.decode("ascii", "replace").lower())
                elif kind == 0x87 and len(value) in (4, 16):
                    addresses.append(str(ipaddress.ip_address(value)))
    if len(names) > MOST_NAMES:
        raise ValueError("more than %d names" % MOST_NAMES)
    return names, addresses
