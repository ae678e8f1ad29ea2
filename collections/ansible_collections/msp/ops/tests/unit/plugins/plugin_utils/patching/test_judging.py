# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The class of an update, by example and by properties: nothing that becomes known ever makes an update less urgent."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import feeds, judging
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feeds import Entries, Fix
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    CLASSES,
    RULES,
    SEVERITIES,
    Judged,
    Update,
    Version,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.severity import Claim

DAY = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
HOLE = "CVE-2026-0001"


def update(**values: Any) -> Update:
    usual: dict[str, Any] = {"origin": "Debian/bookworm", "security": False}
    return Update("openssl", "amd64", "3.0.16-1", "3.0.17-1", **{**usual, **values})


def judge(one: Update, *parts: Entries, exposed: bool = False) -> Judged:
    return judging.judge(one, feeds.together(parts), platform="debian-12", exposed=exposed)


EXPLOITED = Entries("kev", DAY, exploited=(HOLE,))


def rated(severity: str, rule: str = "cvss", name: str = HOLE, score: float | None = 9.8) -> Entries:
    return Entries("osv", DAY, claims=((name, Claim(severity, rule, f"OSV 2026-11-20: {name}", score)),))


@pytest.mark.parametrize(
    ("one", "parts", "exposed", "expected"),
    [
        # What is known to be exploited, wherever it comes from.
        (update(cves=(HOLE,)), [EXPLOITED], False,
         ("emergency", "critical", "known exploited", f"CISA KEV 2026-11-20: {HOLE}")),
        (update(security=True, cves=(HOLE,)), [EXPLOITED, rated("low", "vendor")], False,
         ("emergency", "critical", "known exploited", f"CISA KEV 2026-11-20: {HOLE}")),
        # Critical counts double where the internet reaches.
        (update(cves=(HOLE,)), [rated("critical")], True, ("emergency", "critical", "cvss", f"OSV 2026-11-20: {HOLE}")),
        (update(cves=(HOLE,)), [rated("critical")], False, ("security", "critical", "cvss", f"OSV 2026-11-20: {HOLE}")),
        (update(cves=(HOLE,)), [rated("high")], True, ("security", "high", "cvss", f"OSV 2026-11-20: {HOLE}")),
        # The worst word counts, and of equal ones the vendor's.
        (update(cves=(HOLE,), vendor="Low", advisories=("A-1",)), [rated("high")], False,
         ("security", "high", "cvss", f"OSV 2026-11-20: {HOLE}")),
        (update(cves=(HOLE,), vendor="Important", advisories=("A-1",)), [rated("high")], False,
         ("security", "high", "vendor", "Important in A-1")),
        (update(security=True, vendor="Critical", advisories=("A-1",)), [], True,
         ("emergency", "critical", "vendor", "Critical in A-1")),
        # An advisory may be rated itself.
        (update(security=True, advisories=("A-1",)), [rated("high", name="A-1")], False,
         ("security", "high", "cvss", "OSV 2026-11-20: A-1")),
        # Nobody rated it: unknown is not low.
        (update(security=True), [], True, ("security", "unknown", "unknown", "security update of Debian/bookworm")),
        (update(security=True, versions=(Version("3.0.16-2", "Debian-Security/bookworm-security", True),
                                         Version("3.0.17-1", "Debian/bookworm", False))), [], False,
         ("security", "unknown", "unknown", "security update of Debian-Security/bookworm-security")),
        # A point release carries fixes too.
        (update(cves=(HOLE,)), [], False, ("security", "unknown", "unknown", f"its changelog names {HOLE}")),
        (update(security=None), [], False,
         ("security", "unknown", "unknown", "nothing on the host can tell whether it closes a hole")),
        (update(), [], True, ("routine", "unknown", "unknown", "no security archive and no known hole")),
        (update(), [EXPLOITED, rated("critical")], True,
         ("routine", "unknown", "unknown", "no security archive and no known hole")),
    ],
)  # fmt: skip
def test_an_update_has_a_class_and_who_decided(
    one: Update, parts: list[Entries], exposed: bool, expected: tuple[str, str, str, str]
) -> None:
    found = judge(one, *parts, exposed=exposed)

    assert (found.patch_class, found.severity, found.rule, found.source) == expected


def test_the_worst_score_and_the_highest_probability_are_kept() -> None:
    other = "CVE-2026-0002"
    likely = Entries("epss", DAY, likely=((HOLE, 0.1), (other, 0.9), ("CVE-2026-0003", 1.0)))
    found = judge(update(cves=(HOLE, other)), rated("high", score=7.5), rated("low", name=other, score=2.0), likely)

    assert (found.cvss, found.epss, found.exploited) == (7.5, 0.9, False)


BETWEEN = update(source="openssl", source_from="3.0.16-1~deb12u1", source_to="3.0.17-1~deb12u2")


@pytest.mark.parametrize(
    ("fixed", "closed"),
    [
        ("3.0.16-1~deb12u1", False),
        ("3.0.16-1~deb12u2", True),
        ("3.0.17-1~deb12u2", True),
        ("3.0.17-1~deb12u3", False),
    ],
)
def test_a_hole_is_closed_by_what_lies_above_the_installed_version_up_to_the_new_one(fixed: str, closed: bool) -> None:
    entries = Entries("osv", DAY, fixes=(Fix("debian-12", "openssl", fixed, (HOLE,), "DSA-5999-1"),))
    found = judge(BETWEEN, entries, EXPLOITED)

    assert found.update.cves == ((HOLE,) if closed else ())
    assert found.update.advisories == (("DSA-5999-1",) if closed else ())
    assert found.patch_class == ("emergency" if closed else "routine")


