# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How customers' assets stand against their patch plans: spool to store, compliance, and NetBox where it changed.

The evidence comes first: when NetBox does not answer, no scan is lost, and the next run brings NetBox up to it. What is
wrong with one customer keeps no other from being told of; nothing of that one stays up to date by silence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import field_states, patch_journal, patch_plans
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import sound
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assignment
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import (
    IN_TIME,
    LATE,
    OWED,
    UNKNOWN,
    WAIVED,
    Compliance,
    OfAsset,
    Past,
    compliance,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Scan
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers

MESSAGE = "msp.ops patching: an asset's state changed"
# What was installed in this time counts for the mean time to patch.
PERIOD = dt.timedelta(days=90)
EVER = dt.datetime.fromtimestamp(0, dt.UTC)
# What owes a restart waits for it: NetBox has no word of its own for that.
_WORDS = {LATE: names.LATE, WAIVED: names.WAIVED, UNKNOWN: names.UNKNOWN, OWED: names.WAITING}


@dataclass(frozen=True, slots=True)
class States:
    """One customer: compliance by plan, the assets without one, what NetBox had and was given, and what it refused.

    wrong is why nobody knows how its assets stand: they are unknown then.
    """

    customer: str
    plans: Mapping[str, Compliance]
    without: tuple[str, ...]
    changes: Mapping[str, tuple[str | None, str | None]]
    refused: Mapping[str, str]
    wrong: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "plans": {name: _told(found) for name, found in self.plans.items()},
            "without_plan": list(self.without),
            "netbox_writes": len(self.changes),
            "refused": dict(self.refused),
            "wrong": self.wrong,
        }

    def lines(self) -> list[str]:
        """A line a plan, and one for what has none."""
        said = [
            f"{self.customer}, plan {name}: " + ", ".join(f"{number} {state}" for state, number in found.assets.items())
            for name, found in self.plans.items()
        ]
        said += [_keeping(self.customer, name, found) for name, found in self.plans.items() if _kept(found)]
        if self.without:
            said.append(f"{self.customer}: {len(self.without)} contracted without a patch plan")
        if self.wrong:
            said.append(f"{self.customer}: unknown, {self.wrong}")
        return said


