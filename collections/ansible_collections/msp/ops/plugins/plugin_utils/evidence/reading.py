# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The questions to the evidence store, each inside a transaction that the caller holds. Never writes.

Those about controls are in checks.py, those about installed software in software.py.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import batched
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing, packing, pending, rows
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    Audit,
    Change,
    Coverage,
    Decision,
    Digest,
    Effort,
    EffortSummary,
    Known,
    Run,
    RunHost,
    Seen,
    Sheet,
    Sighting,
    StoredEvent,
    StoredPlan,
    StoredRollout,
    Ticket,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables, views
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Judged, Scan

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

BATCH = 300
MOST_FOUND = 50  # more things than this answer no question of a helpdesk


def facts(connection: Connection, name: str) -> dict[str, Any]:
    """The facts with this hash."""
    known = tables()
    row = connection.execute(sa.select(known.facts.c.id, known.facts.c.body).where(known.facts.c.hash == name)).first()
    if row is None:
        raise MspError(
            "MSP-EVD-008",
            "facts that are in the store",
            f"no facts with hash {name}",
            "look whether retention removed them (./msp store status), or audit the host again",
        )
    query = (
        sa.select(known.chunks.c.body)
        .join(known.facts_chunks, known.facts_chunks.c.chunk_id == known.chunks.c.id)
        .where(known.facts_chunks.c.facts_id == row.id)
        .order_by(known.facts_chunks.c.position)
    )
    return packing.unpack(row.body, list(connection.execute(query).scalars()))


def _with_hash(source: Any) -> Any:
    """Audits from a table or view, with the hash of their facts."""
    known = tables()
    return (
        sa.select(source, known.facts.c.hash.label("facts_hash"))
        .select_from(source)
        .outerjoin(known.facts, known.facts.c.id == source.c.facts_id)
    )


def last_audits(connection: Connection, customer: str) -> dict[str, tuple[Audit | None, Audit | None]]:
    """By asset: the last good audit and the last attempt. They are one and the same when the last went well."""
    found = views()
    good = {
        row.asset: rows.audit(row)
        for row in connection.execute(
            _with_hash(found.last_good_audits).where(found.last_good_audits.c.customer == customer)
        )
    }
    attempts = connection.execute(_with_hash(found.last_attempts).where(found.last_attempts.c.customer == customer))
    return {row.asset: (good.get(row.asset), rows.audit(row)) for row in attempts}


def first_audits(connection: Connection, customer: str) -> dict[str, dt.datetime]:
    """By asset when it was first audited well."""
    table = tables().audits.c
    query = sa.select(table.asset, sa.func.min(table.at).label("at"))
    query = query.where(table.customer == customer, table.outcome == "ok").group_by(table.asset)
    return {row.asset: rows.time_of(row.at) for row in connection.execute(query)}


def audits_query(customer: str) -> Any:
    """Every audit of a customer, newest first."""
    table = tables().audits
    return _with_hash(table).where(table.c.customer == customer).order_by(table.c.at.desc(), table.c.id.desc())


def audits(connection: Connection, customer: str, asset: str | None, since: dt.datetime | None) -> list[Audit]:
    """Audits of a customer or of one asset, newest first."""
    table = tables().audits
    query = audits_query(customer)
    if asset is not None:
        query = query.where(table.c.asset == asset)
    if since is not None:
        query = query.where(table.c.at >= rows.micros(since))
    return [rows.audit(row) for row in connection.execute(query)]


def sightings(connection: Connection, customer: str, since: dt.datetime | None) -> list[Sighting]:
    """Everything seen at this customer: a sighting per source and thing, in its newest state, oldest first."""
    current = views().current_sightings
    query = sa.select(current).where(current.c.customer == customer)
    if since is not None:
        query = query.where(current.c.last_seen >= rows.micros(since))
    return [rows.sighting(row) for row in connection.execute(query.order_by(current.c.last_seen, current.c.thing_id))]


