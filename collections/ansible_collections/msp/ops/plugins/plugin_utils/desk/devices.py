# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was seen and is in NetBox not yet: a device of unknown type, with what is known of it. For many at once.

The onboarding uses the same names, so that an asset list completes such a device later. Everything looks first whether
it is there: cut off anywhere and called again, it goes on and makes nothing twice. It deletes nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.desired import INTERFACE_NAME, ROLE_NAMES, UNKNOWN
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import DEVICE, VIRTUAL_MACHINE, bare_address

DEVICES = "dcim/devices"
MACS = "dcim/mac-addresses"
ADDRESSES = "ipam/ip-addresses"
PREFIXES = "ipam/prefixes"
SITES = "dcim/sites"
MANUFACTURERS, DEVICE_TYPES, ROLES = CATALOGUE = ("dcim/manufacturers", "dcim/device-types", "dcim/device-roles")
# By kind of asset: where its interfaces are, what an interface calls its owner, and what NetBox calls an interface.
INTERFACES = {DEVICE: "dcim/interfaces", VIRTUAL_MACHINE: "virtualization/interfaces"}
OWNERS = {DEVICE: "device", VIRTUAL_MACHINE: "virtual_machine"}
INTERFACE_TYPES = {DEVICE: "dcim.interface", VIRTUAL_MACHINE: "virtualization.vminterface"}

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prefix:
    """A customer's prefix: its VRF, and the site it belongs to."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    vrf: int | None
    site: int | None


@dataclass(frozen=True, slots=True)
class Space:
    """A customer's address space and sites, as NetBox has them."""

    tenant: int
    prefixes: tuple[Prefix, ...] = ()
    sites: tuple[int, ...] = ()

    def around(self, ip: Ip) -> Prefix | None:
        """The customer's narrowest prefix around an address."""
        inside = [one for one in self.prefixes if one.network.version == ip.version and ip in one.network]
        return max(inside, key=lambda one: one.network.prefixlen, default=None)

    def address(self, ip: Ip) -> dict[str, Any]:
        """Address, length and VRF as that prefix has them; else the address alone."""
        prefix = self.around(ip)
        length = prefix.network.prefixlen if prefix else ip.max_prefixlen
        return {"address": f"{ip}/{length}", "vrf": prefix.vrf if prefix else None, "tenant": self.tenant}

    def site(self, address: str | None) -> int | None:
        """The site of the prefix that an address is in, else the customer's first: a sighting says no more."""
        ip = _ip(address or "")
        prefix = self.around(ip) if ip else None
        if prefix is not None and prefix.site in self.sites:
            return prefix.site
        return self.sites[0] if self.sites else None


@dataclass(frozen=True, slots=True)
class Connected:
    """What an asset's network is to hold. take_from is the asset (by id) that the address may be taken from."""

    id: int
    macs: tuple[str, ...] = ()
    address: str | None = None
    take_from: tuple[str, int] | None = None


@dataclass
class Catalogue:
    """Roles and device types for things of unknown make, made when first needed; one for a whole run."""

    register: Register
    _known: dict[str, tuple[int, int]] = field(default_factory=dict)
    _maker: int | None = None

    def of(self, asset_class: str, why: str) -> tuple[int, int]:
        """The ids of role and device type for a class of assets."""
        if asset_class not in self._known:
            if self._maker is None:
                self._maker = self._one(MANUFACTURERS, {"slug": _slug(UNKNOWN)}, _named(UNKNOWN), why)
            model = f"{UNKNOWN} {asset_class}"
            made = {"manufacturer": self._maker, "model": model, "slug": _slug(f"{UNKNOWN} {model}")}
            held = {"slug": made["slug"], "manufacturer_id": self._maker}
            device_type = self._one(DEVICE_TYPES, held, made, why)
            role_name = ROLE_NAMES[asset_class]
            role = self._one(ROLES, {"slug": _slug(role_name)}, {**_named(role_name), "color": "9e9e9e"}, why)
            self._known[asset_class] = (role, device_type)
        return self._known[asset_class]

    def _one(self, endpoint: str, filters: Row, body: Row, why: str) -> int:
        found = self.register.rows(endpoint, fields=("display",), filters=filters)
        return int((found or self.register.create(endpoint, [body], message=why))[0]["id"])


