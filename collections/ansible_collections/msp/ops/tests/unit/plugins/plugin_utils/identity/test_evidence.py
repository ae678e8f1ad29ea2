# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of an asset and of a sighting is evidence."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Kind, misspelt, system, uuid
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.identity.made import (
    CARD,
    DAY,
    NOW,
    OTHER,
    PRIVATE,
    SERIAL,
    SIBLING,
    SLUG,
    THIRD,
    UUID,
    UUID_TOO,
    VIRTUAL,
    asset,
    machine,
    seen,
)


def test_one_spelling_is_kept_of_all() -> None:
    one = seen(
        "mdm",
        serial=" pf2-abc12 ",
        uuid=UUID.upper(),
        asset_tag="A 0042",
        directory_id="{ABC}",
        macs=["B827.EB4A.109C"],
        names=["LT-0042.corp.example."],
        addresses=["10.0.0.7/24", "::ffff:10.0.0.8"],
    )
    assert one.serials == {"pf2abc12"}
    assert one.asset_tags == {"a0042"}
    assert one.directory_ids == {"{abc}"}
    assert one.macs == {CARD}
    assert one.names == {"lt-0042"}
    assert one.addresses == {"10.0.0.7", "10.0.0.8"}


@pytest.mark.parametrize("serial", ["To be filled by O.E.M.", "Default string", "0", "123456789", "N/A", "xyz", ""])
def test_a_placeholder_is_no_serial_number(serial: str) -> None:
    assert seen(serial=serial).serials == set()
    assert asset(serial=serial).serials == set()


def test_a_uuid_is_one_in_whichever_byte_order_a_tool_prints_it() -> None:
    assert uuid("00112233-4455-6677-8899-aabbccddeeff") == uuid("33221100-5544-7766-8899-AABBCCDDEEFF") != ""
    assert uuid("03000200-0400-0500-0006-000700080009") == ""


def test_the_serial_number_of_a_virtual_machine_of_vmware_is_its_uuid() -> None:
    one = seen(serial="VMware-56 4d 87 4f 39 f5 a3 7f-4b 5d 0a 1b 2c 3d 4e 5f")
    assert one.uuids == seen(uuid="564d874f-39f5-a37f-4b5d-0a1b2c3d4e5f").uuids


def test_hardware_addresses_go_by_what_they_are_worth() -> None:
    group, bridge, dock = "01:00:5e:00:00:fb", "02:42:ac:11:00:02", "00:e0:4c:68:01:02"
    one = seen(macs=[CARD, VIRTUAL, PRIVATE, group, bridge, dock, "00:00:5e:00:01:0a", "nonsense"])
    assert one.macs == {CARD}
    assert one.weak_macs == {VIRTUAL}
    assert one.private_macs == {PRIVATE}
    assert one.moving_macs == {dock}


def test_what_a_source_knows_of_a_card_goes_before_what_its_number_says() -> None:
    one = seen(macs=[CARD, OTHER], attributes={"mac_kinds": {CARD: "dock", OTHER: "no kind"}})
    assert one.macs == {OTHER}
    assert one.moving_macs == {CARD}


def test_a_bridge_of_the_audited_host_is_no_card_of_it() -> None:
    facts = machine(SERIAL, None, CARD)
    facts["interfaces"].append({"name": "docker0", "mac": OTHER, "addresses": []})
    assert asset(facts=facts).macs == {CARD}


def test_a_name_out_of_reverse_dns_is_hearsay() -> None:
    for scan in ("nmap", "nmap:hq"):
        one = seen(scan, names=["lt-1"])
        assert not one.names
        assert one.heard == {"lt-1"}


def test_what_a_scan_guesses_of_type_and_system_contradicts_nothing() -> None:
    said = {"type": "network", "os": "Cisco IOS 12"}
    for scan in ("nmap", "nmap:hq"):
        assert (seen(scan, attributes=said).family, seen(scan, attributes=said).system) == ("", "")
    assert (seen("lldp", attributes=said).family, seen("lldp", attributes=said).system) == ("network", "network")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Windows 11 Pro", "windows"),
        ("debian-12", "linux"),
        ("Red Hat Enterprise Linux", "linux"),
        ("iPadOS 18.1", "ios"),
        ("macOS", "macos"),
        ("Cisco IOS-XE", "network"),
        ("OpenBSD", ""),
        ("", ""),
    ],
)
def test_systems_have_families(name: str, family: str) -> None:
    assert system(name) == family


