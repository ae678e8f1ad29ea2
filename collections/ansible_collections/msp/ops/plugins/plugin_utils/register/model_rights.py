# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the automation may do in NetBox: its group, its permissions and its user. It may delete nothing.

Pure: declarations only, in the shape in which NetBox is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.declaration import ASSETS, PREFIX, TENANT, Item, Section
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import object_type


def groups() -> Section:
    description = "What the automation of msp.ops may do; it may delete nothing"
    return Section(
        "groups",
        "users/groups",
        "name",
        (names.SLUG_PREFIX,),
        (Item(names.AUTOMATION, {"description": description}),),
        changelog=False,
    )


_OF_CUSTOMER = {"tags__slug": names.TAG_CUSTOMER}


def _of_tenant(path: str = "tenant") -> dict[str, str]:
    return {f"{path}__tags__slug": names.TAG_CUSTOMER}


def _on_interface() -> list[dict[str, str]]:
    return [
        _of_tenant("interface__device__tenant"),
        _of_tenant("vminterface__virtual_machine__tenant"),
    ]


# Everything the automation reads. What it writes is among it.
READ = (
    "core/object-changes",
    *(f"dcim/{kind}" for kind in ("devices", "device-roles", "device-types", "interfaces", "locations")),
    *(f"dcim/{kind}" for kind in ("mac-addresses", "manufacturers", "platforms", "regions", "sites", "site-groups")),
    *(f"extras/{kind}" for kind in ("config-contexts", "config-context-profiles", "custom-fields")),
    *(f"extras/{kind}" for kind in ("custom-field-choice-sets", "custom-links", "journal-entries", "saved-filters")),
    *(f"extras/{kind}" for kind in ("table-configs", "tags")),
    *(f"ipam/{kind}" for kind in ("ip-addresses", "prefixes", "vlans", "vrfs")),
    *(f"tenancy/{kind}" for kind in ("contacts", "contact-assignments", "contact-roles", "tenants", "tenant-groups")),
    *(f"virtualization/{kind}" for kind in ("clusters", "cluster-groups", "cluster-types", "virtual-machines")),
    "virtualization/interfaces",
)


def needed() -> dict[str, frozenset[str]]:
    """What the permissions declared here allow, by endpoint: what a token must be able to do."""
    endpoints = {object_type(endpoint): endpoint for endpoint in READ}
    found: dict[str, frozenset[str]] = {}
    for item in permissions().items:
        for kind in item.body["object_types"]:
            endpoint = endpoints[kind]
            found[endpoint] = found.get(endpoint, frozenset()) | frozenset(item.body["actions"])
    return found


def permissions() -> Section:
    def permission(
        key: str, description: str, objects: Iterable[str], actions: list[str], constraints: Any = None
    ) -> Item:
        return Item(
            f"{names.AUTOMATION}: {key}",
            {
                "description": description,
                "enabled": True,
                "object_types": list(objects),
                "actions": actions,
                "constraints": constraints,
                "groups": [names.AUTOMATION],
            },
        )

    write = ["add", "change"]
    customer = f"whose tenant has the tag {names.TAG_CUSTOMER}"
    items = (
        permission("read", "Everything the automation reads", map(object_type, READ), ["view"]),
        permission("customers", f"Tenants with the tag {names.TAG_CUSTOMER}", [TENANT], write, _OF_CUSTOMER),
        permission(
            "assets",
            f"Assets, sites, prefixes and address spaces {customer}",
            [*ASSETS, "dcim.site", PREFIX, "ipam.vrf"],
            write,
            _of_tenant(),
        ),
        permission(
            "interfaces", f"Interfaces of devices {customer}", ["dcim.interface"], write, _of_tenant("device__tenant")
        ),
        permission(
            "virtual interfaces",
            f"Interfaces of virtual machines {customer}",
            ["virtualization.vminterface"],
            write,
            _of_tenant("virtual_machine__tenant"),
        ),
        permission(
            "addresses",
            f"Addresses {customer}, or on interfaces of such assets",
            ["ipam.ipaddress"],
            write,
            [_of_tenant(), *_on_interface()],
        ),
        permission(
            "MAC addresses",
            f"MAC addresses on interfaces of assets {customer}",
            ["dcim.macaddress"],
            write,
            _on_interface(),
        ),
        permission(
            "catalogue",
            "New kinds of things that a contract file names; what exists is never changed",
            ["dcim.devicerole", "dcim.devicetype", "dcim.manufacturer", "dcim.platform", "tenancy.tenantgroup"],
            ["add"],
        ),
        permission("journal", "New journal entries", ["extras.journalentry"], ["add"]),
        permission(
            "saved filters",
            "The dates in our own saved filters",
            ["extras.savedfilter"],
            ["change"],
            {"slug__startswith": names.SLUG_PREFIX},
        ),
    )
    return Section(
        "permissions",
        "users/permissions",
        "name",
        (f"{names.AUTOMATION}: ",),
        items,
        references={"groups": "groups"},
        includes=("groups",),
        changelog=False,
    )


def users() -> Section:
    item = Item(names.AUTOMATION, {"groups": [names.AUTOMATION]}, once={"is_active": True})
    return Section(
        "users",
        "users/users",
        "username",
        (names.SLUG_PREFIX,),
        (item,),
        references={"groups": "groups"},
        includes=("groups",),
        changelog=False,
    )
