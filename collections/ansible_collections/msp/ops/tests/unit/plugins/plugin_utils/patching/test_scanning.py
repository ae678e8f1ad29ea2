# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a host's answer to a scan: what is told of it, and what is refused because it is none."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack
from ansible_collections.msp.ops.plugins.module_utils.patching import shape
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.patching import feeds, scanning
from ansible_collections.msp.ops.plugins.plugin_utils.patching.feeds import Entries, Fix
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Scan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.severity import Claim

AT = dt.datetime(2026, 11, 26, 10, tzinfo=dt.UTC)
SUBJECT = Subject("srv01.bakkerij-jansen", "bakkerij-jansen", "device:7")
HOLE = "CVE-2026-0001"
MACHINE = "0123456789abcdef0123456789abcdef"


def answer(outcome: str = "ok", why: str | None = None, **values: Any) -> dict[str, Any]:
    """What a host sends: two updates, unless it is told otherwise."""
    updates = [
        shape.update(
            "openssl",
            "amd64",
            "3.0.16-1",
            "3.0.17-1",
            origin="Debian-Security/bookworm-security",
            security=True,
            versions=[shape.version("3.0.17-1", "Debian-Security/bookworm-security", True, [HOLE], changelog=True)],
            cves=[HOLE],
            needs="reboot",
        ),
        shape.update("tzdata", "all", "1", "2", security=False, held="hold", needs="nothing"),
    ]
    of_host = {
        "schema": 1,
        "platform": "debian-12",
        "machine_id": MACHINE,
        "booted_at": "2026-11-20T03:00:00Z",
        "reboot": {"needed": None, "reasons": []},
        "services": None,
        "seconds": 1.5,
        "blind": [],
    }
    of_host.update({name: values.pop(name) for name in list(values) if name in of_host})
    usual = {"updates": updates if outcome == "ok" else None, "metadata_at": "2026-11-26T04:00:00Z"}
    return {**shape.answer("apt", outcome, why, **{**usual, **values}), **of_host}


def scan(
    found: dict[str, Any],
    *parts: Entries,
    exposed: bool | None = False,
    metadata_age: int = 7,
    subject: Subject = SUBJECT,
) -> Scan:
    read = scanning.read("srv01", {"packed": pack(found)})
    known = feeds.together(parts)
    return scanning.scan(subject, read, known, AT, exposed=exposed, metadata_age=metadata_age, run="run-1")


def test_an_answer_becomes_a_scan_with_every_update_judged() -> None:
    found = scan(answer(), Entries("kev", AT, exploited=(HOLE,)))

    assert (found.customer, found.asset, found.host, found.at) == ("bakkerij-jansen", "device:7", SUBJECT.host, AT)
    assert (found.outcome, found.platform, found.manager, found.run) == ("ok", "debian-12", "apt", "run-1")
    assert found.metadata_at == dt.datetime(2026, 11, 26, 4, tzinfo=dt.UTC)
    assert found.updates is not None
    assert [(one.update.name, one.patch_class) for one in found.updates] == [
        ("openssl", "emergency"),
        ("tzdata", "routine"),
    ]
    assert found.updates[0].update.versions[0].cves == (HOLE,)
    assert found.warnings == ()
    assert (found.machine_id, found.blind) == (MACHINE, ())
    assert found.booted_at == dt.datetime(2026, 11, 20, 3, tzinfo=dt.UTC)


CRITICAL = Entries("osv", AT, claims=((HOLE, Claim("critical", "cvss", "OSV", 9.8)),))
REACHED = replace(SUBJECT, exposed=True)


@pytest.mark.parametrize(
    ("subject", "exposed", "patch_class"),
    [
        (SUBJECT, None, "security"),
        (REACHED, None, "emergency"),
        (SUBJECT, True, "emergency"),
        (REACHED, False, "security"),
    ],
)
def test_a_critical_hole_of_what_the_internet_reaches_is_an_emergency_as_netbox_says_it_or_the_caller(
    subject: Subject, exposed: bool | None, patch_class: str
) -> None:
    found = scan(answer(), CRITICAL, subject=subject, exposed=exposed)
    assert found.updates is not None and found.updates[0].patch_class == patch_class


def test_the_feeds_that_its_classes_rest_on_are_kept_with_their_day() -> None:
    older = Entries("kev", AT - dt.timedelta(days=2), exploited=("CVE-2026-0002",))
    likely = Entries("epss", AT, likely=((HOLE, 0.5),))
    found = scan(answer(), Entries("kev", AT, exploited=(HOLE,)), older, likely, CRITICAL)
    assert found.feeds == {"kev": "2026-11-24", "osv": "2026-11-26"}


