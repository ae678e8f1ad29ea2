# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The outbox: what people and tickets are to be told, kept until it was told.

A message that is put in again under its key is not put in twice. Of several who deliver, one claims each message,
by the database's clock and for a limited time, under a number that only grows; who comes back late is told apart by it.
A delivery that did happen counts, however late it is told: nobody is to deliver it again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from contextlib import suppress
from itertools import batched
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing, rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import (
    DELIVERED,
    FAILED,
    LINE,
    Claim,
    Message,
    Outcome,
)

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Longer than it takes to deliver a batch, so that a claim that runs out is one whose holder died.
SECONDS = 300.0
BATCH = 5


def put(store: Store, messages: Iterable[Message]) -> int:
    """Put messages in, all or none of them; how many were not there yet."""
    wanted = list(messages)
    return store.database.write(lambda connection: put_within(connection, wanted)) if wanted else 0


def put_within(connection: Connection, messages: Iterable[Message]) -> int:
    """The same inside a transaction that the caller holds."""
    known, now, new = tables(), writing.database_micros(connection), 0
    for message in sorted(messages, key=lambda one: one.key):
        row = _row(message)
        if not writing.add_new(connection, known.messages, row):
            continue
        new += 1
        due = now if message.not_before is None else max(now, rows.micros(message.not_before))
        work = {"key": row["key"], "due": due, "tries": 0, "fence": 0}
        connection.execute(sa.insert(known.message_work).values(**work))
    return new


def claim(store: Store, holder: str, limit: int = BATCH, seconds: float = SECONDS) -> list[Claim]:
    """Claim messages that are due and that nobody else delivers, those that are due longest first.

    limit is how many; lines that are due and go out together with one of them come besides.
    """

    def work(connection: Connection) -> list[Claim]:
        now = writing.database_micros(connection)
        keys = list(connection.execute(_free(now).limit(limit)).scalars())
        keys += [key for key in _companions(connection, keys, now) if key not in set(keys)]
        table = tables().message_work
        values: dict[str, Any] = {
            "claimed_by": rows.clean(holder),
            "expires": now + int(seconds * 1_000_000),
            "fence": table.c.fence + 1,
            "tries": table.c.tries + 1,
        }
        for part in batched(keys, writing.BATCH):
            connection.execute(sa.update(table).where(table.c.key.in_(part)).values(**values))
        return _claims(connection, keys, holder)

    return store.database.write(work)


def settle(store: Store, taken: Claim, outcome: Outcome) -> bool:
    """Record the end of a message. False where another took it over, and this was no delivery."""

    def work(connection: Connection) -> bool:
        own = _own(connection, taken)
        if not own and outcome.outcome != DELIVERED:
            return False
        _tell(connection, outcome)
        known = tables().message_work
        return bool(connection.execute(sa.delete(known).where(known.c.key == taken.message.key)).rowcount) or own

    return store.database.write(work)


def put_back(store: Store, taken: Claim, delay: dt.timedelta, reason: str, *, counts: bool) -> bool:
    """Let go of a message that is to be tried again after a while. False where another took it over.

    counts: it was tried, and is recorded as a try that failed; else the far side only asked to come back later.
    """

    def work(connection: Connection) -> bool:
        if not _own(connection, taken):
            return False
        if counts:
            _tell(connection, Outcome(taken.message.key, taken.fence, FAILED, reason=reason))
        known, now = tables().message_work, writing.database_micros(connection)
        values = {
            "due": now + delay // dt.timedelta(microseconds=1),
            "claimed_by": None,
            "expires": None,
            "tries": known.c.tries - (0 if counts else 1),
        }
        connection.execute(sa.update(known).where(known.c.key == taken.message.key).values(**values))
        return True

    return store.database.write(work)


def waiting(store: Store, customer: str | None = None) -> list[tuple[Message, dt.datetime, int]]:
    """What is not over: each message, when it is due, and how often it was tried; the one due longest first."""
    known = tables()
    query = (
        sa.select(known.messages, known.message_work.c.due, known.message_work.c.tries)
        .join_from(known.message_work, known.messages)
        .order_by(known.message_work.c.due, known.message_work.c.key)
    )
    if customer is not None:
        query = query.where(known.messages.c.customer == customer)
    with store.database.read() as connection:
        return [(message(row), rows.time_of(row.due), row.tries) for row in connection.execute(query)]


