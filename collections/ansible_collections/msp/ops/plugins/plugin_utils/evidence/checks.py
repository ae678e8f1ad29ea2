# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of assets' controls in the store: written with what turned, and read. The caller holds the transaction.

A check may come late, after others that were made later: what turned is then gone through again from there. A row that
is there stays; of rows that say the same of a control one after the other, reading tells the first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import controls, reading, rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    CHECK_PHASES,
    NOT_ASSIGNED,
    ControlChange,
    ControlState,
    StandardCheck,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import CONTROL_SAYS, tables

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# PostgreSQL's advisory lock of who writes checks: two who follow one asset would each go on from the same state.
LOCK = 0x6D73702E737464  # "msp.std"

# The row of a check with facts_id, and its records.
Given = tuple[rows.Row, Sequence[controls.Record] | None]


def write(connection: Connection, given: Iterable[Given]) -> None:
    """Add checks that are not there yet, and what turned with them."""
    ordered = sorted(given, key=lambda one: (one[0]["customer"], one[0]["asset"], *_order(one[0])))
    if not ordered:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    stamp = writing.database_micros(connection)
    for row, records in ordered:
        newest = _newest(connection, row["customer"], row["asset"])
        if _added(connection, {**row, "recorded_at": stamp}):
            _follow(connection, _check(row, records), row["customer"], row["asset"], newest)


def _order(row: rows.Row) -> tuple[int, int]:
    return controls.order(row["at"], row["phase"])


def _check(row: rows.Row, records: Sequence[controls.Record] | None) -> controls.Check:
    return controls.Check(row["at"], row["phase"], row["standard"], records, row["error"] or row["outcome"])


def _added(connection: Connection, row: rows.Row) -> bool:
    """False where the check is there already."""
    table = tables().standard_checks
    new = writing.insert(connection, table).values(row).on_conflict_do_nothing().returning(table.c.id)
    return connection.execute(new).first() is not None


def _newest(connection: Connection, customer: str, asset: str) -> tuple[int, int] | None:
    """Where the last check of an asset is in the order of its checks."""
    table = tables().standard_checks.c
    query = sa.select(table.at, table.phase).where(table.customer == customer, table.asset == asset)
    row = connection.execute(query.order_by(table.at.desc(), _rank(table.phase).desc()).limit(1)).first()
    return None if row is None else controls.order(row.at, row.phase)


def _rank(phase: Any) -> Any:
    return sa.case({name: number for number, name in enumerate(CHECK_PHASES)}, value=phase)


def _follow(
    connection: Connection, check: controls.Check, customer: str, asset: str, newest: tuple[int, int] | None
) -> None:
    """Record what turned with a check, and what the asset's controls are since its last one."""
    stored = _states(connection, customer, asset)
    if newest is None or check.order > newest:
        turns, states = controls.follow(stored, [check])
    else:
        later = _later(connection, check, customer, asset)
        turns, states = controls.follow(_as_of(connection, check, customer, asset), [check, *later])
    key = {"customer": customer, "asset": asset}
    found = [
        {**key, "control": turn.control, "at": turn.at, "phase": turn.phase, **rows.said_row(turn.said)}
        for turn in turns
    ]
    writing.write_events(connection, tables().control_changes, found)
    _put_states(connection, key, stored, states)


def _states(connection: Connection, customer: str, asset: str) -> dict[str, controls.Said]:
    table = tables().control_states
    query = sa.select(table).where(table.c.customer == customer, table.c.asset == asset)
    return {row.control: rows.said(row, row.since) for row in connection.execute(query)}


def _as_of(connection: Connection, check: controls.Check, customer: str, asset: str) -> dict[str, controls.Said]:
    """What the controls of an asset were just before a check, by what was recorded."""
    found: dict[str, controls.Said] = {}
    for row in connection.execute(_turned(customer, asset=asset)):
        if controls.order(row.at, row.phase) < check.order:
            found[row.control] = rows.said(row, row.at)
    return {control: said for control, said in found.items() if said.status != NOT_ASSIGNED}


def _later(connection: Connection, check: controls.Check, customer: str, asset: str) -> list[controls.Check]:
    """The checks of an asset that were made after this one, oldest first."""
    table = tables().standard_checks
    query = sa.select(table).where(table.c.customer == customer, table.c.asset == asset, table.c.at >= check.at)
    found = connection.execute(query).all()
    lists = _records(connection, (row.facts_id for row in found))
    checks = (
        controls.Check(row.at, row.phase, row.standard, lists.get(row.facts_id), row.error or row.outcome)
        for row in found
    )
    return sorted((one for one in checks if one.order > check.order), key=lambda one: one.order)


def _put_states(
    connection: Connection, key: rows.Row, stored: Mapping[str, controls.Said], states: Mapping[str, controls.Said]
) -> None:
    """Replace what an asset's controls are; only what is another than before is written."""
    table = tables().control_states
    found = [
        {**key, "control": control, "since": said.since, **rows.said_row(said)}
        for control, said in sorted(states.items())
        if stored.get(control) != said
    ]
    mine = [table.c[name] == value for name, value in key.items()]
    for control in sorted(stored.keys() - states.keys()):
        connection.execute(sa.delete(table).where(*mine, table.c.control == control))
    if found:
        statement = writing.insert(connection, table)
        new = {name: statement.excluded[name] for name in ("since", *CONTROL_SAYS)}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["customer", "asset", "control"], set_=new), found
        )


