# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Made customers for tests of reconciliation: assets, what was seen of them, and what comes of it. No I/O."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import thing_key
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Coverage, Observation, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity import evidence
from ansible_collections.msp.ops.plugins.plugin_utils.identity.resolve import resolve
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.findings import Finding, Known, findings
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import Plan, Step
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.planning import Taken, plan
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

SLUG = "bakery"
NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
PREFIX = "192.0.2.0/24"


def card(number: int) -> str:
    return f"b8:27:eb:4a:10:{number:02x}"


def asset(number: int, name: str = "", **changes: Any) -> Asset:
    """A contracted server with a serial number, a card and an address of its number."""
    custom = {names.CONTRACT_STATUS: "contracted", **changes.pop("custom_fields", {})}
    values: dict[str, Any] = {
        "kind": "device",
        "id": number,
        "name": name or f"srv{number:02}",
        "customer": SLUG,
        "status": "contracted",
        "asset_class": "server",
        "serial": f"S-SRV{number:02}",
        "address": f"192.0.2.{number}",
        "addresses": (f"192.0.2.{number}",),
        "macs": (card(number),),
        "last_updated": NOW - 48 * HOUR,
        "custom_fields": custom,
    }
    return Asset(**{**values, **changes})


def seen(number: int, source: str = "dhcp", *, hours: float = 1, after_look: int = 0, **more: Any) -> Sighting:
    """A sighting of the card of that number, some hours ago. more: keys of an identity, or attributes, place, asset."""
    other = {key: more.pop(key) for key in ("attributes", "place") if key in more}
    of_asset = more.pop("asset", None)
    identity = {"macs": [card(number)], "addresses": [f"192.0.2.{number}"], **more}
    known = {key: value for key, value in identity.items() if value}
    at = NOW - hours * HOUR
    thing = thing_key(Observation(SLUG, source, at, known, of_asset))
    attributes, place = other.get("attributes", {}), other.get("place", {})
    return Sighting(SLUG, source, thing, at, at, 1, known, of_asset, attributes, place, after_look)


def known(
    assets: Sequence[Asset],
    sightings: Sequence[Sighting],
    *,
    coverages: Sequence[Coverage] = (),
    audits: Mapping[str, tuple[Audit | None, Audit | None]] | None = None,
    before: Earlier | None = None,
    **more: Any,
) -> Known:
    history = audits or {}
    remembered = before.remembered if before else {}
    on_record, profiles = evidence.gather(assets, sightings, facts={}, audits=history, remembered=remembered)
    return Known(
        customer=SLUG,
        assets=assets,
        sightings=sightings,
        profiles={one.key: one for one in profiles},
        resolution=resolve(SLUG, on_record, profiles),
        coverages=coverages,
        audits=history,
        networks=more.pop("networks", (ipaddress.ip_network(PREFIX),)),
        gone=before.gone if before else {},
        gone_since=before.gone_since if before else {},
        **more,
    )


def found(assets: Sequence[Asset], sightings: Sequence[Sighting], **more: Any) -> tuple[Finding, ...]:
    return findings(known(assets, sightings, **more), NOW)


def planned(assets: Sequence[Asset], sightings: Sequence[Sighting], *, after: str = "", **more: Any) -> Plan:
    before = more.get("before") or Earlier()
    given, taken = more.pop("given", {}), more.pop("taken", Taken())
    one = known(assets, sightings, **more)
    on_record, _profiles = evidence.gather(assets, sightings, facts={}, audits=one.audits, remembered=before.remembered)
    of_assets = {read.key: read for read in on_record}
    return plan(one, findings(one, NOW), before, now=NOW, after=after, on_record=of_assets, given=given, taken=taken)


def steps(made: Plan) -> dict[tuple[str, str], Step]:
    """By kind and name."""
    return {(one.kind, one.name): one for one in made.steps}


def kinds(findings_of: Iterable[Finding]) -> dict[str, str]:
    """By name the kind of finding."""
    return {one.name: one.kind for one in findings_of}


def looks(*missed: int, source: str = "nmap", complete: bool = True) -> list[Coverage]:
    """Looks with these numbers, an hour apart, the last one just now."""
    return [
        Coverage(SLUG, source, NOW - (missed[-1] - number) * HOUR, complete, (PREFIX,), recorded_at=NOW, number=number)
        for number in missed
    ]
