# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that hangs is given up by the audit itself, before Ansible would end the task."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.msp.ops.plugins.action import asset_audit

ROOT = next(parent for parent in Path(__file__).resolve().parents if (parent / "pyproject.toml").exists())


class Hanging(asset_audit.ActionModule):
    """A host that takes the module and never answers."""

    def __init__(self) -> None:
        """Without a task: measuring needs none."""

    def _execute_module(self, **_unused: Any) -> dict[str, Any]:
        threading.Event().wait()
        return {}


def test_a_host_that_hangs_is_a_failed_audit_with_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asset_audit, "SECONDS", 0.05)

    found = Hanging()._measure("srv01.example", {})

    assert found.outcome == "failed"
    assert found.error is not None
    assert found.error.code == "MSP-AUD-010"


def test_the_playbook_ends_the_task_only_after_the_audit_would_have_given_up() -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / "audit.yml").read_text(encoding="utf-8"))

    (task,) = [task for play in plays for task in play.get("tasks", ()) if "msp.ops.asset_audit" in task]
    assert task["timeout"] > asset_audit.SECONDS
