# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Customers, their contracts and their assets, as NetBox has them. It only reads.

The functions that turn NetBox's rows into records do no I/O, so that the inventory can use them on rows of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, InvalidOperation
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.fields import (
    scope_from_json,
    sources_from_json,
    surcharges_from_json,
)
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import plain
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

DEVICE = "device"
VIRTUAL_MACHINE = "virtual-machine"
ENDPOINTS = {DEVICE: "dcim/devices", VIRTUAL_MACHINE: "virtualization/virtual-machines"}
OBJECT_TYPES = {DEVICE: "dcim.device", VIRTUAL_MACHINE: "virtualization.virtualmachine"}

CUSTOMER_FIELDS = ("name", "slug", "custom_fields")
_COMMON = ("name", "serial", "tenant", "site", "role", "platform", "primary_ip4", "primary_ip6")
ASSET_FIELDS: Mapping[str, tuple[str, ...]] = {
    DEVICE: (*_COMMON, "asset_tag", "device_type", "last_updated", "custom_fields"),
    VIRTUAL_MACHINE: (*_COMMON, "last_updated", "custom_fields"),
}

# What hangs on an asset's interfaces: where it is read, and which field of it.
_HELD = (("ipam/ip-addresses", "address"), ("dcim/mac-addresses", "mac_address"))
# By kind of asset: what an interface calls its owner, where its interfaces are, and what NetBox calls one.
_OWNERS = {DEVICE: "device", VIRTUAL_MACHINE: "virtual_machine"}
_INTERFACES = {
    DEVICE: ("dcim/interfaces", "dcim.interface"),
    VIRTUAL_MACHINE: ("virtualization/interfaces", "virtualization.vminterface"),
}

Row = Mapping[str, Any]


def customers(register: Register, slugs: Sequence[str] | None = None) -> list[Customer]:
    """All tenants with a contract, or the tenants named, ordered by slug. A name that is no tenant is an error."""
    filters = {"slug": list(slugs)} if slugs else None
    rows = register.rows("tenancy/tenants", fields=CUSTOMER_FIELDS, filters=filters)
    found = sorted((customer_of(row) for row in rows), key=lambda customer: customer.slug)
    if not slugs:
        return [customer for customer in found if customer.contract]
    if absent := sorted(set(slugs) - {customer.slug for customer in found}):
        raise MspError(
            "MSP-REG-009",
            f"the customer(s) {', '.join(absent)} in NetBox, visible to this token",
            "no such tenant",
            "check the slug; a new customer comes in with playbooks/onboard.yml",
        )
    return found


def assets(register: Register, customer_slug: str, *, slices: int = 1) -> list[Asset]:
    """All devices and virtual machines of a customer, with every address and MAC address NetBox knows of them."""
    found: list[Asset] = []
    for kind, endpoint in ENDPOINTS.items():
        filters = {"tenant": [customer_slug]}
        rows = register.rows(endpoint, fields=ASSET_FIELDS[kind], filters=filters, slices=slices)
        ids = [row["id"] for row in rows]
        addresses = _by_asset(register, "ipam/ip-addresses", "address", kind, ids)
        macs = _by_asset(register, "dcim/mac-addresses", "mac_address", kind, ids)
        found += [asset_of(kind, row, addresses.get(row["id"], ()), macs.get(row["id"], ())) for row in rows]
    return found


