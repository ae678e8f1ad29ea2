# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A quote counts what is known to differ, names what nobody knows, and says whence its hours are."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import AFTER, BEFORE, Effort, StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards import quoting
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    COMPLIANT,
    DEBIAN,
    DRIFT,
    ERROR,
    FIXED,
    HIGH,
    NOT_APPLICABLE,
    STATUSES,
    UNKNOWN,
    WAIVED,
    Control,
    ControlRecord,
    Words,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.quoting import (
    MEASURED,
    TABLE,
    Job,
    Pace,
    jobs,
    pace_of,
    quote,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import phrase

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
TODAY = NOW.date()
WORDS = Words("words", "woorden")


def control(name: str, minutes: int) -> Control:
    return Control(name, "ssh", "msp_baseline_linux", WORDS, WORDS, HIGH, (), (DEBIAN,), {}, (), (), "", minutes)


CONTROLS = {"ssh": control("ssh", 6), "sudo": control("sudo", 15)}


def records(**statuses: str) -> list[ControlRecord]:
    return [ControlRecord(name, HIGH, status, "", "") for name, status in statuses.items()]


def done(*of: tuple[float, float]) -> list[Job]:
    return [Job(f"run{number}", by_hand, spent, (f"row{number}",)) for number, (by_hand, spent) in enumerate(of)]


def test_a_quote_is_the_changes_the_machines_and_the_hours_by_hand() -> None:
    found = quote(
        {
            "a": records(ssh=DRIFT, sudo=DRIFT),
            "b": records(ssh=DRIFT, sudo=COMPLIANT),
            "c": records(ssh=COMPLIANT, sudo=WAIVED),
            "d": records(ssh=FIXED, sudo=NOT_APPLICABLE),
        },
        CONTROLS,
        None,
        today=TODAY,
    )

    assert (found.of, found.assets, found.changes, found.waived) == (4, ("a", "b"), 3, 1)
    assert [(line.control, line.assets, line.by_hand) for line in found.lines] == [
        ("ssh", ("a", "b"), 12),
        ("sudo", ("a",), 15),
    ]
    assert (found.minutes, found.hours) == (27, 0.45)
    assert (found.basis, found.low, found.high, found.jobs) == (TABLE, None, None, ())
    assert (found.unmeasured, found.uncertain) == ((), ())


WAIVER = {"reason": "", "owner": "", "expires": "2026-06-01", "agreed": {}}


def test_a_quote_has_what_would_be_brought_about_and_nothing_else() -> None:
    """An error only where the control says that it is safe, nothing while its waiver holds, nothing undecided."""
    safe = {**CONTROLS, "ssh": replace(CONTROLS["ssh"], enforce_unmeasured=True)}
    waived = [replace(one, waiver=WAIVER) for one in records(ssh=ERROR, sudo=DRIFT)]
    asks = ControlRecord("sudo", HIGH, DRIFT, "", "", phrase("undecided", why="who may"))

    found = quote(
        {"a": records(ssh=ERROR, sudo=ERROR), "b": waived, "c": [*records(ssh=COMPLIANT), asks]},
        safe,
        None,
        today=TODAY,
    )

    assert [(line.control, line.assets) for line in found.lines] == [("ssh", ("a",))]
    assert (found.uncertain, found.undecided) == (("a", "b"), ("c",))
    later = quote({"b": waived}, safe, None, today=TODAY + dt.timedelta(days=1))
    assert [line.control for line in later.lines] == ["ssh", "sudo"]


def test_what_nobody_measured_is_named_and_never_taken_for_well() -> None:
    found = quote(
        {
            "silent": None,
            "none": [],
            "unknown": records(ssh=UNKNOWN, sudo=ERROR),
            "partly": records(ssh=DRIFT, sudo=ERROR),
        },
        CONTROLS,
        None,
        today=TODAY,
    )

    assert found.unmeasured == ("none", "silent", "unknown")
    assert found.uncertain == ("partly",)
    assert (found.changes, found.minutes) == (1, 6)


@pytest.mark.thorough
@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from("abcdef"), st.none() | st.lists(st.sampled_from(STATUSES), max_size=2)))
def test_every_asset_asked_about_is_counted_and_every_drift_is_one_change(found: dict[str, list[str] | None]) -> None:
    given_records = {
        asset: None if statuses is None else records(**dict(zip(CONTROLS, statuses, strict=False)))
        for asset, statuses in found.items()
    }

    one = quote(given_records, CONTROLS, None, today=TODAY)

    assert one.of == len(found)
    assert one.changes == sum((statuses or []).count(DRIFT) for statuses in found.values())
    assert not set(one.assets) & set(one.unmeasured)


