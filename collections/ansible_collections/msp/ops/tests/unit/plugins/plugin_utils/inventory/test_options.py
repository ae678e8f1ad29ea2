# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An option or filter that would be passed over is refused."""

from __future__ import annotations

import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.options import check_names, filters_by_kind
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import DEVICE, VIRTUAL_MACHINE


def test_a_misspelt_option_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(MspError, match=r"MSP-INV-001.*costumers \(meant customers\?\)"):
        check_names("msp.yml", ["plugin", "costumers"], ["plugin", "customers", "filters"])


def test_options_that_exist_pass() -> None:
    check_names("msp.yml", ["plugin"], ["plugin", "customers"])


def test_each_kind_gets_its_own_filters_on_top_of_the_common_ones() -> None:
    assert filters_by_kind({"status": ["active", "staged"]}, {"rack_id": 3}, {"status": "active"}) == {
        DEVICE: {"status": ["active", "staged"], "rack_id": 3},
        VIRTUAL_MACHINE: {"status": "active"},
    }


@pytest.mark.parametrize("name", ["id", "tenant", "tenant_id", "last_updated__gt"])
def test_a_filter_the_inventory_sets_itself_is_refused(name: str) -> None:
    with pytest.raises(MspError, match=f"MSP-INV-002.*{name}"):
        filters_by_kind({}, {name: 1}, {})