def _states_query(*, current_only: bool) -> Any:
    """Things joined with their states, newest first."""
    known = tables()
    things, seen = known.things, known.sightings
    join = seen.c.thing_id == things.c.id
    if current_only:
        join = sa.and_(join, seen.c.version == things.c.version)
    columns = (things.c.id, things.c.customer, things.c.source, things.c.thing, things.c.after_look, *seen.c)
    ordered = (things.c.id, seen.c.last_seen.desc(), seen.c.version)
    return sa.select(*columns).select_from(things.join(seen, join)).order_by(*ordered)


def states_query(customer: str) -> Any:
    """Every state of every thing of a customer."""
    return _states_query(current_only=False).where(tables().things.c.customer == customer)


def states(connection: Connection, customer: str, source: str, thing: str) -> list[Sighting]:
    """Every state in which a source saw a thing, newest first."""
    known = tables().things.c
    query = states_query(customer).where(known.source == source, known.thing == thing)
    return [rows.sighting(row) for row in connection.execute(query)]


def histories(connection: Connection, customer: str, kinds: Sequence[str]) -> dict[tuple[str, str], list[Sighting]]:
    """By source and thing, every state in which sources of these kinds saw it, newest first."""
    source = tables().things.c.source
    of_kind = sa.or_(*(sa.or_(source == kind, source.startswith(f"{kind}:", autoescape=True)) for kind in kinds))
    found: dict[tuple[str, str], list[Sighting]] = defaultdict(list)
    for row in connection.execute(states_query(customer).where(of_kind)):
        found[row.source, row.thing].append(rows.sighting(row))
    return dict(found)


def _newest(connection: Connection, thing_ids: Iterable[int]) -> dict[int, Sighting]:
    """The newest state of each thing, by the thing's id."""
    found: dict[int, Sighting] = {}
    for ids in batched(sorted(thing_ids), BATCH):
        query = _states_query(current_only=True).where(tables().things.c.id.in_(ids))
        found |= {row.id: rows.sighting(row) for row in connection.execute(query)}
    return found


def run(connection: Connection, run_id: str) -> tuple[Run, list[RunHost]] | None:
    known = tables()
    row = connection.execute(sa.select(known.runs).where(known.runs.c.id == run_id)).first()
    if row is None:
        return None
    hosts = connection.execute(
        sa.select(known.run_hosts).where(known.run_hosts.c.run == run_id).order_by(known.run_hosts.c.host)
    )
    return rows.run(row), [rows.run_host(host) for host in hosts]


def runs(connection: Connection, customer: str | None, since: dt.datetime | None, limit: int) -> list[Run]:
    """Runs, newest first; of one customer when asked."""
    known = tables()
    query = sa.select(known.runs)
    if customer is not None:
        theirs = sa.select(known.run_hosts.c.run).where(known.run_hosts.c.customer == customer)
        query = query.where(known.runs.c.id.in_(theirs))
    if since is not None:
        query = query.where(known.runs.c.started >= rows.micros(since))
    query = query.order_by(known.runs.c.started.desc(), known.runs.c.id).limit(limit)
    return [rows.run(row) for row in connection.execute(query)]


def sheets(connection: Connection, *, customer: str | None = None, sheet_id: str | None = None) -> list[Sheet]:
    """Sheets of a customer, newest first; or the one with this id."""
    known = tables()
    query = sa.select(
        known.sheets,
        known.sheets_applied.c.applied,
        known.sheets_applied.c.signed_by,
        known.sheets_applied.c.signed_on,
        known.sheets_applied.c.decisions,
    ).outerjoin(known.sheets_applied, known.sheets_applied.c.sheet == known.sheets.c.id)
    if customer is not None:
        query = query.where(known.sheets.c.customer == customer)
    if sheet_id is not None:
        query = query.where(known.sheets.c.id == sheet_id)
    query = query.order_by(known.sheets.c.written.desc(), known.sheets.c.id)
    return [rows.sheet(row) for row in connection.execute(query)]


