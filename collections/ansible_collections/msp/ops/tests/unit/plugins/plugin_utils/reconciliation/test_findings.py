# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is found at a customer: every kind of finding, and what is none."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import findings as subject
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made import (
    HOUR,
    NOW,
    SLUG,
    asset,
    found,
    kinds,
    looks,
    seen,
)


def test_each_thing_is_in_one_finding() -> None:
    assets = [asset(1), asset(2), asset(3), asset(4, "old", status="unlisted"), asset(5, "never")]
    sightings = [
        seen(1, names=["srv01"]),
        seen(2, names=["reception"]),  # calls itself otherwise than promised
        seen(3, "nmap", hours=5, after_look=1),
        seen(4),
        seen(57, names=["till"]),
    ]
    result = found(assets, sightings, coverages=looks(1, 2, 3, 4, 5))
    expected = {"srv01": "match", "srv02": "changed", "srv03": "missing", "old": "unlisted", "till": "unlisted"}
    assert kinds(result) == expected
    assert subject.count(result) == {"match": 1, "unlisted": 2, "missing": 1, "changed": 1, "conflict": 0}


def test_evidence_for_two_assets_is_a_conflict_with_both_sides() -> None:
    result = found([asset(1), asset(2)], [seen(2, "mdm", serial="S-SRV01")])
    (conflict,) = [one for one in result if one.kind == "conflict"]
    assert {side.key for side in conflict.sides} == {"device:1", "device:2"}
    assert conflict.seen is not None


def test_an_asset_that_a_conflict_may_be_about_is_not_missing() -> None:
    sightings = [
        seen(1, "nmap", hours=9, after_look=0),
        seen(2, "mdm", serial="S-SRV01"),
    ]
    assert "missing" not in kinds(found([asset(1), asset(2)], sightings, coverages=looks(1, 2, 3, 4, 5))).values()


@pytest.mark.parametrize("status", ["excluded", "ended"])
def test_what_was_agreed_to_be_left_alone_is_neither_missing_nor_changed(status: str) -> None:
    gone = seen(1, "nmap", hours=9, after_look=1, names=["other"])
    result = found([asset(1, status=status)], [gone], coverages=looks(1, 2, 3, 4, 5))
    assert kinds(result) == {"srv01": "match"}


def test_an_unknown_thing_that_was_last_seen_long_ago_is_no_news() -> None:
    assert found([], [seen(57, hours=24 * 31)]) == ()
    assert kinds(found([], [seen(57, hours=24 * 29, names=["till"])])) == {"till": "unlisted"}


def test_what_was_found_gone_stays_so_until_it_is_seen_even_without_the_looks_that_said_so() -> None:
    marked = asset(1, custom_fields={names.DISCOVERY: "missing"})
    last = NOW - 50 * HOUR
    before = Earlier(gone={"device:1": last})
    assert kinds(found([marked], [seen(1, hours=50)], before=before)) == {"srv01": "missing"}
    assert kinds(found([marked], [seen(1, hours=1)], before=before)) == {"srv01": "match"}
    assert kinds(found([asset(1)], [seen(1, hours=50)], before=before)) == {"srv01": "match"}


@pytest.mark.parametrize(("outcome", "kind"), [("no_python", "match"), ("failed", "match"), ("unreachable", "missing")])
def test_an_audit_that_got_any_answer_saw_it(outcome: str, kind: str) -> None:
    attempt = Audit(SLUG, "device:1", "srv01", NOW, outcome, error="x")
    result = found(
        [asset(1)],
        [seen(1, "nmap", hours=9, after_look=1)],
        coverages=looks(1, 2, 3, 4, 5),
        audits={"device:1": (None, attempt)},
    )
    assert kinds(result) == {"srv01": kind}


def test_an_asset_that_only_an_audit_ever_reached_is_missed_by_no_scan() -> None:
    good = Audit(SLUG, "device:1", "srv01", NOW - 20 * HOUR, "ok", facts_hash="0" * 64)
    result = found([asset(1)], [], coverages=looks(1, 2, 3, 4), audits={"device:1": (good, good)})
    assert kinds(result) == {}


def test_a_machine_that_no_scan_ever_saw_is_missed_by_none() -> None:
    leased = [seen(1, "dhcp", hours=80, after_look=4)]
    assert kinds(found([asset(1)], leased, coverages=looks(1, 2, 3, 4, 5))) == {"srv01": "match"}


@pytest.mark.parametrize(("hours", "kind"), [(24 * 6.9, "match"), (24 * 7.1, "missing")])
@pytest.mark.parametrize("asset_class", ["workstation", "printer", None])
def test_what_people_switch_off_is_missing_only_after_a_week(hours: float, kind: str, asset_class: str | None) -> None:
    seen_last = [seen(1, "nmap", hours=hours, after_look=0)]
    one = asset(1, asset_class=asset_class)
    assert kinds(found([one], seen_last, coverages=looks(1, 2, 3, 4, 5))) == {"srv01": kind}
    longer = {"workstation": 30 * 24 * HOUR, "printer": 30 * 24 * HOUR, "other": 30 * 24 * HOUR}
    assert kinds(found([one], seen_last, coverages=looks(1, 2, 3, 4, 5), patience=longer)) == {"srv01": "match"}


def test_an_old_conflict_keeps_no_asset_alive() -> None:
    gone = seen(1, "nmap", hours=24 * 40, after_look=0)
    old = seen(9, "dhcp", hours=24 * 60, names=["srv01"])
    assert kinds(found([asset(1)], [gone, old], coverages=looks(1, 2, 3, 4, 5)))["srv01"] == "missing"
    fresh = seen(9, "dhcp", hours=1, after_look=4, names=["srv01"])
    assert kinds(found([asset(1)], [gone, fresh], coverages=looks(1, 2, 3, 4, 5)))["srv01"] != "missing"


def test_a_clock_that_was_ahead_when_it_was_last_seen_does_not_keep_it_missing() -> None:
    marked = asset(1, custom_fields={names.DISCOVERY: "missing"})
    before = Earlier(gone={"device:1": NOW + 9_600 * HOUR}, gone_since={"device:1": NOW - 50 * HOUR})
    assert kinds(found([marked], [seen(1, hours=1)], before=before)) == {"srv01": "match"}
    assert kinds(found([marked], [seen(1, hours=60)], before=before)) == {"srv01": "missing"}


def test_a_phone_with_a_made_up_address_only_would_not_be_known_again() -> None:
    (one,) = found([], [seen(57, macs=["02:11:22:33:44:55"])])
    assert (one.kind, one.certain) == ("unlisted", False)
