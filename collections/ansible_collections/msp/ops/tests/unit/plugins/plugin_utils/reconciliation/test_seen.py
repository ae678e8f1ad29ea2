# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What sightings say together: the best source's word, the newest address, nobody's disputed number."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Kind
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import seen as subject
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.seen import Seen
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made import PREFIX, card, seen

NETWORKS = (ipaddress.ip_network(PREFIX),)


def together(*sightings: Sighting, doubted: Any = (), networks: Any = NETWORKS) -> Seen:
    profiles = {evidence.profile_key(one): evidence.of_sighting(one) for one in sightings}
    return subject.of("thing", sightings, profiles, doubted, networks)


def test_what_does_not_change_is_the_best_sources_word_and_what_does_the_newests() -> None:
    told = together(
        seen(7, "nmap", hours=1, names=["host-7.lan"], attributes={"os": "Linux 5.x", "vendor": "Raspberry Pi"}),
        seen(
            7, "mdm", hours=30, names=["till"], serial="S-0007", attributes={"os": "Windows 11", "os_version": "10.0"}
        ),
        seen(7, "dhcp", hours=2, addresses=["192.0.2.8"], names=["TILL"]),
    )
    assert (told.names, told.own_names) == (("till", "host-7"), ("till",))
    assert (told.os, told.vendor, told.serial) == ("Windows 11 10.0", "Raspberry Pi", "S-0007")
    assert told.addresses == ("192.0.2.7", "192.0.2.8")


@pytest.mark.parametrize(
    ("sighting", "addresses"),
    [
        (seen(7, addresses=["192.0.2.7", "172.17.0.1", "fe80::1", "127.0.0.1", "no address"]), ("192.0.2.7",)),
        (seen(7, "mdm"), ()),  # what an MDM knows may be the address at home
        (seen(7, "directory"), ()),
        (seen(7, addresses=["192.0.2.0", "192.0.2.255"]), ()),  # no thing's own
        (seen(7, addresses=["198.51.100.7"]), ()),  # in no prefix of the customer
    ],
)
def test_addresses_are_those_on_the_customers_own_network(sighting: Sighting, addresses: tuple[str, ...]) -> None:
    assert together(sighting).addresses == addresses


def test_an_address_of_the_day_before_is_not_current() -> None:
    told = together(seen(7, "nmap", hours=1), seen(7, "dhcp", hours=26, addresses=["192.0.2.8"]))
    assert told.addresses == ("192.0.2.7",)


def test_without_prefixes_every_address_counts_but_an_audits_inner_ones() -> None:
    told = together(seen(7, "audit", addresses=["172.17.0.1"]), seen(7, addresses=["198.51.100.7"]), networks=())
    assert told.addresses == ("198.51.100.7",)


def test_hardware_addresses_that_go_from_machine_to_machine_or_are_made_up_are_left_out() -> None:
    cards = [card(7), "02:00:00:00:00:01", "00:00:5e:00:01:05", card(8)]
    told = together(seen(7, macs=cards), doubted={(Kind.MAC, card(8))})
    assert told.macs == (card(7),)


def test_a_disputed_serial_number_is_nobodys() -> None:
    one = seen(7, "mdm", serial="S-SHARED")
    assert together(one).serial == "S-SHARED"
    assert together(one, doubted={(Kind.SERIAL, "sshared")}).serial == ""


def test_what_a_source_says_is_one_line_that_netbox_takes() -> None:
    told = together(seen(7, "mdm", attributes={"vendor": "Dell\x00\n Inc.", "model": "x" * 300}))
    assert (told.vendor, len(told.model)) == ("Dell Inc.", 100)


def test_where_it_hangs_is_the_newest_switch_port() -> None:
    old = seen(7, "mac-table", hours=5, place={"switch": "sw1", "port": "Gi1/0/1"})
    new = seen(7, "mac-table:office", hours=1, place={"switch": "sw2", "port": "Gi1/0/9", "prefix": PREFIX})
    told = together(old, new)
    assert (told.switch, told.port, told.prefix) == ("sw2", "Gi1/0/9", PREFIX)
