# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is written for a thing that becomes a device: whose address it is, which interface and site; nothing twice."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import devices
from ansible_collections.msp.ops.plugins.plugin_utils.desk.devices import Catalogue, Connected, Prefix, Space
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import DEVICE, VIRTUAL_MACHINE

SPACE = Space(1, (Prefix(ipaddress.ip_network("192.0.2.0/24"), 2, 6),), (4, 6))
MAC = "b8:27:eb:4a:10:9c"
PRIMARY = {"id": 5, "name": "primary", "device": {"id": 7}, "primary_mac_address": None}
HOLDER = {"assigned_object_type": "dcim.interface", "assigned_object_id": 5}
OWNED = {**HOLDER, "assigned_object": {"device": {"id": 7}}}
OTHERS = {
    "assigned_object_type": "dcim.interface",
    "assigned_object_id": 6,
    "assigned_object": {"device": {"id": 8}},
}


class Recorder:
    """A register with these tables, which notes what would be written; NetBox itself is not needed here."""

    def __init__(self, tables: dict[str, list[dict[str, Any]]]) -> None:
        self.tables = tables
        self.written: list[tuple[str, dict[str, Any]]] = []

    def rows(self, endpoint: str, **_options: Any) -> list[dict[str, Any]]:
        return self.tables.get(endpoint, [])

    def create(self, endpoint: str, rows: list[dict[str, Any]], **_options: Any) -> list[dict[str, Any]]:
        self.written += [(endpoint, row) for row in rows]
        return [{"primary_mac_address": None, **row, "id": 90 + place} for place, row in enumerate(rows)]

    def update(self, endpoint: str, rows: list[dict[str, Any]], **_options: Any) -> list[dict[str, Any]]:
        self.written += [(endpoint, row) for row in rows]
        return rows


def address(**changes: Any) -> dict[str, Any]:
    free = {"assigned_object_type": None, "assigned_object_id": None, "assigned_object": None}
    return {"id": 3, "address": "192.0.2.57/24", "vrf": {"id": 2}, "tenant": {"id": 1}, **free, **changes}


def connected(
    wanted: Connected, *held: dict[str, Any], kind: str = DEVICE, tables: Mapping[str, Any] | None = None
) -> tuple[list[tuple[str, dict[str, Any]]], dict[int, dict[str, int]]]:
    recorder: Any = Recorder({"dcim/interfaces": [PRIMARY], "ipam/ip-addresses": list(held), **(tables or {})})
    return recorder.written, devices.connect(recorder, kind, [wanted], SPACE, "why")


@pytest.mark.parametrize(
    "held",
    [
        address(tenant={"id": 8}, **OTHERS),
        address(tenant=None, **OTHERS),
        address(tenant={"id": 8}),
        address(tenant=None),
        address(**{**OTHERS, "assigned_object": {"virtual_machine": {"id": 7}}}),
        address(vrf=None, **OTHERS),
    ],
)
def test_an_address_that_somebody_else_holds_is_left_alone_and_not_made_twice(held: dict[str, Any]) -> None:
    assert connected(Connected(7, address="192.0.2.57"), held) == ([], {})


def test_another_customers_address_in_another_address_space_does_not_matter() -> None:
    written, _primary = connected(Connected(7, address="192.0.2.57"), address(tenant={"id": 8}, vrf={"id": 4}))
    space = {"address": "192.0.2.57/24", "vrf": 2, "tenant": 1}
    assert written == [("ipam/ip-addresses", {**space, **HOLDER, "status": "active"})]


def test_the_customers_own_free_address_is_taken() -> None:
    written, primary = connected(Connected(7, address="192.0.2.57"), address())
    assert written == [("ipam/ip-addresses", {"id": 3, **HOLDER})]
    assert primary == {7: {"primary_ip4": 3}}


def test_an_address_that_was_given_before_a_cut_only_becomes_the_primary_one() -> None:
    assert connected(Connected(7, address="192.0.2.57"), address(**OWNED)) == ([], {7: {"primary_ip4": 3}})


