# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives what shows only a name, an address or a passing hardware address to the thing that bears it. Pure: no I/O.

Such a sighting never joins two things. It goes where one thing alone bears its name, or held its address at about the
time; where two do, it is a conflict; where none does, it is a new thing that nothing lasting identifies.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import kind_of
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import IDENTIFYING, NOTHING, Kind, Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.grouping import Bundle, Ledger, components, union
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Verdict, Why
from ansible_collections.msp.ops.plugins.plugin_utils.identity.things import Judgement, Side, Thing, hearsay
from ansible_collections.msp.ops.plugins.plugin_utils.identity.weighing import (
    LISTED,
    OTHER_ID,
    RENAMED,
    SILENT,
    WEIGHTS,
    Point,
    Settings,
    score,
)

_CARD_KINDS = frozenset({Kind.MAC, Kind.WEAK_MAC, Kind.PRIVATE_MAC, Kind.MOVING_MAC})
_NAMES = (Kind.NAME, Kind.HEARD)
_LEASES = "dhcp"
_HOUR = dt.timedelta(hours=1)


class _Held(NamedTuple):
    """A thing had an address at a time. cards are the hardware addresses that were seen with it; single is the card of
    a sighting that showed one card at one address and no other.
    """

    since: dt.datetime
    at: dt.datetime
    source: str
    thing: Thing
    cards: frozenset[str]
    single: str


@dataclass(frozen=True, slots=True)
class _Option:
    thing: Thing
    points: tuple[Point, ...]

    @property
    def total(self) -> int:
        return sum(point.weight for point in self.points)


