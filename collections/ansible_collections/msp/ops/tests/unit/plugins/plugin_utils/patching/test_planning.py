# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of all that waits is due, which version of it is frozen, and the rollout that begins with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import events, planning, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.planning import Due
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    CLASSES,
    Entry,
    HostResult,
    Judged,
    Manifest,
    Scan,
    Update,
    Version,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import plan

# The third Tuesday of November, the day of the batch, at noon in Amsterdam; and the evening after.
BATCH = dt.datetime(2026, 11, 17, 11, 0, tzinfo=dt.UTC)
NOW = BATCH + dt.timedelta(hours=9)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
PLAN = plan()
PILOT = Member("device:1", "ws01", frozenset({"msp-ring-pilot"}))
BROAD = Member("device:2", "srv01", frozenset())
MEMBERS = (PILOT, BROAD)
HOSTS = {"device:1": "ws01.bakkerij-jansen", "device:2": "srv01.bakkerij-jansen"}


def waits(name: str = "openssl", candidate: str = "3.0.17", patch_class: str = "security", **more: Any) -> Judged:
    installed, origin = more.pop("installed", "3.0.14"), more.pop("origin", "Lab/main")
    update = Update(name, "amd64", installed, candidate, origin, True, **more)
    return Judged(update, patch_class, "high", "vendor", "")


def scan(member: Member, *updates: Judged, at: dt.datetime = NOW, **more: Any) -> Scan:
    values = {"platform": "debian-12", "manager": "apt", "updates": updates, "metadata_at": at, **more}
    return Scan("bakkerij-jansen", member.key, HOSTS[member.key], at, "ok", **values)


def due(*scans: Scan, since: dt.datetime = NOW - DAY, now: dt.datetime = NOW, using: Plan = PLAN) -> list[Due]:
    """What is due, of versions that have all been there since a moment."""
    seen = {
        (one.platform, u.name, u.architecture, version): since
        for one in scans
        for u in (judged.update for judged in one.updates or ())
        for version in (u.candidate, *(between.version for between in u.versions))
    }
    return planning.due(using, MEMBERS, {one.asset: one for one in scans}, seen, now)


def test_what_is_not_deferred_is_due_at_once_and_its_deadline_counts_from_when_it_came() -> None:
    (found,) = due(scan(BROAD, waits()))

    assert found.patch_class == "security"
    assert found.manifest.entries == (Entry("debian-12", "openssl", "amd64", "3.0.17"),)
    assert found.deadline == NOW - DAY + 14 * DAY


@pytest.mark.parametrize(
    ("since", "now", "is_due"),
    [
        (BATCH - 8 * DAY, BATCH - HOUR, False),  # deferred enough, and its batch has not come
        (BATCH - 8 * DAY, BATCH, True),
        (BATCH - 6 * DAY, BATCH + DAY, False),  # the batch came before it was deferred enough
        (BATCH - 6 * DAY, dt.datetime(2026, 12, 15, 11, 0, tzinfo=dt.UTC), True),
    ],
)
def test_what_is_deferred_is_due_with_the_first_batch_after_that(
    since: dt.datetime, now: dt.datetime, is_due: bool
) -> None:
    assert bool(due(scan(BROAD, waits(patch_class="routine")), since=since, now=now)) is is_due


def test_a_version_that_came_later_restarts_no_deadline() -> None:
    newest = waits(candidate="3.0.18", versions=(Version("3.0.17", None, True), Version("3.0.18", None, True)))
    one = scan(BROAD, newest)
    seen = {
        ("debian-12", "openssl", "amd64", "3.0.17"): NOW - 5 * DAY,
        ("debian-12", "openssl", "amd64", "3.0.18"): NOW - DAY,
    }

    (found,) = planning.due(PLAN, MEMBERS, {one.asset: one}, seen, NOW)

    assert found.deadline == NOW - 5 * DAY + 14 * DAY


def test_what_nobody_saw_before_counts_from_the_scan_that_saw_it() -> None:
    one = scan(BROAD, waits())

    (found,) = planning.due(PLAN, MEMBERS, {one.asset: one}, {}, NOW + HOUR)

    assert found.deadline == NOW + 14 * DAY


