# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces and their addresses, with and without the program ip."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.audit import network
from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

LINKS = [
    {"ifname": "lo", "flags": ["LOOPBACK", "UP"], "link_type": "loopback", "address": "00:00:00:00:00:00",
     "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
    {"ifname": "eth0", "flags": ["UP"], "link_type": "ether", "address": "02:00:5E:00:53:01",
     "addr_info": [
         {"family": "inet", "local": "192.0.2.10", "prefixlen": 24, "scope": "global"},
         {"family": "inet", "local": "169.254.1.1", "prefixlen": 16, "scope": "link"},
         {"family": "inet6", "local": "2001:db8::10", "prefixlen": 64, "scope": "global"},
         {"family": "inet6", "local": "2001:db8::beef", "prefixlen": 64, "scope": "global", "temporary": True},
         {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"}]},
    {"ifname": "veth12ab34c", "flags": ["UP"], "link_type": "ether", "address": "aa:bb:cc:dd:ee:ff", "addr_info": []},
    {"ifname": "wg0", "flags": ["UP"], "link_type": "none", "address": "",
     "addr_info": [{"family": "inet", "local": "198.51.100.1", "prefixlen": 32, "scope": "global"}]},
    {"ifname": "eth1", "flags": [], "link_type": "ether", "address": "02:00:5e:00:53:02", "addr_info": []},
]  # fmt: skip


def made_host(root: Path) -> Host:
    program = root / "usr/bin/ip"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(LINKS)}\nEND\n")
    program.chmod(0o755)
    for name in ("eth0", "eth1"):
        (root / "sys/class/net" / name / "device").mkdir(parents=True)
    return Host(str(root))


def test_addresses_that_identify_the_host_are_kept_and_passing_ones_are_not(tmp_path: Path) -> None:
    found = network.collect(made_host(tmp_path))

    assert [(one["name"], one["mac"], one["addresses"]) for one in found] == [
        ("eth0", "02:00:5e:00:53:01", ["192.0.2.10/24", "2001:db8::10/64"]),
        ("eth1", "02:00:5e:00:53:02", []),
        ("wg0", None, ["198.51.100.1/32"]),
    ]


def test_the_kind_of_an_interface_comes_from_the_kernel(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    (tmp_path / "sys/class/net/eth1/wireless").mkdir()

    assert [one["kind"] for one in network.collect(host)] == ["ethernet", "wireless", "virtual"]


def test_without_the_program_ip_the_kernels_files_are_read(tmp_path: Path) -> None:
    place = tmp_path / "sys/class/net/nosuchport0"
    (place / "device").mkdir(parents=True)
    (place / "address").write_text("02:00:5e:00:53:09\n")
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/if_inet6").write_text(
        "20010db8000000000000000000000010 02 40 00 80 nosuchport0\n"
        "20010db800000000000000000000beef 02 40 00 01 nosuchport0\n"
        "fe800000000000000000000000000001 02 40 20 80 nosuchport0\n"
    )

    found = network.collect(Host(str(tmp_path)))

    assert [(one["name"], one["mac"], one["addresses"]) for one in found] == [
        ("nosuchport0", "02:00:5e:00:53:09", ["2001:db8::10/64"])
    ]
