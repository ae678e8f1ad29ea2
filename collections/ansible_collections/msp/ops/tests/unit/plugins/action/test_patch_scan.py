# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that hangs is given up by the scan itself; the controller's arguments do not travel to the host."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.action import patch_scan
from ansible_collections.msp.ops.plugins.module_utils.patching.scan_spec import SPEC

ARGUMENTS = {name: option["default"] for name, option in SPEC.items()}


class Bare(patch_scan.ActionModule):
    """Without a task: measuring needs none."""

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}

    def _execute_module(self, **words: Any) -> dict[str, Any]:
        self.sent = words
        return {"failed": True, "msg": "no"}


class Hanging(Bare):
    def _execute_module(self, **_unused: Any) -> dict[str, Any]:
        threading.Event().wait()
        return {}


def test_a_host_that_hangs_is_a_failed_scan_with_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_scan, "SECONDS", 0.05)

    found = Hanging()._measure("srv01.example", {**ARGUMENTS, "lock_timeout": 0}, {})

    assert (found.outcome, found.found) == ("failed", {})
    assert found.error is not None
    assert found.error.code == "MSP-PAT-038"


def test_what_is_known_of_holes_stays_on_the_controller() -> None:
    action = Bare()
    action._measure("srv01.example", ARGUMENTS, {})

    assert action.sent["module_args"] == {"refresh": False, "lock_timeout": 60, "changelogs": False}
