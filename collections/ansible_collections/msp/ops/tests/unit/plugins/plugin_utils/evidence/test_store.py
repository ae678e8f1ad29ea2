# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The store, on SQLite and on PostgreSQL: what is written once, what is current, what is refused."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import stat
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import (
    codec,
    engine,
    hashing,
    incoming,
    migrate,
    rows,
    runbooks,
    schema,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    AccessCheck,
    Audit,
    Change,
    Coverage,
    Decision,
    Digest,
    Effort,
    EventOutcome,
    Incoming,
    Observation,
    Run,
    RunbookRun,
    RunHost,
    SecurityEvent,
    Sheet,
    StandardCheck,
    StoredEvent,
    StoredPlan,
    StoredRollout,
    Ticket,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Scan

AT = dt.datetime(2026, 3, 1, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
FACTS = {"schema": 1, "os": {"id": "debian"}, "packages": [{"name": f"p{i}", "version": "1"} for i in range(200)]}


CHECK = StandardCheck(
    *("bakery", "device:1", "till", AT, "check", "ok", "linux-server", "1.0"),
    records=({"control": "ssh-root-login", "status": "drift"},),
)

SECRET = ("bakery", "device:1", "local-admin", "admin", "v1")


def count(store: Store, table: str) -> int:
    with store.database.read() as connection:
        return int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def audit(at: dt.datetime = AT, outcome: str = "ok", facts: str | None = None, **more: Any) -> Audit:
    return Audit("bakery", "device:1", "srv01.bakery", at, outcome, facts if outcome == "ok" else None, **more)


NUMBERS = itertools.count()


def seen(at: dt.datetime = AT, customer: str = "bakery", source: str = "nmap", **identity: Any) -> Observation:
    return Observation(customer, source, at, identity or {"macs": ["00:50:56:aa:bb:01"]})


# The schema


def test_a_store_that_was_never_set_up_is_named(empty_url: str) -> None:
    with pytest.raises(MspError) as caught:
        Store.open(empty_url)
    assert caught.value.code == "MSP-EVD-002"
    assert "./msp store upgrade" in caught.value.action


def test_a_newer_schema_is_named_and_left_alone(store: Store, url: str) -> None:
    store.database.write(lambda connection: connection.execute(sa.text("UPDATE msp_schema SET version_num = '9999'")))
    for upgrade in (False, True):
        with pytest.raises(MspError) as caught:
            Store.open(url, upgrade=upgrade)
        assert caught.value.code == "MSP-EVD-002"
        assert "9999, which is newer" in caught.value.found


@pytest.mark.parametrize("older", schema.REVISIONS[:-1])
def test_an_older_schema_is_named_and_an_upgrade_helps_and_loses_nothing(empty_url: str, older: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "REVISIONS", schema.REVISIONS[: schema.REVISIONS.index(older) + 1])
        with Store.open(empty_url, upgrade=True) as store:
            store.record_effort([Effort("k", "bakery", AT, 1.0, True, True, "person")])
    with pytest.raises(MspError) as caught:
        Store.open(empty_url)
    assert f"older schema {older}" in caught.value.found
    assert "upgrade" in caught.value.action
    with Store.open(empty_url, upgrade=True) as upgraded:
        summary = upgraded.effort_minutes("bakery", AT, AT + DAY)
        assert summary is not None
        assert summary.minutes == 1.0
        upgraded.record_observations([seen()])
        assert len(upgraded.sightings("bakery")) == 1
    Store.open(empty_url).close()


def test_an_upgrade_makes_a_store_and_a_second_one_changes_nothing(empty_url: str) -> None:
    with Store.open(empty_url, upgrade=True) as store:
        store.record_observations([seen()])
    with Store.open(empty_url, upgrade=True) as again:
        assert len(again.sightings("bakery")) == 1


@pytest.mark.thorough
def test_the_migrations_make_the_tables_that_the_code_describes(store: Store) -> None:
    with store.database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrate.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, schema.tables().metadata) == []


def test_the_code_knows_every_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    config.set_main_option("path_separator", "os")
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(found)) == schema.REVISIONS


