# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept of secrets and logins: who did what, and of an escrow in the store its ciphertexts and marks.

The caller holds the transaction. Rows are added and never changed; retention leaves them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import SecurityEvent
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import ESCROW_VERSION, tables

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Customer, asset, purpose, name, version: ESCROW_VERSION.
Version = tuple[str, str, str, str, str]


def events(
    connection: Connection, customer: str, asset: str | None, actions: Sequence[str], since: dt.datetime | None
) -> list[SecurityEvent]:
    """Of a customer, oldest first; of one asset, of these actions, since then, where that is given."""
    table = tables().security_events
    query = sa.select(table).where(table.c.customer == customer)
    if asset is not None:
        query = query.where(table.c.asset == asset)
    if actions:
        query = query.where(table.c.action.in_(actions))
    if since is not None:
        query = query.where(table.c.at >= rows.micros(since))
    return [rows.security_event(row) for row in connection.execute(query.order_by(table.c.at, table.c.key))]


def keep(connection: Connection, version: Version, ciphertext: bytes) -> None:
    """Raises sqlalchemy's IntegrityError where it is there already."""
    stamp = writing.database_micros(connection)
    row = {**_named(version), "ciphertext": ciphertext, "recorded_at": stamp}
    connection.execute(sa.insert(tables().escrow_secrets), row)


def kept(connection: Connection, version: Version) -> bytes | None:
    table = tables().escrow_secrets
    found = connection.execute(sa.select(table.c.ciphertext).where(*_is(table, version))).scalar()
    return None if found is None else bytes(found)


def mark(connection: Connection, version: Version, at: dt.datetime) -> None:
    """The first mark stays."""
    writing.write_events(connection, tables().escrow_marks, [{**_named(version), "at": rows.micros(at)}])


def versions(connection: Connection, place: Sequence[str]) -> list[tuple[str, dt.datetime | None]]:
    """Of a place (customer, asset, purpose, name), oldest first, and when a host was seen to take each."""
    kept_, marks = tables().escrow_secrets, tables().escrow_marks
    same = sa.and_(*(kept_.c[name] == marks.c[name] for name in ESCROW_VERSION))
    query = (
        sa.select(kept_.c.version, marks.c.at)
        .select_from(kept_.outerjoin(marks, same))
        .where(*_is(kept_, place))
        .order_by(kept_.c.version)
    )
    return [(row.version, None if row.at is None else rows.time_of(row.at)) for row in connection.execute(query)]


def places(connection: Connection, customer: str) -> list[tuple[str, str, str, str]]:
    """Every place of a customer that has a version, in order."""
    table = tables().escrow_secrets
    columns = [table.c[name] for name in ESCROW_VERSION[:-1]]
    query = sa.select(*columns).where(table.c.customer == customer).distinct().order_by(*columns)
    return [(row.customer, row.asset, row.purpose, row.name) for row in connection.execute(query)]


def _named(version: Version) -> rows.Row:
    return dict(zip(ESCROW_VERSION, version, strict=True))


def _is(table: sa.Table, parts: Sequence[str]) -> list[Any]:
    return [table.c[name] == part for name, part in zip(ESCROW_VERSION, parts, strict=False)]
