# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of an attempt, on a real spool and delivered to a real store."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.survey import audit
from ansible_collections.msp.ops.plugins.plugin_utils.audit import keeping, outcome
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

AT = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
SUBJECT = Subject("srv01.example", "example", "device:7")


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> outcome.Outcome:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    facts, volatile = audit(Host(str(tmp_path / "host")), 1000.0)
    return outcome.Outcome(outcome.OK, facts, volatile, 0.2)


@pytest.fixture
def store(sqlite_store: Store, found: outcome.Outcome) -> Store:
    return sqlite_store


def test_what_was_measured_reaches_the_store_whole(found: outcome.Outcome, store: Store) -> None:
    kept = keeping.keep(SUBJECT, found, AT, run="run-1")
    deliver.deliver(store)

    last_ok, last = store.last_audits("example")["device:7"]
    assert last_ok == last
    assert last_ok is not None
    assert (last_ok.facts_hash, last_ok.at, last_ok.run, last_ok.seconds) == (kept.facts_hash, AT, "run-1", 0.2)
    assert store.facts(str(kept.facts_hash)) == dict(found.facts)
    assert [one.asset for one in store.sightings("example")] == ["device:7"]


def test_the_second_audit_of_an_unchanged_host_has_the_same_hash_and_no_change(found: outcome.Outcome) -> None:
    first = keeping.keep(SUBJECT, found, AT)
    second = keeping.keep(SUBJECT, found, AT + dt.timedelta(hours=1))

    assert first.facts_hash == second.facts_hash
    assert (first.changed, second.changed) == (None, [])


def test_what_changed_since_the_last_audit_is_named(found: outcome.Outcome, store: Store) -> None:
    keeping.keep(SUBJECT, found, AT)
    facts = {**found.facts, "hostname": {"name": "other", "fqdn": None}}
    later = AT + dt.timedelta(hours=1)

    kept = keeping.keep(SUBJECT, outcome.Outcome(outcome.OK, facts, found.volatile, 0.2), later)
    deliver.deliver(store)

    assert kept.changed == ["hostname"]
    assert [audit.changed for audit in store.audits("example")] == [("hostname",), ()]


def test_a_dry_run_keeps_nothing(found: outcome.Outcome) -> None:
    kept = keeping.keep(SUBJECT, found, AT, dry=True)

    assert kept.facts_hash is not None
    assert spool.waiting() == []
    assert keeping.keep(SUBJECT, found, AT, dry=True).changed is None


@pytest.mark.parametrize("make", [outcome.unreachable, outcome.no_python, outcome.failed])
def test_an_attempt_that_did_not_work_is_recorded_with_its_error(
    found: outcome.Outcome, store: Store, make: object
) -> None:
    error = make("srv01.example", "it said so")  # type: ignore[operator]
    name = {"MSP-AUD-001": "no_python", "MSP-AUD-002": "failed", "MSP-AUD-003": "unreachable"}[error.code]

    keeping.keep(SUBJECT, outcome.Outcome(name, error=error), AT)
    deliver.deliver(store)

    last_ok, last = store.last_audits("example")["device:7"]
    assert last_ok is None
    assert last is not None
    assert (last.outcome, last.error) == (name, str(error))


def test_a_torn_memory_of_the_last_audit_is_rebuilt(found: outcome.Outcome, tmp_path: Path) -> None:
    keeping.keep(SUBJECT, found, AT)
    (place,) = (tmp_path / "state").rglob("device*.json")
    place.write_text('{"os": ')

    assert keeping.keep(SUBJECT, found, AT + dt.timedelta(hours=1)).changed is None
    assert keeping.keep(SUBJECT, found, AT + dt.timedelta(hours=2)).changed == []


def test_names_of_customer_and_asset_cannot_lead_out_of_the_state_directory(
    found: outcome.Outcome, tmp_path: Path
) -> None:
    keeping.keep(Subject("h", "../../x", "device:/../../y"), found, AT)

    assert [place.name for place in tmp_path.iterdir() if place.name != "state"] == []


def test_a_spool_that_cannot_be_written_is_an_error_with_its_code(
    found: outcome.Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    with pytest.raises(Exception, match="MSP-EVD-011"):
        keeping.keep(SUBJECT, found, AT)


def test_an_audit_counts_though_its_digest_could_not_be_written(
    found: outcome.Outcome, store: Store, tmp_path: Path
) -> None:
    keeping.keep(SUBJECT, found, AT)
    (place,) = (tmp_path / "state").rglob("device*.json")
    place.unlink()
    place.mkdir()

    kept = keeping.keep(SUBJECT, found, AT + dt.timedelta(hours=1))
    deliver.deliver(store)

    assert (kept.outcome, kept.changed) == (outcome.OK, None)
    assert len(store.audits("example")) == 2
