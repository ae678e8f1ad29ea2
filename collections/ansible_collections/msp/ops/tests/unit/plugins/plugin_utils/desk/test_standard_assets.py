# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each asset of a customer is held to, where thousands of them share what NetBox says."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import standard_assets
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Machine, Snapshot

TODAY = dt.date(2026, 11, 26)
CUSTOMER = Customer(1, "acme", "Acme", Contract("A-1", dt.date(2025, 1, 1), None))
FIELDS = {"msp_contract_status": "contracted", "msp_asset_class": "server"}
NOTHING: dict[str, Any] = dict.fromkeys(Machine._fields)


def machine(number: int, local: Mapping[str, Any] | None = None, tenant: int = 1) -> Machine:
    known = {"kind": "device", "id": number, "name": f"srv{number}", "tenant": tenant, "fields": FIELDS}
    return Machine(**{**NOTHING, **known, "local_context": local})


def snapshot(*machines: Machine, shared: Mapping[str, Any] | None = None, **own: Mapping[str, Any]) -> Snapshot:
    """shared is the context of all machines but those that have their own, by their keys with an underscore."""
    made = Snapshot()
    made.add(machines)
    made.contexts.by_key["all"] = shared or {}
    made.contexts.key_of.update({one.key: "all" for one in machines})
    made.contexts.own.update({key.replace("_", ":"): context for key, context in own.items()})
    return made


def tries(most: int) -> dict[str, Any]:
    return {"msp_standard": {"name": "linux-server", "parameters": {"ssh-auth-tries": {"most": most}}}}


def chosen(found: standard_assets.Holdings) -> dict[str, int]:
    return {
        one.asset.name: held.parameters["most"]
        for one in found.held
        for held in one.assigned.controls
        if held.control.id == "ssh-auth-tries"
    }


def test_what_thousands_share_is_read_and_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []

    def dumps(data: Any, **more: Any) -> str:
        written.append(data)
        return json.dumps(data, **more)

    monkeypatch.setattr(standard_assets, "json", SimpleNamespace(dumps=dumps))
    machines = [machine(number, local={"rack": number}) for number in range(1, 2001)]

    found = standard_assets.holdings(snapshot(*machines, shared=tries(3)), CUSTOMER, TODAY)

    assert set(chosen(found).values()) == {3} and len(found.held) == 2000
    assert len(written) == 1
    assert len({id(one.assigned) for one in found.held}) == 1


def test_what_says_the_same_is_the_same_and_what_says_another_thing_is_not() -> None:
    """Contexts that NetBox rendered one by one, and those that local data changes."""
    most = random.Random(7)  # noqa: S311 - no secret
    local = [machine(number, local=tries(most.randint(2, 6))) for number in range(3, 600)]
    machines = [machine(1), machine(2), *local]
    made = snapshot(*machines, shared=tries(6), device_1=tries(4), device_2=tries(4))

    found = standard_assets.holdings(made, CUSTOMER, TODAY)

    wanted = {one.name: one.local_context for one in local}
    assert {name: tries(number) for name, number in chosen(found).items() if name in wanted} == wanted
    first, second = found.held[:2]
    assert first.assigned is second.assigned


def test_the_assets_of_another_customer_are_none_of_its() -> None:
    found = standard_assets.holdings(snapshot(machine(1), machine(2, tenant=2), shared=tries(3)), CUSTOMER, TODAY)

    assert [one.asset.name for one in found.held] == ["srv1"]


def test_one_with_a_patch_plan_need_not_update_by_itself() -> None:
    said = tries(3)
    made = snapshot(machine(1), machine(2), shared=said, device_2={**said, "msp_patch_plan": {"name": "office"}})

    found = standard_assets.holdings(made, CUSTOMER, TODAY)

    policies = {
        one.asset.name: held.parameters["policy"]
        for one in found.held
        for held in one.assigned.controls
        if held.control.id == "updates-automatic"
    }
    assert policies == {"srv1": "security", "srv2": "none"}
