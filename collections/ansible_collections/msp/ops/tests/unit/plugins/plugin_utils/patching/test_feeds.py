# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries out of feeds in the formats of their makers, and what is wrong with one that is none."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.patching import feeds
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feeds import Fix
from ansible_collections.msp.ops.plugins.plugin_utils.patching.severity import Claim

NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
DAY = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
KEV = {
    "title": "CISA Catalog of Known Exploited Vulnerabilities",
    "catalogVersion": "2026.11.20",
    "dateReleased": "2026-11-20T17:04:19.9796Z",
    "count": 1,
    "vulnerabilities": [{"cveID": "CVE-2026-0001", "dateAdded": "2026-11-20"}],
}
EPSS = "#model_version:v2026.03.14,score_date:2026-11-20T12:55:00Z\ncve,epss,percentile\nCVE-2026-0001,0.94,0.99\n"
DEBIAN = {
    "openssl": {
        "CVE-2026-0001": {
            "scope": "local",
            "releases": {
                "bookworm": {"status": "resolved", "fixed_version": "3.0.17-1~deb12u1", "urgency": "unimportant"},
                "trixie": {"status": "resolved", "fixed_version": "0", "urgency": "not yet assigned"},
                "bullseye": {"status": "open", "urgency": "high"},
                "sid": {"status": "resolved", "fixed_version": "3.5.4-1", "urgency": "not yet assigned"},
            },
        },
        "TEMP-0000000-ABCDEF": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.16-1"}}},
    }
}
OSV = {
    "id": "DSA-5999-1",
    "modified": "2026-11-20T10:00:00Z",
    "upstream": ["CVE-2026-0001", "CVE-2026-0002"],
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    "affected": [
        {
            "package": {"ecosystem": "Debian:12", "name": "openssl"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.17-1~deb12u1"}]}],
        },
        {"package": {"ecosystem": "PyPI", "name": "openssl"}, "ranges": [{"events": [{"fixed": "1"}]}]},
    ],
}


def parse(kind: str, value: object, given: dt.datetime | None = None) -> feeds.Entries:
    return feeds.parse(kind, [value if isinstance(value, str) else json.dumps(value)], NOW, given)


def test_kev_names_what_is_exploited_and_its_own_date() -> None:
    found = parse("kev", KEV)

    assert (found.exploited, found.date) == (("CVE-2026-0001",), dt.datetime(2026, 11, 20, 17, 4, 19, tzinfo=dt.UTC))


def test_epss_says_how_likely_a_hole_is_to_be_used() -> None:
    found = parse("epss", EPSS)

    assert (found.likely, found.date) == ((("CVE-2026-0001", 0.94),), dt.datetime(2026, 11, 20, 12, 55, tzinfo=dt.UTC))


def test_debians_tracker_says_in_which_version_of_which_release_a_hole_is_closed_and_its_urgency_is_not_read() -> None:
    found = parse("debian", DEBIAN, DAY)

    assert found.fixes == (
        Fix("debian-12", "openssl", "3.0.17-1~deb12u1", ("CVE-2026-0001",)),
        Fix("debian-12", "openssl", "3.0.16-1", (), "TEMP-0000000-ABCDEF"),
    )
    assert found.claims == ()


def test_an_advisory_of_osv_about_several_holes_rates_itself_and_none_of_them() -> None:
    found = parse("osv", OSV)

    text = "OSV 2026-11-20: DSA-5999-1 has CVSS 9.8"
    assert found.claims == (("DSA-5999-1", Claim("critical", "cvss", text, 9.8)),)
    assert found.fixes == (
        Fix("debian-12", "openssl", "3.0.17-1~deb12u1", ("CVE-2026-0001", "CVE-2026-0002"), "DSA-5999-1"),
    )


@pytest.mark.parametrize(
    ("more", "claims"),
    [
        ({"severity": [{"type": "Ubuntu", "score": "medium"}]}, [("medium", "vendor", None)]),
        ({"database_specific": {"severity": "HIGH"}}, [("high", "vendor", None)]),
        ({"severity": [{"type": "CVSS_V2", "score": "AV:N/AC:L/Au:N/C:N/I:N/A:C"}]}, [("high", "cvss", 7.8)]),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H"}]}, []),
        ({"severity": [{"type": "CVSS_V4", "score": "9.3"}]}, [("critical", "cvss", 9.3)]),
        ({"database_specific": {"severity": "none of them"}}, []),
        ({"affected": [{"severity": [{"type": "CVSS_V3", "score": "7.0"}]}]}, [("high", "cvss", 7.0)]),
        ({"withdrawn": "2026-11-19T00:00:00Z", "database_specific": {"severity": "HIGH"}}, []),
    ],
)
def test_an_entry_of_osv_about_one_hole_rates_that_hole(
    more: dict[str, Any], claims: list[tuple[str, str, Any]]
) -> None:
    entry = {"id": "UBUNTU-CVE-2026-0001", "modified": "2026-11-20T10:00:00Z", **more}
    # Another entry, for a feed without one is broken.
    found = parse("osv", [entry, {**OSV, "id": "OTHER-1", "severity": []}])

    of_hole = [claim for name, claim in found.claims if name == "CVE-2026-0001"]
    assert [(claim.severity, claim.rule, claim.cvss) for claim in of_hole] == claims


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OSV),
        json.dumps([OSV]),
        json.dumps({"vulns": [OSV]}),
        json.dumps(OSV) + "\n" + json.dumps({**OSV, "id": "DSA-6000-1"}) + "\n",
    ],
)
def test_osv_comes_as_one_entry_a_list_an_answer_or_a_line_each(text: str) -> None:
    assert ("DSA-5999-1") in dict(parse("osv", text).claims)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("kev", "<html>Service unavailable</html>", "it is no JSON"),
        ("kev", '{"vulnerabilities": [{"cveID": "CVE-2026-', "it is no JSON"),
        ("kev", [1], "it has no list vulnerabilities"),
        ("kev", {**KEV, "count": 1404}, "it says that it has 1404 entries and has 1: it is cut off"),
        ("kev", {**KEV, "vulnerabilities": [{"cveID": "x"}]}, "an entry has no CVE name but 'x'"),
        ("kev", {**KEV, "vulnerabilities": [1]}, "an entry has no CVE name"),
        ("epss", "a,b\n1,2\n", "does not name the columns cve and epss"),
        ("epss", "cve,epss\nCVE-2026-0001,high\n", "'high' is no probability"),
        ("epss", "cve,epss\nCVE-2026-0001,nan\n", "'nan' is no probability"),
        ("epss", "cve,epss\nCVE-2026-0001\n", "'None' is no probability"),
        ("debian", [], "it is no mapping of packages"),
        ("debian", {"openssl": []}, "what it says of 'openssl' is no mapping"),
        ("debian", {"openssl": {"CVE-2026-0001": {}}}, "has no releases"),
        ("osv", [{"modified": "x"}], "an entry has no id"),
        ("osv", "[1]", "an entry has no id"),
        ("osv", '{"id": "a"}\n{"id": ', "it is no JSON"),
    ],
)
def test_what_is_no_feed_is_broken_and_says_where(kind: str, value: object, why: str) -> None:
    with pytest.raises(feeds.Broken, match=why) as caught:
        parse(kind, value, DAY)
    assert not isinstance(caught.value, feeds.Undated)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("kev", {**KEV, "count": 0, "vulnerabilities": []}), ("epss", "cve,epss\n"), ("debian", {}), ("osv", "[]")],
)
def test_a_feed_without_entries_is_empty_and_not_good_news(kind: str, value: object) -> None:
    with pytest.raises(feeds.Empty):
        parse(kind, value, DAY)


