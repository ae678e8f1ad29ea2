# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stores to test on: SQLite in a file and a real PostgreSQL, the same tests for both."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from lab import scratch

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server of this test session: the URL of its first database. It listens on a socket only."""
    with scratch.cluster(in_memory=True) as cluster:
        yield cluster.url("postgres").replace("postgresql+psycopg:", "postgresql:")


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """A database that was set up once: a new store is a copy of it."""
    Store.open(_create(postgres, "evidence_template"), upgrade=True).close()
    return "evidence_template"


def _create(postgres: str, name: str, template: str = "template1") -> str:
    engine = sa.create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return postgres.replace("@/postgres", f"@/{name}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def kind(request: pytest.FixtureRequest) -> str:
    """The tests run once for each database."""
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that was never set up."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'evidence.db'}"
    return _create(request.getfixturevalue("postgres"), f"evidence_{uuid.uuid4().hex[:12]}")


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    """A store that is set up and has no rows."""
    if kind == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    postgres = request.getfixturevalue("postgres")
    return _create(postgres, f"evidence_{uuid.uuid4().hex[:12]}", request.getfixturevalue("postgres_template"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store ready for use."""
    with Store.open(url, timeout=10) as opened:
        yield opened


@pytest.fixture
def new_sqlite_store(sqlite_template: bytes, tmp_path: Path) -> Callable[[], Store]:
    """A new SQLite store at each call, for tests that need many."""
    path = tmp_path / "many.db"

    def make() -> Store:
        for extra in ("-wal", "-shm"):
            Path(f"{path}{extra}").unlink(missing_ok=True)
        path.write_bytes(sqlite_template)
        return Store.open(f"sqlite:///{path}")

    return make
