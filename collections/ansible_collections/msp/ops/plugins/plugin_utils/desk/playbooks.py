# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which playbook does a duty, on which hosts, with which variables. Pure.

Variables are read by Ansible as templates, so nothing of an event goes into one that has not been checked: names of
customers and hosts are made of letters that no template has, and parameters fit the forms of their runbook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.events import duties
from ansible_collections.msp.ops.plugins.plugin_utils.events.duties import Duty
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.names import group_part

PLAYBOOKS = {
    duties.AUDIT: "playbooks/audit.yml",
    duties.STANDARDISE: "playbooks/standardise.yml",
    duties.OFFBOARD: "playbooks/offboard.yml",
    duties.CALENDAR: "playbooks/patch_calendar.yml",
    duties.DRIFT_CHECK: "playbooks/standard_scan.yml",
    duties.RUNBOOK: "playbooks/runbooks/{runbook}.yml",
}
# They tell the controller's plays from the hosts', and both are wanted.
LOCALHOST = "localhost"


@dataclass(frozen=True, slots=True)
class Work:
    """A run of a playbook. limit is empty for a playbook that has the controller's plays alone."""

    playbook: str
    limit: str
    variables: Mapping[str, Any] = field(default_factory=dict)


def work_of(duty: Duty, event: str, reports: str) -> Work:
    """The run that does a duty. event is the id of what asked for it; reports the directory for pages."""
    variables: dict[str, Any] = {"msp_event": event, "customer": duty.customer}
    if duty.name in (duties.AUDIT, duties.CALENDAR):
        variables["report_directory"] = reports
    if duty.name == duties.RUNBOOK:
        variables |= {"target": duty.host, "msp_runbook_parameters": dict(duty.parameters)}
    playbook = PLAYBOOKS[duty.name].format(runbook=duty.runbook)
    if duty.name == duties.CALENDAR:
        return Work(playbook, "", variables)
    everybody = f"customer_{group_part(duty.customer)}"
    # Neighbours look at a host that can't be reached.
    where = everybody if duty.runbook == "host_unreachable" else duty.host or everybody
    return Work(playbook, f"{where},{LOCALHOST}", variables)
