# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Somebody says of things in conflict that they are the assets they may be: one by one, or all the plain ones at once.

What is confirmed is kept in the evidence store with who and why; the next reconciliation knows it again and tells
NetBox. What it would not know again is refused. Writes nothing to NetBox itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.desk.identifying import Identified, identified
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import event_key, normal_address
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import outdated, profile_key
from ansible_collections.msp.ops.plugins.plugin_utils.identity.presumed import presumed
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Entity, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import seen, words
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest import CONFIRMED
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.planning import identity_of
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.seen import Seen
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import assets


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A thing, and the asset that it is. identity is what it will be known again by; recorded: that was kept before."""

    thing: str
    asset: Asset
    told: Seen
    identity: Mapping[str, Any]
    recorded: bool = False

    def key(self, slug: str) -> str:
        """The same thing with the same evidence, confirmed twice, is one event."""
        return event_key(slug, "confirmed", self.thing, self.asset.key, sorted(self.identity.items()))


def confirm(
    register: Register, store: Store, slug: str, things: Mapping[str, str], *, by: str, reason: str, check: bool = False
) -> list[Confirmed]:
    """Keep that these things (by thing: name or key of the asset) are those assets; without any, all that are presumed
    to be one (identity/presumed.py) and would be known again.
    """
    if not by.strip() or not reason.strip():
        raise MspError(
            "MSP-REC-005",
            "who confirms it, and why",
            f"approved_by {by!r}, reason {reason!r}",
            "give both: they stay with the decision",
        )
    on_record = assets(register, slug)
    who = identified(store, slug, on_record)
    by_key = {one.key: one for one in on_record}
    chosen = _named(who, by_key, things) if things else _plain(who)
    said = {profile_key(one): one for one in who.sightings}
    doubted = seen.disputed(who.resolution)
    recorded = {one.key for one in store.changes(slug)}
    found = []
    for entity, key in chosen:
        told = seen.of(entity.key, [said[s] for s in entity.sightings], who.profiles, doubted, ())
        identity = _known_again(entity, told, by_key[key], who)
        if isinstance(identity, MspError):
            if things:
                raise identity
            continue
        one = Confirmed(entity.key, by_key[key], told, identity)
        found.append(replace(one, recorded=one.key(slug) in recorded))
    if not check:
        store.record_changes(_change(slug, one, by, reason) for one in found)
    return found


def _plain(who: Identified) -> Iterator[tuple[Entity, str]]:
    plain = presumed(who.resolution, who.on_record)
    return ((one, plain[one.key]) for one in who.resolution.entities if one.key in plain)


def _named(who: Identified, by_key: Mapping[str, Asset], things: Mapping[str, str]) -> Iterator[tuple[Entity, str]]:
    by_thing = {one.key: one for one in who.resolution.of(Verdict.CONFLICT)}
    for thing, wanted in things.items():
        entity = by_thing.get(thing)
        if entity is None:
            there = ", ".join(sorted(by_thing)) or "none"
            raise MspError("MSP-REC-009", f"{thing} to be in conflict", f"in conflict: {there}", "use a thing of these")
        sides = {c.key: by_key[c.key].name for c in entity.candidates if c.is_asset}
        fitting = [key for key, name in sides.items() if wanted in (key, name)]
        if len(fitting) != 1:
            may_be = ", ".join(f"{name} ({key})" for key, name in sorted(sides.items())) or "no asset"
            raise MspError(
                "MSP-REC-010",
                f"an asset that {thing} may be",
                f"{wanted}; it may be {may_be}",
                "name one of these, by its key",
            )
        yield entity, fitting[0]


def _change(slug: str, one: Confirmed, by: str, reason: str) -> Change:
    detail: dict[str, Any] = {
        "name": one.asset.name,
        "how": f"{CONFIRMED}{by}",
        "reason": reason,
        "thing": one.thing,
        "evidence": words.evidence(one.told),
        "identity": dict(one.identity),
    }
    return Change(one.key(slug), slug, dt.datetime.now(dt.UTC), "settled", one.asset.key, one.asset.key, detail)


def _known_again(entity: Entity, told: Seen, asset: Asset, who: Identified) -> dict[str, Any] | MspError:
    """What it will be known again by; or what NetBox has to say first. Its address is that only where nothing else is,
    and for as long as NetBox gives the asset that address.
    """
    found = identity_of(told)
    record = who.on_record[asset.key]
    called = f"{asset.name} ({asset.key})"
    if outdated(found, asset):
        return MspError(
            "MSP-REC-012",
            f"NetBox to have the serial number of {entity.key} on {called}: what has another one is another machine",
            f"{asset.serial} in NetBox, {', '.join(found['serial'])} seen",
            "correct the serial number in NetBox, then confirm",
        )
    if any(key != "names" for key in found):
        return found
    listed = [address for address in told.addresses if normal_address(address) in record.listed]
    names = frozenset().union(*(who.profiles[key].names for key in entity.sightings)) - record.names
    if not listed and not names:
        return MspError(
            "MSP-REC-012",
            f"something by which {entity.key} would be known again as {called}",
            f"nothing lasting, and no address ({', '.join(told.addresses) or 'none seen'}) that NetBox lists there",
            "give the asset that address in NetBox, then confirm",
        )
    return {**found, "addresses": listed} if listed else found


def confirmed(store: Store, register: Register, arguments: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """The module's action confirm."""
    if len(arguments["customers"]) != 1:
        raise MspError(
            "MSP-REC-011",
            "one customer whose things are confirmed",
            ", ".join(arguments["customers"]) or "none",
            "give customers with the slug of one",
        )
    by, reason = arguments["approved_by"], arguments["reason"]
    (slug,) = arguments["customers"]
    found = confirm(register, store, slug, arguments["things"], by=by, reason=reason, check=check)
    told = [{"thing": one.thing, "asset": one.asset.key, "name": one.asset.name} for one in found]
    return {"changed": any(not one.recorded for one in found), "confirmed": told}
