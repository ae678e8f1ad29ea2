# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run that only looked says it would take, on a real store: by earlier jobs where it has them, else by table."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import standard_quote
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Effort, StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.standards.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import ControlRecord

SLUG = "harbour-dental"
CONTROL = "ssh-root-login"
DAY = dt.timedelta(days=1)


def record(status: str) -> ControlRecord:
    return ControlRecord(CONTROL, "high", status, "permitrootlogin: no", "permitrootlogin: yes")


def measured(*drifting: str, compliant: int = 0) -> dict[str, Any]:
    """A result of msp.ops.standard_scan, as far as a quote reads it."""
    given = catalogue()
    rows = [
        {**replace(record("drift"), control=control, left=given[control].by_hand).as_dict()} for control in drifting
    ]
    return {"outcome": "ok", "drift": rows, "counts": {"drift": len(rows), "compliant": compliant}}


def job(store: Store, number: int, minutes: float, customer: str = SLUG) -> None:
    """An earlier run that brought about one control, and what somebody wrote down for it."""
    at, run = store.now() - (10 + number) * DAY, f"run-{number}"
    rows = (record("fixed").as_dict(),)
    check = StandardCheck(customer, "device:1", "srv01", at, "after", "ok", "linux-server", "1.0", rows, run=run)
    store.record_standard_checks([check])
    made = Effort(f"row-{number}", customer, at, minutes, planned=True, in_contract=True, by="person", run=run)
    store.record_effort([made])


def test_until_enough_was_measured_it_is_by_the_minutes_of_the_controls(store: Store) -> None:
    found = standard_quote.quote(
        store, SLUG, {"srv01": measured(CONTROL, "banner-login"), "srv02": measured(CONTROL, compliant=3)}, "en"
    )

    minutes = 2 * catalogue()[CONTROL].minutes + catalogue()["banner-login"].minutes
    assert (found["machines"], found["changes"], found["on"]) == (2, 3, ["srv01", "srv02"])
    assert found["controls"] == {"banner-login": ["srv01"], CONTROL: ["srv01", "srv02"]}
    assert (found["hours"], found["between"], found["basis"]) == (round(minutes / 60, 2), None, "table")
    assert found["summary"][0].startswith("To bring these 2 machines to their standard takes 3 changes on 2 machines")


def test_enough_jobs_of_this_customer_make_it_measured_with_an_interval(store: Store) -> None:
    by_hand = catalogue()[CONTROL].minutes
    for number in range(5):
        job(store, number, 10.0 * by_hand + number)

    found = standard_quote.quote(store, SLUG, {"srv01": measured(CONTROL)}, "en")

    assert (found["basis"], found["hours"]) == ("measured", round((10 * by_hand + 2) / 60, 2))
    low, high = found["between"]
    assert low < found["hours"] < high


def test_what_only_a_person_can_do_is_not_taken_to_go_at_the_pace_of_runs(store: Store) -> None:
    by_hand = catalogue()[CONTROL].minutes
    for number in range(5):
        job(store, number, 0.5 * by_hand)
    theirs = "accounts-system-used"

    found = standard_quote.quote(store, SLUG, {"srv01": measured(CONTROL, theirs), "srv02": measured(CONTROL)}, "en")

    least = round(catalogue()[theirs].minutes / 60, 2)
    assert found["by_run"] == {"changes": 2, "hours": round(by_hand / 60, 2)}
    assert found["by_hand"] == {"changes": 1, "hours": least}
    assert found["left"] == {theirs: ["srv01"]}
    assert found["between"][0] >= least
    assert found["hours"] == pytest.approx(found["by_run"]["hours"] + least, abs=0.011)


def test_jobs_of_somebody_else_are_none_of_this_customers(store: Store) -> None:
    for number in range(5):
        job(store, number, 600.0, customer="bakkerij-jansen")

    assert standard_quote.quote(store, SLUG, {"srv01": measured(CONTROL)}, "en")["basis"] == "table"


def test_nothing_to_change_is_said(store: Store) -> None:
    found = standard_quote.quote(store, SLUG, {"srv01": measured(compliant=4)}, "en")

    assert (found["summary"], found["changes"], found["hours"]) == (["Nothing has to change."], 0, 0)


@pytest.mark.parametrize("result", [None, {"outcome": "unreachable"}, {"skipped": True}])
def test_who_could_not_be_measured_is_named_and_is_no_part_of_it(store: Store, result: Any) -> None:
    found = standard_quote.quote(store, SLUG, {"srv01": measured(CONTROL), "srv02": result}, "en")

    assert (found["unmeasured"], found["on"]) == (["srv02"], ["srv01"])
    assert found["summary"][-1] == "It leaves out 1 machine of which we know nothing: srv02."


def test_it_is_said_in_the_customers_language(store: Store) -> None:
    found = standard_quote.quote(store, SLUG, {"srv01": measured(CONTROL)}, "nl")

    assert found["summary"][0].startswith("Om deze 1 apparaten aan de standaard")
