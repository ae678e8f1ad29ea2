# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a customer's evidence is kept, and removing what is older: the only place that deletes.

Preview and removal are one code path: a preview is a removal that is rolled back. What was agreed or billed (sheets,
plans and decisions, effort, tickets) is bookkeeping and stays, and so does what was done with secrets and logins. The
last good audit of an asset stays as long as somebody still tries to audit it, and so do its last good scan for updates,
the last good check of its controls, and of each control what it was when the time that is kept began. A rollout stays
until it is over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import suppress
from itertools import batched
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import reading, rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables, views
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

DAY = 86_400_000_000  # microseconds


class _Preview(Exception):
    """Ends a preview so that its transaction is rolled back."""

    def __init__(self, removed: dict[str, int]) -> None:
        super().__init__()
        self.removed = removed


def retain(store: Store, customer: str, days: int) -> None:
    """Remember how many days a customer's evidence is kept."""

    def work(connection: Connection) -> None:
        table = tables().retention
        statement = writing.insert(connection, table).values(
            customer=rows.clean(customer), days=days, set_at=writing.now(connection)
        )
        new = {"days": statement.excluded.days, "set_at": statement.excluded.set_at}
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["customer"], set_=new, where=table.c.days != statement.excluded.days
            )
        )

    store.database.write(work)


def retained(store: Store) -> dict[str, int]:
    """Days by customer, where somebody set them."""
    table = tables().retention
    with store.database.read() as connection:
        return {row.customer: row.days for row in connection.execute(sa.select(table).order_by(table.c.customer))}


def prune(store: Store, customer: str, days: int | None = None, *, apply: bool) -> dict[str, int]:
    """Remove what is older than so many days (else the customer's own retention); rows removed, by table."""
    if days is None:
        days = retained(store).get(customer)
    if days is None or days < 0:
        raise MspError(
            "MSP-EVD-013",
            f"a number of days to keep for {customer}",
            "none" if days is None else str(days),
            "give --older-than DAYS, or set it once with ./msp store retain --customer SLUG --days DAYS",
        )
    age = dt.timedelta(days=days)

    def work(connection: Connection) -> dict[str, int]:
        cutoff = writing.database_micros(connection) - age // dt.timedelta(microseconds=1)
        removed = {
            **_remove_sightings(connection, customer, cutoff),
            **_remove_measured(connection, customer, cutoff),
            **_forget_controls(connection, customer, cutoff),
            **_forget_software(connection, customer),
            **_remove_rollouts(connection, customer, cutoff),
            **_remove_runs(connection, customer, cutoff),
            **_remove_events(connection, customer, cutoff),
            **_remove_runbooks(connection, customer, cutoff),
            "seen": _delete(
                connection, tables().seen, tables().seen.c.customer == customer, tables().seen.c.last_seen < cutoff
            ),
            "remembered": _forget_ids(connection, customer),
            **{
                table.name: _delete(connection, table, table.c.customer == customer, table.c.recorded_at < cutoff)
                for table in (tables().coverages, tables().changes)
            },
        }
        if not apply:
            raise _Preview(removed)
        return removed

    try:
        return store.database.write(work)
    except _Preview as preview:
        return preview.removed


def _delete(connection: Connection, table: sa.Table, *where: Any) -> int:
    return connection.execute(sa.delete(table).where(*where)).rowcount


def _forget_ids(connection: Connection, customer: str) -> int:
    """The ids of assets of which it is no longer known when they were seen."""
    ids, seen = tables().remembered, tables().seen.c
    known = sa.select(seen.asset).where(seen.customer == customer)
    return _delete(connection, ids, ids.c.customer == customer, ids.c.asset.not_in(known))


def _remove_sightings(connection: Connection, customer: str, cutoff: int) -> dict[str, int]:
    known = tables()
    theirs = sa.select(known.things.c.id).where(known.things.c.customer == customer)
    old_things = theirs.where(known.things.c.last_seen < cutoff)
    old_states = sa.and_(known.sightings.c.thing_id.in_(theirs), known.sightings.c.last_seen < cutoff)
    changed = connection.execute(
        sa.select(known.sightings.c.thing_id)
        .where(old_states, known.sightings.c.thing_id.not_in(old_things))
        .distinct()
    )
    surviving = list(changed.scalars())
    removed = {
        "tokens": _delete(connection, known.tokens, known.tokens.c.thing_id.in_(old_things)),
        "sightings": _delete(connection, known.sightings, old_states),
        "things": _delete(
            connection, known.things, known.things.c.customer == customer, known.things.c.last_seen < cutoff
        ),
    }
    removed["tokens"] += _forget_words(connection, surviving)
    return removed


