# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is who: the cases that networks bring, each as a sentence, and what holds for every input."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random as dice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence, learning
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution, Verdict, Why, Worth
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.identity.made import (
    CARD,
    CLONED,
    DAY,
    HOUR,
    NOW,
    OTHER,
    PRIVATE,
    PRIVATE_TOO,
    SERIAL,
    SIBLING,
    SLUG,
    THIRD,
    UUID,
    UUID_TOO,
    VIRTUAL,
    asset,
    entity_of,
    machine,
    resolved,
    seen,
    sides,
    verdicts,
)

# What changes, and stays the same thing


def test_a_renamed_host_is_the_asset_that_has_its_card() -> None:
    result = resolved([asset(macs=(CARD,))], seen(macs=[CARD], names=["lt-new-name"]))
    assert verdicts(result) == [("matched", "device:1", 1)]


def test_a_made_up_hardware_address_at_the_address_that_netbox_lists_may_be_the_asset() -> None:
    result = resolved([asset(address="10.0.0.7")], seen("arp", macs=[PRIVATE], addresses=["10.0.0.7"]))
    assert [(one.verdict, one.why, one.candidates[0].key) for one in result.entities] == [
        ("conflict", "successor", "device:1")
    ]


def test_a_new_network_card_is_the_same_machine_where_its_serial_number_says_so() -> None:
    result = resolved(
        [asset(serial=SERIAL, macs=(CARD,))],
        seen("mdm", serial=SERIAL, macs=[OTHER], mdm_id="m1"),
        seen("dhcp", macs=[OTHER], names=["lt-0042"]),
        seen("arp", macs=[OTHER], addresses=["10.0.0.7"]),
    )
    assert verdicts(result) == [("matched", "device:1", 3)]


def test_a_new_network_card_that_nothing_ties_to_the_asset_is_asked_about() -> None:
    one = seen(macs=[OTHER], names=["lt-0042"])
    result = resolved([asset(serial=SERIAL, macs=(CARD,))], one)
    assert (entity_of(result, one).verdict, entity_of(result, one).why) == (Verdict.CONFLICT, Why.SUCCESSOR)
    assert sides(entity_of(result, one)) == {"device:1": {"+name", "-mac"}}


def test_a_reinstalled_machine_keeps_its_serial_number_and_is_the_same() -> None:
    known = asset(serial=SERIAL, remembered=[{"directory_id": "old", "mdm_id": "m-old"}])
    again = seen("mdm", serial=SERIAL, mdm_id="m-new", directory_id="new", names=["desktop-a1b2c3d"])
    account = seen("directory", directory_id="new", names=["desktop-a1b2c3d"])
    assert verdicts(resolved([known], again, account)) == [("matched", "device:1", 2)]


def test_a_new_account_of_a_name_is_the_machine_that_was_seen_under_it_since() -> None:
    known = asset(macs=(CARD,), remembered=[{"directory_id": "old"}])
    account = seen("directory", directory_id="new", names=["lt-0042"], since=NOW - 3 * DAY)
    there = seen("dhcp", macs=[CARD], names=["lt-0042"])
    assert verdicts(resolved([known], account, there)) == [("matched", "device:1", 2)]
    assert entity_of(resolved([known], account), account).verdict is Verdict.CONFLICT


def test_a_changed_address_changes_nothing() -> None:
    known = asset(macs=(CARD,), address="10.0.0.7", addresses=("10.0.0.7",))
    assert verdicts(resolved([known], seen("arp", macs=[CARD], addresses=["10.0.9.9"]))) == [("matched", "device:1", 1)]


def test_an_address_that_another_thing_took_makes_it_no_asset() -> None:
    known = asset(macs=(CARD,), address="10.0.0.7")
    first = seen("arp", macs=[CARD], addresses=["10.0.0.7"], at=NOW - 9 * DAY)
    result = resolved([known], first, seen("arp", macs=[OTHER], addresses=["10.0.0.7"]))
    assert verdicts(result) == [("matched", "device:1", 1), ("new", f"mac:{OTHER}", 1)]


def test_an_address_alone_follows_who_had_it_at_the_time() -> None:
    known = asset(macs=(CARD,))
    first = seen("dhcp", macs=[CARD], addresses=["10.0.0.7"], at=NOW - 9 * DAY)
    second = seen("arp", macs=[OTHER], addresses=["10.0.0.7"], at=NOW - HOUR)
    result = resolved([known], first, second, seen("nmap", addresses=["10.0.0.7"]))
    assert verdicts(result) == [("matched", "device:1", 1), ("new", f"mac:{OTHER}", 2)]


def test_an_address_alone_between_two_holders_is_asked_about() -> None:
    bare = seen("nmap", addresses=["10.0.0.7"], at=NOW - 3 * HOUR)
    result = resolved(
        [asset(macs=(CARD,))],
        seen("arp", macs=[CARD], addresses=["10.0.0.7"], at=NOW - 6 * HOUR),
        seen("arp", macs=[OTHER], addresses=["10.0.0.7"]),
        bare,
    )
    assert set(sides(entity_of(result, bare))) == {"device:1", f"mac:{OTHER}"}


def test_wired_and_wireless_card_of_one_laptop_are_one() -> None:
    result = resolved(
        [asset(serial=SERIAL)],
        seen("mdm", serial=SERIAL, macs=[CARD, OTHER], mdm_id="m1"),
        seen("dhcp", macs=[CARD], names=["lt-0042"]),
        seen("arp", macs=[OTHER], addresses=["10.0.0.8"]),
    )
    assert verdicts(result) == [("matched", "device:1", 3)]


