# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What NetBox's change log means for a snapshot: which machines and tables to read again, or everything.

Pure: no I/O. When it is not certain what a change touches, it says everything.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import (
    DEVICE,
    PLATFORMS,
    ROLES,
    SITES,
    TAGS,
    VIRTUAL_MACHINE,
)

# A change gets its id and its time before its transaction commits, so it may appear late. Longer than the longest
# transaction: NetBox ends web requests after two minutes and background jobs after five, by default.
OVERLAP = dt.timedelta(hours=1)

MACHINES = {"dcim.device": DEVICE, "virtualization.virtualmachine": VIRTUAL_MACHINE}
TABLES = {"dcim.site": SITES, "dcim.devicerole": ROLES, "dcim.platform": PLATFORMS, "extras.tag": TAGS}
ADDRESS = "ipam.ipaddress"

# Moving one of these moves the machines in it without a change record of their own (NetBox's signal handlers).
CARRIERS = {
    "dcim.location": (DEVICE, "location_id"),
    "dcim.rack": (DEVICE, "rack_id"),
    "virtualization.cluster": (VIRTUAL_MACHINE, "cluster_id"),
}

# What a config context may depend on, besides the machines themselves.
CONTEXTUAL = frozenset(
    {
        *TABLES,
        "dcim.region",
        "dcim.sitegroup",
        "dcim.location",
        "dcim.devicetype",
        "tenancy.tenant",
        "tenancy.tenantgroup",
        "virtualization.cluster",
        "virtualization.clustergroup",
        "virtualization.clustertype",
        "extras.configcontext",
    }
)

# Types of NetBox 4.5 to 4.7 whose changes touch nothing that the inventory reads. A type that is not listed anywhere
# here (a plugin's, a future NetBox's) means reading everything; so do custom fields, which change all machines at once.
_HARMLESS = {
    "circuits": "circuit circuitgroup circuitgroupassignment circuittermination circuittype provider provideraccount"
    " providernetwork virtualcircuit virtualcircuittermination virtualcircuittype",
    "core": "datasource",
    "dcim": "cable cablebundle cabletermination consoleport consoleporttemplate consoleserverport"
    " consoleserverporttemplate coolingfeed coolingintake coolingintaketemplate coolingoutflow coolingoutflowtemplate"
    " coolingsource devicebay devicebaytemplate frontport frontporttemplate interface interfacetemplate inventoryitem"
    " inventoryitemrole inventoryitemtemplate macaddress manufacturer module modulebay modulebaytemplate modulebaytype"
    " moduletype moduletypeprofile portmapping porttemplatemapping powerfeed poweroutlet poweroutlettemplate powerpanel"
    " powerport powerporttemplate rackgroup rackreservation rackrole racktype rearport rearporttemplate virtualchassis"
    " virtualdevicecontext",
    "extras": "configcontextprofile configtemplate customlink eventrule exporttemplate imageattachment journalentry"
    " notificationgroup savedfilter tableconfig webhook",
    "ipam": "aggregate asn asnrange fhrpgroup fhrpgroupassignment iprange prefix rir role routetarget service"
    " servicetemplate vlan vlangroup vlantranslationpolicy vlantranslationrule vrf",
    "tenancy": "contact contactassignment contactgroup contactrole",
    "users": "group objectpermission owner ownergroup token user",
    "virtualization": "virtualdisk virtualmachinetype vminterface",
    "vpn": "ikepolicy ikeproposal ipsecpolicy ipsecprofile ipsecproposal l2vpn l2vpntermination tunnel tunnelgroup"
    " tunneltermination",
    "wireless": "wirelesslan wirelesslangroup wirelesslink",
}
HARMLESS = frozenset(f"{app}.{model}" for app, models in _HARMLESS.items() for model in models.split())


class Change(NamedTuple):
    """One row of the change log: what happened to which object. It does not matter in which order."""

    id: int
    time: str
    request: str
    action: str
    type: str
    object: int


@dataclass(frozen=True)
class Cursor:
    """How far the change log was read: its newest row as it was then, and every row seen in the overlap before it.

    id 0 means that the change log was empty.
    """

    id: int = 0
    time: str = ""
    request: str = ""
    seen: frozenset[int] = frozenset()

    def overlap_start(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.time) - OVERLAP


@dataclass
class Plan:
    """What to read again. everything, when set, says why nothing less will do."""

    everything: str = ""
    machines: dict[str, set[int]] = field(default_factory=lambda: {DEVICE: set(), VIRTUAL_MACHINE: set()})
    carried: set[tuple[str, str, int]] = field(default_factory=set)
    addresses: set[int] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)
    contexts: bool = False


def advance(cursor: Cursor, rows: Iterable[Change]) -> Cursor:
    """The cursor after these rows (all there are from the overlap on, and all newer ones)."""
    rows = list(rows)
    if not rows:
        return cursor
    newest = max(rows)
    moved = Cursor(newest.id, newest.time, newest.request) if newest.id > cursor.id else cursor
    start = moved.overlap_start()
    seen = frozenset(row.id for row in rows if dt.datetime.fromisoformat(row.time) >= start)
    return Cursor(moved.id, moved.time, moved.request, seen)


def broken(cursor: Cursor, row: Change | None) -> str:
    """Why the change log does not go on from the cursor; empty when it does."""
    if cursor.id == 0:
        return ""
    if row is None:
        return "the change log no longer has the row read last (cleaned up, or NetBox was restored)"
    if (row.time, row.request) != (cursor.time, cursor.request):
        return "the change log has another row in the place of the one read last (NetBox was restored)"
    return ""


# Filters on a machine's own columns: what they choose changes only when the machine does.
_OWN_FILTERS = re.compile(r"(cf_\w+|(id|name|status|serial|asset_tag|description|created|last_updated)(__\w+)?)")


def own_columns_only(filters: Iterable[str]) -> bool:
    """True when a change to any other object can't change what these filters choose."""
    return all(_OWN_FILTERS.fullmatch(name) for name in filters)


def plan(changes: Iterable[Change], *, filtered: bool) -> Plan:
    """What these changes mean. filtered: the user's filters may choose by other objects than the machine itself."""
    found = Plan()
    for change in changes:
        if change.type in MACHINES:
            found.machines[MACHINES[change.type]].add(change.object)
        elif filtered and change.type != "extras.journalentry":
            found.everything = f"{change.type} changed, and the filters may depend on it"
        elif change.type == ADDRESS:
            found.addresses.add(change.object)
        elif change.type in CONTEXTUAL or change.type in CARRIERS:
            _surroundings(change, found)
        elif change.type not in HARMLESS:
            found.everything = f"{change.type} changed"
    return found


def _surroundings(change: Change, found: Plan) -> None:
    found.contexts = found.contexts or change.type in CONTEXTUAL
    if change.type in TABLES:
        found.tables.add(TABLES[change.type])
    if change.type in CARRIERS and change.action == "delete":
        found.everything = f"{change.type} was deleted"
    elif change.type in CARRIERS and change.action != "create":
        found.carried.add((*CARRIERS[change.type], change.object))
