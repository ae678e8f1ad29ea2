# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The evidence tests' stores, SQLite and a real PostgreSQL, for what joins stores and files."""

from __future__ import annotations

from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.evidence.conftest import (
    kind,
    postgres,
    postgres_template,
    sqlite_template,
    store,
    url,
)

__all__ = ["kind", "postgres", "postgres_template", "sqlite_template", "store", "url"]