def _forget_words(connection: Connection, thing_ids: Iterable[int]) -> int:
    """A thing that lost old states is no longer found by the words that only those states bore."""
    known = tables()
    forgotten = 0
    for ids in batched(thing_ids, writing.BATCH):
        states = connection.execute(
            sa.select(known.sightings.c.thing_id, known.sightings.c.identity).where(known.sightings.c.thing_id.in_(ids))
        )
        kept = {row for state in states for row in writing.words(state.thing_id, state.identity)}
        borne = connection.execute(sa.select(known.tokens).where(known.tokens.c.thing_id.in_(ids)))
        for row in borne.all():
            if (row.token, row.kind, row.thing_id) not in kept:
                forgotten += _delete(
                    connection,
                    known.tokens,
                    known.tokens.c.token == row.token,
                    known.tokens.c.kind == row.kind,
                    known.tokens.c.thing_id == row.thing_id,
                )
    return forgotten


def _remove_measured(connection: Connection, customer: str, cutoff: int) -> dict[str, int]:
    """What was measured long ago, then the facts that nothing names any more, then the chunks of those."""
    known = tables()
    audits, scans, checks = known.audits.c, known.patch_scans.c, known.standard_checks.c
    looks = known.access_checks.c
    good = views().last_good_audits.c
    alive = sa.select(audits.asset).where(audits.customer == customer, audits.at >= cutoff)
    needed = sa.select(good.id).where(good.customer == customer, good.asset.in_(alive))
    old_audits = sa.and_(audits.customer == customer, audits.at < cutoff, audits.id.not_in(needed))
    old_scans, old_checks, old_looks = (
        sa.and_(table.c.customer == customer, table.c.at < cutoff, table.c.id.not_in(_needed(table, customer, cutoff)))
        for table in (known.patch_scans, known.standard_checks, known.access_checks)
    )
    named = {
        number
        for column, old in (
            *((audits.facts_id, old_audits), (scans.facts_id, old_scans)),
            *((checks.facts_id, old_checks), (looks.facts_id, old_looks)),
        )
        for number in connection.execute(sa.select(column).where(old, column.is_not(None))).scalars()
    }
    removed = {
        "audits": _delete(connection, known.audits, old_audits),
        "patch_scans": _delete(connection, known.patch_scans, old_scans),
        "standard_checks": _delete(connection, known.standard_checks, old_checks),
        "access_checks": _delete(connection, known.access_checks, old_looks),
    }
    removed["versions_seen"] = _forget_versions(connection, customer, cutoff)
    removed |= _remove_facts(connection, sorted(named | _strays(connection)))
    return removed


def _forget_versions(connection: Connection, customer: str, cutoff: int) -> int:
    """Since when a version waits is kept for as long as it waits somewhere."""
    seen = tables().versions_seen
    names = [column.name for column in seen.primary_key.columns]
    old = connection.execute(sa.select(seen).where(seen.c.customer == customer, seen.c.since < cutoff)).all()
    scans = (
        (good for good, _last in reading.last_scans(connection, customer).values() if good is not None) if old else ()
    )
    waiting = {tuple(row[name] for name in names) for scan in scans for row in rows.version_rows(scan)}
    return sum(
        _delete(connection, seen, *(seen.c[name] == getattr(row, name) for name in names))
        for row in old
        if tuple(getattr(row, name) for name in names) not in waiting
    )


def _needed(table: sa.Table, customer: str, cutoff: int) -> Any:
    """The last good scan, or check of controls, of every asset that somebody still tries to look at."""
    tried = table.c
    alive = sa.select(tried.asset).where(tried.customer == customer, tried.at >= cutoff)
    good = table.alias("good")
    newest = (
        sa.select(good.c.id)
        .where(good.c.customer == customer, good.c.asset == tried.asset, good.c.outcome == "ok")
        .order_by(good.c.at.desc(), good.c.id.desc())
        .limit(1)
        .correlate(table)
        .scalar_subquery()
    )
    return sa.select(tried.id).where(tried.customer == customer, tried.asset.in_(alive), tried.id == newest)


def _forget_controls(connection: Connection, customer: str, cutoff: int) -> dict[str, int]:
    """What became of controls before the cutoff, but for the last of each; all of it where nobody checks any more."""
    known = tables()
    changes, states, checks = known.control_changes, known.control_states, known.standard_checks.c
    alive = sa.select(checks.asset).where(checks.customer == customer, checks.at >= cutoff)
    later = changes.alias("later")
    followed = sa.exists().where(
        later.c.customer == changes.c.customer,
        later.c.asset == changes.c.asset,
        later.c.control == changes.c.control,
        later.c.at > changes.c.at,
        later.c.at < cutoff,
    )
    return {
        "control_changes": _delete(
            connection,
            changes,
            changes.c.customer == customer,
            changes.c.at < cutoff,
            sa.or_(followed, changes.c.asset.not_in(alive)),
        ),
        "control_states": _delete(connection, states, states.c.customer == customer, states.c.asset.not_in(alive)),
    }


def _forget_software(connection: Connection, customer: str) -> dict[str, int]:
    """The lists of packages of assets of which no good audit is left, then the packages that are on no list."""
    known = tables()
    lists, software, packages, good = known.package_lists, known.software, known.packages, known.audits.c
    audited = sa.select(good.asset).where(good.customer == customer, good.outcome == "ok")
    old = sa.select(lists.c.id).where(lists.c.customer == customer, lists.c.asset.not_in(audited))
    used = sa.exists().where(software.c.package_id == packages.c.id)
    return {
        "software": _delete(connection, software, software.c.list_id.in_(old)),
        "package_lists": _delete(connection, lists, lists.c.id.in_(old)),
        "packages": _delete(connection, packages, ~used),
    }