def test_a_new_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "evidence.db"
    with Store.open(f"sqlite:///{path}", upgrade=True) as store:
        store.record_observations([seen()])
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("table", schema.APPEND_ONLY)
def test_an_event_cannot_be_changed_by_anybody(store: Store, table: str) -> None:
    fill(store)
    assert count(store, table) > 0
    column = next(iter(schema.tables().metadata.tables[table].c)).name
    with pytest.raises(Exception, match="append-only"):
        store.database.write(lambda connection: connection.execute(sa.text(f"UPDATE {table} SET {column} = {column}")))  # noqa: S608


def fill(store: Store) -> None:
    """One row at least in every table of events."""
    name = store.put_facts(FACTS)
    store.record_audit(audit(facts=name))
    store.record_run(Run("r1", "p.yml", AT, AT, "anna", "ctl", False, "ok"), [RunHost("r1", "h", "bakery", "device:1")])
    store.record_sheet(Sheet("s1", "bakery", AT, "d"))
    store.apply_sheet("s1", signed_by="Anna", signed_on=AT.date(), decisions=[])
    store.record_effort([Effort("k", "bakery", AT, 1.0, True, True, "person")])
    store.record_coverages([Coverage("bakery", "nmap", AT, complete=True)])
    store.record_changes([Change("k", "bakery", AT, "new", "serial:x1")])
    store.record_plan(StoredPlan("p1", "bakery", AT, {}))
    store.approve_plan("p1", by="Anna", reason="")
    store.record_steps("p1", ["one"])
    store.record_decisions([Decision("bakery", "device:1", "unlisted", "tracked", "Anna", AT, "netbox")])
    store.record_digest(Digest("bakery", None, AT, 1))
    store.record_scans([Scan("bakery", "device:1", "till", AT, "ok", updates=())])
    store.record_rollout(StoredRollout("ro1", "bakery", "standard", "p", AT, "m", {}), fence=1)
    store.append_event("ro1", 1, StoredEvent("planned", AT), fence=1)
    store.record_standard_checks([CHECK])
    store.record_security([SecurityEvent("bakery", "device:1", "till", AT, "secret fetched", "admin", "anna")])
    store.keep_secret(SECRET, b"sealed")
    store.mark_secret(SECRET, AT)
    store.record_access_checks([AccessCheck("bakery", "device:1", "till", AT, "ok", {"accounts": []})])
    incoming.receive(store, [Incoming("e1", "netbox", "netbox dcim.device 1", AT, {})])
    claimed = incoming.claim(store, "worker one")
    assert claimed is not None
    incoming.end(store, claimed, [EventOutcome("e1", "bakery", "device:1", AT, "nothing", "")])
    run = RunbookRun("b1", "bakery", "device:1", "till", "disk_full", AT)
    runbooks.begin(store, run, lambda _before, _now: None, dt.timedelta(days=1))
    runbooks.end(store, replace(run, outcome="mended", ended=AT))


# Facts


def test_facts_are_stored_once_and_come_back_as_they_were(store: Store) -> None:
    name = store.put_facts(FACTS)
    assert store.put_facts(dict(reversed(FACTS.items()))) == name == hashing.facts_hash(FACTS)
    assert store.facts(name) == FACTS
    assert count(store, "facts") == 1


def test_facts_that_changed_in_one_place_share_the_rest(store: Store) -> None:
    packages = [{"name": f"package-{i}", "version": f"{i}.{i % 7}"} for i in range(1000)]
    store.put_facts({"packages": packages})
    before = count(store, "chunks")
    name = store.put_facts({"packages": [{"name": "a-new-one", "version": "1"}, *packages]})
    assert count(store, "chunks") - before <= 2 < before
    assert store.facts(name)["packages"][0]["name"] == "a-new-one"


