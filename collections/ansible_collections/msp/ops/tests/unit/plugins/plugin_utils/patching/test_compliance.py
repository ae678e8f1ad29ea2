# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compliance: every update against its deadline, and nothing compliant because nobody looked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import (
    FRESH,
    IN_TIME,
    LATE,
    OWED,
    STATES,
    UNKNOWN,
    WAIVED,
    Compliance,
    OfAsset,
    Past,
    compliance,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.planning import Available
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    SCAN_OUTCOMES,
    Entry,
    Judged,
    Manifest,
    Scan,
    Update,
    Version,
)
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import member
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import (
    APPROVED,
    DAY,
    HOUR,
    PILOT,
    PLANNED,
    TARGETS,
    ended,
    plan,
)

# The plan's deadlines: 48 hours in an emergency, 14 days for security, 60 days for routine.
NOW = dt.datetime(2026, 6, 20, 12, tzinfo=dt.UTC)
TILL = replace(member(0), name="till")
EXCLUDED = {"package": "ngin*", "assets": ["till"], "reason": "the till's maker", "owner": "anna"}


def judged(name: str = "openssl", patch_class: str = "security", **more: Any) -> Judged:
    return Judged(Update(name, "amd64", "1", "2", None, True, **more), patch_class, "high", "cvss", "OSV")


def scan(*updates: Judged, at: dt.datetime = NOW - HOUR, **more: Any) -> Scan:
    made = {"metadata_at": at - HOUR, "updates": updates, **more}
    return Scan("bakkerij-jansen", TILL.key, "till", at, made.pop("outcome", "ok"), "debian-12", "apt", **made)


def seen(days: float, version: str = "2", name: str = "openssl") -> Available:
    return {("debian-12", name, "amd64", version): NOW - days * DAY}


def held(
    good: Scan | None,
    last: Scan | None = None,
    available: Available | None = None,
    past: Iterable[Past] = (),
    **changed: Any,
) -> Compliance:
    scans = {TILL.key: (good, last if last is not None else good)} if good or last else {}
    return compliance(plan(**changed), [TILL], scans, available or {}, past, since=NOW - 30 * DAY, now=NOW)


def only(found: Compliance) -> OfAsset:
    (one,) = found.of_assets
    assert found.assets == {state: int(state == one.state) for state in STATES}
    return one


def test_an_asset_on_which_nothing_waits_is_in_time() -> None:
    assert only(held(scan())).state == IN_TIME


@pytest.mark.parametrize(
    ("patch_class", "days", "state"),
    [
        ("security", 14, IN_TIME),
        ("security", 14.01, LATE),
        ("emergency", 2, IN_TIME),
        ("emergency", 2.01, LATE),
        ("routine", 60, IN_TIME),
        ("routine", 60.01, LATE),
    ],
)
def test_an_update_is_late_from_its_deadline_on(patch_class: str, days: float, state: str) -> None:
    one = only(held(scan(judged(patch_class=patch_class)), available=seen(days)))
    assert one.state == state
    assert one.waiting[0].since == NOW - days * DAY
    assert one.waiting[0].deadline is not None
    assert (one.waiting[0].deadline < NOW) == (state == LATE)


def test_a_newer_version_restarts_no_deadline() -> None:
    both = judged(versions=(Version("1.5", None, True), Version("2", None, True)))
    assert only(held(scan(both), available={**seen(1), **seen(20, "1.5")})).state == LATE


def test_what_the_package_manager_holds_back_is_late_all_the_same() -> None:
    one = only(held(scan(judged(held="hold")), available=seen(20)))
    assert (one.state, one.waiting[0].why) == (LATE, "held back: hold")


@pytest.mark.parametrize(("expires", "state"), [("2026-06-20", WAIVED), ("2026-06-19", LATE)])
def test_an_exclusion_waives_an_update_until_it_expires(expires: str, state: str) -> None:
    one = only(
        held(scan(judged("nginx")), available=seen(20, name="nginx"), exclusions=[{**EXCLUDED, "expires": expires}])
    )
    assert one.state == state
    assert (one.waiting[0].why == "the till's maker (anna, until 2026-06-20)") == (state == WAIVED)


def test_an_asset_is_as_bad_as_its_worst_update() -> None:
    exclusions = [{**EXCLUDED, "expires": "2026-07-01"}]
    late = {**seen(20), **seen(20, name="nginx")}
    assert only(held(scan(judged("nginx"), judged()), available=late, exclusions=exclusions)).state == LATE
    assert only(held(scan(judged("nginx"), judged()), available=late)).state == LATE
    fine = {**seen(1), **seen(20, name="nginx")}
    assert only(held(scan(judged("nginx"), judged()), available=fine, exclusions=exclusions)).state == WAIVED


