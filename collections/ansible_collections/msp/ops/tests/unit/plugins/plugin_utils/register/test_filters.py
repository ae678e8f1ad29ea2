# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter is sent only when it is known, and a long question is asked in parts that together are the question."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register import filters
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import FieldFilter


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("dcim/devices", "dcim.device"),
        ("dcim/mac-addresses", "dcim.macaddress"),
        ("dcim/device-types", "dcim.devicetype"),
        ("extras/journal-entries", "extras.journalentry"),
        ("extras/custom-field-choice-sets", "extras.customfieldchoiceset"),
        ("ipam/ip-addresses", "ipam.ipaddress"),
        ("ipam/prefixes", "ipam.prefix"),
        ("users/permissions", "users.objectpermission"),
        ("virtualization/interfaces", "virtualization.vminterface"),
        ("virtualization/virtual-machines", "virtualization.virtualmachine"),
        ("virtualization/clusters", "virtualization.cluster"),
    ],
)
def test_an_endpoint_names_the_object_type_of_permissions(endpoint: str, kind: str) -> None:
    assert filters.object_type(endpoint) == kind


@given(st.lists(st.integers(1, 10**9), unique=True, max_size=2000))
def test_parts_hold_every_value_once_and_are_short(values: list[int]) -> None:
    question = {"device_id": values, "status": ["active"]}

    parts = list(filters.parts(question))

    assert sorted(value for part in parts for value in part["device_id"]) == sorted(values)
    assert all(part["status"] == ["active"] for part in parts)
    assert all(len(part["device_id"]) * len("device_id=1234567890&") <= filters.LONGEST_QUERY * 2 for part in parts)


@pytest.mark.parametrize("name", ["tag", "tag_id", "name__n"])
def test_a_long_list_that_can_not_be_divided_is_refused(name: str) -> None:
    with pytest.raises(MspError) as caught:
        list(filters.parts({name: [f"value-{number}" for number in range(1000)]}))

    assert caught.value.code == "MSP-REG-006"


def test_two_long_lists_are_refused_when_neither_leaves_room() -> None:
    question = {"device_id": list(range(1000)), "tag": [f"tag-{number}" for number in range(1000)]}

    with pytest.raises(MspError):
        list(filters.parts(question))


@pytest.mark.parametrize(
    ("kind", "logic", "lookups"),
    [
        ("boolean", "exact", set()),
        ("date", "exact", {"n", "lt", "lte", "gt", "gte", "empty"}),
        ("json", "exact", None),
        ("text", "loose", set()),
        ("select", "loose", {"n", "ic", "empty"}),
        ("text", "disabled", None),
    ],
)
def test_a_custom_field_has_the_lookups_of_its_type(kind: str, logic: str, lookups: set[str] | None) -> None:
    names = FieldFilter("f", kind, frozenset({"dcim.device"}), logic).names()

    if lookups is None:
        assert names == frozenset()
    else:
        assert "cf_f" in names
        assert {f"cf_f__{lookup}" for lookup in lookups} <= names
        assert lookups or names == {"cf_f"}


def test_the_error_names_near_filters_but_none_of_paging() -> None:
    error = filters.refuse_unknown("dcim/devices", ["limits", "tenent"], {"limit", "tenant"})

    assert "near: tenant" in error.found
    assert "near: limit" not in error.found


@pytest.mark.parametrize("filters_given", [{"limit": 1}, {"ordering": "name"}, {"unheard_of": 1}])
def test_paging_and_unheard_of_names_are_suspicious(filters_given: dict[str, Any]) -> None:
    assert filters.suspicious("dcim/devices", filters_given) == list(filters_given)