def test_two_cards_with_one_serial_number_and_one_name_are_one_laptop_even_apart() -> None:
    result = resolved(
        [asset(serial=SERIAL)],
        seen("mdm", serial=SERIAL, macs=[CARD], names=["lt-0042"]),
        seen("directory", serial=SERIAL, macs=[OTHER], names=["lt-0042"]),
    )
    assert verdicts(result) == [("matched", "device:1", 2)]


# What looks the same, and is not


def test_a_replaced_machine_is_new_though_it_took_the_name() -> None:
    known = asset(serial=SERIAL, macs=(CARD,))
    result = resolved([known], seen("mdm", serial=SIBLING, macs=[OTHER], names=["lt-0042"], mdm_id="m2"))
    assert verdicts(result) == [("new", f"mac:{OTHER}", 1)]
    assert result.unseen == ("device:1",)


def test_an_account_by_name_is_asked_about_where_predecessor_and_successor_bear_the_name() -> None:
    account = seen("directory", names=["lt-0042"], directory_id="d")
    result = resolved(
        [asset(serial=SERIAL, macs=(CARD,))],
        seen("mdm", serial=SIBLING, macs=[OTHER], names=["lt-0042"]),
        account,
    )
    assert entity_of(result, account).why is Why.TOO_CLOSE
    assert set(sides(entity_of(result, account))) == {"device:1", f"mac:{OTHER}"}


def test_a_cloned_virtual_machine_is_a_conflict_on_both_sides_where_no_card_is_on_record() -> None:
    known = asset(1, "app01", kind="virtual-machine", facts=machine(None, UUID))
    first = seen("agent", uuid=UUID, macs=[VIRTUAL], names=["app01"], thing="1")
    second = seen("agent", uuid=UUID, macs=[CLONED], names=["app01"], thing="2")
    result = resolved([known], first, second)
    assert [(one.verdict, one.why) for one in result.entities] == [(Verdict.CONFLICT, Why.SHARED)] * 2
    assert "device" not in str(sides(entity_of(result, first)))
    assert set(sides(entity_of(result, first))) == {"virtual-machine:1", f"mac:{CLONED}"}


def test_the_original_of_a_clone_stays_matched_by_the_card_on_record() -> None:
    known = asset(1, "app01", kind="virtual-machine", facts=machine(None, UUID, VIRTUAL), audited=NOW)
    original = seen("arp", macs=[VIRTUAL], addresses=["10.0.0.1"])
    clone = seen("agent", uuid=UUID, macs=[CLONED], names=["app01"])
    result = resolved([known], original, clone)
    assert (entity_of(result, original).asset, entity_of(result, clone).why) == ("virtual-machine:1", Why.SHARED)


def test_a_virtual_machine_with_a_new_card_after_its_old_one_is_the_same() -> None:
    known = asset(1, "app01", kind="virtual-machine", facts=machine(None, UUID, VIRTUAL), audited=NOW - 60 * DAY)
    result = resolved([known], seen("agent", uuid=UUID, macs=[CLONED], names=["app01"]))
    assert verdicts(result) == [("matched", "virtual-machine:1", 1)]


def test_a_linked_clone_with_a_uuid_of_its_own_is_another_thing() -> None:
    known = asset(1, "app01", kind="virtual-machine", facts=machine(None, UUID, VIRTUAL), audited=NOW)
    result = resolved([known], seen("agent", uuid=UUID_TOO, macs=[CLONED], names=["app01"]))
    assert verdicts(result) == [("new", f"mac:{CLONED}", 1)]


def test_a_dock_that_two_audits_showed_identifies_neither_laptop() -> None:
    dock = THIRD
    one, two = asset(1, "lt-0001", serial=SERIAL), asset(2, "lt-0002", serial=SIBLING)
    first = seen("audit", of="device:1", serial=SERIAL, macs=[CARD, dock], names=["lt-0001"])
    second = seen("audit", of="device:2", serial=SIBLING, macs=[OTHER, dock], names=["lt-0002"])
    lease = seen("dhcp", macs=[dock], names=["lt-0002"], addresses=["10.0.0.5"])
    switch = seen("arp", macs=[dock], addresses=["10.0.0.5"])
    nowhere = seen("mac-table", macs=[dock], place={"port": "Gi1/0/3"})
    result = resolved([one, two], first, second, lease, switch, nowhere)
    assert [entity_of(result, p).asset for p in (first, second, lease, switch)] == [
        "device:1",
        "device:2",
        "device:2",
        "device:2",
    ]
    assert entity_of(result, nowhere).verdict is Verdict.CONFLICT
    assert [(d.value, d.worth) for d in result.disputed] == [(dock, Worth.MOVING)]


def test_a_dock_is_known_by_the_name_of_a_second_laptop_that_is_there_with_its_own_card() -> None:
    one = asset(1, "lt-0001", serial=SERIAL, facts=machine(SERIAL, None, (CARD, THIRD), name="lt-0001"), audited=NOW)
    two = asset(2, "lt-0002", serial=SIBLING)
    lease = seen("dhcp", macs=[THIRD], names=["lt-0002"])
    managed = seen("mdm", serial=SIBLING, macs=[OTHER], names=["lt-0002"])
    assert entity_of(resolved([one, two], managed, lease), lease).asset == "device:2"


def test_a_card_under_the_name_of_an_asset_that_is_not_there_is_asked_about() -> None:
    one = asset(1, "lt-0001", serial=SERIAL, facts=machine(SERIAL, None, CARD, name="lt-0001"), audited=NOW)
    lease = seen("dhcp", macs=[CARD], names=["lt-0002"])
    result = resolved([one, asset(2, "lt-0002", serial=SIBLING)], lease)
    assert entity_of(result, lease).verdict is Verdict.CONFLICT
    assert set(sides(entity_of(result, lease))) == {"device:1", "device:2"}


