# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an asset is today: the worst of its controls, and nothing well that nobody saw."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import ControlChange, StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards import model, quoting, report, said, standing
from ansible_collections.msp.ops.plugins.plugin_utils.standards.compliance import FRESH
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    Agreement,
    Assigned,
    AssignedControl,
    Control,
    Waiver,
    Words,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.standing import OfAsset, of_asset

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
TODAY = NOW.date()
DAY = dt.timedelta(days=1)
ASSET = "device:1"


def control(name: str, severity: str = "high") -> Control:
    words = Words(name, name)
    return Control(name, "ssh", model.BASELINE, words, words, severity, (), ("debian",), {}, (), (), "", 5)


def waiver(expires: dt.date = TODAY + 30 * DAY) -> Waiver:
    return Waiver("the till needs it", "A. de Vries", expires, Agreement("B. Jansen", TODAY - 30 * DAY, "a mail"))


def assigned(*names: str, waivers: dict[str, Waiver] | None = None) -> Assigned:
    given = waivers or {}
    controls = tuple(AssignedControl(control(name), {}, given.get(name)) for name in names)
    return Assigned("linux-server", "1.0", "linux-server", controls)


def check(statuses: dict[str, str] | None, at: dt.datetime = NOW - DAY, **changed: Any) -> StandardCheck:
    records = None
    if statuses is not None:
        records = tuple(
            {"control": name, "status": status, "desired": "no", "found": "yes", "reason": "", "severity": "high"}
            for name, status in statuses.items()
        )
    made = {"outcome": "ok", "records": records, **changed}
    return StandardCheck("harbour-dental", ASSET, "srv01", at, "check", made.pop("outcome"), "s", "1.0", **made)


def held(to: Assigned, good: StandardCheck | None, last: StandardCheck | None = None, **since: dt.datetime) -> OfAsset:
    began = {(ASSET, name.replace("_", "-")): at for name, at in since.items()}
    return of_asset(ASSET, "srv01", to, (good, last or good), began, now=NOW, today=TODAY)


def test_an_asset_on_which_all_holds_is_compliant() -> None:
    found = held(assigned("a", "b", "c"), check({"a": "compliant", "b": "fixed", "c": "not applicable"}))
    assert (found.state, found.deviations, found.unknown) == ("compliant", (), "")
    assert found.counts["compliant"] == found.counts["fixed"] == found.counts["not applicable"] == 1


def test_what_differs_says_what_should_be_what_is_and_since_when() -> None:
    found = held(assigned("a", "b"), check({"a": "compliant", "b": "drift"}), b=NOW - 9 * DAY)
    (deviation,) = found.deviations
    assert found.state == "drift"
    assert (deviation.control, deviation.desired, deviation.found) == ("b", "no", "yes")
    assert deviation.since == NOW - 9 * DAY


@pytest.mark.parametrize(
    ("status", "unmeasured", "left"),
    [("drift", False, True), ("waived", False, True), ("error", True, True), ("error", False, False)],
)
def test_what_no_role_puts_right_is_left_to_a_person_in_the_quote_too(
    status: str, unmeasured: bool, left: bool
) -> None:
    """As it is assigned today: what is on record need not say it."""
    theirs = replace(control("b"), by_hand=True, enforce_unmeasured=unmeasured)
    to = replace(assigned("a"), controls=(*assigned("a").controls, AssignedControl(theirs, {})))
    one = held(to, check({"a": "drift", "b": status}))
    (of_b,) = (each for each in one.deviations if each.control == "b")

    controls = {each.control.id: each.control for each in to.controls}
    made = quoting.quote({ASSET: report.records_of(one)}, controls, None, today=TODAY)

    assert of_b.left is left
    assert (made.by_run, made.left) == (quoting.Part(1, 5), quoting.Part(int(left), 5 * left))


@pytest.mark.parametrize("key", ["left", "undecided", "waiver_expired"])
def test_what_no_role_reaches_is_said_to_be_a_persons_to_put_right(key: str) -> None:
    told = {"why": "Match User eve", "owner": "Noor", "day": "2026-01-01"}
    reason = said.phrase(key, **(told if key == "waiver_expired" else {"why": told["why"]}))
    good = check({"a": "drift"})
    assert good.records is not None
    good = replace(good, records=({**good.records[0], "reason": said.kept(reason)},))

    (deviation,) = held(assigned("a"), good).deviations

    assert (deviation.reason, deviation.left) == (reason, key == "left")


def test_a_control_that_nobody_measured_is_unknown_and_not_well() -> None:
    found = held(assigned("a", "b"), check({"a": "compliant"}))
    assert (found.state, found.statuses) == ("unknown", {"a": "compliant", "b": "unknown"})
    assert [(one.control, one.status) for one in found.deviations] == [("b", "unknown")]


