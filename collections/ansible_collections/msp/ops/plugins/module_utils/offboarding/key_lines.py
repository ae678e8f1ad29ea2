# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which lines of authorized_keys let certain keys in, told by the key itself and by nothing else. Pure.

All in bytes: a line that stays is the same to its last byte, whatever it is written in. Lines are read as sshd reads
them (sshd(8), AUTHORIZED_KEYS FILE FORMAT): a comment, or options, a key and words about it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Iterable
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

_BLANKS = b" \t\r"
_LENGTH = 4


class PublicKey(NamedTuple):
    """body is the key as it is sent; kind and comment are for people."""

    body: bytes
    kind: str
    comment: str

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.body).digest()).decode().rstrip("=")

    def told(self) -> str:
        return "%s (%s)" % (self.fingerprint, self.comment) if self.comment else self.fingerprint


def parse(texts: Iterable[str]) -> list[PublicKey]:
    """The keys of files of public keys. Raises MspError (MSP-OFF-001), which shows nothing of what it found."""
    found: dict[bytes, PublicKey] = {}
    for line in (line.strip() for text in texts for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        key = key_of(line.encode("utf-8", "surrogateescape"))
        if key is None or "PRIVATE KEY" in line:
            raise _not_public("a line that is none")
        found.setdefault(key.body, key)
    if not found:
        raise _not_public("none")
    return list(found.values())


def _not_public(found: str) -> MspError:
    return MspError(
        "MSP-OFF-001",
        "public keys of OpenSSH, one a line: the kind, the key, and words about it",
        found,
        "give the file that ends in .pub; of a private key ssh-keygen -y -f FILE prints it",
    )


def key_of(line: bytes) -> PublicKey | None:
    """The key of a line as sshd would take it, options before it or not; None for a line that lets nobody in."""
    bare = line.strip(_BLANKS + b"\n")
    if not bare or bare.startswith(b"#"):
        return None
    return _read(bare) or _read(_behind_options(bare))


def _read(text: bytes) -> PublicKey | None:
    words = text.replace(b"\t", b" ").replace(b"\r", b" ").split(None, 2)
    if len(words) < 2:
        return None
    try:
        body = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return None
    # The kind is in the key as well. Where the two differ this is no key but an option that looks like one.
    if not words[0] or not body.startswith(len(words[0]).to_bytes(_LENGTH, "big") + words[0]):
        return None
    comment = words[2].decode("utf-8", "replace") if len(words) == 3 else ""
    return PublicKey(body, words[0].decode("ascii", "replace"), _shown(comment))


def _shown(comment: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in comment)[:100]


def _behind_options(text: bytes) -> bytes:
    """What follows the first blank that stands in no quotes. In quotes, a quote behind a backslash ends nothing."""
    quoted = False
    place = 0
    while place < len(text) and (quoted or text[place : place + 1] not in (b" ", b"\t")):
        if text[place : place + 2] == b'\\"':
            place += 1
        elif text[place : place + 1] == b'"':
            quoted = not quoted
        place += 1
    return text[place:].lstrip(_BLANKS)


class Parted(NamedTuple):
    """A file without the lines of certain keys, and the keys of those lines."""

    kept: bytes
    taken: list[PublicKey]


def without(text: bytes, bodies: Collection[bytes]) -> Parted:
    """Every other line is kept as it is, with the end that it has."""
    kept: list[bytes] = []
    taken: list[PublicKey] = []
    for line in _lines(text):
        key = key_of(line)
        if key is not None and key.body in bodies:
            taken.append(key)
        else:
            kept.append(line)
    return Parted(b"".join(kept), taken)


def _lines(text: bytes) -> list[bytes]:
    """By line feeds alone, as sshd does: splitlines() knows other ends."""
    parts = text.split(b"\n")
    ended = [part + b"\n" for part in parts[:-1]]
    return ended + ([parts[-1]] if parts[-1] else [])