def test_a_router_address_that_two_routers_share_joins_and_identifies_nothing() -> None:
    shared = "00:00:5e:00:01:0a"
    routers = [asset(i, f"rt-0{i}", asset_class="network", serial=s) for i, s in ((1, SERIAL), (2, SIBLING))]
    first = seen("audit", of="device:1", serial=SERIAL, macs=[CARD, shared], addresses=["10.0.0.2", "10.0.0.1"])
    second = seen("audit", of="device:2", serial=SIBLING, macs=[OTHER, shared], addresses=["10.0.0.3", "10.0.0.1"])
    gateway = seen("arp", macs=[shared], addresses=["10.0.0.1"])
    result = resolved(routers, first, second, gateway)
    assert [entity_of(result, one).asset for one in (first, second)] == ["device:1", "device:2"]
    assert set(sides(entity_of(result, gateway))) == {"device:1", "device:2"}


def test_randomised_hardware_addresses_of_phones_match_nothing() -> None:
    known = asset(1, "iphone-van-piet", asset_class="mobile", serial=SERIAL, macs=(CARD,))
    one, two = (seen("dhcp", macs=[mac], names=["iphone"]) for mac in (PRIVATE, PRIVATE_TOO))
    result = resolved([known], one, two, seen("arp", macs=[PRIVATE], addresses=["10.0.0.5"]))
    assert verdicts(result) == [("new", f"mac:{PRIVATE}", 2), ("new", f"mac:{PRIVATE_TOO}", 1)]
    assert not any(entity.identified for entity in result.entities)


def test_a_placeholder_serial_number_is_none() -> None:
    result = resolved(
        [asset(serial="To be filled by O.E.M.")],
        seen("mdm", serial="To Be Filled By O.E.M.", macs=[OTHER], names=["pc-9"]),
        seen("mdm", serial="Default string", macs=[CARD], names=["pc-8"]),
    )
    assert verdicts(result) == [("new", f"mac:{OTHER}", 1), ("new", f"mac:{CARD}", 1)]


def test_a_serial_number_that_a_maker_gave_to_two_machines_is_a_conflict_where_it_is_all_there_is() -> None:
    oem = "CZC2021OEM"
    assets = [asset(1, "pc-01", serial=oem), asset(2, "pc-02", serial=oem)]
    one = seen("mdm", serial=oem, mdm_id="m1")
    result = resolved(assets, one)
    assert (entity_of(result, one).why, set(sides(entity_of(result, one)))) == (Why.TOO_CLOSE, {"device:1", "device:2"})


def test_machines_that_share_a_serial_number_are_told_apart_by_their_cards() -> None:
    oem = "CZC2021OEM"
    assets = [asset(1, "pc-01", serial=oem, macs=(CARD,)), asset(2, "pc-02", serial=oem, macs=(OTHER,))]
    one = seen("mdm", serial=oem, macs=[CARD], names=["pc-01"], mdm_id="m1")
    two = seen("mdm", serial=oem, macs=[OTHER], names=["pc-02"], mdm_id="m2")
    stranger = seen("mdm", serial=oem, macs=[THIRD], names=["pc-77"], mdm_id="m3")
    result = resolved(assets, one, two, stranger)
    assert [entity_of(result, p).asset for p in (one, two)] == ["device:1", "device:2"]
    assert entity_of(result, stranger).why is Why.SHARED
    assert [(d.worth, d.holders) for d in result.disputed] == [(Worth.SHARED, 5)]


def test_a_shared_serial_number_is_less_than_an_id_that_is_on_record() -> None:
    oem = "CZC2021OEM"
    known = asset(1, "pc-01", remembered=[{"mdm_id": "m1"}])
    one = seen("mdm", serial=oem, names=["pc-01"], mdm_id="m1")
    two = seen("mdm", serial=oem, names=["pc-02"], mdm_id="m2")
    result = resolved([known, asset(2, "pc-02", serial=oem)], one, two)
    assert entity_of(result, one).asset == "device:1"
    assert entity_of(result, two).why is Why.SHARED


def test_one_serial_number_with_two_uuids_is_two_machines() -> None:
    one, two = (seen("audit", serial=SERIAL, uuid=u, thing=u) for u in (UUID, UUID_TOO))
    result = resolved([asset(serial=SERIAL)], one, two)
    assert [entity.verdict for entity in result.entities] == [Verdict.CONFLICT] * 2


def test_a_serial_number_that_very_many_have_is_no_evidence_and_says_so() -> None:
    found = [
        seen("mdm", serial="OEM4711", macs=[f"b8:27:eb:00:00:{i:02x}"], names=[f"till-{i}"], mdm_id=f"m{i}")
        for i in range(12)
    ]
    result = resolved([], *found)
    assert [one.verdict for one in result.entities] == [Verdict.NEW] * 12
    assert [(d.kind, d.worth, d.holders) for d in result.disputed] == [("serial", Worth.MANY, 12)]


def test_two_assets_that_claim_one_thing_are_a_conflict() -> None:
    one = seen("mdm", serial=SERIAL, macs=[CARD])
    result = resolved([asset(1, "lt-0042", serial=SERIAL), asset(2, "unknown-device", macs=(CARD,))], one)
    assert entity_of(result, one).why is Why.TOO_CLOSE
    assert sides(entity_of(result, one)) == {"device:1": {"+serial"}, "device:2": {"+mac"}}


