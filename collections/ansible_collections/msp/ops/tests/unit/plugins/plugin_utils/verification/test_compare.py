# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was promised against what was found."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, ScopeRule, WarrantySource
from ansible_collections.msp.ops.plugins.plugin_utils.verification import compare
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import Compared, Evidence
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import (
    NOW,
    TODAY,
    asset,
    audit,
    customer,
    facts,
    sighting,
)

DAY = dt.timedelta(days=1)
PROMISED: dict[str, Any] = {
    "serial": "CZJ1520KD7",
    "vendor": "HPE",
    "model": "ProLiant ML30 Gen10",
    "platform": "debian-12",
    "address": "192.0.2.11",
}


def compared(one: Asset, evidence: Evidence, **terms: Any) -> Compared:
    return compare.compare(one, evidence, NOW, TODAY, customer(**terms).contract)


def audited(body: dict[str, Any] | None = None, **promised: Any) -> Compared:
    good = audit()
    return compared(asset(**{**PROMISED, **promised}), Evidence(good, good, body or facts()))


def test_an_asset_that_is_as_promised_is_present_without_differences() -> None:
    assert (audited().state, audited().differences) == ("present", ())


@pytest.mark.parametrize(
    ("what", "found", "promised"),
    [
        ("hostname", {"hostname": {"name": "reception-old"}}, "jansen-srv01"),
        ("serial", {"machine": {"serial": "OTHER1"}}, "CZJ1520KD7"),
        ("model", {"machine": {"model": "OptiPlex 7010", "vendor": "Dell Inc."}}, "ProLiant ML30 Gen10"),
        ("os", {"os": {"id": "debian", "name": "Debian GNU/Linux", "version": "13"}}, "Debian 12"),
        ("address", {"interfaces": [{"mac": "52:54:00:12:34:01", "addresses": ["192.0.2.99/24"]}]}, "192.0.2.11"),
    ],
)
def test_each_promise_that_is_not_kept_is_named_with_both_values(
    what: str, found: dict[str, Any], promised: str
) -> None:
    one = audited(facts(**found))
    assert one.state == "differs"
    assert [(d.what, d.promised) for d in one.differences] == [(what, promised)]


def test_another_network_card_is_named_where_netbox_knows_the_old_one() -> None:
    assert [d.what for d in audited(macs=("aa:bb:cc:dd:ee:ff",)).differences] == ["mac"]


@pytest.mark.parametrize(
    "promised",
    [
        {"serial": "", "model": None, "platform": None, "address": None},
        {"serial": "czj1520kd7 ", "model": "unknown", "platform": "debian", "address": "192.0.2.11/24"},
        {"model": "ML30 Gen10", "vendor": "Hewlett Packard Enterprise"},
        {"platform": "Debian GNU/Linux 12 (bookworm)"},
        {"name": "JANSEN-SRV01.shop.example"},
    ],
)
def test_what_is_spelled_otherwise_or_not_promised_is_no_difference(promised: dict[str, Any]) -> None:
    assert audited(**promised).differences == ()


def test_a_fact_that_could_not_be_found_out_is_no_difference() -> None:
    empty = {"machine": {"serial": None, "model": None}, "interfaces": [], "hostname": {}, "os": {}}
    assert audited(facts(**empty)).differences == ()


@pytest.mark.parametrize(
    ("promised", "found", "same"),
    [
        ("debian-12", "debian Debian GNU/Linux 12 (bookworm)", True),
        ("debian-12", "debian Debian GNU/Linux 13 (trixie)", False),
        ("ubuntu-24-04", "ubuntu Ubuntu 24.04.1 LTS", True),
        ("ubuntu-24-04", "ubuntu Ubuntu 22.04.5 LTS", False),
        ("ubuntu-24-04", "debian Debian GNU/Linux 12", False),
        ("rhel-9", "rhel Red Hat Enterprise Linux 9.4 (Plow)", True),
        ("windows-11-pro", "windows Microsoft Windows 11 Pro 23H2", True),
        ("linux", "debian Debian GNU/Linux 12", True),
    ],
)
def test_a_platform_agrees_with_a_system_when_all_that_it_promises_is_there(
    promised: str, found: str, same: bool
) -> None:
    assert compare.same_system(promised, found) is same


@pytest.mark.parametrize(
    ("name", "version", "shown"),
    [
        ("Debian GNU/Linux", "12", "Debian GNU/Linux 12"),
        ("Debian GNU/Linux 12 (bookworm)", "12.15", "Debian GNU/Linux 12.15"),
        ("Ubuntu 24.04.1 LTS", "24.04", "Ubuntu 24.04.1 LTS"),
        ("Arch Linux", None, "Arch Linux"),
        (None, None, None),
    ],
)
def test_a_system_is_named_with_its_full_version_once(name: str | None, version: str | None, shown: str | None) -> None:
    assert audited(facts(os={"name": name, "version": version}), platform=None).condition.os == shown


def test_a_server_that_was_tried_and_that_nobody_ever_saw_is_absent() -> None:
    one = compared(asset(), Evidence(None, audit(outcome="unreachable")))
    assert (one.state, one.last_seen) == ("absent", None)


