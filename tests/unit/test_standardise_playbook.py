"""What playbooks/standardise.yml does with hosts that it does not bring to their standard: reads the file only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PLAYBOOK = Path(__file__).resolve().parents[2] / "playbooks" / "standardise.yml"
PLAYS: dict[str, dict[str, Any]] = {play["name"]: play for play in yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8"))}
WORK = PLAYS["Measure, bring about, measure again"]
SKIPPED = PLAYS["Have it on record who was not begun"]


def named(play: dict[str, Any], module: str) -> list[dict[str, Any]]:
    return [task for task in play["tasks"] if module in task]


def test_a_host_with_a_freeze_is_measured_and_left_before_anything_is_brought_about() -> None:
    names = [task["name"] for task in WORK["tasks"]]
    (leave,) = (task for task in named(WORK, "ansible.builtin.meta") if "frozen" in task["when"])

    assert leave["ansible.builtin.meta"] == "end_host"
    assert names.index("Measure") < names.index(leave["name"]) < names.index("Bring it about")


def test_every_host_of_the_queue_that_was_not_begun_is_recorded_before_the_records_are_delivered() -> None:
    order = list(PLAYS)
    (record,) = named(SKIPPED, "msp.ops.standard_scan")

    assert SKIPPED["hosts"] == WORK["hosts"]
    assert record["msp.ops.standard_scan"] == {"phase": "before", "not_begun": "{{ __msp_standard_end.stop }}"}
    assert record["when"] == "__msp_standard_before is not defined and not ansible_check_mode"
    assert (
        order.index(WORK["name"]) < order.index(SKIPPED["name"]) < order.index("Record, and say how the machines stand")
    )
