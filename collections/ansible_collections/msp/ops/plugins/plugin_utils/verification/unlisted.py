# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was seen and is in no contract: sightings joined into things, and things held against the known assets. Pure.

Known is every asset of the customer in NetBox, whatever its status: a gateway that is tracked or a private printer
that was excluded is not "unlisted". A doubtful match is no match: the thing is then shown and asked about.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import (
    bare,
    found_addresses,
    found_macs,
    mac,
    plain,
    text,
)

Token = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that one or more sources saw. key is stable as long as what identifies it is."""

    key: str
    sightings: tuple[Sighting, ...]
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    macs: tuple[str, ...]
    serial: str
    first_seen: dt.datetime | None
    last_seen: dt.datetime | None
    sources: tuple[str, ...]
    seen_from: tuple[str, ...]
    vendor: str = ""
    model: str = ""
    asset: Asset | None = None  # a NetBox asset with status "unlisted", where there is one

    @property
    def name(self) -> str:
        """What to call it: the name it or NetBox gives, else its address, else its hardware address."""
        if self.asset is not None:
            return self.asset.name
        return next((v[0] for v in (self.names, self.addresses, self.macs) if v), self.serial or self.key)


@dataclass(frozen=True, slots=True)
class Known:
    """What identifies the known assets, ready to look things up in."""

    assets: Mapping[str, Asset]
    tokens: Mapping[Token, str] = field(default_factory=dict)
    with_mac: frozenset[str] = frozenset()


def known(assets: Iterable[Asset], facts: Mapping[str, Mapping[str, Any]]) -> Known:
    """Index the assets by all that NetBox and their last audit say of them. facts: asset key to facts."""
    by_key = {asset.key: asset for asset in assets}
    tokens: dict[Token, str] = {}
    with_mac = set()
    for key, asset in by_key.items():
        body = facts.get(key, {})
        machine = body.get("machine") or {}
        macs = {m for m in map(mac, asset.macs) if m} | found_macs(body)
        addresses = {bare(a) for a in (*asset.addresses, asset.address or "") if a} | found_addresses(body)
        found: list[Token] = [("mac", m) for m in macs]
        found += [("address", a) for a in addresses]
        found += [("serial", plain(s)) for s in (asset.serial, text(machine.get("serial"))) if plain(s)]
        found += [("uuid", plain(text(machine.get("uuid")))), ("name", plain(asset.name.partition(".")[0]))]
        for token in found:
            if token[1]:
                tokens.setdefault(token, key)
        if macs:
            with_mac.add(key)
    return Known(by_key, tokens, frozenset(with_mac))


def match(identity: Mapping[str, Any], asset: str | None, index: Known) -> str | None:
    """The key of the known asset that a sighting is of, or None.

    Serial, UUID and hardware address decide. An address decides only where that cannot contradict: the sighting has
    no hardware address, or the asset has none on record (addresses are reused, network cards are not). A name alone
    decides for a sighting that has nothing stronger.
    """
    if asset in index.assets:
        return asset
    strong = [t for t in _tokens(identity) if t[0] in ("serial", "uuid", "mac")]
    for token in strong:
        if token in index.tokens:
            return index.tokens[token]
    has_mac = any(kind == "mac" for kind, _value in strong)
    for address in _many(identity, "addresses", "address"):
        key = index.tokens.get(("address", bare(address)))
        if key is not None and (not has_mac or key not in index.with_mac):
            return key
    if not strong:
        for name in _many(identity, "names", "name"):
            if ("name", plain(name.partition(".")[0])) in index.tokens:
                return index.tokens["name", plain(name.partition(".")[0])]
    return None


def sort_out(
    sightings: Iterable[Sighting], index: Known, vendor_of: Callable[[str], str] = lambda _mac: ""
) -> tuple[dict[str, tuple[Sighting, ...]], tuple[Thing, ...]]:
    """Divide sightings into those of known assets (by asset key) and the unknown things, latest seen first."""
    of_asset: dict[str, list[Sighting]] = defaultdict(list)
    unknown: list[Sighting] = []
    for sighting in sightings:
        if not _tokens(sighting.identity) and sighting.asset is None:
            continue
        key = match(sighting.identity, sighting.asset, index)
        if key is None:
            unknown.append(sighting)
        else:
            of_asset[key].append(sighting)
    things = [_thing(group, None, vendor_of) for group in _groups(unknown)]
    things.sort(key=lambda t: (-(t.last_seen.timestamp() if t.last_seen else 0), t.key))
    return {key: tuple(found) for key, found in of_asset.items()}, tuple(things)


def of_asset(asset: Asset, sightings: Sequence[Sighting], vendor_of: Callable[[str], str] = lambda _mac: "") -> Thing:
    """An asset that NetBox already holds as "unlisted", as a thing; what NetBox says of it comes first."""
    return _thing(sightings, asset, vendor_of)


def _groups(sightings: Sequence[Sighting]) -> list[list[Sighting]]:
    """Join sightings that share a serial, UUID or hardware address; an address alone joins the latest that had it."""
    strong = [s for s in sightings if any(t[0] in ("serial", "uuid", "mac") for t in _tokens(s.identity))]
    weak = [s for s in sightings if s not in strong]
    groups: list[list[Sighting]] = []
    of_token: dict[Token, int] = {}
    for sighting in sorted(strong, key=_order):
        tokens = [t for t in _tokens(sighting.identity) if t[0] in ("serial", "uuid", "mac")]
        hits = sorted({of_token[t] for t in tokens if t in of_token})
        home = hits[0] if hits else len(groups)
        if not hits:
            groups.append([])
        for other in hits[1:]:
            groups[home] += groups[other]
            groups[other] = []
            of_token = {t: home if g == other else g for t, g in of_token.items()}
        groups[home].append(sighting)
        of_token.update(dict.fromkeys(tokens, home))
    latest: dict[Token, tuple[dt.datetime, int]] = {}
    for number, group in enumerate(groups):
        for sighting in group:
            for token in _tokens(sighting.identity):
                if token not in latest or latest[token][0] < sighting.last_seen:
                    latest[token] = (sighting.last_seen, number)
    for sighting in sorted(weak, key=_order):
        tokens = _tokens(sighting.identity)
        home = next((latest[t][1] for t in tokens if t in latest), len(groups))
        if home == len(groups):
            groups.append([])
        groups[home].append(sighting)
        for token in tokens:
            latest.setdefault(token, (sighting.last_seen, home))
    return [group for group in groups if group]


def _order(sighting: Sighting) -> tuple[int, list[Token], str, str]:
    """What says most comes first; never the order in which a source happened to tell."""
    tokens = _tokens(sighting.identity)
    return -len(tokens), tokens, sighting.source, sighting.thing


def _thing(sightings: Sequence[Sighting], asset: Asset | None, vendor_of: Callable[[str], str]) -> Thing:
    newest = sorted(sightings, key=lambda s: s.last_seen, reverse=True)
    macs = _first(map(mac, asset.macs if asset else ()), _merged(newest, "macs", "mac", _card))
    serials = _first([asset.serial if asset else ""], _merged(newest, "serial", "serials", text))
    held = (asset.address or "", *asset.addresses) if asset else ()
    addresses = _first(map(bare, held), _merged(newest, "addresses", "address", bare))
    names = _merged(newest, "names", "name", text)
    vendors = [text(asset.vendor) if asset else "", *(text(s.attributes.get("vendor")) for s in newest)]
    return Thing(
        key=asset.key if asset else _key(newest, macs, serials, addresses, names),
        sightings=tuple(newest),
        names=names,
        addresses=tuple(a for a in addresses if not a.startswith("fe80:")),
        macs=macs,
        serial=serials[0] if serials else "",
        first_seen=min((s.first_seen for s in newest), default=None),
        last_seen=newest[0].last_seen if newest else None,
        sources=tuple(sorted({s.source for s in newest})),
        seen_from=_merged(newest, "seen_by", "seen_from", text, of="place"),
        vendor=next((v for v in (*vendors, *map(vendor_of, macs)) if v), ""),
        model=next((m for m in (text(s.attributes.get("model")) for s in newest) if m), ""),
        asset=asset,
    )


def _key(
    sightings: Sequence[Sighting],
    macs: Sequence[str],
    serials: Sequence[str],
    addresses: Sequence[str],
    names: Sequence[str],
) -> str:
    """What the sheet calls the thing: by the strongest that identifies it."""
    if macs:
        return f"mac:{min(macs)}"
    if serials:
        return f"serial:{plain(serials[0])}"
    if addresses:
        return f"address:{addresses[0]}"
    return f"name:{plain(names[0])}" if names else f"{sightings[0].source}:{sightings[0].thing}"


def _first(*groups: Iterable[str]) -> tuple[str, ...]:
    """All values that are not empty, in order, each once."""
    return tuple(dict.fromkeys(value for group in groups for value in group if value))


def _merged(
    sightings: Sequence[Sighting], key: str, other: str, clean: Callable[[str], str], of: str = "identity"
) -> tuple[str, ...]:
    """All values of one field, those of the newest sighting first, each once."""
    return _first(clean(v) for s in sightings for v in _many(getattr(s, of), key, other))


def _tokens(identity: Mapping[str, Any]) -> list[Token]:
    found: list[Token] = [("serial", plain(v)) for v in _many(identity, "serial", "serials")]
    found += [("uuid", plain(v)) for v in _many(identity, "uuid", "uuids")]
    found += [("mac", mac(v)) for v in _many(identity, "macs", "mac") if not multicast(v)]
    found += [("address", bare(v)) for v in _many(identity, "addresses", "address")]
    found += [("name", plain(v.partition(".")[0])) for v in _many(identity, "names", "name")]
    return [t for t in found if t[1]]


def _card(value: str) -> str:
    return "" if multicast(value) else mac(value)


def multicast(value: str) -> bool:
    """True for a group or empty hardware address: no thing has it."""
    address = mac(value)
    return bool(address) and (bool(int(address[:2], 16) & 1) or address == "00:00:00:00:00:00")


def _many(mapping: Mapping[str, Any], *keys: str) -> list[str]:
    """The values under any of the keys, one or a list, as text."""
    found: list[str] = []
    for key in keys:
        value = mapping.get(key)
        if isinstance(value, list | tuple | set | frozenset):
            found += [text(v) for v in value]
        elif value is not None:
            found.append(text(value))
    return [v for v in found if v]
