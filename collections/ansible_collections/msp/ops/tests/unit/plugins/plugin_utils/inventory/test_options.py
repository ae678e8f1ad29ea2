# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An option or filter that would be passed over is refused."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.options import (
    RANGES,
    check_fields,
    check_names,
    check_ranges,
    filters_by_kind,
)
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import DEVICE, VIRTUAL_MACHINE


def test_a_misspelt_option_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(MspError, match=r"MSP-INV-001.*costumers \(meant customers\?\)"):
        check_names("msp.yml", ["plugin", "costumers"], ["plugin", "customers", "filters"])


def test_options_that_exist_pass() -> None:
    check_names("msp.yml", ["plugin"], ["plugin", "customers"])


def test_a_custom_field_that_no_asset_has_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(MspError, match=r"MSP-INV-004.*nosuch, owmer \(meant owner\?\)"):
        check_fields(["nosuch", "owner", "owmer"], {"owner", "rack"})


def test_custom_fields_that_exist_pass() -> None:
    check_fields(["owner"], {"owner", "rack"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("slices", number) for number in (0, -3, 65)),
        *(("timeout", number) for number in (0, -1, float("nan"), float("inf"))),
        ("cache_timeout", -1),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(name: str, value: float) -> None:
    with pytest.raises(MspError, match=rf"MSP-INV-005.*{name}.*found {value}"):
        check_ranges({name: value})


@pytest.mark.parametrize("name", RANGES)
def test_both_ends_of_a_range_are_in_it(name: str) -> None:
    least, most, _what = RANGES[name]

    check_ranges({name: least})
    check_ranges({name: most})


def test_each_kind_gets_its_own_filters_on_top_of_the_common_ones() -> None:
    assert filters_by_kind({"status": ["active", "staged"]}, {"rack_id": 3}, {"status": "active"}) == {
        DEVICE: {"status": ["active", "staged"], "rack_id": 3},
        VIRTUAL_MACHINE: {"status": "active"},
    }


@pytest.mark.parametrize("name", ["id", "tenant", "tenant_id", "last_updated__gt"])
def test_a_filter_the_inventory_sets_itself_is_refused(name: str) -> None:
    with pytest.raises(MspError, match=f"MSP-INV-002.*{name}"):
        filters_by_kind({}, {name: 1}, {})
