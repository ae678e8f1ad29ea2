# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The evidence tests' stores, SQLite and a real PostgreSQL, for what joins stores and files; and rollouts on one."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.desk.made_desk import Desk
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.evidence.conftest import (
    kind,
    postgres,
    postgres_template,
    store,
    url,
)

__all__ = ["desk", "kind", "postgres", "postgres_template", "store", "url"]


@pytest.fixture
def desk(store: Store, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A customer's rollouts, with the plan that the desk has in the place of NetBox's."""
    made = Desk(store)
    monkeypatch.setattr(patch_plans, "plans_of_slug", made.plans)
    return made
