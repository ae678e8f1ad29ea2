# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The writes to the evidence store, each inside a transaction that the caller holds.

Those of controls are in checks.py, those of installed software in software.py.

Writing the same record again changes nothing. Rows are written in the order of their keys, so that two processes
wait for each other instead of locking each other out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import batched
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing, packing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.rows import Row, clean
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Below the 999 parameters that an old SQLite takes in one statement.
BATCH = 300


def insert(connection: Connection, table: sa.Table) -> Any:
    """An INSERT that can say what to do on a conflict."""
    # Imported here: every driver of PostgreSQL would cost who only reads from SQLite a tenth of a second.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as of_postgresql

        return of_postgresql(table)
    from sqlalchemy.dialects.sqlite import insert as of_sqlite

    return of_sqlite(table)


def now(connection: Connection) -> Any:
    """The database's clock, in microseconds: one clock for all who write."""
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()) * 1_000_000, sa.BigInteger)
    return sa.cast((sa.func.julianday("now") - 2440587.5) * 86_400_000_000, sa.BigInteger)


def database_micros(connection: Connection) -> int:
    return int(connection.execute(sa.select(now(connection))).scalar_one())


def known_facts(connection: Connection, hashes: Iterable[str]) -> dict[str, int]:
    """The ids of those facts that are stored, by hash."""
    facts = tables().facts.c
    found: dict[str, int] = {}
    for names in batched(sorted(set(hashes)), BATCH):
        query = sa.select(facts.hash, facts.id).where(facts.hash.in_(names))
        found |= {row.hash: row.id for row in connection.execute(query)}
    return found


def write_facts(connection: Connection, packed: packing.Packed) -> None:
    """Store facts that are not stored yet, and those of their chunks that no other facts have."""
    known = tables()
    bodies = dict(packed.chunks)
    if bodies:
        rows = [{"hash": name, "body": bodies[name]} for name in sorted(bodies)]
        connection.execute(insert(connection, known.chunks).on_conflict_do_nothing(), rows)
    new = insert(connection, known.facts).values(
        hash=packed.hash, bytes=packed.size, body=packed.frame, recorded_at=now(connection)
    )
    facts_id = connection.execute(new.on_conflict_do_nothing().returning(known.facts.c.id)).scalar()
    if facts_id is None or not bodies:  # another process was first, or there is nothing to link
        return
    ids: dict[bytes, int] = {}
    for names in batched(sorted(bodies), BATCH):
        query = sa.select(known.chunks.c.hash, known.chunks.c.id).where(known.chunks.c.hash.in_(names))
        ids |= {bytes(row.hash): row.id for row in connection.execute(query)}
    links = [
        {"facts_id": facts_id, "position": position, "chunk_id": ids[name]}
        for position, (name, _body) in enumerate(packed.chunks)
    ]
    connection.execute(insert(connection, known.facts_chunks), links)


def facts_ids(connection: Connection, hashes: Iterable[str]) -> dict[str, int]:
    """The ids of facts by hash. Facts that are not stored yet are an error: an audit must be followable to them."""
    wanted = sorted(set(hashes))
    found = known_facts(connection, wanted)
    if lacking := [name for name in wanted if name not in found]:
        raise MspError(
            "MSP-EVD-008",
            "the facts of an audit in the store before the audit",
            f"no facts with hash {lacking[0]}",
            "store the facts first (put_facts, or a facts record before the audit in the spool)",
        )
    return found