def assets_of(
    register: Register, tenants: Mapping[int, str], *, everybody: bool, fields: Mapping[str, Sequence[str]]
) -> dict[str, list[Asset]]:
    """The same for many customers (tenants: slug by id) in as few requests as there are pages: by slug their assets.

    everybody: they are most of what NetBox holds, so whole tables of addresses are read and sorted out here. The tables
    are read side by side. fields: what to read of the assets, by kind, the primary addresses among it; what is not
    asked for is empty.
    """
    found: dict[str, list[Asset]] = {slug: [] for slug in tenants.values()}
    if not tenants:
        return found
    with ThreadPoolExecutor(max_workers=len(ENDPOINTS) + len(_HELD), thread_name_prefix="netbox") as pool:
        filters = {"tenant_id": list(tenants)}
        reads = {
            kind: pool.submit(register.rows, endpoint, fields=fields[kind], filters=filters)
            for kind, endpoint in ENDPOINTS.items()
        }
        whole = [pool.submit(_hanging, register, one) for one in (_HELD if everybody else ())]
        rows = {kind: read.result() for kind, read in reads.items()}
        tables = [read.result() for read in whole] or [_hanging(register, one, rows) for one in _HELD]
    owners = _owners(register, rows, tables)
    values = [_by_owner(table, name, owners) for table, (_endpoint, name) in zip(tables, _HELD, strict=True)]
    for kind in ENDPOINTS:
        for row in rows[kind]:
            addresses, macs = (held.get((kind, row["id"]), ()) for held in values)
            asset = asset_of(kind, row, addresses, macs)
            found[asset.customer].append(asset)
    return found


def customer_of(row: Row) -> Customer:
    """A tenant's row as a customer."""
    stopped = plain(row.get("custom_fields") or {}).get(names.RUNBOOKS_STOPPED) or ()
    return Customer(row["id"], row["slug"], row["name"], contract_of(row), tuple(map(str, stopped)))


def contract_of(row: Row) -> Contract | None:
    """The contract in a tenant's custom fields; None where there is no contract id."""
    values = plain(row.get("custom_fields") or {})
    identity = values.get(names.CONTRACT_ID)
    if not identity:
        return None
    start = _date(row, values, names.CONTRACT_START)
    if start is None:
        raise _bad(row, names.CONTRACT_START, "nothing")
    return Contract(
        id=str(identity),
        start=start,
        end=_date(row, values, names.CONTRACT_END),
        monthly_fee=_decimal(row, values, names.MONTHLY_FEE),
        included_hours=_decimal(row, values, names.INCLUDED_HOURS),
        hourly_rate=_decimal(row, values, names.HOURLY_RATE),
        currency=values.get(names.CURRENCY) or "EUR",
        language=values.get(names.LANGUAGE) or "en",
        timezone=values.get(names.TIMEZONE) or "UTC",
        report_contact=values.get(names.REPORT_CONTACT) or "",
        report_url=values.get(names.REPORT_URL) or "",
        scope=scope_from_json(values.get(names.SCOPE_RULES)),
        surcharges=surcharges_from_json(values.get(names.SURCHARGES)),
    )


def asset_of(kind: str, row: Row, addresses: Iterable[str] = (), macs: Iterable[str] = ()) -> Asset:
    """A device's or virtual machine's row as an asset."""
    values = plain(row.get("custom_fields") or {})
    machine = row.get("device_type") or {}
    updated = row.get("last_updated")
    return Asset(
        kind=kind,
        id=row["id"],
        name=row.get("name") or f"{kind}-{row['id']}",
        customer=_slug(row, "tenant") or "",
        status=values.get(names.CONTRACT_STATUS),
        asset_class=values.get(names.ASSET_CLASS),
        serial=row.get("serial") or "",
        asset_tag=row.get("asset_tag"),
        site=_slug(row, "site"),
        role=_slug(row, "role"),
        platform=_slug(row, "platform"),
        vendor=(machine.get("manufacturer") or {}).get("name"),
        model=machine.get("model"),
        address=primary_address(row),
        addresses=tuple(dict.fromkeys(bare_address(address) for address in addresses)),
        macs=tuple(dict.fromkeys(mac.lower() for mac in macs)),
        purchase=_date(row, values, names.PURCHASE_DATE),
        warranty_end=_date(row, values, names.WARRANTY_END),
        warranty_sources=sources_from_json(values.get(names.WARRANTY_SOURCES)),
        facts_hash=values.get(names.FACTS_HASH),
        last_updated=dt.datetime.fromisoformat(updated) if updated else None,
        custom_fields=values,
    )


def primary_address(row: Row) -> str | None:
    """The primary address without prefix length, IPv4 first as NetBox prefers it by default."""
    for name in ("primary_ip4", "primary_ip6"):
        if row.get(name):
            return bare_address(row[name]["address"])
    return None


