# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that hangs, can't be reached or has no address is a result too; without an address none is asked."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.msp.ops.plugins.action import standard_scan
from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack

PROBES: list[dict[str, Any]] = [{"id": "p1", "kind": "accounts"}]


class Bare(standard_scan.ActionModule):
    """Without a task: measuring needs none."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def _execute_module(self, **words: Any) -> dict[str, Any]:
        self.sent.append(words)
        return {"packed": pack({"answers": {"p1": {"state": "absent"}}, "platform": "debian-12", "seconds": 0.1})}


class Hanging(Bare):
    def _execute_module(self, **_unused: Any) -> dict[str, Any]:
        threading.Event().wait()
        return {}


class Gone(Bare):
    def _execute_module(self, **_unused: Any) -> dict[str, Any]:
        raise AnsibleConnectionFailure("no route to host")


def test_all_probes_go_to_the_host_in_one_call() -> None:
    action = Bare()

    found = action._measure("srv01.example", PROBES, {"some": "variable"}, has_address=True)

    assert (found.outcome, found.answers, found.platform) == ("ok", {"p1": {"state": "absent"}}, "debian-12")
    (sent,) = action.sent
    assert (sent["module_name"], sent["module_args"]) == ("msp.ops.control_facts", {"probes": PROBES})
    assert sent["task_vars"] == {"some": "variable"}


def test_a_host_that_hangs_is_a_failed_measurement_with_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_scan, "SECONDS", 0.05)

    found = Hanging()._measure("srv01.example", PROBES, {}, has_address=True)

    assert (found.outcome, found.answers) == ("failed", {})
    assert found.error is not None
    assert found.error.code == "MSP-STD-164"


def test_a_host_that_is_not_reached_is_unreachable_and_not_failed() -> None:
    found = Gone()._measure("srv01.example", PROBES, {}, has_address=True)

    assert found.outcome == "unreachable"
    assert found.error is not None
    assert "no route to host" in str(found.error)


@pytest.mark.parametrize("why", ["ring pilot of office: 1 of 1 failed, 0 may", ""])
def test_a_host_that_was_not_begun_is_not_asked_and_it_is_said_why(why: str) -> None:
    action = Bare()

    found = action._answer("srv01.example", PROBES, {}, why, has_address=True)

    assert (found.outcome, action.sent) == ("not attempted", [])
    assert found.error is not None
    assert (found.error.code, found.error.found) == ("MSP-STD-199", why or "the run ended before it was its turn")
    assert action._answer("srv01.example", PROBES, {}, None, has_address=True).outcome == "ok"


def test_a_host_without_an_address_is_never_asked() -> None:
    action = Bare()

    found = action._measure("srv01.example", PROBES, {}, has_address=False)

    assert (found.outcome, action.sent) == ("not attempted", [])
