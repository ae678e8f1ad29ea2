# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections to the evidence store: URL, pragmas, one short transaction at a time, errors a person can act on.

Knows nothing of tables. A connection never crosses a fork: the first use in a child process opens its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

try:
    import sqlalchemy as sa
    from sqlalchemy import event
    from sqlalchemy import exc as sa_exc
except ImportError:
    HAS_SQLALCHEMY = False
else:
    HAS_SQLALCHEMY = True

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine

T = TypeVar("T")

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
UPGRADE = "run ./msp store upgrade"

# How the databases say it: PostgreSQL by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html),
# SQLite in words.
_SIGNS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("MSP-EVD-003", ("25006", "42501"), ("readonly database", "attempt to write")),
    ("MSP-EVD-005", ("53100", "54000"), ("disk is full",)),
    ("MSP-EVD-006", ("40001", "40P01", "55P03", "57014"), ("database is locked", "database table is locked")),
    ("MSP-EVD-002", ("42P01", "42703", "3F000"), ("no such table", "no such column")),
    ("MSP-EVD-001", (), ("file is not a database", "is malformed")),
)
# A deadlock or a failed serialization: PostgreSQL gave up one of two transactions, and it may well work now.
_TRY_AGAIN = ("40001", "40P01")
_SENTENCES = {
    "MSP-EVD-001": (
        "an answer from the store {name}",
        "check MSP_STORE_URL and that the database is up; records stay in the spool until it is",
    ),
    "MSP-EVD-002": ("the tables of msp.ops in {name}", UPGRADE),
    "MSP-EVD-003": (
        "to write to the store {name}",
        "give this user the right to write to the store and its directory, or name another in MSP_STORE_URL; records "
        "stay in the spool and ./msp store deliver writes them",
    ),
    "MSP-EVD-005": (
        "room to write to the store {name}",
        "make room, then run ./msp store deliver; records stay in the spool until then",
    ),
    "MSP-EVD-006": (
        "the store {name} to be free within {timeout:g} s",
        "look for a process that holds the store, then run this again",
    ),
    "MSP-EVD-007": ("a record that fits the tables", "report this as a defect of the part that made the record"),
}


def parse_url(url: str) -> URL:
    """Read a URL and name the driver. What is neither SQLite nor PostgreSQL is refused, without showing the URL."""
    if not HAS_SQLALCHEMY:
        raise MspError(
            "MSP-EVD-009",
            "the libraries SQLAlchemy, Alembic and psycopg beside ansible-core",
            "a Python without SQLAlchemy",
            "run through ./msp, or install what requirements.lock names",
        )
    try:
        parsed = sa.make_url(url)
    except sa_exc.ArgumentError:
        parsed = None
    if parsed is not None and parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed is not None and parsed.drivername in ("sqlite", "sqlite+pysqlite") and parsed.database:
        return parsed.set(drivername="sqlite+pysqlite")
    raise MspError(
        "MSP-EVD-001",
        "a store URL such as sqlite:////var/lib/msp.ops/evidence.db or postgresql://user@host/database",
        f"the scheme {parsed.drivername!r}" if parsed is not None else "a text that is no URL",
        "correct MSP_STORE_URL",
    )


def masked(url: str) -> str:
    """The URL for a person to read: the password is not in it, wherever it was given."""
    parsed = parse_url(url)
    query = {key: "***" if "password" in key.lower() else value for key, value in parsed.query.items()}
    return parsed.set(query=query).render_as_string(hide_password=True).replace("+psycopg", "").replace("+pysqlite", "")


