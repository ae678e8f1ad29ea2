# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Holds a bundle of sightings against the assets, and says whether one of them is it. Pure: no I/O.

What identifies decides, and only where no other asset comes near. A name or an address never decides for a bundle that
shows hardware of its own: the machine that replaces another one takes over both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import IDENTIFYING, NETWORK, PRINTER, Kind
from ansible_collections.msp.ops.plugins.plugin_utils.identity.grouping import Bundle, Ledger
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Token, Verdict, Why, Worth
from ansible_collections.msp.ops.plugins.plugin_utils.identity.things import Judgement, Side, Thing, hearsay
from ansible_collections.msp.ops.plugins.plugin_utils.identity.weighing import (
    CERTAIN,
    LISTED,
    MISSPELT,
    WEIGHTS,
    Point,
    Score,
    Settings,
    hardware,
    score,
)

_CONTESTED = (Worth.SHARED, Worth.DOUBTFUL)
_IDENTIFYING = frozenset(IDENTIFYING)
_ACCOUNTS = frozenset({Kind.DIRECTORY_ID, Kind.MDM_ID})
# Kinds of machine whose address is given once and stays.
_SETTLED_TYPES = frozenset({"server", "virtual_machine", "network", "printer"})
_SETTLED_FAMILIES = frozenset({NETWORK, PRINTER})


@dataclass(frozen=True, slots=True)
class _Option:
    """One asset with its score."""

    record: Bundle
    score: Score

    @property
    def key(self) -> str:
        return self.record.members[0].key

    @property
    def clean(self) -> bool:
        return self.score.decisive and not self.score.contradicted


def _renamed(best: _Option, other: _Option) -> bool:
    """Does nothing but a name speak for the other one, which has another account on record than the best one, whose
    account this is? Then the machines swapped names, or one took the other's.
    """
    if any(point.weight > 0 and point.kind != Kind.NAME for point in other.score.points):
        return False
    accounts = {point.kind for point in best.score.points if point.weight > 0 and point.kind in _ACCOUNTS}
    return any(point.kind in accounts and point.weight < 0 for point in other.score.points)


