# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run of a runbook is on record before anything is done, and ended once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import export, retention, runbooks
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

DAY = dt.timedelta(days=1)


def run(key: str, now: dt.datetime, **other: object) -> RunbookRun:
    made = RunbookRun(key, "bakery", "device:1", "till", "disk_full", now, {"mount": "/"}, event="e1", run="r1")
    return replace(made, **other)  # type: ignore[arg-type]


def anything(_before: Sequence[RunbookRun], _now: dt.datetime) -> str | None:
    return None


def test_a_run_is_on_record_when_it_begins_and_says_what_became_of_it_when_it_ended(store: Store) -> None:
    now = store.now()
    begun = run("a", now)
    assert runbooks.begin(store, begun, anything, DAY) is None
    assert runbooks.runs(store, "bakery") == [begun]

    over = replace(begun, outcome="mended", ended=now, seconds=2.5, minutes_by_hand=20.0, body={"did": ["x"]})
    runbooks.end(store, over)
    runbooks.end(store, replace(over, outcome="failed"))

    assert runbooks.runs(store, "bakery") == [over]
    assert runbooks.runs(store, "bakery", asset="device:2") == []
    assert runbooks.runs(store, "bakery", since=now + DAY) == []


def test_a_run_that_may_not_begin_leaves_nothing_and_is_told_what_was_run_before(store: Store) -> None:
    now = store.now()
    shown: list[RunbookRun] = []

    def never(before: Sequence[RunbookRun], _now: dt.datetime) -> str | None:
        shown.extend(before)
        return "enough"

    other = run("other", now, customer="dentist")
    for one in (run("a", now - dt.timedelta(hours=2)), run("old", now - 3 * DAY), other):
        runbooks.begin(store, one, anything, DAY)
    runbooks.begin(store, run("b", now, runbook="service_down"), anything, DAY)

    assert runbooks.begin(store, run("c", now), never, DAY) == "enough"

    assert [one.key for one in shown] == ["a", "other"]
    assert "c" not in [one.key for one in runbooks.runs(store, "bakery")]


def test_an_end_without_an_outcome_is_refused(store: Store) -> None:
    begun = run("a", store.now())
    runbooks.begin(store, begun, anything, DAY)
    with pytest.raises(MspError, match="MSP-EVD-007"):
        runbooks.end(store, begun)


def test_runs_are_exported_and_removed_with_their_customer(store: Store) -> None:
    now = store.now()
    for one in (run("a", now - 9 * DAY), run("b", now), run("c", now - 9 * DAY, customer="dentist")):
        runbooks.begin(store, one, anything, DAY)
        runbooks.end(store, replace(one, outcome="gave_up", ended=one.at))

    told = [one.key for one in export.export(store, "bakery") if isinstance(one, RunbookRun)]
    assert told == ["a", "b"]
    removed = retention.prune(store, "bakery", 5, apply=True)
    assert (removed["runbook_runs"], removed["runbook_outcomes"]) == (1, 1)
    assert [one.key for one in runbooks.runs(store, "dentist")] == ["c"]