class Followers:
    """All things so far, ready to be followed; grows by what is placed."""

    def __init__(self, things: Sequence[Thing], ledger: Ledger, settings: Settings) -> None:
        self._ledger, self._settings = ledger, settings
        self._named: dict[str, dict[int, Thing]] = defaultdict(dict)
        self._heirs: dict[str, dict[int, Thing]] = defaultdict(dict)  # what may have taken over from who bears the name
        self._held: dict[str, list[_Held]] = defaultdict(list)
        self._whereabouts: dict[str, list[tuple[dt.datetime, str]]] = defaultdict(list)
        self._listed: dict[str, list[Thing]] = defaultdict(list)
        self._cards: dict[str, dict[int, Thing]] = defaultdict(dict)
        self._names_of = {thing.key: thing.asset.of(Kind.NAME) for thing in things if thing.asset is not None}
        self._recorded: dict[str, set[str | None]] = defaultdict(set)  # the assets that have a name on record
        for key, recorded in self._names_of.items():
            for name in recorded:
                self._recorded[name].add(key)
        # What an asset's machine calls itself, or a claimant to it.
        self._called: dict[str, set[str]] = defaultdict(set)
        for thing in things:
            for key, names in thing.own_names():
                self._called[key] |= names
        for thing in things:
            self._learn(thing, [*([thing.asset] if thing.asset is not None else []), *thing.bundles])
            for address in thing.asset.members[0].listed if thing.asset is not None else ():
                self._listed[address].append(thing)

    def place(self, loose: Sequence[Bundle]) -> list[Thing]:
        """A place for every bundle; returns the things that are new. What says more goes first, so that what says less
        can follow it.
        """
        carded = [one for one in loose if _cards(one)]
        plain = [one for one in loose if not _cards(one)]
        heard = [one for one in plain if not _word(one) and one.of(Kind.HEARD)]
        bare = [one for one in plain if not _word(one) and not one.of(Kind.HEARD)]
        steps: tuple[tuple[list[Bundle], Callable[[Sequence[Bundle]], list[list[Bundle]]]], ...] = (
            ([one for one in carded if one.of(Kind.NAME)], _each),
            ([one for one in carded if not one.of(Kind.NAME)], _each),
            ([one for one in plain if _word(one)], _by_word),
            ([one for one in heard if one.of(Kind.ADDRESS)], self._by_address),
            ([one for one in bare if one.of(Kind.ADDRESS)], self._by_address),
            ([one for one in (*heard, *bare) if not one.of(Kind.ADDRESS)], _each),
        )
        return [thing for bundles, together in steps for thing in self._step(bundles, together)]

    def _step(
        self, bundles: Sequence[Bundle], together: Callable[[Sequence[Bundle]], list[list[Bundle]]]
    ) -> list[Thing]:
        """Judge all of one step by what was known before it, then learn from it."""
        judged = [(one, *self._judge(one)) for one in bundles]
        left = [one for one, _thing, judgement in judged if judgement is None]
        new: list[Thing] = []
        for one, thing, judgement in judged:
            if judgement is None:
                continue
            if thing is not None:
                thing.take(one, judgement)
                self._learn(thing, [one])
            else:
                new.append(Thing.of(one, judgement))
        new += [Thing(None, Verdict.NEW, Why.UNKNOWN, [union(found)]) for found in together(left)]
        for thing in new:
            self._learn(thing, thing.bundles)
        return new

    def _learn(self, thing: Thing, bundles: Iterable[Bundle]) -> None:
        for one in bundles:
            for name in one.of(Kind.NAME):
                self._named[name][id(thing)] = thing
            if thing.why is Why.SUCCESSOR:
                # It may be that asset: what follows the asset's name may follow this.
                for side in thing.sides:
                    for name in self._names_of.get(side.asset or "", ()):
                        self._heirs[name][id(thing)] = thing
            for card in _cards(one):
                self._cards[card][id(thing)] = thing
            for member in one.members:
                if member.last_seen is not None:
                    cards = _cards_of(member)
                    single = next(iter(cards)) if len(cards) == 1 and len(member.addresses) == 1 else ""
                    for address in member.addresses:
                        self._held[address].append(
                            _Held(
                                member.first_seen or member.last_seen,
                                member.last_seen,
                                member.source,
                                thing,
                                cards,
                                single,
                            )
                        )
                        if single:
                            self._whereabouts[single].append((member.last_seen, address))

    def _judge(self, one: Bundle) -> tuple[Thing | None, Judgement | None]:
        """The thing that this is, with why; a conflict; or nothing, when nobody bears what it shows."""
        options = self._options(one)
        alive = [option for option in options if option.total > 0 and not self._unfounded(one, option)]
        if not alive:
            return None, self._moving(one)
        best = alive[0]
        line = best.total - self._settings.weak_margin
        close = [option for option in alive[1:] if option.total > line]
        if close or best.total < self._settings.accept:
            why = Why.TOO_CLOSE if close else Why.SUCCESSOR
            return None, Judgement(Verdict.CONFLICT, why, self._sides(one, (best, *close)))
        return best.thing, Judgement(Verdict.MATCHED, Why.EVIDENCE, self._sides(one, (best,)))

    def _unfounded(self, one: Bundle, option: _Option) -> bool:
        """A name from reverse DNS is no word about a hardware address, nor about a machine that was seen elsewhere."""
        beside = bool(_cards(one)) or option.thing.alive_beside(one, self._settings.near)
        return beside and hearsay(option.points)

    def _moving(self, one: Bundle) -> Judgement | None:
        """Nothing but a card that goes from machine to machine: it is one of those, and nobody knows which. One that
        says a name that nobody bears is another.
        """
        if one.of(Kind.NAME):
            return None
        things = self._distinct(
            self._cards.get(card, {}).values() for card in sorted(_cards(one) - one.of(Kind.PRIVATE_MAC))
        )
        if not things or len(things) > self._settings.holders:
            return None
        points = (Point(Kind.MOVING_MAC, tuple(sorted(_cards(one))), 0),)
        return Judgement(Verdict.CONFLICT, Why.MOVING, self._sides(one, [_Option(t, points) for t in things]))

    def _options(self, one: Bundle) -> list[_Option]:
        near, before = self._near(one)
        things = self._distinct(
            (
                *(self._few(self._named.get(name, {}).values()) for name in sorted(_names(one))),
                *(self._few(self._heirs.get(name, {}).values()) for name in sorted(_names(one))),
                *(self._few(self._cards.get(card, {}).values()) for card in sorted(one.of(Kind.PRIVATE_MAC))),
                near,
                before,
            )
        )
        listed: list[Thing] = []
        if not things and not _cards(one) - one.of(Kind.PRIVATE_MAC):
            listed = self._distinct(self._few(self._listed.get(a, ())) for a in sorted(one.of(Kind.ADDRESS)))
        options = [
            _Option(thing, self._points(one, thing, thing in near, thing in before)) for thing in (*things, *listed)
        ]
        return sorted(options, key=lambda option: (-option.total, _order(option.thing)))

    def _few(self, things: Collection[Thing]) -> Collection[Thing]:
        """A name that many things have is no name."""
        return things if len(things) <= self._settings.holders else ()

    @staticmethod
    def _distinct(groups: Iterable[Iterable[Thing]]) -> list[Thing]:
        return list({id(thing): thing for group in groups for thing in group}.values())

    def _points(self, one: Bundle, thing: Thing, near: bool, before: bool) -> tuple[Point, ...]:
        points = score(one, thing.evidence(), self._ledger.worth).points
        # Many things with one name: it was not followed here, so it must not count here either.
        points = tuple(
            p for p in points if p.kind not in _NAMES or any(self._few(self._named[n].values()) for n in p.values)
        )
        if any(thing.alive_since(one.first_seen, name) for name in one.of(Kind.NAME)):
            # It was there under this name after the other id appeared: the machine has a new id, no successor.
            points = tuple(point for point in points if point.weight != OTHER_ID)
        inherited = tuple(sorted(name for name in _names(one) if id(thing) in self._heirs.get(name, {})))
        if one.of(Kind.NAME) and not inherited and thing.silent_since(one, self._settings.near):
            points += (Point("silent", tuple(sorted(_names(one))), SILENT),)
        own = self._others_name(one, thing)
        if own and any(point.kind in _NAMES for point in points):
            points += (Point("renamed", tuple(sorted(own)), RENAMED),)
        if inherited and not any(point.kind in _NAMES for point in points):
            kind = Kind.NAME if one.of(Kind.NAME) else Kind.HEARD
            points += (Point(kind, inherited, WEIGHTS[kind]),)
        addresses = tuple(sorted(one.of(Kind.ADDRESS)))
        if near or (thing.asset is not None and one.of(Kind.ADDRESS) & thing.asset.members[0].fixed):
            points += (Point(Kind.ADDRESS, addresses, WEIGHTS[Kind.ADDRESS]),)
        elif before or (thing.asset is not None and one.of(Kind.ADDRESS) & thing.asset.members[0].listed):
            points += (Point(Kind.ADDRESS, addresses, LISTED),)
        return points

    def _others_name(self, one: Bundle, thing: Thing) -> frozenset[str]:
        """What the machine of an asset calls itself, where that is the name that another asset has on record and only
        the record calls it by what this shows: those two swapped names, or one took the other's.
        """
        called = self._called.get(thing.key or "", set())
        if called & _names(one):
            return NOTHING
        return frozenset(name for name in called if self._recorded.get(name, set()) - {thing.key})

    def _near(self, one: Bundle) -> tuple[list[Thing], list[Thing]]:
        """Who had its address at about its time, the nearest and whoever is not clearly further away; and, where there
        is nobody, who had it that day but came later or was seen elsewhere nearer to that time.
        """
        gaps: dict[int, tuple[dt.timedelta, Thing]] = {}
        before: dict[int, Thing] = {}
        cards = _cards(one)
        for member in one.members:
            at = member.last_seen
            if at is None:
                continue
            for address, held in ((a, h) for a in member.addresses for h in self._held.get(a, ())):
                gap = abs(held.at - at)
                if gap > self._settings.near or (cards and not cards & held.cards):
                    continue
                if _came_later(held, at) or self._elsewhere(held, address, at):
                    before[id(held.thing)] = held.thing
                elif id(held.thing) not in gaps or gap < gaps[id(held.thing)][0]:
                    gaps[id(held.thing)] = (gap, held.thing)
        if not gaps:
            return [], list(before.values())
        nearest = min(gap for gap, _thing in gaps.values())
        return [thing for gap, thing in gaps.values() if gap <= 4 * nearest + _HOUR], []

    def _elsewhere(self, held: _Held, address: str, at: dt.datetime) -> bool:
        """Was the card that had the address seen at another one nearer to that time?"""
        seen = self._whereabouts.get(held.single, ()) if held.single and ":" not in address else ()
        gap = abs(held.at - at)
        return any(other != address and ":" not in other and abs(moment - at) < gap for moment, other in seen)

    def _by_address(self, left: Sequence[Bundle]) -> list[list[Bundle]]:
        """What showed one address at about the same time."""
        lists: dict[str, list[Bundle]] = defaultdict(list)
        for one in left:
            for address in one.of(Kind.ADDRESS):
                lists[address].append(one)
        pairs: list[list[Bundle]] = [[one] for one in left]
        for found in lists.values():
            dated = sorted((one for one in found if one.last_seen), key=lambda o: (o.last_seen, o.keys))
            for a, b in pairwise(dated):
                if a.last_seen and b.last_seen and b.last_seen - a.last_seen <= self._settings.near:
                    pairs.append([a, b])
        return components(pairs)

    @staticmethod
    def _sides(one: Bundle, options: Iterable[_Option]) -> tuple[Side, ...]:
        return tuple(
            Side(one, option.thing.key, None if option.thing.key else option.thing.bundles[0], option.points)
            for option in options
        )


