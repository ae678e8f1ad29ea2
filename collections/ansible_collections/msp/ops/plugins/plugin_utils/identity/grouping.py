# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sightings of one thing become one bundle, strongest evidence first; what two machines claim joins nothing. Pure.

Works level by level: all that a serial number joins, then all that a UUID joins, and so on. On each level every value
is judged by everything that has it, before anything is joined; so the order of the input decides nothing. A chain of
joins that ends in two machines is not made at all.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import (
    IDENTIFYING,
    NOTHING,
    VIRTUAL_MACHINE,
    Kind,
    Profile,
    misspelt,
)
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Disputed, Token, Worth
from ansible_collections.msp.ops.plugins.plugin_utils.identity.weighing import Evidence, Settings

_CARDS = (Kind.MAC, Kind.WEAK_MAC)
_OF_MACHINE = frozenset({Kind.SERIAL, Kind.UUID, Kind.ASSET_TAG})
_SHOWN = 10
_Records = dict[Token, list["Bundle"]]


@dataclass(slots=True, eq=False)
class Bundle(Evidence):
    """Profiles that are one thing, and the evidence of all of them."""

    members: tuple[Profile, ...] = ()
    virtual: bool = False
    first_seen: dt.datetime | None = None
    last_seen: dt.datetime | None = None

    @property
    def cards(self) -> frozenset[str]:
        weak, macs = self.of(Kind.WEAK_MAC), self.of(Kind.MAC)
        return macs | weak if weak else macs

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(one.key for one in self.members)


def bundle(profile: Profile) -> Bundle:
    return Bundle(
        known=profile.known(),
        families=_one(profile.family),
        systems=_one(profile.system),
        asset=profile.asset,
        members=(profile,),
        virtual=profile.type == VIRTUAL_MACHINE or (bool(profile.weak_macs) and not profile.macs),
        first_seen=profile.first_seen,
        last_seen=profile.last_seen,
    )


@functools.lru_cache(maxsize=256)
def _one(word: str) -> frozenset[str]:
    return frozenset((word,)) if word else NOTHING


def merged(parts: Sequence[Evidence]) -> Evidence:
    """The evidence of several together, whatever their order."""
    if len(parts) == 1:
        return parts[0]
    known: dict[Kind, frozenset[str]] = {}
    for one in parts:
        for kind, values in one.known.items():
            known[kind] = known[kind] | values if kind in known else values
    return Evidence(
        known,
        NOTHING.union(*(one.families for one in parts)),
        NOTHING.union(*(one.systems for one in parts)),
        next((one.asset for one in parts if one.asset), None),
    )


def union(bundles: Sequence[Bundle]) -> Bundle:
    """Several bundles as one, whatever their order."""
    if len(bundles) == 1:
        return bundles[0]
    all_of_it = merged(bundles)
    return Bundle(
        known=all_of_it.known,
        families=all_of_it.families,
        systems=all_of_it.systems,
        asset=all_of_it.asset,
        members=tuple(sorted((m for one in bundles for m in one.members), key=lambda m: m.key)),
        virtual=any(one.virtual for one in bundles),
        first_seen=min((one.first_seen for one in bundles if one.first_seen), default=None),
        last_seen=max((one.last_seen for one in bundles if one.last_seen), default=None),
    )


@dataclass(slots=True)
class Ledger:
    """Which values do not count as their kind does, and why."""

    worth: dict[Token, Worth] = field(default_factory=dict)
    holders: dict[Token, list[Bundle]] = field(default_factory=dict)
    assets: dict[Token, list[Bundle]] = field(default_factory=dict)

    def add(self, token: Token, worth: Worth, bundles: Sequence[Bundle]) -> None:
        self.worth[token] = worth
        self.holders[token] = list(bundles)

    def valid(self, one: Bundle, kind: Kind) -> frozenset[str]:
        values = one.known.get(kind)
        return frozenset([v for v in values if (kind, v) not in self.worth]) if values else NOTHING

    def disputed(self) -> tuple[Disputed, ...]:
        """All of it, sorted, for people."""
        rows = []
        for token in sorted(self.worth):
            keys = {key for one in self.holders[token] for key in one.keys}
            keys |= {key for one in self.assets.get(token, ()) for key in one.keys}
            shown = tuple(sorted(keys)[:_SHOWN])
            rows.append(Disputed(token[0], token[1], self.worth[token], shown, len(keys)))
        return tuple(rows)