def test_a_feed_is_as_old_as_the_older_of_its_dates_and_never_without_one() -> None:
    assert parse("kev", KEV, DAY).date == DAY
    assert parse("kev", KEV, NOW).date == dt.datetime(2026, 11, 20, 17, 4, 19, tzinfo=dt.UTC)
    with pytest.raises(feeds.Undated, match="none is given"):
        parse("debian", DEBIAN)
    with pytest.raises(feeds.Undated, match="2026-11-28, which is to come"):
        parse("debian", DEBIAN, NOW + dt.timedelta(days=2))


@pytest.mark.parametrize(("days", "max_age", "old"), [(3, None, False), (4, None, True), (4, 4, False), (1, 0, True)])
def test_a_feed_older_than_it_may_be_is_warned_of(days: int, max_age: int | None, old: bool) -> None:
    warning = feeds.stale("kev", NOW - dt.timedelta(days=days), NOW, max_age)

    assert (warning is not None) == old
    if warning:
        assert f"is {days} days old" in warning


def test_a_part_of_a_day_more_is_too_old() -> None:
    assert feeds.stale("kev", NOW - dt.timedelta(days=3, seconds=1), NOW) is not None


def test_the_newest_catalogue_is_named_whichever_comes_first() -> None:
    older = parse("kev", {**KEV, "dateReleased": "2026-10-01T00:00:00Z"})
    newer = parse("kev", KEV)

    for parts in ([older, newer], [newer, older]):
        assert feeds.together(parts).exploited == {"CVE-2026-0001": "CISA KEV 2026-11-20"}


def test_the_catalogue_as_cisa_publishes_it_is_read_whole(recorded: Callable[[str], Path]) -> None:
    text = recorded("kev/known_exploited_vulnerabilities.json").read_text(encoding="utf-8")

    found = feeds.parse("kev", [text], NOW)

    assert len(found.exploited) == json.loads(text)["count"]
    assert "CVE-2025-48384" in found.exploited
    assert found.date == dt.datetime(2025, 8, 25, 17, 4, 19, tzinfo=dt.UTC)
