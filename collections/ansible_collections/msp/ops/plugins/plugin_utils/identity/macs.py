# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kind of hardware address it is, and which ones move between things. Pure: no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import normal_mac
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting


class Kind(StrEnum):
    """BURNED_IN is the only kind that identifies a machine for good."""

    BURNED_IN = "burned_in"
    RANDOMISED = "randomised"
    VIRTUAL = "virtual"
    HYPERVISOR = "hypervisor"
    DOCK = "dock"
    GROUP = "group"
    NONE = "none"


_HYPERVISOR = ("005056", "000c29", "000569", "080027", "00155d", "525400", "00163e", "bc2411")
_VIRTUAL = ("00005e0001", "00005e0002", "00000c07ac", "00000c9ff", "0242", "0007b400")
_DOCKS = ("00e04c", "644bf0")  # chips of adapters and docks
_BRIDGES = ("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "tun", "tap", "wg", "cni", "flannel")


def kind(mac: str, *, vendor: str = "", interface: str = "") -> Kind:
    """The kind of one hardware address; vendor and interface are what its source says of it."""
    digits = normal_mac(mac)
    if digits is None:
        return Kind.NONE
    if int(digits[:2], 16) & 1:
        return Kind.GROUP
    if digits.startswith(_VIRTUAL) or interface.lower().startswith(_BRIDGES):
        return Kind.VIRTUAL
    if digits.startswith(_HYPERVISOR):
        return Kind.HYPERVISOR
    if digits.startswith(_DOCKS) or "dock" in vendor.lower():
        return Kind.DOCK
    return Kind.RANDOMISED if int(digits[:2], 16) & 2 else Kind.BURNED_IN


def travelling(sightings: Iterable[Sighting]) -> frozenset[str]:
    """The addresses (aa:bb:cc:dd:ee:ff) that were seen on machines with different serial numbers."""
    serials: dict[str, set[str]] = defaultdict(set)
    for one in sightings:
        serial = one.identity.get("serial")
        for mac in one.identity.get("macs") or ():
            if serial:
                serials[str(mac).lower()].add(str(serial))
    return frozenset(mac for mac, found in serials.items() if len(found) > 1)
