# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much each kind of evidence weighs, and what two sets of evidence are worth together. Pure: no I/O.

The weights are ordered, not measured: what identifies a machine for good outweighs everything below it, and no sum of
what a successor inherits (name, address) reaches what identifies. docs/identity.md explains them to people.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import (
    HARDWARE,
    IDENTIFYING,
    NOTHING,
    Kind,
    misspelt,
)
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Token, Worth

WEIGHTS: Mapping[Kind, int] = {
    Kind.SERIAL: 12,
    Kind.UUID: 11,
    Kind.ASSET_TAG: 9,
    Kind.DIRECTORY_ID: 8,
    Kind.MDM_ID: 8,
    Kind.MAC: 7,
    Kind.WEAK_MAC: 6,
    Kind.NAME: 4,
    Kind.HEARD: 1,
    Kind.ADDRESS: 3,  # seen there by somebody near in time
    Kind.PRIVATE_MAC: 2,
    Kind.MOVING_MAC: 0,
}
SHARED = 3  # a serial number or UUID that different machines are proved to have: it is one of those
LISTED = 1  # an address that NetBox lists, of no particular time
CERTAIN = 20  # the source knows the asset
OTHER_MACHINE = -12  # another serial number or UUID
MISSPELT = -5  # a serial number in NetBox that is one slip of the hand from the one seen
OTHER_TYPE = -5  # a printer is no phone
OTHER_SYSTEM = -3  # Windows is no Android; no word against a machine that was reinstalled
SILENT = -3  # it began after the machine was last seen, and goes on: its successor, or a machine that works elsewhere
RENAMED = -3  # only NetBox calls it so: its machine bears the name that another asset has on record
OTHER_ID = -3  # another directory or MDM id, tag or card: a reinstalled or repaired machine has one


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the lines are. accept: what a match needs. margin: how far the next candidate must be behind, where what
    identifies decides; weak_margin: where names and addresses do. doubt: evidence that is contradicted still makes a
    conflict from here. holders: a value that more things have is no evidence. near: how far apart in time two sightings
    of an address can be.
    """

    accept: int = 3
    margin: int = 7
    weak_margin: int = 3
    doubt: int = -4
    holders: int = 8
    near: dt.timedelta = dt.timedelta(hours=24)


DEFAULT = Settings()


@dataclass(slots=True, eq=False)
class Evidence:
    """What is known of one thing or asset, together: by kind, with what could contradict it."""

    known: dict[Kind, frozenset[str]]
    families: frozenset[str] = NOTHING
    systems: frozenset[str] = NOTHING
    asset: str | None = None

    def of(self, kind: Kind) -> frozenset[str]:
        return self.known.get(kind, NOTHING)


@dataclass(frozen=True, slots=True)
class Point:
    """One kind of evidence that speaks for or against: the values, and their weight."""

    kind: str
    values: tuple[str, ...]
    weight: int


@dataclass(frozen=True, slots=True)
class Score:
    """decisive: something identifying agrees and nobody disputes it. shared: something disputed agrees.
    contradicted: another serial number or UUID. named: a name agrees.
    """

    total: int
    points: tuple[Point, ...]
    decisive: bool
    shared: bool
    contradicted: bool
    named: bool

    @property
    def alien(self) -> bool:
        """Of another type, or running another system."""
        return any(point.kind in ("type", "system") for point in self.points)

    @property
    def support(self) -> int:
        """What speaks for it, alone."""
        return sum(point.weight for point in self.points if point.weight > 0)


def score(mine: Evidence, theirs: Evidence, worth: Mapping[Token, Worth]) -> Score:
    """What speaks for and against two sets of evidence being of one thing. Addresses are left to who knows the time."""
    points: list[Point] = []
    decisive = shared = contradicted = False
    for kind, values in mine.known.items():
        others = theirs.known.get(Kind.NAME if kind is Kind.HEARD else kind)
        if not others or kind is Kind.ADDRESS or (kind is Kind.HEARD and Kind.NAME in mine.known):
            continue
        common = values & others
        valid = _valid(kind, common, worth)
        doubted = [v for v in common if worth.get((kind, v)) in (Worth.SHARED, Worth.DOUBTFUL)]
        if valid or doubted:
            several = not valid and all(worth[kind, v] is Worth.SHARED for v in doubted)
            points.append(Point(kind, tuple(sorted(valid or doubted)), SHARED if several else WEIGHTS[kind]))
            decisive |= bool(valid) and kind in IDENTIFYING
            shared |= not valid
        elif common:
            points.append(Point(kind, tuple(sorted(common)), 0))
        elif kind in _IDS and _valid(kind, values, worth) and _valid(kind, others, worth):
            point = _against(kind, _valid(kind, values, worth), _valid(kind, others, worth))
            contradicted |= point.weight == OTHER_MACHINE
            points.append(point)
    named = any(point.kind in (Kind.NAME, Kind.HEARD) for point in points)
    if _apart(mine.families, theirs.families):
        points.append(Point("type", (*sorted(mine.families), *sorted(theirs.families)), OTHER_TYPE))
    if not decisive and _apart(mine.systems, theirs.systems):
        points.append(Point("system", (*sorted(mine.systems), *sorted(theirs.systems)), OTHER_SYSTEM))
    points = _without_needless(points)
    return Score(sum(p.weight for p in points), tuple(points), decisive, shared, contradicted, named)


_IDS = frozenset(IDENTIFYING)
_CARDS = frozenset({Kind.MAC, Kind.WEAK_MAC})


def _valid(kind: Kind, values: Iterable[str], worth: Mapping[Token, Worth]) -> frozenset[str]:
    return frozenset(v for v in values if (kind, v) not in worth)


def _apart(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    return bool(mine) and bool(theirs) and not mine & theirs


def _against(kind: Kind, values: frozenset[str], others: frozenset[str]) -> Point:
    both = (*sorted(values), *sorted(others))
    if kind is Kind.SERIAL:
        slip = any(misspelt(a, b) for a in values for b in others)
        return Point(kind, both, MISSPELT if slip else OTHER_MACHINE)
    return Point(kind, both, OTHER_MACHINE if kind is Kind.UUID else OTHER_ID)


def _without_needless(points: list[Point]) -> list[Point]:
    """Where a serial number, UUID or card agrees, another card, directory or MDM id is no word against it."""
    if any(p.weight > 0 and p.kind in (Kind.SERIAL, Kind.UUID, Kind.MAC) for p in points):
        return [p for p in points if p.weight != OTHER_ID or p.kind == Kind.ASSET_TAG]
    cards = [p for p in points if p.kind in _CARDS]
    if any(p.weight > 0 for p in cards):
        return [p for p in points if p.weight > 0 or p.kind not in _CARDS]
    return points


def hardware(known: Mapping[Kind, frozenset[str]], worth: Mapping[Token, Worth]) -> bool:
    """Is there anything that a machine does not hand on to its successor, and that nobody disputes?"""
    return any((kind, v) not in worth for kind in HARDWARE for v in known.get(kind, NOTHING))
