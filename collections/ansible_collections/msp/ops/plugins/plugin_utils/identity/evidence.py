# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An asset and a sighting in one form: what of each is evidence of who it is. Pure: no I/O.

Only what can identify is kept: no placeholder, no group or virtual hardware address, no name that a maker gave. Nothing
here compares two things.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit.placeholders import real, real_uuid
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import normal_address, normal_word
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Sighting, kind_of
from ansible_collections.msp.ops.plugins.plugin_utils.identity import macs
from ansible_collections.msp.ops.plugins.plugin_utils.identity.collector import without_collector
from ansible_collections.msp.ops.plugins.plugin_utils.identity.moving import moving_cards
from ansible_collections.msp.ops.plugins.plugin_utils.identity.naming import distinctive
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import mac as mac_of
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import plain, text

REGISTER = "netbox"  # the source of an asset's own profile
NOTHING: frozenset[str] = frozenset()

Ids = Mapping[str, Any]  # identity as in evidence.records.Observation


class Kind(StrEnum):
    """What can be evidence, strongest first.

    MAC is burned in; WEAK_MAC a hypervisor's, unique until somebody copies the machine; PRIVATE_MAC made up by a phone;
    MOVING_MAC a dock's or an adapter's, which tells nothing of the machine. HEARD is a name that a scan has from
    reverse DNS: it may be of whoever had the address before.
    """

    SERIAL = "serial"
    UUID = "uuid"
    ASSET_TAG = "asset_tag"
    DIRECTORY_ID = "directory_id"
    MDM_ID = "mdm_id"
    MAC = "mac"
    WEAK_MAC = "weak_mac"
    PRIVATE_MAC = "private_mac"
    MOVING_MAC = "moving_mac"
    NAME = "name"
    HEARD = "heard_name"
    ADDRESS = "address"


_EVERY = tuple(Kind)

IDENTIFYING = (
    Kind.SERIAL,
    Kind.UUID,
    Kind.ASSET_TAG,
    Kind.DIRECTORY_ID,
    Kind.MDM_ID,
    Kind.MAC,
    Kind.WEAK_MAC,
)  # one value belongs to one thing, unless it is proved otherwise
HARDWARE = (Kind.SERIAL, Kind.UUID, Kind.MAC, Kind.WEAK_MAC)  # a machine that is replaced leaves none of these behind

# Kinds of source. What these say of type and system is a guess from a distance, or the word of somebody else.
_GUESSING = frozenset({"nmap", "dhcp", "arp", "neighbours", "mac-table"})
_HEARSAY = frozenset({"nmap"})  # whose names are not the thing's own word

COMPUTER, NETWORK, PRINTER, PHONE = "computer", "network", "printer", "phone"
VIRTUAL_MACHINE = "virtual_machine"
_FAMILIES = {
    "server": COMPUTER,
    "workstation": COMPUTER,
    VIRTUAL_MACHINE: COMPUTER,
    "laptop": COMPUTER,
    "desktop": COMPUTER,
    "network": NETWORK,
    "printer": PRINTER,
    "phone": PHONE,
    "mobile": PHONE,
    "handset": PHONE,
}
_SYSTEMS = (
    ("cisco", "network"),
    ("junos", "network"),
    ("arubaos", "network"),
    ("routeros", "network"),
    ("ipados", "ios"),
    ("ios", "ios"),
    ("android", "android"),
    ("windows", "windows"),
    ("macos", "macos"),
    ("mac", "macos"),
    ("darwin", "macos"),
    *((name, "linux") for name in ("linux", "debian", "ubuntu", "rhel", "red", "centos", "rocky", "alma", "almalinux")),
    *((name, "linux") for name in ("fedora", "suse", "sles", "opensuse", "arch", "proxmox")),
)
_WORD = re.compile(r"[a-z]+")
_VMWARE = re.compile(r"vmware([0-9a-f]{32})")
_SHORTEST_SERIAL = 4
# Every source says the same words again, of a large customer some hundred thousand.
_remembering = functools.lru_cache(maxsize=1 << 18)


