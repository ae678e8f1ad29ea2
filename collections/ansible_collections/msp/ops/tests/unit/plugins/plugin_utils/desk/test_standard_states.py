# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What NetBox is told of assets and their standards: only what changed, and nothing better than what was found.

What is wrong with one asset or customer is no other's. NetBox is made, the store real.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.desk import standard_states
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.standards import assigning, catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.compliance import FRESH
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import COMPLIANT, DRIFT, UNKNOWN, ControlRecord
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan_netbox import SLUG, asset, customer
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.register.conftest import MadeNetBox
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.standards import made_standard

DAY = dt.timedelta(days=1)
SERVER: dict[str, Any] = {"msp_standard": {"name": "linux-server"}}
FIRST = "ssh-root-login"


def device(number: int, context: Mapping[str, Any], state: str | None = None, **more: Any) -> dict[str, Any]:
    found = asset(number, context, **more)
    fields = {**found["custom_fields"], names.STANDARD_STATE: state and {"value": state, "label": state}}
    return {**found, "custom_fields": fields}


class OneCustomer(MadeNetBox):
    """A NetBox that knows the customer's devices by its slug, and keeps what is written to it."""

    def answer(self, endpoint: str, query: dict[str, list[str]]) -> dict[str, Any]:
        wanted = {name: values for name, values in query.items() if name != "tenant"}
        if "tenant" in query:
            wanted["tenant_id"] = ["1"]
        return super().answer(endpoint, wanted)

    def keep(self) -> int:
        """What was written is there from now on; how many objects that were."""
        rows = [row for _method, _endpoint, rows in self.written for row in rows]
        for row in rows:
            (have,) = (one for one in self.tables["dcim/devices"] if one["id"] == row["id"])
            have["custom_fields"] = {**have["custom_fields"], **row["custom_fields"]}
        self.written.clear()
        return len(rows)

    def says(self) -> dict[int, str | None]:
        """By device the state that it has, with what was written to it."""
        self.keep()
        found = ((row["id"], row["custom_fields"][names.STANDARD_STATE]) for row in self.tables["dcim/devices"])
        return {number: value["value"] if isinstance(value, dict) else value for number, value in found}


@pytest.fixture
def netbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[OneCustomer]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    controls = made_standard.controls()
    monkeypatch.setattr(catalogue, "catalogue", lambda: controls)
    monkeypatch.setattr(catalogue, "shipped", lambda: made_standard.shipped(controls))
    made = OneCustomer()
    filled(made)
    yield made
    made.stop()


def filled(made: OneCustomer, *devices: Mapping[str, Any]) -> None:
    customer(made, devices or [device(1, SERVER)])
    for endpoint in ("dcim/devices", "virtualization/virtual-machines"):
        made.filters[endpoint] = ["id", "id__lt", "tenant_id", "tenant"]


def checked(store: Store, number: int = 1, age: dt.timedelta = DAY, **statuses: str) -> StandardCheck:
    """A good check of all that a Linux server is held to: compliant, but for what is given ("_" stands for "-")."""
    given = {name.replace("_", "-"): status for name, status in statuses.items()}
    found = assigning.assign(SERVER["msp_standard"], None, today=dt.date(2026, 11, 26))
    records = tuple(
        ControlRecord(one.control.id, one.control.severity, given.get(one.control.id, COMPLIANT), "", "").as_dict()
        for one in found.controls
    )
    assert given.keys() <= {record["control"] for record in records}
    key = (SLUG, f"device:{number}", f"srv{number:02}", store.now() - age, "check", "ok")
    made = StandardCheck(*key, found.standard, found.version, records)
    store.record_standard_checks([made])
    return made


def told(store: Store, netbox: OneCustomer, *slugs: str, check: bool = False) -> standard_states.Told:
    with netbox.connect(retries=0) as register:
        return standard_states.tell(store, register, slugs, check=check)


def test_netbox_is_told_once_and_only_of_what_changed(store: Store, netbox: OneCustomer) -> None:
    filled(netbox, device(1, SERVER), device(2, SERVER, names.COMPLIANT), device(3, SERVER))
    for number in (1, 2):
        checked(store, number)
    checked(store, 3, ssh_root_login=DRIFT)

    first = told(store, netbox, SLUG).as_dict()

    assert (first["changed"], netbox.keep(), netbox.says()) == (
        True,
        2,
        {1: names.COMPLIANT, 2: names.COMPLIANT, 3: names.DRIFT},
    )
    assert first["customers"][SLUG]["standards"]["linux-server"] == {
        "assets": {"compliant": 2, "waived": 0, "unknown": 0, "drift": 1},
        "unknown": {},
        "drift": {"srv03": [FIRST]},
    }
    assert first["summary"] == [f"{SLUG}, standard linux-server: 2 compliant, 0 waived, 0 unknown, 1 drift"]
    assert (told(store, netbox, SLUG).as_dict()["changed"], netbox.keep()) == (False, 0)


