# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Neighbours as the kernel and an LLDP daemon know them."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.audit import neighbours
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

TABLE = [
    {"dst": "192.0.2.32", "dev": "eth0", "lladdr": "02:00:5E:00:53:20", "state": ["REACHABLE"]},
    {"dst": "192.0.2.1", "dev": "eth0", "lladdr": "02:00:5e:00:53:01", "state": ["STALE"]},
    {"dst": "192.0.2.99", "dev": "eth0", "state": ["FAILED"]},
    {"dst": "192.0.2.98", "dev": "eth0", "state": ["INCOMPLETE"]},
    {"dst": "224.0.0.1", "dev": "eth0", "lladdr": "01:00:5e:00:00:01", "state": ["NOARP"]},
]
LLDP = {"lldp": [{"interface": [{
    "name": "eth0",
    "chassis": [{"id": [{"type": "mac", "value": "02:00:5e:00:53:aa"}], "name": [{"value": "switch-1"}],
                 "descr": [{"value": "Example switch"}], "mgmt-ip": [{"value": "192.0.2.2"}]}],
    "port": [{"id": [{"type": "ifname", "value": "ge-0/0/7"}]}],
}]}]}  # fmt: skip
ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.0.2.32       0x1         0x2         02:00:5e:00:53:20     *        eth0
192.0.2.99       0x1         0x0         00:00:00:00:00:00     *        eth0
"""


def test_only_neighbours_that_answered_count() -> None:
    found = neighbours.parse_ip_neighbours(json.dumps(TABLE))

    assert found == [
        {"address": "192.0.2.1", "mac": "02:00:5e:00:53:01", "interface": "eth0", "state": "STALE"},
        {"address": "192.0.2.32", "mac": "02:00:5e:00:53:20", "interface": "eth0", "state": "REACHABLE"},
    ]


def test_without_the_program_ip_the_kernels_arp_table_is_read_and_the_gap_is_named(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/arp").write_text(ARP)
    host = Host(str(tmp_path))

    found = neighbours.collect(host)

    assert [one["address"] for one in found["neighbours"]] == ["192.0.2.32"]
    assert ("neighbours", "without the program ip only IPv4 neighbours are seen") in host.notes


def test_an_lldp_neighbour_names_switch_and_port() -> None:
    assert neighbours.parse_lldp(json.dumps(LLDP)) == [
        {
            "interface": "eth0",
            "name": "switch-1",
            "description": "Example switch",
            "chassis": "02:00:5e:00:53:aa",
            "port": "ge-0/0/7",
            "addresses": ["192.0.2.2"],
        }
    ]


def test_no_neighbours_is_an_empty_list() -> None:
    assert neighbours.parse_lldp('{"lldp": [{}]}') == []
    assert neighbours.parse_ip_neighbours("") == []