def write_events(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Add rows that are not there yet. A table with recorded_at gets the database's clock."""
    if not rows:
        return
    statement = insert(connection, table)
    if "recorded_at" in table.c:
        stamp = database_micros(connection)
        rows = [{**row, "recorded_at": stamp} for row in rows]
    connection.execute(statement.on_conflict_do_nothing(), list(rows))


def add_new(connection: Connection, table: sa.Table, row: Row) -> bool:
    """Add a row with the database's clock; False where there is one with its key."""
    key = next(iter(table.primary_key.columns))
    values = {**row, "recorded_at": database_micros(connection)}
    statement = insert(connection, table).values(**values).on_conflict_do_nothing().returning(key)
    return connection.execute(statement).scalar() is not None


def append_event(connection: Connection, row: Row) -> None:
    """Add the next event of a rollout: row is that of rows.event_row. Of two writers, or after an older lease, refused.

    The rollout's own row is locked meanwhile, so that nobody reads the last number between our reading and writing.
    """
    known = tables()
    rollout, event = known.rollouts.c, known.rollout_events.c
    name = row["rollout"]
    found = connection.execute(sa.select(rollout.fence).where(rollout.id == name).with_for_update()).first()
    if found is None:
        raise _no_rollout(name, "no such rollout")
    newest = sa.select(event.number, event.fence, event.closes).where(event.rollout == name)
    last = connection.execute(newest.order_by(event.number.desc()).limit(1)).first()
    if row["fence"] < (fence := last.fence if last else found.fence):
        raise MspError(
            "MSP-EVD-019",
            f"the lease that rollout {name} was last written under, number {fence}, or a later one",
            f"the lease number {row['fence']}, which another controller took over",
            "let go: the controller that holds the lease goes on with the rollout",
        )
    if last and last.closes:
        raise _no_rollout(name, f"a rollout that is over since its event {last.number}")
    if row["number"] != (following := last.number + 1 if last else 1):
        raise MspError(
            "MSP-EVD-018",
            f"the event {following} of rollout {name}, which follows the last one recorded",
            f"an event {row['number']}",
            "read the rollout again: another run wrote to it meanwhile",
        )
    connection.execute(sa.insert(known.rollout_events), [{**row, "recorded_at": database_micros(connection)}])


def _no_rollout(name: str, found: str) -> MspError:
    return MspError(
        "MSP-EVD-020",
        f"a rollout {name} that this store keeps, as it was planned and not over",
        found,
        "look at the customer's rollouts (playbooks/patch_status.yml), and plan a new one where it is over",
    )


def write_rollout(connection: Connection, row: Row, first: Sequence[Row]) -> None:
    """Add a rollout with its first events: row is that of rows.rollout_row, first those of rows.event_row.

    The same again changes nothing; another of its id is refused.

    Under a lease that is older than one a rollout of the customer was recorded under, it is refused too: two
    controllers would else plan one each.
    """
    known = tables()
    table = known.rollouts
    newest = sa.select(sa.func.max(table.c.fence)).where(table.c.customer == row["customer"])
    if row["fence"] < (fence := connection.execute(newest).scalar() or 0):
        raise MspError(
            "MSP-EVD-019",
            f"the lease that the last rollout of {row['customer']} was planned under, number {fence}, or a later one",
            f"the lease number {row['fence']}, which another controller took over",
            "let go: the controller that holds the lease plans the rollout",
        )
    write_events(connection, table, [row])
    stored = connection.execute(sa.select(table).where(table.c.id == row["id"])).one()
    if any(getattr(stored, name) != value for name, value in row.items() if name != "fence"):
        raise _no_rollout(row["id"], "another rollout of this id")
    events = known.rollout_events
    if connection.execute(sa.select(events.c.number).where(events.c.rollout == row["id"]).limit(1)).first() is None:
        write_events(connection, events, first)


def write_run(connection: Connection, run: Row) -> None:
    """Write a run's start, its end, or both. A late start does not undo an end."""
    known = tables()
    statement = insert(connection, known.runs).values(**run, recorded_at=now(connection))
    new, old = statement.excluded, known.runs.c
    first = {name: sa.func.coalesce(old[name], new[name]) for name in ("ended", "out_of_scope_ticket")}
    # What is known of a run grows until it ended: the start knows neither its ticket nor its customers.
    ends = sa.and_(old.ended.is_(None), new.ended.is_not(None))
    last = {name: sa.case((ends, new[name]), else_=old[name]) for name in ("playbook", "started_by", "extra")}
    last["outcome"] = sa.case((ends, new.outcome), else_=sa.func.coalesce(old.outcome, new.outcome))
    changed = sa.or_(*(old[name].is_distinct_from(value) for name, value in {**first, **last}.items()))
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_={**first, **last}, where=changed))


def write_tickets(connection: Connection, rows: Sequence[Row]) -> None:
    """A ticket as its system tells it now."""
    known = tables()
    statement = insert(connection, known.tickets)
    names = ("customer", "opened", "closed", "title", "asset", "extra")
    update = statement.on_conflict_do_update(
        index_elements=["source", "ref"], set_={name: statement.excluded[name] for name in names}
    )
    if rows:
        connection.execute(update, list(rows))