def test_facts_that_are_not_there_are_an_error(store: Store) -> None:
    with pytest.raises(MspError) as caught:
        store.facts("0" * 64)
    assert caught.value.code == "MSP-EVD-008"


def test_whatever_a_host_says_is_kept_and_breaks_nothing(store: Store) -> None:
    nasty = "a\x00b\ud800c'; DROP TABLE audits; --{{ lookup('pipe', 'id') }}\U0001f4a9"
    name = store.put_facts({"hostname": nasty})
    store.record_audit(audit(facts=name, summary={"hostname": nasty}, error=nasty))
    store.record_observations([seen(names=[nasty], serial=nasty)])
    assert store.facts(name) == {"hostname": nasty}
    assert store.last_audits("bakery")["device:1"][0].summary["hostname"] == nasty  # type: ignore[union-attr]
    assert store.sightings("bakery")[0].identity["serial"] == nasty
    assert store.who(nasty)[0].customer == "bakery"


# Audits


def test_the_last_good_audit_and_the_last_attempt_are_told_apart(store: Store) -> None:
    name = store.put_facts(FACTS)
    good, newer, failed = (
        audit(AT, facts=name),
        audit(AT + DAY, facts=name),
        audit(AT + 2 * DAY, "unreachable", error="x"),
    )
    for one in (failed, good, newer):
        store.record_audit(one)
    assert store.last_audits("bakery") == {"device:1": (newer, failed)}
    assert store.audits("bakery", "device:1") == [failed, newer, good]
    assert store.audits("bakery", since=AT + DAY) == [failed, newer]
    assert store.last_audits("dentist") == {}


def test_the_first_good_audit_is_when_an_asset_was_first_audited(store: Store) -> None:
    name = store.put_facts(FACTS)
    for days in (3, 1, 2):
        store.record_audit(audit(AT + days * DAY, facts=name))
    store.record_audit(audit(AT, "unreachable", error="x"))
    assert store.first_audits("bakery") == {"device:1": AT + DAY}
    assert store.first_audits("dentist") == {}


def test_an_asset_that_was_never_audited_well_has_no_good_audit(store: Store) -> None:
    store.record_audit(audit(outcome="no_python"))
    assert store.last_audits("bakery") == {"device:1": (None, audit(outcome="no_python"))}


def test_an_audit_recorded_twice_is_one_audit(store: Store) -> None:
    name = store.put_facts(FACTS)
    for _unused in range(2):
        store.record_audit(audit(facts=name, changed=("os",), volatile={"uptime_seconds": 5}, seconds=1.5, run="r"))
    assert store.audits("bakery") == [
        audit(facts=name, changed=("os",), volatile={"uptime_seconds": 5}, seconds=1.5, run="r")
    ]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (audit(facts=None), "MSP-EVD-007"),
        (audit(outcome="splendid"), "MSP-EVD-007"),
        (replace(audit(outcome="failed"), facts_hash="0" * 64), "MSP-EVD-007"),
        (replace(audit(outcome="failed"), at=AT.replace(tzinfo=None)), "MSP-EVD-007"),
        (audit(facts="0" * 64), "MSP-EVD-008"),
    ],
)
def test_an_audit_that_cannot_be_followed_to_its_facts_is_refused(store: Store, wrong: Audit, code: str) -> None:
    with pytest.raises(MspError) as caught:
        store.record_audit(wrong)
    assert caught.value.code == code
    assert count(store, "audits") == 0


def test_times_of_any_zone_are_kept_as_the_moment_they_were(store: Store) -> None:
    local = AT.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=45)))
    store.record_audit(audit(local, "failed"))
    store.record_audit(audit(AT, "failed"))
    assert [one.at for one in store.audits("bakery")] == [AT]