class Database:
    """One store's connections. read() and write() give a short transaction; write() holds the write lock."""

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        self.url = parse_url(url)
        self.path = Path(str(self.url.database)) if self.url.drivername.startswith(SQLITE) else None
        self.kind = POSTGRESQL if self.path is None else SQLITE
        self.timeout = timeout
        self.name = masked(url)
        self._engine: Engine | None = None
        self._pid = os.getpid()

    @property
    def engine(self) -> Engine:
        if self._engine is not None and self._pid != os.getpid():
            self._engine.dispose(close=False)  # the parent's connections stay the parent's
            self._engine = None
        if self._engine is None:
            self._pid = os.getpid()
            self._engine = self._sqlite() if self.kind == SQLITE else self._postgresql()
        return self._engine

    def _sqlite(self) -> Engine:
        engine = sa.create_engine(self.url, connect_args={"timeout": self.timeout}, pool_size=1)

        def connected(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # we say BEGIN ourselves
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys = ON")
            # In WAL mode NORMAL loses no committed transaction when a process dies, FULL none when the power goes.
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA cache_size = -16384")
            cursor.close()

        def begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get("msp_write", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        event.listen(engine, "connect", connected)
        event.listen(engine, "begin", begin)
        return engine

    def _postgresql(self) -> Engine:
        milliseconds = int(self.timeout * 1000)
        return sa.create_engine(
            self.url,
            pool_size=1,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": max(2, int(min(self.timeout, 10))),
                # A server that is gone without a word is noticed before a claim runs out.
                **{"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3},
                "tcp_user_timeout": 15_000,
                "application_name": "msp.ops",
                "options": f"-c timezone=UTC -c lock_timeout={milliseconds}",
            },
        )

    def create_file(self) -> None:
        """Make a new SQLite file in WAL mode, readable by its owner alone. Nothing to do for PostgreSQL."""
        path = self.path
        if path is None:
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise self._file_error(error) from error
        with self._translated(), self.engine.connect() as connection:
            # The mode is a property of the file: it is set once, where nobody else can be writing yet.
            raw = connection.connection.driver_connection
            if raw is not None:  # an open connection has one; the type does not say so
                raw.execute("PRAGMA journal_mode = WAL")

    def _file_error(self, error: OSError) -> MspError:
        return MspError(
            "MSP-EVD-003",
            f"to create the store {self.name}",
            f"{error.strerror or error}",
            "give this user the right to write there, or name another place in MSP_STORE_URL",
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one state of the store, however long the reading takes."""
        if self.path is not None and not self.path.exists():
            raise missing(self.name)
        with self._translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        if self.path is not None and not self.path.exists():
            raise missing(self.name)
        with self._translated(), self.engine.connect() as connection:
            connection = connection.execution_options(msp_write=True)  # noqa: PLW2901
            with connection.begin():
                yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction. Two that lock each other out are tried again: work must be repeatable."""
        for attempt in range(5):
            try:
                with self._write() as connection:
                    return work(connection)
            except MspError as error:
                state = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None)
                if state not in _TRY_AGAIN or attempt == 4:
                    raise
                time.sleep(0.02 * 2**attempt)
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose(close=self._pid == os.getpid())
            self._engine = None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa_exc.DBAPIError as error:
            raise self.explain(error) from error

    def explain(self, error: sa_exc.DBAPIError) -> Exception:
        """The coded error for what the database said; a defect of ours stays what it was."""
        text = " ".join(str(error.orig).split())[:300]
        code = _code(error, str(getattr(error.orig, "sqlstate", None) or ""), text.lower())
        if code is None:
            return error
        expected, action = _SENTENCES[code]
        return MspError(code, expected.format(name=self.name, timeout=self.timeout), text, action)


def _code(error: sa_exc.DBAPIError, state: str, text: str) -> str | None:
    """Which of our errors this is: by PostgreSQL's SQLSTATE, by SQLite's words, by the kind of exception."""
    for code, states, words in _SIGNS:
        if state in states or any(word in text for word in words):
            return code
    if isinstance(error, sa_exc.IntegrityError | sa_exc.DataError):
        return "MSP-EVD-007"
    if isinstance(error, sa_exc.OperationalError | sa_exc.InterfaceError) or error.connection_invalidated:
        return "MSP-EVD-001"
    return None


def missing(name: str) -> MspError:
    """The error for a store that was never set up."""
    return MspError("MSP-EVD-002", f"the tables of msp.ops in {name}", "none", UPGRADE)
