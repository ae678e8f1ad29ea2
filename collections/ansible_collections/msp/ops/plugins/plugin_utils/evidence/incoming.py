# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What came in from outside, who works on it, and what became of it.

An event is received once, whoever tells it how often. It is claimed for some time, by the database's clock and with a
number that only grows: a worker that died holds it up for no longer than its claim, and one that comes back late can
neither end it nor go on. Events of one subject that wait together are claimed together.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing, rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    EVENT_OUTCOMES,
    EventOutcome,
    Incoming,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

SECOND = 1_000_000
# A claim is renewed while work goes on, so this is only how long a dead worker holds an event up.
CLAIM_SECONDS = 60.0
# At most so many events of one subject are handled in one go.
TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """Events of one subject, oldest first, that one worker has.

    tries: how often any was claimed, this time too. why: what the last who had it said of why it did not end.
    """

    subject: str
    events: tuple[Incoming, ...]
    holder: str
    fences: tuple[int, ...]
    tries: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits, how much is worked on, and since when the oldest of what is due waits."""

    waiting: int
    held: int
    oldest: dt.datetime | None


def receive(store: Store, events: Iterable[Incoming]) -> list[str]:
    """Take events in, each with its work, in one transaction. Returned are the ids of those that were new."""
    made = sorted((_row(event) for event in events), key=lambda row: str(row["id"]))

    def work(connection: Connection) -> list[str]:
        if not made:
            return []
        known = tables()
        now = writing.database_micros(connection)
        new = []
        for row in made:
            statement = writing.insert(connection, known.incoming_events).values(**row, recorded_at=now)
            added = connection.execute(
                statement.on_conflict_do_nothing().returning(known.incoming_events.c.id)
            ).scalar()
            if added is not None:
                new.append(row)
        free = {"due": now, "tries": 0, "holder": "", "fence": 0, "expires": 0, "why": ""}
        if new:
            work_rows = [{"event": row["id"], "subject": row["subject"], **free} for row in new]
            connection.execute(sa.insert(known.event_work), work_rows)
        return [str(row["id"]) for row in new]

    return store.database.write(work)


def claim(store: Store, holder: str, seconds: float = CLAIM_SECONDS) -> Claim | None:
    """What is due longest and nobody has, with all that waits of the same subject; None where there is nothing."""
    length = int(seconds * SECOND)

    def work(connection: Connection) -> Claim | None:
        now = writing.database_micros(connection)
        table = tables().event_work
        other = table.alias("other")
        held = sa.exists().where(other.c.subject == table.c.subject, other.c.expires > now)
        first = (
            sa.select(table.c.event, table.c.subject)
            .where(table.c.due <= now, table.c.expires <= now, ~held)
            .order_by(table.c.due, table.c.event)
            .limit(1)
        )
        found = connection.execute(first).first()
        return None if found is None else _claimed(connection, found.subject, holder, now, length)

    return store.database.write(work)


def _claimed(connection: Connection, subject: str, holder: str, now: int, length: int) -> Claim | None:
    known = tables()
    table, events = known.event_work, known.incoming_events
    # All rows of a subject are locked in one order: of two workers, one waits here and then finds them held.
    every = sa.select(table).where(table.c.subject == subject).order_by(table.c.event).with_for_update()
    found = connection.execute(every).all()
    if any(row.expires > now for row in found):
        return None
    mine = sorted((row for row in found if row.due <= now), key=lambda row: (row.due, row.event))[:TOGETHER]
    if not mine:
        return None
    keys = [row.event for row in mine]
    for part in _parts(keys):
        update = sa.update(table).where(table.c.event.in_(part))
        connection.execute(
            update.values(holder=holder, fence=table.c.fence + 1, tries=table.c.tries + 1, expires=now + length)
        )
    told = {
        row.id: row
        for part in _parts(keys)
        for row in connection.execute(sa.select(events).where(events.c.id.in_(part)))
    }
    taken = sorted(mine, key=lambda row: (told[row.event].at, row.event))
    return Claim(
        subject,
        tuple(_incoming(told[row.event]) for row in taken),
        holder,
        tuple(row.fence + 1 for row in taken),
        max(row.tries for row in taken) + 1,
        next((row.why for row in taken if row.why), ""),
    )


def renew(store: Store, claimed: Claim, seconds: float = CLAIM_SECONDS) -> bool:
    """Hold what was claimed for longer. False where another has taken any of it over: whoever asks has to stop."""
    length = int(seconds * SECOND)

    def work(connection: Connection) -> bool:
        now = writing.database_micros(connection)
        if not _held(connection, claimed):
            return False
        _set(connection, claimed, expires=now + length)
        return True

    return store.database.write(work)


def put_back(store: Store, claimed: Claim, seconds: float, *, tried: bool, why: str = "") -> bool:
    """Let go of what was claimed, to be taken up again after some seconds. tried False: it does not count as a try.

    why is kept for who has it next. False where another has taken it over meanwhile, who then has it.
    """
    later = int(seconds * SECOND)

    def work(connection: Connection) -> bool:
        if not _held(connection, claimed):
            return False
        table = tables().event_work
        values: dict[str, Any] = {"due": writing.database_micros(connection) + later, "expires": 0, "holder": ""}
        values["why"] = rows.clean(why)
        if not tried:
            values["tries"] = table.c.tries - 1
        _set(connection, claimed, **values)
        return True

    return store.database.write(work)


def end(
    store: Store, claimed: Claim, outcomes: Sequence[EventOutcome], also: Callable[[Connection], object] | None = None
) -> bool:
    """Say what became of what was claimed: an outcome for each of its events. False where another has taken it over,
    who will say it: nothing is written then. also is done in the same transaction."""
    if {outcome.event for outcome in outcomes} != {event.id for event in claimed.events}:
        raise ValueError("an outcome for each event that was claimed")
    made = [_outcome_row(outcome) for outcome in sorted(outcomes, key=lambda outcome: outcome.event)]

    def work(connection: Connection) -> bool:
        if not _held(connection, claimed):
            return False
        known = tables()
        for part in _parts([event.id for event in claimed.events]):
            connection.execute(sa.delete(known.event_work).where(known.event_work.c.event.in_(part)))
        writing.write_events(connection, known.event_outcomes, made)
        if also is not None:
            also(connection)
        return True

    return store.database.write(work)


def waiting(store: Store) -> Waiting:
    """How much there is to do."""
    table = tables().event_work
    with store.database.read() as connection:
        now = writing.database_micros(connection)
        held = table.c.expires > now
        counted = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((held, 1), else_=0)), 0),
            sa.func.min(sa.case((sa.and_(~held, table.c.due <= now), table.c.due))),
        ).select_from(table)
        every, busy, oldest = connection.execute(counted).one()
    return Waiting(int(every) - int(busy), int(busy), None if oldest is None else rows.time_of(int(oldest)))


def event(store: Store, event_id: str) -> tuple[Incoming, EventOutcome | None] | None:
    """An event as it came in, and what became of it (None: not yet); None where there is none of this id."""
    known = tables()
    query = sa.select(known.incoming_events).where(known.incoming_events.c.id == event_id)
    ended = sa.select(known.event_outcomes).where(known.event_outcomes.c.event == event_id)
    with store.database.read() as connection:
        found = connection.execute(query).first()
        outcome = connection.execute(ended).first()
    return None if found is None else (_incoming(found), None if outcome is None else _outcome(outcome))


def outcomes(
    store: Store, customer: str, asset: str | None = None, since: dt.datetime | None = None
) -> list[EventOutcome]:
    """What became of events about a customer, oldest first; about one asset, and since then, where that is given."""
    table = tables().event_outcomes
    query = sa.select(table).where(table.c.customer == customer)
    if asset is not None:
        query = query.where(table.c.asset == asset)
    if since is not None:
        query = query.where(table.c.at >= rows.micros(since))
    with store.database.read() as connection:
        return [_outcome(row) for row in connection.execute(query.order_by(table.c.at, table.c.event))]


def every(connection: Connection, customer: str) -> Iterator[Incoming | EventOutcome]:
    """Events that were about a customer, each with what became of it. The caller holds the transaction."""
    known = tables()
    ended, events = known.event_outcomes, known.incoming_events
    theirs = sa.select(ended).where(ended.c.customer == customer).order_by(ended.c.event)
    for outcome in connection.execute(theirs).all():
        yield _incoming(connection.execute(sa.select(events).where(events.c.id == outcome.event)).one())
        yield _outcome(outcome)


def newest(store: Store, source: str) -> dt.datetime | None:
    """The time of the newest event that a source told; None where it told none."""
    table = tables().incoming_events
    with store.database.read() as connection:
        found = connection.execute(sa.select(sa.func.max(table.c.at)).where(table.c.source == source)).scalar()
    return None if found is None else rows.time_of(int(found))


def _held(connection: Connection, claimed: Claim) -> bool:
    """Whether every event is still this claim's, and not run out. Locks them."""
    table = tables().event_work
    now = writing.database_micros(connection)
    wanted = {one.id: fence for one, fence in zip(claimed.events, claimed.fences, strict=True)}
    found = {}
    for part in _parts(sorted(wanted)):
        query = sa.select(table.c.event, table.c.fence, table.c.expires).where(table.c.event.in_(part))
        for row in connection.execute(query.order_by(table.c.event).with_for_update()):
            found[row.event] = row.fence if row.expires > now else None
    return found == wanted


