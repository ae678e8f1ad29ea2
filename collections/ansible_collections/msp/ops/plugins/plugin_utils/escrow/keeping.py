# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes secrets to an escrow so that they can be relied on, and fetches them so that it can be told who did.

A secret counts as kept once it was read back and opened. One is handed out once that is on record, and not before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.escrow import records, sealing
from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Held, Place, Secret, Standing

if TYPE_CHECKING:
    from ansible_collections.msp.ops.plugins.plugin_utils.escrow.sealing import Identity, Recipient, Sealed

WRITTEN, IN_FORCE, FETCHED, VERIFIED = ACTIONS = ("written", "in force", "fetched", "verified")


class Escrow(Protocol):
    """Where ciphertexts lie. Nothing that is kept changes; what fails raises MspError and has kept nothing.

    name is where, without any secret.
    """

    @property
    def name(self) -> str: ...

    def write(self, place: Place, version: str, ciphertext: bytes) -> None: ...

    def read(self, place: Place, version: str) -> bytes: ...

    def mark(self, place: Place, version: str, at: dt.datetime) -> None: ...

    def held(self, place: Place) -> tuple[Held, ...]: ...

    def places(self, customer: str) -> Iterator[Place]: ...


@dataclass(frozen=True, slots=True)
class Note:
    """What is put on record of a secret, which is not in it. why is a reason in words, ticket its number or empty."""

    at: dt.datetime
    action: str
    place: Place
    version: str
    who: str
    why: str
    ticket: str = ""


Record = Callable[[Note], None]


def keep(
    escrow: Escrow,
    place: Place,
    value: str,
    to: Sequence[Recipient],
    *,
    now: dt.datetime,
    note: Callable[[Sealed], None],
) -> str:
    """Keep a new secret and return its version. note is told what will be written before it is.

    Raises MspError where it can't be written, or what was read back is not what was written (MSP-ESC-005): then
    nothing may be set on the host.
    """
    version = records.new_version(now, escrow.held(place))
    sealed = sealing.seal(Secret(place, version, value), to)
    note(sealed)
    escrow.write(place, version, sealed.ciphertext)
    sealed.prove(escrow.read(place, version))
    return version


@dataclass(frozen=True, slots=True)
class Fetched:
    """The secret that was seen in force last, and those that may have come after it, newest first.

    closed are those of them that could not be opened, by version: what the host takes may be one of them.
    """

    current: Secret | None
    later: tuple[Secret, ...]
    closed: Mapping[str, MspError] = field(default_factory=dict)

    @property
    def every(self) -> tuple[Secret, ...]:
        """All of them; the likeliest first."""
        return (*((self.current,) if self.current else ()), *self.later)


def fetch(
    escrow: Escrow, by: Sequence[Identity], place: Place, note: Note, record: Record, *, version: str | None = None
) -> Fetched:
    """What may be in force, opened. Each is on record before it is handed out. version: that one and no other, be it
    one that was replaced long ago (for a machine that was put back from an old copy).

    Raises MspError: no reason was given (MSP-ESC-010), there is nothing (MSP-ESC-009), none can be opened.
    """
    if not note.why.strip() or not note.who.strip():
        raise MspError(
            "MSP-ESC-010", f"who wants the secret of {place}, and why", "no answer", "say both: they are put on record"
        )
    found = opened(escrow, by, place, version=version)
    for secret in found.every:
        record(Note(note.at, FETCHED, place, secret.version, note.who, note.why, note.ticket))
    return found


def opened(escrow: Escrow, by: Sequence[Identity], place: Place, *, version: str | None = None) -> Fetched:
    """What may be in force, or that version. Whoever calls it puts it on record.

    One that can't be opened (it is damaged, or was sealed for others) keeps nobody from the others.
    """
    held = escrow.held(place)
    if version is not None and version not in {one.version for one in held}:
        raise records.nothing_held(place, version, escrow.name)
    standing = records.standing(held) if version is None else Standing(version, ())
    if not standing.candidates:
        raise MspError(
            "MSP-ESC-009",
            f"a secret of {place}",
            f"none in {escrow.name}",
            f"look which there are: ./msp escrow list {place.customer}",
        )

    found: dict[str, Secret] = {}
    closed: dict[str, MspError] = {}
    for one in standing.candidates:
        try:
            found[one] = sealing.opened(escrow.read(place, one), by, place, one)
        except MspError as error:
            closed[one] = error
    if not found:
        raise closed[standing.candidates[0]]
    current = None if standing.current is None else found.get(standing.current)
    return Fetched(current, tuple(found[one] for one in standing.later if one in found), closed)
