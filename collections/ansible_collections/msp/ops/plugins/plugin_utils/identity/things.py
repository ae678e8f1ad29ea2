# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A thing in the making: an asset or something else, the bundles that are it, and why. Pure: no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import HARDWARE, IDENTIFYING, Kind
from ansible_collections.msp.ops.plugins.plugin_utils.identity.grouping import Bundle, Ledger, apart, merged, overlap
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Verdict, Why
from ansible_collections.msp.ops.plugins.plugin_utils.identity.weighing import Evidence, Point


def hearsay(points: Iterable[Point]) -> bool:
    """Does only reverse DNS speak for it? It says who had the address once, and maybe has it still."""
    return all(point.kind == Kind.HEARD for point in points if point.weight > 0)


@dataclass(frozen=True, slots=True)
class Side:
    """One candidate for a bundle (mine): an asset by key, or else another bundle; what speaks for and against it."""

    mine: Bundle
    asset: str | None
    other: Bundle | None
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is decided of one bundle. asset is set for a match only."""

    verdict: Verdict
    why: Why
    sides: tuple[Side, ...] = ()
    asset: str | None = None


@dataclass(slots=True, eq=False)
class Thing:
    """asset is the record of the asset that this is. sides are those of every bundle."""

    asset: Bundle | None = None
    verdict: Verdict = Verdict.MATCHED
    why: Why = Why.EVIDENCE
    bundles: list[Bundle] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)

    @classmethod
    def of(cls, bundle: Bundle, judgement: Judgement) -> Thing:
        return cls(None, judgement.verdict, judgement.why, [bundle], list(judgement.sides))

    @property
    def key(self) -> str | None:
        """The asset's key."""
        return self.asset.asset if self.asset is not None else None

    def take(self, bundle: Bundle, judgement: Judgement) -> None:
        """One more bundle that is this thing."""
        self.bundles.append(bundle)
        self.sides += judgement.sides
        if judgement.why is Why.CERTAIN:
            self.why = Why.CERTAIN

    def evidence(self) -> Evidence:
        """All that is known of it, on record and seen."""
        return merged([self.asset, *self.bundles] if self.asset is not None else self.bundles)

    def alive_since(self, moment: dt.datetime | None, name: str | None = None) -> bool:
        """Was it seen, under that name, by hardware of its own, after a moment?"""
        return any(
            (name is None or name in one.of(Kind.NAME))
            and one.last_seen is not None
            and (moment is None or one.last_seen >= moment)
            for one in self._machines()
        )

    def alive_beside(self, other: Bundle, near: dt.timedelta) -> bool:
        """Was its own hardware seen at about the time of the other, or later?"""
        return other.last_seen is not None and self.alive_since(other.last_seen - near)

    def silent_since(self, other: Bundle, near: dt.timedelta) -> bool:
        """Was its hardware last seen before all of the other began, and the other still well after?"""
        last = max((one.last_seen for one in self._machines() if one.last_seen is not None), default=None)
        if last is None or other.first_seen is None or other.last_seen is None:
            return False
        return last < other.first_seen and last + near < other.last_seen

    def own_names(self) -> Iterator[tuple[str, frozenset[str]]]:
        """What its hardware was seen to call itself, by asset: its own, or in a conflict each that identifying evidence
        speaks for. Nothing of what is only on record.
        """
        if self.asset is not None:
            for one in self.bundles:
                if self.key is not None and any(one.of(kind) for kind in HARDWARE):
                    yield self.key, one.of(Kind.NAME)
        for side in self.sides if self.asset is None else ():
            if side.asset is not None and any(p.weight > 0 and p.kind in IDENTIFYING for p in side.points):
                yield side.asset, side.mine.of(Kind.NAME)

    def _machines(self) -> Iterator[Bundle]:
        parts = [self.asset, *self.bundles] if self.asset is not None else self.bundles
        return (one for one in parts if any(one.of(kind) for kind in HARDWARE))


def cross_check(things: Iterable[Thing], ledger: Ledger) -> list[Thing]:
    """Take out of every asset what cannot be in it together; returns what was taken out, as conflicts."""
    found: list[Thing] = []
    for thing in things:
        if len(thing.bundles) > 1 and apart(thing.bundles, ledger):
            found += [_out(thing, one, Why.CONTRADICTION) for one in list(thing.bundles)]
        else:
            found += [_out(thing, one, Why.SHARED) for one in _copies(thing)]
    return found


def _copies(thing: Thing) -> list[Bundle]:
    """Virtual machines with the asset's UUID or serial on a card that is not on record, while its own is there."""
    record = thing.asset
    if record is None or not record.cards:
        return []
    strange = [one for one in thing.bundles if one.virtual and one.cards and not one.cards & record.cards]
    own = [one for one in (record, *thing.bundles) if one.cards & record.cards and one.last_seen is not None]
    return [one for one in strange if any(overlap(one, other) for other in own)]


def _out(thing: Thing, bundle: Bundle, why: Why) -> Thing:
    """A bundle that leaves its asset, as a conflict about that asset."""
    thing.bundles.remove(bundle)
    mine = [side for side in thing.sides if side.mine is bundle]
    thing.sides = [side for side in thing.sides if side.mine is not bundle]
    return Thing(None, Verdict.CONFLICT, why, [bundle], mine)
