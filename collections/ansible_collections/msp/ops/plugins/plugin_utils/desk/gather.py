# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads what a verification is made of: the contract from NetBox, the evidence from the store. Writes nothing.

A source that does not answer raises; a verification is made of everything or not at all.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk.identifying import identified
from ansible_collections.msp.ops.plugins.plugin_utils.desk.vendors import vendor_of
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EffortSummary
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.identity.presumed import presumed
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import assets, customers
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import (
    PERIOD_DAYS,
    Effort,
    Verification,
    verify,
)

# The parts of an audit that a verification reads; package lists are most of it and stay in the store.
NEEDED = ("os", "hostname", "machine", "interfaces", "patches", "updates", "reboot")


def gather(register: Register, store: Store, customer: Customer, *, now: dt.datetime, made_by: str) -> Verification:
    """One customer's verification, as NetBox and the store are now."""
    slug = customer.slug
    on_record = assets(register, slug)
    who = identified(store, slug, on_record)
    audits = who.audits
    facts = {
        key: _needed(store.facts(good.facts_hash))
        for key, (good, _attempt) in audits.items()
        if good and good.facts_hash
    }
    since = now - dt.timedelta(days=PERIOD_DAYS)
    return verify(
        customer,
        on_record,
        audits,
        facts,
        who.sightings,
        resolution=who.resolution,
        presumed=presumed(who.resolution, who.on_record),
        now=now,
        made_by=made_by,
        effort=_effort(store.effort_minutes(slug, since, now)),
        vendor_of=vendor_of,
    )


def one_customer(register: Register, slug: str) -> Customer:
    """The customer with this slug; a slug that is no tenant raises."""
    return customers(register, [slug])[0]


def _needed(facts: dict[str, Any]) -> dict[str, Any]:
    kept = {name: facts[name] for name in NEEDED if name in facts}
    if isinstance(kept.get("patches"), dict):
        kept["patches"] = {"last": kept["patches"].get("last")}
    return kept


def _effort(summary: EffortSummary | None) -> Effort | None:
    """What of the measured time was outside the contract; None stays "not measured"."""
    if summary is None:
        return None
    outside = [row for row in summary.rows if not row.in_contract]
    return Effort(
        person_minutes=sum(row.minutes for row in outside if row.by == "person"),
        automation_minutes=sum(row.minutes for row in outside if row.by == "automation"),
    )
