# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who or what started a run."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.starter import Starter, starter, ticket_of

SERVICE = "0::/system.slice/msp-audit.service\n"
DESKTOP = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/terminal-1.scope\n"


@pytest.mark.parametrize(
    ("environment", "extra_vars", "cgroup", "terminal", "expected"),
    [
        ({}, {}, "", True, Starter("anna", "person", True)),
        ({"SUDO_USER": "bram"}, {}, "", True, Starter("bram", "person", True)),
        ({}, {"out_of_scope_ticket": "T-1"}, "", True, Starter("anna", "person", False)),
        ({}, {"awx_job_id": 12, "awx_user_name": "carla"}, "", False, Starter("awx job 12 (carla)", "awx", True)),
        (
            {},
            {"tower_job_id": 12, "tower_schedule_name": "nightly", "tower_user_name": "carla"},
            "",
            False,
            Starter("awx job 12 (schedule nightly)", "awx", True),
        ),
        (
            {},
            {"awx_job_id": 12, "awx_webhook_event_type": "push"},
            "",
            False,
            Starter("awx job 12", "awx", False),
        ),
        ({"AWX_HOST": "https://awx.example.com", "JOB_ID": "7"}, {}, "", False, Starter("awx job 7", "awx", True)),
        ({"JOB_ID": "7"}, {}, "", False, Starter("anna", "person", True)),
        ({"INVOCATION_ID": "x"}, {}, SERVICE, False, Starter("systemd unit msp-audit.service", "systemd", True)),
        ({"INVOCATION_ID": "x"}, {}, DESKTOP, False, Starter("anna", "person", True)),
        ({"INVOCATION_ID": "x"}, {}, SERVICE, True, Starter("anna", "person", True)),
    ],
)
def test_a_run_names_what_started_it(
    environment: dict[str, str], extra_vars: dict[str, Any], cgroup: str, terminal: bool, expected: Starter
) -> None:
    assert starter(environment, extra_vars, login="anna", cgroup=cgroup, terminal=terminal) == expected


@pytest.mark.parametrize(
    ("given", "ticket"), [({}, None), ({"out_of_scope_ticket": "  "}, None), ({"out_of_scope_ticket": 47}, "47")]
)
def test_an_empty_ticket_is_no_ticket(given: dict[str, Any], ticket: str | None) -> None:
    assert ticket_of(given) == ticket
