# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tenants become customers and devices become assets; what can't be read is an error that names the tenant."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import (
    ScopeRule,
    SurchargeRule,
    WarrantySource,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import (
    asset_of,
    assets,
    assets_of,
    contract_of,
    customer_of,
    customers,
)


def tenant(id: int = 1, slug: str = "bakkerij-jansen", **fields: Any) -> dict[str, Any]:
    return {
        "id": id,
        "slug": slug,
        "name": slug.title(),
        "custom_fields": {"msp_contract_id": "C-1", "msp_contract_start": "2026-01-01", **fields},
    }


DEVICE = {
    "id": 12,
    "name": "srv01",
    "serial": "ABC",
    "asset_tag": "A1",
    "tenant": {"id": 1, "slug": "bakkerij-jansen"},
    "site": {"id": 1, "slug": "utrecht"},
    "role": {"id": 1, "slug": "server"},
    "platform": None,
    "device_type": {"id": 1, "model": "R250", "manufacturer": {"id": 1, "name": "Dell"}},
    "primary_ip4": {"id": 1, "address": "192.0.2.10/24"},
    "primary_ip6": {"id": 2, "address": "2001:db8::10/64"},
    "last_updated": "2026-03-01T10:00:00Z",
    "custom_fields": {
        "msp_contract_status": {"value": "contracted", "label": "Contracted"},
        "msp_asset_class": {"value": "server", "label": "Server"},
        "msp_warranty_end": "2027-01-31",
        "msp_warranty_sources": [{"source": "invoice", "warranty_end": "2027-01-31"}],
    },
}


def test_a_contract_is_read_with_its_types() -> None:
    contract = contract_of(
        tenant(
            msp_contract_end="2026-12-31",
            msp_monthly_fee=450.5,
            msp_language={"value": "nl", "label": "Nederlands"},
            msp_scope_rules={"server": {"covered": True, "in_use_days": 30}},
            msp_surcharges={"server": {"out_of_warranty": "25.00"}},
        )
    )

    assert contract is not None
    assert (contract.start, contract.end) == (dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert contract.monthly_fee == Decimal("450.5")
    assert contract.language == "nl"
    assert contract.scope == (ScopeRule("server", True, in_use_days=30),)
    assert contract.surcharges == (SurchargeRule("server", "out_of_warranty", Decimal("25.00")),)


def test_a_tenant_without_a_contract_number_has_no_contract() -> None:
    assert customer_of({"id": 1, "slug": "x", "name": "X", "custom_fields": {}}).contract is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("msp_contract_start", None),
        ("msp_contract_start", "soon"),
        ("msp_contract_end", "31-12-2026"),
        ("msp_monthly_fee", "a lot"),
    ],
)
def test_an_unusable_contract_is_an_error_that_names_tenant_and_field(field: str, value: Any) -> None:
    with pytest.raises(MspError) as caught:
        contract_of(tenant(**{field: value}))

    assert caught.value.code == "MSP-REG-011"
    assert "Bakkerij-Jansen" in caught.value.expected
    assert field in caught.value.expected


def test_a_device_is_read_as_an_asset() -> None:
    asset = asset_of("device", DEVICE, ["192.0.2.10/24", "192.0.2.10/32", "2001:db8::10/64"], ["02:00:00:AA:BB:CC"])

    assert asset.key == "device:12"
    assert (asset.status, asset.asset_class, asset.vendor, asset.model) == ("contracted", "server", "Dell", "R250")
    assert asset.address == "192.0.2.10"
    assert asset.addresses == ("192.0.2.10", "2001:db8::10")
    assert asset.macs == ("02:00:00:aa:bb:cc",)
    assert asset.warranty_sources == (WarrantySource("invoice", None, dt.date(2027, 1, 31)),)


def test_a_device_without_a_name_still_has_one() -> None:
    assert asset_of("device", {**DEVICE, "name": None}).name == "device-12"


def test_an_asset_without_a_status_has_none_and_not_a_guess() -> None:
    assert asset_of("device", {**DEVICE, "custom_fields": {}}).status is None


