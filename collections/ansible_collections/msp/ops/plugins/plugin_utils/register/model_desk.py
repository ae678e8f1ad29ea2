# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes NetBox's own pages an MSP desk: tags, profiles of config contexts, saved filters, links and tables.

Pure: declarations only, in the shape in which NetBox is written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.access import naming
from ansible_collections.msp.ops.plugins.plugin_utils.patching import plan_schema
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.declaration import (
    ASSETS,
    DEVICE,
    PREFIX,
    TENANT,
    VIRTUAL_MACHINE,
    Item,
    Section,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards import standard_schema

SOON_DAYS = 90


def tags() -> Section:
    def tag(slug: str, name: str, color: str, description: str, objects: list[str]) -> Item:
        # A person may like another colour.
        return Item(slug, {"name": name, "description": description, "object_types": objects}, once={"color": color})

    items = [
        tag(names.TAG_CUSTOMER, "MSP customer", "2196f3", "A tenant that the automation may work on", [TENANT]),
        tag(
            names.TAG_REMEDIATE,
            "MSP remediate",
            "ff9800",
            "A control may be put right on this asset without asking again",
            ASSETS,
        ),
        tag(
            names.TAG_EXPOSED,
            "MSP exposed",
            "f44336",
            "The internet reaches this asset: a critical hole in it is an emergency",
            ASSETS,
        ),
        tag(
            names.TAG_STATEFUL,
            "MSP stateful",
            "795548",
            "Keeps data that an older version may not read: its packages are never set back",
            ASSETS,
        ),
    ]
    explained = {
        "pilot": "Patched first: the customer's least important",
        "early": "Patched second",
        "broad": "Patched last: everything else",
    }
    items += [
        tag(f"{names.TAG_RING_PREFIX}{ring}", f"MSP ring {ring}", "607d8b", explained[ring], ASSETS)
        for ring in names.RINGS
    ]
    return Section(
        "tags",
        "extras/tags",
        "slug",
        (names.SLUG_PREFIX,),
        tuple(items),
        includes=("object_types",),
        free_prefixes=(names.TAG_RING_PREFIX,),
    )


def _context_schema(key: str, title: str, form: Mapping[str, Any]) -> dict[str, Any]:
    """A schema that speaks of our key only: a context may hold other tools' keys beside it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "required": [key],
        "properties": {key: dict(form)},
    }


def profiles() -> Section:
    standard = _context_schema(
        names.CONTEXT_STANDARD, "Which standard an asset is held to", standard_schema.ASSIGNMENT_PART
    )
    standards = _context_schema(names.CONTEXT_STANDARDS, "Standards of your own, by name", standard_schema.STANDARDS)
    plan = _context_schema(names.CONTEXT_PATCH_PLAN, "When and how an asset is patched", plan_schema.PLAN)
    access = _context_schema(names.CONTEXT_ACCESS, "What accounts are for", naming.SCHEMA)
    items = (
        Item(
            names.PROFILE_STANDARD,
            {"description": f"Config contexts with the key {names.CONTEXT_STANDARD}", "schema": standard},
        ),
        Item(
            names.PROFILE_STANDARDS,
            {"description": f"Config contexts with the key {names.CONTEXT_STANDARDS}", "schema": standards},
        ),
        Item(
            names.PROFILE_PATCH_PLAN,
            {"description": f"Config contexts with the key {names.CONTEXT_PATCH_PLAN}", "schema": plan},
        ),
        Item(
            names.PROFILE_ACCESS,
            {"description": f"Config contexts with the key {names.CONTEXT_ACCESS}", "schema": access},
        ),
    )
    return Section("config_context_profiles", "extras/config-context-profiles", "name", (names.SLUG_PREFIX,), items)


def saved_filters(today: dt.date) -> Section:
    def saved(slug: str, title: str, description: str, objects: list[str], weight: int, **chosen: list[str]) -> Item:
        body = {
            "name": f"{names.TITLE_PREFIX}{title}",
            "description": description,
            "object_types": objects,
            "weight": weight,
            "enabled": True,
            "shared": True,
            "parameters": chosen,
        }
        return Item(f"{names.SLUG_PREFIX}{slug}", body)

    def soon(name: str) -> dict[str, list[str]]:
        last = today + dt.timedelta(days=SOON_DAYS)
        return {f"cf_{name}__gte": [today.isoformat()], f"cf_{name}__lte": [last.isoformat()]}

    def status(value: str) -> dict[str, list[str]]:
        return {f"cf_{names.CONTRACT_STATUS}": [value]}

    def discovery(value: str) -> dict[str, list[str]]:
        return {f"cf_{names.DISCOVERY}": [value]}

    within = f"within {SOON_DAYS} days; the daily run renews the dates"
    items = (
        saved("unlisted", "unlisted assets", "Seen, not agreed", ASSETS, 10, **status(names.UNLISTED)),
        saved("warranty-ends", "warranty ends soon", f"Warranty ends {within}", ASSETS, 20, **soon(names.WARRANTY_END)),
        saved(
            "os-support-ends",
            "OS support ends soon",
            f"No more security updates {within}",
            ASSETS,
            30,
            **soon(names.OS_SUPPORT_END),
        ),
        saved(
            "never-audited",
            "contracted, never audited",
            "In the contract, and no audit has succeeded yet",
            ASSETS,
            40,
            **status(names.CONTRACTED),
            **{f"cf_{names.FACTS_HASH}__empty": ["true"]},
        ),
        saved("missing", "missing", "No source sees it any more", ASSETS, 60, **discovery(names.MISSING)),
        saved("conflicts", "conflicts", "The evidence contradicts itself", ASSETS, 70, **discovery(names.CONFLICT)),
        saved(
            "patches-late",
            "patches late",
            "An update is past its deadline",
            ASSETS,
            80,
            **{f"cf_{names.PATCHING}": [names.LATE]},
        ),
        saved(
            "standard-drift",
            "standard drift",
            "Not as its standard wants it",
            ASSETS,
            90,
            **{f"cf_{names.STANDARD_STATE}": [names.DRIFT]},
        ),
        saved("excluded", "excluded assets", "Agreed not to service", ASSETS, 50, **status(names.EXCLUDED)),
        saved(
            "customers",
            "customers",
            "Tenants with a contract",
            [TENANT],
            10,
            **{f"cf_{names.CONTRACT_ID}__empty": ["false"]},
        ),
        saved(
            "contract-ends",
            "contract ends soon",
            f"Contract ends {within}",
            [TENANT],
            20,
            **soon(names.CONTRACT_END),
        ),
        saved(
            "scan-allowed",
            "prefixes that may be scanned",
            "The customer agreed",
            [PREFIX],
            10,
            **{f"cf_{names.SCAN_ALLOWED}": ["true"]},
        ),
    )
    return Section("saved_filters", "extras/saved-filters", "slug", (names.SLUG_PREFIX,), items)


def custom_links() -> Section:
    def report(key: str, objects: list[str], holder: str) -> Item:
        # NetBox hides a link whose text is empty, and refuses an address with a scheme it does not allow.
        address = f"{holder}.cf.{names.REPORT_URL}"
        return Item(
            f"{names.TITLE_PREFIX}{key}",
            {
                "object_types": objects,
                "enabled": True,
                "link_text": f"{{% if {holder} and {address} %}}Customer's report{{% endif %}}",
                "link_url": f"{{{{ {address} }}}}",
                "weight": 10,
                "group_name": "",
                "button_class": "blue",
                "new_window": True,
            },
        )

    items = (report("customer's report", [TENANT], "object"), report("asset's report", ASSETS, "object.tenant"))
    return Section("custom_links", "extras/custom-links", "name", (names.TITLE_PREFIX,), items)


def table_configs() -> Section:
    def columns(key: str, object_type: str, table: str, shown: list[str], ordering: list[str]) -> Item:
        return Item(
            f"{names.TITLE_PREFIX}{key}",
            {
                "object_type": object_type,
                "table": table,
                "description": "Columns that a service desk looks at",
                "weight": 100,
                "enabled": True,
                "shared": True,
                "columns": shown,
                "ordering": ordering,
            },
        )

    fields = [
        f"cf_{name}"
        for name in (
            names.CONTRACT_STATUS,
            names.ASSET_CLASS,
            names.DISCOVERY,
            names.PATCHING,
            names.STANDARD_STATE,
            names.WARRANTY_END,
            names.OPERATING_SYSTEM,
            names.OS_SUPPORT_END,
        )
    ]
    contract = [
        f"cf_{name}"
        for name in (
            names.CONTRACT_ID,
            names.CONTRACT_START,
            names.CONTRACT_END,
            names.MONTHLY_FEE,
            names.INCLUDED_HOURS,
            names.REPORT_URL,
        )
    ]
    devices = ["name", "tenant", "site", "role", "serial", "asset_tag", *fields, "tags"]
    machines = ["name", "tenant", "site", "role", "serial", *fields, "tags"]
    items = (
        columns("devices", DEVICE, "DeviceTable", devices, ["tenant", "name"]),
        columns("virtual machines", VIRTUAL_MACHINE, "VirtualMachineTable", machines, ["tenant", "name"]),
        columns("customers", TENANT, "TenantTable", ["name", *contract, "tags"], ["name"]),
    )
    return Section("table_configs", "extras/table-configs", "name", (names.TITLE_PREFIX,), items, fixed=("table",))
