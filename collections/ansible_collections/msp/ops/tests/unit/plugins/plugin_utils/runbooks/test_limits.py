# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A runbook runs so often on an asset and a day; one that does not help stops everywhere; a customer may stop it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import RUNBOOK_OUTCOMES, RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.limits import Limits, refused, stopped

NOW = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
LIMITS = Limits(per_asset_a_day=3, failures=4, within_hours=6)


def run(
    hours: float,
    asset: str = "device:1",
    outcome: str | None = "mended",
    customer: str = "bakery",
    *,
    did: bool = True,
) -> RunbookRun:
    at = NOW - dt.timedelta(hours=hours)
    body = {"did": ["something"]} if did else {}
    key = f"{hours}{asset}{customer}"
    return RunbookRun(key, customer, asset, "till", "disk_full", at, outcome=outcome, body=body)


def asked(*before: RunbookRun) -> str | None:
    return refused(LIMITS, "bakery", "device:1", before, NOW)


def test_the_fourth_run_on_an_asset_within_a_day_is_refused_and_says_how_often_it_ran() -> None:
    assert asked(run(1), run(2)) is None
    assert asked(run(1), run(2), run(25)) is None
    assert "3 times on this asset" in str(asked(run(1), run(2), run(23)))


def test_a_run_on_another_asset_or_one_that_found_nothing_to_do_uses_nothing_up() -> None:
    assert (
        asked(run(1), run(2), run(3, "device:2"), run(4, customer="dentist"), run(5, outcome="nothing_to_do")) is None
    )


def test_a_run_whose_controller_died_counts_on_its_asset_at_once_and_as_a_failure_after_an_hour() -> None:
    assert asked(*(run(0.1 * number, outcome=None) for number in (1, 2, 3))) is not None
    died = [run(2, f"device:{number}", None) for number in (2, 3, 4, 5)]
    assert "did not help at 4 assets" in str(asked(*died))
    assert asked(*(replace(one, at=NOW - dt.timedelta(minutes=30)) for one in died)) is None


def test_a_runbook_that_does_not_help_at_several_assets_stops_everywhere_for_that_time() -> None:
    failed = [run(1, f"device:{number}", "gave_up") for number in (2, 3, 4)]
    assert asked(*failed) is None
    assert "did not help at 4 assets" in str(asked(*failed, run(2, "device:2", "failed", "dentist")))
    assert asked(*failed, run(7, "device:9", "failed")) is None
    assert asked(*failed, run(1, "device:2", "failed")) is None  # the same asset again


def test_what_could_do_nothing_says_nothing_against_the_runbook_and_is_asked_for_four_times_as_often() -> None:
    """An alert with a wrong parameter, at however many assets, must not switch a runbook off for everybody."""
    idle = [run(1, f"device:{number}", "gave_up", did=False) for number in range(2, 30)]
    assert asked(*idle) is None
    mine = [run(hours, outcome="gave_up", did=False) for hours in range(1, 12)]
    assert asked(*mine) is None
    assert "asked for 12 times" in str(asked(*mine, run(12, outcome="gave_up", did=False)))
    assert "3 times on this asset" in str(asked(*mine, run(2), run(3), run(4)))


@pytest.mark.parametrize(
    ("stops", "is_stopped"), [((), False), (("disk_full",), True), (("all",), True), (("time_drift",), False)]
)
def test_a_customer_stops_one_runbook_or_all(stops: tuple[str, ...], is_stopped: bool) -> None:
    assert stopped("disk_full", stops) is is_stopped


RUNS = st.builds(
    run,
    st.floats(0, 30),
    st.sampled_from([f"device:{number}" for number in range(1, 7)]),
    st.none() | st.sampled_from(RUNBOOK_OUTCOMES),
    st.sampled_from(["bakery", "dentist"]),
)


@pytest.mark.thorough
@given(st.lists(RUNS, max_size=20), RUNS)
def test_one_more_run_before_never_allows_what_was_refused(before: list[RunbookRun], more: RunbookRun) -> None:
    if asked(*before) is not None:
        assert asked(*before, more) is not None


@pytest.mark.thorough
@given(st.lists(RUNS, max_size=30))
def test_no_asset_ever_has_more_runs_in_a_day_than_it_may(runs: list[RunbookRun]) -> None:
    """However runs are asked for, those that are allowed one after the other stay within the limit."""
    done: list[RunbookRun] = []
    for one in sorted(runs, key=lambda one: one.at):
        if refused(LIMITS, one.customer, one.asset, done, one.at) is None:
            done.append(one)
    for last in done:
        window = [
            one
            for one in done
            if (one.customer, one.asset) == (last.customer, last.asset)
            and last.at - dt.timedelta(days=1) < one.at <= last.at
            and one.outcome != "nothing_to_do"
        ]
        assert len(window) <= LIMITS.per_asset_a_day + (last.outcome == "nothing_to_do")
