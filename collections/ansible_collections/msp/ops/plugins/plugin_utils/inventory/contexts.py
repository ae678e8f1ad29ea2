# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which machines must have the same config context, so that NetBox renders one of them and the others share it.

Pure: no I/O, and no rendering: which contexts apply and how they merge stays NetBox's business. This file says when
two machines look the same to every active context.

A context applies to a machine when it matches in every dimension that the context names. In a tree (regions, roles...)
a machine may match by its own value or by an ancestor of it. NetBox asks for ancestors in some trees, for the own value
in others, and that differed between versions; so a key says both: which contexts match with ancestors, and which of
those match by the machine's own value, tree by tree. Two machines with one key are the same whatever the rule is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Machine

# A config context's relations besides its tags, and the endpoint of the tree each lives in (None: it has no parents).
DIMENSIONS: Mapping[str, str | None] = {
    "regions": "dcim/regions",
    "site_groups": "dcim/site-groups",
    "sites": None,
    "locations": "dcim/locations",
    "device_types": None,
    "roles": "dcim/device-roles",
    "platforms": "dcim/platforms",
    "cluster_types": None,
    "cluster_groups": None,
    "clusters": None,
    "tenant_groups": "tenancy/tenant-groups",
    "tenants": None,
}

# What a dimension needs to be read of the machine beyond what the inventory reads anyway.
OPTIONAL_FIELDS: Mapping[str, str] = {
    "locations": "location",
    "device_types": "device_type",
    "cluster_types": "cluster",
    "cluster_groups": "cluster",
    "clusters": "cluster",
}


@dataclass(frozen=True)
class Scope:
    """What each active context names: ids by dimension, and slugs of tags.

    unsure: a context depends on something this file does not know, and nobody may share.
    """

    named: Sequence[Mapping[str, frozenset[int]]] = ()
    tags: Sequence[frozenset[str]] = ()
    unsure: bool = False

    @property
    def dimensions(self) -> list[str]:
        """The dimensions that any context names."""
        return [name for name in DIMENSIONS if any(name in named for named in self.named)]

    def optional_fields(self) -> tuple[str, ...]:
        return tuple(sorted({OPTIONAL_FIELDS[name] for name in self.dimensions if name in OPTIONAL_FIELDS}))


@dataclass
class Surroundings:
    """The dimensions around the machines: parents in each tree, and what sites, clusters and tenants have."""

    parents: dict[str, dict[int, int | None]] = field(default_factory=dict)
    region_of_site: dict[int, int | None] = field(default_factory=dict)
    group_of_site: dict[int, int | None] = field(default_factory=dict)
    type_of_cluster: dict[int, int | None] = field(default_factory=dict)
    group_of_cluster: dict[int, int | None] = field(default_factory=dict)
    group_of_tenant: dict[int, int | None] = field(default_factory=dict)


def scope_of(rows: Iterable[Mapping[str, Any]]) -> Scope:
    """The scope of NetBox's config contexts. A relation we do not know makes it unsure, and everything is rendered."""
    named: list[dict[str, frozenset[int]]] = []
    tags: list[frozenset[str]] = []
    unsure = False
    for row in sorted(rows, key=lambda row: int(row["id"])):
        if not row.get("is_active", True):
            continue
        relations = {name: value for name, value in row.items() if name != "data" and isinstance(value, list) and value}
        slugs = relations.pop("tags", [])
        tags.append(frozenset(tag if isinstance(tag, str) else tag["slug"] for tag in slugs))
        unsure = unsure or not set(relations) <= set(DIMENSIONS)
        named.append(
            {name: frozenset(item["id"] for item in relations[name]) for name in DIMENSIONS & relations.keys()}
        )
    return Scope(named, tags, unsure)


class Keys:
    """Gives each machine its key.

    Sets of contexts are bits of an integer, looked up once per value of a dimension: a machine costs a dozen "and".
    """

    def __init__(self, scope: Scope, around: Surroundings, tag_slugs: Mapping[int, str]) -> None:
        self._scope = scope
        self._around = around
        self._found: dict[tuple[str, int | None], tuple[int, int]] = {}
        self._by_tag_set: dict[frozenset[str], int] = {}
        self._dimensions = scope.dimensions
        named_tags = frozenset().union(*scope.tags)
        self._tags = {id: slug for id, slug in tag_slugs.items() if slug in named_tags}

    def of(self, machine: Machine) -> str:
        """The contexts that match with ancestors, and for each tree which of them match without."""
        matches = self._by_tags(machine)
        strict = []
        for name, value in self._values(machine):
            loosely, exactly = self._masks(name, value)
            matches &= loosely
            if DIMENSIONS[name]:
                strict.append(exactly)
        exact = [matches & mask for mask in strict]
        return f"{machine.kind} {matches:x} {' '.join('=' if mask == matches else f'{mask:x}' for mask in exact)}"

    def _values(self, machine: Machine) -> list[tuple[str, int | None]]:
        around = self._around
        site, cluster = machine.site or 0, machine.cluster or 0
        values = {
            "regions": around.region_of_site.get(site),
            "site_groups": around.group_of_site.get(site),
            "sites": machine.site,
            "locations": machine.location,
            "device_types": machine.device_type,
            "roles": machine.role,
            "platforms": machine.platform,
            "cluster_types": around.type_of_cluster.get(cluster),
            "cluster_groups": around.group_of_cluster.get(cluster),
            "clusters": machine.cluster,
            "tenant_groups": around.group_of_tenant.get(machine.tenant),
            "tenants": machine.tenant,
        }
        return [(name, values[name]) for name in self._dimensions]

    def _by_tags(self, machine: Machine) -> int:
        mine = frozenset(self._tags[id] for id in machine.tags if id in self._tags)
        if mine not in self._by_tag_set:
            self._by_tag_set[mine] = _bits(not slugs or not slugs.isdisjoint(mine) for slugs in self._scope.tags)
        return self._by_tag_set[mine]

    def _masks(self, name: str, value: int | None) -> tuple[int, int]:
        """Contexts that match this value by itself or an ancestor, and by itself alone."""
        found = self._found.get((name, value))
        if found is None:
            line = frozenset(lineage(value, self._around.parents.get(name, {})))
            wanted = [named.get(name) for named in self._scope.named]
            found = self._found[name, value] = (
                _bits(ids is None or not ids.isdisjoint(line) for ids in wanted),
                _bits(ids is None or value in ids for ids in wanted),
            )
        return found


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << place for place, flag in enumerate(flags) if flag)


def lineage(value: int | None, parents: Mapping[int, int | None]) -> list[int]:
    """A value and its ancestors. A loop in the tree ends it."""
    line: list[int] = []
    while value is not None and value not in line:
        line.append(value)
        value = parents.get(value)
    return line


def deepmerge(original: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Local context data on top of a rendering, by NetBox's rule.

    An object joins an object unless the new one is empty. Lists, null and everything else replace.
    """
    merged = dict(original)
    for key, value in new.items():
        before = merged.get(key)
        joins = isinstance(before, Mapping) and isinstance(value, Mapping) and value
        merged[key] = deepmerge(before, value) if joins else value  # type: ignore[arg-type]
    return merged


@dataclass
class Groups:
    """Machines by key: those NetBox may render for all (no local context data), and the others."""

    plain: dict[str, list[Machine]] = field(default_factory=dict)
    local: dict[str, list[Machine]] = field(default_factory=dict)


def group(machines: Iterable[Machine], keys: Keys) -> Groups:
    groups = Groups()
    for machine in machines:
        place = groups.local if machine.local_context else groups.plain
        place.setdefault(keys.of(machine), []).append(machine)
    return groups
