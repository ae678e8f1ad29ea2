# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at who can log in, in the store: written, and read. The caller holds the transaction.

What was found is kept as facts, once by its content: a host on which nothing changed adds a row of a few words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import reading, rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import AccessCheck
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def write(connection: Connection, given: Iterable[tuple[AccessCheck, str | None]]) -> None:
    """Add looks that are not there yet. With each the hash of the facts that hold what it found."""
    made = [(rows.access_row(check), name) for check, name in given]
    ids = writing.facts_ids(connection, [name for _row, name in made if name])
    found = [{**row, "facts_id": ids[name] if name else None} for row, name in made]
    found.sort(key=lambda row: (row["customer"], row["asset"], row["at"], row["outcome"]))
    writing.write_events(connection, tables().access_checks, found)


def last(connection: Connection, customer: str) -> dict[str, tuple[AccessCheck | None, AccessCheck]]:
    """By asset: the last good look and the last attempt. They are one and the same when the last went well."""
    table = tables().access_checks.c
    attempts = _newest(connection, customer)
    good = _newest(connection, customer, table.outcome == "ok")
    bodies = _bodies(connection, [*attempts.values(), *good.values()])
    made = {row.id: _check(row, bodies) for row in (*attempts.values(), *good.values())}
    return {asset: (made[good[asset].id] if asset in good else None, made[row.id]) for asset, row in attempts.items()}


def every(connection: Connection, customer: str) -> Iterator[AccessCheck]:
    """Every look at a customer's assets, in the order in which they were recorded, a part at a time."""
    table = tables().access_checks
    query = sa.select(table).where(table.c.customer == customer).order_by(table.c.id)
    for part in connection.execution_options(yield_per=reading.BATCH).execute(query).partitions():
        bodies = _bodies(connection, part)
        yield from (_check(row, bodies) for row in part)


def _newest(connection: Connection, customer: str, *where: Any) -> dict[str, Any]:
    """By asset the row of its newest look."""
    table = tables().access_checks
    newest = (
        sa.select(table.c.asset, sa.func.max(table.c.at).label("at"))
        .where(table.c.customer == customer, *where)
        .group_by(table.c.asset)
        .subquery("newest")
    )
    same = sa.and_(table.c.customer == customer, table.c.asset == newest.c.asset, table.c.at == newest.c.at)
    query = sa.select(table).join_from(newest, table, same).where(*where)
    return {row.asset: row for row in connection.execute(query.order_by(table.c.asset, table.c.id))}


def _bodies(connection: Connection, found: Iterable[Any]) -> dict[int | None, Mapping[str, Any]]:
    return dict(reading.bodies(connection, (row.facts_id for row in found)))


def _check(row: Any, bodies: Mapping[int | None, Mapping[str, Any]]) -> AccessCheck:
    return rows.access_check(row, bodies.get(row.facts_id))
