# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which machines must have the same config context, so that NetBox renders one of them and the others share it.

Pure: no I/O, and no rendering: which context applies to what, and in which order contexts are merged, stays NetBox's
business. This file only says when two machines look the same to every active config context.

Two machines share a key when, in each dimension that any active context names, they have the same named value: the
value itself if a context names it, and the nearest ancestor that a context names. A key that is finer than needed costs
one more rendering; it is never wrong, whether NetBox matches a dimension by ancestors or by the value alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Context, Machine

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
    """The ids, and the slugs of tags, that active contexts name. unsure: they name something this file does not know."""

    named: Mapping[str, frozenset[int]]
    tags: frozenset[str] = frozenset()
    unsure: bool = False

    def optional_fields(self) -> tuple[str, ...]:
        return tuple(sorted({OPTIONAL_FIELDS[name] for name in self.named if name in OPTIONAL_FIELDS}))


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
    named: dict[str, set[int]] = {}
    tags: set[str] = set()
    unsure = False
    for row in rows:
        if not row.get("is_active", True):
            continue
        for name, value in row.items():
            if name == "data" or not isinstance(value, list) or not value:
                continue
            if name == "tags":
                tags.update(tag if isinstance(tag, str) else tag["slug"] for tag in value)
            elif name in DIMENSIONS and all(isinstance(item, Mapping) and "id" in item for item in value):
                named.setdefault(name, set()).update(item["id"] for item in value)
            else:
                unsure = True
    return Scope({name: frozenset(ids) for name, ids in sorted(named.items())}, frozenset(tags), unsure)


class Keys:
    """Gives each machine its key. Nearest named ancestors are looked up once per value."""

    def __init__(self, scope: Scope, around: Surroundings, tag_slugs: Mapping[int, str]) -> None:
        self._scope = scope
        self._around = around
        self._tags = {id: slug for id, slug in tag_slugs.items() if slug in scope.tags}
        self._nearest: dict[tuple[str, int | None], tuple[int | None, int | None]] = {}

    def of(self, machine: Machine) -> str:
        parts: list[Any] = [machine.kind, sorted(self._tags[id] for id in machine.tags if id in self._tags)]
        parts += [self._value(name, self._start(name, machine)) for name in self._scope.named]
        return json.dumps(parts, separators=(",", ":"))

    def _start(self, name: str, machine: Machine) -> int | None:
        around = self._around
        site, cluster = machine.site or 0, machine.cluster or 0
        return {
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
        }[name]

    def _value(self, name: str, start: int | None) -> tuple[int | None, int | None]:
        found = self._nearest.get((name, start))
        if found is None:
            ids = self._scope.named[name]
            found = (start if start in ids else None, nearest(start, ids, self._around.parents.get(name, {})))
            self._nearest[name, start] = found
        return found


def nearest(start: int | None, named: frozenset[int], parents: Mapping[int, int | None]) -> int | None:
    """The value itself or its nearest ancestor that is named. A loop in the tree ends the search."""
    seen: set[int] = set()
    while start is not None and start not in seen:
        if start in named:
            return start
        seen.add(start)
        start = parents.get(start)
    return None


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


def agree(one: Context | None, other: Context | None) -> bool:
    """Two machines of one key, rendered by NetBox: equal, or the key is not enough and nobody shares."""
    return one is not None and one == other
