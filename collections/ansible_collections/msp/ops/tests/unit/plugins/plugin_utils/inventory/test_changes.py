# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""No change is missed, however late it commits; what is not understood means reading everything."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.changes import (
    HARMLESS,
    OVERLAP,
    Change,
    Cursor,
    advance,
    broken,
    own_columns_only,
    plan,
)
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import DEVICE, ROLES, SITES, VIRTUAL_MACHINE

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def change(id: int, type: str = "dcim.device", object: int = 7, action: str = "update", minute: float = 0) -> Change:
    return Change(id, (START + dt.timedelta(minutes=minute)).isoformat(), f"request-{id}", action, type, object)


def test_an_empty_change_log_leaves_the_cursor_at_nothing() -> None:
    assert advance(Cursor(), []) == Cursor()


def test_the_cursor_is_the_newest_row_and_remembers_the_overlap() -> None:
    old = change(1, minute=-OVERLAP.total_seconds() / 60 - 1)

    cursor = advance(Cursor(), [old, change(3), change(2, minute=-1)])

    assert (cursor.id, cursor.request, cursor.seen) == (3, "request-3", frozenset({2, 3}))


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 59)), min_size=1, max_size=20),
    st.integers(1, 5),
)
def test_a_change_that_commits_within_the_overlap_is_seen_exactly_once(
    transactions: list[tuple[int, int]], every: int
) -> None:
    """Each transaction gets its id when it begins (a minute each) and is visible after its delay of under an hour."""
    visible = [
        (start + delay, change(number, minute=start)) for number, (start, delay) in enumerate(sorted(transactions), 1)
    ]
    cursor, seen = Cursor(), []
    for now in range(0, 130, every):
        there = [row for at, row in visible if at <= now]
        # What the reader asks for: everything, or the overlap and whatever is newer than the cursor.
        if cursor.id:
            start = cursor.overlap_start()
            there = [row for row in there if row.id > cursor.id or dt.datetime.fromisoformat(row.time) >= start]
        seen += [row.id for row in there if row.id not in cursor.seen]
        cursor = advance(cursor, there)

    assert sorted(seen) == [row.id for _unused, row in visible]


def test_a_row_that_is_gone_or_another_one_breaks_the_cursor() -> None:
    cursor = advance(Cursor(), [change(9)])

    assert broken(cursor, change(9)) == ""
    assert "restored" in broken(cursor, None)
    assert "restored" in broken(cursor, change(9)._replace(request="another"))
    assert "restored" in broken(cursor, change(9, minute=1)._replace(request="request-9"))
    assert broken(Cursor(), None) == ""


def test_changed_machines_are_read_again_by_kind() -> None:
    found = plan([change(1, object=5), change(2, "virtualization.virtualmachine", 6, "delete")], filtered=False)

    assert found.machines == {DEVICE: {5}, VIRTUAL_MACHINE: {6}}
    assert not found.everything and not found.contexts


def test_an_address_a_table_and_a_carrier_touch_what_points_to_them() -> None:
    rows = [
        change(1, "ipam.ipaddress", 3),
        change(2, "dcim.site", 4),
        change(3, "dcim.devicerole", 5),
        change(4, "dcim.rack", 6),
        change(5, "virtualization.cluster", 8),
    ]

    found = plan(rows, filtered=False)

    assert found.addresses == {3}
    assert found.tables == {SITES, ROLES}
    assert found.carried == {(DEVICE, "rack_id", 6), (VIRTUAL_MACHINE, "cluster_id", 8)}
    assert found.contexts and not found.everything


@pytest.mark.parametrize("type", ["dcim.region", "extras.configcontext", "tenancy.tenantgroup", "dcim.devicetype"])
def test_what_contexts_depend_on_means_resolving_them_again(type: str) -> None:
    found = plan([change(1, type)], filtered=False)

    assert found.contexts and not found.everything


@pytest.mark.thorough
@pytest.mark.parametrize("type", sorted(HARMLESS))
def test_what_is_known_to_be_harmless_means_nothing(type: str) -> None:
    assert plan([change(1, type)], filtered=False) == plan([], filtered=False)


@pytest.mark.parametrize("type", ["extras.customfield", "extras.customfieldchoiceset", "some_plugin.thing", "dcim.new"])
def test_what_is_not_known_means_everything(type: str) -> None:
    assert type in plan([change(1, type)], filtered=False).everything


@pytest.mark.parametrize("type", ["dcim.location", "dcim.rack", "virtualization.cluster"])
def test_a_carrier_that_is_gone_means_everything(type: str) -> None:
    assert plan([change(1, type, action="delete")], filtered=False).everything


def test_filters_on_other_objects_make_any_other_change_mean_everything() -> None:
    assert plan([change(1, "dcim.interface")], filtered=True).everything
    assert not plan([change(1), change(2, "extras.journalentry")], filtered=True).everything


@pytest.mark.parametrize(
    ("filters", "own"),
    [([], True), (["status", "name__isw", "cf_msp_asset_class"], True), (["status", "role"], False), (["tag"], False)],
)
def test_filters_on_own_columns_are_told_from_others(filters: list[str], own: bool) -> None:
    assert own_columns_only(filters) is own


def test_a_clock_that_goes_back_does_not_move_the_cursor_back() -> None:
    cursor = advance(Cursor(), [change(5, minute=10)])

    moved = advance(cursor, [change(5, minute=10), change(6, minute=2)])

    assert moved.id == 6
    assert moved == replace(moved, seen=frozenset({5, 6}))
