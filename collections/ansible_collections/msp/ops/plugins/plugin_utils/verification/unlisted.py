# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was seen and is in no contract: what identity found, as a person meets it. Pure.

Known is every asset of the customer in NetBox, whatever its status: a gateway that is tracked or a private printer
that was excluded is not "unlisted". A conflict is no match: the thing is then shown and asked about.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity import macs as macs_of
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import profile_key
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Resolution, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import bare, mac, text


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that one or more sources saw. key is identity's, stable as long as what identifies it is."""

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
    maybe: tuple[Asset, ...] = ()  # the assets that it may be, where identity found a conflict; the likeliest first

    @property
    def name(self) -> str:
        """What to call it: the name it or NetBox gives, else its address, else its hardware address."""
        if self.asset is not None:
            return self.asset.name
        return next((v[0] for v in (self.names, self.addresses, self.macs) if v), self.serial or self.key)


def sort_out(
    resolution: Resolution,
    sightings: Iterable[Sighting],
    assets: Iterable[Asset],
    vendor_of: Callable[[str], str] = lambda _mac: "",
    presumed: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, tuple[Sighting, ...]], tuple[Thing, ...]]:
    """Divide sightings into those of known assets (by asset key) and the things that are none, latest seen first.

    resolution is of just these sightings and assets. presumed: by thing, the asset that it is taken for. A sighting
    that says nothing of who it is of is left out.
    """
    by_key = {asset.key: asset for asset in assets}
    said = {profile_key(one): one for one in sightings}
    of_asset: dict[str, tuple[Sighting, ...]] = {}
    things = []
    for entity in resolution.entities:
        group = [said[key] for key in entity.sightings]
        asset = entity.asset if entity.verdict is Verdict.MATCHED else presumed.get(entity.key)
        if asset is not None:
            of_asset[asset] = tuple(group)
        elif any(any(one.identity.values()) for one in group):
            maybe = tuple(by_key[one.key] for one in entity.candidates if one.is_asset)
            things.append(_thing(group, None, vendor_of, key=entity.key, maybe=maybe))
    things.sort(key=lambda t: (-(t.last_seen.timestamp() if t.last_seen else 0), t.key))
    return of_asset, tuple(things)


def of_asset(asset: Asset, sightings: Sequence[Sighting], vendor_of: Callable[[str], str] = lambda _mac: "") -> Thing:
    """An asset that NetBox already holds as "unlisted", as a thing; what NetBox says of it comes first."""
    return _thing(sightings, asset, vendor_of, key=asset.key)


def _thing(
    sightings: Sequence[Sighting],
    asset: Asset | None,
    vendor_of: Callable[[str], str],
    *,
    key: str,
    maybe: tuple[Asset, ...] = (),
) -> Thing:
    newest = sorted(sightings, key=lambda s: s.last_seen, reverse=True)
    macs = _first(map(mac, asset.macs if asset else ()), _merged(newest, "macs", "mac", _card))
    serials = _first([asset.serial if asset else ""], _merged(newest, "serial", "serials", text))
    held = (asset.address or "", *asset.addresses) if asset else ()
    addresses = _first(map(bare, held), _merged(newest, "addresses", "address", bare))
    names = _merged(newest, "names", "name", text)
    vendors = [text(asset.vendor) if asset else "", *(text(s.attributes.get("vendor")) for s in newest)]
    return Thing(
        key=key,
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
        maybe=maybe,
    )


def _first(*groups: Iterable[str]) -> tuple[str, ...]:
    """All values that are not empty, in order, each once."""
    return tuple(dict.fromkeys(value for group in groups for value in group if value))


def _merged(
    sightings: Sequence[Sighting], key: str, other: str, clean: Callable[[str], str], of: str = "identity"
) -> tuple[str, ...]:
    """All values of one field, those of the newest sighting first, each once."""
    return _first(clean(v) for s in sightings for v in _many(getattr(s, of), key, other))


def _card(value: str) -> str:
    """A hardware address that a thing can have; empty for a group's."""
    address = mac(value)
    return "" if not address or macs_of.kind(address) in (macs_of.Kind.GROUP, macs_of.Kind.NONE) else address


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
