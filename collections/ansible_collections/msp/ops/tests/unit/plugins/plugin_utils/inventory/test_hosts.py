# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host gets: groups, connection, and the variable msp, by today's date and without touching any text."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.hosts import Host, Wishes, build
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Contexts, Machine, Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

CONTRACT = Contract("C-1", dt.date(2025, 1, 1), dt.date(2026, 6, 30), language="nl", timezone="Europe/Amsterdam")
CUSTOMER = Customer(1, "bakkerij-jansen", "Bakkerij Jansen", CONTRACT)
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SLUGS = {
    "sites": {1: "breda"},
    "roles": {1: "file-server"},
    "platforms": {1: "debian-12"},
    "tags": {1: "msp-ring-early", 2: "on-loan"},
}


def machine(**values: Any) -> Machine:
    start: dict[str, Any] = {
        **{"kind": "device", "id": 12, "name": "srv01", "serial": "SN1", "tenant": 1, "site": 1, "role": 1},
        **{"platform": 1, "address": "192.0.2.10", "address_ids": (5,), "tags": (1, 2), "updated": ""},
        "fields": {names.CONTRACT_STATUS: "contracted", names.ASSET_CLASS: "server"},
    }
    return Machine(**{**dict.fromkeys(Machine._fields), **start, **values})


def snapshot(*machines: Machine, context: dict[str, Any] | None = None) -> Snapshot:
    found = Snapshot(slugs={name: dict(rows) for name, rows in SLUGS.items()})
    found.add(machines)
    found.contexts = Contexts(by_key={"k": context or {}}, key_of=dict.fromkeys(found.machines, "k"))
    return found


def one(found: Snapshot, *, now: dt.datetime = NOW, customer: Customer = CUSTOMER, **wishes: Any) -> Host:
    (host,) = build(found, [customer], now, Wishes(**wishes)).hosts
    return host


def test_a_host_is_in_a_group_for_each_thing_one_may_ask_for() -> None:
    assert sorted(one(snapshot(machine())).groups) == [
        "class_server",
        "customer_bakkerij_jansen",
        "platform_debian_12",
        "ring_early",
        "role_file_server",
        "site_breda",
        "status_contracted",
        "tag_msp_ring_early",
        "tag_on_loan",
    ]


@pytest.mark.parametrize(
    ("fields", "groups"),
    [
        ({names.CONTRACT_STATUS: "unlisted"}, {"unlisted"}),
        ({names.CONTRACT_STATUS: "contracted", names.DISCOVERY: "missing"}, {"missing"}),
        ({names.CONTRACT_STATUS: "unlisted", names.DISCOVERY: "conflict"}, {"unlisted", "conflict"}),
        ({names.CONTRACT_STATUS: "tracked", names.DISCOVERY: "changed"}, {"changed"}),
        ({names.CONTRACT_STATUS: "contracted", names.DISCOVERY: "{{ nothing of ours }}"}, set()),
        ({}, {"unlisted"}),
    ],
)
def test_what_discovery_found_makes_groups(fields: dict[str, Any], groups: set[str]) -> None:
    found = set(one(snapshot(machine(fields=fields))).groups)

    assert found & {"unlisted", "missing", "conflict", "changed", "seen_today", "{{ nothing of ours }}"} == groups


@pytest.mark.parametrize(
    ("seen", "today"),
    [
        (dt.datetime(2026, 3, 1, 11, tzinfo=dt.UTC), True),
        (dt.datetime(2026, 2, 28, 23, 30, tzinfo=dt.UTC), True),  # half past midnight in Amsterdam
        (dt.datetime(2026, 2, 28, 22, 30, tzinfo=dt.UTC), False),
        (None, False),
    ],
)
def test_seen_today_goes_by_the_customers_calendar(seen: dt.datetime | None, today: bool) -> None:
    last_seen = {("bakkerij-jansen", "device:12"): seen} if seen else {}
    last_seen["somebody-else", "device:12"] = NOW

    assert ("seen_today" in one(snapshot(machine()), last_seen=last_seen).groups) is today


def test_seen_today_is_no_group_where_nobody_asked_the_store() -> None:
    assert "seen_today" not in one(snapshot(machine())).groups


def test_an_asset_that_the_internet_reaches_bears_a_tag_that_its_variable_tells() -> None:
    found = snapshot(machine(tags=(1, 3)))
    found.slugs["tags"][3] = names.TAG_EXPOSED
    host = one(found)
    assert host.variables["msp"]["asset"]["exposed"] is True
    assert "tag_msp_exposed" in host.groups