def test_all_customers_are_the_tenants_with_a_contract_by_slug(made: Any) -> None:
    made.tables["tenancy/tenants"] = [
        tenant(1, "b"),
        tenant(2, "a"),
        {"id": 3, "slug": "own-office", "name": "Own office", "custom_fields": {"msp_contract_id": None}},
    ]

    assert [customer.slug for customer in customers(made.connect())] == ["a", "b"]


def test_a_customer_that_is_not_there_is_an_error_and_not_an_empty_list(made: Any) -> None:
    made.tables["tenancy/tenants"] = [tenant(1, "a")]

    with pytest.raises(MspError) as caught:
        customers(made.connect(), ["a", "b"])

    assert caught.value.code == "MSP-REG-009"
    assert "b" in caught.value.expected


def test_assets_come_with_the_addresses_and_macs_of_their_interfaces(made: Any) -> None:
    made.tables |= {
        "dcim/devices": [DEVICE],
        "virtualization/virtual-machines": [],
        "ipam/ip-addresses": [
            {"id": 1, "address": "192.0.2.10/24", "assigned_object": {"id": 5, "device": {"id": 12}}},
            {"id": 2, "address": "192.0.2.99/24", "assigned_object": None},
        ],
        "dcim/mac-addresses": [
            {"id": 1, "mac_address": "02:00:00:00:00:01", "assigned_object": {"device": {"id": 12}}}
        ],
    }

    (asset,) = assets(made.connect(), "bakkerij-jansen")

    assert (asset.addresses, asset.macs) == (("192.0.2.10",), ("02:00:00:00:00:01",))


class Tables:
    """A register with these tables, which answers filters by id and counts what it is asked."""

    def __init__(self, **tables: list[dict[str, Any]]) -> None:
        self.tables, self.asked = tables, list[str]()

    def rows(self, endpoint: str, *, filters: Any = None, **_options: Any) -> list[dict[str, Any]]:
        self.asked.append(endpoint)
        found = self.tables.get(endpoint.partition("/")[2].replace("-", "_") if "virtual" not in endpoint else "vm", [])
        return [row for row in found if not filters or "id" not in filters or row["id"] in filters["id"]]


def _hangs(id: int, interface: int | None, **value: str) -> dict[str, Any]:
    return {
        "id": id,
        "assigned_object_type": "dcim.interface" if interface else None,
        "assigned_object_id": interface,
        **value,
    }


@pytest.mark.parametrize("everybody", [True, False])
def test_what_hangs_on_an_assets_interfaces_is_its_own_and_nobody_elses(everybody: bool) -> None:
    other = {**DEVICE, "id": 13, "name": "srv02", "primary_ip4": None, "primary_ip6": None}
    register: Any = Tables(
        devices=[DEVICE, other],
        ip_addresses=[
            _hangs(1, 50, address="192.0.2.10/24"),
            _hangs(2, 50, address="2001:db8::10/64"),
            _hangs(3, 51, address="192.0.2.11/24"),
            _hangs(4, 60, address="192.0.2.12/24"),
            _hangs(5, 70, address="192.0.2.13/24"),
            _hangs(6, None, address="192.0.2.14/24"),
        ],
        mac_addresses=[_hangs(1, 50, mac_address="AA:00:00:00:00:01"), _hangs(2, 60, mac_address="AA:00:00:00:00:02")],
        interfaces=[
            {"id": 51, "device": {"id": 12}},
            {"id": 60, "device": {"id": 13}},
            {"id": 70, "device": {"id": 99}},
        ],
    )
    fields: Any = {"device": (), "virtual-machine": ()}

    found = assets_of(register, {1: "bakkerij-jansen"}, everybody=everybody, fields=fields)["bakkerij-jansen"]

    assert [(one.name, one.addresses, one.macs) for one in found] == [
        ("srv01", ("192.0.2.10", "2001:db8::10", "192.0.2.11"), ("aa:00:00:00:00:01",)),
        ("srv02", ("192.0.2.12",), ("aa:00:00:00:00:02",)),
    ]
    assert register.asked.count("dcim/interfaces") == 1


def test_nobodys_assets_are_asked_for_by_nobody() -> None:
    register: Any = Tables()
    assert assets_of(register, {}, everybody=True, fields={}) == {} and register.asked == []