def _remove_rollouts(connection: Connection, customer: str, cutoff: int) -> dict[str, int]:
    """Rollouts that were over before the cutoff, with all their events."""
    known = tables()
    events, rollouts = known.rollout_events, known.rollouts
    ended = sa.select(events.c.rollout).where(events.c.closes, events.c.recorded_at < cutoff)
    over = sa.select(rollouts.c.id).where(rollouts.c.customer == customer, rollouts.c.id.in_(ended))
    names = list(connection.execute(over).scalars())
    removed = {"rollout_events": 0, "rollouts": 0}
    for part in batched(names, writing.BATCH):
        removed["rollout_events"] += _delete(connection, events, events.c.rollout.in_(part))
        removed["rollouts"] += _delete(connection, rollouts, rollouts.c.id.in_(part))
    return removed


def _strays(connection: Connection) -> set[int]:
    """Facts whose audit never came. Facts may be written before what names them, so a day must have passed."""
    facts = tables().facts.c
    aged = facts.recorded_at < writing.database_micros(connection) - DAY
    return set(connection.execute(sa.select(facts.id).where(aged, _nobodys())).scalars())


def _nobodys() -> Any:
    """No audit, no scan, no check and no look at logins names these facts."""
    facts, known = tables().facts.c, tables()
    naming = (known.audits, known.patch_scans, known.standard_checks, known.access_checks)
    return sa.and_(*(~sa.exists().where(table.c.facts_id == facts.id) for table in naming))


def _remove_facts(connection: Connection, ids: Iterable[int]) -> dict[str, int]:
    """Those of the facts that nothing names, and their chunks that no other facts hold."""
    known = tables()
    chunks: set[int] = set()
    removed = {"facts": 0, "chunks": 0}
    links = known.facts_chunks
    for wanted in batched(ids, writing.BATCH):
        query = sa.select(known.facts.c.id).where(known.facts.c.id.in_(wanted), _nobodys())
        part = list(connection.execute(query).scalars())
        chunks |= set(connection.execute(sa.select(links.c.chunk_id).where(links.c.facts_id.in_(part))).scalars())
        _delete(connection, links, links.c.facts_id.in_(part))
        removed["facts"] += _delete(connection, known.facts, known.facts.c.id.in_(part))
    for numbers in batched(sorted(chunks), writing.BATCH):
        unused = ~sa.exists().where(links.c.chunk_id == known.chunks.c.id)
        removed["chunks"] += _delete(connection, known.chunks, known.chunks.c.id.in_(numbers), unused)
    return removed


def _remove_runs(connection: Connection, customer: str, cutoff: int) -> dict[str, int]:
    known = tables()
    old = sa.select(known.runs.c.id).where(known.runs.c.started < cutoff)
    theirs = sa.and_(known.run_hosts.c.customer == customer, known.run_hosts.c.run.in_(old))
    ids = list(connection.execute(sa.select(known.run_hosts.c.run).where(theirs).distinct()).scalars())
    removed = {"run_hosts": _delete(connection, known.run_hosts, theirs), "runs": 0}
    for part in batched(ids, writing.BATCH):
        others = sa.exists().where(known.run_hosts.c.run == known.runs.c.id, known.run_hosts.c.customer.is_not(None))
        alone = sa.select(known.runs.c.id).where(known.runs.c.id.in_(part), ~others)
        names = list(connection.execute(alone).scalars())
        removed["run_hosts"] += _delete(connection, known.run_hosts, known.run_hosts.c.run.in_(names))
        removed["runs"] += _delete(connection, known.runs, known.runs.c.id.in_(names))
    return removed


def _remove_events(connection: Connection, customer: str, cutoff: int) -> dict[str, int]:
    """Events that ended before the cutoff: this customer's, and those that were about nobody's asset, of whom none is
    kept for longer than the shortest time that any customer asked for."""
    known = tables()
    ended, events = known.event_outcomes, known.incoming_events
    old = sa.and_(ended.c.customer.in_((customer, "")), ended.c.at < cutoff)
    names = list(connection.execute(sa.select(ended.c.event).where(old)).scalars())
    removed = {"event_outcomes": 0, "incoming_events": 0}
    for part in batched(names, writing.BATCH):
        removed["event_outcomes"] += _delete(connection, ended, ended.c.event.in_(part))
        removed["incoming_events"] += _delete(connection, events, events.c.id.in_(part))
    return removed


def _remove_runbooks(connection: Connection, customer: str, cutoff: int) -> dict[str, int]:
    known = tables()
    runs, outcomes = known.runbook_runs, known.runbook_outcomes
    old = sa.select(runs.c.key).where(runs.c.customer == customer, runs.c.at < cutoff)
    removed = {"runbook_outcomes": _delete(connection, outcomes, outcomes.c.key.in_(old))}
    removed["runbook_runs"] = _delete(connection, runs, runs.c.customer == customer, runs.c.at < cutoff)
    return removed