def test_recorded_at_is_the_clock_of_the_database(store: Store) -> None:
    store.record_audit(audit(dt.datetime(1999, 1, 1, tzinfo=dt.UTC), "failed"))
    with store.database.read() as connection:
        stamp = connection.execute(sa.text("SELECT recorded_at FROM audits")).scalar_one()
    assert abs((rows.time_of(stamp) - dt.datetime.now(dt.UTC)).total_seconds()) < 60


# Sightings


def test_sightings_of_one_thing_are_one_row_with_first_last_and_count(store: Store) -> None:
    store.record_observations([seen(AT + i * DAY) for i in range(5)])
    (one,) = store.sightings("bakery")
    assert (one.first_seen, one.last_seen, one.count) == (AT, AT + 4 * DAY, 5)
    assert count(store, "sightings") == 1


def test_a_sighting_told_twice_counts_once(store: Store) -> None:
    for _unused in range(3):
        store.record_observations([seen(AT), seen(AT + DAY)])
    assert [one.count for one in store.sightings("bakery")] == [2]


def test_a_clock_that_jumps_back_never_shortens_what_was_seen(store: Store) -> None:
    for at in (AT, AT + 2 * DAY, AT - DAY, AT + DAY):
        store.record_observations([seen(at)])
    (one,) = store.sightings("bakery")
    assert (one.first_seen, one.last_seen) == (AT - DAY, AT + 2 * DAY)


def test_a_thing_that_changes_keeps_its_history_and_shows_its_newest_state(store: Store) -> None:
    old, new = ["192.0.2.1"], ["192.0.2.9"]
    mac = ["00:50:56:aa:bb:01"]
    store.record_observations([seen(AT, macs=mac, addresses=old), seen(AT + DAY, macs=mac, addresses=new)])
    store.record_observations([seen(AT - DAY, macs=mac, addresses=old)])
    (now,) = store.sightings("bakery")
    assert (now.identity["addresses"], now.first_seen, now.last_seen, now.count) == (new, AT - DAY, AT + DAY, 3)
    assert [(one.identity["addresses"], one.count) for one in store.states("bakery", "nmap", now.thing)] == [
        (new, 1),
        (old, 2),
    ]


def test_sources_and_customers_are_kept_apart(store: Store) -> None:
    store.record_observations([seen(), seen(source="arp"), seen(customer="dentist")])
    assert {one.source for one in store.sightings("bakery")} == {"nmap", "arp"}
    assert [one.customer for one in store.sightings("dentist")] == ["dentist"]


def test_only_what_was_seen_since_a_time_is_told_when_asked(store: Store) -> None:
    store.record_observations([seen(AT, macs=["00:50:56:aa:bb:01"]), seen(AT + DAY, macs=["00:50:56:aa:bb:02"])])
    assert [one.last_seen for one in store.sightings("bakery", since=AT + DAY)] == [AT + DAY]


@pytest.mark.thorough
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["192.0.2.1", "192.0.2.2"])), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_first_last_and_the_newest_state_do_not_depend_on_the_order(
    sqlite_store: Store, told: list[tuple[int, str]], random: Any
) -> None:
    turned = list(told)
    random.shuffle(turned)
    pictures = []
    for sightings in (told, turned):
        customer = f"customer-{next(NUMBERS)}"  # nobody else's sightings are there
        for day, address in sightings:
            sqlite_store.record_observations([seen(AT + day * DAY, customer, serial="abc", addresses=[address])])
        found = sqlite_store.sightings(customer)
        pictures.append([(s.first_seen, s.last_seen, s.identity) for s in found])
        assert [s.count for s in found] <= [len({day for day, _address in told})]
    assert pictures[0] == pictures[1]
    assert pictures[0][0][:2] == (AT + min(told)[0] * DAY, AT + max(told)[0] * DAY)


# Who


