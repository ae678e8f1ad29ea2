# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Seals secrets with age for the people who may open them, and opens them again. Reads no file.

What is sealed names its place and version: a ciphertext that somebody put elsewhere in the escrow is not taken for the
secret of that place. Whoever seals need not be able to open: to see that what was kept can be opened, a witness is made
for that one version, sealed for like everybody else, and forgotten once it has opened it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Place, Secret

try:
    import pyrage
except ImportError:
    HAS_PYRAGE = False
else:
    HAS_PYRAGE = True

if TYPE_CHECKING:
    from pyrage import ssh, x25519

    Recipient = x25519.Recipient | ssh.Recipient
    Identity = x25519.Identity | ssh.Identity

_FORMAT = 1


def need_pyrage() -> None:
    if not HAS_PYRAGE:
        raise MspError("MSP-ESC-002", "the Python package pyrage", "none", "install pyrage beside ansible-core")


def recipients(text: str, whence: str) -> list[Recipient]:
    """Those of a file as age's option -R takes it: one a line, age1... or a public key of ssh; # begins a comment.

    Raises MspError (MSP-ESC-003) for a line that is none, and for a file without any.
    """
    need_pyrage()
    found: list[Recipient] = []
    for number, line in enumerate(text.splitlines(), 1):
        row = line.strip()
        if row and not row.startswith("#"):
            found.append(_recipient(row, f"{whence}:{number}"))
    if not found:
        raise MspError(
            "MSP-ESC-003",
            f"at least one recipient in {whence}",
            "none",
            "write the public key (age1..., ssh-ed25519 ...) of everybody who may open these secrets, a line each",
        )
    return found


def fingerprint(text: str) -> str:
    """The same for the same set of recipients, in whatever order and with whatever comments."""
    rows = {" ".join(row.split()[:2]) for row in text.splitlines() if row.strip() and not row.strip().startswith("#")}
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()[:32]


def digest(ciphertext: bytes) -> str:
    """Tells one ciphertext from all others, and nothing of what is in it."""
    return hashlib.sha256(ciphertext).hexdigest()


def _recipient(row: str, whence: str) -> Recipient:
    try:
        if row.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(row)
        return pyrage.ssh.Recipient.from_str(row)
    except pyrage.RecipientError as error:
        raise MspError(
            "MSP-ESC-003", f"a recipient of age in {whence}", f"{row[:20]}... ({error})", "correct that line"
        ) from error


def identities(text: str, whence: str) -> list[Identity]:
    """Those of a file as age-keygen writes it, or of one private key of ssh without a passphrase.

    Raises MspError (MSP-ESC-004) where it has none. Nothing of the text is in the error.
    """
    need_pyrage()
    if "PRIVATE KEY-----" in text:
        try:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        except pyrage.IdentityError as error:
            raise _no_identity(whence, "a key of ssh that can't be read") from error
    found: list[Identity] = []
    for number, line in enumerate(text.splitlines(), 1):
        row = line.strip()
        if row and not row.startswith("#"):
            try:
                found.append(pyrage.x25519.Identity.from_str(row))
            except pyrage.IdentityError as error:
                raise _no_identity(whence, f"line {number} is none") from error
    if not found:
        raise _no_identity(whence, "none")
    return found


def _no_identity(whence: str, found: str) -> MspError:
    return MspError(
        "MSP-ESC-004",
        f"an identity of age (AGE-SECRET-KEY-1...) or a private key of ssh in {whence}",
        found,
        "give the file that age-keygen wrote",
    )


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ciphertext and its witness, which opens it."""

    secret: Secret
    ciphertext: bytes
    witness: Any = field(repr=False)

    def prove(self, kept: bytes) -> None:
        """See that what was read back opens to what was sealed. Raises MspError (MSP-ESC-005)."""
        if opened(kept, [self.witness], self.secret.place, self.secret.version) != self.secret:
            raise unlike(self.secret.place, self.secret.version, "another secret")


def seal(secret: Secret, to: Sequence[Recipient]) -> Sealed:
    """For all of these recipients and a witness."""
    need_pyrage()
    witness = pyrage.x25519.Identity.generate()
    place = secret.place
    body = {
        "format": _FORMAT,
        "place": [place.customer, place.asset, place.purpose, place.name],
        "version": secret.version,
        "secret": secret.value,
    }
    text = json.dumps(body, ensure_ascii=False).encode("utf-8")
    return Sealed(secret, pyrage.encrypt(text, [*to, witness.to_public()]), witness)


def opened(ciphertext: bytes, by: Iterable[Identity], place: Place, version: str) -> Secret:
    """The secret of this place and version. Raises MspError: none of the identities may open it (MSP-ESC-006), or what
    is in it is of another place or version, or no secret at all (MSP-ESC-005)."""
    need_pyrage()
    try:
        text = pyrage.decrypt(ciphertext, list(by))
    except pyrage.DecryptError as error:
        raise MspError(
            "MSP-ESC-006",
            f"an identity that opens {place}, version {version}",
            str(error)[:100],
            "use the identity of somebody who was a recipient of this customer when it was written",
        ) from error
    try:
        body = json.loads(text)
        said = (body["format"], Place(*body["place"]), body["version"])
        value = body["secret"]
    except (ValueError, KeyError, TypeError, MspError):
        # Not chained: what was opened is a secret, whatever else it is.
        raise unlike(place, version, "something that is no secret of an escrow") from None
    if said != (_FORMAT, place, version) or not isinstance(value, str):
        raise unlike(place, version, f"what was sealed for {said[1]}, version {said[2]}") from None
    return Secret(place, version, value)


def unlike(place: Place, version: str, found: str) -> MspError:
    return MspError(
        "MSP-ESC-005",
        f"the secret of {place}, version {version}, as it was sealed",
        found,
        "somebody changed the escrow, or its medium fails: bring it back from a copy and look into who can write to it",
    )