def _set(connection: Connection, claimed: Claim, **values: Any) -> None:
    table = tables().event_work
    for part in _parts([one.id for one in claimed.events]):
        connection.execute(sa.update(table).where(table.c.event.in_(part)).values(**values))


def _parts(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[start : start + writing.BATCH] for start in range(0, len(keys), writing.BATCH)]


def _row(given: Incoming) -> rows.Row:
    return {
        "id": rows.clean(given.id),
        "source": rows.clean(given.source),
        "subject": rows.clean(given.subject),
        "at": rows.micros(given.at),
        "body": hashing.canonical_json(dict(given.body)),
    }


def _incoming(row: Any) -> Incoming:
    return Incoming(row.id, row.source, row.subject, rows.time_of(row.at), json.loads(row.body))


def _outcome_row(outcome: EventOutcome) -> rows.Row:
    if outcome.outcome not in EVENT_OUTCOMES:
        raise MspError(
            "MSP-EVD-007",
            f"one of {', '.join(EVENT_OUTCOMES)} for what became of an event",
            repr(outcome.outcome),
            "report this as a defect of the part that made the record",
        )
    return {
        "event": outcome.event,
        "customer": rows.clean(outcome.customer),
        "asset": rows.clean(outcome.asset),
        "at": rows.micros(outcome.at),
        "outcome": outcome.outcome,
        "why": rows.clean(outcome.why),
        "work": hashing.canonical_json([dict(one) for one in outcome.work]),
    }


def _outcome(row: Any) -> EventOutcome:
    work = tuple(json.loads(row.work))
    return EventOutcome(row.event, row.customer, row.asset, rows.time_of(row.at), row.outcome, row.why, work)