def spaces(register: Register, tenants: Sequence[int], *, sites: bool = False) -> dict[int, Space]:
    """The address space of each tenant; the sites only where asked for."""
    found: dict[int, list[Prefix]] = {tenant: [] for tenant in tenants}
    fields = ("prefix", "vrf", "tenant", "scope_type", "scope_id")
    for row in register.rows(PREFIXES, fields=fields, filters={"tenant_id": list(tenants)}):
        site = row["scope_id"] if row["scope_type"] == "dcim.site" else None
        network = ipaddress.ip_network(row["prefix"], strict=False)
        found[row["tenant"]["id"]].append(Prefix(network, row["vrf"]["id"] if row["vrf"] else None, site))
    standing = sites_of(register, tenants) if sites else {}
    return {tenant: Space(tenant, tuple(prefixes), standing.get(tenant, ())) for tenant, prefixes in found.items()}


def sites_of(register: Register, tenants: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """The sites of each tenant, the first made first."""
    found: dict[int, tuple[int, ...]] = {}
    for row in register.rows(SITES, fields=("tenant",), filters={"tenant_id": list(tenants)}):
        found[row["tenant"]["id"]] = (*found.get(row["tenant"]["id"], ()), int(row["id"]))
    return found


def body(
    space: Space,
    site: int,
    kinds: tuple[int, int],
    *,
    name: str,
    status: str,
    asset_class: str,
    serial: str = "",
    **more: Any,
) -> dict[str, Any]:
    """A new device. more: further fields of it; those of custom_fields are added to ours."""
    custom = {names.CONTRACT_STATUS: status, names.ASSET_CLASS: asset_class, **more.pop("custom_fields", {})}
    return {
        "name": name,
        "tenant": space.tenant,
        "site": site,
        "role": kinds[0],
        "device_type": kinds[1],
        "status": "active",
        "serial": serial[:50],
        "custom_fields": custom,
        **more,
    }


def connect(
    register: Register, kind: str, wanted: Iterable[Connected], space: Space, why: str
) -> dict[int, dict[str, int]]:
    """Give assets of one kind their interface, hardware addresses and address, each only where it is not there yet.

    Returns by asset what its primary address has to be; that is left to the caller, who writes the asset itself. An
    address that somebody else holds stays there.
    """
    todo = [one for one in wanted if one.macs or one.address]
    if not todo:
        return {}
    network = _Network(register, kind, todo, why)
    network.cards()
    return network.addresses(space)


class _Network:
    """The interfaces of some assets of one kind."""

    def __init__(self, register: Register, kind: str, todo: Sequence[Connected], why: str) -> None:
        self.register, self.kind, self.todo, self.why = register, kind, todo, why
        self.endpoint, self.owner, self.type = INTERFACES[kind], OWNERS[kind], INTERFACE_TYPES[kind]
        self.interfaces: dict[int, list[Row]] = {one.id: [] for one in todo}
        fields = ("name", self.owner, "primary_mac_address")
        for row in register.rows(self.endpoint, fields=fields, filters={f"{self.owner}_id": list(self.interfaces)}):
            self.interfaces[row[self.owner]["id"]].append(row)
        lacking = [one.id for one in todo if not self.interfaces[one.id]]
        if lacking:
            extra = {"type": "other"} if kind == DEVICE else {}
            rows = [
                {self.owner: id, "name": INTERFACE_NAME, "description": "As seen on the network", **extra}
                for id in lacking
            ]
            for id, made in zip(lacking, register.create(self.endpoint, rows, message=why), strict=True):
                self.interfaces[id].append(made)

    def interface(self, id: int) -> Row:
        """Ours by name, else the only one, else the first."""
        own = self.interfaces[id]
        return next((one for one in own if one["name"] == INTERFACE_NAME), own[0])

    def cards(self) -> None:
        """Every hardware address on the asset, and on an interface without one the first of them as its own."""
        todo = [one for one in self.todo if one.macs]
        if not todo:
            return
        held: dict[int, dict[str, Row]] = {one.id: {} for one in todo}
        fields = ("mac_address", "assigned_object_id", "assigned_object")
        for row in self.register.rows(MACS, fields=fields, filters={f"{self.owner}_id": [one.id for one in todo]}):
            held[row["assigned_object"][self.owner]["id"]][row["mac_address"].lower()] = row
        new = [(one.id, mac) for one in todo for mac in one.macs if mac not in held[one.id]]
        rows = [{"mac_address": mac, **self._holder(self.interface(id))} for id, mac in new]
        for (id, mac), made in zip(new, self.register.create(MACS, rows, message=self.why), strict=True):
            held[id][mac] = made
        primary = []
        for one in todo:
            interface = self.interface(one.id)
            here = [m["id"] for m in held[one.id].values() if m["assigned_object_id"] == interface["id"]]
            if interface["primary_mac_address"] is None and here:
                primary.append({"id": interface["id"], "primary_mac_address": min(here)})
        self.register.update(self.endpoint, primary, message=self.why)

    def addresses(self, space: Space) -> dict[int, dict[str, int]]:
        """Every address on its asset."""
        todo = {one.address: one for one in self.todo if one.address and _ip(one.address)}
        if not todo:
            return {}
        fields = ("address", "vrf", "tenant", "assigned_object_type", "assigned_object_id", "assigned_object")
        known: dict[str, list[Row]] = {address: [] for address in todo}
        for row in self.register.rows(ADDRESSES, fields=fields, filters={"address": list(todo)}):
            known.setdefault(bare_address(row["address"]), []).append(row)
        found: dict[str, Row] = {}
        assign, create = [], []
        for address, one in todo.items():
            wanted = space.address(ipaddress.ip_address(address))
            holder = self._holder(self.interface(one.id))
            # Whoever's it is: within one VRF NetBox takes an address once.
            here = [r for r in known[address] if _id(r["vrf"]) == wanted["vrf"] or _id(r["tenant"]) == space.tenant]
            own = next((row for row in here if self._owner(row) == (self.kind, one.id)), None)
            free = next((row for row in here if self._may_take(row, one, space)), None)
            if own is not None:
                found[address] = own
            elif free is not None:
                assign.append({"id": free["id"], **holder})
                found[address] = free
            elif not here:
                create.append({**wanted, **holder, "status": "active"})
        self.register.update(ADDRESSES, assign, message=self.why)
        for made in self.register.create(ADDRESSES, create, message=self.why):
            found[bare_address(made["address"])] = made
        return {
            todo[address].id: {f"primary_ip{ipaddress.ip_address(address).version}": int(row["id"])}
            for address, row in found.items()
        }

    def _holder(self, interface: Row) -> dict[str, Any]:
        return {"assigned_object_type": self.type, "assigned_object_id": interface["id"]}

    def _owner(self, row: Row) -> tuple[str, int] | None:
        """The asset that has an address."""
        holder = row.get("assigned_object") or {}
        for kind, owner in OWNERS.items():
            if holder.get(owner):
                return kind, int(holder[owner]["id"])
        return None

    def _may_take(self, row: Row, one: Connected, space: Space) -> bool:
        if row["assigned_object_id"] is None:
            return _id(row["tenant"]) == space.tenant
        return one.take_from is not None and self._owner(row) == one.take_from


def _ip(text: str) -> Ip | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _id(related: Row | None) -> int | None:
    return int(related["id"]) if related else None


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "slug": _slug(name)}


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")