def test_what_is_held_back_or_excluded_is_nobodys_to_install() -> None:
    excluding = plan(
        exclusions=[
            {"package": "nginx*", "assets": ["srv01"], "reason": "old", "owner": "A. de Vries", "expires": "2026-12-31"}
        ]
    )
    held, excluded = waits("postgresql-15", held="hold"), waits("nginx-core")

    assert due(scan(BROAD, held, excluded), using=excluding) == []
    (found,) = due(scan(BROAD, excluded), scan(PILOT, excluded), using=excluding)
    assert [entry.name for entry in found.manifest.entries] == ["nginx-core"]
    late = excluding.exclusions[0].expires + DAY
    assert due(scan(BROAD, excluded), using=excluding, now=dt.datetime.combine(late, NOW.timetz()))


def test_of_two_versions_that_hosts_were_offered_that_of_the_newest_lists_is_frozen() -> None:
    stale = scan(PILOT, waits(candidate="3.0.17"), metadata_at=NOW - 3 * DAY)
    fresh = scan(BROAD, waits(candidate="3.0.18"), metadata_at=NOW - HOUR)
    other = replace(fresh, platform="debian-13", asset="device:1")

    assert [e.version for e in due(stale, fresh)[0].manifest.entries] == ["3.0.18"]
    assert [(e.platform, e.version) for e in due(other, fresh)[0].manifest.entries] == [
        ("debian-12", "3.0.18"),
        ("debian-13", "3.0.18"),
    ]


def test_every_asset_of_the_platform_is_in_the_rollout_also_where_nothing_waits() -> None:
    scans = {one.asset: one for one in (scan(BROAD, waits()), scan(PILOT))}
    (found,) = due(*scans.values())

    first = planning.planned(PLAN, found, MEMBERS, HOSTS, scans, now=NOW, by="timer")

    rings = {ring.name: [target.host for target in ring.hosts] for ring in first.rings}
    assert rings == {"pilot": ["ws01.bakkerij-jansen"], "broad": ["srv01.bakkerij-jansen"]}
    assert first.manifest == found.manifest.hash()
    assert first.deadline == found.deadline


def test_what_may_not_be_touched_was_not_scanned_or_is_of_another_platform_is_not_in_it() -> None:
    scans = {"device:2": scan(BROAD, waits())}
    (found,) = due(*scans.values())

    def hosts(some: dict[str, str], all_scans: dict[str, Scan]) -> list[str]:
        first = planning.planned(PLAN, found, MEMBERS, some, all_scans, now=NOW, by="timer")
        return [target.asset for ring in first.rings for target in ring.hosts]

    assert hosts(HOSTS, scans) == ["device:2"]
    assert hosts({"device:1": HOSTS["device:1"]}, scans) == []
    assert hosts(HOSTS, {**scans, "device:1": scan(PILOT, platform="debian-13")}) == ["device:2"]


def test_what_is_late_already_has_as_long_as_its_class_allows_once_more() -> None:
    scans = {"device:2": scan(BROAD, waits())}
    (found,) = due(*scans.values(), since=NOW - 30 * DAY)

    first = planning.planned(PLAN, found, MEMBERS, HOSTS, scans, now=NOW, by="timer")

    assert found.deadline < NOW
    assert first.deadline == NOW + 14 * DAY


MANIFEST = Manifest.of([Entry("debian-12", "openssl", "amd64", "3.0.17")])


@pytest.mark.parametrize(
    ("update", "newer"),
    [
        (waits(candidate="3.0.17"), False),
        (waits(candidate="3.0.18"), True),
        (waits(candidate="3.0.16"), False),  # a host whose lists are older
        (waits(candidate="3.0.18", installed="3.0.17"), True),
        (waits(candidate="3.0.18", patch_class="routine"), False),
        (waits("libssl3", candidate="3.0.18"), False),
    ],
)
def test_a_security_fix_that_is_due_and_newer_supersedes(update: Judged, newer: bool) -> None:
    one = scan(BROAD, update)

    found = planning.superseding(MANIFEST, due(one, since=BATCH - 30 * DAY), [one])

    assert bool(found) is newer
    assert not newer or found == "openssl 3.0.18"


