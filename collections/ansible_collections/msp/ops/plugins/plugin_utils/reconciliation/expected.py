# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""NetBox as a plan will leave it, and who is who then. Pure: no I/O.

A device that is made, or a hardware address that is filled in, is evidence of its own from then on: what was nobody's
is now in question between two assets, or no more. A plan shows that at once; else the next run, which sees the same,
would have something to say again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.desired import UNKNOWN
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Profile, of_asset
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.findings import Known
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

# What identity reads of an asset, and its primary address. Another contract status or system makes it nobody else.
_READ = ("name", "serial", "asset_tag", "asset_class", "address", "addresses", "macs")
_SETS = tuple(one.name for one in dataclasses.fields(Profile) if str(one.type) == "frozenset[str]")

Values = Mapping[str, Any]
Remembered = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Making:
    """A device that a plan makes: its place in the plan, what is written, and what it is remembered by."""

    number: int
    thing: str
    values: Values
    identity: Mapping[str, Any]

    @property
    def key(self) -> str:
        """An asset's key that no asset has: NetBox counts from 1."""
        return f"device:{-self.number}"


def known(
    before: Known,
    on_record: Mapping[str, Profile],
    making: Sequence[Making],
    filled: Mapping[str, Values],
    remembered: Remembered,
) -> Known:
    """What is known once these devices are made and these values (by asset) are filled in; what was known before where
    that makes nobody anybody else. on_record is by asset, what identity read of it.
    """
    assets = {one.key: one for one in before.assets}
    after = {**assets, **{key: _filled(assets[key], values) for key, values in filled.items()}}
    for one in making:
        _give_up(after, one.values)
        after[one.key] = _made(before.customer, one)
    for values in filled.values():
        _give_up(after, values)
    changed = {key for key, asset in after.items() if key not in assets or _differs(assets[key], asset)}
    if not changed:
        return before
    moving = _moving((*before.profiles.values(), *on_record.values()))
    profiles = dict(on_record)
    for key in changed & set(assets):
        profiles[key] = _profile(after[key], assets[key], on_record[key], remembered.get(key, ()), moving)
    for one in making:
        profiles[one.key] = of_asset(after[one.key], None, None, (one.identity,), moving)
    resolution = resolve(before.customer, [profiles[key] for key in after], list(before.profiles.values()))
    return replace(before, assets=tuple(after.values()), resolution=resolution)


def _made(customer: str, one: Making) -> Asset:
    values = one.values
    address = values.get("address")
    return Asset(
        kind="device",
        id=-one.number,
        name=values["name"],
        customer=customer,
        status=names.UNLISTED,
        asset_class=values["class"],
        serial=values.get("serial", ""),
        asset_tag=values.get("asset_tag"),
        vendor=UNKNOWN,
        address=address,
        addresses=(address,) if address else (),
        macs=tuple(values.get("macs", ())),
        custom_fields={names.CONTRACT_STATUS: names.UNLISTED, names.ASSET_CLASS: values["class"]},
    )


def _filled(asset: Asset, values: Values) -> Asset:
    """An asset with what a step of facts gives it; an address takes the place of the primary one that is no more."""
    fields = dict(values.get("fields", {}))
    if names.ASSET_CLASS in values.get("custom", {}):
        fields["asset_class"] = values["custom"][names.ASSET_CLASS]
    address = values.get("address")
    if address:
        kept = asset.addresses
        if address not in kept:
            kept = (*(one for one in kept if one != asset.address), address)
        fields |= {"address": address, "addresses": kept}
    return replace(asset, **fields, macs=tuple(sorted({*asset.macs, *values.get("macs", ())})))


def _give_up(assets: dict[str, Asset], values: Values) -> None:
    """The address is no more its former holder's."""
    giver, address = assets.get(values.get("address_from") or ""), values.get("address")
    if giver is not None:
        assets[giver.key] = replace(
            giver,
            address=None if giver.address == address else giver.address,
            addresses=tuple(one for one in giver.addresses if one != address),
        )


def _differs(one: Asset, other: Asset) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in _READ)


def _moving(profiles: Iterable[Profile]) -> frozenset[str]:
    return frozenset(card for one in profiles for card in one.moving_macs)


def _profile(
    asset: Asset, before: Asset, read: Profile, taught: Sequence[Mapping[str, Any]], moving: frozenset[str]
) -> Profile:
    """What is on record of an asset then. What its audit said of it beyond NetBox stays."""
    made, said = (of_asset(one, None, None, taught, moving) for one in (asset, before))
    sets = {name: getattr(made, name) | (getattr(read, name) - getattr(said, name)) for name in _SETS}
    return replace(read, **sets, type=made.type, family=made.family)