@dataclass(frozen=True, slots=True)
class Profile:
    """One asset or one sighting as evidence. key is an asset's key, or source and thing of a sighting.

    listed are addresses that NetBox gives an asset, of no particular time; fixed are those of them that a person said
    are always its own; addresses are those somebody saw it have, at last_seen. family and system are empty where nobody
    who knows has said it. asset is the one that the source knows for certain. divided: the audit of an asset reached a
    machine that is not the one on record.
    """

    key: str
    customer: str
    source: str
    serials: frozenset[str] = NOTHING
    uuids: frozenset[str] = NOTHING
    asset_tags: frozenset[str] = NOTHING
    directory_ids: frozenset[str] = NOTHING
    mdm_ids: frozenset[str] = NOTHING
    macs: frozenset[str] = NOTHING
    weak_macs: frozenset[str] = NOTHING
    private_macs: frozenset[str] = NOTHING
    moving_macs: frozenset[str] = NOTHING
    names: frozenset[str] = NOTHING
    heard: frozenset[str] = NOTHING
    addresses: frozenset[str] = NOTHING
    listed: frozenset[str] = NOTHING
    fixed: frozenset[str] = NOTHING
    type: str = ""
    vendor: str = ""
    family: str = ""
    system: str = ""
    first_seen: dt.datetime | None = None
    last_seen: dt.datetime | None = None
    asset: str | None = None
    divided: bool = False

    def known(self) -> dict[Kind, frozenset[str]]:
        """All evidence that there is, by kind."""
        values = (
            self.serials,
            self.uuids,
            self.asset_tags,
            self.directory_ids,
            self.mdm_ids,
            self.macs,
            self.weak_macs,
            self.private_macs,
            self.moving_macs,
            self.names,
            self.heard,
            self.addresses,
        )
        return {kind: found for kind, found in zip(_EVERY, values, strict=True) if found}


def profile_key(sighting: Sighting) -> str:
    """What identity calls a sighting."""
    return f"{sighting.source}:{sighting.thing}"


def of_sighting(sighting: Sighting, moving: frozenset[str] = NOTHING) -> Profile:
    """What a sighting says of who it is. moving: hardware addresses known to go from one machine to the next."""
    identity, attributes = sighting.identity, sighting.attributes
    said = attributes.get("mac_kinds")
    kinds = said if isinstance(said, Mapping) else {}
    vendor = text(attributes.get("vendor"))
    cards = _cards(((one, "") for one in _many(identity, "macs", "mac")), moving, vendor, kinds)
    kind = kind_of(sighting.source)
    trusted = kind not in _GUESSING
    names = _names(_many(identity, "names", "name", "hostname", "fqdn"))
    hearsay = kind in _HEARSAY
    return Profile(
        key=profile_key(sighting),
        customer=sighting.customer,
        source=sighting.source,
        **_identifiers(identity),
        **cards,
        names=NOTHING if hearsay else names,
        heard=names if hearsay else NOTHING,
        addresses=_addresses(_many(identity, "addresses", "address")),
        type=text(attributes.get("type")),
        vendor=vendor,
        family=_FAMILIES.get(text(attributes.get("type")), "") if trusted else "",
        system=system(text(attributes.get("os"))) if trusted else "",
        first_seen=sighting.first_seen,
        last_seen=sighting.last_seen,
        asset=sighting.asset,
    )


def of_asset(
    asset: Asset,
    facts: Mapping[str, Any] | None = None,
    audited: dt.datetime | None = None,
    remembered: Iterable[Ids] = (),
    moving: frozenset[str] = NOTHING,
) -> Profile:
    """What is on record of an asset: NetBox's fields, the facts of its last audit, what earlier matches taught.

    remembered are identities, each with one value or a list under its keys. An address in one is the asset's own for as
    long as NetBox gives it that address.
    """
    body = facts or {}
    taught = _together([one for one in remembered if not outdated(one, asset)])
    machine = _mapping(body.get("machine"))
    hostname = _mapping(body.get("hostname"))
    interfaces = [_mapping(one) for one in body.get("interfaces") or ()]
    said = [(one, "") for one in (*asset.macs, *_many(taught, "macs", "mac"))]
    said += [(text(one.get("mac")), text(one.get("name"))) for one in interfaces if one.get("mac")]
    identity = {
        "serial": [asset.serial, machine.get("serial"), *_many(taught, "serial")],
        "uuid": [machine.get("uuid"), *_many(taught, "uuid")],
        "asset_tag": [asset.asset_tag, machine.get("asset_tag"), *_many(taught, "asset_tag")],
        "directory_id": _many(taught, "directory_id"),
        "mdm_id": _many(taught, "mdm_id"),
    }
    names = (asset.name, text(hostname.get("name")), text(hostname.get("fqdn")), *_many(taught, "names", "name"))
    virtual = asset.kind == "virtual-machine"
    listed = _addresses(one for one in (asset.address or "", *asset.addresses) if one)
    return Profile(
        key=asset.key,
        customer=asset.customer,
        source=REGISTER,
        **_identifiers(identity),
        **_cards(said, moving, "", {}),
        names=_names(names),
        addresses=_addresses(text(one) for card in interfaces for one in card.get("addresses") or ()),
        listed=listed,
        fixed=listed & _addresses(_many(taught, "addresses")),
        type=VIRTUAL_MACHINE if virtual else text(asset.asset_class),
        vendor=text(asset.vendor) or text(machine.get("vendor")),
        family=COMPUTER if virtual else _FAMILIES.get(text(asset.asset_class), ""),
        system=system(text(_mapping(body.get("os")).get("name"))) or system(text(asset.platform)),
        first_seen=audited,
        last_seen=audited,
        asset=asset.key,
        divided=_divided(asset, machine, interfaces, taught),
    )


