# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was seen and is in no contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.verification import unlisted
from ansible_collections.msp.ops.plugins.plugin_utils.verification.unlisted import Thing
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import (
    NOW,
    SLUG,
    asset,
    facts,
    resolved,
    sighting,
)

MAC, OTHER = "b8:27:eb:4a:10:9c", "3c:2a:f4:77:01:aa"


def things(
    sightings: Iterable[Sighting],
    assets: Iterable[Asset] = (),
    found: Mapping[str, Mapping[str, Any]] | None = None,
    vendor_of: Callable[[str], str] = lambda _mac: "",
) -> tuple[Thing, ...]:
    sightings, assets = list(sightings), list(assets)
    return unlisted.sort_out(resolved(SLUG, assets, sightings, found or {}, {}), sightings, assets, vendor_of)[1]


def test_a_thing_that_no_asset_matches_is_unlisted() -> None:
    (thing,) = things([sighting(names=["till02"])], [asset(address="192.0.2.11")])
    assert (thing.key, thing.name, thing.addresses, thing.macs) == (f"mac:{MAC}", "till02", ("192.0.2.57",), (MAC,))


def test_what_netbox_knows_under_any_status_is_not_unlisted() -> None:
    gateway = asset(status="tracked", address="192.0.2.57", macs=(MAC,))
    assert things([sighting()], [gateway]) == ()


def test_a_network_card_that_only_the_audit_found_makes_a_thing_known() -> None:
    assert things([sighting(mac="52:54:00:12:34:01", address="192.0.2.200")], [asset()], {"device:1": facts()}) == ()


def test_another_network_card_at_the_address_of_a_known_one_is_another_thing() -> None:
    known = asset(address="192.0.2.57", macs=(OTHER,))
    assert [t.macs for t in things([sighting(mac=MAC)], [known])] == [(MAC,)]


def test_what_answers_at_the_address_of_an_asset_may_be_it() -> None:
    known = asset(address="192.0.2.57", macs=(OTHER,))
    assert [one.maybe for one in things([sighting("nmap", mac=None)], [known])] == [(known,)]


def test_a_name_decides_only_where_nothing_stronger_is_known() -> None:
    known = asset(name="till02")
    assert things([sighting(mac=None, address=None, names=["TILL02.shop.example"])], [known]) == ()
    assert len(things([sighting(names=["till02"])], [known])) == 1


def test_two_sources_that_saw_one_network_card_saw_one_thing() -> None:
    first = NOW - dt.timedelta(days=9)
    (thing,) = things([sighting(), sighting("nmap", address="192.0.2.58", first=first, last=NOW)])
    assert (thing.sources, thing.last_seen) == (("neighbours", "nmap"), NOW)
    assert thing.addresses == ("192.0.2.58", "192.0.2.57")


def test_an_address_without_a_card_joins_the_thing_that_last_had_it() -> None:
    old = sighting(mac=OTHER, last=NOW - dt.timedelta(days=3))
    (first, second) = things([old, sighting(), sighting("nmap", mac=None)])
    assert (first.macs, first.sources) == ((MAC,), ("neighbours", "nmap"))
    assert second.sources == ("neighbours",)


def test_a_group_address_identifies_nothing() -> None:
    (thing,) = things([sighting(mac="01:00:5e:00:00:fb")])
    assert thing.key == "address:192.0.2.57"


def test_what_cannot_be_identified_at_all_is_left_out() -> None:
    assert things([sighting(mac=None, address=None)]) == ()


def test_an_asset_with_status_unlisted_is_a_thing_with_its_netbox_name() -> None:
    held = asset(status="unlisted", name="camera", macs=(MAC,))
    thing = unlisted.of_asset(held, [sighting()])
    assert (thing.key, thing.name, thing.asset) == ("device:1", "camera", held)


def test_an_unlisted_asset_that_nobody_saw_has_no_times() -> None:
    thing = unlisted.of_asset(asset(status="unlisted", address="192.0.2.9"), [])
    assert (thing.first_seen, thing.last_seen, thing.addresses) == (None, None, ("192.0.2.9",))


def test_the_maker_is_what_a_source_says_else_what_the_address_says() -> None:
    said = sighting(attributes={"vendor": "Brother"})
    assert things([said], vendor_of=lambda _mac: "Registry")[0].vendor == "Brother"
    assert things([sighting()], vendor_of=lambda _mac: "Registry")[0].vendor == "Registry"


def test_what_may_be_an_asset_is_shown_with_the_asset_that_it_may_be() -> None:
    known = asset(name="till02", macs=(OTHER,))
    (thing,) = things([sighting("dhcp", names=["till02"])], [known])
    assert (thing.macs, thing.maybe) == ((MAC,), (known,))
    assert things([sighting("dhcp", names=["till03"])], [known])[0].maybe == ()


cards = st.sampled_from([None, MAC, OTHER, "f0:9f:c2:00:00:01"])
places = st.sampled_from(["192.0.2.1", "192.0.2.2", None])
sources = st.sampled_from(["nmap", "neighbours"])
names = st.sampled_from([[], ["till02"]])
seen = st.builds(lambda s, m, a, n: sighting(s, mac=m, address=a, names=n), sources, cards, places, names)
# A store has each thing of a source once.
many_seen = st.lists(seen, max_size=8, unique_by=lambda one: (one.source, one.thing))


@given(many_seen, st.randoms())
def test_the_order_in_which_sightings_come_changes_nothing(found: list[Sighting], random: Any) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert things(found) == things(shuffled)


KNOWN = [asset(1, "till02", macs=(MAC,)), asset(2, "nas", macs=(OTHER,))]


@given(many_seen, st.sampled_from([[], KNOWN[:1], KNOWN[1:], KNOWN]))
def test_every_sighting_that_says_something_is_in_one_thing_or_of_one_asset(
    found: list[Sighting], assets: list[Asset]
) -> None:
    of_asset, unknown = unlisted.sort_out(resolved(SLUG, assets, found, {}, {}), found, assets)
    placed = [(s.source, s.thing) for group in (*of_asset.values(), *(t.sightings for t in unknown)) for s in group]
    assert sorted(placed) == sorted((s.source, s.thing) for s in found if s.identity)
    assert len({thing.key for thing in unknown}) == len(unknown)
    assert not {thing.key for thing in unknown} & {one.key for one in assets}