def effort(connection: Connection, customer: str, since: dt.datetime, until: dt.datetime) -> EffortSummary | None:
    """Minutes in [since, until). None when nobody has ever measured this customer: that is not zero."""
    table = tables().effort
    theirs = sa.select(table).where(table.c.customer == customer)
    if connection.execute(theirs.limit(1)).first() is None:
        return None
    query = theirs.where(table.c.at >= rows.micros(since), table.c.at < rows.micros(until))
    found = tuple(rows.effort(row) for row in connection.execute(query.order_by(table.c.at, table.c.key)))
    return _summary(customer, since, until, found)


def _summary(customer: str, since: dt.datetime, until: dt.datetime, found: tuple[Effort, ...]) -> EffortSummary:
    return EffortSummary(
        customer=customer,
        since=since,
        until=until,
        minutes=sum(row.minutes for row in found),
        planned=sum(row.minutes for row in found if row.planned),
        unplanned=sum(row.minutes for row in found if not row.planned),
        inside=sum(row.minutes for row in found if row.in_contract),
        outside=sum(row.minutes for row in found if not row.in_contract),
        person=sum(row.minutes for row in found if row.by == "person"),
        automation=sum(row.minutes for row in found if row.by == "automation"),
        rows=found,
    )


def tickets(connection: Connection, customer: str, since: dt.datetime, until: dt.datetime) -> list[Ticket] | None:
    """Tickets opened in [since, until). None when no ticket system has ever told of this customer."""
    table = tables().tickets
    theirs = sa.select(table).where(table.c.customer == customer)
    if connection.execute(theirs.limit(1)).first() is None:
        return None
    query = theirs.where(table.c.opened >= rows.micros(since), table.c.opened < rows.micros(until))
    return [rows.ticket(row) for row in connection.execute(query.order_by(table.c.opened, table.c.ref))]


def coverages(connection: Connection, customer: str, since: dt.datetime | None) -> list[Coverage]:
    """A customer's looks in the order in which they were recorded, oldest first."""
    table = tables().coverages
    query = sa.select(table).where(table.c.customer == customer)
    if since is not None:
        query = query.where(table.c.recorded_at >= rows.micros(since))
    return [rows.coverage(row) for row in connection.execute(query.order_by(table.c.id))]


def changes(
    connection: Connection, customer: str, since: dt.datetime | None, until: dt.datetime | None
) -> list[Change]:
    """Changes recorded in (since, until], oldest first: the database's clock, which no controller can turn back."""
    table = tables().changes
    query = sa.select(table).where(table.c.customer == customer)
    if since is not None:
        query = query.where(table.c.recorded_at > rows.micros(since))
    if until is not None:
        query = query.where(table.c.recorded_at <= rows.micros(until))
    return [rows.change(row) for row in connection.execute(query.order_by(table.c.recorded_at, table.c.key))]


def seen(connection: Connection, customers: Iterable[str], since: dt.datetime | None) -> list[Seen]:
    """When the assets of some customers were seen; those seen since, when asked."""
    table = tables().seen
    found: list[Seen] = []
    for names in batched(sorted(set(customers)), BATCH):
        query = sa.select(table).where(table.c.customer.in_(names))
        if since is not None:
            query = query.where(table.c.last_seen >= rows.micros(since))
        query = query.order_by(table.c.customer, table.c.asset)
        found += [rows.seen(row) for row in connection.execute(query)]
    return found


def remembered(
    connection: Connection, customer: str, *, asset: str | None = None, values: Iterable[str] | None = None
) -> dict[tuple[str, str], str]:
    """The asset of every id (kind, value) that is remembered; those of one asset, or with one of some values."""
    table = tables().remembered
    query = sa.select(table).where(table.c.customer == customer)
    if asset is not None:
        query = query.where(table.c.asset == asset)
    parts = [query] if values is None else [query.where(table.c.value.in_(v)) for v in batched(sorted(values), BATCH)]
    return {(row.kind, row.value): row.asset for part in parts for row in connection.execute(part)}


