# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What non-standard assets cost more, out of both stores: measured over all customers, then suggested for one.

NetBox and the evidence store are only read. The reckoning is in effort/uplift.py and effort/surcharge.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.contract.status import warranty_end
from ansible_collections.msp.ops.plugins.plugin_utils.desk import standard_assets
from ansible_collections.msp.ops.plugins.plugin_utils.effort import surcharge, uplift
from ansible_collections.msp.ops.plugins.plugin_utils.effort.exposure import Held, worked
from ansible_collections.msp.ops.plugins.plugin_utils.effort.surcharge import OfAsset, Support
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import Lack, OfCustomer, Place, Uplift
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.standards import compliance
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import WAIVED
from ansible_collections.msp.ops.plugins.plugin_utils.standards.standing import OfAsset as Standing
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import zone

# What is looked back on. Older work was on other assets, by other people.
PERIOD = dt.timedelta(days=730)
Audits = Mapping[str, tuple[Audit | None, Audit | None]]


def measured(
    store: Store, snapshot: Snapshot, customers: Iterable[Customer], now: dt.datetime
) -> dict[Place, Uplift | Lack]:
    """What assets with a reason cost more, over all of these customers. snapshot has the machines of all of them."""
    return uplift.uplifts(of_customer(store, snapshot, customer, now) for customer in customers if customer.contract)


def of_customer(store: Store, snapshot: Snapshot, customer: Customer, now: dt.datetime) -> OfCustomer:
    """What is known of one customer's assets and the work on them, as far as it is looked back on."""
    slug, since = customer.slug, now - PERIOD
    assets = standard_assets.contracted(snapshot, customer, now.astimezone(zone(customer)).date())
    summary, tickets = store.effort_minutes(slug, since, now), store.tickets(slug, since, now)
    found = None if summary is None or tickets is None else worked(tickets, summary.rows)
    return OfCustomer(slug, tuple(_held(store, customer, assets, since, now)), found)


def _held(
    store: Store, customer: Customer, assets: Sequence[Asset], since: dt.datetime, now: dt.datetime
) -> Iterator[Held]:
    """The time of each asset. It begins with the contract, or when the asset was first seen.

    One that was never seen is left out, for nobody knows whether there was anything to work on.
    """
    slug = customer.slug
    waived = compliance.waived(store.control_changes(slug))
    audits = store.last_audits(slug)
    first = _first_seen(store, slug)
    begin = since
    if customer.contract is not None:
        start = dt.datetime.combine(customer.contract.start, dt.time(), zone(customer)).astimezone(dt.UTC)
        begin = max(since, start)
    for asset in assets:
        at = first.get(asset.key)
        if at is not None and max(begin, at) < now:
            yield Held(
                asset.key,
                asset.asset_class or "",
                max(begin, at),
                now,
                waived.get(asset.key, ()),
                warranty_end(asset),
                _support_end(audits, asset.key),
            )


def _first_seen(store: Store, slug: str) -> dict[str, dt.datetime]:
    """When anything saw each asset first: discovery, an audit, or a check of its controls."""
    found = store.first_audits(slug)
    for asset, times in store.controls_measured(slug).items():
        found[asset] = min(times[0], found.get(asset, times[0]))
    for seen in store.seen([slug]):
        found[seen.asset] = min(seen.first_seen, found.get(seen.asset, seen.first_seen))
    return found


def _support_end(audits: Audits, asset: str) -> dt.date | None:
    good, _last = audits.get(asset, (None, None))
    end = good.summary.get("support_end") if good is not None else None
    return dt.date.fromisoformat(end) if end else None


def suggested(
    store: Store,
    customer: Customer,
    assets: Iterable[Asset],
    standings: Iterable[Standing],
    measures: Mapping[Place, Uplift | Lack],
    *,
    today: dt.date,
) -> list[OfAsset]:
    """What is suggested for each asset that has a cause. Without a contract there is nothing to add to."""
    if customer.contract is None:
        return []
    waived = {
        one.asset: [(d.control, d.waiver) for d in one.deviations if d.status == WAIVED and d.waiver is not None]
        for one in standings
        if not one.unknown
    }
    audits = store.last_audits(customer.slug)
    found = []
    for asset in assets:
        causes = list(
            surcharge.causes(asset, waived.get(asset.key, ()), _support(store, audits, asset.key, today), today)
        )
        if causes:
            found.append(surcharge.suggested(asset, causes, customer.contract, measures))
    return sorted(found, key=lambda one: (-one.amount, one.name))


def _support(store: Store, audits: Audits, asset: str, today: dt.date) -> Support | None:
    """Only of an asset whose support is over are the facts read that say who says so."""
    end = _support_end(audits, asset)
    good, _last = audits.get(asset, (None, None))
    if end is None or end >= today or good is None or good.facts_hash is None:
        return None
    system = store.facts(good.facts_hash).get("os") or {}
    return Support(str(system.get("name") or ""), end, str(system.get("support_end_source") or ""))
