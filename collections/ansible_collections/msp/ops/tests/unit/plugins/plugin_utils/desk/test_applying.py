# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written of a plan when NetBox is not quite as it was made on; runs that are killed are tested on a real one."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import applying
from ansible_collections.msp.ops.plugins.plugin_utils.desk.applying import Applied, Place
from ansible_collections.msp.ops.plugins.plugin_utils.desk.devices import Prefix, Space
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import Plan, stored
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made import (
    SLUG,
    asset,
    planned,
    seen,
)

SPACE = Space(1, (Prefix(ipaddress.ip_network("192.0.2.0/24"), None, 5),), (5,))
AS_PLANNED = "2026-02-28T08:00:00Z"
ADDRESS = "ipam/ip-addresses"


class Tables:
    """A register with these tables, which notes what is written; NetBox itself is not needed here."""

    def __init__(self, tables: dict[str, list[dict[str, Any]]], updated: str = AS_PLANNED) -> None:
        self.tables, self.updated = tables, updated
        self.written: list[tuple[str, dict[str, Any]]] = []

    def rows(self, endpoint: str, *, filters: Any = None, **_options: Any) -> list[dict[str, Any]]:
        bare = {"name": "srv01", "custom_fields": {}, "primary_ip4": None, "primary_ip6": None, "asset_tag": None}
        if endpoint == "dcim/devices" and "id" in filters:
            return [{**bare, "id": id, "last_updated": self.updated} for id in filters["id"]]
        return self.tables.get(endpoint, [])

    def create(self, endpoint: str, rows: Any, **_options: Any) -> list[dict[str, Any]]:
        made = list(rows)
        self.written += [(endpoint, row) for row in made]
        defaults = {"primary_mac_address": None, "primary_ip4": None, "primary_ip6": None}
        return [{**defaults, **row, "id": 900 + place} for place, row in enumerate(made)]

    def update(self, endpoint: str, rows: Any, **_options: Any) -> list[dict[str, Any]]:
        changed = list(rows)
        self.written += [(endpoint, row) for row in changed]
        return [{**row, "last_updated": AS_PLANNED} for row in changed]


class Kinds:
    def of(self, _asset_class: str, _why: str) -> tuple[int, int]:
        return 1, 2


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MSP_DURABLE_PATHS", str(tmp_path))
    with Store.open(f"sqlite:///{tmp_path / 'evidence.db'}", upgrade=True) as opened:
        yield opened


def carried_out(store: Store, plan: Plan, tables: Tables, *, fresh: bool = True) -> Applied:
    store.record_plan(stored(plan))
    register: Any = tables
    catalogue: Any = Kinds()
    with leases.holding(store, f"reconcile:{SLUG}") as lease:
        return applying.apply(plan, Place(register, store, SPACE, catalogue, lease, fresh=fresh))


def takes_over() -> Plan:
    """A new thing has the address that srv01 had, and srv01 is elsewhere."""
    elsewhere = seen(1, addresses=["192.0.2.30"])
    plan = planned([asset(1)], [elsewhere, seen(60, addresses=["192.0.2.1"], names=["till"])])
    assert [one.values.get("address_from") for one in plan.steps if one.kind == "create"] == ["device:1"]
    return plan


def test_nothing_is_made_where_the_asset_that_gives_up_its_address_was_changed(store: Store) -> None:
    tables = Tables({}, updated="2026-03-02T07:59:00Z")
    with pytest.raises(MspError) as refused:
        carried_out(store, takes_over(), tables)
    assert refused.value.code == "MSP-REC-002"
    assert tables.written == []
    assert store.changes(SLUG) == []


def test_a_device_that_a_killed_run_made_is_told_of_even_where_the_rest_is_refused(store: Store) -> None:
    plan = takes_over()
    log = {
        "changed_object_type": "dcim.device",
        "changed_object_id": 900,
        "action": {"value": "create"},
        "message": applying.message(plan),
        "time": AS_PLANNED,
    }

    class Cut(Tables):
        def rows(self, endpoint: str, *, filters: Any = None, **options: Any) -> list[dict[str, Any]]:
            if endpoint == applying.LOG:
                return [log] if "q" in filters else []
            if endpoint == "dcim/devices" and "id__gt" in filters:
                return [{"id": 900, "name": "till"}]
            return super().rows(endpoint, filters=filters, **options)

    tables = Cut({}, updated="2026-03-02T07:59:00Z")
    with pytest.raises(MspError) as refused:
        carried_out(store, plan, tables, fresh=False)
    assert refused.value.code == "MSP-REC-002"
    assert [endpoint for endpoint, _row in tables.written] == [applying.JOURNAL]
    assert [(one.kind, one.asset) for one in store.changes(SLUG)] == [("new", "device:900")]
