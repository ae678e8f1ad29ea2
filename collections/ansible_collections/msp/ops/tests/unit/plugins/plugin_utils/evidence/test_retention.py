# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is older than a retention goes, what is needed or another's stays; and what a customer takes along."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, export, hashing, retention, statistics
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    Audit,
    Effort,
    Observation,
    Run,
    RunHost,
    Seen,
    Sheet,
    Ticket,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
OLD, RECENT = NOW - 400 * DAY, NOW - 5 * DAY


def facts(number: int) -> dict[str, Any]:
    return {"number": number, "packages": [{"name": f"p{i}", "version": str(i % number)} for i in range(200)]}


def audited(store: Store, customer: str, asset: str, at: dt.datetime, number: int | None) -> Audit:
    name = store.put_facts(facts(number)) if number else None
    audit = Audit(customer, asset, f"{asset}.{customer}", at, "ok" if number else "failed", name)
    store.record_audit(audit)
    return audit


def test_old_evidence_goes_and_recent_evidence_and_other_customers_stay(store: Store) -> None:
    for customer in ("bakery", "dentist"):
        audited(store, customer, "device:1", OLD, 2)
        store.record_observations(
            [
                Observation(customer, "nmap", OLD, {"serial": "gone"}),
                Observation(customer, "nmap", OLD, {"serial": "moved", "addresses": ["192.0.2.1"]}),
                Observation(customer, "nmap", RECENT, {"serial": "moved", "addresses": ["192.0.2.2"]}),
            ]
        )
    audited(store, "bakery", "device:1", RECENT, 3)
    removed = retention.prune(store, "bakery", 365, apply=True)
    assert (removed["things"], removed["sightings"], removed["audits"], removed["tokens"]) == (1, 2, 1, 2)
    assert [one.identity["serial"] for one in store.sightings("bakery")] == ["moved"]
    assert [one.customer for one in store.who("gone")] == ["dentist"]
    assert [one.customer for one in store.who("192.0.2.1")] == ["dentist"]
    assert len(store.who("192.0.2.2")) == 2
    assert store.facts(hashing.facts_hash(facts(2)))  # the dentist's audit still names them
    assert len(store.sightings("dentist")) == 2


def test_the_ids_of_an_asset_go_with_what_is_known_of_when_it_was_seen(store: Store) -> None:
    ids = {("mdm_id", f"m{number}"): f"device:{number}" for number in (1, 2)}
    for customer in ("bakery", "dentist"):
        store.record_seen([Seen(customer, "device:1", OLD, OLD), Seen(customer, "device:2", OLD, RECENT)])
        store.remember(customer, ids)
    assert retention.prune(store, "bakery", 365, apply=True)["remembered"] == 1
    assert store.remembered("bakery") == {("mdm_id", "m2"): "device:2"}
    assert store.remembered("dentist") == ids


def test_the_last_good_audit_stays_while_somebody_still_tries(store: Store) -> None:
    good = audited(store, "bakery", "device:1", OLD, 2)
    audited(store, "bakery", "device:1", OLD - DAY, 3)
    failed = audited(store, "bakery", "device:1", RECENT, None)
    audited(store, "bakery", "device:2", OLD, 4)
    assert retention.prune(store, "bakery", 365, apply=True)["audits"] == 2
    assert store.last_audits("bakery") == {"device:1": (good, failed)}
    assert store.facts(str(good.facts_hash)) == facts(2)


def test_facts_that_no_audit_names_go_with_the_chunks_that_nobody_shares(store: Store) -> None:
    audited(store, "bakery", "device:1", OLD, 2)
    audited(store, "dentist", "device:2", OLD, 3)
    removed = retention.prune(store, "bakery", 365, apply=True)
    assert removed["facts"] == 1
    assert removed["chunks"] > 0
    assert store.facts(hashing.facts_hash(facts(3))) == facts(3)
    with pytest.raises(MspError):
        store.facts(hashing.facts_hash(facts(2)))