def test_in_check_mode_it_says_what_it_would_write_and_writes_nothing(store: Store, netbox: OneCustomer) -> None:
    found = told(store, netbox, check=True)
    assert found.as_dict()["changed"] is True
    assert found.diff() == {"before": {"device:1": None}, "after": {"device:1": names.UNKNOWN}}
    assert netbox.written == []


@pytest.mark.thorough
@pytest.mark.parametrize("case", ["never", "failed", "old", "a control more", "not measured"])
def test_nothing_is_compliant_that_nobody_saw(store: Store, netbox: OneCustomer, case: str) -> None:
    if case == "failed":
        good = checked(store)
        store.record_standard_checks(
            [replace(good, at=good.at + DAY / 2, outcome="unreachable", records=None, error="no route to host")]
        )
    elif case == "old":
        checked(store, age=FRESH + DAY)
    elif case == "a control more":
        good = checked(store, age=2 * DAY)
        store.record_standard_checks([replace(good, at=good.at + DAY, records=(good.records or ())[1:])])
    elif case == "not measured":
        checked(store, ssh_root_login=UNKNOWN)

    found = told(store, netbox, SLUG).as_dict()["customers"][SLUG]["standards"]["linux-server"]

    assert netbox.says() == {1: names.UNKNOWN}
    assert set(found["unknown"]) == {"srv01"} and found["unknown"]["srv01"]


def waiver(expires: dt.date, agreed: dt.date) -> dict[str, Any]:
    return {
        "reason": "the old backup logs in so",
        "owner": "Anna",
        "expires": expires.isoformat(),
        "agreed": {"by": "J. Jansen", "on": agreed.isoformat(), "reference": "mail"},
    }


@pytest.mark.parametrize(("days", "word"), [(1, names.WAIVED), (-2, names.DRIFT)])
def test_a_waiver_holds_until_it_expires(store: Store, netbox: OneCustomer, days: int, word: str) -> None:
    today = store.now().date()
    waivers = {FIRST: waiver(today + days * DAY, today - 90 * DAY)}
    filled(netbox, device(1, {"msp_standard": {"name": "linux-server", "waivers": waivers}}))
    checked(store, ssh_root_login=DRIFT)

    told(store, netbox, SLUG)

    assert netbox.says() == {1: word}


def test_an_assignment_that_cannot_be_read_is_named_with_its_assets_and_keeps_no_other_waiting(
    store: Store, netbox: OneCustomer
) -> None:
    wrong = {"msp_standard": {"name": "no-such-standard"}}
    filled(netbox, device(1, wrong, names.COMPLIANT), device(2, wrong), device(3, SERVER))
    checked(store, 3)

    found = told(store, netbox, SLUG).as_dict()

    assert netbox.says() == {1: names.UNKNOWN, 2: names.UNKNOWN, 3: names.COMPLIANT}
    assert found["failed"] is True
    assert "MSP-STD-060" in found["msg"] and "srv01, srv02" in found["msg"] and "no-such-standard" in found["msg"]
    assert set(found["customers"][SLUG]["wrong"]) == {"srv01", "srv02"}


def test_what_is_held_to_nothing_or_not_contracted_has_no_state(store: Store, netbox: OneCustomer) -> None:
    filled(netbox, device(1, {}, names.COMPLIANT), device(2, SERVER, names.DRIFT, status="excluded"))
    checked(store, 2)

    found = told(store, netbox, SLUG).as_dict()

    assert netbox.says() == {1: None, 2: None}
    assert found["customers"][SLUG]["without_standard"] == ["srv01"]


def test_a_customer_that_is_none_is_named_and_a_netbox_that_is_away_is_asked_no_more(
    store: Store, netbox: OneCustomer
) -> None:
    found = told(store, netbox, "nobody", SLUG)
    assert [error.code for error in found.errors] == ["MSP-REG-009"]
    assert [one.customer for one in found.states] == [SLUG]
    with netbox.connect(retries=0) as register:
        netbox.stop()
        away = standard_states.tell(store, register, [SLUG, SLUG], check=False)
    assert [error.code for error in away.errors] == ["MSP-REG-002"]
