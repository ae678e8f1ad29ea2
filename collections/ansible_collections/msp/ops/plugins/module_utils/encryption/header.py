# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A LUKS header as cryptsetup shows it: whose each key slot is, and which version of the recovery key is in force.

Pure: no I/O. A token of ours names the version and the slot before the slot is filled, and says the salt of the slot
once the key was proved to open it. So after a crash at any step the header itself tells what may be relied on:

    setting, slot empty     nothing happened
    setting, slot filled    nobody knows whether what is in escrow opens it: it is taken out again
    proven                  what is in escrow under that version opened this very slot
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

RECOVERY, HOST_KEY = "msp-recovery", "msp-host-key"
SETTING, PROVEN = "setting", "proven"
# The header's own words: whether we made it, and whether all of that was done.
MAKING, MADE = "msp-ops making", "msp-ops"
SLOTS = 32
_VERSION = re.compile(r"[A-Za-z0-9.:_-]{1,80}")


class Slot(NamedTuple):
    """A key slot that is filled. memory is in KiB."""

    number: int
    kdf: str
    memory: int
    salt: str


class Recovery(NamedTuple):
    """One of our tokens for a recovery key."""

    token: int
    version: str
    slot: int
    state: str
    salt: str = ""


class Header(NamedTuple):
    """What cryptsetup says of a device. owners: of slots that a token of ours or of another program names, whose.
    idle: tokens of the host's own key of which no slot is left. host_digests: of the key that the host was given, where
    its token says it.

    version is 1 or 2; of a LUKS1 header nothing else is read. bits is the size of the volume key.
    """

    version: int
    uuid: str = ""
    subsystem: str = ""
    cipher: str = ""
    bits: int = 0
    slots: tuple[Slot, ...] = ()
    recovery: tuple[Recovery, ...] = ()
    host_key: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    owners: tuple[tuple[int, str], ...] = ()
    idle: tuple[int, ...] = ()
    host_digests: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether it was made to its end: ours, or somebody else's work."""
        return self.subsystem != MAKING

    @property
    def proven(self) -> tuple[Recovery, ...]:
        """Recovery keys that may be relied on, the newest first: their slot is the one that was proved."""
        salts = {slot.number: slot.salt for slot in self.slots}
        found = [one for one in self.recovery if one.state == PROVEN and one.salt and salts.get(one.slot) == one.salt]
        return tuple(sorted(found, key=lambda one: one.version, reverse=True))

    @property
    def in_doubt(self) -> tuple[Recovery, ...]:
        """Our other tokens for recovery keys: what a crash left."""
        proven = self.proven
        return tuple(one for one in self.recovery if one not in proven)

    @property
    def strays(self) -> tuple[int, ...]:
        """Filled slots of which nobody says whose they are."""
        known = {number for number, _owner in self.owners}
        known.update(one.slot for one in self.recovery)
        known.update(self.host_key)
        return tuple(slot.number for slot in self.slots if slot.number not in known)

    @property
    def free_slot(self) -> int | None:
        """For a recovery key: from the end, since a person who adds a key by hand gets the first free one."""
        taken = {slot.number for slot in self.slots} | {one.slot for one in self.recovery}
        return next((number for number in reversed(range(SLOTS)) if number not in taken), None)

    @property
    def free_token(self) -> int | None:
        return next((number for number in reversed(range(SLOTS)) if number not in self.tokens), None)

    def slot(self, number: int) -> Slot | None:
        return next((one for one in self.slots if one.number == number), None)