def test_who_finds_a_thing_by_every_word_in_any_notation(store: Store) -> None:
    identity: dict[str, Any] = {
        "serial": "ABC 123",
        "macs": ["00:50:56:AA:BB:01"],
        "names": ["Till02.bakery.example.com"],
        "addresses": ["192.0.2.17/24", "2001:db8::17"],
        "asset_tag": "MSP-0042",
    }
    store.record_observations([seen(**identity)])
    found = {
        term: [(one.customer, one.matched) for one in store.who(term)]
        for term in (
            "abc123",
            "0050.56aa.bb01",
            "till02",
            "TILL02.bakery.example.com.",
            "192.0.2.17",
            "2001:DB8:0::17",
            "msp-0042",
        )
    }
    assert found == {
        "abc123": [("bakery", ("serial",))],
        "0050.56aa.bb01": [("bakery", ("mac",))],
        "till02": [("bakery", ("name",))],
        "TILL02.bakery.example.com.": [("bakery", ("name",))],
        "192.0.2.17": [("bakery", ("address",))],
        "2001:DB8:0::17": [("bakery", ("address",))],
        "msp-0042": [("bakery", ("asset_tag",))],
    }
    assert store.who("nobody") == store.who("") == []


def test_who_joins_what_sources_know_of_one_asset_with_its_audits(store: Store) -> None:
    name = store.put_facts(FACTS)
    store.record_audit(audit(facts=name))
    store.record_audit(audit(AT + DAY, "unreachable"))
    for source in ("audit", "netbox"):
        store.record_observations([Observation("bakery", source, AT, {"names": ["srv01"]}, asset="device:1")])
    (known,) = store.who("srv01")
    assert (known.asset, len(known.sightings), known.last_good, known.last_attempt) == (
        "device:1",
        2,
        audit(facts=name),
        audit(AT + DAY, "unreachable"),
    )


def test_who_has_the_address_now_comes_before_who_had_it(store: Store) -> None:
    first, second = ["00:50:56:aa:bb:01"], ["00:50:56:aa:bb:02"]
    store.record_observations(
        [
            seen(AT, macs=first, addresses=["192.0.2.5"]),
            seen(AT + DAY, macs=second, addresses=["192.0.2.5"]),
            seen(AT + 2 * DAY, macs=first, addresses=["192.0.2.6"]),
        ]
    )
    assert [(one.sightings[0].identity["macs"], one.current) for one in store.who("192.0.2.5")] == [
        (second, True),
        (first, False),
    ]


def test_who_knows_a_host_that_was_only_audited(store: Store) -> None:
    store.record_audit(audit(outcome="unreachable"))
    (known,) = store.who("srv01.bakery")
    assert (known.asset, known.last_good, known.sightings) == ("device:1", None, ())


# Runs, sheets, effort, tickets

STARTED = Run("r1", "p.yml", AT, None, "anna", "ctl", False, extra={"kind": "person"})
ENDED = replace(STARTED, ended=AT + DAY, outcome="ok", extra={"kind": "person", "customers": ["bakery"]})
HOSTS = [RunHost("r1", "a", "bakery", "device:1", ok=3, seconds=1.5, in_scope=True), RunHost("r1", "b", None, None)]


@pytest.mark.parametrize("order", [[STARTED, ENDED], [ENDED, STARTED], [ENDED, ENDED], [STARTED, STARTED, ENDED]])
def test_a_run_is_what_its_end_says_in_whatever_order_it_is_told(store: Store, order: list[Run]) -> None:
    for run in order:
        store.record_run(run, HOSTS if run.ended else [])
    assert store.run("r1") == (ENDED, HOSTS)
    assert store.runs("bakery") == [ENDED]
    assert store.runs("dentist") == []


def test_a_run_taken_for_dead_that_ends_after_all_has_its_own_outcome(store: Store) -> None:
    store.record_run(replace(STARTED, outcome="interrupted"))
    store.record_run(ENDED)
    store.record_run(replace(STARTED, outcome="interrupted"))
    assert store.runs()[0].outcome == "ok"


def test_a_host_of_an_unknown_run_is_refused(store: Store) -> None:
    with pytest.raises(MspError) as caught:
        store.record([RunHost("nobody", "a", None, None)])
    assert caught.value.code == "MSP-EVD-007"


