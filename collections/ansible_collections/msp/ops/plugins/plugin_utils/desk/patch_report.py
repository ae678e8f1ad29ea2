# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reports how a customer stands with patching: NetBox's plans and the evidence store's scans and rollouts, as files.

It only reads both. A source that does not answer raises: a report is made of everything or not at all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import (
    outlook,
    patch_plans,
    patch_states,
    report_files,
    steering,
)
from ansible_collections.msp.ops.plugins.plugin_utils.desk.report_files import ReportFiles
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import planning, progress, report_page
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import Past, compliance
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Planned
from ansible_collections.msp.ops.plugins.plugin_utils.patching.standing import (
    Standing,
    Stuck,
    UnderWay,
    as_dict_of,
    standing,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import zone

LONGEST_DAYS = 730
NAME = "patch-report"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller asks for: the folder, who made it, and how many days back what was done is told of."""

    folder: Path
    made_by: str
    days: int = 90


def wishes_of(arguments: Mapping[str, Any]) -> Wishes:
    """The arguments of msp.ops.patch_report as wishes."""
    days = arguments["days"]
    if not 1 <= days <= LONGEST_DAYS:
        raise MspError("MSP-PAT-165", f"days of 1 to {LONGEST_DAYS}", str(days), "correct it")
    return Wishes(Path(arguments["path"]), arguments["made_by"], days)


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says, and its files."""

    standing: Standing
    files: ReportFiles

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.patch_report."""
        return {**self.files.as_dict(), "standing": as_dict_of(self.standing)}


def report(store: Store, register: Register, customer: Customer, wishes: Wishes, *, dry_run: bool = False) -> Report:
    """A customer's report, written where it says something new. With dry_run nothing is written."""
    found = stand(store, register, customer, wishes.days)
    said = report_page.told(found, customer, wishes.made_by, f"{NAME}.json")
    data = {
        "customer": customer.slug,
        "date": found.now.astimezone(zone(customer)).date().isoformat(),
        **as_dict_of(found),
    }
    return Report(found, report_files.write(wishes.folder / customer.slug / NAME, said, data, dry_run=dry_run))


def stand(store: Store, register: Register, customer: Customer, days: int) -> Standing:
    """How a customer stands now; of what was done, the whole days that lie back so many."""
    now = store.now()
    since = _midnight(now, customer) - dt.timedelta(days=days)
    assignment = patch_plans.plans_of(register, customer, now)
    scans, available = store.last_scans(customer.slug), store.versions_seen(customer.slug)
    past = patch_states.past_of(store, customer.slug, min(since, patch_states.looked_back(assignment, scans, now)))
    plans = [
        (one.plan, compliance(one.plan, one.members, scans, available, past, since=since, now=now))
        for one in assignment.plans
    ]
    ends = outlook.ends_before(store, customer.slug, now)
    under_way, stuck = _open(steering.status_with(store, assignment, customer.slug)["rollouts"], past)
    return standing(
        plans,
        under_way,
        past,
        sorted(member.name for member in assignment.without),
        stuck,
        since=since,
        now=now,
        # What a run would not try again by itself, however long ago it was given up.
        given_up={one.plan.name: planning.given_up(one.plan.name, ends) for one in assignment.plans},
    )


def _open(told: list[dict[str, Any]], past: list[Past]) -> tuple[list[UnderWay], list[Stuck]]:
    """The rollouts that are not over, as patch_status.yml shows them, and those that can't be gone on with."""
    known = {one.rollout: one for one in past}
    under_way, stuck = [], []
    for said in told:
        one = known.get(said["rollout"])
        if one is None or "rings" not in said:
            stuck.append(Stuck(said["rollout"], said["class"], said["why"]))
            continue
        targets = [t for event in one.events if isinstance(event, Planned) for ring in event.rings for t in ring.hosts]
        under_way.append(UnderWay.of(progress.of(said), one.manifest, targets))
    return under_way, stuck


def _midnight(now: dt.datetime, customer: Customer) -> dt.datetime:
    """The beginning of the customer's day: a report that is made again on the same day tells of the same period."""
    local = now.astimezone(zone(customer))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(dt.UTC)