def test_what_is_found_of_a_control_that_is_not_assigned_any_more_says_nothing() -> None:
    assert held(assigned("a"), check({"a": "compliant", "gone": "drift"})).state == "compliant"


@pytest.mark.parametrize(
    ("good", "last", "why"),
    [
        (None, None, standing.NEVER),
        (check({"a": "compliant"}), check(None, NOW, outcome="unreachable"), standing.BROKEN),
        (check({"a": "compliant"}, NOW - FRESH - DAY), None, standing.OLD),
    ],
)
def test_of_an_asset_whose_last_check_is_missing_failed_or_old_nothing_is_known(
    good: StandardCheck | None, last: StandardCheck | None, why: str
) -> None:
    found = held(assigned("a"), good, last)
    assert (found.state, found.unknown, found.statuses) == ("unknown", why, {"a": "unknown"})


def test_why_a_check_failed_is_told_and_what_was_found_before_stays_to_be_seen() -> None:
    failed = check(None, NOW, outcome="failed", error="no Python on the host")
    found = held(assigned("a"), check({"a": "drift"}), failed)
    assert (found.error, found.state, [one.control for one in found.deviations]) == (
        "no Python on the host",
        "unknown",
        ["a"],
    )


@pytest.mark.parametrize("measured", ["drift", "waived"])
@pytest.mark.parametrize(("days", "status"), [(30, "waived"), (0, "waived"), (-1, "drift")])
def test_a_waiver_counts_by_todays_date_whatever_day_it_was_measured_on(measured: str, days: int, status: str) -> None:
    to = assigned("a", waivers={"a": waiver(TODAY + days * DAY)})
    found = held(to, check({"a": measured}))
    assert (found.state, found.statuses["a"]) == (status, status)
    assert found.deviations[0].waiver is not None


def test_a_waiver_that_is_taken_away_covers_nothing() -> None:
    assert held(assigned("a"), check({"a": "waived"})).state == "drift"


def test_the_worst_deviations_come_first() -> None:
    to = Assigned(
        "s",
        "1.0",
        "linux-server",
        tuple(AssignedControl(control(*one), {}) for one in [("a", "low"), ("b", "high"), ("c", "high"), ("d", "low")]),
    )
    found = held(to, check({"a": "drift", "b": "error", "c": "drift", "d": "compliant"}))
    assert [one.control for one in found.deviations] == ["c", "a", "b"]


def change(status: str, days: int, name: str = "a") -> ControlChange:
    return ControlChange("x", ASSET, name, NOW - days * DAY, "check", status, None, "s", "high")


def test_a_deviation_began_when_it_was_first_found_and_a_time_without_answers_ends_nothing() -> None:
    found = standing.began([change("drift", 9), change("unknown", 8), change("error", 7), change("drift", 6)])
    assert found == {(ASSET, "a"): NOW - 9 * DAY}


def test_what_was_well_in_between_began_anew_and_what_is_well_now_began_never() -> None:
    back = [change("drift", 9), change("fixed", 8), change("drift", 7)]
    assert standing.began(back) == {(ASSET, "a"): NOW - 7 * DAY}
    assert standing.began([*back, change("compliant", 1)]) == {}


def test_waivers_are_told_with_who_has_them_the_expired_and_the_soonest_first() -> None:
    runs, ends, over = waiver(TODAY + 90 * DAY), waiver(TODAY + 60 * DAY), waiver(TODAY - DAY)
    to = assigned("a", "b", "c", waivers={"a": runs, "b": ends, "c": over})
    found = standing.waivers(
        [(held(to, check({"a": "compliant", "b": "drift", "c": "drift"})), to)],
        TODAY,
    )
    assert [(one.control, one.state, one.assets, one.needed) for one in found] == [
        ("c", "expired", ("srv01",), ("srv01",)),
        ("b", "ending", ("srv01",), ("srv01",)),
        ("a", "running", ("srv01",), ()),
    ]


statuses = st.sampled_from(model.STATUSES)


@given(
    st.dictionaries(st.sampled_from("abcdef"), statuses),
    st.integers(-3, 3),
    st.booleans(),
    st.integers(0, 2 * FRESH.days),
)
@settings(max_examples=60)
def test_no_asset_is_well_unless_each_of_its_controls_was_seen_to_hold_and_each_is_counted_once(
    measured: dict[str, str], days: int, waived: bool, age: int
) -> None:
    names = "abcdef"
    to = assigned(*names, waivers=dict.fromkeys(names, waiver(TODAY + days * DAY)) if waived else {})
    found = held(to, check(measured, NOW - age * DAY))
    assert sum(found.counts.values()) == len(names)
    well = {"compliant", "fixed", "not applicable"}
    seen = age <= FRESH.days and all(measured.get(name) in well for name in names)
    assert (found.state == "compliant") == seen
    if found.state == "waived":
        assert waived and days >= 0 and all(measured.get(name) in well | {"drift", "waived"} for name in names)