@pytest.mark.parametrize(
    ("manager", "candidate", "newer"),
    [
        # What lies between is in neither host's list: the rules of its package manager tell.
        ("apt", "3.0.17~rc1", False),
        ("apt", "3.0.17+b1", True),
        ("dnf", "3.0.17^git1", True),
        ("dnf", "1:3.0.1", True),
        ("dnf", "3.0.17~rc1", False),
        ("dnf", "3.0.9", False),
        ("zypper", "3.0.18", False),
    ],
)
def test_newer_is_what_the_hosts_own_package_manager_takes_for_it(manager: str, candidate: str, newer: bool) -> None:
    one = scan(BROAD, waits(candidate=candidate), manager=manager)

    assert bool(planning.superseding(MANIFEST, due(one, since=BATCH - 30 * DAY), [one])) is newer


def test_a_fix_that_is_not_due_yet_ends_no_rollout() -> None:
    one = scan(BROAD, waits(candidate="3.0.18", advisories=("DSA-1-1",)))
    deferred = plan(**{"classes.security.deferral": "3d"})

    assert planning.superseding(MANIFEST, due(one, using=deferred), [one]) == ""
    later = due(one, using=deferred, now=NOW + 3 * DAY)
    assert planning.superseding(MANIFEST, later, [one]) == "openssl 3.0.18 (DSA-1-1)"


UPDATES = st.lists(
    st.builds(
        lambda name, version, name_of_class, held: waits(name, version, name_of_class, held=held),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["3.0.15", "3.0.16", "3.0.17"]),
        st.sampled_from(CLASSES),
        st.sampled_from(["", "hold"]),
    ),
    max_size=6,
    unique_by=lambda one: one.update.name,
)


@pytest.mark.thorough
@settings(max_examples=40)
@given(UPDATES, UPDATES, st.integers(0, 90), st.integers(0, 40))
def test_all_that_is_due_and_nothing_else_is_in_one_manifest_of_its_class_and_order_means_nothing(
    first: list[Judged], second: list[Judged], days: int, ahead: int
) -> None:
    since, now = NOW - days * DAY, NOW + ahead * DAY
    scans = [scan(PILOT, *first), scan(BROAD, *second)]

    found = due(*scans, since=since, now=now)

    ready = {
        name: (moment := windows.installable_from(PLAN, name, since)) is not None and moment <= now for name in CLASSES
    }
    wanted = {
        (one.patch_class, one.update.name)
        for one in (*first, *second)
        if not one.update.held and ready[one.patch_class]
    }
    assert {(one.patch_class, entry.name) for one in found for entry in one.manifest.entries} == wanted
    assert [one.patch_class for one in found] == [name for name in CLASSES if any(name == c for c, _n in wanted)]
    assert due(scan(BROAD, *reversed(second)), scan(PILOT, *reversed(first)), since=since, now=now) == found


