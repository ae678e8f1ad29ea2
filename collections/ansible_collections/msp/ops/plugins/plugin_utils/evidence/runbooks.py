# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of runbooks in the store: begun before anything is done, ended once, and read.

A run is begun in the transaction that read what was run before, under the asset's lease: of two that start at once the
second sees the first.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing, rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import RUNBOOK_OUTCOMES, RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Given what was run before, by the database's clock: why a run may not begin, or None.
May = Callable[[Sequence[RunbookRun], dt.datetime], str | None]


def begin(store: Store, run: RunbookRun, may: May, since: dt.timedelta) -> str | None:
    """Put on record that a run begins, unless may says why not: then nothing is written, and that is returned.

    may is shown every run of this runbook, at any customer, that began within since. The same key again changes
    nothing.
    """

    def work(connection: Connection) -> str | None:
        now = rows.time_of(writing.database_micros(connection))
        before = [one for one in _of_runbook(connection, run.runbook, now - since) if one.key != run.key]
        refused = may(before, now)
        if refused is None:
            writing.write_events(connection, tables().runbook_runs, [_run_row(run)])
        return refused

    return store.database.write(work)


def end(store: Store, run: RunbookRun, also: Callable[[Connection], object] | None = None) -> None:
    """Put on record what became of a run. The first word on it stays. also is done in the same transaction."""
    row = _outcome_row(run)

    def work(connection: Connection) -> None:
        writing.write_events(connection, tables().runbook_outcomes, [row])
        if also is not None:
            also(connection)

    store.database.write(work)


def runs(store: Store, customer: str, since: dt.datetime | None = None, asset: str | None = None) -> list[RunbookRun]:
    """A customer's runs with what became of them, oldest first."""
    table = tables().runbook_runs
    where = [table.c.customer == customer]
    if since is not None:
        where.append(table.c.at >= rows.micros(since))
    if asset is not None:
        where.append(table.c.asset == asset)
    with store.database.read() as connection:
        return _read(connection, *where)


def every(connection: Connection, customer: str) -> list[RunbookRun]:
    """A customer's runs, in a transaction that the caller holds."""
    return _read(connection, tables().runbook_runs.c.customer == customer)


def _of_runbook(connection: Connection, runbook: str, since: dt.datetime) -> list[RunbookRun]:
    table = tables().runbook_runs
    return _read(connection, table.c.runbook == runbook, table.c.at >= rows.micros(since))


def _read(connection: Connection, *where: Any) -> list[RunbookRun]:
    begun, ended = tables().runbook_runs, tables().runbook_outcomes
    told = [ended.c[name].label(f"ended_{name}") for name in ("at", "outcome", "seconds", "minutes_by_hand", "body")]
    query = sa.select(begun, *told).select_from(begun.outerjoin(ended, begun.c.key == ended.c.key)).where(*where)
    return [_run(row) for row in connection.execute(query.order_by(begun.c.at, begun.c.key))]


def _run(row: Any) -> RunbookRun:
    return RunbookRun(
        key=row.key,
        customer=row.customer,
        asset=row.asset,
        host=row.host,
        runbook=row.runbook,
        at=rows.time_of(row.at),
        parameters=json.loads(row.parameters),
        event=row.event,
        run=row.run,
        outcome=row.ended_outcome,
        ended=None if row.ended_at is None else rows.time_of(row.ended_at),
        seconds=row.ended_seconds,
        minutes_by_hand=row.ended_minutes_by_hand,
        body={} if row.ended_body is None else json.loads(row.ended_body),
    )


def _run_row(run: RunbookRun) -> rows.Row:
    texts = {name: rows.clean(getattr(run, name)) for name in ("key", "customer", "asset", "host", "runbook")}
    return {
        **texts,
        "at": rows.micros(run.at),
        "parameters": hashing.canonical_json(dict(run.parameters)),
        "event": run.event,
        "run": run.run,
    }


def _outcome_row(run: RunbookRun) -> rows.Row:
    if run.outcome not in RUNBOOK_OUTCOMES or run.ended is None:
        raise MspError(
            "MSP-EVD-007",
            f"when a runbook ended, and in one of {', '.join(RUNBOOK_OUTCOMES)}",
            f"{run.outcome!r} at {run.ended}",
            "report this as a defect of the part that made the record",
        )
    return {
        "key": rows.clean(run.key),
        "at": rows.micros(run.ended),
        "outcome": run.outcome,
        "seconds": float(run.seconds or 0.0),
        "minutes_by_hand": float(run.minutes_by_hand or 0.0),
        "body": hashing.canonical_json(dict(run.body)),
    }
