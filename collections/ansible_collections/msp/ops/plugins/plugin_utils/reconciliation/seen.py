# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the sightings of one thing say of it together: its name, its numbers, where it is now. Pure: no I/O.

Sources disagree and some guess. Of what does not change the best source is taken, of what does the newest. A value
that identity found disputed is nobody's.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting, kind_of
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Kind, Profile, profile_key
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import bare, plain, text

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Who knows best what a thing is: who was on it, who manages it, what it says itself, who looked from outside.
RANK = ("audit", "mdm", "directory", "lldp", "dhcp", "nmap", "arp", "neighbours", "mac-table")
# Who sees a thing's address on the customer's own network. An MDM knows the address somebody has at home.
ON_THE_NETWORK = frozenset({"audit", "dhcp", "nmap", "arp", "neighbours"})
# Who passes on what the thing calls itself, and not what somebody once wrote into the DNS.
CALLS_ITSELF = frozenset({"audit", "mdm", "directory", "lldp", "dhcp"})
# Who knows what kind of thing it is; the others guess from open ports and makers.
KNOWS_THE_TYPE = frozenset({"mdm", "directory"})
# Who knows what runs on it, or says so of itself; the others guess, and the next time otherwise.
KNOWS_THE_SYSTEM = frozenset({"audit", "mdm", "directory", "lldp"})
# Addresses and names told of within this time of the newest are all current: sources do not look at the same moment.
CURRENT = dt.timedelta(hours=24)