class Judge:
    """The assets of one customer, ready to hold bundles against."""

    def __init__(self, records: Sequence[Bundle], ledger: Ledger, settings: Settings) -> None:
        self._ledger, self._settings = ledger, settings
        self._records = {one.members[0].key: one for one in records}
        self._index: dict[Token, list[Bundle]] = defaultdict(list)
        self._listed: dict[str, list[Bundle]] = defaultdict(list)
        for one in records:
            for kind in (*IDENTIFYING, Kind.NAME):
                for value in one.of(kind):
                    self._index[kind, value].append(one)
            for address in one.of(Kind.ADDRESS) | one.members[0].listed:
                self._listed[address].append(one)

    def decide(self, bundle: Bundle) -> Judgement | None:
        """The verdict; None for a bundle without hardware of its own that nothing identifying speaks of."""
        certain = self._records.get(bundle.asset or "")
        options = self._options(bundle)
        if certain is not None:
            return self._certain(bundle, certain, options)
        clean = [one for one in options if one.clean and one.score.total >= self._settings.accept]
        if clean:
            return self._best(bundle, clean[0], options)
        doubts = [one for one in options if self._doubtful(one.score)]
        sharers = self._sharers(bundle)
        named = [one for one in options if one.score.named and not one.score.contradicted and not one.score.alien]
        if doubts or sharers:
            shared = bool(sharers) or any(one.score.shared for one in doubts)
            more = [one for one in named if one not in doubts]
            sides = (*self._sides(bundle, (*doubts, *more)), *sharers)
            return Judgement(Verdict.CONFLICT, Why.SHARED if shared else Why.CONTRADICTION, sides)
        if not hardware(bundle.known, self._ledger.worth):
            return None
        if named:
            return Judgement(Verdict.CONFLICT, Why.SUCCESSOR, self._sides(bundle, named))
        return Judgement(Verdict.NEW, Why.UNKNOWN)

    def _certain(self, bundle: Bundle, record: Bundle, options: Sequence[_Option]) -> Judgement:
        """An audit of the asset is that asset, unless what answered is another machine than NetBox has on record."""
        found = score(bundle, record, self._ledger.worth)
        points = (Point("certain", (record.members[0].key,), CERTAIN), *found.points)
        side = Side(bundle, record.members[0].key, None, points)
        others = [one for one in options if one.record is not record and one.clean]
        rivals = [one for one in others if one.score.total > found.total]
        if found.contradicted or record.members[0].divided or rivals:
            return Judgement(Verdict.CONFLICT, Why.CONTRADICTION, (side, *self._sides(bundle, rivals)))
        return Judgement(Verdict.MATCHED, Why.CERTAIN, (side,), record.members[0].key)

    def _best(self, bundle: Bundle, best: _Option, options: Sequence[_Option]) -> Judgement:
        line = best.score.total - self._settings.margin
        close = [
            one for one in options if one is not best and one.score.support > max(line, 0) and not _renamed(best, one)
        ]
        if not close and not best.score.named and best.score.support <= WEIGHTS[Kind.SERIAL]:
            # One label says this asset, the name says another: labels get swapped.
            close = [one for one in options if one.score.named and one.score.contradicted]
        if close:
            return Judgement(Verdict.CONFLICT, Why.TOO_CLOSE, self._sides(bundle, (best, *close)))
        if best.record.members[0].divided:
            return Judgement(Verdict.CONFLICT, Why.CONTRADICTION, self._sides(bundle, (best,)))
        return Judgement(Verdict.MATCHED, Why.EVIDENCE, self._sides(bundle, (best,)), best.key)

    def _doubtful(self, found: Score) -> bool:
        """Something identifying or a misspelt serial number speaks for it, and it was not enough."""
        if found.shared:
            return True
        slip = any(point.weight == MISSPELT and point.kind == Kind.SERIAL for point in found.points)
        return (found.decisive or (slip and found.named)) and found.total >= self._settings.doubt

    def _options(self, bundle: Bundle) -> list[_Option]:
        """Every asset that something speaks for, best first."""
        found: dict[str, Bundle] = {}
        for kind, values in bundle.known.items():
            if kind not in _IDENTIFYING and kind not in (Kind.NAME, Kind.HEARD):
                continue
            for value in values:
                records = self._index.get((Kind.NAME if kind is Kind.HEARD else kind, value), ())
                if len(records) <= self._settings.holders:
                    found.update((one.members[0].key, one) for one in records)
        worth = self._ledger.worth
        options = [_Option(one, score(bundle, one, worth)) for one in found.values()]
        return sorted(options, key=lambda one: (not one.clean, -one.score.total, one.key))

    def _sharers(self, bundle: Bundle) -> tuple[Side, ...]:
        """Other bundles that claim the same value."""
        found: dict[int, Side] = {}
        for kind in IDENTIFYING:
            for value in sorted(bundle.known.get(kind, ())):
                if self._ledger.worth.get((kind, value)) not in _CONTESTED:
                    continue
                for other in self._ledger.holders[kind, value]:
                    if not any(one in bundle.members for one in other.members):
                        found.setdefault(id(other), Side(bundle, None, other, (Point(kind, (value,), 0),)))
        return tuple(found.values())

    @staticmethod
    def _sides(bundle: Bundle, options: Iterable[_Option]) -> tuple[Side, ...]:
        return tuple(Side(bundle, one.key, None, one.score.points) for one in options)

    def unheard(self, things: Iterable[Thing], by_asset: Mapping[str, Thing]) -> None:
        """What only reverse DNS calls by the name of an asset whose own hardware is there besides is not that asset."""
        for thing in things:
            if thing.why is not Why.SUCCESSOR:
                continue
            (bundle,) = thing.bundles
            thing.sides = [
                side
                for side in thing.sides
                if not hearsay(side.points)
                or side.asset is None
                or not by_asset[side.asset].alive_beside(bundle, self._settings.near)
            ]
            if not thing.sides:
                thing.verdict, thing.why = Verdict.NEW, Why.UNKNOWN

    def taken_over(self, things: Iterable[Thing], by_asset: Mapping[str, Thing]) -> None:
        """What is new at the address of an asset may be that asset with a new card, where nothing says otherwise."""
        for thing in things:
            if thing.verdict is not Verdict.NEW:
                continue
            (bundle,) = thing.bundles
            sides = [
                Side(bundle, record.members[0].key, None, (Point(Kind.ADDRESS, (address,), LISTED),))
                for address in sorted(bundle.of(Kind.ADDRESS))
                for record in self._listed.get(address, ())
                if len(self._listed[address]) <= self._settings.holders
                and self._may_be(bundle, record, by_asset[record.members[0].key])
            ]
            if sides:
                thing.verdict, thing.why, thing.sides = Verdict.CONFLICT, Why.SUCCESSOR, sides

    def _may_be(self, bundle: Bundle, record: Bundle, thing: Thing) -> bool:
        if score(bundle, record, self._ledger.worth).total < -3:  # more against than another card
            return False
        names, others = bundle.of(Kind.NAME), record.of(Kind.NAME)
        if names and others and not names & others:
            return False
        if not record.cards:
            return True
        one = record.members[0]
        settled = one.type in _SETTLED_TYPES or one.family in _SETTLED_FAMILIES
        return settled and not thing.alive_since(bundle.first_seen)