def plans(connection: Connection, *, customer: str | None = None, plan_id: str | None = None) -> list[StoredPlan]:
    """Plans of a customer, the one recorded last first; or the one with this id."""
    known = tables()
    approval = known.plan_approvals
    query = sa.select(known.plans, approval.c.by, approval.c.at, approval.c.reason).outerjoin(
        approval, approval.c.plan == known.plans.c.id
    )
    if customer is not None:
        query = query.where(known.plans.c.customer == customer)
    if plan_id is not None:
        query = query.where(known.plans.c.id == plan_id)
    query = query.order_by(known.plans.c.recorded_at.desc(), known.plans.c.made.desc(), known.plans.c.id)
    found = connection.execute(query).all()
    steps: dict[str, set[str]] = defaultdict(set)
    for ids in batched([row.id for row in found], BATCH):
        for row in connection.execute(sa.select(known.plan_steps).where(known.plan_steps.c.plan.in_(ids))):
            steps[row.plan].add(row.step)
    return [rows.plan(row, frozenset(steps[row.id])) for row in found]


def decisions(connection: Connection, customer: str) -> list[Decision]:
    """What people decided about a customer's assets, oldest first."""
    table = tables().decisions
    query = sa.select(table).where(table.c.customer == customer).order_by(table.c.at, table.c.key)
    return [rows.decision(row) for row in connection.execute(query)]


def last_digest(connection: Connection, customer: str) -> Digest | None:
    table = tables().digests
    query = sa.select(table).where(table.c.customer == customer).order_by(table.c.until.desc()).limit(1)
    row = connection.execute(query).first()
    return rows.digest(row) if row else None


def last_scans(connection: Connection, customer: str) -> dict[str, tuple[Scan | None, Scan | None]]:
    """By asset: the last good scan and the last attempt. They are one and the same when the last went well."""
    scans = tables().patch_scans.c
    attempts = _newest_scans(connection, customer)
    good = _newest_scans(connection, customer, scans.outcome == "ok")
    lists = _updates(connection, (row.facts_id for row in (*attempts.values(), *good.values())))
    made = {row.id: _scan(row, lists) for row in (*attempts.values(), *good.values())}
    return {asset: (made[good[asset].id] if asset in good else None, made[row.id]) for asset, row in attempts.items()}


def good_scans(connection: Connection, customer: str, assets: Iterable[str]) -> dict[str, Scan]:
    """The last good scan of each of these assets that has one."""
    scans = tables().patch_scans.c
    found: dict[str, Any] = {}
    for names in batched(sorted(set(assets)), BATCH):
        found |= _newest_scans(connection, customer, scans.outcome == "ok", scans.asset.in_(names))
    lists = _updates(connection, (row.facts_id for row in found.values()))
    return {asset: _scan(row, lists) for asset, row in found.items()}


def _scan(row: Any, lists: Mapping[int | None, _List]) -> Scan:
    return rows.scan(row, *lists.get(row.facts_id, (None, {})))


def _newest_scans(connection: Connection, customer: str, *where: Any) -> dict[str, Any]:
    """The newest of a customer's scans of each asset, found in the index alone, however many there were."""
    table = tables().patch_scans
    newest = (
        sa.select(table.c.asset, sa.func.max(table.c.at).label("at"))
        .where(table.c.customer == customer, *where)
        .group_by(table.c.asset)
        .subquery("newest")
    )
    same = sa.and_(table.c.customer == customer, table.c.asset == newest.c.asset, table.c.at == newest.c.at)
    query = sa.select(table).join_from(newest, table, same).where(*where).order_by(table.c.asset, table.c.id)
    return {row.asset: row for row in connection.execute(query)}


# A list of updates, and the feeds that it rests on.
_List = tuple[tuple[Judged, ...] | None, Mapping[str, str]]


def _updates(connection: Connection, facts_ids: Iterable[int | None]) -> dict[int | None, _List]:
    """The lists of updates that facts hold, by the facts' ids; what is on many lists is one object."""
    shared: dict[str, Judged] = {}
    return {
        number: (pending.updates(facts, shared), pending.feeds(facts))
        for number, facts in bodies(connection, facts_ids)
    }