def outcomes(store: Store, key: str) -> list[Outcome]:
    """What became of every attempt to deliver a message, oldest first."""
    table = tables().message_outcomes
    with store.database.read() as connection:
        found = connection.execute(sa.select(table).where(table.c.key == key).order_by(table.c.fence))
        return [outcome(row) for row in found]


def message(row: Any) -> Message:
    return Message(row.key, row.customer, row.kind, row.channel, row.subject, json.loads(row.body))


def outcome(row: Any) -> Outcome:
    return Outcome(row.key, row.fence, row.outcome, row.ref, row.reason, rows.time_of(row.recorded_at))


def remove_over(connection: Connection, customer: str, cutoff: int) -> dict[str, int]:
    """Messages from before the cutoff that are over, with their outcomes: for retention."""
    known = tables()
    alive = sa.select(known.message_work.c.key)
    old = sa.select(known.messages.c.key).where(
        known.messages.c.customer == customer,
        known.messages.c.recorded_at < cutoff,
        known.messages.c.key.not_in(alive),
    )
    names = list(connection.execute(old).scalars())
    removed = {"message_outcomes": 0, "messages": 0}
    for table, column in ((known.message_outcomes, "key"), (known.messages, "key")):
        for first in range(0, len(names), writing.BATCH):
            part = names[first : first + writing.BATCH]
            removed[table.name] += connection.execute(sa.delete(table).where(table.c[column].in_(part))).rowcount
    return removed


def _row(told: Message) -> rows.Row:
    texts = {name: rows.clean(getattr(told, name)) for name in ("key", "customer", "kind", "channel", "subject")}
    return {**texts, "body": hashing.canonical_json(dict(told.body))}


def _free(now: int) -> Any:
    """The keys of messages that are due and nobody's. Their rows are locked; those that others lock are left out."""
    known = tables()
    nobodys = sa.or_(known.message_work.c.expires.is_(None), known.message_work.c.expires <= now)
    return (
        sa.select(known.message_work.c.key)
        .join_from(known.message_work, known.messages)
        .where(known.message_work.c.due <= now, nobodys)
        .order_by(known.message_work.c.due, known.message_work.c.key)
        .with_for_update(skip_locked=True, of=known.message_work)
    )


def _companions(connection: Connection, keys: list[str], now: int) -> list[str]:
    """The lines that are due for the same customer and channel as one of these."""
    table = tables().messages
    lines = sa.select(table.c.customer, table.c.channel).where(table.c.key.in_(keys), table.c.kind == LINE).distinct()
    return [
        key
        for row in connection.execute(lines).all()
        for key in connection.execute(
            _free(now).where(table.c.kind == LINE, table.c.customer == row.customer, table.c.channel == row.channel)
        ).scalars()
    ]


def _claims(connection: Connection, keys: list[str], holder: str) -> list[Claim]:
    known = tables()
    found: dict[str, Any] = {}
    for part in batched(keys, writing.BATCH):
        query = (
            sa.select(known.messages, known.message_work.c.tries, known.message_work.c.fence)
            .join_from(known.message_work, known.messages)
            .where(known.messages.c.key.in_(part))
        )
        found |= {row.key: row for row in connection.execute(query)}
    return [
        Claim(message(row), rows.time_of(row.recorded_at), row.tries, holder, row.fence)
        for row in (found[key] for key in keys)
    ]


def _own(connection: Connection, taken: Claim) -> bool:
    """Whether nobody claimed it since. The row is locked meanwhile."""
    table = tables().message_work
    query = sa.select(table.c.fence).where(table.c.key == taken.message.key).with_for_update()
    return bool(connection.execute(query).scalar() == taken.fence)


def _tell(connection: Connection, told: Outcome) -> None:
    row = {
        "key": told.key,
        "fence": told.fence,
        "outcome": told.outcome,
        "ref": rows.clean(told.ref),
        "reason": rows.clean(told.reason),
    }
    writing.write_events(connection, tables().message_outcomes, [row])
