"""What playbooks/rotate.yml and playbooks/standardise.yml ask of a machine, by what its measurement says of it.

With real logins and real passwords: tests/test_local_admin.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.standards import catalogue, model, scanning

ROOT = Path(__file__).resolve().parents[2]
ASSET = Subject("srv01", "harbour", "device:1")
AT = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
WAIVER = model.Waiver(
    reason="The owner keeps it",
    owner="Noor",
    expires=dt.date(2027, 6, 1),
    agreed=model.Agreement("A. Bakker", dt.date(2026, 1, 1), "mail"),
)
NOTED, TESTED = "local-admin-noticed", "break-glass-tested"
HELD = {"tested_days": 31}
CASES = [
    ("debian-12", (), HELD),
    ("ubuntu-24.04", (), HELD),
    # There PAM's files are authselect's: nothing notes a login, so none can be waited for.
    ("rhel-9", (), {}),
    ("debian-12", (NOTED,), {}),
    ("debian-12", (TESTED,), {}),
]


def measured(platform: str, waived: tuple[str, ...]) -> dict[str, Any]:
    """The result of msp.ops.standard_scan of a host that has all controls of local passwords."""
    held = [
        model.AssignedControl(
            control=one,
            parameters={name: parameter.default for name, parameter in one.parameters.items()},
            waiver=WAIVER if one.id in waived else None,
            chosen=frozenset(),
        )
        for one in catalogue.catalogue().values()
        if one.role == model.LOCAL_ADMIN
    ]
    assigned = model.Assigned("keys", "1", "linux-server", tuple(held), ())
    answer = scanning.Answer("ok", {}, platform, 0.1)
    _check, records = scanning.check(ASSET, assigned, answer, AT, AT.date(), phase="before")
    return scanning.told(assigned, answer, records, None, today=AT.date(), diff=False)


def plays(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def found(within: Any, name: str) -> Iterator[Any]:
    """What is said of a name, wherever that is done."""
    if isinstance(within, dict):
        yield from [within[name]] if name in within else []
    for one in within.values() if isinstance(within, dict) else within if isinstance(within, list) else []:
        yield from found(one, name)


def rendered(text: str, variables: Mapping[str, Any]) -> Any:
    """As Ansible does it. What is omitted is "(omitted)"."""
    templar = Templar(DataLoader(), variables={"omit": "(omitted)", **variables})
    return templar.template(trust_as_template(text))


def asked(module: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    days = rendered(module["tested_days"].strip(), variables)
    return {} if days == "(omitted)" else {"tested_days": days}


@pytest.mark.parametrize(("platform", "waived", "expected"), CASES)
def test_a_login_is_waited_for_where_the_host_is_held_to_noting_it_and_nowhere_else(
    platform: str, waived: tuple[str, ...], expected: dict[str, Any]
) -> None:
    """Else it would get a new password, and an error, every night."""
    nightly = plays("playbooks/rotate.yml")
    before = {"__msp_rotation_before": measured(platform, waived)}
    for name in ("__msp_rotation_all", "__msp_rotation_held"):
        before[name] = rendered(next(found(nightly, name)), before)
    (module,) = [one for one in found(nightly, "msp.ops.local_admin") if one["purpose"] == "break-glass"]
    assert asked(module, before) == expected

    whole = plays("playbooks/standardise.yml")
    scanned = {"__msp_standard_before": measured(platform, waived)}
    scanned["__msp_standard_local_admin"] = rendered(next(found(whole, "__msp_standard_local_admin")), scanned)
    role = {"msp_local_admin_parameters": rendered(next(found(whole, "msp_local_admin_parameters")), scanned)}
    tasks = plays("roles/msp_local_admin/tasks/local_admin.yml")
    (module,) = [one for one in found(tasks, "msp.ops.local_admin") if one["purpose"] == "break-glass"]
    assert asked(module, role) == expected


def test_a_machine_that_could_not_be_measured_makes_the_run_fail_and_the_next_ones_wait() -> None:
    """By the playbook's conditions, of a measurement that failed, one that never came, and one that is well."""
    nightly = plays("playbooks/rotate.yml")
    (keep,) = [one for one in nightly[2]["tasks"] if one["name"] == "Keep that a host could not be measured"]
    (leave,) = [one for one in nightly[2]["tasks"] if one["name"] == "Leave a host alone that could not be measured"]
    failed = {"outcome": "failed", "error": "MSP-STD-163: no right to become root", "msg": "MSP-STD-163"}
    timed_out = {"failed": True, "msg": "The command action failed to execute in the expected time frame"}
    for result, kept, left in (
        (failed, True, True),
        (timed_out, True, True),
        ({"outcome": "unreachable"}, False, True),
        ({"outcome": "ok"}, False, False),
    ):
        told = {"__msp_rotation_before": result, "inventory_hostname": "srv01"}
        assert rendered("{{ " + keep["when"] + " }}", told) is kept
        assert rendered("{{ " + leave["when"] + " }}", told) is left
        if kept:
            said = rendered(keep["ansible.builtin.set_fact"]["__msp_rotation_failed"], told)
            assert str(result.get("error", result["msg"])) in said and said.startswith("srv01 ")
