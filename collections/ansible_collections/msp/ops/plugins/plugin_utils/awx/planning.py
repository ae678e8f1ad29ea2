# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the declarations, the customers and AWX itself to the steps that the playbook takes. Reads only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.awx import checking, difference, reading
from ansible_collections.msp.ops.plugins.plugin_utils.awx.checking import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.awx.client import Awx
from ansible_collections.msp.ops.plugins.plugin_utils.awx.difference import Step
from ansible_collections.msp.ops.plugins.plugin_utils.awx.model import SECTIONS
from ansible_collections.msp.ops.plugins.plugin_utils.awx.wanted import wanted
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers as customers_in

_WITH_SECRETS = ("credentials", "notification_templates")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is made or changed by section, each as the arguments of its module; removals in the same way."""

    steps: Mapping[str, list[dict[str, Any]]]
    removals: Mapping[str, list[dict[str, Any]]]
    summary: Mapping[str, Mapping[str, list[str]]]
    diff: Mapping[str, Mapping[str, Any]]


def look(
    awx: Awx,
    directory: str,
    customers: Sequence[Customer],
    *,
    most_removed: int,
    secrets: Iterable[str],
    settled: bool,
) -> Outcome:
    """What has to be done. settled: nothing may be left to do, for it was just done."""
    data = checking.read_directory(Path(directory))
    should = wanted(data, customers)
    if absent := reading.groups_missing(awx, {one.instance_group for one in customers if one.instance_group}):
        action = "make it and its nodes in AWX first (docs/awx.md), or correct the customer's entry"
        raise MspError("MSP-AWX-009", "the instance group of each customer in AWX", f"no {', '.join(absent)}", action)
    steps = difference.plan(should, reading.look(awx, data["organization"]["name"]), most_removed=most_removed)
    if settled and steps:
        names = ", ".join(f"{step.section} {step.shown}" for step in steps[:5])
        action = "see with --check --diff what AWX keeps otherwise than it was told"
        raise MspError("MSP-AWX-010", "AWX to hold what it was just told", f"{len(steps)} differences: {names}", action)
    if not settled:
        _demand(steps, set(secrets))
    return Outcome(
        steps=_by_section(steps, "present"),
        removals=_by_section(steps, "absent"),
        summary=difference.summary(steps),
        diff=difference.diff(steps),
    )


def read_customers(file: str | None, *, from_netbox: bool, today: dt.date) -> list[Customer]:
    """The customers of a file, of NetBox (its address and token from the environment), or of both."""
    path = Path(file).expanduser() if file else None
    if path is not None and not path.is_file():
        raise MspError("MSP-AWX-002", "the file of customers", f"nothing at {path}", "correct the path")
    entries = checking.read_customers(path.read_text(encoding="utf-8"), str(path)) if path is not None else []
    return checking.customers(entries, _contracted(today) if from_netbox else None)


def _contracted(today: dt.date) -> dict[str, dict[str, str]]:
    with Register.connect() as register:
        return {
            one.slug: {
                "slug": one.slug,
                "name": one.name,
                "timezone": one.contract.timezone,
                "language": one.contract.language,
            }
            for one in customers_in(register)
            if one.contract is not None and not one.contract.ended(today)
        }


def _by_section(steps: Sequence[Step], state: str) -> dict[str, list[dict[str, Any]]]:
    return {name: [_call(one) for one in steps if (one.section, one.state) == (name, state)] for name in SECTIONS}


def _call(step: Step) -> dict[str, Any]:
    return {**step.arguments, **({"secrets": dict(step.secrets)} if step.section in _WITH_SECRETS else {})}


def _demand(steps: Sequence[Step], known: set[str]) -> None:
    """Before the first write: a credential without its secret would be one that no job can use."""
    needed = {name for step in steps for name in step.secrets.values()}
    if absent := sorted(needed - known):
        action = "give them from a vault, as docs/awx.md shows"
        raise MspError(
            "MSP-AWX-011", "in awx_secrets the secrets that are to be written", f"no {', '.join(absent)}", action
        )
