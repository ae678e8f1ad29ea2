"""What a perfect judge could know of the sightings of a made network. Rules of evidence, apart from any resolver.

The truth is used for one thing only: to know which evidence belongs to one machine, so that a chain of it can be
followed. Whether a chain decides is then a matter of what other ordinary events would leave behind the same evidence.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting, kind_of
from bench._made_world import DAY, DOCK_OUI, STOCK_NAMES, Machine, Made

CONTESTED = {
    "heir": "name or settled address of an asset, on hardware that no record ties to it: its new card or its successor",
    "named twice": "a name only, and more than one machine is known to bear it",
    "new account": "a name with an id that is not on record, and nobody saw the machine under that name since",
    "address": "an address only, and no single machine is known to have been there then",
    "listed": "an address only, and all that speaks for anybody is NetBox's list",
    "hearsay": "a name from reverse DNS, which may be of whoever had the address before, and nothing else to go by "
    "(where that machine is seen elsewhere at about that time it says nothing)",
    "copied": "a virtual machine's UUID on two cards, and this card is on no record",
    "shared serial": "a serial number that several machines have, on a card that is on no record",
    "slip": "a serial number nearly that of NetBox, with too little else: a typing error, or the next of the same box",
    "record": "NetBox contradicts itself: swapped labels, one machine twice, or an audit that reached another machine",
    "dock": "nothing but the card of a dock that goes from laptop to laptop",
    "virtual": "an address that two routers share: no thing of its own",
    "strange name": "a card of one asset under the name of another",
}
SILENT = "silent"

Shows = dict[str, set[str]]
Records = Mapping[str, Mapping[str, set[str]]]

_HARD = ("serial", "uuid", "asset_tag", "directory_id", "mdm_id", "mac")
_BODY = ("serial", "uuid", "mac")
_WORTHLESS = 10  # a serial number on so many machines is known for what it is
_STOCK = frozenset(name.lower() for name in STOCK_NAMES)


@dataclass(slots=True, eq=False)
class Part:
    """Sightings of one machine that evidence of its own ties together, with what they show."""

    machine: Machine
    sightings: list[Sighting]
    shows: Shows
    asset: str | None = None  # the record that they lead to
    word: str = ""  # what can be known of them: "" is all, SILENT, or a word of CONTESTED


Who = str | Part  # an asset's key, or what leads to none


class Judge:
    """Judges all sightings of one customer. records: all that is on record, by asset key and kind."""

    def __init__(
        self,
        made: Made,
        records: Records,
        found: Mapping[str, tuple[Sighting, Machine | None]],
        machines: Sequence[Machine],
        shared: set[tuple[str, str]],
    ) -> None:
        self.made, self.records, self.found = made, records, found
        self.machines = {one.number: one for one in machines}
        self.own: dict[tuple[str, str], set[int]] = defaultdict(set)
        for sighting, one in found.values():
            for kind, values in shown(sighting).items():
                for value in values:
                    self.own[kind, value].add(one.number if one else 0)
        self.names_of: dict[str, set[str]] = defaultdict(set)
        self.cards_of: dict[str, set[str]] = defaultdict(set)
        for sighting in (*(s for s, _one in found.values()), *made.history):
            self._names_and_cards(sighting)
        # A dock's card is no machine's, where its maker or two machines tell; nor is what makers or copies share.
        docks = {one.dock for one in machines if one.dock}
        told = {("mac", dock) for dock in docks if dock.startswith(DOCK_OUI) or self._two_show(dock)}
        self.nobodys = shared | told
        self.listed: dict[str, set[str]] = defaultdict(set)
        self.named: dict[str, set[str]] = defaultdict(set)
        self.bearers: dict[str, set[Who]] = defaultdict(set)
        self.at: dict[str, list[tuple[Sighting, Who, str]]] = defaultdict(list)
        self.seen_at: dict[str, list[tuple[dt.datetime, str]]] = defaultdict(list)
        self.shown_by: dict[str, set[Part]] = defaultdict(set)
        self.of_asset: dict[str, list[Sighting]] = defaultdict(list)

    def judge(self) -> None:
        """Fill in the truth, contested and silent of what was made."""
        parts = self._all_parts()
        for key, record in self.records.items():
            for address in record["listed"]:
                self.listed[address].add(key)
            for name in record["name"]:
                self.named[name].add(key)
                self.bearers[name].add(key)
        bodies = [part for part in parts if self._has_body(part)]
        shades = [part for part in parts if not self._has_body(part)]
        for part in bodies:
            self._learn(part)
        for part in bodies:
            self._mark(part, self._of_body(part))
        for part in sorted(shades, key=lambda part: not part.shows["name"]):
            self._mark(part, self._of_shade(part))
            if part.shows["mac"] or part.shows["private"]:
                self._places(part)

    def _all_parts(self) -> list[Part]:
        of_machine: dict[int, list[Sighting]] = defaultdict(list)
        for key, (sighting, one) in self.found.items():
            self.made.machine_of[key] = one.number if one else 0
            self.made.asset_of[key] = one.asset if one else None
            if one is None:
                self.made.contested[key] = "virtual"
            else:
                of_machine[one.number].append(sighting)
        parts = [part for number, seen in of_machine.items() for part in self._parts(self.machines[number], seen)]
        for part in parts:
            if part.asset is not None:
                self.of_asset[part.asset] += part.sightings
            if part.shows["name"] or part.shows["serial"]:
                for card in part.shows["mac"]:
                    self.shown_by[card].add(part)
        return parts

    def _parts(self, one: Machine, seen: Iterable[Sighting]) -> list[Part]:
        """Tie together what shares evidence that is this machine's own; lead it to the asset whose record has that."""
        groups: list[Part] = []
        for sighting in seen:
            part = Part(one, [sighting], shown(sighting))
            rest = []
            for other in groups:
                if self._tied(part.shows, other.shows):
                    part.sightings += other.sightings
                    part.shows = {kind: values | other.shows[kind] for kind, values in part.shows.items()}
                else:
                    rest.append(other)
            groups = [*rest, part]
        record = self.records.get(one.asset or "")
        for part in groups:
            if record is not None and self._shares(part.shows, record):
                part.asset = one.asset
        return groups

    def _shares(self, mine: Mapping[str, set[str]], theirs: Mapping[str, set[str]]) -> bool:
        return any(self._is_own(kind, value) for kind in _HARD for value in mine[kind] & theirs[kind])

    def _tied(self, mine: Shows, theirs: Shows) -> bool:
        # A passing card says so only together with where it was.
        passing = bool(mine["mac"] & theirs["mac"]) and bool(mine["address"] & theirs["address"])
        return self._shares(mine, theirs) or passing or bool(mine["private"] & theirs["private"])

    def _is_own(self, kind: str, value: str) -> bool:
        return (kind, value) not in self.nobodys and not _placeholder(kind, value)

    def _has_body(self, part: Part) -> bool:
        return any(self._is_own(kind, value) for kind in _BODY for value in part.shows[kind])

    def _names_and_cards(self, sighting: Sighting) -> None:
        cards = sighting.identity.get("macs", ())
        for name in shown(sighting)["name"]:
            self.cards_of[name].update(cards)
            for card in cards:
                self.names_of[card].add(name)

    def _two_show(self, card: str) -> bool:
        """Do two names show it, now or before, and a card of their own besides?"""
        return sum(bool(self.cards_of[name] - {card}) for name in self.names_of[card]) > 1

    def _learn(self, part: Part) -> None:
        """Who bears which name, and who was where."""
        for name in part.shows["name"]:
            self.bearers[name].add(part.asset or part)
        if part.asset is None:
            # It may be the asset that it points at: then it bears that one's names too.
            for key in self._pointed(part):
                for name in self.records[key]["name"]:
                    self.bearers[name].add(part)
        self._places(part)

    def _places(self, part: Part) -> None:
        for sighting in part.sightings:
            macs = sighting.identity.get("macs", ())
            card = macs[0] if len(macs) == 1 else ""
            for address in sighting.identity.get("addresses", ()):
                self.at[address].append((sighting, part.asset or part, card))
                self.seen_at[card].append((sighting.last_seen, address))

    def _mark(self, part: Part, word: str) -> None:
        part.word = word
        for sighting in part.sightings:
            key = f"{sighting.source}:{sighting.thing}"
            if word == SILENT:
                self.made.silent.add(key)
            elif word:
                self.made.contested[key] = word

    # What shows hardware

    def _of_body(self, part: Part) -> str:
        one = part.machine
        if one.record_wrong or self._reached_another(part):
            return "record"
        if part.asset is not None:
            return self._with_record(part)
        if word := self._shared(part):
            return word
        for key in self._pointed(part):
            return "slip" if self._slipped(part, key) else "heir"
        return SILENT if one.asset else ""

    def _reached_another(self, part: Part) -> bool:
        """Did an audit of an asset reach this machine, which is another; or this asset's audit another machine?"""
        if any(s.asset and s.asset != part.machine.asset for s in part.sightings):
            return True
        facts = self.made.facts.get(part.machine.asset or "")
        return facts is not None and facts["interfaces"][0]["mac"] not in part.machine.cards

    def _with_record(self, part: Part) -> str:
        record = self.records[str(part.asset)]
        if self._slipped(part, str(part.asset)):
            ties = sum(bool(part.shows[kind] & record[kind]) for kind in (*_HARD, "name"))
            if ties < 2:
                return "slip"
        strange = {key for name in part.shows["name"] for key in self.named.get(name, ())} - {part.asset}
        if strange and not part.shows["name"] & record["name"] and not (part.shows["serial"] or part.shows["uuid"]):
            return "strange name"
        return ""

    def _shared(self, part: Part) -> str:
        shared = {(k, v) for k in ("serial", "uuid") for v in part.shows[k] if (k, v) in self.nobodys}
        if any(kind == "uuid" for kind, _value in shared):
            return "copied"
        few = any(1 < len(self.own[token]) + self._recorded(token) < _WORTHLESS for token in shared)
        return "shared serial" if few else ""

    def _recorded(self, token: tuple[str, str]) -> int:
        return sum(token[1] in record[token[0]] for record in self.records.values())

    def _slipped(self, part: Part, key: str) -> bool:
        """Is its serial number not the one on record, but nearly?"""
        mine, theirs = part.shows["serial"], self.records[key]["serial"]
        return bool(mine) and bool(theirs) and not mine & theirs and any(_near(a, b) for a in mine for b in theirs)

    def _pointed(self, part: Part) -> list[str]:
        """Assets that this bears the name of, or whose settled address it has while they are not seen; and that it is
        not proved to be another machine than.
        """
        keys = [key for name in sorted(part.shows["name"]) for key in sorted(self.named.get(name, ()))]
        for name in sorted(part.shows["heard"]):
            keys += [key for key in sorted(self.named.get(name, ())) if not self._beside(part, key)]
        for address in sorted(part.shows["address"]):
            keys += [key for key in sorted(self.listed.get(address, ())) if self._vacant(part, key)]
        return [key for key in keys if not self._another(part, key)]

    def _vacant(self, part: Part, key: str) -> bool:
        record = self.records[key]
        if part.shows["name"] and not part.shows["name"] & record["name"]:
            return False
        if not record["mac"]:
            return True
        since = min(s.first_seen for s in part.sightings)
        return bool(record["settled"]) and not any(s.last_seen >= since for s in self._machine(key))

    def _beside(self, part: Part, who: Who) -> bool:
        """Was the hardware of who bears a name seen at about that time, or later?"""
        seen = self._machine(who) if isinstance(who, str) else [s for s in who.sightings if s.identity.get("macs")]
        until = max(s.last_seen for s in part.sightings)
        return any(s.last_seen >= until - DAY for s in seen)

    def _machine(self, key: str) -> list[Sighting]:
        """The sightings that show an asset's hardware, as far as evidence leads them there."""
        return [s for s in self.of_asset[key] if s.identity.get("macs") or s.identity.get("serial")]

    def _another(self, part: Part, key: str) -> bool:
        """Is it proved to be another machine: both serial numbers or UUIDs known, and more than a slip apart?"""
        record = self.records[key]
        for kind in ("serial", "uuid"):
            mine = {v for v in part.shows[kind] if self._is_own(kind, v)}
            theirs = {v for v in record[kind] if self._is_own(kind, v)}
            if mine and theirs and not mine & theirs and not any(_near(a, b) for a in mine for b in theirs):
                return True
        return False

    # What shows none of its own

    def _of_shade(self, part: Part) -> str:
        if part.machine.record_wrong:
            return "record"
        if part.asset is not None:
            return ""
        silent = SILENT if part.machine.asset else ""
        if part.shows["name"]:
            return self._by_name(part, silent)
        at = self._there(part)
        if part.shows["mac"]:
            known = any(self.shown_by[card] - {part} for card in part.shows["mac"])
            return "" if len(at) == 1 and "" not in at else ("dock" if known else silent)
        return silent if part.shows["private"] else self._by_address(part, at, silent)

    def _by_name(self, part: Part, silent: str) -> str:
        bearers = {who for name in part.shows["name"] for who in self.bearers.get(name, ())}
        if len(bearers) > 1:
            return "named twice"
        if not bearers:
            return silent
        (who,) = bearers
        if isinstance(who, Part):
            return who.word
        part.asset = who if who == part.machine.asset else None
        return self._account(part, who)

    def _account(self, part: Part, who: str) -> str:
        """May an account under the name of an asset be that of its successor?"""
        machine = self._machine(who)
        mine, theirs = part.shows["directory_id"], self.records[who]["directory_id"]
        since, until = min(s.first_seen for s in part.sightings), max(s.last_seen for s in part.sightings)
        if mine and theirs and not mine & theirs:
            there = any(s.last_seen >= since and part.shows["name"] & shown(s)["name"] for s in machine)
            return "" if there else "new account"
        last = max((s.last_seen for s in machine), default=None)
        return "new account" if last is not None and last < since and last + DAY < until else ""

    def _by_address(self, part: Part, at: set[Who], silent: str) -> str:
        heard = {who for name in part.shows["heard"] for who in self.bearers.get(name, ())}
        heard = {who for who in heard if who in at or not self._beside(part, who)}
        if len(at) == 1 and "" not in at:
            (who,) = at
            if heard and not at <= heard:
                return "hearsay"
            return who.word if isinstance(who, Part) else ""
        if at or heard:
            return "address" if at else "hearsay"
        return "listed" if any(self.listed.get(address) for address in part.shows["address"]) else silent

    def _there(self, part: Part) -> set[Who]:
        """Who is known to have been at this address within the day; "" for somebody who came later, or whose card was
        elsewhere nearer to that time.
        """
        there: set[Who] = set()
        for sighting in part.sightings:
            moment = sighting.last_seen
            for address in sighting.identity.get("addresses", ()):
                for other, who, card in self.at.get(address, ()):
                    gap = abs(other.last_seen - moment)
                    if gap > DAY or (part.shows["mac"] and card not in part.shows["mac"]):
                        continue
                    moved = any(abs(at - moment) < gap and place != address for at, place in self.seen_at[card])
                    there.add("" if (card and moved) or other.first_seen > moment else who)
        return there


def shown(sighting: Sighting) -> Shows:
    """What one sighting shows, by kind. A name that a scan has from reverse DNS is hearsay."""
    identity = sighting.identity
    shows: Shows = {kind: {identity[kind]} if kind in identity else set() for kind in _HARD}
    macs = identity.get("macs", ())
    shows["mac"] = {mac for mac in macs if not int(mac[:2], 16) & 2}
    shows["private"] = {mac for mac in macs if int(mac[:2], 16) & 2}
    names = {name.partition(".")[0].lower() for name in identity.get("names", ())} - _STOCK
    heard = kind_of(sighting.source) == "nmap"
    shows["name"], shows["heard"] = (set(), names) if heard else (names, set())
    shows["address"] = set(identity.get("addresses", ()))
    return shows


def _placeholder(kind: str, value: str) -> bool:
    return kind == "serial" and not (value.isalnum() and len(value) > 4)


def _near(one: str, other: str) -> bool:
    """One character is wrong, or two are swapped."""
    if len(one) != len(other) or one == other:
        return False
    wrong = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(wrong) == 1:
        return True
    return len(wrong) == 2 and one[wrong[0]] == other[wrong[1]] and one[wrong[1]] == other[wrong[0]]