def test_card_and_name_of_an_asset_with_another_serial_number_contradict() -> None:
    one = seen("mdm", serial=SIBLING, macs=[CARD], names=["lt-0042"])
    result = resolved([asset(serial=SERIAL, macs=(CARD,))], one)
    assert entity_of(result, one).why is Why.CONTRADICTION
    assert sides(entity_of(result, one)) == {"device:1": {"+mac", "+name", "-serial"}}


def test_a_slip_in_netbox_is_forgiven_where_card_and_name_agree() -> None:
    slip = asset(serial="PF2ABC21", macs=(CARD,))
    one = seen("mdm", serial=SERIAL, macs=[CARD], names=["lt-0042"])
    result = resolved([slip], one)
    assert verdicts(result) == [("matched", "device:1", 1)]
    assert sides(entity_of(result, one)) == {"device:1": {"+mac", "+name", "-serial"}}


def test_a_sibling_from_the_same_box_is_no_slip_where_only_the_name_agrees() -> None:
    one = seen("mdm", serial="PF2ABC13", macs=[OTHER], names=["lt-0042"])
    assert entity_of(resolved([asset(serial=SERIAL)], one), one).verdict is Verdict.CONFLICT


def test_an_audit_that_reached_another_machine_than_promised_is_a_conflict() -> None:
    known = asset(serial=SERIAL, facts=machine(SIBLING, None, OTHER), audited=NOW)
    one = seen("audit", of="device:1", serial=SIBLING, macs=[OTHER], names=["lt-0042"])
    assert entity_of(resolved([known], one), one).why is Why.CONTRADICTION


def test_a_printer_is_no_phone_even_with_its_name() -> None:
    one = seen("mdm", serial=SIBLING, names=["reception"], attributes={"type": "phone"})
    assert verdicts(resolved([asset(1, "reception", asset_class="printer")], one)) == [("new", "serial:5cd94410xw", 1)]


def test_a_card_under_the_name_of_an_asset_that_is_not_there_joins_nothing() -> None:
    audit = seen("audit", of="device:1", serial=SERIAL, macs=[CARD], names=["lt-0001"])
    lease = seen("dhcp", macs=[CARD], names=["lt-0002"])
    result = resolved([asset(1, "lt-0001", serial=SERIAL), asset(2, "lt-0002", serial=SIBLING)], audit, lease)
    assert entity_of(result, audit).asset == "device:1"
    assert entity_of(result, lease).verdict is Verdict.CONFLICT
    assert [(d.value, d.worth) for d in result.disputed] == [(CARD, Worth.DOUBTFUL)]


def test_a_card_on_record_under_another_assets_name_is_no_dock_where_the_serial_number_has_that_name_now() -> None:
    known = [asset(1, "lt-0001", serial=SERIAL, remembered=[{"macs": [CARD]}]), asset(2, "lt-0002")]
    managed = seen("mdm", serial=SERIAL, macs=[CARD], names=["lt-0002"])
    result = resolved(known, managed, seen("dhcp", macs=[CARD], names=["lt-0002"]), seen("arp", macs=[CARD]))
    assert verdicts(result) == [("matched", "device:1", 3)]


def test_a_third_laptop_in_a_dock_is_new_by_its_own_name() -> None:
    dock = "00:e0:4c:68:01:02"
    known = [asset(1, "lt-0001", macs=(dock,)), asset(2, "lt-0002", macs=(dock,))]
    assert verdicts(resolved(known, seen("dhcp", macs=[dock], names=["lt-0099"])))[0][0] == "new"
    assert verdicts(resolved(known, seen("mac-table", macs=[dock])))[0][0] == "conflict"


def test_one_source_that_keeps_two_living_records_of_a_serial_number_has_two_machines() -> None:
    found = [seen("mdm", serial=SERIAL, names=[f"lt-{i}"], mdm_id=f"m{i}") for i in (1, 2)]
    result = resolved([], *found)
    assert [one.why for one in result.entities] == [Why.SHARED] * 2
    left = seen("mdm", serial=SERIAL, names=["lt-1"], mdm_id="m1", at=NOW - 90 * DAY)
    assert len(resolved([], left, found[1]).entities) == 1


def test_nothing_is_matched_to_an_asset_whose_audit_reached_another_machine() -> None:
    known = asset(serial=SERIAL, facts=machine(SIBLING, None, OTHER), audited=NOW)
    for card, why in ((OTHER, Why.CONTRADICTION), (CARD, Why.UNKNOWN)):
        lease = seen("dhcp", macs=[card])
        assert entity_of(resolved([known], lease), lease).why is why


def test_the_example_of_the_page_for_people() -> None:
    known = asset(1, "LT-0042", serial=SERIAL, macs=(CARD,))
    rows = (
        (seen("mdm", serial=SERIAL, macs=[OTHER], names=["LT-0077"]), "matched"),
        (seen("dhcp", macs=[OTHER], names=["LT-0077"]), "matched"),
        (seen("dhcp", macs=[THIRD], names=["LT-0042"]), "conflict"),
        (seen("mdm", serial=SIBLING, macs=["f0:9f:c2:00:00:02"], names=["LT-0042"]), "new"),
    )
    result = resolved([known], *(row for row, _verdict in rows))
    assert [entity_of(result, row).verdict for row, _verdict in rows] == [verdict for _row, verdict in rows]


# What shows little


def test_a_thing_seen_only_by_name_is_the_one_asset_that_bears_it() -> None:
    result = resolved([asset()], seen("directory", names=["LT-0042.corp.example"], directory_id="d1"))
    assert verdicts(result) == [("matched", "device:1", 1)]


