"""What people asked of rollouts, in the journal of a real NetBox: once, and no entry of anybody else taken for ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk.patch_journal import tell
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_rollout import HOUR, NOON, PLANNED
from lab.api import NetBox

pytestmark = pytest.mark.lab
SLUG = "bakkerij-jansen"


def entries(netbox: NetBox, tenant: int) -> list[dict[str, Any]]:
    found = netbox.all(f"extras/journal-entries/?assigned_object_type=tenancy.tenant&assigned_object_id={tenant}")
    return sorted(found, key=lambda entry: int(entry["id"]))


def test_each_thing_that_was_asked_is_one_entry_of_the_tenant(
    fresh_netbox: NetBox, store_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ours, other = (
        fresh_netbox.create("tenancy/tenants/", {"name": name, "slug": slug})["id"]
        for name, slug in (("Bakkerij Jansen", SLUG), ("Harbour Dental", "harbour-dental"))
    )
    jansen = Customer(ours, SLUG, "Bakkerij Jansen", None)
    with (
        Store.open(store_url, upgrade=True) as store,
        Register.connect(fresh_netbox.url, fresh_netbox.token) as register,
    ):
        stored = events.starting(SLUG, "office", "plan", PLANNED, {})
        store.record_rollout(stored, fence=0)
        hostile = "[x](javascript:alert(1)) <b>\x00\u202e agreed"
        asked: tuple[events.Event, ...] = (
            events.Approved(NOON + HOUR, "hash", "A. de Vries", hostile),
            events.Paused(NOON + 2 * HOUR, "A. de Vries", "stocktaking"),
        )
        for number, event in enumerate(asked, 2):
            store.append_event(stored.id, number, events.stored(event), 0)
        # Somebody else's: the same words on another tenant, and a remark on ours.
        said = tell(store, register, jansen, check=True)
        on = {"assigned_object_type": "tenancy.tenant", "kind": "info"}
        fresh_netbox.create("extras/journal-entries/", {**on, "assigned_object_id": other, "comments": said[0]})
        fresh_netbox.create(
            "extras/journal-entries/", {**on, "assigned_object_id": ours, "comments": f"{said[0]}, I see"}
        )

        first = tell(store, register, jansen)
        again = tell(store, register, jansen)

    remark, *written = entries(fresh_netbox, ours)
    assert remark["comments"].endswith("I see")
    assert [entry["comments"] for entry in written] == first == said
    assert [entry["kind"]["value"] for entry in written] == ["success", "warning"]
    assert "approved by A. de Vries" in first[0] and "[" not in first[0] and "<" not in first[0]
    assert again == []
    assert len(entries(fresh_netbox, other)) == 1