def test_facts_whose_audit_is_still_to_come_stay(store: Store) -> None:
    name = store.put_facts(facts(2))
    retention.prune(store, "bakery", 0, apply=True)
    assert store.facts(name) == facts(2)


def test_a_preview_says_what_would_go_and_changes_nothing(store: Store) -> None:
    audited(store, "bakery", "device:1", OLD, 2)
    store.record_observations([Observation("bakery", "nmap", OLD, {"serial": "gone"})])
    before = statistics.store(store.database).rows
    preview = retention.prune(store, "bakery", 365, apply=False)
    assert statistics.store(store.database).rows == before
    assert retention.prune(store, "bakery", 365, apply=True) == preview
    assert preview["audits"] == preview["things"] == 1
    assert not any(retention.prune(store, "bakery", 365, apply=True).values())


def test_a_customer_that_leaves_leaves_no_sighting_audit_or_run_behind(store: Store) -> None:
    audited(store, "bakery", "device:1", RECENT, 2)
    store.record_observations([Observation("bakery", "nmap", RECENT, {"serial": "abc"})])
    shared = Run("shared", "p.yml", RECENT, NOW, "anna", "ctl", False, "ok")
    own = Run("own", "p.yml", RECENT, NOW, "anna", "ctl", False, "ok")
    store.record_run(shared, [RunHost("shared", "a", "bakery", None), RunHost("shared", "b", "dentist", None)])
    store.record_run(own, [RunHost("own", "a", "bakery", None), RunHost("own", "localhost", None, None)])
    retention.prune(store, "bakery", 0, apply=True)
    assert export.customers(store) == ["dentist"]
    assert [run.id for run in store.runs()] == ["shared"]


def test_a_customers_own_retention_is_used_when_no_days_are_given(store: Store) -> None:
    store.record_observations([Observation("bakery", "nmap", OLD, {"serial": "gone"})])
    with pytest.raises(MspError) as caught:
        retention.prune(store, "bakery", apply=True)
    assert caught.value.code == "MSP-EVD-013"
    retention.retain(store, "bakery", 1000)
    assert retention.prune(store, "bakery", apply=True)["things"] == 0
    retention.retain(store, "bakery", 30)
    assert retention.retained(store) == {"bakery": 30}
    assert retention.prune(store, "bakery", apply=True)["things"] == 1


def test_an_export_has_everything_of_one_customer_and_names_no_other(store: Store) -> None:
    for customer in ("bakery", "dentist"):
        audited(store, customer, "device:1", OLD, 2)
        audited(store, customer, "device:1", RECENT, 2)
        store.record_observations(
            [
                Observation(customer, "nmap", at, {"serial": f"of-{customer}"}, place={"n": str(at)})
                for at in (OLD, RECENT)
            ]
        )
        store.record_sheet(Sheet(f"sheet-{customer}", customer, OLD, "d"))
        store.record_effort([Effort(f"effort-{customer}", customer, OLD, 1, True, True, "person")])
        store.record_tickets([Ticket(customer, "desk", f"T-{customer}", OLD)])
    run = Run("r", "p.yml", OLD, OLD, "anna", "ctl", False, "ok", extra={"customers": ["bakery", "dentist"]})
    store.record_run(run, [RunHost("r", f"host.{name}", name, None) for name in ("bakery", "dentist")])
    lines = [codec.encode(record) for record in export.export(store, "bakery")]
    kinds = [json.loads(line)["kind"] for line in lines]
    assert sorted(kinds) == sorted(
        ["facts", "audit", "audit", "sighting", "sighting", "run", "run_host", "sheet", "effort", "ticket"]
    )
    assert "dentist" not in "\n".join(lines)
    assert json.loads(lines[0])["data"]["body"] == facts(2)
    assert export.customers(store) == ["bakery", "dentist"]