@pytest.mark.parametrize("name", ["localhost", "iPhone", "DESKTOP", "android-3f2a9c81d0e4b567", "10-0-0-7.dyn.example"])
def test_a_stock_name_is_nobodys(name: str) -> None:
    result = resolved([asset(1, name)], seen("nmap", names=[name]))
    assert [(one.verdict, one.identified) for one in result.entities] == [(Verdict.NEW, False)]


def test_a_name_that_very_many_have_is_nobodys() -> None:
    assets = [asset(i, "kassa") for i in range(1, 12)]
    one = seen("directory", names=["kassa"])
    assert entity_of(resolved(assets, one), one).verdict is Verdict.NEW


def test_a_name_that_two_assets_have_is_asked_about() -> None:
    one = seen("directory", names=["kassa"])
    assert set(sides(entity_of(resolved([asset(1, "kassa"), asset(2, "kassa")], one), one))) == {"device:1", "device:2"}


def test_a_thing_seen_only_by_address_is_new_where_nobody_has_it() -> None:
    result = resolved([asset(macs=(CARD,))], seen("nmap", addresses=["10.0.0.9"]))
    assert verdicts(result) == [("new", "address:10.0.0.9", 1)]


def test_a_thing_seen_only_at_an_address_that_netbox_lists_is_asked_about() -> None:
    one = seen("nmap", addresses=["10.0.0.9"])
    result = resolved([asset(1, "pr-01", asset_class="printer", address="10.0.0.9")], one)
    assert sides(entity_of(result, one)) == {"device:1": {"+address"}}
    assert result.doubtful_assets() == {"device:1"}


def test_of_two_holders_the_one_clearly_nearer_in_time_has_the_address() -> None:
    bare = seen("nmap", addresses=["10.0.0.7"], at=NOW - 3 * HOUR)
    near = seen("arp", macs=[OTHER], addresses=["10.0.0.7"], at=NOW - 2 * HOUR)
    for ago, keys in ((9, {f"mac:{OTHER}"}), (5, {f"mac:{OTHER}", "device:1"})):
        far = seen("arp", macs=[CARD], addresses=["10.0.0.7"], at=NOW - ago * HOUR)
        entity = entity_of(resolved([asset(macs=(CARD,))], bare, near, far), bare)
        assert {entity.key if entity.verdict is Verdict.NEW else "", *sides(entity)} - {""} == keys


def test_reverse_dns_says_nothing_of_a_hardware_address_that_a_phone_made_up() -> None:
    found = seen("nmap", macs=[PRIVATE], names=["lt-0042"], addresses=["10.0.0.7"])
    assert verdicts(resolved([asset(macs=(CARD,))], found)) == [("new", f"mac:{PRIVATE}", 1)]


def test_two_accounts_of_one_name_are_two_things_and_a_name_from_elsewhere_is_neither() -> None:
    one, two = (seen("directory", names=["srv-9"], directory_id=i) for i in ("d1", "d2"))
    assert [e.key for e in resolved([], one, two).entities] == ["directory_id:d1", "directory_id:d2"]
    assert len(resolved([], one, seen("agent", names=["srv-9"])).entities) == 1


def test_two_things_that_would_have_one_key_are_called_by_their_sightings() -> None:
    late, early = (seen("nmap", addresses=["10.0.0.7"], at=NOW - d * DAY, thing=str(d)) for d in (0, 9))
    assert [e.key for e in resolved([], late, early).entities] == ["nmap:0", "nmap:9"]


def test_of_two_sightings_that_say_the_same_the_newest_is_named() -> None:
    found = [
        seen(source, names=["lt-0042"], at=NOW - d * DAY) for source, d in (("agent", 3), ("directory", 0), ("zz", 9))
    ]
    (candidate,) = resolved([asset()], *found).entities[0].candidates
    assert [(r.source, r.at) for r in candidate.reasons] == [("directory", NOW)]


def test_who_came_to_an_address_later_did_not_have_it_before() -> None:
    bare = seen("nmap", addresses=["10.0.0.7"], at=NOW - 3 * HOUR)
    lease = seen("dhcp", macs=[CARD], addresses=["10.0.0.7"], since=NOW - HOUR)
    result = resolved([asset(macs=(CARD,))], lease, bare)
    assert sides(entity_of(result, bare)) == {"device:1": {"+address"}}
    assert entity_of(result, bare).verdict is Verdict.CONFLICT


def test_of_two_dhcp_servers_each_knows_since_when_it_gave_an_address() -> None:
    bare = seen("nmap:hq", addresses=["10.0.0.7"], at=NOW - 3 * HOUR)
    for server in ("dhcp", "dhcp:hq"):
        lease = seen(server, macs=[CARD], addresses=["10.0.0.7"], since=NOW - 3 * HOUR + HOUR / 2)
        assert entity_of(resolved([asset(macs=(CARD,))], lease, bare), bare).verdict is Verdict.CONFLICT


def test_who_was_seen_elsewhere_since_no_longer_has_the_address() -> None:
    bare = seen("nmap", addresses=["10.0.0.7"])
    lease = seen("dhcp", macs=[CARD], addresses=["10.0.0.7"], at=NOW - 8 * HOUR)
    moved = seen("arp", macs=[CARD], addresses=["10.0.0.8"], at=NOW - HOUR)
    assert entity_of(resolved([asset(macs=(CARD,))], lease, bare), bare).asset == "device:1"
    assert entity_of(resolved([asset(macs=(CARD,))], lease, moved, bare), bare).verdict is Verdict.CONFLICT