def bare_address(address: str) -> str:
    """An address without its prefix length."""
    return address.partition("/")[0]


def _by_asset(register: Register, endpoint: str, field: str, kind: str, ids: Sequence[int]) -> dict[int, list[str]]:
    """A field of all addresses or MAC addresses on the interfaces of these assets, by the asset's id."""
    if not ids:
        return {}
    owner, key = _OWNERS[kind], f"{_OWNERS[kind]}_id"
    found: dict[int, list[str]] = {}
    for row in register.rows(endpoint, fields=(field, "assigned_object"), filters={key: list(ids)}):
        holder = (row.get("assigned_object") or {}).get(owner) or {}
        if holder.get("id") is not None:
            found.setdefault(holder["id"], []).append(row[field])
    return found


# For thousands of assets NetBox takes long to say on which one an address hangs: 4 ms for each MAC address. It says at
# once on which interface, and an interface's asset is mostly the one whose primary address hangs there too.

_Owner = tuple[str, int]  # kind of asset, id


def _hanging(
    register: Register, held: tuple[str, str], rows: Mapping[str, Sequence[Row]] | None = None
) -> list[dict[str, Any]]:
    """What hangs on interfaces: of everybody, or of these assets (rows by kind)."""
    endpoint, name = held
    fields = (name, "assigned_object_type", "assigned_object_id")
    if rows is None:
        return register.rows(endpoint, fields=fields)
    return [
        row
        for kind, of_kind in rows.items()
        if of_kind
        for row in register.rows(
            endpoint, fields=fields, filters={f"{_OWNERS[kind]}_id": [asset["id"] for asset in of_kind]}
        )
    ]


def _owners(
    register: Register, rows: Mapping[str, Sequence[Row]], tables: Sequence[Sequence[Row]]
) -> dict[tuple[str, int], _Owner]:
    """By interface (its type and id), whose it is."""
    primary = {
        row[family]["id"]: (kind, int(row["id"]))
        for kind, of_kind in rows.items()
        for row in of_kind
        for family in ("primary_ip4", "primary_ip6")
        if row.get(family)
    }
    addresses = tables[0]
    found = {_interface(row): primary[row["id"]] for row in addresses if row["id"] in primary}
    for kind, (endpoint, type_of) in _INTERFACES.items():
        unknown = {
            row["assigned_object_id"]
            for table in tables
            for row in table
            if row["assigned_object_type"] == type_of and _interface(row) not in found
        }
        if unknown:
            owner = _OWNERS[kind]
            for row in register.rows(endpoint, fields=(owner,), filters={"id": sorted(unknown)}):
                found[type_of, row["id"]] = (kind, int(row[owner]["id"]))
    return found


def _by_owner(table: Iterable[Row], name: str, owners: Mapping[tuple[str, int], _Owner]) -> dict[_Owner, list[str]]:
    """A field of what hangs on interfaces, by asset."""
    found: dict[_Owner, list[str]] = {}
    for row in table:
        owner = owners.get(_interface(row))
        if owner is not None:
            found.setdefault(owner, []).append(row[name])
    return found


def _interface(row: Row) -> tuple[str, int]:
    return str(row["assigned_object_type"]), int(row["assigned_object_id"] or 0)


def _slug(row: Row, name: str) -> str | None:
    nested = row.get(name)
    return nested["slug"] if nested else None


def _date(row: Row, values: Mapping[str, Any], name: str) -> dt.date | None:
    value = values.get(name)
    if not value:
        return None
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise _bad(row, name, repr(value)) from None


def _decimal(row: Row, values: Mapping[str, Any], name: str) -> Decimal | None:
    value = values.get(name)
    if value is None:
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise _bad(row, name, repr(value)) from None


def _bad(row: Row, name: str, found: str) -> MspError:
    return MspError(
        "MSP-REG-011",
        f"a usable {name} on {row.get('name') or row['id']}",
        found,
        "correct the custom field in NetBox, or run playbooks/onboard.yml with the contract file",
    )
