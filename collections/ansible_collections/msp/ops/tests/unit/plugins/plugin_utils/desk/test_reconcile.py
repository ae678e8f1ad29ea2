# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module's arguments and result, and who may approve; the work itself is tested on a real NetBox."""

from __future__ import annotations

import datetime as dt
from typing import Any
from unittest import mock

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import reconcile
from ansible_collections.msp.ops.plugins.plugin_utils.desk.devices import Space
from ansible_collections.msp.ops.plugins.plugin_utils.desk.reconcile import Outcome, Reconciled
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import of_asset
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.findings import findings
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import Plan, Step, stored
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.reconciliation.made import SLUG, asset, known, seen

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
STEP = Step.of("create", "mac:1", None, "till", {"name": "till"}, lines=(("", "new device"),))
PLAN = Plan.of("bakery", NOW, after="", based_on={}, newest={"device": 4}, steps=(STEP,), changes=())


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    sqlite_store.record_plan(stored(PLAN))
    return sqlite_store


def options(**arguments: Any) -> reconcile.Options:
    return reconcile.options_of({"misses": {}, "patience": {}, "require_approval": False, **arguments}, check=False)


@pytest.mark.parametrize(("given", "needed"), [({}, {}), (None, {}), ({"nmap": 5, "mdm": "2"}, {"nmap": 5, "mdm": 2})])
def test_how_many_looks_it_takes_is_a_number_for_each_kind(given: Any, needed: dict[str, int]) -> None:
    assert options(misses=given).needed == needed


@pytest.mark.parametrize("value", [0, -1, "often", 1.5, None, True])
def test_what_is_no_number_of_looks_is_refused(value: Any) -> None:
    with pytest.raises(MspError) as refused:
        options(misses={"nmap": value})
    assert refused.value.code == "MSP-REC-008"


def test_how_long_nobody_must_have_seen_it_is_in_days_by_class() -> None:
    assert options(patience={"workstation": 14, "server": "1"}).patience == {
        "workstation": dt.timedelta(days=14),
        "server": dt.timedelta(days=1),
    }


@pytest.mark.parametrize("patience", [{"laptop": 3}, {"server": -1}, {"server": "a week"}, {"server": 1.5}])
def test_what_is_no_number_of_days_of_a_class_is_refused(patience: Any) -> None:
    with pytest.raises(MspError, match="MSP-REC-013"):
        options(patience=patience)


def test_an_address_that_another_customer_has_is_asked_for_once_and_planned_never() -> None:
    held = {"id": 7, "address": "192.0.2.30/24", "vrf": None, "tenant": {"id": 2}}
    owner = {
        "assigned_object_type": "dcim.interface",
        "assigned_object_id": 5,
        "assigned_object": {"device": {"id": 8}},
    }
    register: Any = mock.Mock(clock_skew=0)
    register.rows.return_value = [{**held, **owner}]
    one = known([asset(1)], [seen(1, addresses=["192.0.2.30"])])
    customer: Any = mock.Mock(slug=SLUG)
    run = reconcile._Reconciliation(register, mock.Mock(), options(), NOW)
    on_record = {"device:1": of_asset(asset(1))}
    who: Any = mock.Mock(on_record=on_record)
    gathered = reconcile.Gathered(customer, who, one, Space(1), (), (), ())
    assert run._plan(gathered, findings(one, NOW), Earlier()).steps == ()
    assert [call.args[0] for call in register.rows.call_args_list] == ["ipam/ip-addresses"]


@pytest.mark.parametrize(("by", "reason"), [("", "as agreed"), ("A. de Vries", " ")])
def test_nobody_approves_without_name_and_reason(store: Store, by: str, reason: str) -> None:
    with pytest.raises(MspError) as refused:
        reconcile.approve(store, PLAN.id, by=by, reason=reason)
    assert refused.value.code == "MSP-REC-005"


def test_a_plan_that_the_store_does_not_have_cannot_be_approved(store: Store) -> None:
    with pytest.raises(MspError) as refused:
        reconcile.approve(store, "another", by="A. de Vries", reason="as agreed")
    assert refused.value.code == "MSP-REC-006"


def test_the_first_to_approve_stays_and_check_mode_approves_nothing(store: Store) -> None:
    first = {"plan": PLAN.id, "approved_by": "A. de Vries", "reason": "as agreed"}
    preview = reconcile.approved(store, first, check=True)
    assert preview["changed"] and store.plan(PLAN.id).approved_by is None  # type: ignore[union-attr]
    done = reconcile.approved(store, first, check=False)
    again = reconcile.approved(store, first | {"approved_by": "another"}, check=False)
    assert (done["changed"], again["changed"], again["approved_by"]) == (True, False, "A. de Vries")


def test_a_run_that_did_nothing_has_changed_nothing_and_a_preview_with_a_plan_would() -> None:
    still, planned = Reconciled("bakery"), Reconciled("bakery", plan=PLAN)
    assert Outcome((still,), 9, 0, False).as_dict()["changed"] is False
    assert Outcome((planned,), 9, 0, True).as_dict()["changed"] is True
    assert Outcome((planned,), 9, 0, True).diff() == {"before": "# bakery\n", "after": "# bakery\ntill: new device\n"}
