"""A made NetBox with one customer whose assets have config contexts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox

SLUG = "bakkerij-jansen"
ENDPOINTS = ("dcim/devices", "virtualization/virtual-machines")
TERMS = {
    "msp_contract_id": "C-1",
    "msp_contract_start": "2026-01-01",
    "msp_language": {"value": "nl", "label": "Nederlands"},
    "msp_timezone": "Europe/Amsterdam",
}


def asset(
    number: int,
    context: Mapping[str, Any],
    *,
    status: str = "contracted",
    kind: str | None = "server",
    tags: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """A device as NetBox answers it, with the config context that it would have rendered."""
    fields = {"msp_contract_status": {"value": status, "label": status}}
    return {
        "id": number,
        "name": f"srv{number:02}",
        "serial": "",
        "asset_tag": None,
        "tenant_id": 1,  # what the made NetBox filters by
        "tenant": {"id": 1, "slug": SLUG, "name": "Bakkerij Jansen"},
        **dict.fromkeys(("site", "role", "platform", "primary_ip4", "primary_ip6")),
        "tags": list(tags),
        "custom_fields": {**fields, "msp_asset_class": kind and {"value": kind, "label": kind}},
        "local_context_data": context,
        "config_context": context,
        "last_updated": "2026-01-01T00:00:00Z",
    }


def customer(made: MadeNetBox, devices: Sequence[Mapping[str, Any]]) -> None:
    """One customer in NetBox with these devices. Each has its context of its own, so NetBox renders each."""
    made.tables["tenancy/tenants"] = [{"id": 1, "slug": SLUG, "name": "Bakkerij Jansen", "custom_fields": TERMS}]
    made.tables["dcim/devices"] = [dict(device) for device in devices]
    made.tables["virtualization/virtual-machines"] = []
    made.tables["extras/config-contexts"] = []
    for endpoint in ENDPOINTS:
        made.filters[endpoint] = ["id", "id__lt", "tenant_id"]
    made.filters["tenancy/tenants"] = ["id", "slug"]