def test_a_sheet_is_applied_once_and_the_same_again_changes_nothing(store: Store) -> None:
    store.record_sheet(Sheet("s1", "bakery", AT, "digest"))
    decisions = [{"asset": "device:1", "agreed": True, "remark": "prima"}]
    first = store.apply_sheet("s1", signed_by="Anna", signed_on=AT.date(), decisions=decisions)
    again = store.apply_sheet("s1", signed_by="Anna", signed_on=AT.date(), decisions=decisions)
    assert first == again == store.sheet("s1")
    assert (first.signed_by, first.signed_on, list(first.decisions)) == ("Anna", AT.date(), decisions)
    with pytest.raises(MspError) as caught:
        store.apply_sheet("s1", signed_by="Bram", signed_on=AT.date(), decisions=decisions)
    assert caught.value.code == "MSP-EVD-010"


def test_a_sheet_older_than_the_last_one_applied_is_refused(store: Store) -> None:
    for name, at in (("old", AT), ("new", AT + DAY)):
        store.record_sheet(Sheet(name, "bakery", at, name))
    store.apply_sheet("new", signed_by="Anna", signed_on=AT.date(), decisions=[])
    with pytest.raises(MspError) as caught:
        store.apply_sheet("old", signed_by="Anna", signed_on=AT.date(), decisions=[])
    assert "new" in caught.value.expected
    assert [sheet.id for sheet in store.sheets("bakery")] == ["new", "old"]
    assert store.sheets("bakery")[1].applied is None


def test_a_sheet_that_was_never_written_is_refused(store: Store) -> None:
    assert store.sheet("none") is None
    with pytest.raises(MspError) as caught:
        store.apply_sheet("none", signed_by="Anna", signed_on=AT.date(), decisions=[])
    assert caught.value.code == "MSP-EVD-010"


def test_effort_never_measured_is_not_zero(store: Store) -> None:
    assert store.effort_minutes("bakery", AT, AT + DAY) is None
    store.record_effort([Effort("k", "bakery", AT - DAY, 5, True, True, "person")])
    summary = store.effort_minutes("bakery", AT, AT + DAY)
    assert summary is not None
    assert (summary.minutes, summary.rows) == (0, ())


def test_effort_adds_up_the_same_minutes_three_ways_and_counts_a_key_once(store: Store) -> None:
    spent = [
        Effort("a", "bakery", AT, 5, True, True, "person"),
        Effort("b", "bakery", AT, 7, False, False, "automation", ticket="T-1", run="r1"),
        Effort("c", "bakery", AT + DAY, 100, True, True, "person"),
        Effort("d", "dentist", AT, 100, True, True, "person"),
    ]
    store.record_effort(spent)
    store.record_effort(spent)
    summary = store.effort_minutes("bakery", AT, AT + DAY)
    assert summary is not None
    assert (summary.minutes, summary.planned, summary.unplanned) == (12, 5, 7)
    assert (summary.inside, summary.outside, summary.person, summary.automation) == (5, 7, 5, 7)
    assert summary.rows == tuple(spent[:2])


def test_tickets_are_as_their_system_last_told_and_none_is_not_zero(store: Store) -> None:
    assert store.tickets("bakery", AT, AT + DAY) is None
    ticket = Ticket("bakery", "desk", "T-1", AT, title="till is slow")
    store.record_tickets([ticket])
    store.record_tickets([replace(ticket, closed=AT + DAY)])
    assert store.tickets("bakery", AT, AT + DAY) == [replace(ticket, closed=AT + DAY)]
    assert store.tickets("bakery", AT + DAY, AT + 2 * DAY) == []


