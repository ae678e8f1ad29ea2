# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines of authorized_keys: which keys let somebody in, and what each is limited to. Pure.

No key and no comment leaves this file, for a comment is mostly somebody's address: a key is told by its fingerprint, as
ssh-keygen -l shows it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

# By the type that stands in the line: the algorithms of PubkeyAcceptedAlgorithms that take such a key.
ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
    "ssh-dss": ("ssh-dss",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "sk-ssh-ed25519@openssh.com": ("sk-ssh-ed25519@openssh.com",),
    "sk-ecdsa-sha2-nistp256@openssh.com": (
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
    ),
}
_CERTIFICATE = "-cert-v01@openssh.com"
# An option is a word, or a word and a text in quotes; in it a quote stands behind a backslash.
_OPTION = re.compile(r'([A-Za-z0-9-]+)(?:="((?:[^"\\]|\\.)*)")?')


class Key(NamedTuple):
    """A key that lets somebody in. origins are the patterns of from=, pin and touch what the line asks of a FIDO2 key.

    authority: not a key but one that signs certificates, each of which lets in. until: the last day, as 20270131.
    """

    kind: str
    fingerprint: str
    origins: tuple[str, ...] = ()
    command: bool = False
    pin: bool = False
    touch: bool = True
    authority: bool = False
    until: str = ""

    @property
    def hardware(self) -> bool:
        return self.kind.startswith("sk-")


def parse(text: str) -> list[Key]:
    """Every line that sshd takes as a key; comments and what is no key are left out, as sshd does."""
    return [key for line in text.splitlines() for key in _key(line.strip())]


def _key(line: str) -> Iterator[Key]:
    if not line or line.startswith("#"):
        return
    options: dict[str, list[str]] = {}
    rest = line
    if line.split(None, 1)[0] not in ALGORITHMS:
        options, rest = _options(line)
    words = rest.split(None, 2)
    if len(words) < 2 or words[0] not in ALGORITHMS:
        return
    blob = _blob(words[1])
    # The type is written in the key itself too; sshd takes no line where the two differ.
    if not blob.startswith(len(words[0]).to_bytes(4, "big") + words[0].encode()):
        return
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    yield Key(
        words[0],
        "SHA256:" + digest,
        tuple(one.strip() for value in options.get("from", []) for one in value.split(",") if one.strip()),
        "command" in options,
        "verify-required" in options,
        "no-touch-required" not in options,
        "cert-authority" in options,
        min(options.get("expiry-time", [""]))[:8],
    )


def _options(line: str) -> tuple[dict[str, list[str]], str]:
    """The options before a key, and what follows them."""
    found: dict[str, list[str]] = {}
    place = 0
    while True:
        match = _OPTION.match(line, place)
        if match is None:
            return {}, ""
        value = (match.group(2) or "").replace('\\"', '"')
        found.setdefault(match.group(1).lower(), []).append(value)
        place = match.end()
        if line[place : place + 1] != ",":
            return found, line[place:].strip()
        place += 1


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def accepted(key: Key, algorithms: Collection[str]) -> bool:
    """Whether sshd takes a key of this type, by its pubkeyacceptedalgorithms. Of an authority its certificates."""
    names = ALGORITHMS[key.kind]
    if key.authority:
        return any(one.endswith(_CERTIFICATE) for one in algorithms)
    return not algorithms or bool(set(names) & set(algorithms))


def over(key: Key, yesterday: str) -> bool:
    """Whether its time was over before today, wherever on earth; yesterday is a day as 20270131."""
    return bool(key.until) and key.until < yesterday
