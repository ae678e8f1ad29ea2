"""Can a plan work: what validation says, plainly, and what it does not say of a plan that can."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching.course import Estimate, course, first_begin
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feasible import errors, examine, faults
from ansible_collections.msp.ops.plugins.plugin_utils.patching.findings import Finding
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.windows import openings
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import (
    AMSTERDAM,
    data,
    local,
    member,
    plan,
    utc,
)

NOW = utc("2026-01-05T08:00")
MEMBERS = [member(1, "msp-ring-pilot"), *(member(number) for number in range(2, 9))]
HALF_HOUR = dt.timedelta(minutes=30)


def judged(found: Plan, *, minutes: int = 30) -> list[Finding]:
    return examine(found, MEMBERS, NOW, dt.timedelta(minutes=minutes))


def one(found: Plan, *, minutes: int = 30) -> Finding:
    (only,) = judged(found, minutes=minutes)
    return only


def window(**changed: Any) -> dict[str, Any]:
    return {**data()["windows"]["night"], **changed}


def test_a_plan_that_works_has_no_findings() -> None:
    assert judged(plan()) == []


@pytest.mark.parametrize("cutoff", ["4h", "5h"])
def test_a_cutoff_that_leaves_nothing_of_its_window_is_an_error(cutoff: str) -> None:
    found = [
        finding for finding in judged(plan(**{"windows.night.cutoff": cutoff})) if finding.why.code == "MSP-PAT-014"
    ]
    assert [(finding.level, finding.path) for finding in found] == [("error", "msp_patch_plan.windows.night")]
    assert f"cutoff {cutoff}, duration 4h" in found[0].why.found


def test_a_window_that_is_shorter_than_one_host_needs_is_an_error() -> None:
    found = judged(plan(), minutes=300)
    assert ("MSP-PAT-014", "error") in [(finding.why.code, finding.level) for finding in found]


def test_a_cutoff_that_is_shorter_than_one_host_needs_is_a_warning() -> None:
    found = one(plan(**{"windows.night.cutoff": "20m"}))
    assert (found.level, found.why.code) == ("warning", "MSP-PAT-014")


def test_a_class_whose_windows_have_ended_is_an_error() -> None:
    found = judged(plan(**{"windows.night": window(rule="FREQ=WEEKLY;BYDAY=TU;UNTIL=20251231")}))
    assert {(finding.level, finding.why.code) for finding in found} == {("error", "MSP-PAT-015")}
    assert {finding.path for finding in found} == {"msp_patch_plan.classes.security", "msp_patch_plan.classes.routine"}


def test_a_batch_that_has_ended_is_an_error() -> None:
    found = one(plan(**{"batches.monthly.rule": "FREQ=MONTHLY;BYDAY=3TU;UNTIL=20251231"}))
    assert (found.level, found.why.code, found.path) == ("error", "MSP-PAT-016", "msp_patch_plan.classes.routine.batch")


def test_soaks_that_do_not_fit_before_a_deadline_are_an_error_with_the_worst_day() -> None:
    found = one(plan(**{"rings.0.soak": "12d"}))
    assert (found.level, found.why.code) == ("error", "MSP-PAT-017")
    assert found.path == "msp_patch_plan.classes.security.deadline"
    # On Friday the next window is on Tuesday; twelve days after that is a Sunday. Of seven hosts one goes at a time: on
    # the Tuesday six, on the Thursday the last. So it is all year; where the clocks go back it is an hour worse.
    assert "what becomes available on 2026-10-09 is due on 2026-10-23 and done on 2026-10-29" in found.why.found
    assert "so on 365 of 365 days" in found.why.found


def test_soaks_that_fit_on_most_days_only_are_an_error_too() -> None:
    found = one(plan(**{"rings.0.soak": "10d", "rates.at_once": "100%"}))
    assert found.why.code == "MSP-PAT-017"
    assert "so on 365" not in found.why.found


def test_what_comes_a_minute_after_a_window_closed_is_looked_at_too() -> None:
    weekly = {"windows.night": window(rule="FREQ=WEEKLY;BYDAY=TU", start="08:00", duration="2h", cutoff="1h")}
    made = {**weekly, "rings.0.soak": "6d", "rates.at_once": "100%"}
    # The pilot's window is a week after the one that was missed, and broad's another: thirteen days and 23.5 hours.
    found = one(plan(**made, **{"classes.security.deadline": "335h"}))
    assert "so on 52 of 365 days" in found.why.found
    # Where the clocks go back in between it is an hour more than two weeks have by the clock.
    found = one(plan(**made, **{"classes.security.deadline": "14d"}))
    assert "2026-10-13 is due on 2026-10-27 and done on 2026-10-27 at the earliest; so on 2 of" in found.why.found
    assert judged(plan(**made, **{"classes.security.deadline": "15d"})) == []


def test_what_comes_a_minute_after_a_batch_was_taken_is_looked_at_too() -> None:
    found = one(plan(**{"classes.routine.deadline": "49d"}))
    assert (found.why.code, found.path) == ("MSP-PAT-017", "msp_patch_plan.classes.routine.deadline")
    # 8 September is a minute too late for the batch of the 15th, and there are five weeks to the next.
    assert "2026-09-08 is due on 2026-10-27 and done on 2026-10-27 at the earliest; so on 4 of" in found.why.found
    assert judged(plan(**{"classes.routine.deadline": "50d"})) == []


def test_a_monthly_window_does_not_keep_a_deadline_of_two_weeks() -> None:
    found = one(plan(**{"windows.night": window(rule="FREQ=MONTHLY;BYDAY=1TU"), "classes.routine.deadline": "180d"}))
    assert (found.why.code, found.path) == ("MSP-PAT-017", "msp_patch_plan.classes.security.deadline")


def test_an_emergency_that_soaks_as_long_as_the_rest_misses_its_two_days() -> None:
    found = one(plan(**{"rings.0.emergency_soak": "47h"}))
    assert (found.why.code, found.path) == ("MSP-PAT-017", "msp_patch_plan.classes.emergency.deadline")


def test_a_ring_that_is_too_large_for_its_windows_misses_its_deadline() -> None:
    short = {"windows.night": window(duration="1h", cutoff="30m"), "classes.routine.deadline": "120d"}
    assert one(plan(**short, **{"rates.at_once": 1})).why.code == "MSP-PAT-017"
    assert judged(plan(**short, **{"rates.at_once": "100%"})) == []


def test_a_freeze_on_which_deadlines_lie_is_a_warning_at_the_freeze() -> None:
    freezes = [
        {"from": "2026-03-02", "until": "2026-03-04", "reason": "Stocktaking", "emergency": "refused"},
        {"from": "2026-07-13", "until": "2026-08-02", "reason": "Summer", "emergency": "allowed"},
    ]
    found = judged(plan(freezes=freezes, **{"classes.routine.deadline": "90d", "rates.at_once": "100%"}))
    # Three days without emergencies are longer than their deadline, and three weeks than that of security updates.
    assert [(finding.level, finding.why.code, finding.path) for finding in found] == [
        ("warning", "MSP-PAT-018", "msp_patch_plan.freezes[0]"),
        ("warning", "MSP-PAT-018", "msp_patch_plan.freezes[1]"),
    ]
    assert "class emergency" in found[0].why.expected and "class security" in found[1].why.expected
    assert "2026-07-08 is due on 2026-07-22 and done on 2026-08-04" in found[1].why.found


def test_of_two_freezes_only_the_one_that_holds_a_class_back_is_told() -> None:
    freezes = [
        {"from": "2026-03-01", "until": "2026-03-05", "reason": "Fair", "emergency": "allowed"},
        {"from": "2026-03-02", "until": "2026-03-04", "reason": "Stocktaking", "emergency": "refused"},
    ]
    found = one(plan(freezes=freezes, **{"rates.at_once": "100%"}))
    assert (found.path, "class emergency" in found.why.expected) == ("msp_patch_plan.freezes[1]", True)


def test_an_exclusion_that_expired_is_a_warning_from_the_day_after() -> None:
    def excluded(day: str) -> list[str]:
        exclusion = {"package": "x", "reason": "r", "owner": "o", "expires": day}
        return [finding.why.code for finding in judged(plan(exclusions=[exclusion]))]

    assert (excluded("2026-01-05"), excluded("2026-01-04")) == ([], ["MSP-PAT-019"])


def test_a_window_and_a_batch_that_no_class_names_are_warnings() -> None:
    batches = {**data()["batches"], "weekly": {"rule": "FREQ=DAILY", "start": "12:00"}}
    found = judged(plan(batches=batches, windows={"night": window(), "day": window()}))
    assert {(finding.level, finding.why.code, finding.path) for finding in found} == {
        ("warning", "MSP-PAT-020", "msp_patch_plan.windows.day"),
        ("warning", "MSP-PAT-020", "msp_patch_plan.batches.weekly"),
    }


def test_assets_that_the_plan_names_and_that_are_not_there_are_a_warning() -> None:
    apart = [{"name": "pair", "assets": ["host02", "device:3", "host99"]}]
    found = one(plan(apart=apart))
    assert (found.level, found.why.code, found.why.found) == ("warning", "MSP-PAT-021", "host99")


def test_errors_come_first() -> None:
    apart = [{"name": "pair", "assets": ["host02", "host99"]}]
    found = judged(plan(apart=apart, **{"rings.0.soak": "12d"}))
    assert [finding.level for finding in found] == ["error", "warning"]
    assert errors(found) == found[:1]


@pytest.mark.parametrize(
    "changed",
    [
        {"rings.0.soak": "12d"},
        {"windows.night.cutoff": "5h"},
        {"freezes": [{"from": "2026-03-02", "until": "2026-06-01", "reason": "Fair", "emergency": "refused"}]},
        {},
    ],
)
def test_the_faults_of_a_plan_are_the_errors_of_its_examination(changed: dict[str, Any]) -> None:
    found = plan(**changed)
    told = [str(finding.why) for finding in faults(found, MEMBERS, NOW, HALF_HOUR)]
    assert told == [str(finding.why) for finding in errors(judged(found))]


# -- the course of a rollout --------------------------------------------------------------------------------------


def legs(
    found: Plan, sizes: dict[str, int] | None = None, begin: str = "2026-01-06T12:00"
) -> list[tuple[str, str, str]]:
    opened = openings(found, "security", local("2026-01-06T00:00"), local("2026-02-06T00:00"))
    way = course(found, "security", local(begin), opened, Estimate(HALF_HOUR, sizes))
    times = [(leg.ring.name, leg.start.astimezone(AMSTERDAM), leg.end.astimezone(AMSTERDAM)) for leg in way.legs]
    return [(name, f"{start:%d %H:%M}", f"{end:%d %H:%M}") for name, start, end in times]


def test_a_ring_begins_in_the_first_window_after_the_soak_of_the_one_before() -> None:
    # The pilot is done on Tuesday at 22:30, so its day of soak is over on Wednesday, and Thursday is the next window.
    assert legs(plan()) == [("pilot", "06 22:00", "06 22:30"), ("broad", "08 22:00", "08 22:30")]


def test_hosts_of_a_ring_go_in_turns_and_into_the_next_window_where_they_must() -> None:
    made = plan(**{"rates.at_once": 2})
    # Window of four hours, closed after three: six turns of half an hour, twelve hosts.
    assert legs(made, {"pilot": 1, "broad": 12})[1] == ("broad", "08 22:00", "09 01:00")
    assert legs(made, {"pilot": 1, "broad": 13})[1] == ("broad", "08 22:00", "13 22:30")


def test_a_ring_without_hosts_is_passed_over_without_a_soak() -> None:
    assert legs(plan(), {"pilot": 0, "broad": 4}) == [("broad", "06 22:00", "07 00:00")]


def test_a_host_that_would_not_be_done_before_the_window_ends_is_not_begun() -> None:
    made = plan(**{"windows.night.cutoff": "0m", "windows.night.duration": "80m", "rates.at_once": 1})
    assert legs(made, {"pilot": 3, "broad": 0}) == [("pilot", "06 22:00", "08 22:30")]


@pytest.mark.parametrize(
    ("ready", "begun"),
    [
        ("2026-01-06T12:00", "2026-01-06T22:00"),
        ("2026-01-06T22:00", "2026-01-06T22:00"),
        ("2026-01-06T23:10", "2026-01-06T23:10"),
        ("2026-01-07T01:30", "2026-01-08T22:00"),
        ("2026-02-20T12:00", None),
    ],
)
def test_what_is_ready_before_an_opening_has_the_course_of_what_is_ready_when_it_opens(
    ready: str, begun: str | None
) -> None:
    made = plan(**{"rates.at_once": 2})
    opened = openings(made, "security", local("2026-01-06T00:00"), local("2026-02-06T00:00"))
    found = first_begin(opened, local(ready))
    assert found == (local(begun) if begun else None)
    if found is not None:
        estimate = Estimate(HALF_HOUR, {"pilot": 1, "broad": 12})
        ways = [course(made, "security", moment, opened, estimate) for moment in (local(ready), found)]
        assert ways[0] == ways[1]


def test_a_course_that_begins_within_a_window_begins_at_once() -> None:
    assert legs(plan(), begin="2026-01-06T23:10")[0] == ("pilot", "06 23:10", "06 23:40")