@pytest.mark.parametrize(
    "fix",
    [
        Fix("debian-13", "openssl", "3.0.17-1", (HOLE,)),
        Fix("debian-12", "openssh", "3.0.17-1", (HOLE,)),
    ],
)
def test_another_releases_or_packages_fix_is_none(fix: Fix) -> None:
    assert judge(BETWEEN, Entries("debian", DAY, fixes=(fix,))).update == BETWEEN


# --- what holds for everything -------------------------------------------------------------------------------------

NAMES = ("CVE-2026-0001", "CVE-2026-0002", "A-1")
CLAIMS = st.builds(
    Claim, st.sampled_from(SEVERITIES), st.sampled_from(RULES[1:]), st.sampled_from("ab"), st.sampled_from((None, 9.8))
)
FIXES = st.builds(
    Fix,
    st.sampled_from(("debian-12", "debian-13")),
    st.just("openssl"),
    st.sampled_from(("1", "2", "3", "4")),
    st.lists(st.sampled_from(NAMES[:2]), max_size=2, unique=True).map(tuple),
    st.sampled_from(("", "A-1")),
)
ENTRIES = st.builds(
    Entries,
    st.sampled_from(feeds.KINDS),
    st.dates(dt.date(2026, 1, 1), dt.date(2026, 11, 26)).map(lambda day: dt.datetime.combine(day, dt.time(), dt.UTC)),
    st.lists(st.sampled_from(NAMES[:2]), max_size=2).map(tuple),
    st.lists(st.tuples(st.sampled_from(NAMES), CLAIMS), max_size=3).map(tuple),
    st.lists(st.tuples(st.sampled_from(NAMES[:2]), st.floats(0, 1)), max_size=2).map(tuple),
    st.lists(FIXES, max_size=3).map(tuple),
)
UPDATES = st.builds(
    lambda security, cves, advisories, vendor, held: update(
        security=security,
        cves=tuple(cves),
        advisories=tuple(advisories),
        vendor=vendor,
        held=held,
        source="openssl",
        source_from="1",
        source_to="3",
    ),
    st.sampled_from((True, False, None)),
    st.lists(st.sampled_from(NAMES[:2]), max_size=2, unique=True),
    st.lists(st.sampled_from(NAMES[2:]), max_size=1),
    st.sampled_from(("", "Low", "Critical", "odd")),
    st.sampled_from(("", "hold")),
)
PARTS = st.lists(ENTRIES, max_size=3)


@pytest.mark.thorough
@given(UPDATES, PARTS, ENTRIES, st.booleans())
@settings(max_examples=80)
def test_one_more_feed_however_old_never_makes_an_update_less_urgent(
    one: Update, parts: list[Entries], more: Entries, exposed: bool
) -> None:
    before, after = judge(one, *parts, exposed=exposed), judge(one, *parts, more, exposed=exposed)

    assert CLASSES.index(after.patch_class) <= CLASSES.index(before.patch_class)
    assert SEVERITIES.index(after.severity) <= SEVERITIES.index(before.severity)
    assert (after.cvss or 0) >= (before.cvss or 0)
    assert (after.epss or 0) >= (before.epss or 0)
    assert after.exploited >= before.exploited
    assert set(after.update.cves) >= set(before.update.cves)


@pytest.mark.thorough
@given(UPDATES, PARTS, st.booleans())
@settings(max_examples=40)
def test_an_exposed_asset_never_has_a_less_urgent_update(one: Update, parts: list[Entries], exposed: bool) -> None:
    inside, outside = judge(one, *parts), judge(one, *parts, exposed=True)

    assert CLASSES.index(outside.patch_class) <= CLASSES.index(inside.patch_class)


@pytest.mark.thorough
@given(UPDATES, PARTS, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_feeds_and_of_their_entries_means_nothing(one: Update, parts: list[Entries], random: Any) -> None:
    def mixed(some: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(random.sample(some, len(some)))

    other = [
        replace(
            part,
            exploited=mixed(part.exploited),
            claims=mixed(part.claims),
            likely=mixed(part.likely),
            fixes=mixed(part.fixes),
        )
        for part in mixed(tuple(parts))
    ]

    assert judge(one, *other, exposed=True) == judge(one, *parts, exposed=True)


@pytest.mark.thorough
@given(UPDATES, PARTS, st.integers(1, 1000))
@settings(max_examples=40)
def test_a_feed_that_grows_old_changes_nothing_but_its_date(one: Update, parts: list[Entries], days: int) -> None:
    aged = [replace(part, date=part.date - dt.timedelta(days=days)) for part in parts if part.date]
    now, later = judge(one, *parts, exposed=True), judge(one, *aged, exposed=True)

    assert replace(later, source="") == replace(now, source="")


@pytest.mark.thorough
@given(st.lists(UPDATES, max_size=6), PARTS)
@settings(max_examples=40)
def test_no_update_is_dropped_made_or_moved(updates: list[Update], parts: list[Entries]) -> None:
    found = judging.judge_all(updates, feeds.together(parts), platform="debian-12", exposed=True)

    assert [replace(one.update, cves=(), advisories=()) for one in found] == [
        replace(one, cves=(), advisories=()) for one in updates
    ]
