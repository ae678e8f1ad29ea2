"""What the collection's unit tests get: a state directory of their own, and an evidence store without rows."""

from __future__ import annotations

from ansible_collections.msp.ops.tests.unit.conftest import own_state, sqlite_store, sqlite_template, sqlite_url

__all__ = ["own_state", "sqlite_store", "sqlite_template", "sqlite_url"]