def test_an_asset_is_all_that_is_on_record_of_it() -> None:
    one = asset(
        4,
        "lt-0042",
        serial=SERIAL,
        asset_tag="A0042",
        macs=(CARD,),
        address="10.0.0.7",
        facts=machine(SERIAL, UUID, OTHER, name="lt-0042", addresses=["10.0.0.9/24"]),
        audited=NOW,
        remembered=[{"directory_id": "d1", "mdm_id": ["m1", "m2"], "macs": [THIRD], "addresses": ["10.0.0.99"]}],
    )
    assert one.known() == {
        Kind.SERIAL: {"pf2abc12"},
        Kind.UUID: {uuid(UUID)},
        Kind.ASSET_TAG: {"a0042"},
        Kind.DIRECTORY_ID: {"d1"},
        Kind.MDM_ID: {"m1", "m2"},
        Kind.MAC: {CARD, OTHER, THIRD},
        Kind.NAME: {"lt-0042"},
        Kind.ADDRESS: {"10.0.0.9"},
    }
    assert one.listed == {"10.0.0.7"}
    assert (one.key, one.last_seen, one.divided) == ("device:4", NOW, False)


def test_an_audit_that_found_another_serial_number_divides_the_asset() -> None:
    assert asset(serial=SERIAL, facts=machine(SIBLING, None, CARD)).divided
    assert not asset(serial="PF2ABC21", facts=machine(SERIAL, None, CARD)).divided
    assert not asset(facts=machine(SERIAL, None, CARD)).divided


def test_an_audit_that_found_not_one_known_card_divides_an_asset_without_serial_number() -> None:
    assert asset(macs=(CARD,), facts=machine(SERIAL, None, OTHER)).divided
    assert not asset(macs=(CARD,), facts=machine(SERIAL, None, (OTHER, CARD))).divided
    assert not asset(macs=(CARD,), facts=machine(None, UUID, OTHER), remembered=[{"uuid": UUID}]).divided


def test_what_was_taught_of_a_machine_with_another_serial_number_than_netbox_has_is_void() -> None:
    former = {"serial": [SIBLING], "uuid": UUID_TOO, "macs": [THIRD], "names": ["lt-old"]}
    later = {"directory_id": "d1", "macs": [OTHER]}
    one = asset(serial=SERIAL, macs=(CARD,), remembered=[former, later])
    assert one.serials == {SERIAL.lower()}
    assert one.macs == {CARD, OTHER}
    assert one.names == {"lt-0042"}
    assert one.directory_ids == {"d1"}
    assert not one.uuids
    assert asset(remembered=[former]).serials == {SIBLING.lower()}
    slip = asset(serial="PF2ABC21", remembered=[{"serial": [SERIAL], "directory_id": "d1"}])
    assert slip.directory_ids == {"d1"}
    assert not asset(serial=SERIAL, facts=machine(SERIAL), remembered=[former]).divided


@pytest.mark.parametrize(
    ("one", "other", "slip"),
    [
        ("pf2abc12", "pf2abc12", False),
        ("pf2abc12", "pf2abc13", True),
        ("pf2abc12", "pf2acb12", True),
        ("pf2abc12", "pf2abc1", True),
        ("pf2abc12", "f2abc12", True),
        ("pf2abc12", "pf2xbc13", False),
        ("1s20l5cto1wwpf0abcd1", "pf0abcd1", True),
        ("abc12", "abc13", False),
    ],
)
def test_a_slip_of_the_hand_is_one_character_whoever_made_it(one: str, other: str, slip: bool) -> None:
    assert [misspelt(*pair) for pair in ((one, other), (other, one))] == [slip, slip]


@given(st.text(), st.text())
def test_any_two_texts_can_be_compared(one: str, other: str) -> None:
    there, back = (misspelt(*pair) for pair in ((one, other), (other, one)))
    assert there is back


words = st.none() | st.text(max_size=20) | st.integers() | st.lists(st.text(max_size=8) | st.none(), max_size=3)
kinds = ("serial", "uuid", "asset_tag", "directory_id", "mdm_id", "macs", "names", "addresses")


@given(st.dictionaries(st.sampled_from(kinds), words))
def test_whatever_a_source_says_can_be_read(identity: dict[str, Any]) -> None:
    one = seen("dhcp", thing="x", **identity)
    assert all(value for values in one.known().values() for value in values)


def test_a_customer_is_gathered_with_the_cards_that_move() -> None:
    def lease(name: str, card: str, at: dt.datetime = NOW) -> Sighting:
        identity = {"macs": [card], "names": [name]}
        return Sighting(SLUG, "dhcp", f"mac={card}", at - DAY, at, 1, identity, None, {}, {})

    now = [lease("lt-1", CARD), lease("lt-2", OTHER), lease("lt-2", THIRD)]
    before = [lease("lt-1", THIRD, NOW - DAY)]
    one = Asset("device", 1, "lt-1", SLUG, None, macs=(THIRD,))
    audits = {"device:1": (Audit(SLUG, "device:1", "lt-1", NOW, "ok", "0" * 64), None)}
    assets, sightings = evidence.gather([one], now, facts={}, audits=audits, remembered={}, history=before)
    assert assets[0].moving_macs == {THIRD}
    assert assets[0].last_seen == NOW
    assert [p.moving_macs for p in sightings] == [set(), set(), {THIRD}]
    assets, _sightings = evidence.gather([one], now, facts={}, audits={}, remembered={})
    assert assets[0].macs == {THIRD}