def bodies(connection: Connection, facts_ids: Iterable[int | None]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The facts with these ids, a part at a time."""
    known, links = tables(), tables().facts_chunks.c
    for ids in batched(sorted({number for number in facts_ids if number is not None}), BATCH):
        chunks: dict[int, list[bytes]] = defaultdict(list)
        query = (
            sa.select(links.facts_id, known.chunks.c.body)
            .join_from(known.facts_chunks, known.chunks, known.chunks.c.id == links.chunk_id)
            .where(links.facts_id.in_(ids))
            .order_by(links.facts_id, links.position)
        )
        for row in connection.execute(query):
            chunks[row.facts_id].append(row.body)
        for row in connection.execute(sa.select(known.facts.c.id, known.facts.c.body).where(known.facts.c.id.in_(ids))):
            yield row.id, packing.unpack(row.body, chunks[row.id])


def versions_seen(connection: Connection, customer: str) -> dict[tuple[str, str, str, str], dt.datetime]:
    """Since when each version waits: by platform, package name, architecture and version."""
    seen = tables().versions_seen.c
    query = sa.select(seen.platform, seen.name, seen.architecture, seen.version, seen.since)
    found = connection.execute(query.where(seen.customer == customer))
    return {(row.platform, row.name, row.architecture, row.version): rows.time_of(row.since) for row in found}


def scans(connection: Connection, customer: str) -> Iterator[Scan]:
    """Every scan of a customer, oldest first, a part at a time."""
    table = tables().patch_scans
    query = sa.select(table).where(table.c.customer == customer).order_by(table.c.id)
    for part in connection.execution_options(yield_per=BATCH).execute(query).partitions():
        lists = _updates(connection, (row.facts_id for row in part))
        yield from (_scan(row, lists) for row in part)


def rollouts(
    connection: Connection,
    *,
    customer: str | None = None,
    rollout_id: str | None = None,
    open_only: bool = False,
    since: dt.datetime | None = None,
    before: dt.datetime | None = None,
    going_on_since: dt.datetime | None = None,
    kinds: Collection[str] | None = None,
) -> list[StoredRollout]:
    """Rollouts of a customer, the one recorded last first; or the one with this id. open_only: those not over; since:
    those made from then on; before: those made before then; going_on_since: those that are not over, or were not yet
    over then. kinds: with events of these kinds alone.
    """
    table, events = tables().rollouts, tables().rollout_events
    query = sa.select(table)
    if customer is not None:
        query = query.where(table.c.customer == customer)
    if rollout_id is not None:
        query = query.where(table.c.id == rollout_id)
    if since is not None:
        query = query.where(table.c.made >= rows.micros(since))
    if before is not None:
        query = query.where(table.c.made < rows.micros(before))
    goes_on = sa.func.coalesce(_of_last_event(events.c.closes), sa.false()).is_(sa.false())
    if open_only:
        query = query.where(goes_on)
    if going_on_since is not None:
        query = query.where(sa.or_(goes_on, _of_last_event(events.c.at) >= rows.micros(going_on_since)))
    found = connection.execute(query.order_by(table.c.recorded_at.desc(), table.c.made.desc(), table.c.id)).all()
    steps: dict[str, list[StoredEvent]] = defaultdict(list)
    for ids in batched([row.id for row in found], BATCH):
        of_these = sa.select(events).where(events.c.rollout.in_(ids)).order_by(events.c.rollout, events.c.number)
        if kinds is not None:
            of_these = of_these.where(events.c.kind.in_(kinds))
        for row in connection.execute(of_these):
            steps[row.rollout].append(rows.event(row))
    return [rows.rollout(row, tuple(steps[row.id])) for row in found]


def _of_last_event(column: Any) -> Any:
    """Of the last event of a rollout this column."""
    table, events = tables().rollouts, tables().rollout_events
    theirs = sa.select(column).where(events.c.rollout == table.c.id)
    return theirs.order_by(events.c.number.desc()).limit(1).scalar_subquery()


def who(connection: Connection, term: str) -> list[Known]:
    """What the store knows by a name, address, MAC, serial, UUID, asset tag or asset key; the newest first."""
    matched = _things_by_token(connection, term)
    newest = _newest(connection, matched)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for thing_id, found in newest.items():
        groups[found.customer, found.asset or f"thing {thing_id}"].append(thing_id)
    for customer, asset in _assets_by_host(connection, term):
        groups.setdefault((customer, asset), [])
    answers = []
    for (customer, asset), ids in groups.items():
        seen = tuple(sorted((newest[i] for i in ids), key=lambda s: s.last_seen, reverse=True))
        kinds = {kind for i in ids for kind in matched[i]} or {hashing.NAME}
        answers.append(
            _known(
                connection,
                customer=customer,
                asset=None if asset.startswith("thing ") else asset,
                kinds=kinds,
                current=_bears(term, seen),
                seen=seen,
            )
        )
    oldest = dt.datetime.min.replace(tzinfo=dt.UTC)
    return sorted(answers, key=lambda known: (known.current, known.last_seen or oldest), reverse=True)


def _things_by_token(connection: Connection, term: str) -> dict[int, set[str]]:
    """Things by id, with the kinds of word that matched; at most MOST_FOUND, the newest."""
    known = tables()
    pairs = {(kind, rows.clean(word)) for kind, word in hashing.term_tokens(term)}
    if not pairs:
        return {}
    query = (
        sa.select(known.tokens.c.kind, known.tokens.c.token, known.tokens.c.thing_id)
        .join(known.things, known.things.c.id == known.tokens.c.thing_id)
        .where(known.tokens.c.token.in_({word for _kind, word in pairs}))
        .order_by(known.things.c.last_seen.desc())
        .limit(MOST_FOUND)
    )
    found: dict[int, set[str]] = defaultdict(set)
    for row in connection.execute(query):
        if (row.kind, row.token) in pairs:
            found[row.thing_id].add(row.kind)
    return found


def _assets_by_host(connection: Connection, term: str) -> list[tuple[str, str]]:
    """Assets whose audits ran under this host name, or that have this key ("device:12")."""
    table = tables().audits.c
    query = (
        sa.select(table.customer, table.asset)
        .where(table.host == rows.clean(term.strip()))
        .distinct()
        .limit(MOST_FOUND)
    )
    return [(row.customer, row.asset) for row in connection.execute(query)]


def _bears(term: str, seen: tuple[Sighting, ...]) -> bool:
    """Does the newest state of any of these bear the word? An audit alone, with no sighting, is found by its host."""
    pairs = hashing.term_tokens(term)
    return not seen or any(word in hashing.tokens(one.identity).get(kind, ()) for one in seen for kind, word in pairs)


def _known(
    connection: Connection,
    *,
    customer: str,
    asset: str | None,
    kinds: set[str],
    current: bool,
    seen: tuple[Sighting, ...],
) -> Known:
    good, attempt = _audits_of(connection, customer, asset) if asset else (None, None)
    return Known(
        customer=customer,
        asset=asset,
        matched=tuple(sorted(kinds)),
        current=current,
        first_seen=min((s.first_seen for s in seen), default=None),
        last_seen=max((s.last_seen for s in seen), default=None),
        sightings=seen,
        last_good=good,
        last_attempt=attempt,
    )


def _audits_of(connection: Connection, customer: str, asset: str) -> tuple[Audit | None, Audit | None]:
    table = tables().audits
    newest = (
        _with_hash(table)
        .where(table.c.customer == customer, table.c.asset == asset)
        .order_by(table.c.at.desc(), table.c.id.desc())
        .limit(1)
    )
    attempt = connection.execute(newest).first()
    good = connection.execute(newest.where(table.c.outcome == "ok")).first()
    return (rows.audit(good) if good else None), (rows.audit(attempt) if attempt else None)
