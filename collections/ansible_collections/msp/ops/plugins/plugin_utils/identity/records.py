# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What identity answers: entities with a verdict, and the evidence for each side as data. Pure: dataclasses, no I/O."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Kind

Token = tuple[Kind, str]


class Verdict(StrEnum):
    """matched: is that asset. new: is none of the assets. conflict: a person decides."""

    MATCHED = "matched"
    NEW = "new"
    CONFLICT = "conflict"


class Why(StrEnum):
    """What a verdict rests on."""

    CERTAIN = "certain"  # the source knows the asset: it audited it
    EVIDENCE = "evidence"  # identifying evidence, or weak evidence that nothing speaks against
    UNKNOWN = "unknown"  # nothing on record agrees
    TOO_CLOSE = "too_close"  # two or more candidates with about the same support
    CONTRADICTION = "contradiction"  # strong evidence for an asset, and strong evidence against it
    SHARED = "shared"  # a serial number, UUID or tag that is seen on different machines; also a copied machine
    SUCCESSOR = (
        "successor"  # name or address of an asset, on hardware that is not on record: a new card, or a new thing
    )
    MOVING = "moving"  # only what goes from machine to machine (a dock's hardware address)


class Worth(StrEnum):
    """Why a value is not the evidence that its kind would be."""

    MANY = "many"  # more things have it than one value can belong to: no evidence
    MOVING = "moving"  # it was seen on two machines that are both identified: no evidence
    SHARED = "shared"  # different machines claim it at the same time: evidence for each of them
    DOUBTFUL = "doubtful"  # it may have moved or its machine was renamed: evidence for each of them


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence for (weight above zero) or against a candidate: who said it, and when.

    kind is a Kind, or "certain", "type", "system", "silent", "renamed" (see weighing.py). at is None for what NetBox
    says.
    """

    kind: str
    value: str
    weight: int
    source: str
    at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One side: an asset or another entity (by a key of its sightings) that this could be."""

    key: str
    is_asset: bool
    score: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Disputed:
    """A value that did not count as its kind does, and who has it (at most ten, sorted; holders counts all)."""

    kind: Kind
    value: str
    worth: Worth
    keys: tuple[str, ...]
    holders: int


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing that was seen: the sightings of it (keys of their profiles), and what is decided about it.

    key is stable as long as what identifies it is: the asset's key of what is matched, else the strongest evidence.
    identified is False for what leaves nothing that lasts: a private hardware address, an address, a stock name.
    """

    key: str
    verdict: Verdict
    why: Why
    asset: str | None
    sightings: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    identified: bool
    first_seen: dt.datetime | None
    last_seen: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Resolution:
    """One customer's sightings, each in exactly one entity, sorted by key. unseen are the assets without any."""

    customer: str
    entities: tuple[Entity, ...]
    unseen: tuple[str, ...]
    disputed: tuple[Disputed, ...]

    def of(self, verdict: Verdict) -> tuple[Entity, ...]:
        return tuple(one for one in self.entities if one.verdict is verdict)

    def by_sighting(self) -> dict[str, Entity]:
        """The entity of every sighting, by the key of its profile."""
        return {key: one for one in self.entities for key in one.sightings}

    def doubtful_assets(self) -> frozenset[str]:
        """Assets that a conflict may be about: seen perhaps, so neither found nor missing."""
        return frozenset(c.key for one in self.of(Verdict.CONFLICT) for c in one.candidates if c.is_asset)