UNKNOWNS: dict[str, tuple[Scan | None, Scan | None, str]] = {
    "never scanned": (None, None, "never scanned"),
    "never well": (None, scan(outcome="failed", updates=None, error="apt is broken"), "'failed': apt is broken"),
    "not any more": (scan(), scan(outcome="unreachable", updates=None), "'unreachable'"),
    "without metadata": (scan(), scan(outcome="no metadata", updates=None), "'no metadata'"),
    "without Python": (scan(), scan(outcome="no_python", updates=None), "'no_python'"),
    "long ago": (scan(at=NOW - FRESH - HOUR), None, "the last scan is older than 7 days"),
    "of old lists": (scan(metadata_at=NOW - FRESH - 2 * HOUR), None, "package lists are older than 7 days"),
    "of lists that are old today": (
        scan(at=NOW - 6 * DAY, metadata_at=NOW - FRESH - HOUR),
        None,
        "package lists are older than 7 days",
    ),
    "of lists of tomorrow": (scan(metadata_at=NOW + 2 * DAY), None, "a clock is wrong"),
    "tomorrow": (scan(at=NOW + 2 * DAY), None, "a clock is wrong"),
    "without a security archive": (
        scan(blind=("no security archive is among the sources", "a source was never fetched")),
        None,
        "its list may lack updates: no security archive is among the sources; a source was never fetched",
    ),
    "of lists of any age": (scan(metadata_at=None), None, "how old its package lists are"),
}


@pytest.mark.parametrize("name", list(UNKNOWNS))
def test_an_asset_of_which_nobody_knows_today_is_unknown(name: str) -> None:
    good, last, why = UNKNOWNS[name]
    one = only(held(good, last))
    assert one.state == UNKNOWN
    assert why in one.why


def test_what_the_last_good_scan_found_is_shown_beside_the_unknown() -> None:
    one = only(held(scan(judged()), scan(outcome="failed", updates=None), available=seen(20)))
    assert (one.state, [item.state for item in one.waiting]) == (UNKNOWN, [LATE])


# What was done


def done(at: dt.datetime, before: str = "1", after: str = "2", *more: events.Event) -> Past:
    versions: dict[str, Any] = {
        "before": {"openssl:amd64": before, "zlib1g:amd64": "7"},
        "after": {"openssl:amd64": after, "zlib1g:amd64": "7"},
    }
    told = ended("till", at=at, **versions)
    manifest = Manifest.of([Entry("debian-12", "openssl", "amd64", after, patch_class="security")])
    return Past("r1", (PLANNED, APPROVED, *PILOT[1:3], told, *more), manifest)


@pytest.mark.parametrize(("days", "state"), [(14, IN_TIME), (15, LATE)])
def test_what_was_installed_is_held_against_its_deadline_too(days: int, state: str) -> None:
    found = held(scan(), available=seen(days + 2), past=[done(NOW - 2 * DAY)])
    one = only(found)
    assert one.state == IN_TIME
    (item,) = one.history
    assert (item.package, item.before, item.after, item.rollout, item.state) == ("openssl", "1", "2", "r1", state)
    assert found.speed["security"].mean == days * DAY
    assert (found.speed["security"].measured, found.speed["emergency"].mean) == (1, None)


def test_what_was_installed_since_the_scan_waits_no_more() -> None:
    old, new = scan(judged(), at=NOW - 3 * DAY), scan(judged(), at=NOW - DAY)
    assert only(held(old, available=seen(20), past=[done(NOW - 2 * DAY)])).waiting == ()
    assert only(held(old, available=seen(20), past=[done(NOW - 2 * DAY, after="1.5")])).state == LATE
    assert only(held(new, available=seen(20), past=[done(NOW - 2 * DAY)])).state == LATE  # the scan saw it after that


def test_what_was_rolled_back_was_not_installed() -> None:
    back = ended("till", "rolled back", at=NOW - DAY)
    one = only(held(scan(judged(), at=NOW - 3 * DAY), available=seen(20), past=[done(NOW - 2 * DAY, "1", "2", back)]))
    assert (one.state, one.history) == (LATE, ())


