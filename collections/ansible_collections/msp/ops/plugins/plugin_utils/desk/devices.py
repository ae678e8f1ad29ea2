# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was seen and is in NetBox not yet: a device of unknown type, with what is known of it. For many at once.

The onboarding uses the same names, so that an asset list completes such a device later. Everything looks first whether
it is there: cut off anywhere and called again, it goes on and makes nothing twice. It deletes nothing.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    """What an asset's network is to hold.

    take_from is the asset (by id) that the address may be taken from. instead_of is the asset's own address object (by
    id) that says where it is no more: an address that NetBox does not know yet takes its place.
    """

    id: int
    macs: tuple[str, ...] = ()
    address: str | None = None
    take_from: tuple[str, int] | None = None
    instead_of: int | None = None


@dataclass
class Catalogue:
    """Roles and device types for things of unknown make, made when first needed; one for a whole run."""

    register: Register
    _known: dict[str, tuple[int, int]] = field(default_factory=dict)
    _maker: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, asset_class: str, why: str) -> tuple[int, int]:
        """The ids of role and device type for a class of assets."""
        with self._lock:
            return self._of(asset_class, why)

    def _of(self, asset_class: str, why: str) -> tuple[int, int]:
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
    register: Register, kind: str, wanted: Iterable[Connected], space: Space, why: str, *, bare: Collection[int] = ()
) -> dict[int, dict[str, int]]:
    """Give assets of one kind their interface, hardware addresses and address, each only where it is not there yet.

    Returns by asset what its primary address has to be; that is left to the caller, who writes the asset itself. An
    address that somebody else holds stays there. bare: assets that are known to have no interface, by id.
    """
    network = _Network(register, kind, why, frozenset(bare))
    network.cards([one for one in wanted if one.macs])
    return network.addresses([one for one in wanted if one.address and _ip(one.address)], space)


def held_by_others(register: Register, wanted: Iterable[tuple[str | None, str]], space: Space) -> frozenset[str]:
    """Of these addresses, each for an asset (None: one that is not made yet), those that connect would leave alone."""
    by_address = {address: asset for asset, address in wanted if _ip(address)}
    found = set()
    for address, rows in _holders(register, by_address).items():
        here = _here(rows, space, address)
        usable = any(_owner(row) == _asset(by_address[address]) or _is_free(row, space) for row in here)
        if here and not usable:
            found.add(address)
    return frozenset(found)


def tags_held(register: Register, tags: Sequence[str], *, but: Collection[int] = ()) -> frozenset[str]:
    """Asset tags, in lower case, that some device but these has, another customer's perhaps: NetBox takes each once."""
    if not tags:
        return frozenset()
    rows = register.rows(DEVICES, fields=("asset_tag",), filters={"asset_tag": list(tags)})
    return frozenset(str(row["asset_tag"]).casefold() for row in rows if row["id"] not in but)


def _holders(register: Register, addresses: Iterable[str]) -> dict[str, list[Row]]:
    """What NetBox has of these addresses, whoever's it is."""
    known: dict[str, list[Row]] = {address: [] for address in addresses}
    fields = ("address", "vrf", "tenant", "assigned_object_type", "assigned_object_id", "assigned_object")
    for row in register.rows(ADDRESSES, fields=fields, filters={"address": list(known)}):
        known.setdefault(bare_address(row["address"]), []).append(row)
    return known


def _here(rows: Iterable[Row], space: Space, address: str) -> list[Row]:
    """Those that are in the way. Whoever's it is: within one VRF NetBox takes an address once."""
    vrf = space.address(ipaddress.ip_address(address))["vrf"]
    return [row for row in rows if _id(row["vrf"]) == vrf or _id(row["tenant"]) == space.tenant]


def _owner(row: Row) -> tuple[str, int] | None:
    """The asset that has an address."""
    holder = row.get("assigned_object") or {}
    for kind, owner in OWNERS.items():
        if holder.get(owner):
            return kind, int(holder[owner]["id"])
    return None


def _asset(key: str | None) -> tuple[str, int]:
    kind, _colon, id = (key or f"{DEVICE}:0").partition(":")
    return kind, int(id)


def _is_free(row: Row, space: Space) -> bool:
    return row["assigned_object_id"] is None and _id(row["tenant"]) == space.tenant