def test_an_absent_server_says_since_when() -> None:
    last = audit(at=NOW - 40 * DAY)
    one = compared(asset(), Evidence(last, audit(outcome="unreachable")))
    assert (one.state, one.last_seen) == ("absent", last.at)


def test_a_host_that_does_not_answer_but_is_seen_by_its_neighbours_is_not_absent() -> None:
    one = compared(asset(), Evidence(None, audit(outcome="unreachable"), sightings=(sighting(),)))
    assert (one.state, one.reason, one.seen_by) == ("seen", "unreachable", ("neighbours",))


@pytest.mark.parametrize("outcome", ["no_python", "failed"])
def test_a_host_that_answers_but_cannot_be_audited_is_seen_with_the_reason(outcome: str) -> None:
    one = compared(asset(), Evidence(None, audit(outcome=outcome)))
    assert (one.state, one.reason) == ("seen", outcome)


def test_an_asset_that_nobody_tried_is_not_audited_and_not_absent() -> None:
    one = compared(asset(), Evidence())
    assert (one.state, one.reason) == ("not_audited", "never")


@pytest.mark.parametrize("kind", ["mobile", "network", "printer", "private"])
def test_a_thing_without_ssh_is_not_audited_and_not_absent(kind: str) -> None:
    one = compared(asset(asset_class=kind), Evidence())
    assert (one.state, one.reason) == ("not_audited", "no_ssh")


def test_a_phone_that_does_not_answer_is_not_absent() -> None:
    one = compared(asset(asset_class="mobile"), Evidence(None, audit(outcome="unreachable")))
    assert (one.state, one.reason) == ("not_audited", "no_ssh")


def test_an_audit_too_long_ago_is_no_proof_that_it_is_still_there() -> None:
    old = audit(at=NOW - 31 * DAY)
    one = compared(asset(), Evidence(old, old, facts()))
    assert (one.state, one.reason) == ("not_audited", "stale")


def test_a_later_attempt_that_failed_does_not_undo_a_fresh_audit() -> None:
    one = compared(asset(), Evidence(audit(at=NOW - 2 * DAY), audit(outcome="unreachable"), facts()))
    assert (one.state, one.reason) == ("present", "unreachable")


def test_the_contract_says_how_long_a_sighting_of_a_class_counts() -> None:
    rule = ScopeRule("server", covered=True, in_use_days=3)
    old = audit(at=NOW - 4 * DAY)
    assert compared(asset(), Evidence(old, old, facts()), scope=(rule,)).state == "not_audited"


def test_the_latest_warranty_counts_and_a_disagreement_shows() -> None:
    sources = (
        WarrantySource("invoice", dt.date(2022, 1, 15), dt.date(2027, 1, 15)),
        WarrantySource("vendor", None, dt.date(2026, 12, 31)),
    )
    warranty = compared(asset(warranty_sources=sources), Evidence()).warranty
    assert (warranty.state, warranty.end, warranty.disagree) == ("ending", dt.date(2027, 1, 15), True)


def test_updates_that_could_not_be_known_are_not_measured_and_not_zero() -> None:
    condition = audited(facts(updates={"known": False, "total": None, "security": None})).condition
    assert (condition.security, condition.pending) == (None, None)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (None, "unknown"),
        (TODAY - DAY, "ended"),
        (TODAY, "ending"),
        (TODAY + 180 * DAY, "ending"),
        (TODAY + 181 * DAY, "supported"),
    ],
)
def test_support_ends_after_its_last_day(end: dt.date | None, state: str) -> None:
    assert compare.support_state(end, TODAY) == state


def test_every_statement_has_its_evidence_rows() -> None:
    evidence = Evidence(audit(at=NOW - DAY), audit(outcome="unreachable", error="timed out"), facts(), (sighting(),))
    proofs = compared(asset(), evidence).proofs
    assert [(p.source, p.note) for p in proofs] == [
        ("audit", ""),
        ("audit", "timed out"),
        ("neighbours", "jansen-srv01"),
    ]


outcomes = st.sampled_from(["ok", "unreachable", "failed", "no_python"])
moments = st.integers(0, 200).map(lambda days: NOW - days * DAY)


@given(
    kind=st.sampled_from(["server", "workstation", "network", "mobile", "printer", "private", "other", None]),
    attempt=st.none() | st.builds(lambda o, at: audit(outcome=o, at=at), outcomes, moments),
    seen=st.lists(st.builds(lambda at: sighting(last=at), moments), max_size=2),
)
def test_absent_means_tried_without_an_answer_and_seen_by_nobody_lately(
    kind: str | None, attempt: Any, seen: list[Any]
) -> None:
    good = attempt if attempt and attempt.outcome == "ok" else None
    one = compared(asset(asset_class=kind), Evidence(good, attempt, sightings=tuple(seen)))
    if one.state == "absent":
        assert attempt is not None and attempt.outcome == "unreachable"
        assert all(NOW - s.last_seen > 30 * DAY for s in seen)
    if any(NOW - s.last_seen <= 30 * DAY for s in seen):
        assert one.state in compare.FOUND
