# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the store is, read without SQLAlchemy, and the same as SQLAlchemy reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import address, engine


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/evidence.db", "sqlite:///here.db", "sqlite+pysqlite:////a/b.db?mode=ro"]
)
def test_the_file_of_a_store_is_the_one_that_is_opened(url: str) -> None:
    assert address.sqlite_path(url) == engine.Database(url).path


@pytest.mark.parametrize("url", ["postgresql://anna@db.example.com/evidence", "sqlite://", "nonsense", ""])
def test_what_is_no_sqlite_store_has_no_file(url: str) -> None:
    assert address.sqlite_path(url) is None


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({"MSP_STORE_URL": " postgresql://db/e "}, "postgresql://db/e"),
        ({"MSP_STORE_URL": "", "XDG_STATE_HOME": "/state"}, "sqlite:////state/msp.ops/evidence.db"),
        ({}, f"sqlite:///{Path.home()}/.local/state/msp.ops/evidence.db"),
    ],
)
def test_the_store_is_where_the_environment_says_else_in_the_state_directory(
    environment: dict[str, str], url: str
) -> None:
    assert address.default_url(environment) == url
