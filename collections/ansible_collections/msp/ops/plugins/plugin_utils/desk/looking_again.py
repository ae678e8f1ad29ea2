# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The objects that events are about, read again from NetBox: what an event says of them counts for nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.contract.scope import zone
from ansible_collections.msp.ops.plugins.plugin_utils.contract.status import effective_status
from ansible_collections.msp.ops.plugins.plugin_utils.events.duties import AssetNow
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.names import host_part
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import Row, plain
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import (
    ENDPOINTS,
    OBJECT_TYPES,
    customer_of,
    customers,
)

NOT_THERE = "MSP-REG-009"
FIELDS = ("name", "tenant", "tags", "custom_fields", "config_context")
CONTEXTS = "extras/config-contexts"
KIND_OF = {object_type: kind for kind, object_type in OBJECT_TYPES.items()}


def asset(register: Register, object_type: str, id: int, now: dt.datetime) -> AssetNow | None:
    """An asset by NetBox's type and id; None where it is gone or is nobody's with a contract."""
    kind = KIND_OF[object_type]
    row = _row(register, ENDPOINTS[kind], id, FIELDS)
    if row is None or not row.get("tenant"):
        return None
    return _now(register, kind, row, now)


def called(register: Register, host: str, customer: str, now: dt.datetime) -> tuple[AssetNow | None, str]:
    """The asset that monitoring calls so, of this customer where one is named; or None, and why.

    A host is called by its name in NetBox, or by its name in the inventory: NAME.CUSTOMER.
    """
    if not host:
        return None, "the alert names no host (label msp_host or instance)"
    asked = {host, host.rpartition(".")[0]} - {""}
    found = [
        (kind, row)
        for kind, endpoint in ENDPOINTS.items()
        for row in register.rows(endpoint, fields=FIELDS, filters={"name__ie": sorted(asked)})
        if row.get("tenant") and _is_called(row, host, customer)
    ]
    if not found and (mine := _named_by_the_inventory(register, host, customer)):
        found = [mine]
    if not found:
        whose = f" of {customer}" if customer else ""
        return None, f"no asset{whose} in NetBox is called {host[:100]!r}"
    if len(found) > 1:
        owners = sorted({str(row["tenant"]["slug"]) for _kind, row in found})
        return None, (
            f"{len(found)} assets are called {host[:100]!r} (of {', '.join(owners)}): name the customer in the label "
            "msp_customer, and give each asset its own name"
        )
    return _now(register, *found[0], now), f"the customer of {host[:100]!r} has no contract"


def _named_by_the_inventory(register: Register, host: str, customer: str) -> tuple[str, Row] | None:
    """The asset whose name makes this host's, where the two differ: "till-1.bakery" of "Till 1"."""
    part, _dot, slug = host.lower().rpartition(".")
    if (customer and slug != customer) or slug not in {one.slug for one in customers(register)}:
        return None
    made = [
        (kind, row)
        for kind, endpoint in ENDPOINTS.items()
        for row in register.rows(endpoint, fields=FIELDS, filters={"tenant": [slug]})
        if host_part(row.get("name")) == part
    ]
    return made[0] if len(made) == 1 else None


def _is_called(row: Row, host: str, customer: str) -> bool:
    name, slug = str(row.get("name") or ""), str(row["tenant"]["slug"])
    if customer and slug != customer:
        return False
    return host.lower() in (name.lower(), f"{host_part(name)}.{slug}")


def context(register: Register, id: int) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    """A config context's data (None: it is gone), and the customers whom it may concern."""
    row = _row(register, CONTEXTS, id, ("data", "tenants"))
    everybody = customers(register)
    if row is None:
        return None, _slugs(everybody)
    mine = {tenant["id"] for tenant in row.get("tenants") or ()}
    return row.get("data") or {}, _slugs(one for one in everybody if not mine or one.id in mine)


def _slugs(found: Iterable[Customer]) -> tuple[str, ...]:
    return tuple(sorted(one.slug for one in found))


def _row(register: Register, endpoint: str, id: int, fields: Sequence[str]) -> Row | None:
    try:
        return register.row(endpoint, id, fields)
    except MspError as error:
        if error.code == NOT_THERE:
            return None
        raise


def _now(register: Register, kind: str, row: Row, now: dt.datetime) -> AssetNow | None:
    tenant = _row(register, "tenancy/tenants", row["tenant"]["id"], ("name", "slug", "custom_fields"))
    customer = None if tenant is None else customer_of(tenant)
    if customer is None or customer.contract is None:
        return None
    values = plain(row.get("custom_fields") or {})
    today = now.astimezone(zone(customer.contract.timezone)).date()
    part = host_part(row.get("name")) or f"{kind}-{row['id']}"
    return AssetNow(
        key=f"{kind}:{row['id']}",
        host=f"{part}.{customer.slug}",
        customer=customer.slug,
        status=effective_status(values.get(names.CONTRACT_STATUS), customer.contract, today),
        tags=frozenset(str(tag["slug"]) for tag in row.get("tags") or ()),
        held=bool((row.get("config_context") or {}).get(names.CONTEXT_STANDARD)),
        alike=_alike(register, customer, part, f"{kind}:{row['id']}"),
    )


def _alike(register: Register, customer: Customer, part: str, key: str) -> int:
    """How many other assets of the customer would have the same name in the inventory."""
    return sum(
        (host_part(row.get("name")) or f"{kind}-{row['id']}") == part and f"{kind}:{row['id']}" != key
        for kind, endpoint in ENDPOINTS.items()
        for row in register.rows(endpoint, fields=("name",), filters={"tenant_id": [customer.id]})
    )
