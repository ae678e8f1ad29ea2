# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who or what started a playbook run, and was it planned. Pure: decides from what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Starter:
    """by: "anna", "awx job 12 (anna)", "awx job 12 (schedule nightly)", "systemd unit msp-audit.service".

    planned is False only where somebody says so: by naming a ticket, or by an event (ours, which is named in the
    variable msp_event, or one that AWX was called for).
    """

    by: str
    kind: str  # person, awx, event or systemd
    planned: bool


def starter(
    environment: Mapping[str, str], extra_vars: Mapping[str, Any], *, login: str, cgroup: str, terminal: bool
) -> Starter:
    """Decide from AWX's extra variables, then systemd's marks, then the login.

    cgroup is the text of /proc/self/cgroup. A desktop sets INVOCATION_ID too, so systemd counts only where the
    process sits in a service and has no terminal.
    """
    ticket = bool(ticket_of(extra_vars) or event_of(extra_vars))
    if job := _awx(extra_vars, "job_id") or (environment.get("JOB_ID") if environment.get("AWX_HOST") else None):
        launched = _awx(extra_vars, "schedule_name")
        person = _awx(extra_vars, "user_name")
        detail = f" (schedule {launched})" if launched else f" ({person})" if person else ""
        called = _awx(extra_vars, "webhook_event_type") or _awx(extra_vars, "webhook_event_guid")
        return Starter(f"awx job {job}{detail}", "awx", not ticket and not called)
    if event := event_of(extra_vars):
        return Starter(f"event {event}", "event", False)
    unit = next((part for line in cgroup.splitlines() if (part := line.rsplit("/", 1)[-1]).endswith(".service")), None)
    if environment.get("INVOCATION_ID") and unit and not terminal:
        return Starter(f"systemd unit {unit}", "systemd", not ticket)
    return Starter(environment.get("SUDO_USER") or login, "person", not ticket)


def ticket_of(extra_vars: Mapping[str, Any]) -> str | None:
    """The ticket that allows work outside the contract, if one was named."""
    ticket = extra_vars.get("out_of_scope_ticket")
    return str(ticket).strip() or None if ticket is not None else None


def event_of(extra_vars: Mapping[str, Any]) -> str | None:
    """The id of the event that started this run, if one did."""
    event = extra_vars.get("msp_event")
    return str(event).strip() or None if event is not None else None


def _awx(extra_vars: Mapping[str, Any], name: str) -> str | None:
    for prefix in ("awx", "tower"):
        if value := extra_vars.get(f"{prefix}_{name}"):
            return str(value)
    return None
