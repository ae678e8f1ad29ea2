# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What NetBox should hold: what the files say is set, the rest left alone, agreed statuses never touched.

NetBox is modelled by a dictionary here, so that hypothesis can try many customers; tests/test_onboard.py does the same
against the real one.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import desired as want
from ansible_collections.msp.ops.plugins.plugin_utils.contract import plan as planning
from ansible_collections.msp.ops.plugins.plugin_utils.contract.assets import AssetList, ListedAsset, Row, Skipped
from ansible_collections.msp.ops.plugins.plugin_utils.contract.desired import Current, Desired, desired
from ansible_collections.msp.ops.plugins.plugin_utils.contract.document import Document, Prefix, Site
from ansible_collections.msp.ops.plugins.plugin_utils.contract.matching import DEVICES, MACHINES, Known
from ansible_collections.msp.ops.plugins.plugin_utils.contract.plan import CUSTOM, TAGS, Change, Existing, Ref
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import (
    Contract,
    ScopeRule,
    SurchargeRule,
    WarrantySource,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

SCOPE = (ScopeRule("server", True, hours="24x7"), ScopeRule("private", False))
CONTRACT = Contract("C-1", dt.date(2026, 1, 1), dt.date(2027, 12, 31), Decimal("10.50"), scope=SCOPE)
NETWORK = Prefix(ipaddress.ip_network("192.0.2.0/24"), scan=True, excluded=("192.0.2.1",))
DOCUMENT = Document("cust", "Cust", "Group", CONTRACT, (Site("hq", "HQ", "Street 1", (NETWORK,)),))
PARENTS = {"device": want.INTERFACES, "virtual_machine": want.MACHINE_INTERFACES}


def listed(name: str, *sources: WarrantySource, **said: Any) -> ListedAsset:
    said.setdefault("asset_class", "server")
    return ListedAsset(Row(f"row of {name}", name, **said), sources, (f"row of {name}",))


class Model:
    """A NetBox that keeps what it is told."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[int, Existing]] = {}
        self.last = 0

    def current(self, foreign: Sequence[Known] = ()) -> Current:
        return Current({endpoint: list(rows.values()) for endpoint, rows in self.rows.items()}, foreign)

    def run(self, assets: Sequence[ListedAsset], document: Document = DOCUMENT) -> tuple[list[Change], Desired]:
        """Plan and apply once; returns what was planned."""
        result = desired(document, AssetList(tuple(assets)), self.current())
        found = planning.changes(result.wanted)
        ids = {item.ref: item.existing.id for item in result.wanted if item.existing}
        for stage in planning.stages(found, want.ORDER):
            for change in stage:
                self.carry_out(change, ids)
        return found, result

    def carry_out(self, change: Change, ids: dict[Ref, int]) -> None:
        rows = self.rows.setdefault(change.ref.endpoint, {})
        if change.action == "create":
            self.last += 1
            ids[change.ref] = self.last
        id = ids[change.ref]
        old = rows.get(id, Existing(id, {}))
        fields: dict[str, Any] = {
            name: ids[value] if isinstance(value, Ref) else value for name, value in change.after.items()
        }
        for parent, endpoint in PARENTS.items():
            if change.ref.endpoint == endpoint and parent in fields:
                fields["parent"] = fields[parent]
        custom = fields.pop(CUSTOM, {})
        tags = tuple(fields.pop(TAGS, old.tags))
        rows[id] = Existing(id, {**old.fields, **fields}, {**old.custom, **custom}, tags)

    def asset(self, name: str) -> Existing:
        return next(
            row for rows in (DEVICES, MACHINES) for row in self.rows.get(rows, {}).values() if row.text("name") == name
        )


def dealer(end: dt.date | None, source: str = "dealer") -> WarrantySource:
    return WarrantySource(source, dt.date(2024, 1, 1), end)


def test_a_new_customer_comes_in_whole() -> None:
    netbox = Model()

    netbox.run([listed("srv", serial="S1", asset_tag="T1", address="192.0.2.10", mac="02:00:5e:00:00:01", vendor="V")])

    srv = netbox.asset("srv")
    [address] = netbox.rows[want.ADDRESSES].values()
    [interface] = netbox.rows[want.INTERFACES].values()
    [mac] = netbox.rows[want.MACS].values()
    [tenant] = netbox.rows[want.TENANTS].values()
    [prefix] = netbox.rows[want.PREFIXES].values()
    [vrf] = netbox.rows[want.VRFS].values()
    assert address.fields["address"] == "192.0.2.10/24"
    assert srv.fields["primary_ip4"] == address.id
    assert address.fields["assigned_object_id"] == interface.id
    assert interface.fields["primary_mac_address"] == mac.id
    assert tenant.custom[names.MONTHLY_FEE] == Decimal("10.50")
    assert tenant.tags == (names.TAG_CUSTOMER,)
    assert prefix.custom == {names.SCAN_ALLOWED: True, names.SCAN_EXCLUDE: ["192.0.2.1"]}
    assert prefix.fields["vrf"] == address.fields["vrf"] == vrf.id


@pytest.mark.parametrize(
    ("asset_class", "status"),
    [("server", names.CONTRACTED), ("private", names.EXCLUDED), ("mobile", names.TRACKED)],
)
def test_the_scope_rule_of_its_class_gives_a_new_asset_its_status(asset_class: str, status: str) -> None:
    netbox = Model()

    netbox.run([listed("x", asset_class=asset_class)])

    assert netbox.asset("x").custom[names.CONTRACT_STATUS] == status


@pytest.mark.parametrize("status", names.CONTRACT_STATUSES)
def test_a_status_that_was_agreed_is_never_touched(status: str) -> None:
    netbox = Model()
    netbox.rows[DEVICES] = {50: Existing(50, {"name": "srv"}, {names.CONTRACT_STATUS: status})}

    _changes, result = netbox.run([listed("srv")])

    assert netbox.asset("srv").custom[names.CONTRACT_STATUS] == status
    assert result.statuses == {}


def test_an_asset_that_netbox_knew_without_a_status_gets_one() -> None:
    netbox = Model()
    netbox.rows[DEVICES] = {50: Existing(50, {"name": "srv"}, {names.CONTRACT_STATUS: None})}

    _changes, result = netbox.run([listed("srv")])

    assert netbox.asset("srv").custom[names.CONTRACT_STATUS] == names.CONTRACTED
    assert list(result.statuses.values()) == [names.CONTRACTED]


def test_one_changed_warranty_date_is_one_change_of_one_asset() -> None:
    netbox = Model()
    others = [listed(f"pc{number}", dealer(dt.date(2027, 1, 1))) for number in range(5)]
    netbox.run([*others, listed("srv", dealer(dt.date(2027, 1, 1)))])

    [change], _result = netbox.run([*others, listed("srv", dealer(dt.date(2028, 1, 1)))])

    assert change.ref == Ref(DEVICES, "cust/srv")
    assert set(change.after) == {CUSTOM}
    assert set(change.after[CUSTOM]) == {names.WARRANTY_END, names.WARRANTY_SOURCES}


def test_what_the_list_no_longer_says_stays_and_what_vanished_is_reported() -> None:
    netbox = Model()
    netbox.run([listed("a", dealer(dt.date(2027, 1, 1)), vendor="V", model="M", serial="S"), listed("b")])

    found, result = netbox.run([listed("a")])

    assert found == []
    assert [(item.kind, item.name, item.status) for item in result.vanished] == [
        ("device", "b", names.CONTRACTED),
        ("warranty statement", "a", "dealer: purchased 2024-01-01, warranty until 2027-01-01"),
    ]


VENDOR = WarrantySource("vendor", None, dt.date(2029, 1, 1), Decimal("99.95"))


def test_a_source_whose_row_vanished_is_reported_while_the_asset_is_in_another_list() -> None:
    netbox = Model()
    netbox.run([listed("a", dealer(dt.date(2027, 1, 1)), VENDOR), listed("b", dealer(None))])

    for _again in range(2):
        found, result = netbox.run([listed("a", dealer(dt.date(2027, 1, 1))), listed("b", dealer(None))])

        assert found == []
        [gone] = result.vanished
        assert (gone.kind, gone.id, gone.name) == ("warranty statement", netbox.asset("a").id, "a")
        assert gone.status == "vendor: warranty until 2029-01-01, price 99.95"
    assert netbox.asset("a").custom[names.WARRANTY_END] == "2029-01-01"


def test_a_cell_that_was_emptied_is_reported_and_what_it_said_is_kept() -> None:
    netbox = Model()
    netbox.run([listed("a", dealer(dt.date(2027, 1, 1)))])

    for _again in range(2):
        found, result = netbox.run([listed("a", dealer(None))])

        assert found == []
        assert [(item.name, item.status) for item in result.vanished] == [("a", "dealer: warranty until 2027-01-01")]


def test_what_a_person_took_out_of_netbox_has_not_vanished() -> None:
    netbox = Model()
    netbox.run([listed("a", dealer(dt.date(2027, 1, 1)), VENDOR)])
    custom = netbox.asset("a").custom
    left = [entry for entry in custom[names.WARRANTY_SOURCES] if entry["source"] == "dealer"]
    netbox.rows[DEVICES][netbox.asset("a").id] = Existing(
        netbox.asset("a").id, netbox.asset("a").fields, {**custom, names.WARRANTY_SOURCES: left}
    )

    netbox.run([listed("a", dealer(dt.date(2027, 1, 1)))])
    found, result = netbox.run([listed("a", dealer(dt.date(2027, 1, 1)))])

    assert (found, result.vanished) == ([], [])
    assert netbox.asset("a").custom[names.WARRANTY_END] == "2027-01-01"


def test_a_statement_whose_row_was_skipped_has_not_vanished() -> None:
    netbox = Model()
    netbox.run([listed("a", VENDOR, serial="S1")])
    skipped = (Skipped("row 2", "broken", serial="s1"),)

    result = desired(DOCUMENT, AssetList((listed("a", serial="S1"),), skipped), netbox.current())

    assert result.vanished == []


def test_an_unlisted_or_ended_asset_has_not_vanished_from_a_list_it_was_never_in() -> None:
    statuses = (names.UNLISTED, names.ENDED, None)
    netbox = Model()
    netbox.rows[DEVICES] = {
        id: Existing(id, {"name": f"x{id}"}, {names.CONTRACT_STATUS: status}) for id, status in enumerate(statuses, 50)
    }

    assert netbox.run([])[1].vanished == []


def test_an_asset_whose_row_was_skipped_has_not_vanished() -> None:
    netbox = Model()
    netbox.run([listed("a", serial="S1"), listed("b")])
    skipped = (Skipped("row 2", "broken", serial="s1"), Skipped("row 3", "broken", name="B"))

    result = desired(DOCUMENT, AssetList((), skipped), netbox.current())

    assert result.vanished == []


def test_a_prefix_that_left_the_file_is_reported_while_it_may_still_be_scanned() -> None:
    netbox = Model()
    netbox.run([])
    without = Document("cust", "Cust", "Group", CONTRACT, (Site("hq", "HQ", "Street 1"),))

    _changes, result = netbox.run([], without)

    assert [(item.kind, item.name) for item in result.vanished] == [("prefix", "192.0.2.0/24")]


def test_a_term_that_left_the_file_is_emptied_for_the_file_is_the_contract() -> None:
    netbox = Model()
    netbox.run([])
    open_ended = Contract("C-1", dt.date(2026, 1, 1), None, Decimal("10.50"), scope=SCOPE)

    [change], _result = netbox.run([], Document("cust", "Cust", "Group", open_ended, DOCUMENT.sites))

    assert change.after == {CUSTOM: {names.CONTRACT_END: None}}


def test_a_table_of_surcharges_is_set_and_taken_out_again_with_the_file() -> None:
    netbox = Model()
    rule = SurchargeRule("server", names.FOR_WARRANTY, Decimal("25.00"))
    charged = replace(DOCUMENT, contract=replace(CONTRACT, surcharges=(rule,)))
    netbox.run([], DOCUMENT)

    [set_now], _result = netbox.run([], charged)
    nothing, _result = netbox.run([], charged)
    [taken], _result = netbox.run([], DOCUMENT)

    assert set_now.after == {CUSTOM: {names.SURCHARGES: {"server": {"out_of_warranty": "25.00"}}}}
    assert nothing == []
    assert taken.after == {CUSTOM: {names.SURCHARGES: None}}


def test_dates_that_a_person_typed_in_netbox_become_a_source_of_their_own() -> None:
    netbox = Model()
    netbox.rows[DEVICES] = {50: Existing(50, {"name": "srv"}, {names.WARRANTY_END: "2029-01-01"})}

    for _again in range(2):
        _changes, result = netbox.run([listed("srv", dealer(dt.date(2027, 1, 1)))])
        assert result.vanished == []

    custom = netbox.asset("srv").custom
    assert custom[names.WARRANTY_END] == "2029-01-01"
    assert [entry["source"] for entry in custom[names.WARRANTY_SOURCES]] == ["dealer", "netbox"]


def test_an_interface_and_address_that_are_there_already_are_used() -> None:
    netbox = Model()
    netbox.rows = {
        DEVICES: {50: Existing(50, {"name": "srv", "primary_ip4": 52})},
        want.INTERFACES: {
            51: Existing(51, {"name": "eno1", "parent": 50}),
            53: Existing(53, {"name": "b", "parent": 50}),
        },
        want.ADDRESSES: {
            52: Existing(
                52,
                {"address": "192.0.2.10/25", "assigned_object_type": "dcim.interface", "assigned_object_id": 51},
            )
        },
    }

    netbox.run([listed("srv", address="192.0.2.10")])

    assert set(netbox.rows[want.INTERFACES]) == {51, 53}
    assert set(netbox.rows[want.ADDRESSES]) == {52}
    assert netbox.asset("srv").fields["primary_ip4"] == 52


def test_an_address_that_another_asset_of_the_customer_has_is_an_error() -> None:
    netbox = Model()
    netbox.run([listed("old", address="192.0.2.10")])

    with pytest.raises(MspErrors) as caught:
        netbox.run([listed("old"), listed("new", address="192.0.2.10")])

    assert [error.code for error in caught.value.errors] == ["MSP-CON-024"]


def test_a_site_slug_and_a_name_that_belong_to_others_are_errors() -> None:
    netbox = Model()
    netbox.rows[want.SITES] = {60: Existing(60, {"slug": "cust-hq", "tenant": 99}, labels={"tenant": "Other"})}
    netbox.rows[want.TENANTS] = {61: Existing(61, {"slug": "cust-bv", "name": "CUST"})}

    with pytest.raises(MspErrors) as caught:
        netbox.run([])

    assert [error.code for error in caught.value.errors] == ["MSP-CON-023", "MSP-CON-023"]


def test_a_virtual_machine_needs_no_device_type_and_keeps_no_asset_tag() -> None:
    netbox = Model()

    _changes, result = netbox.run([listed("vm", virtual=True, asset_tag="T1", address="192.0.2.9")])

    assert want.TYPES not in netbox.rows
    assert "device_type" not in netbox.asset("vm").fields
    assert any("T1" in note for note in result.notes)


def test_shared_things_are_found_by_name_or_slug_and_never_changed() -> None:
    netbox = Model()
    netbox.rows[want.MANUFACTURERS] = {70: Existing(70, {"name": "Dell", "slug": "dell-inc"})}
    netbox.rows[want.ROLES] = {71: Existing(71, {"name": "Servers", "slug": "server"})}

    netbox.run([listed("a", vendor="DELL", model="R240")])

    assert set(netbox.rows[want.MANUFACTURERS]) == {70}
    assert set(netbox.rows[want.ROLES]) == {71}
    assert netbox.asset("a").fields["role"] == 71


@pytest.mark.parametrize(
    ("text", "slug"), [("Café Größe", "cafe-groe"), ("株式会社", "682a-5f0f-4f1a-793e"), ("C++", "c")]
)
def test_every_name_has_a_slug(text: str, slug: str) -> None:
    assert want.slug_of(text) == slug


SOME = settings(max_examples=30, deadline=None)
TEXTS = st.sampled_from(["", "Alpha", "beta", "Ünï"])
DAYS = st.one_of(st.none(), st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)))


def _one(number: int) -> st.SearchStrategy[ListedAsset]:
    """An asset that has nothing in common with one of another number."""
    sources = st.lists(st.builds(WarrantySource, st.sampled_from("xyz"), DAYS, DAYS), unique_by=lambda s: s.source)
    said = st.fixed_dictionaries(
        {
            "asset_class": st.sampled_from(names.ASSET_CLASSES),
            "virtual": st.sampled_from([None, True, False]),
            "serial": st.sampled_from(["", f"S{number}"]),
            "asset_tag": st.sampled_from(["", f"T{number}"]),
            **dict.fromkeys(("vendor", "model", "platform", "role"), TEXTS),
            "address": st.sampled_from(
                [None, f"192.0.2.{number + 10}", f"203.0.113.{number}", f"2001:db8::{number + 1}"]
            ),
            "mac": st.sampled_from([None, f"02:00:5e:00:00:0{number}"]),
        }
    )

    def made(sources: list[WarrantySource], said: dict[str, Any]) -> ListedAsset:
        known = (source for source in sources if source.purchase or source.warranty_end)
        return listed(f"asset{number}", *known, **said)

    return st.builds(made, sources, said)


# Made once: hypothesis looks through every strategy that is new to it, which takes longer than to draw from it.
_ASSETS = [_one(number) for number in range(5)]
_HOW_MANY = st.integers(0, len(_ASSETS))


@st.composite
def customers(draw: st.DrawFn) -> list[ListedAsset]:
    """Asset lists without a contradiction in them."""
    return [draw(one) for one in _ASSETS[: draw(_HOW_MANY)]]


@pytest.mark.thorough
@SOME
@given(customers())
def test_a_second_run_changes_nothing(assets: list[ListedAsset]) -> None:
    netbox = Model()
    netbox.run(assets)

    again, result = netbox.run(assets)

    assert again == []
    assert result.vanished == []


@pytest.mark.thorough
@SOME
@given(customers(), st.data())
def test_a_run_that_was_stopped_anywhere_is_completed_by_the_next(
    assets: list[ListedAsset], data: st.DataObject
) -> None:
    whole, stopped = Model(), Model()
    whole.run(assets)
    found = desired(DOCUMENT, AssetList(tuple(assets)), stopped.current())
    stages = planning.stages(planning.changes(found.wanted), want.ORDER)
    ids: dict[Ref, int] = {}
    for stage in stages[: data.draw(st.integers(0, len(stages)))]:
        for change in stage:
            stopped.carry_out(change, ids)

    stopped.run(assets)

    assert stopped.run(assets)[0] == []
    counts = {endpoint: len(rows) for endpoint, rows in whole.rows.items()}
    assert {endpoint: len(rows) for endpoint, rows in stopped.rows.items()} == counts


@pytest.mark.thorough
@SOME
@given(customers(), customers())
def test_a_changed_list_settles_and_touches_no_status(before: list[ListedAsset], after: list[ListedAsset]) -> None:
    netbox = Model()
    netbox.run(before)
    statuses = {asset.row.name: netbox.asset(asset.row.name).custom[names.CONTRACT_STATUS] for asset in before}

    try:
        netbox.run(after)
    except MspErrors as error:
        assert all(one.code.startswith("MSP-CON-02") for one in error.errors)
        return

    assert netbox.run(after)[0] == []
    for name, status in statuses.items():
        assert netbox.asset(name).custom[names.CONTRACT_STATUS] == status