def of_identity(identity: Ids) -> Profile:
    """What identifies, of an identity that is nobody's in particular."""
    cards = _cards(((one, "") for one in _many(identity, "macs", "mac")), NOTHING, "", {})
    return Profile(key="", customer="", source=REGISTER, **_identifiers(identity), **cards)


def outdated(taught: Ids, asset: Asset) -> bool:
    """Was it taught of another machine than NetBox has now, by the serial number? A slip of the hand is no other."""
    if not asset.serial or "serial" not in taught:
        return False
    said, promised = _set(serial, _many(taught, "serial")), serial(asset.serial)
    return bool(said) and bool(promised) and not any(one == promised or misspelt(one, promised) for one in said)


def _together(identities: Sequence[Ids]) -> Ids:
    """Every value of all of them."""
    if len(identities) < 2:
        return identities[0] if identities else {}
    found: dict[str, list[str]] = {}
    for one in identities:
        for key in one:
            found.setdefault(key, []).extend(_many(one, key))
    return found


def _divided(asset: Asset, machine: Mapping[str, Any], interfaces: Iterable[Mapping[str, Any]], taught: Ids) -> bool:
    """Did the audit find another serial number than is on record; or where that cannot be said, not one known card?"""
    promised = _set(serial, (asset.serial, *_many(taught, "serial")))
    found = _set(serial, [text(machine.get("serial"))])
    if promised and found:
        return not promised & found and not any(misspelt(a, b) for a in promised for b in found)
    if _set(uuid, _many(taught, "uuid")) & _set(uuid, [text(machine.get("uuid"))]):
        return False
    cards = _set(mac_of, (*asset.macs, *_many(taught, "macs", "mac")))
    seen = _set(mac_of, (text(one.get("mac")) for one in interfaces))
    return bool(cards) and bool(seen) and not cards & seen


def misspelt(one: str, other: str) -> bool:
    """True when two serial numbers are one slip apart: a wrong, missing, extra or swapped character, or the longer
    form that a maker prints in a barcode ("1S20L5CTO1WWPF0ABCD1" for PF0ABCD1).
    """
    if one == other:
        return False
    short, long = sorted((one, other), key=len)
    if len(short) >= 7 and long.endswith(short):
        return True
    if len(short) < 6 or len(long) - len(short) > 1:
        return False
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    a, b = short[start:], long[start:]
    if len(short) < len(long):
        return a == b[1:]
    return a[1:] == b[1:] or (len(a) > 1 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:])


def gather(
    assets: Iterable[Asset],
    sightings: Sequence[Sighting],
    *,
    facts: Mapping[str, Mapping[str, Any]],
    audits: Mapping[str, tuple[Audit | None, Audit | None]],
    remembered: Mapping[str, Sequence[Ids]],
    history: Iterable[Sighting] = (),
) -> tuple[tuple[Profile, ...], tuple[Profile, ...]]:
    """The profiles of one customer's assets and sightings. facts, audits and remembered are by asset key.

    history: earlier states of the same things; they tell which cards go from machine to machine.
    """
    every = (*sightings, *history)
    moving = macs.travelling(every) | moving_cards(every)

    def one(asset: Asset) -> Profile:
        good = audits.get(asset.key, (None, None))[0]
        at = good.at if good is not None else None
        return of_asset(asset, facts.get(asset.key), at, remembered.get(asset.key, ()), moving)

    with without_collector():
        return tuple(map(one, assets)), tuple(of_sighting(sighting, moving) for sighting in sightings)