def join(sightings: Sequence[Bundle], assets: Sequence[Bundle], settings: Settings) -> tuple[list[Bundle], Ledger]:
    """The bundles of all sightings, and the values that cannot join."""
    ledger = Ledger()
    on_record = _on_record(assets)
    families, named = _Families((*sightings, *assets)), _Named(assets)
    bundles = _joined(sightings, components(_by_asset(sightings)))
    for kind in IDENTIFYING:
        _judge_assets(kind, on_record, ledger, settings)
        holders = _holders(bundles, kind)
        owners = _Owners(bundles, assets, on_record, ledger) if kind in _CARDS else None
        context = _Context(ledger, families, named, owners, settings)
        joins: list[tuple[Token, list[Bundle]]] = []
        for value in sorted(holders):
            found, token = holders[value], (kind, value)
            if token in ledger.worth:
                ledger.holders[token] = found
                continue
            recorded = on_record.get(token, [])
            if len(found) < 2 and not (owners and recorded):
                continue
            worth = _judged(token, found, recorded, context)
            if worth is None and len(found) > 1:
                joins.append((token, found))
            elif worth is None:
                continue
            else:
                ledger.add(token, worth, found)
        bundles = _level(bundles, joins, ledger)
    for token, found in on_record.items():
        if token in ledger.worth:
            ledger.assets[token] = found
    return _private(bundles, ledger), ledger


def _by_asset(bundles: Iterable[Bundle]) -> list[list[Bundle]]:
    groups: dict[str, list[Bundle]] = defaultdict(list)
    for one in bundles:
        if one.asset:
            groups[one.asset].append(one)
    return [found for found in groups.values() if len(found) > 1 and not apart(found, Ledger())]


def _holders(bundles: Iterable[Bundle], kind: Kind) -> dict[str, list[Bundle]]:
    found: dict[str, list[Bundle]] = defaultdict(list)
    for one in bundles:
        for value in one.known.get(kind, ()):
            found[value].append(one)
    return found


def _on_record(assets: Iterable[Bundle]) -> dict[Token, list[Bundle]]:
    found: dict[Token, list[Bundle]] = defaultdict(list)
    for one in assets:
        for kind, values in one.known.items():
            for value in values if kind in IDENTIFYING else ():
                found[kind, value].append(one)
    return found


def _judge_assets(kind: Kind, on_record: dict[Token, list[Bundle]], ledger: Ledger, settings: Settings) -> None:
    """A value that more assets have than one value can belong to says nothing of a sighting either."""
    for token, found in on_record.items():
        if token[0] is kind and len(found) > settings.holders:
            ledger.add(token, Worth.MANY, ())
            ledger.assets[token] = found


def _judged(token: Token, found: list[Bundle], recorded: list[Bundle], context: _Context) -> Worth | None:
    """What is wrong with a value that several bundles have; None when it may join them."""
    most = context.settings.holders
    if len(found) > most and (len(found) > most * 8 or context.families.count(found) > most):
        return Worth.MANY
    if apart(found, context.ledger):
        return Worth.MOVING if token[0] in _CARDS else Worth.SHARED
    if token[0] in _OF_MACHINE and any(
        _alive_apart(a, b, context.families, context.named) for a, b in combinations(found, 2)
    ):
        return Worth.SHARED
    return context.owners.judged(found, recorded) if context.owners is not None else None


def apart(bundles: Sequence[Bundle], ledger: Ledger) -> bool:
    """True when these cannot be one machine: two serial numbers, UUIDs or certain assets that nobody disputes."""
    if len({b.asset for b in bundles if b.asset}) > 1:
        return True
    for kind in (Kind.SERIAL, Kind.UUID):
        seen: frozenset[str] | None = None
        for one in bundles:
            values = ledger.valid(one, kind)
            if not values:
                continue
            if seen is not None and not seen & values:
                return True
            seen = values if seen is None else seen | values
    return False


def _alive_apart(one: Bundle, other: Bundle, families: _Families, named: _Named) -> bool:
    """Two that bear one serial number or UUID and share no network card, and are two machines.

    A machine that was copied keeps its name, and is there at the same time as the original; two machines of a careless
    maker have different names. One machine with two cards has one name and is no virtual machine.
    """
    mine, theirs = one.cards, other.cards
    if mine & theirs:
        return False
    names, others = one.of(Kind.NAME), other.of(Kind.NAME)
    renamed = bool(names) and bool(others) and not names & others
    if renamed and named.apart(names, others):
        return True
    if mine and theirs:
        separate = not families.same(mine, theirs)
        return separate and (renamed or (one.virtual and other.virtual and overlap(one, other)))
    return renamed and overlap(one, other) and _listed_twice(one, other)