def nameless(**values: Any) -> dict[str, Any]:
    """What apt alone knows: no changelog was read, and no hole has a name."""
    found = answer(**values)
    for row in found["updates"]:
        row["cves"] = []
        row["versions"] = [{**version, "cves": [], "changelog": False} for version in row["versions"]]
    return found


KEV_FEED = Entries("kev", AT, exploited=(HOLE,))
UNNAMED = (
    "nothing names the holes that updates close: neither a feed (debian, osv) is given nor were changelogs read, so"
    " none can be an emergency"
)


@pytest.mark.parametrize(
    ("found", "parts", "warned"),
    [
        (nameless(), [KEV_FEED], True),
        (nameless(), [], True),
        (answer(), [KEV_FEED], False),  # changelogs were read
        (nameless(), [KEV_FEED, CRITICAL], False),
        (nameless(), [Entries("debian", AT, fixes=(Fix("debian-12", "x", "1", ()),))], False),
        ({**nameless(), "manager": "dnf"}, [KEV_FEED], False),  # its metadata names them
        (nameless(updates=[]), [KEV_FEED], False),
    ],
)
def test_where_nothing_names_the_holes_of_debians_packages_it_is_warned_of(
    found: dict[str, Any], parts: list[Entries], warned: bool
) -> None:
    assert (UNNAMED in scan(found, *parts).warnings) == warned


@pytest.mark.parametrize("outcome", ["ok", "failed"])
def test_what_a_host_is_blind_for_is_kept_apart_and_warned_of(outcome: str) -> None:
    blind = ["no security archive is among the sources of this host"]
    why = None if outcome == "ok" else "apt-get update: it failed"
    found = scan(answer(outcome, why, blind=blind, warnings=["w"]))

    assert found.blind == tuple(blind)
    assert found.warnings == (*blind, "w")


@pytest.mark.parametrize(
    ("reboot", "kept"),
    [
        ({"needed": None, "reasons": []}, None),
        ({"needed": False, "reasons": []}, ()),
        ({"needed": True, "reasons": ["libc6 was replaced"]}, ("libc6 was replaced",)),
        ({"needed": True, "reasons": []}, ("it says so",)),
    ],
)
def test_a_host_that_needs_a_reboot_is_never_taken_for_one_that_needs_none(
    reboot: dict[str, Any], kept: tuple[str, ...] | None
) -> None:
    assert scan(answer(reboot=reboot)).reboot == kept


@pytest.mark.parametrize("services", [None, [], ["docker.service"]])
def test_services_that_run_with_replaced_files_are_kept_as_the_host_tells_them(services: list[str] | None) -> None:
    assert scan(answer(services=services)).services == (None if services is None else tuple(services))


@pytest.mark.parametrize("lacks", ["machine_id", "blind", "booted_at"])
def test_a_host_that_does_not_say_who_it_is_or_what_it_cannot_see_has_no_good_scan(lacks: str) -> None:
    found = answer()
    del found[lacks]
    read = scanning.read("srv01", {"packed": pack(found)})
    assert read.error is not None
    assert (read.outcome, read.error.code) == ("failed", "MSP-PAT-036")


def test_counts_tell_classes_and_what_stays_or_needs_a_reboot() -> None:
    updates = scan(answer(), Entries("kev", AT, exploited=(HOLE,))).updates
    assert updates is not None

    assert scanning.counts(updates) == {
        "total": 2,
        "emergency": 1,
        "security": 0,
        "routine": 1,
        "exploited": 1,
        "held": 1,
        "reboot": 1,
    }


@pytest.mark.parametrize(
    ("found", "outcome", "code"),
    [
        (answer("no metadata", "the host has no package lists"), "no metadata", "MSP-PAT-039"),
        (answer("failed", "apt-get update: E: Failed to fetch it"), "failed", "MSP-PAT-037"),
    ],
)
def test_a_host_that_cannot_tell_has_a_scan_without_a_list(found: dict[str, Any], outcome: str, code: str) -> None:
    done = scan(found)

    assert (done.outcome, done.updates) == (outcome, None)
    assert str(done.error).startswith(f"{code}: ")
    assert str(found["why"]) in str(done.error)


