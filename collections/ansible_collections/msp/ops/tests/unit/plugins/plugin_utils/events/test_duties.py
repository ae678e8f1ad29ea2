# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What follows from an event, by the object as it is now; and that a loop ends."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import work_of
from ansible_collections.msp.ops.plugins.plugin_utils.events import duties
from ansible_collections.msp.ops.plugins.plugin_utils.events.duties import AssetNow, Duty
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import Event
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

NOW = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
TILL = AssetNow("device:1", "till.bakery", "bakery", names.CONTRACTED, held=True)
STATUS = {duties.STATUS_FIELD}


def wanted(verdict: duties.Verdict) -> list[str]:
    return [duty.name for duty in verdict.duties]


@pytest.mark.parametrize(
    ("changed", "asset", "expected"),
    [
        (STATUS, TILL, ["audit", "standardise"]),
        (None, TILL, ["audit", "standardise"]),
        (STATUS, replace(TILL, held=False), ["audit"]),
        (STATUS, replace(TILL, status=names.ENDED), ["offboard"]),
        (STATUS, replace(TILL, status=names.TRACKED), []),
        ({"tags"}, replace(TILL, tags=frozenset({names.TAG_REMEDIATE})), ["standardise"]),
        ({"tags"}, TILL, []),
        ({"tags"}, replace(TILL, tags=frozenset({names.TAG_REMEDIATE}), status=names.TRACKED), []),
        ({"tags"} | STATUS, replace(TILL, tags=frozenset({names.TAG_REMEDIATE})), ["audit", "standardise"]),
        ({"local_context_data"}, TILL, ["patch_calendar", "standard_scan"]),
        ({"name"}, TILL, []),
    ],
)
def test_what_follows_from_a_change_of_an_asset(changed: set[str] | None, asset: AssetNow, expected: list[str]) -> None:
    verdict = duties.of_asset(changed, "updated", asset)
    assert wanted(verdict) == expected
    assert bool(verdict.why) is not bool(expected)


def test_nothing_follows_for_an_asset_that_is_gone_or_nobodys() -> None:
    assert not duties.of_asset(STATUS, "deleted", TILL).duties
    assert not duties.of_asset(STATUS, "updated", None).duties


def test_an_asset_whose_name_is_not_its_own_is_left_to_a_person() -> None:
    verdict = duties.of_asset(STATUS, "updated", replace(TILL, alike=1))
    assert (verdict.duties, verdict.refused) == ((), True)
    assert "2 assets of bakery would be the host till.bakery" in verdict.why


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"msp_patch_plan": {}}, ["patch_calendar"]),
        ({"msp_standard": {}}, ["standard_scan"]),
        ({"msp_standards": {}, "msp_patch_plan": {}}, ["patch_calendar", "standard_scan"]),
        ({"ntp": {}}, []),
        (None, ["patch_calendar", "standard_scan"]),
    ],
)
def test_what_follows_from_a_change_of_a_config_context(data: dict[str, object] | None, expected: list[str]) -> None:
    assert wanted(duties.of_context(data, ["bakery"])) == expected
    assert duties.of_context(data, ["dentist", "bakery"]).each == ("bakery", "dentist")
    mine = duties.of_context(data, ["dentist", "bakery"], "dentist")
    assert (wanted(mine), {duty.customer for duty in mine.duties} <= {"dentist"}) == (expected, True)
    assert wanted(duties.of_context(data, ["bakery"], "dentist")) == []


def alert(**labels: str) -> Event:
    return Event("alertmanager", "host", "till", "firing", NOW, ("f",), labels=labels)


def test_an_alert_names_a_runbook_and_its_parameters() -> None:
    event = alert(msp_runbook="service_down", msp_parameter_unit="nginx.service", job="node")
    (duty,) = duties.of_alert(event, TILL, {"service_down"}).duties
    assert duty == Duty("runbook", "bakery", "device:1", "till.bakery", "service_down", {"unit": "nginx.service"})


