# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A forgotten feed lowers no class, and what is owed is owed since it was first found."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import carried
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    CLASSES,
    SEVERITIES,
    Judged,
    Scan,
    Update,
    Version,
)

AT = dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
KEV = {"kev": "2026-11-20"}
OPENSSL = Update("openssl", "amd64", "1", "2", "Debian-Security/bookworm-security", True, cves=("CVE-2026-0001",))
URGENT = Judged(OPENSSL, "emergency", "critical", "known exploited", "CISA KEV 2026-11-20: CVE-2026-0001", True)
PLAIN = Judged(OPENSSL, "security", "unknown", "unknown", "security update of Debian-Security/bookworm-security")


def scan(days: float, *updates: Judged, **more: Any) -> Scan:
    return Scan("bakery", "device:1", "till", AT + days * DAY, "ok", "debian-12", "apt", updates, **more)


BEFORE = scan(0, URGENT, feeds=KEV)


def test_without_a_feed_that_the_scan_before_had_the_class_stays_with_its_reason_and_its_age() -> None:
    found = carried.over(scan(6, PLAIN), BEFORE)

    assert found.updates == (replace(URGENT, kept="2026-11-20"),)
    assert found.feeds == KEV
    assert found.warnings == (
        "an earlier scan was judged with CISA KEV of 2026-11-20 (6 days old), this one without or with older:"
        " nothing is lowered by that; openssl: the class of then is kept",
    )


def test_it_stays_however_often_the_feed_is_forgotten_and_goes_when_the_feed_comes_back() -> None:
    second = carried.over(scan(2, PLAIN), carried.over(scan(1, PLAIN), BEFORE))
    assert second.updates == (replace(URGENT, kept="2026-11-20"),)
    third = carried.over(scan(3, PLAIN, feeds={"kev": "2026-11-23"}), second)
    assert (third.updates, third.warnings, third.feeds) == ((PLAIN,), (), {"kev": "2026-11-23"})


def test_an_older_feed_than_that_of_the_scan_before_lowers_nothing_either() -> None:
    found = carried.over(scan(1, PLAIN, feeds={"kev": "2026-11-01"}), BEFORE)
    assert found.updates == (replace(URGENT, kept="2026-11-20"),)
    assert found.feeds == KEV


@pytest.mark.parametrize(
    ("update", "kept"),
    [
        (OPENSSL, True),
        (replace(OPENSSL, candidate="3"), True),  # installed is what was
        (replace(OPENSSL, installed="1.5"), True),  # and what could be had then waits still
        (replace(OPENSSL, installed="1.5", candidate="3", versions=(Version("2", None, True),)), True),
        (replace(OPENSSL, installed="2", candidate="3"), False),
        (replace(OPENSSL, architecture="arm64"), False),
    ],
)
def test_what_was_installed_since_keeps_no_class_of_then(update: Update, kept: bool) -> None:
    (found,) = carried.over(scan(1, replace(PLAIN, update=update)), BEFORE).updates or ()
    assert found.update == update
    assert (found.patch_class == "emergency") == bool(found.kept) == kept


def test_changelogs_that_are_not_read_any_more_lower_nothing() -> None:
    read = replace(OPENSSL, versions=(Version("2", None, True, ("CVE-2026-0001",), True),))
    was, lacks = replace(URGENT, update=read), replace(OPENSSL, cves=(), versions=(Version("2", None, True),))
    found = carried.over(scan(1, replace(PLAIN, update=lacks)), scan(0, was))
    assert [(one.patch_class, one.kept) for one in found.updates or ()] == [("emergency", "2026-11-20")]
    assert "changelogs" in found.warnings[0]


def test_with_as_much_known_as_before_a_class_may_fall() -> None:
    assert carried.over(scan(1, PLAIN, feeds={**KEV, "osv": "2026-11-19"}), BEFORE).updates == (PLAIN,)


def test_another_release_of_the_distribution_begins_anew() -> None:
    assert carried.over(replace(scan(1, PLAIN), platform="debian-13"), BEFORE).updates == (PLAIN,)


JUDGED = st.builds(
    Judged, st.just(OPENSSL), st.sampled_from(CLASSES), st.sampled_from(SEVERITIES), st.just("cvss"), st.just("OSV")
)


@given(JUDGED, JUDGED, st.sampled_from([{}, {"kev": "2026-11-19"}]))
def test_nothing_is_less_urgent_for_a_feed_that_was_forgotten(was: Judged, now: Judged, feeds: dict[str, str]) -> None:
    (found,) = carried.over(scan(1, now, feeds=feeds), scan(0, was, feeds=KEV)).updates or ()
    assert CLASSES.index(found.patch_class) == min(CLASSES.index(one.patch_class) for one in (was, now))


# Since when


def owes(days: float, **more: Any) -> Scan:
    return scan(days, **{"reboot": ("an old kernel runs",), "services": ("docker.service",), **more})


DOCKER = "restart docker.service"


def test_what_is_owed_is_owed_since_it_was_first_found_whatever_the_words() -> None:
    first = carried.over(owes(0), None)
    assert first.owed_since == {"reboot": AT, DOCKER: AT}
    second = carried.over(owes(400, reboot=("another kernel",), services=("docker.service", "ssh.service")), first)
    assert second.owed_since == {"reboot": AT, DOCKER: AT, "restart ssh.service": AT + 400 * DAY}


def test_a_boot_or_a_scan_that_does_not_find_it_ends_it() -> None:
    first = carried.over(owes(0), None)
    booted = carried.over(owes(2, booted_at=AT + DAY), first)
    assert set(booted.owed_since.values()) == {AT + 2 * DAY}
    clean = carried.over(owes(2, services=()), carried.over(owes(1, services=()), first))
    assert clean.owed_since == {"reboot": AT}


def test_what_an_older_version_recorded_was_owed_then_at_least() -> None:
    assert carried.over(owes(3), owes(0)).owed_since == {"reboot": AT, DOCKER: AT}


def test_a_scan_that_comes_late_takes_nothing_over_and_one_told_again_is_as_it_was_recorded() -> None:
    recorded = carried.over(scan(1, PLAIN), BEFORE)
    assert carried.over(scan(0.5, PLAIN), recorded).updates == (PLAIN,)
    assert carried.over(scan(1, PLAIN), recorded).updates == recorded.updates
    failed = replace(BEFORE, outcome="failed", updates=None)
    assert carried.over(failed, BEFORE) is failed