def write_observations(connection: Connection, rows: Sequence[Row]) -> None:
    """Fold sightings into their things. rows are those of rows.observation_row."""
    # A clock that is ahead would make this the newest for as long as it is; what is recorded now was seen by now.
    latest = database_micros(connection)
    rows = [{**row, "at": min(row["at"], latest)} for row in rows]
    # In order of time, so that every sighting of a batch counts; a thing's rows stay together.
    ordered = sorted(rows, key=lambda row: (row["customer"], row["source"], row["thing"], row["at"], row["version"]))
    things = _thing_ids(connection, ordered)
    for row in ordered:
        row["thing_id"] = things[row["customer"], row["source"], row["thing"]]
    ordered.sort(key=lambda row: (row["thing_id"], row["at"], row["version"]))
    fresh = _new_versions(connection, ordered)
    _write_sightings(connection, ordered)
    _write_things(connection, ordered, after_look=_last_look(connection))
    _write_tokens(connection, fresh)


def _thing_ids(connection: Connection, rows: Sequence[Row]) -> dict[tuple[str, str, str], int]:
    """The ids of the things, made where they are new. The rows are ordered by the things' names."""
    known = tables()
    first = {(row["customer"], row["source"], row["thing"]): row for row in reversed(rows)}
    keys = sorted(first)
    ids = dict(_find_things(connection, keys))
    lacking = [key for key in keys if key not in ids]
    if lacking:
        # seen starts at 0: the sighting itself, written next, is what counts.
        new = [
            {
                **dict(zip(("customer", "source", "thing"), key, strict=True)),
                "asset": first[key]["asset"],
                "first_seen": first[key]["at"],
                "last_seen": first[key]["at"],
                "seen": 0,
                "version": first[key]["version"],
            }
            for key in lacking
        ]
        connection.execute(insert(connection, known.things).on_conflict_do_nothing(), new)
        ids |= dict(_find_things(connection, lacking))
    return ids


def _find_things(
    connection: Connection, keys: Sequence[tuple[str, str, str]]
) -> Iterator[tuple[tuple[str, str, str], int]]:
    things = tables().things.c
    for part in batched(keys, BATCH):
        key = (things.customer, things.source, things.thing)
        query = with_keys(connection, sa.select(things.id, *key), part, *key)
        for row in connection.execute(query):
            yield (row.customer, row.source, row.thing), row.id


def with_keys(connection: Connection, query: Any, keys: Sequence[tuple[Any, ...]], *columns: Any) -> Any:
    """The rows of a query whose columns are one of the keys.

    SQLite reads the whole table for `(a, b) IN (...)`; joined to a list given as one JSON text it uses the index.
    """
    if connection.dialect.name == "postgresql":
        return query.where(sa.tuple_(*columns).in_(keys))
    wanted = sa.func.json_each(json.dumps(keys)).table_valued("value", name="wanted")
    same = (sa.func.json_extract(wanted.c.value, f"$[{i}]") == column for i, column in enumerate(columns))
    return query.join_from(wanted, columns[0].table, sa.and_(*same))