def test_what_rollouts_left_on_an_asset_after_its_scan_waits_no_more_and_what_went_back_does() -> None:
    """Of two rollouts the later one counts; a result from before the scan is in the scan."""
    scans = {member.key: scan(member) for member in MEMBERS}
    first = Manifest.of(Entry("debian-12", name, "amd64", "2") for name in ("openssl", "nginx"))
    second = Manifest.of([Entry("debian-12", "openssl", "amd64", "3"), Entry("debian-13", "bash", "amd64", "5")])
    targets = tuple(events.Target(HOSTS[one.key], one.key, one.name, "debian-12") for one in MEMBERS)
    planned = events.Planned(NOW, "security", "m", NOW + DAY, (events.RingTargets("pilot", targets),), "anna")

    def ended(asset: Member, outcome: str, at: dt.datetime = NOW + HOUR) -> events.HostEnded:
        return events.HostEnded(at, HostResult(HOSTS[asset.key], asset.key, outcome, at))

    def left(*past: tuple[list[events.Event], Manifest]) -> planning.Since:
        return {asset: found for asset, found in planning.installed_since(scans, past).items() if found}

    both: list[events.Event] = [planned, ended(PILOT, "patched"), ended(BROAD, "nothing")]
    two = frozenset({("openssl", "amd64", "2"), ("nginx", "amd64", "2")})
    assert left((both, first)) == dict.fromkeys(HOSTS, two)
    assert left((both, first), ([planned, ended(PILOT, "reboot owed")], second)) == {
        PILOT.key: two | {("openssl", "amd64", "3")},
        BROAD.key: two,
    }
    assert left(([*both, ended(PILOT, "rolled back")], first)) == {BROAD.key: two}
    assert left(([planned, ended(PILOT, "patched", NOW - HOUR), ended(BROAD, "failed")], first)) == {}
    back: list[events.Event] = [
        planned,
        ended(PILOT, "failed"),
        events.RollbackStarted(NOW, (HOSTS[PILOT.key],)),
        ended(PILOT, "nothing"),
    ]
    assert left((back, first)) == {}  # nothing to take back is not all of it there
    again: list[events.Event] = [*back, events.BatchStarted(NOW, "pilot", (HOSTS[PILOT.key],)), ended(PILOT, "nothing")]
    assert left((again, first)) == {PILOT.key: two}


# What was given up

OPENSSL = Manifest.of([Entry("debian-12", "openssl", "amd64", "3.0.17")])
KEY = ("debian-12", "openssl", "amd64", "3.0.17")
ABORTED = (events.AbortAsked(NOW, "anna", "so"), events.Aborted(NOW))
HALT, RESUMED = events.Halted(NOW, "so"), events.Resumed(NOW, "anna", "so")
NOT_PASSED = events.GateFailed(NOW, "pilot", events.Counts(), "so")
LEFT_HALTED = "r1 with it was halted, and nobody resumed it"
ENDS: dict[str, tuple[list[tuple[str, str, tuple[events.Event, ...], Manifest]], str]] = {
    "aborted": ([("office", "r1", ABORTED, OPENSSL)], "r1 with it was aborted by anna"),
    "rolled back": ([("office", "r1", (events.RolledBack(NOW, ()),), OPENSSL)], "r1 with it was rolled back"),
    "of another plan": ([("shop", "r1", ABORTED, OPENSSL)], ""),
    "expired": ([("office", "r1", (events.Expired(NOW),), OPENSSL)], ""),
    "halted, and expired": ([("office", "r1", (HALT, events.Expired(NOW)), OPENSSL)], LEFT_HALTED),
    "not passed, and expired": ([("office", "r1", (NOT_PASSED, events.Expired(NOW)), OPENSSL)], LEFT_HALTED),
    "halted, and superseded": ([("office", "r1", (HALT, events.Superseded(NOW, "nginx 2")), OPENSSL)], ""),
    "halted, resumed, and expired": ([("office", "r1", (HALT, RESUMED, events.Expired(NOW)), OPENSSL)], ""),
    "open": ([("office", "r1", (), OPENSSL)], ""),
    "aborted, and tried again since": ([("office", "r2", (), OPENSSL), ("office", "r1", ABORTED, OPENSSL)], ""),
}


@pytest.mark.parametrize("name", list(ENDS))
def test_what_the_last_rollout_with_it_gave_up(name: str) -> None:
    past, why = ENDS[name]
    assert planning.given_up("office", past) == ({KEY: why} if why else {})


