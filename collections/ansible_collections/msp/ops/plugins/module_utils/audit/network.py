# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces with their MAC and addresses.

Left out, because they identify nothing and change by themselves: loopback, link-local and temporary (privacy)
addresses, and interfaces made by software that have no address (the bridge ends of containers and the like).
"""

from __future__ import annotations

import json
import socket
import struct

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host

_NO_MAC = ("00:00:00:00:00:00", "")
_SIOCGIFADDR, _SIOCGIFNETMASK = 0x8915, 0x891B


def parse_ip_addresses(text: str) -> list[dict]:
    """`ip -j addr` as interfaces; kind is added later, from sysfs."""
    found = []
    for link in json.loads(text or "[]"):
        name = link.get("ifname")
        if not name or "LOOPBACK" in link.get("flags", []):
            continue
        addresses = [
            "%s/%s" % (a["local"], a["prefixlen"])
            for a in link.get("addr_info", [])
            if a.get("local") and a.get("scope") != "link" and not a.get("temporary") and not a.get("tentative")
        ]
        mac = link.get("address", "") if link.get("link_type") == "ether" else ""
        found.append(interface(name, mac, addresses))
    return found


def interface(name: str, mac: str | None, addresses: list[str]) -> dict:
    lowered = (mac or "").strip().lower()
    return {
        "name": name,
        "mac": None if lowered in _NO_MAC else lowered,
        "kind": None,
        "addresses": sorted(addresses),
    }


def parse_if_inet6(text: str) -> dict[str, list[str]]:
    """/proc/net/if_inet6: interface to its addresses that are neither loopback, link-local nor temporary."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split()
        # Scope 0x20 is link, 0x10 host; flag 0x01 is IFA_F_TEMPORARY.
        if len(words) == 6 and len(words[0]) == 32 and words[3] in ("00", "40", "50") and not int(words[4], 16) & 1:
            address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0]))
            found.setdefault(words[5], []).append("%s/%d" % (address, int(words[2], 16)))
    return found


def keep(one: dict) -> bool:
    """A real port counts also while unused; what software made (bridges, tunnels, ifb0) only with an address."""
    return bool(one["addresses"]) or (bool(one["mac"]) and one["kind"] in ("ethernet", "wireless", "wlan", "wwan"))


def collect(host: Host) -> list[dict]:
    answer = host.run("ip", "-j", "addr")
    found = parse_ip_addresses(answer.out) if answer.started and answer.status == 0 else _without_ip(host)
    for one in found:
        one["kind"] = _kind(host, one["name"])
    return sorted((one for one in found if keep(one)), key=lambda one: one["name"])


def _kind(host: Host, name: str) -> str:
    place = "/sys/class/net/%s/" % name
    for mark, kind in (("wireless", "wireless"), ("bridge", "bridge"), ("bonding", "bond"), ("tun_flags", "tunnel")):
        if host.exists(place + mark):
            return kind
    try:
        if "DEVTYPE=" in host.text(place + "uevent"):
            return host.text(place + "uevent").split("DEVTYPE=", 1)[1].split("\n", 1)[0]
    except OSError:
        pass
    return "ethernet" if host.exists(place + "device") else "virtual"


def _without_ip(host: Host) -> list[dict]:
    """Hosts without iproute2: sysfs names the interfaces, the kernel answers for each first IPv4 address."""
    try:
        six = parse_if_inet6(host.text("/proc/net/if_inet6"))
    except OSError:
        six = {}
    found = []
    for name in host.names("/sys/class/net"):
        if name != "lo":
            four = _ipv4(name)
            addresses = ([four] if four else []) + six.get(name, [])
            found.append(interface(name, host.line("/sys/class/net/%s/address" % name), addresses))
    return found


def _ipv4(name: str) -> str | None:
    import fcntl

    request = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        try:
            address = fcntl.ioctl(handle.fileno(), _SIOCGIFADDR, request)[20:24]
            mask = fcntl.ioctl(handle.fileno(), _SIOCGIFNETMASK, request)[20:24]
        except OSError:
            return None
    return "%s/%d" % (socket.inet_ntoa(address), bin(int.from_bytes(mask, "big")).count("1"))