def test_an_address_is_taken_only_from_the_asset_that_gives_it_up() -> None:
    taken, _primary = connected(Connected(7, address="192.0.2.57", take_from=("device", 8)), address(**OTHERS))
    kept, _primary = connected(Connected(7, address="192.0.2.57", take_from=("device", 9)), address(**OTHERS))
    assert (taken, kept) == ([("ipam/ip-addresses", {"id": 3, **HOLDER})], [])


def test_an_address_where_the_asset_is_no_more_becomes_the_one_where_it_is() -> None:
    written, primary = connected(Connected(7, address="192.0.2.57", instead_of=4))
    assert written == [("ipam/ip-addresses", {"id": 4, "address": "192.0.2.57/24", "vrf": 2, "tenant": 1})]
    assert primary == {7: {"primary_ip4": 4}}
    written, primary = connected(Connected(7, address="192.0.2.57", instead_of=4), address())
    assert (written, primary) == ([("ipam/ip-addresses", {"id": 3, **HOLDER})], {7: {"primary_ip4": 3}})


def test_an_interface_that_is_made_with_its_hardware_address_gets_no_second_one() -> None:
    class Since47(Recorder):
        def create(self, endpoint: str, rows: list[dict[str, Any]], **_options: Any) -> list[dict[str, Any]]:
            made = super().create(endpoint, rows)
            return [
                {**row, "primary_mac_address": {"id": 12, "mac_address": row["mac_address"].upper()}} for row in made
            ]

    since: Any = Since47({})
    before: Any = Recorder({})
    for recorder in (since, before):
        devices.connect(recorder, DEVICE, [Connected(7, (MAC,))], SPACE, "why")
    assert [endpoint for endpoint, _row in since.written] == ["dcim/interfaces"]
    assert [endpoint for endpoint, _row in before.written] == [
        "dcim/interfaces",
        "dcim/mac-addresses",
        "dcim/interfaces",
    ]


def test_a_hardware_address_that_is_there_is_not_made_again_and_becomes_the_interfaces_own() -> None:
    held = {"id": 11, "mac_address": MAC.upper(), "assigned_object_id": 5, "assigned_object": {"device": {"id": 7}}}
    written, _primary = connected(Connected(7, (MAC,)), tables={"dcim/mac-addresses": [held]})
    assert written == [("dcim/interfaces", {"id": 5, "primary_mac_address": 11})]


def test_an_interface_that_has_its_hardware_address_keeps_it() -> None:
    interface = {**PRIMARY, "primary_mac_address": {"id": 12}}
    written, _primary = connected(Connected(7, (MAC,)), tables={"dcim/interfaces": [interface]})
    assert written == [("dcim/mac-addresses", {"mac_address": MAC, **HOLDER})]


def test_ours_is_the_interface_named_primary_else_the_first() -> None:
    other = {**PRIMARY, "id": 4, "name": "eth0"}
    for interfaces, chosen in (([other, PRIMARY], 5), ([other, {**other, "id": 9}], 4)):
        written, _primary = connected(Connected(7, (MAC,)), tables={"dcim/interfaces": interfaces})
        assert written[0][1]["assigned_object_id"] == chosen


def test_a_virtual_machine_has_interfaces_of_its_own_kind() -> None:
    tables: dict[str, Any] = {"virtualization/interfaces": []}
    written, _primary = connected(Connected(7, (MAC,)), kind=VIRTUAL_MACHINE, tables=tables)
    assert written[0][0] == "virtualization/interfaces" and written[0][1]["virtual_machine"] == 7
    assert "type" not in written[0][1]
    assert written[1][1]["assigned_object_type"] == "virtualization.vminterface"


def test_a_site_is_that_of_the_prefix_else_the_first_of_the_customer() -> None:
    assert [SPACE.site("192.0.2.57"), SPACE.site("198.51.100.1"), SPACE.site(None)] == [6, 4, 4]
    assert Space(1).site("192.0.2.57") is None


def test_the_catalogue_is_asked_once_for_a_class() -> None:
    recorder: Any = Recorder({})
    catalogue = Catalogue(recorder)
    assert catalogue.of("printer", "why") == catalogue.of("printer", "why")
    assert [endpoint for endpoint, _row in recorder.written] == list(devices.CATALOGUE)
