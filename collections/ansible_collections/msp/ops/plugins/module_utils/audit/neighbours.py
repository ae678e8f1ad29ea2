# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who else is on the network, as this host saw them: the kernel's neighbour table and a running LLDP daemon.

It sends nothing: no ping, no scan. Neighbours change every minute, so they are no part of the hashed facts.
"""

from __future__ import annotations

import json

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

_NOT_SEEN = ("FAILED", "INCOMPLETE", "NOARP", "NONE")


def parse_ip_neighbours(text: str) -> list[dict]:
    """`ip -j neigh`; only neighbours that answered, with their MAC."""
    found = []
    for row in json.loads(text or "[]"):
        states = row.get("state") or []
        state = states[0] if isinstance(states, list) and states else str(states or "")
        if row.get("dst") and row.get("lladdr") and state not in _NOT_SEEN:
            found.append(_neighbour(row["dst"], row["lladdr"], row.get("dev"), state))
    return sorted(found, key=lambda one: (one["interface"] or "", one["address"]))


def parse_arp(text: str) -> list[dict]:
    """/proc/net/arp; flag 0x2 means that the entry is complete."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) == 6 and int(words[2], 16) & 2 and words[3] != "00:00:00:00:00:00":
            found.append(_neighbour(words[0], words[3], words[5], "COMPLETE"))
    return sorted(found, key=lambda one: (one["interface"] or "", one["address"]))


def _neighbour(address: str, mac: str, interface: str | None, state: str) -> dict:
    return {"address": address, "mac": mac.lower(), "interface": interface, "state": state}


def parse_lldp(text: str) -> list[dict]:
    """`lldpctl -f json0`, whose shape does not change with the number of neighbours."""
    found = []
    for top in json.loads(text or "{}").get("lldp", []):
        for one in top.get("interface", []):
            chassis = (one.get("chassis") or [{}])[0]
            port = (one.get("port") or [{}])[0]
            found.append(
                {
                    "interface": one.get("name"),
                    "name": _value(chassis.get("name")),
                    "description": _value(chassis.get("descr")),
                    "chassis": _value(chassis.get("id")),
                    "port": _value(port.get("id")),
                    "addresses": sorted(a["value"] for a in chassis.get("mgmt-ip", []) if a.get("value")),
                }
            )
    return sorted(found, key=lambda one: (one["interface"] or "", one["chassis"] or ""))


def _value(values: object) -> str | None:
    if isinstance(values, list) and values and isinstance(values[0], dict):
        return values[0].get("value")
    return None


def collect(host: Host) -> dict:
    answer = host.run("ip", "-j", "neigh")
    if answer.started and answer.status == 0:
        neighbours = parse_ip_neighbours(answer.out)
    elif host.exists("/proc/net/arp"):
        neighbours = parse_arp(host.text("/proc/net/arp"))
        host.unknown("neighbours", "without the program ip only IPv4 neighbours are seen")
    else:
        neighbours = []
        host.unknown("neighbours", "neither the program ip nor /proc/net/arp is there")
    return {"neighbours": neighbours, "lldp": _lldp(host)}


def _lldp(host: Host) -> list[dict]:
    if not any(host.exists(name) for name in ("/run/lldpd.socket", "/run/lldpd/lldpd.socket")):
        return []
    answer = host.run("lldpctl", "-f", "json0")
    if answer.status != 0:
        host.unknown("lldp", "lldpctl " + answer.reason())
        return []
    return parse_lldp(answer.out)
