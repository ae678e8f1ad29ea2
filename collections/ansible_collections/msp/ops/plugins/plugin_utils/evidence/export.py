# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything the store has of one customer, as records: for leaving customers and for requests under the GDPR.

The ciphertexts of an escrow are left out: what was done with them is in the security events. Names no other customer: a
run that served several is told with this customer's hosts alone. Never writes the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import (
    access,
    checks,
    codec,
    incoming,
    reading,
    rows,
    runbooks,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Run
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

Exported = codec.Record | codec.Told
ROWS_AT_ONCE = 500


def customers(store: Store) -> list[str]:
    """Every customer the store knows anything of."""
    known = tables()
    having = (
        *(known.things, known.audits, known.run_hosts, known.sheets, known.tickets, known.effort),
        *(known.coverages, known.changes, known.plans, known.decisions, known.digests),
        *(known.patch_scans, known.rollouts, known.standard_checks, known.control_changes),
        *(known.security_events, known.escrow_secrets),
        *(known.access_checks, known.event_outcomes, known.runbook_runs),
    )
    with store.database.read() as connection:
        return sorted(
            {
                name
                for table in having
                for name in connection.execute(sa.select(table.c.customer).distinct()).scalars()
                if name is not None
            }
        )


def export(store: Store, customer: str) -> Iterator[Exported]:
    """One state of the store, record by record, so that its size does not matter."""
    with store.database.read() as connection:
        yield from _facts(connection, customer)
        yield from (rows.audit(row) for row in _stream(connection, reading.audits_query(customer)))
        yield from (rows.sighting(row) for row in _stream(connection, reading.states_query(customer)))
        yield from _runs(connection, customer)
        yield from reading.sheets(connection, customer=customer)
        yield from reading.plans(connection, customer=customer)
        yield from reading.scans(connection, customer)
        yield from reading.rollouts(connection, customer=customer)
        yield from checks.every(connection, customer)
        yield from checks.changes(connection, customer, None, None)
        yield from access.every(connection, customer)
        yield from incoming.every(connection, customer)
        yield from runbooks.every(connection, customer)
        known = tables()
        kinds: list[tuple[sa.Table, Callable[[Any], Exported]]] = [
            (known.tickets, rows.ticket),
            (known.effort, rows.effort),
            (known.coverages, rows.coverage),
            (known.changes, rows.change),
            (known.decisions, rows.decision),
            (known.digests, rows.digest),
            (known.security_events, rows.security_event),
        ]
        for table, record in kinds:
            query = sa.select(table).where(table.c.customer == customer).order_by(*table.primary_key.columns)
            yield from (record(row) for row in _stream(connection, query))


def _stream(connection: Connection, query: Any) -> Iterator[Any]:
    yield from connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)


def _facts(connection: Connection, customer: str) -> Iterator[codec.Facts]:
    known = tables()
    query = (
        sa.select(known.facts.c.hash)
        .where(known.facts.c.id.in_(sa.select(known.audits.c.facts_id).where(known.audits.c.customer == customer)))
        .order_by(known.facts.c.id)
    )
    for name in connection.execute(query).scalars().all():
        yield codec.Facts(reading.facts(connection, name))


def _runs(connection: Connection, customer: str) -> Iterator[Exported]:
    known = tables()
    theirs = known.run_hosts.c.customer == customer
    query = (
        sa.select(known.runs)
        .where(known.runs.c.id.in_(sa.select(known.run_hosts.c.run).where(theirs)))
        .order_by(known.runs.c.started, known.runs.c.id)
    )
    for row in _stream(connection, query):
        yield _of_one(rows.run(row), customer)
    hosts = sa.select(known.run_hosts).where(theirs).order_by(known.run_hosts.c.run, known.run_hosts.c.host)
    yield from (rows.run_host(row) for row in _stream(connection, hosts))


def _of_one(run: Run, customer: str) -> Run:
    extra = {**run.extra, "customers": [customer]} if "customers" in run.extra else run.extra
    return replace(run, extra=extra)