class _Network:
    """The interfaces of some assets of one kind."""

    def __init__(self, register: Register, kind: str, why: str, empty: frozenset[int]) -> None:
        self.register, self.kind, self.why, self.empty = register, kind, why, empty
        self.endpoint, self.owner, self.type = INTERFACES[kind], OWNERS[kind], INTERFACE_TYPES[kind]
        self.interfaces: dict[int, list[Row]] = {}
        self.bare: set[int] = set()  # assets whose interface was just made

    def need(self, wanted: Iterable[Connected]) -> None:
        """Every one of these has an interface, and we know it."""
        todo = [one for one in wanted if one.id not in self.interfaces]
        if not todo:
            return
        self.interfaces |= {one.id: [] for one in todo}
        fields = ("name", self.owner, "primary_mac_address")
        ids = [one.id for one in todo if one.id not in self.empty]
        there = self.register.rows(self.endpoint, fields=fields, filters={f"{self.owner}_id": ids}) if ids else []
        for row in there:
            self.interfaces[row[self.owner]["id"]].append(row)
        lacking = [one for one in todo if not self.interfaces[one.id]]
        self.bare |= {one.id for one in lacking}
        rows = [self._new_interface(one) for one in lacking]
        new = self.register.create(self.endpoint, rows, message=self.why, returns=fields)
        for one, made in zip(lacking, new, strict=True):
            self.interfaces[one.id].append(made)

    def _new_interface(self, one: Connected) -> dict[str, Any]:
        """With its hardware address in one go, which NetBox takes since 4.7; before, it ignores that."""
        row = {self.owner: one.id, "name": INTERFACE_NAME, "description": "As seen on the network"}
        extra = {"type": "other"} if self.kind == DEVICE else {}
        return row | extra | ({"mac_address": one.macs[0]} if one.macs else {})

    def interface(self, id: int) -> Row:
        """Ours by name, else the only one, else the first."""
        own = self.interfaces[id]
        return next((one for one in own if one["name"] == INTERFACE_NAME), own[0])

    def cards(self, todo: Sequence[Connected]) -> None:
        """Every hardware address on the asset, and on an interface without one the first of them as its own."""
        self.need(todo)
        held = {one.id: self._on_new(one.id) for one in todo}
        fields = ("mac_address", "assigned_object_id", "assigned_object")
        if older := [one.id for one in todo if one.id not in self.bare]:
            for row in self.register.rows(MACS, fields=fields, filters={f"{self.owner}_id": older}):
                held[row["assigned_object"][self.owner]["id"]][row["mac_address"].lower()] = row
        new = [(one.id, mac) for one in todo for mac in one.macs if mac not in held[one.id]]
        rows = [{"mac_address": mac, **self._holder(self.interface(id))} for id, mac in new]
        made = self.register.create(MACS, rows, message=self.why, returns=fields)
        for (id, mac), row in zip(new, made, strict=True):
            held[id][mac] = row
        primary = []
        for one in todo:
            interface = self.interface(one.id)
            here = [m["id"] for m in held[one.id].values() if m["assigned_object_id"] == interface["id"]]
            if interface["primary_mac_address"] is None and here:
                primary.append({"id": interface["id"], "primary_mac_address": min(here)})
        self.register.update(self.endpoint, primary, message=self.why)

    def _on_new(self, id: int) -> dict[str, Row]:
        """The hardware address that an interface was made with."""
        interface = self.interface(id)
        primary = interface["primary_mac_address"] if id in self.bare else None
        if not primary:
            return {}
        return {primary["mac_address"].lower(): {"id": primary["id"], "assigned_object_id": interface["id"]}}

    def addresses(self, wanted: Sequence[Connected], space: Space) -> dict[int, dict[str, int]]:
        """Every address on its asset; by asset what its primary one has to be."""
        todo = {str(one.address): one for one in wanted}
        if not todo:
            return {}
        known = _holders(self.register, todo)
        found: dict[str, int] = {}
        assign: list[tuple[int, Connected]] = []
        create: list[Connected] = []
        moved: list[dict[str, Any]] = []
        for address, one in todo.items():
            there = space.address(ipaddress.ip_address(address))
            here = _here(known[address], space, address)
            own = next((row for row in here if _owner(row) == (self.kind, one.id)), None)
            free = next((row for row in here if _may_take(row, one, space)), None)
            if own is not None:
                found[address] = int(own["id"])
            elif free is not None:
                assign.append((int(free["id"]), one))
                found[address] = int(free["id"])
            elif not here and one.instead_of is not None:
                moved.append({"id": one.instead_of, **there})
                found[address] = one.instead_of
            elif not here:
                create.append(one)
        self.need([*(one for _id_of, one in assign), *create])
        changed = [{"id": id, **self._holder(self.interface(one.id))} for id, one in assign]
        self.register.update(ADDRESSES, [*changed, *moved], message=self.why)
        rows = [
            {
                **space.address(ipaddress.ip_address(str(one.address))),
                **self._holder(self.interface(one.id)),
                "status": "active",
            }
            for one in create
        ]
        made = self.register.create(ADDRESSES, rows, message=self.why, returns=("address",))
        for one, row in zip(create, made, strict=True):
            found[str(one.address)] = int(row["id"])
        return {
            todo[address].id: {f"primary_ip{ipaddress.ip_address(address).version}": id}
            for address, id in found.items()
        }

    def _holder(self, interface: Row) -> dict[str, Any]:
        return {"assigned_object_type": self.type, "assigned_object_id": interface["id"]}


def _may_take(row: Row, one: Connected, space: Space) -> bool:
    return _is_free(row, space) or (one.take_from is not None and _owner(row) == one.take_from)


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
