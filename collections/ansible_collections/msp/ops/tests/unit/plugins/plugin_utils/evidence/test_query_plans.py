# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing that a run or the helpdesk waits for reads a whole table, however large the store is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import answers, codec, hashing, outbox
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    AccessCheck,
    Audit,
    Observation,
    StandardCheck,
    StoredEvent,
    StoredRollout,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Scan

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
FACTS = {"packages": [{"name": f"p{i}"} for i in range(100)]}
RECORDS: list[codec.Record] = [
    codec.Facts(FACTS),
    Audit("bakery", "device:1", "srv01", AT, "ok", hashing.facts_hash(FACTS)),
    Scan("bakery", "device:1", "srv01", AT, "ok", updates=()),
    StandardCheck("bakery", "device:1", "srv01", AT, "check", "ok", "s", "1", ({"control": "c", "status": "drift"},)),
    StandardCheck("bakery", "device:1", "srv01", AT, "before", "ok", "s", "1", ({"control": "c", "status": "fixed"},)),
    AccessCheck("bakery", "device:1", "srv01", AT, "ok", {"accounts": ["a"]}),
    *(Observation("bakery", "nmap", AT, {"serial": f"s{i}", "addresses": [f"192.0.2.{i}"]}) for i in range(5)),
]
WORK: dict[str, Callable[[Store], object]] = {
    "record": lambda store: store.record(RECORDS),
    "facts": lambda store: store.facts(hashing.facts_hash(FACTS)),
    "who": lambda store: store.who("192.0.2.3"),
    "sightings": lambda store: store.sightings("bakery", since=AT),
    "states": lambda store: store.states("bakery", "nmap", "serial=s1"),
    "last audits": lambda store: store.last_audits("bakery"),
    "first audits": lambda store: store.first_audits("bakery"),
    "audits of an asset": lambda store: store.audits("bakery", "device:1"),
    "last scans": lambda store: store.last_scans("bakery"),
    "last checks": lambda store: store.last_standard_checks("bakery"),
    "last checks of an asset": lambda store: store.last_standard_checks("bakery", "device:1"),
    "last looks at logins": lambda store: store.last_access_checks("bakery"),
    "states of controls": lambda store: store.control_states("bakery"),
    "changes of controls": lambda store: store.control_changes("bakery", AT, AT),
    "when controls were measured": lambda store: store.controls_measured("bakery"),
    "who has a package": lambda store: store.software("p1"),
    "who has a version": lambda store: store.software("p1", lambda *_kind: True, "bakery"),
    "software of a customer": lambda store: store.software_of("bakery"),
    "software of an asset": lambda store: store.software_of("bakery", "device:1"),
    "open rollouts": lambda store: store.rollouts("bakery", open_only=True),
    "rollouts of lately": lambda store: store.rollouts("bakery", going_on_since=AT),
    "an event": lambda store: store.append_event("ro1", 1, StoredEvent("planned", AT), fence=1),
    "security of an asset": lambda store: store.security_events("bakery", "device:1", actions=["secret fetched"]),
    "versions of a secret": lambda store: store.secret_versions(("bakery", "device:1", "disk", "data")),
    "a secret": lambda store: store.kept_secret(("bakery", "device:1", "disk", "data", "v1")),
    "effort": lambda store: store.effort_minutes("bakery", AT, AT),
    "what is due to be told": lambda store: outbox.claim(store, "worker"),
    "what became of a message": lambda store: outbox.outcomes(store, "k"),
    "a draft": lambda store: answers.drafts(store, key="d"),
    "drafts of a customer": lambda store: answers.drafts(store, customer="bakery"),
}


@pytest.mark.parametrize("name", list(WORK))
def test_no_statement_of_it_reads_a_whole_table(new_sqlite_store: Callable[[], Store], name: str) -> None:
    with new_sqlite_store() as store:
        store.record(RECORDS)
        store.record_rollout(StoredRollout("ro1", "bakery", "standard", "p", AT, "m", {}), fence=1)
        said: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
            said.append((statement, parameters[0] if many else parameters))

        sa.event.listen(store.database.engine, "before_cursor_execute", note)
        WORK[name](store)
        sa.event.remove(store.database.engine, "before_cursor_execute", note)
        assert said
        with store.database.read() as connection:
            for statement, parameters in said:
                if statement.startswith(("BEGIN", "SELECT version_num")):
                    continue
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
                whole = [
                    step for step in plan for table in tables().metadata.tables if step.startswith(f"SCAN {table}")
                ]
                assert whole == [], statement