def test_records_of_every_kind_go_in_together_and_in_any_order(store: Store) -> None:
    name = hashing.facts_hash(FACTS)
    records: list[codec.Record] = [HOSTS[0], audit(facts=name), seen(), codec.Facts(FACTS), ENDED]
    for _unused in range(2):
        store.record(records)
    assert store.facts(name) == FACTS
    assert [count(store, table) for table in ("run_hosts", "audits", "sightings", "facts", "runs")] == [1] * 5


def test_a_transaction_that_fails_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(MspError):
        store.record([seen(), audit(facts="0" * 64)])
    assert [count(store, table) for table in ("things", "sightings", "tokens", "audits")] == [0] * 4


# Errors


@pytest.mark.parametrize(
    "url", ["mysql://user:hunter2@host/db", "nonsense", "sqlite://", "oracle+x://user:hunter2@host/db"]
)
def test_a_url_of_another_kind_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(MspError) as caught:
        Store.open(url)
    assert caught.value.code == "MSP-EVD-001"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://anna:hunter2@db.example.com/e", "postgresql://anna:***@db.example.com/e"),
        ("postgresql://anna@/e?host=/run&password=hunter2", "postgresql://anna@/e?host=%2Frun&password=%2A%2A%2A"),
        ("sqlite:////var/lib/e.db", "sqlite:////var/lib/e.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert engine.masked(url) == shown


def test_a_database_that_is_down_is_named(tmp_path: Path) -> None:
    with pytest.raises(MspError) as caught:
        Store.open(f"postgresql://anna:hunter2@/e?host={tmp_path}", timeout=2)
    assert caught.value.code == "MSP-EVD-001"
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "evidence.db"
    path.write_bytes(b"something else entirely, long enough to be read" * 100)
    with pytest.raises(MspError) as caught:
        Store.open(f"sqlite:///{path}")
    assert caught.value.code == "MSP-EVD-001"


def test_a_full_disk_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/e.db", upgrade=True) as store:
        store.record_observations([seen()])
        # The same error from SQLite as a disk with no room: the file may not grow any more.
        sa.event.listen(
            store.database.engine, "checkout", lambda raw, *_unused: raw.execute("PRAGMA max_page_count = 1")
        )
        with pytest.raises(MspError) as caught:
            store.record([seen(macs=[f"00:50:56:00:{i // 256:02x}:{i % 256:02x}"]) for i in range(2000)])
        assert caught.value.code == "MSP-EVD-005"
        assert [one.count for one in store.sightings("bakery")] == [1]


def test_a_read_only_database_is_named(store: Store, request: pytest.FixtureRequest) -> None:
    if store.database.path is not None:
        sa.event.listen(store.database.engine, "checkout", lambda raw, *_unused: raw.execute("PRAGMA query_only = ON"))
    else:
        sa.event.listen(
            store.database.engine, "begin", lambda found: found.exec_driver_sql("SET TRANSACTION READ ONLY")
        )
    with pytest.raises(MspError) as caught:
        store.record_observations([seen()])
    assert caught.value.code == "MSP-EVD-003"
    assert store.sightings("bakery") == []


def test_a_store_that_another_process_holds_is_waited_for_and_then_named(url: str) -> None:
    with Store.open(url, upgrade=True) as holder, Store.open(url, timeout=1) as waiter:
        with holder.database._write() as connection:
            connection.execute(sa.text("LOCK TABLE things" if holder.database.path is None else "SELECT 1"))
            began = time.monotonic()
            with pytest.raises(MspError) as caught:
                waiter.record_observations([seen()])
            assert time.monotonic() - began >= 1
        assert caught.value.code == "MSP-EVD-006"
        waiter.record_observations([seen()])
        assert len(holder.sightings("bakery")) == 1


def test_a_forked_child_opens_its_own_connection(store: Store) -> None:
    store.record_observations([seen()])
    child = os.fork()
    if child == 0:  # pragma: no cover  # another process
        try:
            store.record_observations([seen(AT + DAY)])
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    store.record_observations([seen(AT + 2 * DAY)])
    assert [one.count for one in store.sightings("bakery")] == [3]