def _new_versions(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """The rows that show a thing in a state that the store has not seen yet."""
    sightings = tables().sightings.c
    wanted = {(row["thing_id"], row["version"]): row for row in rows}
    for part in batched(sorted(wanted), BATCH):
        key = (sightings.thing_id, sightings.version)
        query = with_keys(connection, sa.select(*key), part, *key)
        for row in connection.execute(query):
            wanted.pop((row.thing_id, row.version), None)
    return list(wanted.values())


def _widened(old: Any, at: Any) -> dict[str, Any]:
    """First and last time and the count, after one more sighting at a time.

    A clock that jumps back widens the range to the left and never shortens it. A sighting at a time inside the range
    does not count: compacted, the store cannot know a replay from a late delivery, and twice would be wrong.
    """
    return {
        "first_seen": sa.case((at < old.first_seen, at), else_=old.first_seen),
        "last_seen": sa.case((at > old.last_seen, at), else_=old.last_seen),
        "seen": old.seen + sa.case((sa.or_(at < old.first_seen, at > old.last_seen), 1), else_=0),
    }


def _write_sightings(connection: Connection, rows: Sequence[Row]) -> None:
    known = tables()
    statement = insert(connection, known.sightings)
    update = statement.on_conflict_do_update(
        index_elements=["thing_id", "version"], set_=_widened(known.sightings.c, statement.excluded.last_seen)
    )
    names = ("thing_id", "version", "asset", "identity", "attributes", "place")
    values = [
        {**{name: row[name] for name in names}, "first_seen": row["at"], "last_seen": row["at"], "seen": 1}
        for row in rows
    ]
    connection.execute(update, values)


def _last_look(connection: Connection) -> int:
    """The number of the last look that was recorded, anybody's; 0 before the first."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(tables().coverages.c.id), 0))).scalar_one())


def _write_things(connection: Connection, rows: Sequence[Row], after_look: int) -> None:
    """Point each thing at its newest state. At equal times the greater version is the newer, in whatever order.

    A thing that is told of again, in whatever state and of whatever time, was on its source's list just now.
    """
    things = tables().things
    at, version = sa.bindparam("new_at", type_=sa.BigInteger), sa.bindparam("new_version", type_=sa.BigInteger)
    newer = sa.or_(at > things.c.last_seen, sa.and_(at == things.c.last_seen, version >= things.c.version))
    widened = _widened(things.c, at)
    widened["seen"] = sa.case((things.c.seen == 0, 1), else_=widened["seen"])
    update = (
        sa.update(things)
        .where(things.c.id == sa.bindparam("of_thing"))
        .values(
            **widened,
            after_look=after_look,
            version=sa.case((newer, version), else_=things.c.version),
            asset=sa.case((newer, sa.bindparam("new_asset", type_=sa.Text)), else_=things.c.asset),
        )
    )
    connection.execute(
        update,
        [
            {"of_thing": row["thing_id"], "new_at": row["at"], "new_version": row["version"], "new_asset": row["asset"]}
            for row in rows
        ],
    )


def write_versions(connection: Connection, rows: Iterable[Row]) -> None:
    """Keep of each version the earliest time that it was seen, in whatever order scans are told."""
    table = tables().versions_seen
    names = [column.name for column in table.primary_key.columns]
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        if key not in first or row["since"] < first[key]["since"]:
            first[key] = row
    if not first:
        return
    statement = insert(connection, table)
    earlier = statement.excluded.since
    connection.execute(
        statement.on_conflict_do_update(index_elements=names, set_={"since": earlier}, where=table.c.since > earlier),
        [first[key] for key in sorted(first)],
    )


def words(thing_id: int, identity: str) -> list[tuple[str, str, int]]:
    """The rows of tokens that one state of a thing bears."""
    found = hashing.tokens(json.loads(identity))
    return [(clean(word), kind, thing_id) for kind, said in found.items() for word in said]


def _write_tokens(connection: Connection, rows: Sequence[Row]) -> None:
    new = sorted({word for row in rows for word in words(row["thing_id"], row["identity"])})
    if new:
        names = ("token", "kind", "thing_id")
        connection.execute(
            insert(connection, tables().tokens).on_conflict_do_nothing(),
            [dict(zip(names, word, strict=True)) for word in new],
        )


def write_changes(connection: Connection, rows: Sequence[Row]) -> None:
    """Changes that are not there yet, each recorded after all that its customer has and was told of.

    A clock that jumped back, or two changes within its smallest step, would else put one before the end of the last
    digest, and nobody would ever be told of it.
    """
    known = tables()
    now = database_micros(connection)
    stamps = {}
    for customer in {row["customer"] for row in rows}:
        newest = sa.select(sa.func.max(known.changes.c.recorded_at)).where(known.changes.c.customer == customer)
        told = sa.select(sa.func.max(known.digests.c.until)).where(known.digests.c.customer == customer)
        floor = max(connection.execute(query).scalar() or 0 for query in (newest, told))
        stamps[customer] = max(now, floor + 1)
    stamped = [{**row, "recorded_at": stamps[row["customer"]]} for row in rows]
    if stamped:
        connection.execute(insert(connection, known.changes).on_conflict_do_nothing(), stamped)


def write_remembered(
    connection: Connection, customer: str, gone: Iterable[tuple[str, str]], rows: Sequence[Row]
) -> None:
    """Ids that are an asset's from now on, after those that are nobody's any more."""
    table = tables().remembered
    for kind, value in sorted(gone):
        connection.execute(
            sa.delete(table).where(table.c.customer == customer, table.c.kind == kind, table.c.value == value)
        )
    statement = insert(connection, table)
    update = statement.on_conflict_do_update(
        index_elements=["customer", "kind", "value"], set_={"asset": statement.excluded["asset"]}
    )
    if rows:
        connection.execute(update, list(rows))


def write_seen(connection: Connection, rows: Sequence[Row]) -> None:
    """When assets were seen, as the newest reconciliation says."""
    table = tables().seen
    statement = insert(connection, table)
    names = ("first_seen", "last_seen", "sources", "place")
    changed = sa.or_(*(table.c[name] != statement.excluded[name] for name in names))
    update = statement.on_conflict_do_update(
        index_elements=["customer", "asset"],
        set_={name: statement.excluded[name] for name in names},
        where=changed,
    )
    if rows:
        connection.execute(update, list(rows))
