"""Which plan each asset has, out of what NetBox rendered for it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import assign
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import UnitCheck
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import data, member


def context(**changed: Any) -> dict[str, Any]:
    return {"msp_patch_plan": data(**changed), "ntp": ["192.0.2.1"]}


def test_assets_are_gathered_by_the_name_of_their_plan() -> None:
    rendered = [(member(3), context(name="b")), (member(2), context(name="a")), (member(1), context(name="b"))]
    found = assign(rendered)
    assert [(one.plan.name, [there.key for there in one.members]) for one in found.plans] == [
        ("a", ["device:2"]),
        ("b", ["device:1", "device:3"]),
    ]
    assert (found.without, found.findings()) == ((), [])


def test_checks_reboot_and_rollback_are_an_assets_own() -> None:
    checks = {"after": [{"unit": "nginx.service"}]}
    found = assign([(member(1), context(checks=checks, reboot="never", rollback="none")), (member(2), context())])
    (one,) = found.plans
    assert one.own["device:1"].checks.after == (UnitCheck("nginx.service"),)
    assert (one.own["device:1"].reboot, one.own["device:2"].reboot) == ("never", "if_needed")
    assert one.own["device:2"].checks.after == ()


def test_two_plans_of_one_name_are_an_error_that_names_what_differs() -> None:
    rendered = [(member(1), context()), (member(2), context(**{"rates.at_once": 3, "windows.night.start": "23:00"}))]
    with pytest.raises(MspErrors) as raised:
        assign(rendered)
    (error,) = raised.value.errors
    assert error.code == "MSP-PAT-022"
    assert "different windows, rates for " in error.found and "host01" in error.found and "host02" in error.found


def test_what_is_wrong_in_any_plan_is_told_at_once_with_the_assets() -> None:
    rendered = [
        (member(1), context(reboot="x")),
        (member(2), context(rollback="y")),
        (member(3), {"msp_patch_plan": None}),
    ]
    with pytest.raises(MspErrors) as raised:
        assign(rendered)
    found = sorted(error.found for error in raised.value.errors)
    assert found == ["nothing (on host03)", "x (on host01)", "y (on host02)"]


def test_assets_without_a_plan_are_a_warning_where_others_have_one() -> None:
    found = assign([(member(1), context()), (member(2), {}), (member(3), {"ntp": []})])
    (finding,) = found.findings()
    assert (finding.level, finding.why.code) == ("warning", "MSP-PAT-023")
    assert finding.why.found == "none for 2: host02, host03"
    assert assign([(member(2), {})]).findings() == []
