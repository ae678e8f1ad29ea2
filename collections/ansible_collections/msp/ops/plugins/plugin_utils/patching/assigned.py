# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which plan each asset has, out of the config contexts that NetBox rendered for them. Pure: no I/O.

A plan is known by its name. NetBox merges config contexts, so what it renders for two assets of one plan may differ:
their checks, reboot and rollback may, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.patching import reading_plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.findings import Finding, warning
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member, some
from ansible_collections.msp.ops.plugins.plugin_utils.register import names


@dataclass(frozen=True, slots=True)
class Assigned:
    """One plan and its assets. own is, by asset key, the plan as rendered for that asset: its checks are its own."""

    plan: Plan
    members: tuple[Member, ...]
    own: Mapping[str, Plan]


@dataclass(frozen=True, slots=True)
class Assignment:
    """All plans of a customer by name, and the assets that have none."""

    plans: tuple[Assigned, ...]
    without: tuple[Member, ...]

    def findings(self) -> list[Finding]:
        """A warning where some assets have a plan and others have none."""
        if not self.plans or not self.without:
            return []
        wanted = "for every contracted server and workstation"
        found = f"none for {len(self.without)}: {some(member.name for member in self.without)}"
        return [warning("MSP-PAT-023", "", wanted, found, "assign them a config context with a plan")]


def assign(rendered: Iterable[tuple[Member, Mapping[str, Any]]]) -> Assignment:
    """Plans and their assets. Raises MspErrors with everything wrong in any of the plans."""
    members: dict[str, list[Member]] = {}
    contents: dict[str, Any] = {}
    without: list[Member] = []
    for member, context in rendered:
        if names.CONTEXT_PATCH_PLAN not in context:
            without.append(member)
            continue
        content = context[names.CONTEXT_PATCH_PLAN]
        # Thousands of assets share a handful of renderings; each is read once.
        key = json.dumps(content, sort_keys=True, default=str)
        contents[key] = content
        members.setdefault(key, []).append(member)
    plans = _read({key: contents[key] for key in sorted(contents)}, members)
    return Assignment(tuple(_joined(plans, members)), tuple(without))


def _read(contents: Mapping[str, Any], members: Mapping[str, list[Member]]) -> dict[str, Plan]:
    plans: dict[str, Plan] = {}
    errors: list[MspError] = []
    for key, content in contents.items():
        try:
            plans[key] = reading_plan.read(content)
        except MspErrors as found:
            where = some(member.name for member in members[key])
            errors += [
                MspError(one.code, one.expected, f"{one.found} (on {where})", one.action) for one in found.errors
            ]
    errors += _unlike(plans, members)
    if errors:
        raise MspErrors(errors)
    return plans


def _unlike(plans: Mapping[str, Plan], members: Mapping[str, list[Member]]) -> Iterable[MspError]:
    """Plans of one name that are not one plan."""
    first: dict[str, str] = {}
    for key, plan in plans.items():
        other = first.setdefault(plan.name, key)
        one, two = plans[other].shared(), plan.shared()
        differing = [field.name for field in fields(Plan) if getattr(one, field.name) != getattr(two, field.name)]
        if differing:
            where = " and ".join(some(member.name for member in members[which][:1]) for which in (other, key))
            yield MspError(
                "MSP-PAT-022",
                f"one patch plan {plan.name}, whatever the asset (but for checks, reboot and rollback)",
                f"different {', '.join(differing)} for {where}",
                "correct the config contexts that NetBox merges for them, or give one of the plans another name",
            )


def _joined(plans: Mapping[str, Plan], members: Mapping[str, list[Member]]) -> Iterable[Assigned]:
    by_name: dict[str, list[str]] = {}
    for key, plan in plans.items():
        by_name.setdefault(plan.name, []).append(key)
    for name in sorted(by_name):
        keys = by_name[name]
        own = {member.key: plans[key] for key in keys for member in members[key]}
        joined = sorted((member for key in keys for member in members[key]), key=lambda member: member.key)
        yield Assigned(plans[keys[0]], tuple(joined), own)