def _came_later(held: _Held, at: dt.datetime) -> bool:
    """A DHCP server knows since when; who merely looks, sees a thing some time after it came."""
    return at < held.since if kind_of(held.source) == _LEASES else at + _HOUR < held.since


def _cards(one: Bundle) -> frozenset[str]:
    return frozenset().union(*(values for kind, values in one.known.items() if kind in _CARD_KINDS))


def _cards_of(one: Profile) -> frozenset[str]:
    if not (one.weak_macs or one.private_macs or one.moving_macs):
        return one.macs
    return one.macs | one.weak_macs | one.private_macs | one.moving_macs


def _names(one: Bundle) -> frozenset[str]:
    return one.of(Kind.NAME) or one.of(Kind.HEARD)


_WORDS = frozenset((*IDENTIFYING, Kind.NAME))


def _word(one: Bundle) -> bool:
    return not _WORDS.isdisjoint(one.known)


def _order(thing: Thing) -> str:
    return thing.key or min(key for one in thing.bundles for key in one.keys)


def _each(left: Sequence[Bundle]) -> list[list[Bundle]]:
    return [[one] for one in left]


def _by_word(left: Sequence[Bundle]) -> list[list[Bundle]]:
    """What bears one name and shows no hardware: one thing, unless one source keeps two records of it."""
    lists: dict[str, list[Bundle]] = defaultdict(list)
    for one in left:
        for name in one.of(Kind.NAME):
            lists[name].append(one)
    groups = components([*([one] for one in left), *lists.values()])
    return [part for group in groups for part in ([[one] for one in group] if _twice(group) else [group])]


def _twice(group: Sequence[Bundle]) -> bool:
    return any(len({one.of(kind) for one in group if one.of(kind)}) > 1 for kind in (Kind.DIRECTORY_ID, Kind.MDM_ID))