def test_the_pace_is_what_jobs_took_for_what_they_brought_about() -> None:
    pace = pace_of(done((60, 30), (120, 70), (30, 10), (90, 50), (100, 40)))

    assert pace is not None
    assert pace.factor == pytest.approx(0.5)
    found = quote({"a": records(sudo=DRIFT)}, CONTROLS, pace, today=TODAY)
    assert (found.basis, len(found.jobs)) == (MEASURED, 5)
    assert found.minutes == pytest.approx(7.5)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < 7.5 < found.high


# Brought about a minute by hand in half a minute: 400 minutes by hand took 200.
HALVED = done((60, 30), (120, 70), (30, 10), (90, 50), (100, 40))


def left(name: str) -> ControlRecord:
    return ControlRecord(name, HIGH, DRIFT, "", "", left=True)


def test_what_is_left_to_a_person_takes_what_it_takes_by_hand_at_any_pace() -> None:
    """By the run 6 + 6 + 15 minutes by hand, which take 13.5; by a person 15, which take 15.

    The spread of the jobs is (100/120 + 25/30 + 25/90 + 100/100) / 4 = 0.736, so the run's part lies within
    2.132 * sqrt(0.736 * 27 * (1 + 27/400)) = 9.82 minutes.
    """
    found = quote(
        {"a": [*records(ssh=DRIFT), left("sudo")], "b": records(ssh=DRIFT, sudo=DRIFT)},
        CONTROLS,
        pace_of(HALVED),
        today=TODAY,
    )

    assert (found.by_run.changes, found.left.changes, found.changes) == (3, 1, 4)
    assert (found.by_run.minutes, found.left.minutes) == pytest.approx((13.5, 15))
    assert (found.minutes, found.hours) == pytest.approx((28.5, 0.475))
    assert (found.low, found.high) == pytest.approx((18.68, 38.32), abs=0.05)
    assert [(line.control, line.assets, line.by_hand, line.left) for line in found.lines] == [
        ("ssh", ("a", "b"), 12, ()),
        ("sudo", ("a", "b"), 30, ("a",)),
    ]
    assert found.basis == MEASURED


def test_where_all_is_left_to_a_person_nothing_of_it_was_measured() -> None:
    found = quote({"a": [*records(ssh=COMPLIANT), left("sudo")]}, CONTROLS, pace_of(HALVED), today=TODAY)

    assert (found.basis, found.low, found.high, found.jobs) == (TABLE, None, None, ())
    assert (found.by_run.minutes, found.left.minutes) == (0, 15)


PACES = st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=5, max_size=8).map(
    lambda of: pace_of(done(*of))
)
FOUND = st.dictionaries(
    st.sampled_from("abcd"),
    st.lists(st.tuples(st.sampled_from(STATUSES), st.booleans()), min_size=2, max_size=2).map(
        lambda of: [
            replace(record, left=left)
            for (_status, left), record in zip(
                of, records(**dict(zip(CONTROLS, (one[0] for one in of), strict=True))), strict=True
            )
        ]
    ),
)


@pytest.mark.thorough
@settings(max_examples=80)
@given(FOUND, PACES)
def test_the_part_of_a_person_never_depends_on_the_pace_and_the_whole_is_both_parts(
    found: dict[str, list[ControlRecord]], pace: Pace | None
) -> None:
    assert pace is not None
    by_table, measured = (quote(found, CONTROLS, one, today=TODAY) for one in (None, pace))
    drifting = [one for of in found.values() for one in of if one.status == DRIFT]

    assert measured.left == by_table.left
    assert measured.left.minutes == sum(CONTROLS[one.control].minutes for one in drifting if one.left)
    assert by_table.by_run.minutes == sum(CONTROLS[one.control].minutes for one in drifting if not one.left)
    assert measured.by_run.minutes == pytest.approx(pace.factor * by_table.by_run.minutes)
    assert measured.by_run.changes + measured.left.changes == len(drifting) == measured.changes
    assert measured.minutes == measured.by_run.minutes + measured.left.minutes
    if measured.basis == MEASURED:
        within = pace.within(by_table.by_run.minutes)
        assert (measured.low, measured.high) == pytest.approx(tuple(end + measured.left.minutes for end in within))
    else:
        assert measured.left.changes and not measured.by_run.changes


