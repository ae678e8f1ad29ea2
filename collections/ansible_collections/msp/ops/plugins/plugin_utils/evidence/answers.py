# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Drafted answers in the store, what was decided about them, and up to which ticket a system was read.

A ticket has one draft, a draft one decision: the first stays. With each goes, in one transaction, what the outbox is to
tell. Of a ticket only its number is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import batched
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import outbox, rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.telling.records import ANSWER, Message
from ansible_collections.msp.ops.plugins.plugin_utils.tickets.records import Decision, Draft, Standing

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_TEXTS = ("key", "customer", "source", "ref", "problem", "language", "text", "why")


def record_draft(store: Store, draft: Draft, messages: Iterable[Message], decision: Decision | None = None) -> bool:
    """Record a draft with what is told of it, and what a policy decided at once. False: the ticket has one already."""
    told = list(messages)

    def work(connection: Connection) -> bool:
        row = {name: rows.clean(getattr(draft, name)) for name in _TEXTS}
        if not writing.add_new(connection, tables().answer_drafts, row):
            return False
        if decision is not None:
            _decide(connection, decision)
        outbox.put_within(connection, told)
        return True

    return store.database.write(work)


def decide(store: Store, decision: Decision, messages: Iterable[Message]) -> Decision:
    """Record what was decided about a draft, and have told what follows; returned is the decision that stands."""
    told = list(messages)

    def work(connection: Connection) -> Decision:
        if _decide(connection, decision):
            outbox.put_within(connection, told)
        table = tables().answer_decisions
        row = connection.execute(sa.select(table).where(table.c.draft == decision.draft)).one()
        return made_decision(row)

    return store.database.write(work)


def drafts(store: Store, customer: str | None = None, key: str | None = None) -> list[Standing]:
    """Drafts as they stand, oldest first; those of one customer, or one of them."""
    table = tables().answer_drafts
    query = sa.select(table).order_by(table.c.recorded_at, table.c.key)
    if customer is not None:
        query = query.where(table.c.customer == customer)
    if key is not None:
        query = query.where(table.c.key == key)
    with store.database.read() as connection:
        found = [draft(row) for row in connection.execute(query)]
        keys = [one.key for one in found]
        decided, sent = _decided(connection, keys), _last_outcomes(connection, keys)
    return [Standing(one, decided.get(one.key), *sent.get(one.key, ("", ""))) for one in found]


def sending(draft_key: str) -> str:
    """The key of the message that sends a draft's answer."""
    return f"{ANSWER}:{draft_key}"


def position(store: Store, source: str) -> int | None:
    """The number of the ticket up to which a system was read, None where it never was."""
    table = tables().ticket_positions
    with store.database.read() as connection:
        found = connection.execute(sa.select(table.c.position).where(table.c.source == source)).scalar()
    return None if found is None else int(found)


def advance(store: Store, source: str, to: int) -> None:
    """A system was read up to this ticket; never back."""

    def work(connection: Connection) -> None:
        table = tables().ticket_positions
        fresh = writing.insert(connection, table).values(source=rows.clean(source), position=to)
        update = {"position": fresh.excluded.position}
        further = table.c.position < fresh.excluded.position
        connection.execute(fresh.on_conflict_do_update(index_elements=["source"], set_=update, where=further))

    store.database.write(work)


def draft(row: Any) -> Draft:
    return Draft(**{name: getattr(row, name) for name in _TEXTS}, made=rows.time_of(row.recorded_at))


def made_decision(row: Any) -> Decision:
    return Decision(row.draft, row.decision, row.by, row.reason, row.text, rows.time_of(row.recorded_at))


def remove_old(connection: Connection, customer: str, cutoff: int) -> dict[str, int]:
    """Drafts from before the cutoff, with what was decided about them: for retention."""
    known = tables()
    old = sa.select(known.answer_drafts.c.key).where(
        known.answer_drafts.c.customer == customer, known.answer_drafts.c.recorded_at < cutoff
    )
    decisions = sa.delete(known.answer_decisions).where(known.answer_decisions.c.draft.in_(old))
    gone = connection.execute(decisions).rowcount
    removed = connection.execute(sa.delete(known.answer_drafts).where(known.answer_drafts.c.key.in_(old))).rowcount
    return {"answer_decisions": gone, "answer_drafts": removed}


def _decide(connection: Connection, decision: Decision) -> bool:
    row = {name: rows.clean(getattr(decision, name)) for name in ("draft", "decision", "by", "reason", "text")}
    return writing.add_new(connection, tables().answer_decisions, row)


def _decided(connection: Connection, keys: list[str]) -> dict[str, Decision]:
    table = tables().answer_decisions
    found: dict[str, Decision] = {}
    for part in batched(keys, writing.BATCH):
        query = sa.select(table).where(table.c.draft.in_(part))
        found |= {row.draft: made_decision(row) for row in connection.execute(query)}
    return found


def _last_outcomes(connection: Connection, keys: list[str]) -> dict[str, tuple[str, str]]:
    """By draft the last outcome of sending its answer, and the reason."""
    table = tables().message_outcomes
    found: dict[str, tuple[str, str]] = {}
    for part in batched(keys, writing.BATCH):
        query = sa.select(table).where(table.c.key.in_(sending(key) for key in part)).order_by(table.c.fence)
        found |= {row.key.removeprefix(sending("")): (row.outcome, row.reason) for row in connection.execute(query)}
    return found