CLASSES: Mapping[str, str] = {
    "server": "server",
    "workstation": "workstation",
    "network": "network",
    "printer": "printer",
    "phone": "mobile",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing, all sources together. addresses are the current ones, newest first; names best source first.

    own_names are what it calls itself or ever did, called those of now: an account may stay behind under an old name.
    """

    key: str
    sightings: tuple[Sighting, ...]  # newest first
    names: tuple[str, ...]
    own_names: tuple[str, ...]
    called: tuple[str, ...]
    addresses: tuple[str, ...]
    macs: tuple[str, ...]
    serial: str
    asset_tag: str
    vendor: str
    model: str
    os: str
    certain_os: str
    type: str
    certain_type: str
    switch: str
    port: str
    prefix: str
    first_seen: dt.datetime
    last_seen: dt.datetime

    @property
    def name(self) -> str:
        """What to call it: a name, else an address, else a hardware address, else a number it has."""
        return next((v for v in (*self.names, *self.addresses, *self.macs, self.serial, self.asset_tag) if v), self.key)

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(sorted({one.source for one in self.sightings}))

    @property
    def asset_class(self) -> str | None:
        return CLASSES.get(self.type)


def disputed(resolution: Resolution) -> frozenset[tuple[Kind, str]]:
    """The values that are nobody's for certain."""
    return frozenset((one.kind, one.value) for one in resolution.disputed)


def of(
    key: str,
    sightings: Sequence[Sighting],
    profiles: Mapping[str, Profile],
    doubted: Collection[tuple[Kind, str]],
    networks: Sequence[Network],
) -> Seen:
    """What these sightings say together. networks are the customer's prefixes; without any every address counts."""
    newest = tuple(sorted(sightings, key=lambda one: (-one.last_seen.timestamp(), one.source, one.thing)))
    best = sorted(newest, key=lambda one: _rank(one.source))
    place = _place(newest)
    own = [one for one in best if kind_of(one.source) in CALLS_ITSELF]
    return Seen(
        key=key,
        sightings=newest,
        names=_names(best),
        own_names=_names(own),
        called=_names(_current([one for one in own if _names([one])])),
        addresses=_addresses(newest, networks),
        macs=_cards([profiles[profile_key(one)] for one in newest], doubted),
        serial=_number(best, profiles, "serial", Kind.SERIAL, doubted),
        asset_tag=_number(best, profiles, "asset_tag", Kind.ASSET_TAG, doubted),
        vendor=_attribute(best, "vendor"),
        model=_attribute(best, "model"),
        os=_first(map(_system, best)),
        certain_os=_first(_system(one) for one in best if kind_of(one.source) in KNOWS_THE_SYSTEM),
        type=_attribute(best, "type"),
        certain_type=_attribute([one for one in best if kind_of(one.source) in KNOWS_THE_TYPE], "type"),
        switch=place[0],
        port=place[1],
        prefix=_first(text(one.place.get("prefix")) for one in newest),
        first_seen=min(one.first_seen for one in newest),
        last_seen=newest[0].last_seen,
    )


def host(name: str) -> str:
    """A name as two spellings of it are compared: its first label, letters and digits only."""
    return plain(name.partition(".")[0])


def clean(value: object, length: int) -> str:
    """What a source said, as one line without control characters, no longer than NetBox takes."""
    words = "".join(c if c.isprintable() else " " for c in text(value))
    return " ".join(words.split())[:length].strip()


def _rank(source: str) -> int:
    kind = kind_of(source)
    return RANK.index(kind) if kind in RANK else len(RANK)


def _names(sightings: Iterable[Sighting]) -> tuple[str, ...]:
    """Short names, each once."""
    found: dict[str, str] = {}
    for one in sightings:
        for name in _texts(one.identity.get("names")):
            short = clean(name.partition(".")[0], 64)
            if host(short):
                found.setdefault(host(short), short)
    return tuple(found.values())


def _current(claims: Sequence[Sighting]) -> list[Sighting]:
    """Those of about the time of the newest."""
    latest = max((one.last_seen for one in claims), default=None)
    return [one for one in claims if latest is not None and latest - one.last_seen <= CURRENT]


def _addresses(newest: Sequence[Sighting], networks: Sequence[Network]) -> tuple[str, ...]:
    """The addresses it has now, inside the customer's prefixes, newest first. An audit knows the inner ones too."""
    told = [one for one in newest if kind_of(one.source) in ON_THE_NETWORK and one.identity.get("addresses")]
    if not networks:
        told = [one for one in told if kind_of(one.source) != "audit"]
    found: dict[str, None] = {}
    latest = None
    for one in told:
        if latest is not None and latest - one.last_seen > CURRENT:
            break
        inside = [a for a in _texts(one.identity.get("addresses")) if _usable(bare(a), networks)]
        if inside:
            latest = latest or one.last_seen
            found |= dict.fromkeys(map(bare, inside))
    return tuple(found)


def _usable(text_of: str, networks: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(text_of)
    except ValueError:
        return False
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    around = [network for network in networks if address in network]
    # The address of a network and its broadcast address are no thing's own; NetBox gives them to no interface.
    ends = {end for one in around if one.num_addresses > 2 for end in (one.network_address, one.broadcast_address)}
    return address not in ends and (bool(around) or not networks)


def _cards(profiles: Iterable[Profile], doubted: Collection[tuple[Kind, str]]) -> tuple[str, ...]:
    """The hardware addresses that stay with it."""
    kinds = ((Kind.MAC, "macs"), (Kind.WEAK_MAC, "weak_macs"))
    return tuple(
        sorted(
            {
                card
                for profile in profiles
                for kind, field in kinds
                for card in getattr(profile, field)
                if (kind, card) not in doubted
            }
        )
    )


def _number(
    best: Iterable[Sighting],
    profiles: Mapping[str, Profile],
    name: str,
    kind: Kind,
    doubted: Collection[tuple[Kind, str]],
) -> str:
    """A serial number or tag as its best source spells it, where it identifies something."""
    for one in best:
        usable = profiles[profile_key(one)].known().get(kind, frozenset())
        if usable and not any((kind, value) in doubted for value in usable):
            return clean(one.identity.get(name), 50)
    return ""


def _attribute(sightings: Iterable[Sighting], name: str) -> str:
    return _first(clean(one.attributes.get(name), 100) for one in sightings)


def _system(sighting: Sighting) -> str:
    name, version = (clean(sighting.attributes.get(key), 100) for key in ("os", "os_version"))
    return name if version in name else f"{name} {version}".strip()


def _place(newest: Iterable[Sighting]) -> tuple[str, str]:
    for one in newest:
        if one.place.get("switch"):
            return clean(one.place["switch"], 100), clean(one.place.get("port"), 100)
    return "", ""


def _first(values: Iterable[str], usable: Callable[[str], bool] = bool) -> str:
    return next(filter(usable, values), "")


def _texts(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [text(one) for one in value if text(one)]
    return [text(value)] if text(value) else []