@pytest.mark.parametrize(
    ("result", "outcome", "code"),
    [
        ({"failed": True, "msg": "Timeout waiting for privilege escalation"}, "failed", "MSP-PAT-037"),
        ({"failed": True, "module_stderr": "/bin/sh: 1: python3: not found"}, "no_python", "MSP-AUD-001"),
        ({}, "failed", "MSP-PAT-037"),
        ({"packed": "not packed"}, "failed", "MSP-PAT-036"),
        ({"packed": pack({})}, "failed", "MSP-PAT-036"),
        ({"packed": pack(answer(updates=None))}, "failed", "MSP-PAT-036"),
        ({"packed": pack(answer("no metadata", "why", updates=[]))}, "failed", "MSP-PAT-036"),
    ],
)
def test_what_is_no_answer_is_a_failed_scan_with_a_code(result: dict[str, Any], outcome: str, code: str) -> None:
    found = scanning.read("srv01", result)

    assert (found.outcome, found.found) == (outcome, {})
    assert found.error is not None
    assert found.error.code == code


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "-o"),
        ("name", "openssl; reboot"),
        ("candidate", "1 2"),
        ("candidate", "--force"),
        ("architecture", "amd64\n"),
        ("cves", ["<script>"]),
        ("needs", "nothing at all"),
        ("installs", ["../../x"]),
        ("more", 1),
    ],
)
def test_what_a_host_sends_is_held_against_the_shape(name: str, value: object) -> None:
    found = copy.deepcopy(answer())
    found["updates"][0][name] = value

    read = scanning.read("srv01", {"packed": pack(found)})

    assert read.error is not None
    assert (read.outcome, read.error.code) == ("failed", "MSP-PAT-036")


@pytest.mark.parametrize(
    ("metadata_at", "metadata_age", "warning"),
    [
        ("2026-11-14T09:00:00Z", 7, "the package lists are 12 days old: what was published since is missing"),
        ("2026-11-14T09:00:00Z", 13, None),
        ("2026-11-26T04:00:00Z", 0, "the package lists are 0 days old: what was published since is missing"),
        (None, 7, "nothing on the host tells how old its package lists are"),
    ],
)
def test_old_package_lists_are_warned_of_with_their_age(
    metadata_at: str | None, metadata_age: int, warning: str | None
) -> None:
    found = scan(answer(metadata_at=metadata_at), metadata_age=metadata_age)

    assert found.warnings == (() if warning is None else (warning,))


def test_what_a_person_should_know_is_kept_once_and_what_does_not_bear_on_the_list_is_left() -> None:
    unknown = [{"what": "reboot", "why": "x"}, {"what": "changelog of openssl", "why": "the time is over"}]
    found = scan(answer(broken=["dpkg was interrupted"], warnings=["w", "w"], unknown=unknown))

    assert found.warnings == ("dpkg was interrupted", "w", "changelog of openssl: the time is over")


def told(found: dict[str, Any], before: dict[str, str] | None = None, **options: bool) -> dict[str, Any]:
    read = scanning.read("srv01", {"packed": pack(found)})
    done = scanning.scan(SUBJECT, read, feeds.together([]), AT, exposed=False, metadata_age=7)
    return scanning.told(done, read, before, **{"whole": False, "diff": False, **options})


def test_the_task_returns_counts_and_a_summary_and_the_list_only_when_asked() -> None:
    short, long = told(answer()), told(answer(), whole=True)

    assert "updates" not in short
    assert "openssl" in short["summary"]["urgent"]
    assert (short["outcome"], short["changed"], short["new"]) == ("ok", False, None)
    assert [(row["name"], row["class"], row["rule"]) for row in long["updates"]] == [
        ("openssl", "security", "unknown"),
        ("tzdata", "routine", "unknown"),
    ]


def test_what_was_not_pending_last_time_is_new_and_a_diff_shows_both() -> None:
    before = {"tzdata:all": "1 -> 2, routine", "gone:all": "1 -> 2, routine"}
    found = told(answer(), before, diff=True)

    assert found["new"] == ["openssl:amd64"]
    assert found["diff"] == {
        "before": before,
        "after": {"openssl:amd64": "3.0.16-1 -> 3.0.17-1, security", "tzdata:all": "1 -> 2, routine"},
    }
    assert "diff" not in told(answer(), found["diff"]["after"], diff=True)


def test_a_host_that_changed_its_lists_says_so() -> None:
    assert told(answer(changed=True, refreshed=True))["changed"] is True


def test_a_scan_that_has_no_list_has_no_counts() -> None:
    found = told(answer("no metadata", "no lists"), whole=True)

    assert not {"counts", "updates", "new"} & set(found)
    assert found["error"]["code"] == "MSP-PAT-039"


def test_feeds_are_asked_for_holes_advisories_and_source_packages() -> None:
    found = answer()
    found["updates"][0].update(source="openssl", advisories=["DSA-5999-1"])
    updates = scanning.updates_of(found)

    names, packages = scanning.asked(updates, "debian-12")

    assert names == {HOLE, "DSA-5999-1"}
    assert ("debian-12", "openssl") in packages