def test_four_jobs_are_too_few_to_say_how_long_the_next_takes() -> None:
    assert pace_of(done((60, 30), (120, 70), (30, 10), (90, 50))) is None


def test_nothing_to_do_takes_no_time_at_any_pace() -> None:
    found = quote({"a": records(ssh=COMPLIANT)}, CONTROLS, pace_of(done(*[(60, 30), (50, 40)] * 3)), today=TODAY)

    assert (found.changes, found.minutes, found.low, found.high) == (0, 0, 0, 0)


@pytest.mark.parametrize(("known", "next_job"), [(5, 200.0), (12, 4000.0)])
def test_the_next_job_lies_in_the_interval_as_often_as_is_said(known: int, next_job: float) -> None:
    """Also where few jobs are known, and where the next is larger than all of them together."""
    chance = random.Random(4)  # noqa: S311 - a simulation
    inside = 0
    for _each in range(1500):
        work = [chance.uniform(60, 400) for _job in range(known)]
        took = [chance.gauss(0.4 * by_hand, (4 * by_hand) ** 0.5) for by_hand in work]
        pace = pace_of(done(*zip(work, took, strict=True)))
        assert pace is not None
        low, high = pace.within(next_job)
        inside += low <= chance.gauss(0.4 * next_job, (4 * next_job) ** 0.5) <= high

    assert inside / 1500 == pytest.approx(quoting.LEVEL, abs=0.025)


@pytest.mark.parametrize(("freedom", "wanted"), [(4, 2.1318), (5, 2.0150), (10, 1.8125), (30, 1.6973)])
def test_the_quantile_is_that_of_the_tables(freedom: int, wanted: float) -> None:
    assert quoting._student(0.9, freedom) == pytest.approx(wanted, abs=0.01)
    assert quoting._student(0.9, freedom) > NormalDist().inv_cdf(0.95)


def check(run: str | None, phase: str, *statuses: tuple[str, str]) -> StandardCheck:
    made = tuple({"control": name, "status": status} for name, status in statuses)
    return StandardCheck("acme", "device:1", "a", NOW, phase, "ok", "linux-server", "1.0", made, None, run)


def row(run: str | None, minutes: float, *, by: str = "person", key: str = "row") -> Effort:
    return Effort(key, "acme", NOW, minutes, True, True, by, run=run)


def test_a_job_is_what_a_run_fixed_and_what_people_wrote_down_for_it() -> None:
    checks = [
        check("run1", BEFORE, ("ssh", DRIFT), ("sudo", DRIFT)),
        check("run1", AFTER, ("ssh", FIXED), ("sudo", DRIFT)),
        replace(check("run1", AFTER, ("ssh", COMPLIANT), ("sudo", FIXED)), asset="device:2"),
    ]
    effort = [row("run1", 10, key="b"), row("run1", 5, key="a"), row("run1", 99, by="automation"), row(None, 50)]

    assert jobs(checks, effort, CONTROLS) == (Job("run1", 21.0, 15, ("a", "b")),)


def test_a_run_in_which_a_person_put_something_right_says_nothing_of_the_pace_of_a_role() -> None:
    """Of a control that no role ever brings about also where the record is of before and does not say left."""
    ours = check("run1", AFTER, ("ssh", FIXED), ("sudo", FIXED))
    theirs = replace(ours, records=(*(ours.records or ())[:1], {"control": "sudo", "status": FIXED, "left": True}))
    never = {**CONTROLS, "sudo": replace(CONTROLS["sudo"], by_hand=True)}

    assert [job.by_hand for job in jobs([ours], [row("run1", 10)], CONTROLS)] == [21]
    assert jobs([theirs], [row("run1", 10)], CONTROLS) == ()
    assert jobs([ours], [row("run1", 10)], never) == ()


@pytest.mark.parametrize(
    ("checks", "effort"),
    [
        ([check("run1", AFTER, ("ssh", FIXED))], [row("run2", 10)]),
        ([check("run1", AFTER, ("ssh", COMPLIANT))], [row("run1", 10)]),
        ([check("run1", AFTER, ("ssh", FIXED), ("gone", FIXED))], [row("run1", 10)]),
        ([check(None, AFTER, ("ssh", FIXED))], [row(None, 10)]),
    ],
)
def test_a_run_without_minutes_or_without_changes_or_of_a_lost_control_is_no_job(
    checks: list[StandardCheck], effort: list[Effort]
) -> None:
    assert jobs(checks, effort, CONTROLS) == ()
