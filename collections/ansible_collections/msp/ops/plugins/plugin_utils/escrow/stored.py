# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An escrow in the evidence store: for AWX, where a job's files vanish with it. The store has ciphertexts alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from ansible_collections.msp.ops.plugins.plugin_utils.escrow.records import Held, Place, nothing_held
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store


class Stored:
    """In an open store, which its owner closes."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def name(self) -> str:
        return self.store.name

    def write(self, place: Place, version: str, ciphertext: bytes) -> None:
        """Keep it. Raises FileExistsError where this version is there already."""
        self.store.keep_secret((*place.parts, version), ciphertext)

    def read(self, place: Place, version: str) -> bytes:
        """What was written. Raises MspError (MSP-ESC-009) where there is no such version."""
        found = self.store.kept_secret((*place.parts, version))
        if found is None:
            raise nothing_held(place, version, self.name)
        return found

    def mark(self, place: Place, version: str, at: dt.datetime) -> None:
        """The host was seen to take this version. A second mark is none: the first says when."""
        self.read(place, version)
        self.store.mark_secret((*place.parts, version), at)

    def held(self, place: Place) -> tuple[Held, ...]:
        """All versions of a place, oldest first."""
        return tuple(Held(version, at) for version, at in self.store.secret_versions(place.parts))

    def places(self, customer: str) -> Iterator[Place]:
        """Every place of a customer that has a version, in order."""
        yield from (Place(*parts) for parts in self.store.secret_places(customer))