def test_the_time_to_patch_counts_from_the_first_version_that_could_be_had() -> None:
    available = {**seen(10), **seen(20, "1.5"), **seen(40, "1"), **seen(1, "3"), **seen(50, "0.9")}
    assert held(scan(), available=available, past=[done(NOW)]).speed["security"].mean == 20 * DAY


def test_nobody_knows_how_long_what_was_never_seen_waited() -> None:
    found = held(scan(), past=[done(NOW - DAY)])
    (item,) = only(found).history
    assert (item.state, item.since, item.deadline) == (UNKNOWN, None, None)
    assert (found.speed["security"].mean, found.speed["security"].unknown) == (None, 1)


def test_only_what_was_done_in_the_period_counts() -> None:
    found = held(scan(), available=seen(50), past=[done(NOW - 31 * DAY)])
    assert only(found).history == ()
    assert found.speed["security"].measured == 0


def test_a_result_is_its_own_assets_and_a_failure_is_none() -> None:
    failure = events.HostEnded(NOW, replace(ended("till", "failed").result, after={"openssl:amd64": "2"}))
    past = Past("r1", (PLANNED, failure), Manifest(()))
    assert only(held(scan(), past=[past])).history == ()
    assert TARGETS["till"].asset == TILL.key
    other = compliance(plan(), [member(9)], {}, {}, [done(NOW)], since=NOW - DAY, now=NOW)
    assert other.of_assets[0].history == ()


# What is installed while the old code still runs

BOTH = {
    "before": {"openssl:amd64": "1", "libc6:amd64": "2.36-1"},
    "after": {"openssl:amd64": "2", "libc6:amd64": "2.36-2"},
}
LIBC = "reboot: libc6"


def installed(outcome: str, at: dt.datetime, *more: events.Event, **of_result: Any) -> Past:
    told = ended("till", outcome, at=at, **{**BOTH, **of_result})
    manifest = Manifest.of(
        Entry("debian-12", name, "amd64", version, patch_class="security")
        for name, version in (("openssl", "2"), ("libc6", "2.36-2"))
    )
    return Past("r1", (PLANNED, APPROVED, *PILOT[1:3], told, *more), manifest)


def after_it(outcome: str, at: dt.datetime, **of_result: Any) -> events.Event:
    return ended("till", outcome, at=at, **{**BOTH, **of_result})


@pytest.mark.parametrize("outcome", ["patched", "reboot owed"])
def test_an_asset_that_owes_a_reboot_is_not_in_time(outcome: str) -> None:
    one = only(held(scan(), available=seen(3), past=[installed(outcome, NOW - 2 * DAY, owed=(LIBC,))]))
    assert (one.state, one.owed) == (OWED, (LIBC,))
    assert one.why == "installed, but not in force yet: reboot: libc6"


def test_a_reboot_that_did_not_come_is_owed_whatever_the_host_called_it() -> None:
    assert only(held(scan(), past=[installed("reboot owed", NOW - 2 * DAY)])).owed == ("reboot",)


@pytest.mark.parametrize(("days", "state"), [(13, OWED), (15, LATE)])
def test_what_is_not_in_force_is_late_from_its_deadline_on(days: int, state: str) -> None:
    available = {**seen(days, "2.36-2", "libc6"), **seen(30)}
    assert only(held(scan(), available=available, past=[installed("patched", NOW - DAY, owed=(LIBC,))])).state == state


def test_what_owes_something_and_is_late_for_something_else_is_late_and_says_both() -> None:
    past = [installed("patched", NOW - 2 * DAY, owed=(LIBC,))]
    one = only(held(scan(judged("nginx")), available=seen(20, name="nginx"), past=past))
    assert (one.state, one.owed) == (LATE, (LIBC,))
    assert LIBC in one.why


def test_who_is_unknown_says_so_first_and_owes_all_the_same() -> None:
    one = only(held(scan(blind=("a source",)), past=[installed("patched", NOW - 2 * DAY, owed=(LIBC,))]))
    assert (one.state, one.owed) == (UNKNOWN, (LIBC,))
    assert "a source" in one.why


def test_a_boot_that_a_scan_saw_pays_a_reboot_and_so_does_the_rollouts_own() -> None:
    past = installed("reboot owed", NOW - 2 * DAY, owed=(LIBC,))
    assert only(held(scan(booted_at=NOW - 2 * DAY + HOUR), past=[past])).state == IN_TIME
    assert only(held(scan(booted_at=NOW - 2 * DAY - HOUR), past=[past])).state == OWED
    rebooted = after_it("patched", NOW - DAY, rebooted=True)
    one = only(held(scan(), available=seen(3), past=[installed("reboot owed", NOW - 2 * DAY, rebooted, owed=(LIBC,))]))
    assert (one.state, one.owed) == (IN_TIME, ())