@functools.lru_cache(maxsize=4096)
def system(name: str) -> str:
    """The family of an operating system: windows, macos, linux, ios, android, network; empty when it is not known."""
    words = set(_WORD.findall(name.lower()))
    return next((family for word, family in _SYSTEMS if word in words), "")


@_remembering
def serial(value: str) -> str:
    """A serial number as it is compared; empty when it identifies nothing."""
    bare = plain(real(value) or "")
    return bare if len(bare) >= _SHORTEST_SERIAL else ""


@_remembering
def uuid(value: str) -> str:
    """A machine's UUID as it is compared. Firmware and tools disagree about the byte order of its first three parts;
    both orders are one UUID.
    """
    found = real_uuid(value.strip("{} "))
    if found is None:
        return ""
    a, b, c, rest = found[:8], found[9:13], found[14:18], found[18:]
    swapped = f"{_swapped(a)}-{_swapped(b)}-{_swapped(c)}{rest}"
    return min(found, swapped)


def _swapped(digits: str) -> str:
    return "".join(digits[i : i + 2] for i in range(len(digits) - 2, -1, -2))


_ID_KEYS = ("serial", "uuid", "asset_tag", "directory_id", "mdm_id")


def _identifiers(identity: Ids) -> dict[str, Any]:
    if not any(key in identity for key in _ID_KEYS):
        return {}
    serials = _set(serial, _many(identity, "serial"))
    uuids = _set(uuid, _many(identity, "uuid"))
    for one in serials:
        if found := _VMWARE.fullmatch(one):  # a virtual machine's serial number is its UUID, spelled otherwise
            d = found[1]
            uuids |= _set(uuid, [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"])
    return {
        "serials": serials,
        "uuids": uuids,
        "asset_tags": _set(_tag, _many(identity, "asset_tag")),
        "directory_ids": _set(_id, _many(identity, "directory_id")),
        "mdm_ids": _set(_id, _many(identity, "mdm_id")),
    }


@_remembering
def _tag(value: str) -> str:
    return plain(real(value) or "")


@_remembering
def _id(value: str) -> str:
    return normal_word(real(value) or "") or ""


_OF_KIND = {
    macs.Kind.BURNED_IN: "macs",
    macs.Kind.HYPERVISOR: "weak_macs",
    macs.Kind.RANDOMISED: "private_macs",
    macs.Kind.DOCK: "moving_macs",
}


def _cards(
    said: Iterable[tuple[str, str]], moving: frozenset[str], vendor: str, kinds: Mapping[Any, Any]
) -> dict[str, Any]:
    """Hardware addresses by what they are worth. kinds is what the source itself says of some of them."""
    found: dict[str, set[str]] = {}
    for spelled, interface in said:
        card = _spelled(spelled)
        if not card:
            continue
        told = kinds.get(card)
        what = macs.Kind(told) if told in _KNOWN_KINDS else _kind(card, vendor, interface)
        field = _OF_KIND.get(what)
        if field is not None:
            found.setdefault("moving_macs" if card in moving else field, set()).add(card)
    return {field: frozenset(cards) for field, cards in found.items()}


_spelled = _remembering(mac_of)


@_remembering
def _kind(card: str, vendor: str, interface: str) -> macs.Kind:
    return macs.kind(card, vendor=vendor, interface=interface)


_KNOWN_KINDS = frozenset(macs.Kind)


def _names(said: Iterable[str]) -> frozenset[str]:
    return _set(distinctive, said)


def _addresses(said: Iterable[str]) -> frozenset[str]:
    return _set(_address, said)


@_remembering
def _address(said: str) -> str:
    """An address as it is compared; empty for one that is only of its own link, which every network has."""
    found = normal_address(said) or ""
    return "" if found.startswith(("fe80:", "169.254.")) else found


def _set(clean: Callable[[str], str], values: Iterable[str]) -> frozenset[str]:
    if values == []:
        return NOTHING
    return frozenset(filter(None, map(clean, values)))


def _many(mapping: Ids, *keys: str) -> list[str]:
    """The values under any of the keys, one or a list, as text."""
    found: list[str] = []
    for key in keys:
        value = mapping.get(key)
        if not value and value != 0:
            continue
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list | tuple | set | frozenset):
            found += filter(None, [one if isinstance(one, str) else text(one) for one in value])
        elif said := text(value):
            found.append(said)
    return found


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
