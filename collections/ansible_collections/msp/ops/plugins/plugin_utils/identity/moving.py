# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finds cards that go from machine to machine by how they behave, whoever made them. Pure: no I/O.

A card that was seen under two names is a dock's or an adapter's when each of these names has a card of its own besides.
A machine that was renamed shows its other card under both names; one machine alone never looks like two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting, kind_of
from ansible_collections.msp.ops.plugins.plugin_utils.identity.naming import distinctive
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import mac

_MANY = 8  # a name with more cards than a machine has is no machine's name
_HEARSAY = frozenset({"nmap"})


def moving_cards(sightings: Iterable[Sighting]) -> frozenset[str]:
    """The cards (aa:bb:cc:dd:ee:ff) that go from machine to machine, by all states that are known of what was seen."""
    names_of: dict[str, set[str]] = defaultdict(set)
    cards_of: dict[str, set[str]] = defaultdict(set)
    for one in sightings:
        if kind_of(one.source) in _HEARSAY:
            continue
        cards = {card for said in one.identity.get("macs") or () if (card := mac(str(said)))}
        for name in filter(None, map(distinctive, map(str, one.identity.get("names") or ()))):
            cards_of[name] |= cards
            for card in cards:
                names_of[card].add(name)
    return frozenset(card for card, names in names_of.items() if len(names) > 1 and _moves(card, names, cards_of))


def _moves(card: str, names: set[str], cards_of: dict[str, set[str]]) -> bool:
    others = [cards_of[name] - {card} for name in sorted(names) if len(cards_of[name]) <= _MANY]
    known = [cards for cards in others if cards]
    return any(not known[0] & cards for cards in known[1:])
