# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which cards go from machine to machine."""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity.moving import moving_cards
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.identity.made import CARD, NOW, OTHER, SLUG, THIRD

FOURTH = "ac:de:48:00:11:22"


def under(name: str, *cards: str, source: str = "dhcp") -> Sighting:
    return Sighting(SLUG, source, "x", NOW, NOW, 1, {"names": [name], "macs": list(cards)}, None, {}, {})


def test_a_card_under_two_names_that_have_each_a_card_of_their_own_moves() -> None:
    assert moving_cards([under("lt-1", CARD), under("lt-1", THIRD), under("lt-2", OTHER, THIRD)]) == {THIRD}


def test_a_renamed_machine_shows_its_other_card_under_both_names() -> None:
    assert moving_cards([under("lt-1", CARD, THIRD), under("lt-9", CARD, THIRD)]) == set()


def test_a_name_that_has_no_other_card_proves_nothing() -> None:
    assert moving_cards([under("lt-1", CARD, THIRD), under("lt-9", THIRD)]) == set()


def test_stock_names_and_reverse_dns_prove_nothing() -> None:
    assert moving_cards([under("iphone", CARD, THIRD), under("lt-2", OTHER, THIRD)]) == set()
    for scan in ("nmap", "nmap:hq"):
        assert moving_cards([under("lt-1", CARD, THIRD, source=scan), under("lt-2", OTHER, THIRD)]) == set()


def test_any_two_of_several_names_are_enough() -> None:
    seen = [under("lt-1", CARD, THIRD), under("lt-9", CARD, THIRD), under("lt-2", OTHER, THIRD), under("lt-3", FOURTH)]
    assert moving_cards(seen) == {THIRD}
