# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What onboarding does without NetBox: find files, read rows, write values. The rest is in tests/test_onboard.py."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.document import RefusedError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.plan import Change, Ref
from ansible_collections.msp.ops.plugins.plugin_utils.register import onboarding

CONTRACT = """\
customer: {slug: c, name: C}
contract: {id: 1, start: 2026-01-01, currency: EUR, language: nl, timezone: Europe/Amsterdam}
sites: [{slug: hq, name: HQ}]
scope: {server: {covered: true}}
assets: [{file: a.csv}, {file: lists/b.csv}]
"""
SITE = Ref("dcim/sites", "c-hq")


def test_a_contract_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MspError, match=r"MSP-CON-001.*contract\.yml.*No such file"):
        onboarding.load(tmp_path / "contract.yml")


def test_every_asset_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "contract.yml").write_text(CONTRACT, encoding="utf-8")

    with pytest.raises(MspErrors) as caught:
        onboarding.load(tmp_path / "contract.yml")

    assert [error.code for error in caught.value.errors] == ["MSP-CON-010", "MSP-CON-010"]
    assert "a.csv" in caught.value.errors[0].expected
    assert "b.csv" in caught.value.errors[1].expected


def test_errors_of_the_contract_file_and_of_all_its_lists_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "contract.yml").write_text(CONTRACT.replace("EUR", "EUX"), encoding="utf-8")
    (tmp_path / "a.csv").write_text("name;class;ip\nsrv;boat;192.0.2.300\n", encoding="utf-8")

    with pytest.raises(RefusedError) as caught:
        onboarding.load(tmp_path / "contract.yml")

    codes = [error.code for error in caught.value.errors]
    assert codes == ["MSP-CON-007", "MSP-CON-010", "MSP-CON-012", "MSP-CON-012"]
    assert caught.value.customer == "c"


def test_asset_lists_are_found_beside_the_contract_file(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "contract.yml").write_text(CONTRACT, encoding="utf-8")
    (tmp_path / "a.csv").write_text("name;class\nsrv;server\n", encoding="utf-8")
    (tmp_path / "lists" / "b.csv").write_text("naam;soort\npc;laptop\n", encoding="utf-8")

    customer, found = onboarding.load(tmp_path / "contract.yml")

    assert customer.contract.id == "1"
    assert [asset.row.name for asset in found.assets] == ["srv", "pc"]


def test_a_row_is_compared_by_ids_values_and_slugs() -> None:
    row = {
        "id": 7,
        "name": "srv",
        "site": {"id": 3, "display": "HQ", "slug": "hq"},
        "status": {"value": "active", "label": "Active"},
        "device": {"id": 5, "name": "srv"},
        "tags": [{"slug": "msp-customer", "id": 1}],
        "custom_fields": {"msp_contract_status": {"value": "contracted", "label": "Contracted"}, "msp_port": None},
    }

    found = onboarding.existing(row)

    assert (found.id, found.fields["site"], found.labels["site"], found.fields["status"]) == (7, 3, "HQ", "active")
    assert found.fields["parent"] == 5
    assert found.tags == ("msp-customer",)
    assert found.custom == {"msp_contract_status": "contracted", "msp_port": None}


def test_a_change_is_written_with_ids_and_tags_as_netbox_takes_them() -> None:
    after = {"site": SITE, "tags": ("a", "b"), "custom_fields": {"fee": Decimal("10.50"), "rules": [SITE, None]}}

    body = onboarding._body(Change(Ref("dcim/devices", "c/srv"), 7, {}, after), {SITE: 3})

    assert body == {
        "id": 7,
        "site": 3,
        "tags": [{"slug": "a"}, {"slug": "b"}],
        "custom_fields": {"fee": 10.5, "rules": [3, None]},
    }


@given(st.decimals(0, 10**9, places=4))
def test_an_amount_survives_the_trip_through_json_exactly(amount: Decimal) -> None:
    written = json.loads(json.dumps(onboarding._written(amount, {})))

    assert Decimal(str(written)) == amount