@pytest.mark.parametrize(
    ("event", "asset", "words", "refused"),
    [
        (replace(alert(msp_runbook="service_down"), action="resolved"), TILL, "over", False),
        (alert(), TILL, "no runbook", False),
        (alert(msp_runbook="rm"), TILL, "there is no runbook 'rm'", True),
        (alert(msp_runbook="service_down"), None, "two of them", True),
        (alert(msp_runbook="service_down"), replace(TILL, status=names.ENDED), "is ended, not contracted", True),
        (alert(msp_runbook="service_down"), replace(TILL, alike=2), "3 assets", True),
    ],
)
def test_an_alert_of_which_nothing_is_done_says_why(
    event: Event, asset: AssetNow | None, words: str, refused: bool
) -> None:
    verdict = duties.of_alert(event, asset, {"service_down"}, "two of them")
    assert (verdict.duties, verdict.refused) == ((), refused)
    assert words in verdict.why


@given(
    status=st.sampled_from([*names.CONTRACT_STATUSES, names.UNLISTED]),
    tags=st.frozensets(st.sampled_from([names.TAG_REMEDIATE, names.TAG_EXPOSED])),
    held=st.booleans(),
    changed=st.none() | st.frozensets(st.sampled_from(sorted(duties.WATCHED))),
)
def test_nothing_is_ever_done_on_a_host_that_is_not_contracted_but_to_withdraw_access(
    status: str, tags: frozenset[str], held: bool, changed: frozenset[str] | None
) -> None:
    asset = replace(TILL, status=status, tags=tags, held=held)
    done = set(wanted(duties.of_asset(changed, "updated", asset)))
    if status != names.CONTRACTED:
        assert done <= {duties.OFFBOARD}
    if duties.OFFBOARD in done:
        assert status == names.ENDED
    if not held:
        assert not done & {duties.STANDARDISE, duties.DRIFT_CHECK}


def outcome(hours: float, duty: str = "standardise", asset: str = "device:1") -> EventOutcome:
    work = ({"duty": duty, "asset": asset},)
    return EventOutcome("e", "bakery", asset, NOW - dt.timedelta(hours=hours), "done", "", work)


def test_what_sets_itself_off_again_ends_after_six_times_a_day() -> None:
    duty = Duty("standardise", "bakery", "device:1", "till.bakery")
    five = [outcome(hours) for hours in range(1, 6)]
    others = [outcome(1, "audit"), outcome(1, asset="device:2"), outcome(25)]
    assert duties.worn_out(duty, [*five, *others], NOW) is None
    assert "6 times" in str(duties.worn_out(duty, [*five, outcome(20)], NOW))
    assert duties.worn_out(replace(duty, name="runbook"), [outcome(1, "runbook")] * 9, NOW) is None


def test_a_duty_runs_its_playbook_on_its_host_and_nowhere_else() -> None:
    audit = work_of(Duty("audit", "bakery", "device:1", "till.bakery"), "abc", "pages")
    assert (audit.playbook, audit.limit) == ("playbooks/audit.yml", "till.bakery,localhost")
    assert audit.variables == {"msp_event": "abc", "customer": "bakery", "report_directory": "pages"}

    runbook = Duty("runbook", "bakery", "device:1", "till.bakery", "disk_full", {"mount": "/"})
    assert work_of(runbook, "abc", "p").playbook == "playbooks/runbooks/disk_full.yml"
    said = work_of(runbook, "abc", "p").variables
    assert (said["target"], said["msp_runbook_parameters"]) == ("till.bakery", {"mount": "/"})
    unreachable = replace(runbook, runbook="host_unreachable", parameters={})
    assert work_of(unreachable, "abc", "p").limit == "customer_bakery,localhost"

    assert work_of(Duty("patch_calendar", "bakery"), "abc", "p").limit == ""
    assert work_of(Duty("standard_scan", "bak-ery"), "abc", "p").limit == "customer_bak_ery,localhost"