def _listed_twice(one: Bundle, other: Bundle) -> bool:
    """Does one source keep two records of them, both alive? A device that was enrolled again leaves a dead one."""
    return any(a.source == b.source and a.mdm_ids != b.mdm_ids for a in one.members for b in other.members)


def overlap(one: Bundle, other: Bundle) -> bool:
    """Were both seen in one stretch of time? Without times nobody knows, so they may have been."""
    if one.first_seen is None or one.last_seen is None or other.first_seen is None or other.last_seen is None:
        return True
    return one.first_seen <= other.last_seen and other.first_seen <= one.last_seen


def _level(bundles: list[Bundle], joins: list[tuple[Token, list[Bundle]]], ledger: Ledger) -> list[Bundle]:
    """Join what the values of one level join; a chain that ends in two machines joins nothing, and its values are
    doubtful.
    """
    components = []
    for component, tokens in _chains(joins):
        if apart(component, ledger):
            for token, found in tokens:
                ledger.add(token, Worth.DOUBTFUL, found)
        else:
            components.append(component)
    return _joined(bundles, components)


def _chains(
    joins: list[tuple[Token, list[Bundle]]],
) -> Iterable[tuple[list[Bundle], list[tuple[Token, list[Bundle]]]]]:
    groups = components([found for _token, found in joins])
    of_bundle = {id(one): number for number, group in enumerate(groups) for one in group}
    tokens: dict[int, list[tuple[Token, list[Bundle]]]] = defaultdict(list)
    for token, found in joins:
        tokens[of_bundle[id(found[0])]].append((token, found))
    return [(group, tokens[number]) for number, group in enumerate(groups)]


def components(groups: Iterable[list[Bundle]]) -> list[list[Bundle]]:
    """The connected components of lists that overlap, each bundle once."""
    parent: dict[int, int] = {}
    bundles: dict[int, Bundle] = {}

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for group in groups:
        for one in group:
            if id(one) not in parent:
                parent[id(one)], bundles[id(one)] = id(one), one
        first = root(id(group[0]))
        for one in group[1:]:
            parent[root(id(one))] = first
    found: dict[int, list[Bundle]] = defaultdict(list)
    for number, one in bundles.items():
        found[root(number)].append(one)
    return list(found.values())


def _joined(bundles: Sequence[Bundle], components: list[list[Bundle]]) -> list[Bundle]:
    gone = {id(one) for component in components for one in component}
    return [one for one in bundles if id(one) not in gone] + [union(component) for component in components]


def _private(bundles: list[Bundle], ledger: Ledger) -> list[Bundle]:
    """Join what shows nothing but one private hardware address: one thing of its own, and still none of the assets."""
    loose = [b for b in bundles if b.of(Kind.PRIVATE_MAC) and not b.cards and not any(b.of(k) for k in IDENTIFYING)]
    holders = {value: found for value, found in _holders(loose, Kind.PRIVATE_MAC).items() if len(found) > 1}
    return _level(bundles, [((Kind.PRIVATE_MAC, value), holders[value]) for value in sorted(holders)], ledger)


class _Families:
    """Network cards that one sighting or asset showed together: they are in one machine."""

    def __init__(self, bundles: Iterable[Bundle]) -> None:
        self._parent: dict[str, str] = {}
        for one in bundles:
            if len(one.of(Kind.MAC)) + len(one.of(Kind.WEAK_MAC)) < 2:
                continue
            cards = sorted(one.cards)
            for card in cards[1:]:
                self._parent[self._root(card)] = self._root(cards[0])

    def _root(self, card: str) -> str:
        parent = self._parent
        while (above := parent.setdefault(card, card)) != card:
            parent[card] = parent[above]
            card = above
        return card

    def same(self, mine: frozenset[str], theirs: frozenset[str]) -> bool:
        roots = {self._root(card) for card in mine}
        return any(self._root(card) in roots for card in theirs)

    def count(self, bundles: Iterable[Bundle]) -> int:
        """How many machines these are at most, going by their cards; without cards, by their names."""
        kinds = {
            min((self._root(c) for c in b.cards), default=None) or min(b.of(Kind.NAME), default="") for b in bundles
        }
        return len(kinds)