def test_the_variable_says_whose_it_is_and_what_was_promised() -> None:
    own = {"bakery-server": {"version": "1", "extends": "linux-server"}}
    context = {names.CONTEXT_STANDARD: {"name": "linux"}, names.CONTEXT_STANDARDS: own, "other": 1}
    host = one(snapshot(machine(), context=context))

    assert host.name == "srv01.bakkerij-jansen"
    assert host.variables == {
        "ansible_host": "192.0.2.10",
        "msp": {
            "customer": "bakkerij-jansen",
            "customer_name": "Bakkerij Jansen",
            "language": "nl",
            "timezone": "Europe/Amsterdam",
            "contract": {"id": "C-1", "start": "2025-01-01", "end": "2026-06-30"},
            "runbooks_stopped": [],
            "status": "contracted",
            "asset": {
                **{"key": "device:12", "kind": "device", "id": 12, "name": "srv01", "serial": "SN1", "asset_tag": None},
                **{"class": "server", "site": "breda", "role": "file-server", "platform": "debian-12"},
                **{"warranty_end": None, "facts_hash": None, "discovery": None, "exposed": False},
            },
            "standard": {"name": "linux"},
            "standards_own": own,
            "plan": None,
            "access": None,
        },
    }


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (dt.datetime(2026, 6, 30, 21, 59, tzinfo=dt.UTC), "contracted"),
        (dt.datetime(2026, 6, 30, 22, 1, tzinfo=dt.UTC), "ended"),
    ],
)
def test_a_contract_ends_with_its_last_day_in_the_customers_time_zone(now: dt.datetime, status: str) -> None:
    host = one(snapshot(machine()), now=now)

    assert host.variables["msp"]["status"] == status
    assert f"status_{status}" in host.groups


def test_a_time_zone_nobody_knows_is_warned_about_and_counts_as_utc() -> None:
    customer = replace(CUSTOMER, contract=replace(CONTRACT, timezone="Europe/Nowhere"))

    found = build(snapshot(machine()), [customer], NOW, Wishes())

    assert found.hosts[0].variables["msp"]["status"] == "contracted"
    assert "time zone" in found.warnings[0]


def test_an_asset_nobody_agreed_on_is_unlisted() -> None:
    assert one(snapshot(machine(fields={}))).variables["msp"]["status"] == "unlisted"


def test_a_connection_that_runs_on_the_controller_is_left_out_with_a_warning() -> None:
    fields = {names.CONNECTION: "ansible.builtin.local", names.PORT: 2222}

    found = build(snapshot(machine(fields=fields)), [CUSTOMER], NOW, Wishes())

    assert "ansible_connection" not in found.hosts[0].variables
    assert found.hosts[0].variables["ansible_port"] == 2222
    assert "device:12" in found.warnings[0]


def test_local_context_data_goes_on_top_of_the_shared_rendering() -> None:
    shared = {names.CONTEXT_PATCH_PLAN: {"ring": "early", "window": {"start": "22:00"}}}
    local = {names.CONTEXT_PATCH_PLAN: {"window": {"start": "23:00"}}}

    found = snapshot(machine(local_context=local), machine(id=13, name="srv02"), context=shared)
    hosts = {host.name: host for host in build(found, [CUSTOMER], NOW, Wishes()).hosts}

    assert hosts["srv01.bakkerij-jansen"].variables["msp"]["plan"] == {"ring": "early", "window": {"start": "23:00"}}
    assert hosts["srv02.bakkerij-jansen"].variables["msp"]["plan"] == shared[names.CONTEXT_PATCH_PLAN]


def test_asking_for_fewer_statuses_renames_nobody() -> None:
    machines = [machine(fields={}), machine(id=13)]

    host = one(snapshot(*machines), statuses=("contracted",))

    assert host.name == "srv01-d13.bakkerij-jansen"


def test_the_whole_context_and_other_fields_come_only_when_asked_for() -> None:
    found = snapshot(machine(fields={"rack_note": "left"}), context={"ntp": ["192.0.2.1"]})

    host = one(found, config_context=True, custom_fields=("rack_note", "absent"))

    assert host.variables["config_context"] == {"ntp": ["192.0.2.1"]}
    assert host.variables["msp"]["custom_fields"] == {"rack_note": "left", "absent": None}
    assert "config_context" not in one(found).variables


def test_warranty_ends_with_the_latest_of_the_field_and_all_sources() -> None:
    sources = [{"source": "dealer", "warranty_end": "2027-01-31"}, {"source": "vendor", "warranty_end": "2027-05-31"}]
    fields = {names.WARRANTY_END: "2026-12-31", names.WARRANTY_SOURCES: sources}

    assert one(snapshot(machine(fields=fields))).variables["msp"]["asset"]["warranty_end"] == "2027-05-31"


def test_two_slugs_that_make_one_group_are_warned_about() -> None:
    found = snapshot(machine(tags=(1,)), machine(id=13, name="b", tags=(2,)))
    found.slugs["tags"] = {1: "on-loan", 2: "on_loan"}

    warnings = build(found, [CUSTOMER], NOW, Wishes()).warnings

    assert warnings == ["group tag_on_loan holds hosts of tag on-loan and of tag on_loan"]


@given(st.text())
def test_text_of_netbox_arrives_as_it_is(text: str) -> None:
    host = one(
        snapshot(machine(name=text, serial=text, asset_tag=text), context={names.CONTEXT_STANDARD: {text: text}})
    )

    assert host.variables["msp"]["asset"]["name"] == text
    assert host.variables["msp"]["asset"]["serial"] == text
    assert host.variables["msp"]["standard"] == {text: text}
