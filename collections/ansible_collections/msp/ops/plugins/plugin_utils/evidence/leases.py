# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""One controller at a time: a lease by name, with the database's clock and a number that only grows.

A lease that ran out is anybody's: a controller that died holds nothing up for longer than its lease. The fencing number
tells a holder that came back late from the one that took over; `held` says whether a lease is still one's own.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import rows, writing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was taken. fence is higher than that of every holder before."""

    name: str
    holder: str
    fence: int
    expires: dt.datetime


def somebody() -> str:
    """A name for this process that no other has, and that tells a person where to look."""
    return f"{socket.gethostname()} process {os.getpid()} {secrets.token_hex(4)}"


def take(store: Store, name: str, holder: str, seconds: float = SECONDS) -> Lease:
    """Take a lease, or renew one's own (the number stays). One that another holds is refused with its holder named."""
    length = int(seconds * 1_000_000)

    def work(connection: Connection) -> Lease:
        table = tables().leases
        now = writing.database_micros(connection)
        fresh = writing.insert(connection, table).values(name=name, holder=holder, fence=1, expires=now + length)
        free = sa.or_(table.c.expires <= now, table.c.holder == holder)
        update = {
            "holder": fresh.excluded.holder,
            "fence": sa.case((table.c.holder == fresh.excluded.holder, table.c.fence), else_=table.c.fence + 1),
            "expires": fresh.excluded.expires,
        }
        connection.execute(fresh.on_conflict_do_update(index_elements=["name"], set_=update, where=free))
        row = connection.execute(sa.select(table).where(table.c.name == name)).one()
        if row.holder != holder:
            raise MspError(
                "MSP-EVD-015",
                f"the lease {name!r} to be free",
                f"{row.holder} holds it until {rows.time_of(row.expires):%Y-%m-%d %H:%M:%S} UTC",
                "wait until that run has ended; a run that died lets go at that time",
            )
        return Lease(row.name, row.holder, row.fence, rows.time_of(row.expires))

    return store.database.write(work)


def held(store: Store, lease: Lease) -> bool:
    """Whether this is still the holder's own, and not run out."""
    table = tables().leases
    with store.database.read() as connection:
        now = writing.database_micros(connection)
        query = sa.select(table.c.fence).where(
            table.c.name == lease.name, table.c.holder == lease.holder, table.c.expires > now
        )
        return connection.execute(query).scalar() == lease.fence


def live(store: Store, prefix: str) -> list[str]:
    """The names of the leases that somebody has, of those whose names begin so."""
    table = tables().leases
    with store.database.read() as connection:
        now = writing.database_micros(connection)
        query = sa.select(table.c.name).where(table.c.name.startswith(prefix, autoescape=True), table.c.expires > now)
        return sorted(connection.execute(query).scalars())


def release(store: Store, lease: Lease) -> None:
    """Let go, so that the next need not wait. One that another took over meanwhile stays that one's."""

    def work(connection: Connection) -> None:
        table = tables().leases
        own = sa.and_(table.c.name == lease.name, table.c.holder == lease.holder, table.c.fence == lease.fence)
        connection.execute(sa.update(table).where(own).values(expires=writing.database_micros(connection)))

    store.database.write(work)


@contextmanager
def renewing(store: Store, name: str, seconds: float) -> Iterator[Lease]:
    """Hold a lease while the block runs, however long that is, and for some seconds only after the process died.

    It is renewed three times in that time, by a thread. A store that does not answer lets it run out.
    """
    lease = take(store, name, somebody(), seconds)
    over = threading.Event()

    def renew() -> None:
        while not over.wait(seconds / 3):
            with suppress(MspError):  # the next time it may answer again
                take(store, lease.name, lease.holder, seconds)

    thread = threading.Thread(target=renew, daemon=True, name=f"renew {name}")
    thread.start()
    try:
        yield lease
    finally:
        over.set()
        thread.join()
        release(store, lease)


@contextmanager
def holding(store: Store, name: str, seconds: float = SECONDS) -> Iterator[Lease]:
    """Hold a lease while the block runs. A block that may take longer than its seconds renews it with take()."""
    lease = take(store, name, somebody(), seconds)
    try:
        yield lease
    finally:
        release(store, lease)
