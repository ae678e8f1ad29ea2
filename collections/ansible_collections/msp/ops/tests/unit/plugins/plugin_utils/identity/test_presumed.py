# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may be taken for an asset of which nothing but an address or a name is on record."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence
from ansible_collections.msp.ops.plugins.plugin_utils.identity.presumed import presumed
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import SLUG, asset, sighting

CARD, OTHER = "b8:27:eb:4a:10:9c", "3c:2a:f4:77:01:aa"


def judged(assets: list[Asset], sightings: list[Sighting]) -> tuple[Resolution, dict[str, str]]:
    on_record, seen = evidence.gather(assets, sightings, facts={}, audits={}, remembered={})
    found = resolve(SLUG, on_record, seen)
    return found, presumed(found, {one.key: one for one in on_record})


def test_what_is_at_the_address_of_a_gateway_is_presumed_to_be_it() -> None:
    _found, taken = judged([asset(address="192.0.2.57")], [sighting()])
    assert taken == {f"mac:{CARD}": "device:1"}


def test_other_hardware_than_is_on_record_is_not() -> None:
    found, taken = judged([asset(address="192.0.2.57", name="till02", macs=(OTHER,))], [sighting(names=["till02"])])
    assert found.of(Verdict.CONFLICT) and taken == {}


def test_one_of_two_that_it_may_be_is_not() -> None:
    two = [asset(1, "a", address="192.0.2.57"), asset(2, "b", address="192.0.2.57")]
    assert judged(two, [sighting()])[1] == {}


def test_two_things_that_one_asset_may_be_are_not() -> None:
    both = [sighting("dhcp", names=["till02"]), sighting("dhcp", mac=OTHER, address="192.0.2.58", names=["till02"])]
    assert judged([asset(name="till02")], both)[1] == {}


def test_what_was_seen_of_an_asset_leaves_nothing_to_presume() -> None:
    known = asset(name="till02", address="192.0.2.57", serial="EXT2P6630")
    seen = sighting("mdm", mac=None, address=None, identity={"serial": "EXT2P6630"})
    assert judged([known], [seen, sighting()])[1] == {}


cards = st.sampled_from([None, CARD, OTHER])
places = st.sampled_from(["192.0.2.1", "192.0.2.2", None])
some = st.builds(
    lambda s, m, a, n: sighting(s, mac=m, address=a, names=n),
    st.sampled_from(["nmap", "dhcp"]),
    cards,
    places,
    st.sampled_from([[], ["till02"]]),
)
sightings = st.lists(some, max_size=6, unique_by=lambda one: (one.source, one.thing))
KNOWN = [asset(1, "till02"), asset(2, "gw", address="192.0.2.1"), asset(3, "nas", address="192.0.2.2", macs=(OTHER,))]


@given(sightings, st.lists(st.sampled_from([0, 1, 2]), unique=True))
def test_it_is_one_conflict_to_one_asset_that_nobody_else_saw(seen: list[Sighting], which: list[int]) -> None:
    found, taken = judged([KNOWN[number] for number in which], seen)
    assert len(set(taken.values())) == len(taken)
    assert set(taken.values()) <= set(found.unseen) - {"device:3"}
    assert set(taken) <= {one.key for one in found.of(Verdict.CONFLICT)}