def test_an_account_that_began_after_its_machine_fell_silent_is_asked_about() -> None:
    last = seen("arp", macs=[CARD], at=NOW - 30 * DAY)
    account = seen("directory", names=["lt-0042"], directory_id="d", since=NOW - 29 * DAY)
    assert entity_of(resolved([asset(macs=(CARD,))], last, account), account).verdict is Verdict.CONFLICT
    before = seen("directory", names=["lt-0042"], directory_id="d", since=NOW - 90 * DAY)
    assert entity_of(resolved([asset(macs=(CARD,))], last, before), before).asset == "device:1"


def test_an_account_of_a_name_may_be_that_of_what_took_over_the_address() -> None:
    server = asset(1, "srv-01", asset_class="server", macs=(CARD,), address="10.0.0.9")
    heir = seen("arp", macs=[OTHER], addresses=["10.0.0.9"], since=NOW - DAY)
    account = seen("directory", names=["srv-01"], directory_id="d")
    result = resolved([server], heir, account)
    assert set(sides(entity_of(result, account))) == {"device:1", f"mac:{OTHER}"}


def test_a_name_out_of_reverse_dns_needs_the_address_to_agree() -> None:
    named = seen("nmap", names=["lt-0042"], addresses=["10.0.0.7"])
    assert entity_of(resolved([asset(macs=(CARD,))], named), named).verdict is Verdict.CONFLICT
    lease = seen("dhcp", macs=[CARD], addresses=["10.0.0.7"])
    assert entity_of(resolved([asset(macs=(CARD,))], named, lease), named).asset == "device:1"
    other = seen("dhcp", macs=[OTHER], addresses=["10.0.0.7"])
    assert entity_of(resolved([asset(macs=(CARD,))], named, other), named).why is Why.TOO_CLOSE


@pytest.mark.parametrize(("hours", "doubtful"), [(0, False), (20, False), (49, True)])
@pytest.mark.parametrize("card", [{}, {"macs": [THIRD]}], ids=["an address", "another card"])
def test_a_stale_name_out_of_reverse_dns_says_nothing_of_a_machine_that_was_seen_elsewhere_since(
    card: dict[str, Any], hours: int, doubtful: bool
) -> None:
    known = asset(macs=(CARD,), serial=SERIAL)
    lease = seen("dhcp", macs=[CARD], addresses=["10.0.0.7"], at=NOW - hours * HOUR)
    scan = seen("nmap", names=["lt-0042.corp.example"], addresses=["10.0.0.50"], **card)
    result = resolved([known], lease, scan)
    assert entity_of(result, lease).asset == "device:1"
    assert bool(result.doubtful_assets()) is doubtful
    assert entity_of(result, scan).verdict is (Verdict.CONFLICT if doubtful else Verdict.NEW)


def test_an_account_alone_makes_no_machine_that_a_name_out_of_reverse_dns_could_be_wrong_about() -> None:
    scan = seen("nmap", names=["lt-0042"], addresses=["10.0.0.50"])
    result = resolved([asset(macs=(CARD,))], seen("directory", names=["lt-0042"], directory_id="d"), scan)
    assert entity_of(result, scan).verdict is Verdict.CONFLICT


def test_reverse_dns_joins_nothing() -> None:
    result = resolved([], seen("nmap", names=["lt-9"], addresses=["10.0.0.7"]), seen("directory", names=["lt-9"]))
    assert [len(one.sightings) for one in result.entities] == [1, 1]


def test_swapped_labels_are_asked_about() -> None:
    one = seen("mdm", serial=SERIAL, names=["lt-0002"])
    result = resolved([asset(1, "lt-0001", serial=SERIAL), asset(2, "lt-0002", serial=SIBLING)], one)
    assert set(sides(entity_of(result, one))) == {"device:1", "device:2"}


@pytest.mark.parametrize("card", [[], [CARD]], ids=["its serial number is asked about", "its card matches too"])
def test_an_account_does_not_follow_the_name_on_record_of_a_machine_that_bears_another_assets_name(
    card: list[str],
) -> None:
    """LT-0001 and LT-0002 swapped names, and NetBox does not know yet: what says LT-0001 now is either of them."""
    swapped = seen("mdm", serial=SERIAL, macs=card, names=["lt-0002"])
    account = seen("directory", directory_id="d1", names=["lt-0001"], attributes={"os": "Debian GNU/Linux"})
    known = [asset(1, "lt-0001", serial=SERIAL, macs=card), asset(2, "lt-0002", serial=SIBLING)]
    result = resolved(known, swapped, account)
    assert entity_of(result, swapped).asset == ("device:1" if card else None)
    assert entity_of(result, account).verdict is Verdict.CONFLICT
    assert sides(entity_of(result, account)) == {"device:1": {"+name", "-renamed"}}


def test_an_account_follows_the_name_on_record_of_a_machine_that_got_a_name_of_its_own() -> None:
    renamed = seen("mdm", serial=SERIAL, names=["lt-0077"])
    account = seen("directory", directory_id="d1", names=["lt-0001"])
    result = resolved([asset(1, "lt-0001", serial=SERIAL), asset(2, "lt-0002")], renamed, account)
    assert [entity_of(result, one).asset for one in (renamed, account)] == ["device:1", "device:1"]


def test_an_account_follows_a_machine_that_bears_its_own_name_and_another_assets() -> None:
    both = seen("mdm", serial=SERIAL, macs=[CARD], names=["lt-0001", "lt-0002"])
    account = seen("directory", directory_id="d1", names=["lt-0001"])
    result = resolved([asset(1, "lt-0001", serial=SERIAL, macs=[CARD]), asset(2, "lt-0002")], both, account)
    assert entity_of(result, account).asset == "device:1"