@dataclass(frozen=True, slots=True)
class Told:
    """All customers that were asked for: how each stands, what went to journals, and everything that went wrong."""

    states: tuple[States, ...]
    journal: tuple[str, ...]
    errors: tuple[MspError, ...]

    @property
    def changes(self) -> dict[str, tuple[str | None, str | None]]:
        """By asset what NetBox had, and what it was given."""
        return {asset: change for one in self.states for asset, change in one.changes.items()}

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.patch_register; failed where anything went wrong."""
        result: dict[str, Any] = {
            "changed": bool(self.changes or self.journal),
            "customers": {one.customer: one.as_dict() for one in self.states},
            "journal": list(self.journal),
            "summary": [line for one in self.states for line in one.lines()],
        }
        if self.errors:
            whole = self.errors[0] if len(self.errors) == 1 else MspErrors(list(self.errors))
            result |= {"failed": True, "msg": str(whole), "error": whole.as_dict()}
        return result

    def diff(self) -> dict[str, dict[str, str | None]]:
        return field_states.diff(one.changes for one in self.states)


def tell(store: Store, register: Register, slugs: Sequence[str], *, check: bool) -> Told:
    """How every asset of these customers stands, and what people asked, told to NetBox. With check nothing is written.

    What is wrong with a customer is told at the end, with all others': it keeps none of them waiting.
    """
    found: list[States] = []
    journal: list[str] = []
    errors: list[MspError] = []
    for slug in slugs or [one.slug for one in customers(register)]:
        try:
            customer = one_customer(register, slug)
            found.append(_known(store, register, customer, errors, check=check))
            journal += patch_journal.tell(store, register, customer, check=check)
        except MspError as error:
            errors += field_states.of_customer(slug, error)
            if error.code in field_states.NO_NETBOX:
                break
    return Told(tuple(found), tuple(journal), tuple(errors))


def _known(store: Store, register: Register, customer: Customer, errors: list[MspError], *, check: bool) -> States:
    """How a customer stands; where that cannot be said, it is unknown, and why is added to the errors."""
    try:
        return states(store, register, customer, check=check)
    except MspError as error:
        if error.code in field_states.NO_NETBOX:
            raise
        errors += field_states.of_customer(customer.slug, error)
        return _unknown(register, customer.slug, error, check=check)


def _unknown(register: Register, slug: str, error: MspError, *, check: bool) -> States:
    """Of a customer of which nothing can be said, every asset that NetBox shows a state of is unknown."""
    have = field_states.read(register, slug, names.PATCHING)
    changes: dict[str, tuple[str | None, str | None]] = {
        asset: (before, names.UNKNOWN) for asset, before in have.items() if before not in (None, names.UNKNOWN)
    }
    changes, refused = _written(register, changes, check=check)
    return States(slug, {}, (), changes, refused, f"{error.code}: {error.found}")


def states(store: Store, register: Register, customer: Customer, *, check: bool) -> States:
    """How every asset of a customer stands now; NetBox is told of those that changed. With check nothing is written."""
    now = store.now()
    assignment = patch_plans.plans_of(register, customer, now)
    scans, available = store.last_scans(customer.slug), store.versions_seen(customer.slug)
    past = past_of(store, customer.slug, looked_back(assignment, scans, now))
    plans = {
        one.plan.name: compliance(one.plan, one.members, scans, available, past, since=now - PERIOD, now=now)
        for one in assignment.plans
    }
    wanted = {one.asset: state_of(one) for found in plans.values() for one in found.of_assets}
    changes = field_states.differing(field_states.read(register, customer.slug, names.PATCHING), wanted)
    changes, refused = _written(register, changes, check=check)
    return States(customer.slug, plans, tuple(_without(assignment)), changes, refused)


def looked_back(
    assignment: Assignment, scans: Mapping[str, tuple[Scan | None, Scan | None]], now: dt.datetime
) -> dt.datetime:
    """From when on a rollout may have left owed what is not in force today: what a host was started after is paid.

    So it is as far back as the start of the host that runs longest; where one does not tell its own, all of them.
    """
    last = (scans.get(member.key, (None, None))[0] for one in assignment.plans for member in one.members)
    return min([now - PERIOD, *(good.booted_at or EVER for good in last if good is not None)])


def past_of(store: Store, slug: str, since: dt.datetime) -> list[Past]:
    """The rollouts of a customer in which something can have happened from then on; the others are not read."""
    known = sound(store.rollouts(slug, going_on_since=since))
    return [Past(stored.id, tuple(events.of(stored)), manifest, stored.plan) for stored, manifest in known]


def _written(
    register: Register, changes: Mapping[str, tuple[str | None, str | None]], *, check: bool
) -> tuple[dict[str, tuple[str | None, str | None]], dict[str, str]]:
    """The changes that NetBox took (with check: would be given), and by asset why it refused the others."""
    return field_states.written(register, names.PATCHING, changes, MESSAGE, check=check)


def state_of(asset: OfAsset) -> str:
    """The word of an asset in NetBox: one of names.PATCHINGS."""
    if asset.state != IN_TIME:
        return _WORDS[asset.state]
    return names.WAITING if asset.waiting else names.UP_TO_DATE


def _without(assignment: Assignment) -> list[str]:
    return sorted(member.name for member in assignment.without)


def _kept(found: Compliance) -> dict[str, list[str]]:
    """By asset the updates whose class is that of an earlier scan, which knew more (patching/carried.py)."""
    return {
        one.name: packages
        for one in found.of_assets
        if (packages := [item.package for item in one.waiting if item.kept])
    }


def _keeping(customer: str, plan: str, found: Compliance) -> str:
    number = len(_kept(found))
    who = "1 asset keeps" if number == 1 else f"{number} assets keep"
    return (
        f"{customer}, plan {plan}: {who} classes of an earlier scan, for the last one lacked a feed or changelogs that"
        " this had: give them again"
    )


def _told(found: Compliance) -> dict[str, Any]:
    return {
        "kept": _kept(found),
        "assets": dict(found.assets),
        "unknown": {one.name: one.why for one in found.of_assets if one.state == UNKNOWN},
        "owed": {one.name: list(one.owed) for one in found.of_assets if one.owed},
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
