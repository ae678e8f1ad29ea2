"""Fills a lab's NetBox with thousands of made-up devices in seconds, for benches and tests of size.

Never used for the demo: what a person looks at comes in through the same door as a real customer's data.
The objects have no change log rows and are not in NetBox's search index; nothing else tells them from others.
"""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from lab import netbox
from lab.lab import Lab

TENANT = ["tenancy.tenant"]
ASSET = ["dcim.device", "virtualization.virtualmachine"]


def _field(kind: str, objects: list[str], choices: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": kind, "objects": objects, "choices": list(choices)}


# The least that the inventory reads; `msp.ops.netbox_model` declares all of it, with labels and help.
FIELDS = {
    names.CONTRACT_ID: _field("text", TENANT),
    names.CONTRACT_START: _field("date", TENANT),
    names.CONTRACT_END: _field("date", TENANT),
    names.MONTHLY_FEE: _field("decimal", TENANT),
    names.INCLUDED_HOURS: _field("decimal", TENANT),
    names.HOURLY_RATE: _field("decimal", TENANT),
    names.CURRENCY: _field("text", TENANT),
    names.LANGUAGE: _field("select", TENANT, names.LANGUAGES),
    names.TIMEZONE: _field("text", TENANT),
    names.REPORT_CONTACT: _field("text", TENANT),
    names.CONTRACT_STATUS: _field("select", ASSET, names.CONTRACT_STATUSES),
    names.ASSET_CLASS: _field("select", ASSET, names.ASSET_CLASSES),
    names.PURCHASE_DATE: _field("date", ASSET),
    names.WARRANTY_END: _field("date", ASSET),
    names.WARRANTY_SOURCES: _field("json", ASSET),
    names.FACTS_HASH: _field("text", ASSET),
    names.DISCOVERY: _field("select", ASSET, names.DISCOVERIES),
    names.OPERATING_SYSTEM: _field("text", ASSET),
    names.OS_SUPPORT_END: _field("date", ASSET),
    names.CONNECTION: _field("text", ASSET),
    names.PORT: _field("integer", ASSET),
}


def devices(
    lab: Lab,
    count: int = 10_000,
    customers: int = 20,
    contexts: int = 40,
    seed: int = 1,
    *,
    machines: int = 0,
    rendered: bool = True,
) -> dict[str, int]:
    """Make customers `customer-001`... with this many devices (and virtual machines) and config contexts.

    The NetBox must not hold devices of an earlier run: reset it or take another lab. `rendered`: NetBox has rendered
    all contexts, as it has after a while in real life; False leaves that to the first reader. Returns counts by kind.
    """
    wanted = {
        "count": count,
        "customers": customers,
        "contexts": contexts,
        "seed": seed,
        "machines": machines,
        "rendered": rendered,
        "fields": FIELDS,
    }
    return dict(
        json.loads(netbox.run_inside(lab.environment, lab.paths, netbox.INSIDE / "seed.py", json.dumps(wanted)))
    )
