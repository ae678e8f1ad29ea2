# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a hardware address is worth as identity: burned in, made up, shared, or carried from one laptop to the next.

Pure: no I/O. It reads the bits and the registered blocks of an address; who made a thing is desk.vendors' to say, and
whether two things are one is identity's to decide.

Where the blocks come from:
- the group bit and the local bit: IEEE 802; 00-00-5E-00-01 and -02 (VRRP for IPv4 and IPv6, which CARP uses too) and
  00-00-5E-00-53 (for documentation, here treated as burned in): RFC 9542, before it RFC 7042; VRRP itself: RFC 9568;
- HSRP 00-00-0C-07-AC-xx (RFC 2281), version 2 00-00-0C-9F-Fx-xx and for IPv6 00-05-73-A0-0x-xx, GLBP 00-07-B4-00-xx-yy
  with a group of ten bits: Cisco's IOS configuration guides;
- FortiGate clusters 00-09-0F-09 and E0-23-FF-FC: Fortinet's administration guide, "Cluster virtual MAC addresses";
- Network Load Balancing 02-BF and 03-BF with the cluster's address, 02-01 to 02-20 with a host's priority for what a
  host sends: Microsoft's technical overview of it;
- OUIs of hypervisors, and of makers whose cards are in USB adapters and docks: the IEEE's registry. 52-54-00 is QEMU's
  and libvirt's own choice, 02-42 is Docker's, all EE is Calico's, FE-54-00 is libvirt's end of a virtual machine's
  cable, 0A-00-27 is VirtualBox' and 00-50-56-C0-00 VMware's card on the host for its virtual networks, which count up
  from zero on every host and so are the same on many.

A dock that shows the laptop's address (pass-through) can't be told by its block, nor can a maker's own dock whose block
is also in its desktops: those show by travelling().
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting, kind_of


class Kind(StrEnum):
    """What a hardware address says of the thing that has it."""

    BURNED_IN = "burned_in"  # given by the maker: identity
    RANDOMISED = "randomised"  # made up by software, as phones do: none
    VIRTUAL = "virtual"  # of a protocol, a cluster or a bridge: shared by several things, none
    HYPERVISOR = "hypervisor"  # a virtual machine's own: identity, but a clone may have the same
    DOCK = "dock"  # of a network adapter that goes from laptop to laptop: none
    GROUP = "group"  # multicast or broadcast: nothing has it
    NONE = "none"  # zeros, all ones, or no hardware address at all


# First digits of an address, and what they mean; the longest that fits counts.
_BLOCKS: dict[str, Kind] = {
    **dict.fromkeys(("00005e0001", "00005e0002"), Kind.VIRTUAL),  # VRRP, CARP
    **dict.fromkeys(("00000c07ac", "00000c9ff", "000573a00"), Kind.VIRTUAL),  # HSRP
    **dict.fromkeys(("0007b400", "0007b401", "0007b402", "0007b403"), Kind.VIRTUAL),  # GLBP
    **dict.fromkeys(("00090f09", "e023fffc"), Kind.VIRTUAL),  # FortiGate clusters
    **dict.fromkeys(("02bf", "03bf"), Kind.VIRTUAL),  # Network Load Balancing
    **{f"02{priority:02x}": Kind.VIRTUAL for priority in range(1, 33)},
    "0242": Kind.VIRTUAL,  # Docker
    "eeeeeeeeeeee": Kind.VIRTUAL,  # Calico
    "fe5400": Kind.VIRTUAL,  # libvirt, the host's end
    **dict.fromkeys(("0a0027", "005056c000"), Kind.VIRTUAL),  # VirtualBox and VMware, the host's own card
    **dict.fromkeys(("000569", "000c29", "001c14", "005056"), Kind.HYPERVISOR),  # VMware
    **dict.fromkeys(("00155d", "0003ff"), Kind.HYPERVISOR),  # Microsoft Hyper-V and Virtual PC
    **dict.fromkeys(("00163e", "525400", "001a4a"), Kind.HYPERVISOR),  # Xen, QEMU and KVM, oVirt
    **dict.fromkeys(
        ("001c42", "080027", "bc2411", "506b8d"), Kind.HYPERVISOR
    ),  # Parallels, VirtualBox, Proxmox, Nutanix
    **dict.fromkeys(("0021f6", "000f4b", "001851"), Kind.HYPERVISOR),  # Oracle VM, Virtual Iron, Virtuozzo
    "00e04c": Kind.DOCK,  # Realtek
    **dict.fromkeys(("000ec6", "f8e43b", "c8a362", "207bd2", "cc4792"), Kind.DOCK),  # ASIX
    **dict.fromkeys(("8cae4c", "6ca936", "000f9d"), Kind.DOCK),  # Plugable, DisplayLink
    **dict.fromkeys(("0050b6", "00249b", "00051b"), Kind.DOCK),  # Good Way, Action Star, Magic Control Technology
    **dict.fromkeys(("a0cec8", "6c6e07", "9cebe8", "0c3796"), Kind.DOCK),  # CE Link, BizLink
    **dict.fromkeys(("644bf0", "f44dad", "e8ea6a"), Kind.DOCK),  # CalDigit, Cable Matters, StarTech.com
}
_LENGTHS = sorted({len(block) for block in _BLOCKS}, reverse=True)