def test_what_was_in_force_only_after_a_reboot_was_done_then_and_once() -> None:
    available = {**seen(16), **seen(16, "2.36-2", "libc6")}
    rebooted = after_it("patched", NOW - DAY, rebooted=True)
    found = held(scan(), available=available, past=[installed("reboot owed", NOW - 3 * DAY, rebooted, owed=(LIBC,))])
    assert [(item.package, item.done, item.state) for item in only(found).history] == [
        ("libc6", NOW - DAY, LATE),
        ("openssl", NOW - DAY, LATE),
    ]
    again = held(scan(), available=available, past=[installed("patched", NOW - 3 * DAY, rebooted)])
    assert [(item.package, item.done) for item in only(again).history] == [
        ("libc6", NOW - 3 * DAY),
        ("openssl", NOW - 3 * DAY),
    ]


def test_what_is_installed_and_waits_for_its_reboot_is_late_by_the_reboot_and_no_update_that_waits() -> None:
    past = installed("reboot owed", NOW - DAY, owed=(LIBC,))
    one = only(held(scan(judged(), at=NOW - 2 * DAY), available=seen(3), past=[past]))
    assert (one.state, one.waiting) == (OWED, ())
    late = {**seen(3), **seen(15, "2.36-2", "libc6")}
    assert only(held(scan(), available=late, past=[past])).state == LATE


def test_what_a_scan_finds_owed_counts_whoever_installed_it() -> None:
    one = only(held(scan(reboot=("libc6 was replaced since the boot",), services=("docker.service",))))
    assert one.state == OWED
    assert one.owed == ("reboot: libc6 was replaced since the boot", "restart docker.service")
    assert only(held(scan(reboot=(), services=()))).state == IN_TIME


@pytest.mark.parametrize(("days", "state"), [(14, OWED), (15, LATE), (400, LATE)])
def test_what_a_scan_finds_owed_is_late_when_a_security_update_would_be(days: int, state: str) -> None:
    since = NOW - days * DAY
    reboot = scan(reboot=("an old kernel runs",), booted_at=NOW - 500 * DAY, owed_since={"reboot": since})
    service = scan(services=("docker.service",), owed_since={"restart docker.service": since})
    assert (only(held(reboot)).state, only(held(service)).state) == (state, state)


def test_it_is_told_by_when_what_is_owed_must_be_in_force_the_earliest_of_all() -> None:
    since = {"reboot": NOW - 3 * DAY, "restart docker.service": NOW - 5 * DAY}
    found = scan(reboot=("an old kernel runs",), services=("docker.service",), owed_since=since)
    assert only(held(found)).owed_by == NOW + 9 * DAY
    assert only(held(scan())).owed_by is None


@pytest.mark.parametrize(("days", "state"), [(13, OWED), (15, LATE)])
def test_a_service_that_a_rollout_did_not_restart_is_late_from_the_deadline_on(days: int, state: str) -> None:
    available = {**seen(days), **seen(days, "2.36-2", "libc6")}
    past = [installed("patched", NOW - DAY, owed=("restart docker.service",))]
    assert only(held(scan(), available=available, past=past)).state == state


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(SCAN_OUTCOMES),
    st.booleans(),
    st.tuples(st.integers(0, 20), st.integers(0, 20)),
    st.lists(st.integers(0, 30), max_size=3),
    st.sampled_from([(), ("a source was never fetched",)]),
)
def test_nothing_is_compliant_that_was_not_looked_at_today(
    outcome: str, ever: bool, ages: tuple[int, int], waiting: list[int], blind: tuple[str, ...]
) -> None:
    """In time or waived only with a good last scan that saw everything, in lists of this week."""
    age, lists = ages
    updates = [judged(f"p{i}") for i in range(len(waiting))]
    available = {key: at for i, days in enumerate(waiting) for key, at in seen(days, name=f"p{i}").items()}
    at = NOW - age * DAY
    good = scan(*updates, at=at, metadata_at=at - lists * DAY, blind=blind)
    last = good if outcome == "ok" else scan(outcome=outcome, updates=None)
    one = only(held(good if ever or outcome == "ok" else None, last, available))
    known = outcome == "ok" and age + lists <= 7 and not blind
    assert (one.state == UNKNOWN) == (not known)
    if known:
        assert (one.state == LATE) == any(days > 14 for days in waiting)
