# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer's patch plans as NetBox has them: read, judged, and shown to the customer as a calendar.

NetBox is only read. A plan with an error gives no calendar: what can't be kept is not promised.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.contract.status import effective_status
from ansible_collections.msp.ops.plugins.plugin_utils.desk import files
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.hosts import context_of
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import TAGS, Machine, Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.patching import calendar_page
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assigned, Assignment, assign
from ansible_collections.msp.ops.plugins.plugin_utils.patching.calendar import Calendar, calendar
from ansible_collections.msp.ops.plugins.plugin_utils.patching.course import HOST_TIME
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feasible import errors, examine
from ansible_collections.msp.ops.plugins.plugin_utils.patching.findings import Finding
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import Selection, read
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import zone

# Classes of assets that have packages of ours; one whose class nobody recorded may be any of them.
PATCHED = ("server", "workstation", None)
LONGEST_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller asks for besides: a folder for calendars (None: none), who made them, and what one host needs."""

    folder: Path | None = None
    made_by: str = ""
    host_time: dt.timedelta = HOST_TIME


def wishes_of(arguments: Mapping[str, Any]) -> Wishes:
    """The arguments of msp.ops.patch_plan as wishes."""
    minutes = arguments["host_minutes"]
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise MspError("MSP-PAT-024", f"host_minutes of 1 to {LONGEST_MINUTES}", str(minutes), "correct it")
    path = arguments.get("path")
    return Wishes(Path(path) if path else None, arguments.get("made_by") or "", dt.timedelta(minutes=minutes))


@dataclass(frozen=True, slots=True)
class Examined:
    """One plan: what validation says of it, its calendar, and the files (None where none are wanted or allowed)."""

    assigned: Assigned
    findings: tuple[Finding, ...]
    calendar: Calendar | None
    bodies: Mapping[Path, str]
    changed: tuple[Path, ...]

    def as_dict(self) -> dict[str, Any]:
        plan, found = self.assigned.plan, {path.suffix: str(path) for path in self.bodies}
        return {
            "name": plan.name,
            "assets": len(self.assigned.members),
            "findings": [finding.as_dict() for finding in self.findings],
            "rings": self.calendar.division.sizes if self.calendar else None,
            "calendar": self.calendar.as_dict() if self.calendar else None,
            "page": found.get(".html"),
            "text_file": found.get(".txt"),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What msp.ops.patch_plan did for one customer. before is what the files said, by path."""

    customer: str
    plans: tuple[Examined, ...]
    findings: tuple[Finding, ...]
    before: Mapping[Path, str]

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.patch_plan; failed where a plan has an error."""
        wrong = errors(self.findings)
        result: dict[str, Any] = {
            "changed": any(plan.changed for plan in self.plans),
            "customer": self.customer,
            "plans": [plan.as_dict() for plan in self.plans],
            "findings": [finding.as_dict() for finding in self.findings],
        }
        if wrong:
            lines = "\n".join(f"- {finding.why}" for finding in wrong)
            result |= {"failed": True, "msg": f"{len(wrong)} error(s) in the patch plan of {self.customer}:\n{lines}"}
        return result

    def diff(self) -> list[dict[str, str]]:
        """The plain text of each calendar that changes, before and after."""
        return [
            {"before": self.before.get(path, ""), "after": plan.bodies[path], "after_header": str(path)}
            for plan in self.plans
            for path in plan.changed
            if path.suffix == ".txt"
        ]


def look(register: Register, customer: Customer, wishes: Wishes, now: dt.datetime, *, dry_run: bool = False) -> Outcome:
    """Judge every plan of a customer, and write its calendar where a path is given. With dry_run nothing is written."""
    assignment = plans_of(register, customer, now)
    if not assignment.plans:
        raise MspError(
            "MSP-PAT-002",
            f"a patch plan (the key {names.CONTEXT_PATCH_PLAN} in a config context) for assets of {customer.slug}",
            f"{len(assignment.without)} contracted servers and workstations without one",
            "give the customer a config context with a patch plan; docs/patching.md has one",
        )
    examined = tuple(_examined(one, customer, wishes, now) for one in assignment.plans)
    before = {path: _said(path) for plan in examined for path in plan.changed}
    if not dry_run:
        for plan in examined:
            for path in plan.changed:
                files.write(path, plan.bodies[path].encode())
    found = [*assignment.findings(), *(finding for plan in examined for finding in plan.findings)]
    return Outcome(customer.slug, examined, tuple(found), before)


def plans_of(register: Register, customer: Customer, now: dt.datetime) -> Assignment:
    """Which plan each contracted server and workstation of a customer has. Raises MspErrors with all that is wrong."""
    snapshot = read(register, Selection((customer.id,), {}), follow=False).snapshot
    today = now.astimezone(zone(customer)).date()
    return assign(
        (_member(machine, snapshot), context_of(snapshot, machine)) for machine in _ours(snapshot, customer, today)
    )


def plans_of_slug(register: Register, slug: str, now: dt.datetime) -> Assignment:
    """The same by the customer's slug; one that is no tenant raises."""
    return plans_of(register, customers(register, [slug])[0], now)


def _ours(snapshot: Snapshot, customer: Customer, today: dt.date) -> Iterator[Machine]:
    for machine in snapshot.machines.values():
        status = effective_status(machine.fields.get(names.CONTRACT_STATUS), customer.contract, today)
        if status == names.CONTRACTED and machine.fields.get(names.ASSET_CLASS) in PATCHED:
            yield machine


def _member(machine: Machine, snapshot: Snapshot) -> Member:
    tags = frozenset(snapshot.slugs[TAGS][tag] for tag in machine.tags)
    return Member(machine.key, machine.name or machine.key, tags)


def _examined(assigned: Assigned, customer: Customer, wishes: Wishes, now: dt.datetime) -> Examined:
    plan, members = assigned.plan, assigned.members
    findings = tuple(examine(plan, members, now, wishes.host_time))
    if errors(findings):
        return Examined(assigned, findings, None, {}, ())
    found = calendar(plan, members, now, wishes.host_time)
    if wishes.folder is None:
        return Examined(assigned, findings, found, {}, ())
    said = calendar_page.told(found, customer, wishes.made_by, now)
    base = wishes.folder / customer.slug / f"patch-calendar-{plan.name}"
    bodies = {
        base.with_suffix(".html"): calendar_page.page(said),
        base.with_suffix(".txt"): calendar_page.text(said),
    }
    changed = tuple(path for path, body in bodies.items() if not files.holds(path, body.encode()))
    return Examined(assigned, findings, found, bodies, changed)


def _said(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
