# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a customer's assets stand against their patch plans: spool to store, compliance, and NetBox where it changed.

The evidence comes first: when NetBox does not answer, no scan is lost, and the next run brings NetBox up to it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import sound
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assignment
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import (
    IN_TIME,
    LATE,
    UNKNOWN,
    WAIVED,
    Compliance,
    OfAsset,
    Past,
    compliance,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register import asset_fields, names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

MESSAGE = "msp.ops patching: an asset's state changed"
# Far more than a spool of thousands of scans needs, and an end for a run that waits for another one's delivery.
DELIVERY_SECONDS = 600.0
# What was installed in this time counts for the mean time to patch.
PERIOD = dt.timedelta(days=90)
_WORDS = {LATE: names.LATE, WAIVED: names.WAIVED, UNKNOWN: names.UNKNOWN}


@dataclass(frozen=True, slots=True)
class States:
    """One customer: compliance by plan, the assets without one, what NetBox had and was given, and what it refused."""

    customer: str
    plans: Mapping[str, Compliance]
    without: tuple[str, ...]
    changes: Mapping[str, tuple[str | None, str | None]]
    refused: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        return {
            "plans": {name: _told(found) for name, found in self.plans.items()},
            "without_plan": list(self.without),
            "netbox_writes": len(self.changes),
            "refused": dict(self.refused),
        }

    def lines(self) -> list[str]:
        """A line a plan, and one for what has none."""
        said = [
            f"{self.customer}, plan {name}: " + ", ".join(f"{number} {state}" for state, number in found.assets.items())
            for name, found in self.plans.items()
        ]
        if self.without:
            said.append(f"{self.customer}: {len(self.without)} contracted without a patch plan")
        return said


def delivered(store: Store, *, check: bool) -> list[str]:
    """Bring the spool to the store; the reasons for what it can never take. With check nothing is written."""
    if check:
        return []
    found = deliver.deliver(store, seconds=DELIVERY_SECONDS)
    if not found.complete:
        raise MspError(
            "MSP-PAT-144",
            f"the spool to be delivered to the evidence store within {DELIVERY_SECONDS:.0f} seconds",
            "it is not: another run delivers now, or very much waits",
            "run ./msp store deliver and wait for its end, then the playbook again; nothing is lost",
        )
    return found.rejected


def states(store: Store, register: Register, customer: Customer, *, check: bool) -> States:
    """How every asset of a customer stands now; NetBox is told of those that changed. With check nothing is written."""
    now = store.now()
    assignment = patch_plans.plans_of(register, customer, now)
    scans, available, past = store.last_scans(customer.slug), store.versions_seen(customer.slug), _past(store, customer)
    plans = {
        one.plan.name: compliance(one.plan, one.members, scans, available, past, since=now - PERIOD, now=now)
        for one in assignment.plans
    }
    changes = _changes(asset_fields.read(register, customer.slug), plans.values())
    refused: dict[str, str] = {}
    if not check:
        wanted = {asset: {names.PATCHING: after} for asset, (_before, after) in changes.items()}
        refused = {asset: str(why) for asset, why in asset_fields.write(register, wanted, MESSAGE).items()}
        changes = {asset: change for asset, change in changes.items() if asset not in refused}
    return States(customer.slug, plans, tuple(_without(assignment)), changes, refused)


def state_of(asset: OfAsset) -> str:
    """The word of an asset in NetBox: one of names.PATCHINGS."""
    if asset.state != IN_TIME:
        return _WORDS[asset.state]
    return names.WAITING if asset.waiting else names.UP_TO_DATE


def _changes(
    have: Mapping[str, Mapping[str, Any]], plans: Iterable[Compliance]
) -> dict[str, tuple[str | None, str | None]]:
    """By asset what NetBox has and what it should have, where they differ. An asset without a plan has no state."""
    wanted = {one.asset: state_of(one) for found in plans for one in found.of_assets}
    found = {}
    for asset, fields in have.items():
        before, after = fields.get(names.PATCHING), wanted.get(asset)
        if before != after:
            found[asset] = (before, after)
    return found


def _without(assignment: Assignment) -> list[str]:
    return sorted(member.name for member in assignment.without)


def _past(store: Store, customer: Customer) -> Sequence[Past]:
    known = sound(store.rollouts(customer.slug))
    return [Past(stored.id, tuple(events.of(stored)), manifest) for stored, manifest in known]


def _told(found: Compliance) -> dict[str, Any]:
    return {
        "assets": dict(found.assets),
        "unknown": {one.name: one.why for one in found.of_assets if one.state == UNKNOWN},
        "late": {
            one.name: sorted(item.package for item in one.waiting if item.state == LATE)
            for one in found.of_assets
            if one.state == LATE
        },
        "mean_days": {
            name: None if speed.mean is None else round(speed.mean / dt.timedelta(days=1), 1)
            for name, speed in found.speed.items()
        },
    }
