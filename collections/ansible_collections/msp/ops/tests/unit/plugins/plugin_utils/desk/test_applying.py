# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written of a plan when NetBox is not quite as it was made on; killed runs are tested on a real one."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import applying, holding
from ansible_collections.msp.ops.plugins.plugin_utils.desk.applying import Applied, Place
from ansible_collections.msp.ops.plugins.plugin_utils.desk.devices import Prefix, Space
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import Plan, stored
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.planning import Taken
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made import (
    NOW,
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
        bare: dict[str, Any] = {
            "name": "srv01",
            "custom_fields": {},
            "primary_ip4": None,
            "primary_ip6": None,
            "asset_tag": None,
        }
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
def store(sqlite_store: Store) -> Store:
    return sqlite_store


def carried_out(
    store: Store, plan: Plan, tables: Tables, *, fresh: bool = True, since: dt.datetime | None = None
) -> Applied:
    store.record_plan(stored(plan))
    register: Any = tables
    catalogue: Any = Kinds()
    with leases.holding(store, f"reconcile:{SLUG}") as lease:
        return applying.apply(plan, Place(register, store, SPACE, catalogue, lease, fresh=fresh, since=since))


def takes_over() -> Plan:
    """A new thing has the address that srv01 had, and srv01 is elsewhere."""
    elsewhere = seen(1, addresses=["192.0.2.30"])
    plan = planned([asset(1)], [elsewhere, seen(60, addresses=["192.0.2.1"], names=["till"])])
    assert [one.values.get("address_from") for one in plan.steps if one.kind == "create"] == ["device:1"]
    return plan


@pytest.mark.parametrize(("count", "looks"), [(0, 0), (2, 1), (None, 1)])
def test_interfaces_are_looked_for_unless_netbox_says_that_a_new_device_has_none(
    store: Store, count: int | None, looks: int
) -> None:
    """Its type may have some. None: a NetBox that does not say."""

    class Counted(Tables):
        asked = 0

        def rows(self, endpoint: str, *, filters: Any = None, **options: Any) -> list[dict[str, Any]]:
            self.asked += endpoint == "dcim/interfaces"
            return super().rows(endpoint, filters=filters, **options)

        def create(self, endpoint: str, rows: Any, **options: Any) -> list[dict[str, Any]]:
            return [{**row, "interface_count": count} for row in super().create(endpoint, rows, **options)]

    tables = Counted({})
    applied = carried_out(store, planned([], [seen(60, addresses=["192.0.2.60"], names=["till"])]), tables)

    assert applied.steps and tables.asked == looks
    assert len([row for endpoint, row in tables.written if endpoint == "dcim/interfaces" and "name" in row]) == 1


@pytest.mark.parametrize(
    ("since", "by", "looks"), [(None, "", 1), (NOW, "", 1), (NOW, "Discovery plan of somebody", 0), (NOW, None, 0)]
)
def test_who_else_made_assets_is_looked_for_where_the_change_log_tells_of_any(
    store: Store, since: dt.datetime | None, by: str | None, looks: int
) -> None:
    class Logged(Tables):
        asked = 0

        def rows(self, endpoint: str, *, filters: Any = None, **options: Any) -> list[dict[str, Any]]:
            self.asked += "id__gt" in (filters or {}) and endpoint == "dcim/devices"
            if endpoint == applying.LOG:
                assert filters["time_after"] < NOW
                return [] if by is None else [{"message": by}]
            return super().rows(endpoint, filters=filters, **options)

    tables = Logged({})
    plan = planned([], [seen(60, addresses=["192.0.2.60"], names=["till"])])
    assert carried_out(store, plan, tables, since=since).steps
    assert tables.asked == looks


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


OTHERS = {
    "id": 77,
    "address": "192.0.2.30/24",
    "vrf": None,
    "tenant": {"id": 2},
    "assigned_object_type": "dcim.interface",
    "assigned_object_id": 5,
    "assigned_object": {"device": {"id": 500}},
}
# A group of routers has no device.
GROUP = {**OTHERS, "tenant": None, "assigned_object_type": "ipam.fhrpgroup", "assigned_object": {"id": 5}}


def taken_of(plan: Plan, *held: dict[str, Any], tags: tuple[str, ...] = ()) -> Taken:
    register: Any = Tables({ADDRESS: list(held), "dcim/devices": [{"id": 500, "asset_tag": tag} for tag in tags]})
    return holding.taken(register, plan, [asset(1)], SPACE)


@pytest.mark.parametrize("held", [OTHERS, GROUP, {**OTHERS, "tenant": {"id": 1}}])
def test_an_address_that_somebody_else_has_is_not_planned_to_be_given(held: dict[str, Any]) -> None:
    sightings = [seen(1, addresses=["192.0.2.30"])]
    first = planned([asset(1)], sightings)
    found = taken_of(first, held)
    assert found.addresses == {"192.0.2.30"}
    again = planned([asset(1)], sightings, taken=found)
    assert (again.steps, again.changes) == ((), ())


@pytest.mark.parametrize(
    "held",
    [
        [],
        [{**OTHERS, "vrf": {"id": 9}}],
        [{**OTHERS, "tenant": {"id": 1}, "assigned_object_id": None, "assigned_object": None}],
    ],
)
def test_an_address_that_is_free_is_given(held: list[dict[str, Any]]) -> None:
    assert not taken_of(planned([asset(1)], [seen(1, addresses=["192.0.2.30"])]), *held)


def test_a_new_device_says_that_somebody_else_has_its_address() -> None:
    sightings = [seen(60, names=["till"], addresses=["192.0.2.30"])]
    found = taken_of(planned([asset(1)], sightings), OTHERS)
    (step,) = planned([asset(1)], sightings, taken=found).steps
    assert "address" not in step.values
    assert "192.0.2.30 is somebody else's in NetBox" in step.journal


def test_an_asset_tag_that_somebody_has_is_not_planned_and_the_rest_is() -> None:
    bare = asset(1, serial="", asset_tag=None)
    sightings = [seen(1, "mdm", serial="S-NEW", asset_tag="T-1")]
    found = taken_of(planned([bare], sightings), tags=("T-1",))
    (step,) = planned([bare], sightings, taken=found).steps
    assert step.values == {"fields": {"serial": "S-NEW"}}


def test_where_nothing_is_to_be_given_nothing_is_read() -> None:
    register: Any = None
    takes = takes_over()
    own = planned([asset(1, address=None)], [seen(1)])
    filled = planned([asset(1, serial="")], [seen(1, "mdm", serial="S-NEW", addresses=[])])
    for plan, assets in ((own, [asset(1, address=None)]), (filled, [asset(1)])):
        assert plan.steps and not holding.taken(register, plan, assets, SPACE)
    assert holding.wanted(takes, [asset(1)]) == [("device:1", "192.0.2.30")]


def test_only_what_was_done_is_recorded(store: Store) -> None:
    """Somebody gives the address and the tag away between plan and apply."""
    bare = asset(1, serial="", asset_tag=None)
    plan = planned([bare], [seen(1, "mdm", serial="S-NEW", asset_tag="T-1"), seen(1, addresses=["192.0.2.30"])])
    assert [one.kind for one in plan.changes] == ["changed"]
    tables = Tables({ADDRESS: [OTHERS], "dcim/devices": [{"id": 500, "asset_tag": "T-1"}]})
    carried_out(store, plan, tables)
    assert [row for endpoint, row in tables.written if endpoint == "dcim/devices"] == [{"id": 1, "serial": "S-NEW"}]
    assert store.changes(SLUG) == []
