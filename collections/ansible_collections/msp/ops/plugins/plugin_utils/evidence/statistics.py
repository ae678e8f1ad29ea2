# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much is in the store and how much waits in the spool. Only reads."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.engine import Database
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class StoreSize:
    bytes: int
    rows: dict[str, int]
    retention: dict[str, int]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the spool; oldest is when the oldest waiting file was begun."""

    files: int
    bytes: int
    oldest: dt.datetime | None
    rejected: int


def store(database: Database) -> StoreSize:
    known = tables()
    with database.read() as connection:
        counts = {
            table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in known.metadata.sorted_tables
        }
        kept = {row.customer: row.days for row in connection.execute(sa.select(known.retention))}
        if database.path is None:
            size = int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())
        else:
            path = str(database.path)
            size = sum(Path(part).stat().st_size for part in (path, path + "-wal") if Path(part).exists())
    return StoreSize(size, counts, kept)


def backlog(directory: Path | None = None) -> Backlog:
    files = []
    for path in spool.waiting(directory):
        with suppress(FileNotFoundError):  # delivered since we looked
            files.append((spool.began(path), path.stat().st_size))
    return Backlog(
        files=len(files),
        bytes=sum(size for _began, size in files),
        oldest=min((began for began, _size in files), default=None),
        rejected=len(spool.rejected(directory)),
    )
