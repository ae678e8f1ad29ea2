# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every unit test gets: its own state directory, declared durable, so that no test sees a person's store; and,
who asks for one, an evidence store without rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.engine import Database
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's disk counts as durable only where it is declared; the tests' directories are.

    The state directory is named, and made by whoever uses it: few tests do, and there are thousands.
    """
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("XDG_STATE_HOME", str(base / "states" / str(next(_NUMBERS))))
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(base))
    monkeypatch.delenv("MSP_STORE_URL", raising=False)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """The bytes of a SQLite store that was set up and has no rows: a new store is a copy of it.

    From then on all SQLite stores of the session have one dialect and one cache of statements, and wait for no disk:
    to compile every statement anew for each test, and to see each commit safe from a power cut, takes most of the time.
    """
    directory = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSP_DURABLE_PATHS", str(directory))
        first = Store.open(f"sqlite:///{directory}/evidence.db", upgrade=True)
    engine = first.database.engine
    dialect, compiled = engine.dialect, engine._compiled_cache
    first.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "_sqlite", _quick(Database._sqlite, dialect, compiled))
        yield (directory / "evidence.db").read_bytes()


def _quick(made: Callable[[Database], Any], dialect: Any, compiled: Any) -> Callable[[Database], Any]:
    def engine_of(database: Database) -> Any:
        engine = made(database)
        engine.dialect, engine._compiled_cache = dialect, compiled
        sa.event.listen(engine, "connect", _without_waiting)
        return engine

    return engine_of


def _without_waiting(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def sqlite_url(sqlite_template: bytes, tmp_path: Path) -> str:
    """A SQLite store that is set up and has no rows."""
    path = tmp_path / "evidence.db"
    path.write_bytes(sqlite_template)
    return f"sqlite:///{path}"


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    """The same, ready for use."""
    with Store.open(sqlite_url, timeout=10) as opened:
        yield opened
