# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that hangs, can't be reached or has no address is a result too; without an address none is asked."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.msp.ops.plugins.action import access_scan
from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import TILL


class Bare(access_scan.ActionModule):
    """Without a task: measuring needs none."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def _execute_module(self, **words: Any) -> dict[str, Any]:
        self.sent.append(words)
        found = {"answers": {"access": {"state": "ok", "value": TILL}}, "platform": "debian-12", "seconds": 0.1}
        return {"packed": pack(found)}


class Hanging(Bare):
    def _execute_module(self, **_unused: Any) -> dict[str, Any]:
        threading.Event().wait()
        return {}


class Gone(Bare):
    def _execute_module(self, **_unused: Any) -> dict[str, Any]:
        raise AnsibleConnectionFailure("no route to host")


def test_a_host_is_asked_in_one_call() -> None:
    action = Bare()

    found = action._answer("srv01.example", {"some": "variable"}, has_address=True)

    assert (found.outcome, found.answers) == ("ok", TILL)
    (sent,) = action.sent
    assert sent["module_name"] == "msp.ops.control_facts"
    assert sent["module_args"] == {"probes": [{"id": "access", "kind": "access"}]}


def test_a_host_that_hangs_is_a_failed_look_with_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_scan, "SECONDS", 0.05)

    found = Hanging()._answer("srv01.example", {}, has_address=True)

    assert (found.outcome, found.answers) == ("failed", {})
    assert found.error is not None and found.error.code == "MSP-ACC-002"


def test_a_host_that_is_not_reached_is_unreachable_and_not_failed() -> None:
    found = Gone()._answer("srv01.example", {}, has_address=True)

    assert found.outcome == "unreachable"
    assert found.error is not None and "no route to host" in str(found.error)


def test_a_host_without_an_address_is_never_asked() -> None:
    action = Bare()

    found = action._answer("srv01.example", {}, has_address=False)

    assert (found.outcome, action.sent) == ("not attempted", [])
