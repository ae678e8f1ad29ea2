# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which services a runbook starts, and which it leaves to a person, as systemd shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Output
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, service_down, units
from ansible_collections.msp.ops.plugins.module_utils.runbooks.units import Unit
from ansible_collections.msp.ops.tests.unit.plugins.module_utils.runbooks.made_tools import made_tools

NAME = "shop.service"
FAILED = {
    **{"LoadState": "loaded", "ActiveState": "failed", "SubState": "failed", "UnitFileState": "enabled"},
    **{"Result": "exit-code", "ExecMainStatus": "3", "NRestarts": "0", "MainPID": "0", "Type": "exec"},
    **{"RemainAfterExit": "no", "ConditionResult": "yes", "AssertResult": "yes", "ActiveEnterTimestamp": "Fri"},
    **{"WantedBy": "multi-user.target", "InvocationID": "a1", "Requires": "", "BindsTo": "", "Requisite": ""},
}
UP = {"ActiveState": "active", "SubState": "running", "Result": "success", "MainPID": "77"}
GIVEN = {"unit": NAME, "attempts": 1, "stable_seconds": 0, "left_alone": []}


def text(**changes: str) -> str:
    return "".join(f"{name}={value}\n" for name, value in {**FAILED, **changes}.items())


def unit(**changes: str) -> Unit:
    return units.parse(NAME, text(**changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"LoadState": "not-found"}, "there is no service"),
        ({"LoadState": "masked"}, "is masked"),
        ({"LoadState": "bad-setting"}, "mend its file"),
        ({"UnitFileState": "disabled", "WantedBy": ""}, "took it out of use"),
        ({"UnitFileState": "static", "WantedBy": ""}, "took it out of use"),
        ({"Type": "oneshot"}, "a job that runs once"),
        ({"ActiveState": "inactive", "Result": "success", "ConditionResult": "no"}, "a condition"),
    ],
)
def test_what_a_person_took_out_of_use_or_has_to_judge_is_left(changes: dict[str, str], why: str) -> None:
    assert why in service_down.not_ours(unit(**changes), {}, [])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Result": "start-limit-hit"},
        {"ActiveState": "inactive", "Result": "success"},
        {"ActiveState": "activating", "SubState": "auto-restart"},
        {"UnitFileState": "static", "WantedBy": "other.service"},
    ],
)
def test_what_is_meant_to_run_is_started(changes: dict[str, str]) -> None:
    assert service_down.not_ours(unit(**changes), {}, []) == ""
    assert not unit(**changes).up and not service_down.done_well(unit(**changes)) and not unit(**changes).moving


def test_what_the_customer_lists_and_what_lacks_its_needs_is_left() -> None:
    assert "the customer's list" in service_down.not_ours(unit(), {}, [NAME])
    broken = {"db.service": unit()._replace(name="db.service")}
    assert "needs db.service, which is failed" in service_down.not_ours(unit(), broken, [])
    assert service_down.not_ours(unit(), {"db.service": unit(**UP)}, []) == ""


@pytest.mark.parametrize("changes", [{"TriggeredBy": "shop.timer"}, {"Type": "oneshot"}])
def test_a_job_that_came_to_its_end_is_not_down(changes: dict[str, str]) -> None:
    assert service_down.done_well(unit(ActiveState="inactive", Result="success", **changes))
    assert not service_down.done_well(unit(**changes))


@pytest.mark.thorough
@given(st.fixed_dictionaries({}, optional={name: st.text("abc-=\n ", max_size=8) for name in FAILED}))
def test_whatever_systemd_says_only_what_is_loaded_and_wanted_is_ever_started(changes: dict[str, str]) -> None:
    found = unit(**changes)
    if not service_down.not_ours(found, {}, []):
        assert found.load == "loaded" and (found.wanted or found.enabled in service_down._ON) and not found.once
    assert all("\n" not in line for line in service_down.tell(found))


@pytest.mark.parametrize(("check", "outcome"), [(True, answer.WOULD_MEND), (False, answer.GAVE_UP)])
def test_one_that_does_not_stay_up_is_given_up_with_how_it_ended_and_a_preview_starts_nothing(
    tmp_path: Path, check: bool, outcome: str
) -> None:
    said = {
        "systemctl show": Output(0, text()),
        "systemctl reset-failed": Output(0),
        "systemctl start": Output(0),
        "journalctl": Output(0, "token=abc123 lost\nno database\n"),
    }
    tools, programs = made_tools(tmp_path, said=said, check=check)

    found = service_down.act(tools, GIVEN)

    assert found.outcome == outcome
    assert any("start" in one.split() for one in programs.ran) is not check
    assert 'it last said: "token=*** lost"' in found.found
    assert check or "ended with status 3" in found.reason


def test_another_process_after_the_start_is_no_success(tmp_path: Path) -> None:
    """systemd starts it again and again by itself: it is up whenever one looks, and never the same."""
    tools, programs = made_tools(tmp_path)
    shown = iter([text(**UP), text(**{**UP, "MainPID": "78"})])
    programs.run = lambda *_argv, **_more: Output(0, next(shown))  # type: ignore[method-assign]

    assert "it ended again" in units.ended_again(tools, NAME, 5)


def test_a_host_where_systemctl_fails_is_an_error_and_not_a_service_that_is_up(tmp_path: Path) -> None:
    tools, _programs = made_tools(tmp_path, said={"systemctl show": Output(1, "", "no bus")})
    with pytest.raises(Exception, match="MSP-RUN-020"):
        service_down.act(tools, GIVEN)