def _records(connection: Connection, facts_ids: Iterable[int | None]) -> dict[int | None, tuple[controls.Record, ...]]:
    """The records that facts hold, by the facts' ids; what is in many checks is one object."""
    known: dict[str, controls.Record] = {}
    return {number: controls.records(facts, known) for number, facts in reading.bodies(connection, facts_ids)}


def _turned(customer: str, *, asset: str | None = None) -> Any:
    """Rows of control_changes that say another status than the row before, which is `previous`; in order of time."""
    table = tables().control_changes
    ordered = (table.c.at, _rank(table.c.phase))
    before = sa.func.lag(table.c.status).over(partition_by=(table.c.asset, table.c.control), order_by=ordered)
    query = sa.select(table, before.label("previous")).where(table.c.customer == customer)
    if asset is not None:
        query = query.where(table.c.asset == asset)
    found = query.subquery("turned")
    another = sa.or_(found.c.previous.is_(None), found.c.previous != found.c.status)
    return sa.select(found).where(another).order_by(found.c.at, _rank(found.c.phase), found.c.asset, found.c.control)


def changes(
    connection: Connection, customer: str, since: dt.datetime | None, until: dt.datetime | None
) -> list[ControlChange]:
    """What turned in [since, until), oldest first."""
    found = _turned(customer).subquery("told")
    query = sa.select(found).order_by(found.c.at, _rank(found.c.phase), found.c.asset, found.c.control)
    if since is not None:
        query = query.where(found.c.at >= rows.micros(since))
    if until is not None:
        query = query.where(found.c.at < rows.micros(until))
    return [rows.control_change(row) for row in connection.execute(query)]


def states(connection: Connection, customer: str | None) -> list[ControlState]:
    """What every control of every asset is by its last check, in order of customer, asset and control."""
    known = tables()
    table, checked = known.control_states, known.standard_checks
    whose = (checked.c.customer, checked.c.asset)
    looks = sa.select(*whose, sa.func.max(checked.c.at).label("last_at")).group_by(*whose)
    if customer is not None:
        looks = looks.where(checked.c.customer == customer)
    newest = looks.subquery("newest")
    same = sa.and_(table.c.customer == newest.c.customer, table.c.asset == newest.c.asset)
    query = sa.select(table, newest.c.last_at).join_from(newest, table, same)
    if customer is not None:
        query = query.where(table.c.customer == customer)
    ordered = query.order_by(table.c.customer, table.c.asset, table.c.control)
    return [rows.control_state(row) for row in connection.execute(ordered)]


def last(
    connection: Connection, customer: str, asset: str | None
) -> dict[str, tuple[StandardCheck | None, StandardCheck]]:
    """By asset: the last good check and the last attempt. They are one and the same when the last went well."""
    table = tables().standard_checks.c
    which = () if asset is None else (table.asset == asset,)
    attempts = _newest_checks(connection, customer, *which)
    good = _newest_checks(connection, customer, *which, table.outcome == "ok")
    lists = _records(connection, (row.facts_id for row in (*attempts.values(), *good.values())))
    made = {row.id: rows.standard_check(row, lists.get(row.facts_id)) for row in (*attempts.values(), *good.values())}
    return {asset: (made[good[asset].id] if asset in good else None, made[row.id]) for asset, row in attempts.items()}


def _newest_checks(connection: Connection, customer: str, *where: Any) -> dict[str, Any]:
    """The newest of a customer's checks of each asset; of one time the last by what it was for."""
    table = tables().standard_checks
    newest = (
        sa.select(table.c.asset, sa.func.max(table.c.at).label("at"))
        .where(table.c.customer == customer, *where)
        .group_by(table.c.asset)
        .subquery("newest")
    )
    same = sa.and_(table.c.customer == customer, table.c.asset == newest.c.asset, table.c.at == newest.c.at)
    query = sa.select(table).join_from(newest, table, same).where(*where)
    return {row.asset: row for row in connection.execute(query.order_by(table.c.asset, _rank(table.c.phase)))}


def measured(connection: Connection, customer: str) -> dict[str, list[dt.datetime]]:
    """By asset when its controls were measured, oldest first."""
    table = tables().standard_checks.c
    query = sa.select(table.asset, table.at).where(table.customer == customer, table.outcome == "ok").distinct()
    found: dict[str, list[dt.datetime]] = {}
    for row in connection.execute(query.order_by(table.asset, table.at)):
        found.setdefault(row.asset, []).append(rows.time_of(row.at))
    return found


def of_phase(connection: Connection, customer: str, phase: str, since: dt.datetime) -> list[StandardCheck]:
    """The good checks of a phase from since on, oldest first."""
    table = tables().standard_checks
    query = sa.select(table).where(
        table.c.customer == customer, table.c.phase == phase, table.c.outcome == "ok", table.c.at >= rows.micros(since)
    )
    found = connection.execute(query.order_by(table.c.at, table.c.asset)).all()
    lists = _records(connection, (row.facts_id for row in found))
    return [rows.standard_check(row, lists.get(row.facts_id)) for row in found]


def every(connection: Connection, customer: str) -> Iterator[StandardCheck]:
    """Every check of a customer, in the order in which they were recorded, a part at a time."""
    table = tables().standard_checks
    query = sa.select(table).where(table.c.customer == customer).order_by(table.c.id)
    for part in connection.execution_options(yield_per=reading.BATCH).execute(query).partitions():
        lists = _records(connection, (row.facts_id for row in part))
        yield from (rows.standard_check(row, lists.get(row.facts_id)) for row in part)