def test_two_of_one_batch_are_two_though_never_seen_at_the_same_time() -> None:
    oem = "CZC2021OEM"
    old = seen("mdm", serial=oem, names=["pc-01"], mdm_id="m1", at=NOW - 60 * DAY)
    new = seen("mdm", serial=oem, names=["pc-02"], mdm_id="m2", since=NOW - 9 * DAY)
    result = resolved([asset(1, "pc-01", serial=oem), asset(2, "pc-02", serial=oem)], old, new)
    assert entity_of(result, old) is not entity_of(result, new)


def test_a_chain_of_cards_that_ends_in_two_machines_joins_neither() -> None:
    one = seen("mdm", serial=SERIAL, macs=[CARD], names=["lt-0001"])
    two = seen("mdm", serial=SIBLING, macs=[OTHER], names=["lt-0002"])
    bridge = seen("agent", macs=[CARD, OTHER])
    result = resolved([asset(1, "lt-0001", serial=SERIAL), asset(2, "lt-0002", serial=SIBLING)], one, two, bridge)
    assert [entity_of(result, p).asset for p in (one, two)] == ["device:1", "device:2"]
    assert set(sides(entity_of(result, bridge))) == {"device:1", "device:2"}


def test_an_address_that_an_audit_found_the_same_night_is_that_asset() -> None:
    known = asset(facts=machine(SERIAL, None, CARD, addresses=["10.0.0.9/24"]), audited=NOW - HOUR)
    assert verdicts(resolved([known], seen("nmap", addresses=["10.0.0.9"]))) == [("matched", "device:1", 1)]


def test_hardware_that_nobody_knows_at_the_address_of_a_silent_server_is_asked_about() -> None:
    one = seen("arp", macs=[OTHER], addresses=["10.0.0.9"], since=NOW - DAY)
    server = asset(1, "srv-01", asset_class="server", macs=(CARD,), address="10.0.0.9")
    assert entity_of(resolved([server], one), one).why is Why.SUCCESSOR
    alive = seen("mdm", macs=[CARD])
    assert entity_of(resolved([server], one, alive), one).verdict is Verdict.NEW


def test_what_shows_nothing_at_all_is_kept_as_a_thing_of_its_own() -> None:
    one = seen("neighbours", macs=["01:00:5e:00:00:fb"], thing="x")
    assert verdicts(resolved([asset()], one)) == [("new", "neighbours:x", 1)]


# Customers apart


def test_two_customers_with_the_same_names_and_addresses_are_never_mixed() -> None:
    mine, theirs = asset(macs=(CARD,)), dataclasses.replace(asset(macs=(CARD,)), customer="garage-smit")
    for assets, found in (([theirs], []), ([mine], [seen(macs=[CARD], customer="garage-smit")])):
        with pytest.raises(MspError) as refused:
            resolve(SLUG, assets, found)
        assert refused.value.code == "MSP-IDN-001"


def test_a_sighting_given_twice_is_refused() -> None:
    with pytest.raises(MspError) as refused:
        resolved([], seen(macs=[CARD]), seen(macs=[CARD]))
    assert refused.value.code == "MSP-IDN-002"


def test_reasons_say_who_said_it_and_when() -> None:
    result = resolved([asset(serial=SERIAL)], seen("mdm", serial=SERIAL, at=NOW - HOUR))
    (candidate,) = result.entities[0].candidates
    (reason,) = candidate.reasons
    assert (reason.kind, reason.value, reason.source, reason.at) == ("serial", "pf2abc12", "mdm", NOW - HOUR)
    assert candidate.score == reason.weight > 0


# What holds for every input

SERIALS = (SERIAL, "PF2ABC13", SIBLING)
CARDS = (CARD, OTHER, THIRD, VIRTUAL, CLONED, PRIVATE, PRIVATE_TOO, "00:00:5e:00:01:0a")
NAMES = ("lt-0001", "lt-0002", "reception", "iphone")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
maybe = st.sampled_from


# Made once: hypothesis looks through every strategy that is new to it, which takes longer than to draw from it.
def _observed(source: str, age: int, lasted: int, asset_key: str | None, identity: dict[str, Any]) -> Profile:
    last = NOW - age * HOUR
    return seen(source, at=last, since=last - lasted * DAY, of=asset_key, thing="x", **identity)


IDENTITIES = st.fixed_dictionaries(
    {
        "serial": maybe((None, None, None, *SERIALS)),
        "uuid": maybe((None, None, None, UUID, UUID_TOO)),
        "directory_id": maybe((None, None, "d1", "d2")),
        "macs": st.lists(maybe(CARDS), max_size=2),
        "names": st.lists(maybe(NAMES), max_size=1),
        "addresses": st.lists(maybe(ADDRESSES), max_size=1),
    }
)
OBSERVED = st.builds(
    _observed,
    maybe(("mdm", "dhcp", "arp", "audit")),
    maybe((0, 1, 30, 400)),
    maybe((0, 3, 40)),
    maybe((None, None, None, None, "device:1", "device:2")),
    IDENTITIES,
)
SIGHTINGS = st.lists(OBSERVED, max_size=9).map(
    lambda found: [dataclasses.replace(one, key=f"{one.key}{i}") for i, one in enumerate(found)]
)
SAID = st.fixed_dictionaries(
    {
        "kind": maybe(("device", "device", "virtual-machine")),
        "serial": maybe(("", *SERIALS)),
        "macs": st.lists(maybe(CARDS), max_size=2).map(tuple),
        "address": maybe((None, *ADDRESSES)),
        "asset_class": maybe(("workstation", "server", "mobile")),
        "remembered": maybe((None, "d1", "d2")).map(lambda one: [{"directory_id": one}]),
    }
)
RECORDS = st.lists(st.tuples(maybe(NAMES), SAID), max_size=4).map(
    lambda found: [asset(number, name, **said) for number, (name, said) in enumerate(found, 1)]
)


