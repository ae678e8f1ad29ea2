# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which asset in NetBox a row is: serial before asset tag before name, and never a guess."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract.assets import ListedAsset, Row, same
from ansible_collections.msp.ops.plugins.plugin_utils.contract.matching import DEVICES, MACHINES, Known, match
from ansible_collections.msp.ops.plugins.plugin_utils.contract.plan import Existing


def listed(name: str = "srv", place: str = "a.csv, row 2", **said: Any) -> ListedAsset:
    return ListedAsset(Row(place, name, asset_class="server", **said), (), (place,))


def known(id: int, name: str, serial: str = "", tag: str | None = None, endpoint: str = DEVICES) -> Known:
    fields = {"name": name, "serial": serial, "asset_tag": tag}
    return Known(endpoint, Existing(id, fields, labels={"tenant": "Other customer"}))


@pytest.mark.parametrize(
    ("row", "id"),
    [
        (listed("renamed", serial="s1"), 1),
        (listed("renamed", asset_tag="t2"), 2),
        (listed("C"), 3),
        (listed("c", serial="S9"), 3),
        (listed("new", serial="S9", asset_tag="T9"), None),
        (listed("a", serial="S1", asset_tag="T7"), 1),
    ],
)
def test_a_row_is_found_by_serial_then_asset_tag_then_name(row: ListedAsset, id: int | None) -> None:
    own = [known(1, "a", "S1"), known(2, "b", tag="T2"), known(3, "c")]

    [found], errors = match([row], own, [])

    assert errors == []
    assert (found.known.asset.id if found.known else None) == id


@pytest.mark.parametrize(
    "row",
    [
        listed("b", serial="S1"),
        listed("x", serial="S1", asset_tag="T2"),
        listed("a", serial="S2"),
        listed("b", asset_tag="T3"),
        listed("x", serial="S3", asset_tag="T2"),
        listed("a", serial="S1", virtual=True),
        listed("d"),
    ],
)
def test_a_row_that_contradicts_netbox_is_an_error_and_matches_nothing(row: ListedAsset) -> None:
    own = [known(1, "a", "S1"), known(2, "b", "S5", tag="T2"), known(4, "d"), known(5, "D", endpoint=MACHINES)]

    [found], errors = match([row], own, [])

    assert [error.code for error in errors] == ["MSP-CON-022"]
    assert "a.csv, row 2" in errors[0].expected
    assert found.known is None


def test_a_serial_that_another_customer_has_is_a_conflict_naming_it() -> None:
    _found, [error] = match([listed(serial="S1")], [], [known(9, "theirs", "s1")])

    assert error.code == "MSP-CON-021"
    assert "Other customer" in error.found


def test_two_rows_cannot_be_one_asset() -> None:
    rows = [listed("x", serial="S1"), listed("y", "a.csv, row 3", asset_tag="T1")]

    _found, errors = match(rows, [known(1, "a", "S1", "T1")], [])

    assert [error.code for error in errors] == ["MSP-CON-022"]


NAMES, SERIALS, TAGS = (st.sampled_from(["", *letters]) for letters in ("ab", ("S1", "S2"), ("T1", "T2")))


@given(
    st.lists(
        st.builds(lambda name, serial, tag: listed(name or "z", serial=serial, asset_tag=tag), NAMES, SERIALS, TAGS)
    ),
    st.lists(st.tuples(NAMES, SERIALS, TAGS), max_size=4),
)
def test_without_an_error_every_match_is_one_to_one_and_contradicts_nothing(
    rows: list[ListedAsset], assets: list[tuple[str, str, str]]
) -> None:
    own = [known(id, name, serial, tag) for id, (name, serial, tag) in enumerate(assets, 1)]

    found, errors = match(rows, own, [])

    if not errors:
        ids = [item.known.asset.id for item in found if item.known]
        assert len(set(ids)) == len(ids)
        for item in found:
            if item.known and item.listed.row.serial and item.known.asset.text("serial"):
                by_tag = same(item.listed.row.serial) == same(item.known.asset.text("serial"))
                assert by_tag