class _Named:
    """The assets by the names that are on record of them."""

    def __init__(self, assets: Iterable[Bundle]) -> None:
        self._assets: dict[str, set[str | None]] = defaultdict(set)
        for one in assets:
            for name in one.of(Kind.NAME):
                self._assets[name].add(one.asset)

    def apart(self, names: frozenset[str], others: frozenset[str]) -> bool:
        """Do these belong to one asset and those to another?"""
        mine = {asset for name in names for asset in self._assets.get(name, ())}
        theirs = {asset for name in others for asset in self._assets.get(name, ())}
        return bool(mine) and bool(theirs) and not mine & theirs


class _Owners:
    """Whose a name is: of machines that are identified, and of assets. Tells a dock from a renamed machine."""

    def __init__(
        self, bundles: Iterable[Bundle], assets: Iterable[Bundle], on_record: _Records, ledger: Ledger
    ) -> None:
        self._ledger, self._on_record = ledger, on_record
        self._bearers: dict[str, list[Bundle]] = defaultdict(list)
        self._assets: dict[str, list[Bundle]] = defaultdict(list)
        for one in bundles:
            for name in one.of(Kind.NAME):
                self._bearers[name].append(one)
        for one in assets:
            for name in one.of(Kind.NAME):
                self._assets[name].append(one)

    def _identified(self, one: Bundle) -> bool:
        valid = self._ledger.valid
        return bool(one.asset or valid(one, Kind.SERIAL) or valid(one, Kind.UUID))

    def _records(self, one: Bundle, without: frozenset[str]) -> set[str | None]:
        """The assets on whose record something of it is, but for some cards."""
        if one.asset:
            return {one.asset}
        return {
            asset.asset
            for kind in IDENTIFYING
            for value in self._ledger.valid(one, kind) - without
            for asset in self._on_record.get((kind, value), ())
        }

    def judged(self, found: list[Bundle], recorded: list[Bundle]) -> Worth | None:
        """A card of an identified machine, seen under the name of another one: it moves, where that other one is there
        with a card of its own; where it is not, the first may have got its name.
        """
        worst: Worth | None = None
        for machine in (*recorded, *filter(self._identified, found)):
            for other in found:
                names = other.of(Kind.NAME)
                if other is machine or not names or names & machine.of(Kind.NAME) or self._identified(other):
                    continue
                if names & self._called_now(machine, found):
                    continue
                rivals = self._rivals(machine, other, names)
                if any(one.cards - other.cards and overlap(one, other) for one in rivals):
                    return Worth.MOVING
                if rivals or self._on_paper(machine, names):
                    worst = Worth.DOUBTFUL
        return worst

    def _called_now(self, machine: Bundle, found: Iterable[Bundle]) -> frozenset[str]:
        """The names under which an asset's machine shows this card, known by more than the card."""
        mine = [one for one in found if self._identified(one) and machine.asset in self._records(one, one.cards)]
        return NOTHING.union(*(one.of(Kind.NAME) for one in mine)) if machine.asset else NOTHING

    def _rivals(self, machine: Bundle, other: Bundle, names: frozenset[str]) -> list[Bundle]:
        """Who bears one of these names and is proved to be another machine than this one."""
        mine = self._records(machine, other.cards)
        found = []
        for one in (o for name in names for o in self._bearers.get(name, ()) if o is not other):
            theirs = self._records(one, other.cards)
            if apart((machine, one), self._ledger) or (mine and theirs and not mine & theirs):
                found.append(one)
        return found

    def _on_paper(self, machine: Bundle, names: frozenset[str]) -> bool:
        """Does another asset than this machine's own have one of these names?"""
        return any(_another(machine, asset) for name in names for asset in self._assets.get(name, ()))


def _another(machine: Bundle, asset: Bundle) -> bool:
    if machine.asset:
        return machine.asset != asset.asset
    same = machine.of(Kind.SERIAL) & asset.of(Kind.SERIAL) or machine.cards & asset.cards
    return not same or _other_serial(machine, asset)


def _other_serial(one: Bundle, other: Bundle) -> bool:
    mine, theirs = one.of(Kind.SERIAL), other.of(Kind.SERIAL)
    return bool(mine) and bool(theirs) and not mine & theirs and not any(misspelt(a, b) for a in mine for b in theirs)


@dataclass(frozen=True, slots=True)
class _Context:
    """What a value of one level is judged by."""

    ledger: Ledger
    families: _Families
    named: _Named
    owners: _Owners | None
    settings: Settings