def test_what_was_given_up_is_not_due_whatever_else_is_until_its_version_changes() -> None:
    one = scan(BROAD, waits(), waits("nginx"))
    gave_up = planning.given_up("office", ENDS["aborted"][0])

    (found,) = planning.due(PLAN, MEMBERS, {one.asset: one}, {}, NOW, without=gave_up)
    assert [entry.name for entry in found.manifest.entries] == ["nginx"]
    newer = scan(BROAD, waits(candidate="3.0.18"))
    (found,) = planning.due(PLAN, MEMBERS, {newer.asset: newer}, {}, NOW, without=gave_up)
    assert [entry.version for entry in found.manifest.entries] == ["3.0.18"]

    said = planning.still_waiting(PLAN, MEMBERS, {one.asset: one}, NOW, since={}, keys=gave_up)
    assert said == ["openssl 3.0.17: r1 with it was aborted by anna"]
    assert planning.still_waiting(PLAN, MEMBERS, {newer.asset: newer}, NOW, since={}, keys=gave_up) == []
    assert [planning.asked_for(KEY, (pattern,)) for pattern in ("openssl", "open*", "nginx")] == [True, True, False]


def test_what_another_rollout_has_is_not_due_in_any_version() -> None:
    scans = {one.asset: one for one in (scan(BROAD, waits(), waits("nginx")), scan(PILOT, waits(candidate="3.0.16")))}
    (found,) = planning.due(PLAN, MEMBERS, scans, {}, NOW, besides={KEY[:3]})
    assert [entry.name for entry in found.manifest.entries] == ["nginx"]


def test_what_ran_out_of_time_is_planned_at_once_and_what_is_complete_a_day_later() -> None:
    (found,) = due(scan(BROAD, waits()))
    first = events.Planned(NOW, "security", found.manifest.hash(), NOW, (), "anna")

    def why(end: events.Event, now: dt.datetime = NOW + HOUR, *, asked: bool = False) -> str:
        return planning.not_again(found, "office", [("office", [first, end], "r1")], now, asked=asked)

    assert why(events.Expired(NOW)) == ""
    assert "left undone is tried again from" in why(events.Completed(NOW))
    assert why(events.Completed(NOW), NOW + DAY) == ""
    assert "by itself" in why(events.RolledBack(NOW, ()))
    assert why(events.RolledBack(NOW, ()), asked=True) == ""


# Packages of more than one source

MIXED = (
    scan(PILOT, waits("nginx", "1.26.1-1", origin="nginx/stable")),
    scan(BROAD, waits("nginx", "1.22.1-9+deb12u2", origin="Debian/bookworm")),
)


def test_of_one_package_from_two_sources_both_versions_are_frozen() -> None:
    (found,) = due(*MIXED)
    assert [entry.version for entry in found.manifest.entries] == ["1.22.1-9+deb12u2", "1.26.1-1"]
    same = scan(BROAD, waits("nginx", "1.26.1-1", origin="mirror/stable"))
    (found,) = due(MIXED[0], same)
    assert [entry.version for entry in found.manifest.entries] == ["1.26.1-1"]


def test_a_newer_version_from_another_source_supersedes_nothing() -> None:
    debian = Manifest.of([Entry("debian-12", "nginx", "amd64", "1.22.1-9+deb12u2", "Debian/bookworm")])
    assert planning.superseding(debian, due(*MIXED), MIXED) == ""
    newer = scan(BROAD, waits("nginx", "1.22.1-9+deb12u3", origin="Debian/bookworm"))
    assert planning.superseding(debian, due(newer), [newer]) == "nginx 1.22.1-9+deb12u3"
    both = due(*MIXED)[0].manifest
    assert planning.superseding(both, due(MIXED[0], newer), [MIXED[0], newer]) == "nginx 1.22.1-9+deb12u3"
    fix = waits("nginx", "1.22.1-9+deb12u3", versions=(Version("1.22.1-9+deb12u2", "Debian/bookworm", False),))
    security = scan(BROAD, fix, manager="zypper")
    assert planning.superseding(debian, due(security), [security]) == "nginx 1.22.1-9+deb12u3"


def test_a_target_is_the_machine_that_was_scanned() -> None:
    scans = {"device:2": scan(BROAD, waits(), machine_id="8a1f")}
    (found,) = due(*scans.values())
    first = planning.planned(PLAN, found, MEMBERS, HOSTS, scans, now=NOW, by="timer")
    assert [target.machine_id for ring in first.rings for target in ring.hosts] == ["8a1f"]
