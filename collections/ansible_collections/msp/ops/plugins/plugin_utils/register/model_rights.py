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


READ = (
    *(f"core.{kind}" for kind in ("objectchange",)),
    *(f"dcim.{kind}" for kind in ("device", "devicerole", "devicetype", "interface", "location", "macaddress")),
    *(f"dcim.{kind}" for kind in ("manufacturer", "platform", "region", "site", "sitegroup")),
    *(f"extras.{kind}" for kind in ("configcontext", "configcontextprofile", "customfield", "customfieldchoiceset")),
    *(f"extras.{kind}" for kind in ("customlink", "journalentry", "savedfilter", "tableconfig", "tag")),
    *(f"ipam.{kind}" for kind in ("ipaddress", "prefix", "vlan", "vrf")),
    *(f"tenancy.{kind}" for kind in ("contact", "contactassignment", "contactrole", "tenant", "tenantgroup")),
    *(f"virtualization.{kind}" for kind in ("cluster", "clustergroup", "clustertype", "virtualmachine", "vminterface")),
)

# What the automation reads without which a run would be wrong and not only poorer; ./msp doctor looks at these.
NEEDED_TO_READ = ("tenancy/tenants", "dcim/devices", "virtualization/virtual-machines", "extras/custom-fields")
NEEDED_TO_CHANGE = ("dcim/devices", "virtualization/virtual-machines", "tenancy/tenants", "extras/saved-filters")
NEEDED_TO_ADD = ("extras/journal-entries",)


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
        permission("read", "Everything the automation reads", READ, ["view"]),
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