# What a source calls the maker of a card, where its block is not above: only makers that make nothing else.
_MAKERS: tuple[tuple[str, Kind], ...] = (
    *((maker, Kind.HYPERVISOR) for maker in ("vmware", "xensource", "qemu", "virtualbox", "proxmox", "parallels")),
    *((maker, Kind.DOCK) for maker in ("asix elec", "plugable", "displaylink", "caldigit", "bizlink", "ce link")),
)
# What operating systems call cards that they made themselves.
_OWN_INTERFACE = re.compile(
    r"(?:docker|podman|br-[0-9a-f]{12}|virbr|lxcbr|lxdbr|veth|vnet|vmnet|vboxnet|cni|flannel|cali|kube-|tunl|tap|tun)[\w.-]*"
    r"|vethernet \(.*|vmware network adapter.*|virtualbox host-only.*",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[0-9a-f]{12}")
_OCTETS = re.compile(r"[0-9a-f]{1,2}(?:[:-][0-9a-f]{1,2}){5}")
_GROUPED = re.compile(
    r"[0-9a-f]{4}([.:-])[0-9a-f]{4}\1[0-9a-f]{4}|[0-9a-f]{6}[.:-][0-9a-f]{6}|[0-9a-f]{2}(?: [0-9a-f]{2}){5}"
)
_LONGEST = 17


@functools.lru_cache(maxsize=2**16)
def normal(text: str) -> str | None:
    """A hardware address in any notation as "aa:bb:cc:dd:ee:ff"; None when it is none. Zeros are one, kind says so.

    Notations: 00:00:5e:00:53:01, 0:0:5e:0:53:1, 00-00-5E-00-53-01, 0000.5e00.5301, 0000-5e00-5301, 00005e-005301,
    00 00 5e 00 53 01, 00005e005301.
    """
    word = text.strip().lower()
    if len(word) > _LONGEST:
        return None
    if _OCTETS.fullmatch(word):
        return ":".join(octet.rjust(2, "0") for octet in word.replace("-", ":").split(":"))
    if _GROUPED.fullmatch(word):
        word = re.sub("[.: -]", "", word)
    elif not _PLAIN.fullmatch(word):
        return None
    return ":".join(word[at : at + 2] for at in range(0, 12, 2))


def kind(mac: str, *, vendor: str = "", interface: str = "") -> Kind:
    """What a hardware address is worth. Every address has exactly one kind, whatever its notation.

    vendor is the maker as a source names it; interface is what the thing itself calls the card that has the address
    (not the card of whoever saw it).
    """
    address = normal(mac)
    digits = address.replace(":", "") if address else ""
    if len(set(digits)) < 2 and digits[:1] in ("", "0", "f"):
        return Kind.NONE
    if interface and _OWN_INTERFACE.fullmatch(interface.strip()):
        return Kind.VIRTUAL
    known = next((_BLOCKS[digits[:length]] for length in _LENGTHS if digits[:length] in _BLOCKS), None)
    if known is not None:
        return known
    if int(digits[1], 16) & 1:
        return Kind.GROUP
    maker = vendor.casefold()
    named = next((found for word, found in _MAKERS if word in maker), None)
    if named is not None:
        return named
    return Kind.RANDOMISED if int(digits[1], 16) & 2 else Kind.BURNED_IN


# --- docks and adapters that block and maker do not show ---

# What only one machine has. The same machine may be known to two sources by two of these, so only values of the same
# kind contradict each other.
STRONG = (hashing.SERIAL, hashing.UUID, hashing.DIRECTORY_ID, hashing.MDM_ID)
# The kind of source where a thing says its own name to whoever listens. A name that comes from an address (reverse
# DNS) moves with the address and proves nothing.
NAMING = "dhcp"
WINDOW = dt.timedelta(days=30)

_Token = tuple[str, str]


@dataclass(slots=True)
class _Span:
    """One identity at one hardware address: what it is known by, and from when to when it was seen there."""

    tokens: set[_Token]
    first: dt.datetime
    last: dt.datetime


def travelling(sightings: Iterable[Sighting], *, window: dt.timedelta = WINDOW) -> frozenset[str]:
    """Hardware addresses that go from machine to machine: docks and adapters, which are no machine's identity.

    That is an address seen with two different serials, UUIDs, directory ids or MDM ids, where the one followed the
    other within the window; or, in what only names things (DHCP), one that two host names held at the same time or in
    turn: A, B, A. A single change from A to B may be a rename and says nothing. Two identities that share any of
    their values (a reinstalled machine with its old serial) are one. What two customers saw is never compared.
    """
    strong: dict[tuple[str, str], list[_Span]] = defaultdict(list)
    named: dict[tuple[str, str], list[_Span]] = defaultdict(list)
    for sighting in sightings:
        identity = sighting.identity
        cards = hashing.words(identity, hashing.MAC)
        if not cards:
            continue
        said = {(what, word) for what in STRONG for word in hashing.words(identity, what)}
        found = strong if said else named
        if not said and kind_of(sighting.source) == NAMING:
            said = {(hashing.NAME, word.split(".")[0]) for word in hashing.words(identity, hashing.NAME)}
        for mac in cards if said else ():
            found[sighting.customer, mac].append(_Span(set(said), sighting.first_seen, sighting.last_seen))
    moved = {mac for (_customer, mac), spans in strong.items() if _changed_hands(spans, window)}
    moved |= {mac for (_customer, mac), spans in named.items() if _in_turn(spans)}
    return frozenset(address for mac in moved if (address := normal(mac)))


def _changed_hands(spans: Sequence[_Span], window: dt.timedelta) -> bool:
    """Two identities that contradict each other, the later no more than the window after the earlier."""
    identities = _identities(spans)
    for what in STRONG:
        held = [one for one in identities if any(token[0] == what for token in one.tokens)]
        if any(start - end <= window for end, start in _successions(held)):
            return True
    return False


def _in_turn(spans: Sequence[_Span]) -> bool:
    """Two names of which one began before the other had ended."""
    return any(start < end for end, start in _successions(_identities(spans)))


def _successions(identities: Iterable[_Span]) -> Iterable[tuple[dt.datetime, dt.datetime]]:
    """For each identity but the first: the latest end of all that began before it, and its own beginning."""
    latest: dt.datetime | None = None
    for one in sorted(identities, key=lambda span: (span.first, span.last)):
        if latest is not None:
            yield latest, one.first
        latest = one.last if latest is None else max(latest, one.last)


def _identities(spans: Sequence[_Span]) -> list[_Span]:
    """Spans that share a token, directly or by way of others, as one."""
    parents: dict[Hashable, Hashable] = {}

    def root(node: Hashable) -> Hashable:
        while parents.setdefault(node, node) != node:
            parents[node] = node = parents[parents[node]]
        return node

    for span in spans:
        first, *others = span.tokens
        for token in others:
            parents[root(token)] = root(first)
    merged: dict[Hashable, _Span] = {}
    for span in spans:
        home = root(next(iter(span.tokens)))
        if home not in merged:
            merged[home] = _Span(set(span.tokens), span.first, span.last)
            continue
        one = merged[home]
        one.tokens |= span.tokens
        one.first, one.last = min(one.first, span.first), max(one.last, span.last)
    return list(merged.values())