MANY = settings(deadline=None)


@MANY
@given(RECORDS, SIGHTINGS, st.integers(0, 9))
def test_the_order_of_the_input_decides_nothing(assets: list[Profile], found: list[Profile], seed: int) -> None:
    shuffled, other = list(found), list(assets)
    dice.Random(seed).shuffle(shuffled)  # noqa: S311  # any order will do
    dice.Random(seed).shuffle(other)  # noqa: S311
    assert resolve(SLUG, other, shuffled) == resolve(SLUG, assets, found)


@MANY
@given(RECORDS, SIGHTINGS)
def test_every_sighting_is_in_exactly_one_entity_and_every_asset_in_at_most_one(
    assets: list[Profile], found: list[Profile]
) -> None:
    result = resolve(SLUG, assets, found)
    assert sorted(key for one in result.entities for key in one.sightings) == sorted(one.key for one in found)
    matched = [one.asset for one in result.entities if one.asset]
    assert len(matched) == len(set(matched))
    assert {*matched, *result.unseen} == {one.key for one in assets}
    assert len({one.key for one in result.entities}) == len(result.entities)


@MANY
@given(RECORDS, SIGHTINGS)
def test_two_serial_numbers_or_uuids_are_in_one_entity_only_as_a_conflict(
    assets: list[Profile], found: list[Profile]
) -> None:
    result = resolve(SLUG, assets, found)
    disputed = {one.value for one in result.disputed}
    by_key = {one.key: one for one in found}
    for entity in result.entities:
        for kind in ("serials", "uuids"):
            values = {v for key in entity.sightings for v in getattr(by_key[key], kind)} - disputed
            assert entity.verdict is Verdict.CONFLICT or len(values) < 2


@MANY
@given(RECORDS, SIGHTINGS)
def test_a_matched_entity_has_support_and_a_conflict_has_candidates(
    assets: list[Profile], found: list[Profile]
) -> None:
    for one in resolve(SLUG, assets, found).entities:
        if one.verdict is Verdict.MATCHED:
            assert [c.key for c in one.candidates] == [one.asset]
            assert one.candidates[0].score > 0
        if one.verdict is Verdict.CONFLICT:
            assert one.candidates
            assert one.asset is None


@MANY
@given(RECORDS, SIGHTINGS)
def test_an_unrelated_sighting_changes_no_other_verdict(assets: list[Profile], found: list[Profile]) -> None:
    stranger = seen("mdm", serial="ZZ99ZZ99", macs=["ac:de:48:00:11:22"], names=["elsewhere"], addresses=["10.9.9.9"])
    before, after = resolve(SLUG, assets, found), resolve(SLUG, assets, [*found, stranger])
    assert [one for one in after.entities if stranger.key not in one.sightings] == list(before.entities)
    assert after.disputed == before.disputed


def _taught(assets: list[Profile], found: list[Profile], result: Resolution) -> list[Profile]:
    """The assets with what their matched sightings taught, as the next reconciliation has them on record."""
    owners = learning.learnt(result, {one.key: one for one in assets}, {one.key: one for one in found}, {}, {})
    entries: dict[str, dict[str, list[str]]] = {one.key: {} for one in assets}
    for (key, value), asset_key in owners.items():
        entries[asset_key].setdefault(key, []).append(value)
    return [_with(one, evidence.of_identity(entries[one.key])) for one in assets]


def _with(record: Profile, taught: Profile) -> Profile:
    fields = ("serials", "uuids", "directory_ids", "mdm_ids", "macs", "weak_macs")
    return dataclasses.replace(record, **{field: getattr(record, field) | getattr(taught, field) for field in fields})


@MANY
@given(RECORDS, SIGHTINGS)
def test_the_same_again_says_the_same(assets: list[Profile], found: list[Profile]) -> None:
    assert resolve(SLUG, assets, found) == resolve(SLUG, assets, found)


@MANY
@given(RECORDS, SIGHTINGS)
def test_what_was_matched_is_nobody_elses_when_its_ids_are_remembered(
    assets: list[Profile], found: list[Profile]
) -> None:
    """It stays matched, or where the evidence contradicts itself it is asked about. See also bench/identity.py."""
    first = resolve(SLUG, assets, found)
    again = resolve(SLUG, _taught(assets, found, first), found).by_sighting()
    for entity in first.of(Verdict.MATCHED):
        for key in entity.sightings:
            assert again[key].asset == entity.asset or again[key].verdict is Verdict.CONFLICT


def test_times_may_be_missing() -> None:
    timeless = dataclasses.replace(seen(macs=[CARD], addresses=["10.0.0.1"]), first_seen=None, last_seen=None)
    assert verdicts(resolved([asset(macs=(CARD,))], timeless)) == [("matched", "device:1", 1)]


def test_an_entity_has_the_times_of_its_sightings() -> None:
    early = seen("arp", macs=[CARD], at=NOW - 9 * DAY)
    result = resolved([], early, seen("dhcp", macs=[CARD]))
    assert [(one.first_seen, one.last_seen) for one in result.entities] == [(NOW - 29 * DAY, NOW)]
    assert isinstance(NOW, dt.datetime)
