"""What real network devices printed, read to the end. The answers are no part of the project; the facts below were read
in them by hand.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.observe import network
from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Context, Reading

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
# file: platform, command, observations, rows of no interest
ANSWERS = {
    "aruba_os_show_arp.txt": ("aruba_os", "show arp", 12, 0),
    "cisco_ios_show_ip_arp.txt": ("cisco_ios", "show ip arp", 5, 0),
    # The addresses of two bindings are a group's: whoever masked them rolled dice.
    "cisco_ios_show_ip_dhcp_snooping_binding_provided_output.txt": (
        "cisco_ios", "show ip dhcp snooping binding", 25, 2,
    ),
    "cisco_ios_show_lldp_neighbors.txt": ("cisco_ios", "show lldp neighbors", 5, 0),
    "cisco_ios_show_lldp_neighbors_detail1.txt": ("cisco_ios", "show lldp neighbors detail", 3, 0),
    "cisco_ios_show_mac-address-table.txt": ("cisco_ios", "show mac-address-table", 9, 0),
    "cisco_ios_show_mac-address-table5.txt": ("cisco_ios", "show mac address-table", 1, 0),
    # Likewise one lease.
    "fortinet_execute_dhcp_lease-list_5_columns.txt": ("fortinet", "execute dhcp lease-list", 3, 1),
    "hp_procurve_show_arp.txt": ("hp_procurve", "show arp", 3, 0),
    "hp_procurve_show_lldp_info_remote-device.txt": ("hp_procurve", "show lldp info remote-device", 8, 0),
    "hp_procurve_show_mac-address.txt": ("hp_procurve", "show mac-address", 3, 0),
    "juniper_junos_show_arp_no-resolve.txt": ("juniper_junos", "show arp no-resolve", 9, 0),
    "juniper_junos_show_ethernet-switching_table.txt": ("juniper_junos", "show ethernet-switching table", 3, 0),
    "juniper_junos_show_lldp_neighbors.txt": ("juniper_junos", "show lldp neighbors", 2, 0),
    "linux_arp_a_centos77.txt": ("linux", "arp -a", 3, 0),
    "lldpctl_qfx.txt": ("linux", "lldpctl -f keyvalue", 2, 0),
    "napalm_ios_mac_normal.txt": ("cisco_ios", "show mac-address-table", 16, 3),
    "napalm_junos_arp.xml": ("juniper_junos", "show arp | display xml", 3, 0),
}  # fmt: skip

WITHOUT_LAST_LINE_END = {"juniper_junos_show_lldp_neighbors.txt"}


def read(samples: Path, file: str, **more: Any) -> Reading:
    platform, command, *_counts = ANSWERS[file]
    content = (samples / "network" / file).read_bytes()
    context = Context("bakery", NOW, file)
    return network.parse(content, context, platform=platform, command=command, device="switch-1", **more)


def of(reading: Reading, mac: str) -> Observation:
    (found,) = [one for one in reading.observations if mac in one.identity.get("macs", ())]
    return found


def test_every_answer_that_there_is_is_read_here(samples: Path) -> None:
    assert {path.name for path in (samples / "network").iterdir()} == set(ANSWERS)


@pytest.mark.parametrize("file", ANSWERS)
def test_a_real_answer_is_read_to_its_end(samples: Path, file: str) -> None:
    found = read(samples, file)

    *_where, number, of_no_interest = ANSWERS[file]
    left_out = [skip.where for skip in found.skipped if skip.where.endswith("rows")]
    assert len(found.observations) == number
    assert [int(where.split()[0]) for where in left_out] == ([of_no_interest] if of_no_interest else [])
    assert found.complete or file in WITHOUT_LAST_LINE_END, found.skipped


@pytest.mark.parametrize(
    ("file", "mac", "place"),
    [
        ("cisco_ios_show_mac-address-table.txt", "00:10:7b:00:15:45", ("FastEthernet0/5", "2")),
        ("cisco_ios_show_mac-address-table.txt", "00:10:0d:e0:e2:89", (None, "1")),  # one of seven on FastEthernet0/1
        ("cisco_ios_show_mac-address-table5.txt", "00:9e:1e:ad:ea:dd", ("Po140", "420")),
        ("napalm_ios_mac_normal.txt", "00:26:ab:b9:a5:03", ("FastEthernet4", "100")),
        ("napalm_ios_mac_normal.txt", "00:09:b7:54:1a:88", (None, "200")),  # one of eight on FastEthernet7
        ("napalm_ios_mac_normal.txt", "64:00:f1:cf:2c:c6", ("Wlan-GigabitEthernet0", "1")),
        ("hp_procurve_show_mac-address.txt", "50:00:00:b7:00:08", ("25", "50")),
        ("hp_procurve_show_mac-address.txt", "50:00:00:26:00:00", ("Trk1", "17,50")),
        ("juniper_junos_show_ethernet-switching_table.txt", "2c:5a:0f:bc:a3:cd", ("xe-0/0/51:0.0", "100")),
        (
            "cisco_ios_show_ip_dhcp_snooping_binding_provided_output.txt",
            "10:85:9b:da:04:09",
            ("GigabitEthernet0/26", "1"),
        ),
    ],
)
def test_a_thing_is_on_the_port_where_the_switch_has_it(
    samples: Path, file: str, mac: str, place: tuple[str | None, str]
) -> None:
    one = of(read(samples, file), mac)

    assert one.source == "mac-table"
    assert (one.place.get("port"), one.place["vlan"]) == place
    assert one.place.get("switch") == ("switch-1" if place[0] else None)


@pytest.mark.parametrize(
    ("file", "mac", "addresses", "interface"),
    [
        ("aruba_os_show_arp.txt", "d4:95:24:ee:bd:d6", ["10.13.68.128"], "vlan10"),
        ("cisco_ios_show_ip_arp.txt", "00:00:0c:63:13:00", ["172.16.168.11", "172.16.233.19"], "Ethernet0/0"),
        ("hp_procurve_show_arp.txt", "0c:15:b2:a4:5d:78", ["10.11.12.12"], "3"),
        ("juniper_junos_show_arp_no-resolve.txt", "00:00:00:00:13:13", ["10.1.13.13"], "vlan.20"),
        ("linux_arp_a_centos77.txt", "00:50:56:f7:4a:fc", ["192.168.71.2"], "ens33"),
        ("napalm_junos_arp.xml", "2c:60:0c:7a:7e:63", ["172.17.17.2"], "ae7.637"),
        ("fortinet_execute_dhcp_lease-list_5_columns.txt", "08:5b:0e:48:48:48", ["192.168.4.101"], "port15"),
    ],
)
def test_a_thing_has_the_addresses_that_the_router_knows(
    samples: Path, file: str, mac: str, addresses: list[str], interface: str
) -> None:
    one = of(read(samples, file), mac)

    assert one.identity["addresses"] == addresses
    assert one.place == {"seen_by": "switch-1", "interface": interface}


def test_shared_addresses_and_virtual_machines_are_told_from_the_rest(samples: Path) -> None:
    gateway = of(read(samples, "cisco_ios_show_ip_arp.txt"), "00:00:0c:07:ac:00")
    machine = of(read(samples, "napalm_ios_mac_normal.txt"), "00:0c:29:06:17:d6")

    assert gateway.attributes["mac_kinds"] == {"00:00:0c:07:ac:00": "virtual"}  # HSRP, group 0
    assert machine.attributes["mac_kinds"] == {"00:0c:29:06:17:d6": "hypervisor"}


def test_neighbours_are_known_by_what_they_announce(samples: Path) -> None:
    switch = of(read(samples, "cisco_ios_show_lldp_neighbors_detail1.txt"), "94:f1:28:79:55:55")
    access_point = of(read(samples, "cisco_ios_show_lldp_neighbors_detail1.txt"), "44:48:c1:c4:dd:dd")
    phone = of(read(samples, "cisco_ios_show_lldp_neighbors.txt"), "00:04:f2:d1:22:22")
    above = of(read(samples, "lldpctl_qfx.txt"), "40:a6:77:7c:fb:20")

    assert (switch.identity["names"], switch.identity["addresses"]) == (["HpSwitch"], ["192.168.1.81"])
    assert (switch.place["port"], switch.attributes["type"]) == ("Gi1/0/1", "network")
    assert "names" not in access_point.identity  # it calls itself by its address
    assert (phone.place["port"], phone.attributes["type"]) == ("Gi1/0/2", "phone")
    assert above.place == {"seen_by": "switch-1", "interface": "eth1", "port": "xe-0/0/1", "vlan": "296"}


def test_the_uplinks_of_a_real_switch_are_where_switches_hang(samples: Path) -> None:
    found = read(samples, "cisco_ios_show_lldp_neighbors.txt")

    assert network.uplinks(found, "switch-1") == {"Fa0/13", "Gi2/0/1", "Gi1/0/1"}