def read(text: str, metadata: str) -> Header:
    """text is what luksDump says, metadata what it says with --dump-json-metadata (empty for LUKS1).

    Raises ValueError where it is no LUKS header.
    """
    said = dict(re.findall(r"^(Version|UUID|Subsystem):[ \t]*(.*?)[ \t]*$", text, re.MULTILINE))
    if said.get("Version") not in ("1", "2"):
        raise ValueError("no LUKS header")
    if said["Version"] == "1":
        return Header(1, said.get("UUID", ""))
    data = json.loads(metadata)
    slots = [_slot(number, one) for number, one in data["keyslots"].items() if one.get("kdf")]
    segment = data["segments"].get("0", {})
    sizes = [one["key_size"] for one in data["keyslots"].values()]
    tokens = {int(number): token for number, token in data["tokens"].items()}
    owned = [(int(slot), one["type"]) for one in tokens.values() if one["type"] != RECOVERY for slot in one["keyslots"]]
    return Header(
        2,
        said.get("UUID", ""),
        "" if said.get("Subsystem", "").startswith("(") else said.get("Subsystem", ""),
        str(segment.get("encryption", "")),
        8 * max(sizes, default=0),
        tuple(sorted(slots)),
        tuple(_recovery(number, token) for number, token in sorted(tokens.items()) if _is_recovery(token)),
        tuple(sorted({slot for slot, owner in owned if owner == HOST_KEY})),
        tuple(sorted(tokens)),
        tuple(sorted(set(owned))),
        tuple(n for n, one in sorted(tokens.items()) if one["type"] == HOST_KEY and not one["keyslots"]),
        tuple(sorted({str(one["sha256"]) for one in tokens.values() if _is_host_key(one)})),
    )


def _is_host_key(token: Mapping[str, Any]) -> bool:
    return token["type"] == HOST_KEY and bool(token["keyslots"]) and "sha256" in token


def _slot(number: str, data: Mapping[str, Any]) -> Slot:
    kdf = data["kdf"]
    return Slot(int(number), str(kdf["type"]), int(kdf.get("memory", 0)), str(kdf["salt"]))


def _is_recovery(token: Mapping[str, Any]) -> bool:
    return (
        token["type"] == RECOVERY
        and bool(_VERSION.fullmatch(str(token.get("version", ""))))
        and str(token.get("slot", "")).isdigit()
        and int(token["slot"]) < SLOTS
    )


def _recovery(number: int, token: Mapping[str, Any]) -> Recovery:
    return Recovery(
        number, str(token["version"]), int(token["slot"]), str(token.get("state", "")), str(token.get("salt", ""))
    )


def recovery_token(one: Recovery) -> str:
    """A token as cryptsetup imports it. It names its slot to cryptsetup only once that is filled."""
    token = {"type": RECOVERY, "keyslots": [], "version": one.version, "slot": str(one.slot), "state": one.state}
    if one.state == PROVEN:
        token.update(keyslots=[str(one.slot)], salt=one.salt)
    return json.dumps(token)


def host_key_token(slot: int, made: bytes | None) -> str:
    """made: the random bytes that open that slot, of which the digest is told. None for somebody else's key: a word
    could be guessed by its digest."""
    token: dict[str, Any] = {"type": HOST_KEY, "keyslots": [str(slot)]}
    return json.dumps(token if made is None else {**token, "sha256": digest(made)})


def digest(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()


def as_dict(header: Header) -> dict[str, Any]:
    """For a module's answer: plain lists and tables."""
    return {
        **header._asdict(),
        "slots": [one._asdict() for one in header.slots],
        "recovery": [one._asdict() for one in header.recovery],
        "host_key": list(header.host_key),
        "tokens": list(header.tokens),
        "owners": [list(one) for one in header.owners],
        "idle": list(header.idle),
        "host_digests": list(header.host_digests),
    }


def of_dict(data: Mapping[str, Any]) -> Header:
    """What as_dict() made. A host's answer: KeyError, TypeError or ValueError where it is something else."""
    rows: Iterable[Mapping[str, Any]] = data["slots"]
    return Header(
        int(data["version"]),
        str(data["uuid"]),
        str(data["subsystem"]),
        str(data["cipher"]),
        int(data["bits"]),
        tuple(Slot(int(one["number"]), str(one["kdf"]), int(one["memory"]), str(one["salt"])) for one in rows),
        tuple(
            Recovery(int(one["token"]), str(one["version"]), int(one["slot"]), str(one["state"]), str(one["salt"]))
            for one in data["recovery"]
        ),
        tuple(int(one) for one in data["host_key"]),
        tuple(int(one) for one in data["tokens"]),
        tuple((int(number), str(owner)) for number, owner in data["owners"]),
        tuple(int(one) for one in data["idle"]),
        tuple(str(one) for one in data["host_digests"]),
    )
