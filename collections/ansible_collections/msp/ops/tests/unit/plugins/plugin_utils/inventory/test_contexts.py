# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Machines that share a key have the same contexts, by NetBox's rule and by any rule it had before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.contexts import (
    DIMENSIONS,
    Keys,
    Scope,
    Surroundings,
    deepmerge,
    group,
    lineage,
    scope_of,
)
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import DEVICE, VIRTUAL_MACHINE, Machine

# 1 is the root of 2 and 3, 2 of 4; 5 stands alone.
PARENTS = {1: None, 2: 1, 3: 1, 4: 2, 5: None}
IDS = st.sampled_from([None, *PARENTS])
SLUGS = {1: "a", 2: "b", 3: "c"}


def machine(kind: str = DEVICE, id: int = 1, **values: Any) -> Machine:
    nothing: dict[str, Any] = dict.fromkeys(Machine._fields)
    start = {"kind": kind, "id": id, "tenant": 1, "address_ids": (), "tags": (), "fields": {}}
    return Machine(**{**nothing, **start, **values})


def context(number: int, **relations: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"id": number, "is_active": True, "data": {"list": [1]}, "tags": relations.pop("tags", [])}
    return {**row, **{name: [{"id": id} for id in ids] for name, ids in relations.items()}}


def test_inactive_contexts_name_nothing() -> None:
    rows = [context(1, roles=[1]), {**context(2, sites=[7]), "is_active": False}]

    assert scope_of(rows) == Scope([{"roles": frozenset({1})}], [frozenset()])


def test_tags_are_named_by_slug_as_netbox_gives_them() -> None:
    assert scope_of([context(1, tags=["a", "b"])]).tags == [frozenset({"a", "b"})]


def test_a_relation_nobody_knows_makes_sharing_unsure() -> None:
    assert scope_of([context(1, racks=[4])]).unsure
    assert not scope_of([context(1, racks=[])]).unsure


def test_only_fields_that_contexts_depend_on_are_asked_for() -> None:
    assert scope_of([context(1, roles=[1])]).optional_fields() == ()
    assert scope_of([context(1, locations=[1], cluster_types=[1])]).optional_fields() == ("cluster", "location")


@pytest.mark.parametrize(("start", "line"), [(4, [4, 2, 1]), (5, [5]), (None, []), (9, [9])])
def test_a_lineage_ends_at_the_root(start: int | None, line: list[int]) -> None:
    assert lineage(start, PARENTS) == line


def test_a_loop_in_a_tree_does_not_hang() -> None:
    assert lineage(1, {1: 2, 2: 1}) == [1, 2]


def test_what_no_context_names_does_not_split_machines() -> None:
    keys = Keys(scope_of([context(1, roles=[1])]), Surroundings(parents={"roles": PARENTS}), SLUGS)
    machines = [machine(id=n, role=role, site=n, platform=n) for n, role in enumerate([2, 3, 2], 1)]

    assert len({keys.of(one) for one in machines}) == 1


def test_machines_with_local_data_are_kept_apart_from_those_that_may_stand_for_others() -> None:
    keys = Keys(scope_of([]), Surroundings(), {})
    groups = group([machine(id=1), machine(id=2, local_context={"a": 1}), machine(id=3, local_context={})], keys)

    assert [[one.id for one in found] for found in groups.plain.values()] == [[1, 3]]
    assert [[one.id for one in found] for found in groups.local.values()] == [[2]]


# A model of how NetBox chooses contexts, with the trees that go by ancestors as a parameter.


def chosen(rows: list[dict[str, Any]], one: Machine, around: Surroundings, by_ancestors: set[str]) -> list[int]:
    site, cluster = one.site or 0, one.cluster or 0
    values = {
        "regions": around.region_of_site.get(site),
        "site_groups": around.group_of_site.get(site),
        "sites": one.site,
        "locations": one.location,
        "device_types": one.device_type,
        "roles": one.role,
        "platforms": one.platform,
        "cluster_types": around.type_of_cluster.get(cluster),
        "cluster_groups": around.group_of_cluster.get(cluster),
        "clusters": one.cluster,
        "tenant_groups": around.group_of_tenant.get(one.tenant),
        "tenants": one.tenant,
    }

    def applies(row: dict[str, Any]) -> bool:
        for name, value in values.items():
            named = {item["id"] for item in row.get(name, [])}
            line = set(lineage(value, PARENTS)) if name in by_ancestors else {value} - {None}
            if named and not named & line:
                return False
        return not row["tags"] or bool(set(row["tags"]) & {SLUGS[tag] for tag in one.tags})

    return [row["id"] for row in rows if row["is_active"] and applies(row)]


TREES = sorted(name for name, endpoint in DIMENSIONS.items() if endpoint)
RELATIONS = st.dictionaries(st.sampled_from(sorted(DIMENSIONS)), st.sets(st.sampled_from(list(PARENTS)), max_size=2))
CONTEXTS = st.lists(st.tuples(RELATIONS, st.sets(st.sampled_from("abc"), max_size=2), st.booleans()), max_size=5)
MACHINES = st.lists(
    st.builds(
        lambda kind, tags, tenant, **values: machine(kind, tenant=tenant, tags=tuple(tags), **values),
        kind=st.sampled_from([DEVICE, VIRTUAL_MACHINE]),
        tags=st.sets(st.sampled_from([1, 2, 3])),
        tenant=st.sampled_from(list(PARENTS)),
        **dict.fromkeys(("site", "role", "platform", "device_type", "location", "cluster"), IDS),
    ),
    min_size=2,
    max_size=8,
)


@settings(deadline=None)
@given(CONTEXTS, MACHINES, st.sets(st.sampled_from(TREES)), st.lists(IDS, min_size=25, max_size=25))
def test_one_key_means_the_same_contexts_whichever_trees_netbox_follows(
    wanted: list[tuple[dict[str, set[int]], set[str], bool]],
    machines: list[Machine],
    by_ancestors: set[str],
    around_ids: list[int | None],
) -> None:
    rows = [
        {**context(number, tags=sorted(tags), **relations), "is_active": active}
        for number, (relations, tags, active) in enumerate(wanted, 1)
    ]
    five = [dict(zip(PARENTS, around_ids[first : first + 5], strict=True)) for first in range(0, 25, 5)]
    around = Surroundings(dict.fromkeys(TREES, PARENTS), *five)

    keys = Keys(scope_of(rows), around, SLUGS)

    by_key: dict[str, list[int]] = {}
    for one in machines:
        mine = chosen(rows, one, around, by_ancestors)
        assert by_key.setdefault(keys.of(one), mine) == mine


@pytest.mark.parametrize(
    ("base", "local", "merged"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {}}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({}, {"a": {"b": {}}}, {"a": {"b": {}}}),
    ],
)
def test_local_data_merges_by_netbox_rule(base: dict[str, Any], local: dict[str, Any], merged: dict[str, Any]) -> None:
    before = repr(base)

    assert deepmerge(base, local) == merged
    assert repr(base) == before
