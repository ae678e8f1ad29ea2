# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Has NetBox render config contexts: one machine per distinct key, and every machine where sharing proves nothing.

It only reads. NetBox alone decides which contexts apply and how they merge; inventory/contexts.py says who may share.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.contexts import (
    DIMENSIONS,
    Keys,
    Scope,
    Surroundings,
    group,
    scope_of,
)
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import (
    TAGS,
    Context,
    Contexts,
    Machine,
    Snapshot,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import ENDPOINTS

ENDPOINT = "extras/config-contexts"
AT_ONCE = 250
# Of so many of the largest keys a second machine is rendered, to see that the key is fine enough for this NetBox.
CHECKED = 100
ATTEMPTS = 3
# Above this many sites, clusters or tenants a whole table is read sooner than its rows by id.
BY_ID = 600


def stamp(register: Register) -> str:
    """Changes whenever a config context is made, edited, switched or deleted, also where no change record says so."""
    return _stamp(register.rows(ENDPOINT, fields=("id", "last_updated")))


def scope(register: Register) -> tuple[Scope, str]:
    """What the active contexts depend on, and the stamp of that moment."""
    rows = register.rows(ENDPOINT)
    return scope_of(rows), _stamp(rows)


def resolve(register: Register, snapshot: Snapshot, found: Scope, at: str, slices: int) -> Contexts:
    """The contexts of all machines. A config context edited while this runs means doing it again."""
    contexts = Contexts()
    for _unused in range(ATTEMPTS):
        contexts = _shared(register, snapshot, found, slices)
        contexts.stamp = at
        now = stamp(register)
        if now == at:
            return contexts
        found, at = scope(register)
    # They don't stand still, so no scope can be trusted: NetBox renders every machine.
    contexts = Contexts(stamp=at)
    contexts.own = _rendered(register, snapshot.machines.values(), slices)
    return contexts


def extend(register: Register, snapshot: Snapshot, machines: Sequence[Machine], found: Scope, slices: int) -> None:
    """Give these machines, which were read again, their contexts, with the renderings that are already there."""
    kept = snapshot.contexts
    if found.unsure:
        kept.own.update(_rendered(register, machines, slices))
        return
    keys = Keys(found, surroundings(register, machines, found), snapshot.slugs[TAGS])
    unknown = []
    for machine in machines:
        kept.own.pop(machine.key, None)
        key = keys.of(machine)
        kept.key_of[machine.key] = key
        if key not in kept.by_key:
            unknown.append(machine)
    kept.own.update(_rendered(register, unknown, slices))


def surroundings(register: Register, machines: Iterable[Machine], found: Scope) -> Surroundings:
    """Read what the dimensions that contexts name look like around these machines."""
    around = Surroundings()
    machines = list(machines)
    named = found.dimensions
    for name in named:
        tree = DIMENSIONS[name]
        if tree is not None:
            around.parents[name] = {row["id"]: _id(row["parent"]) for row in register.rows(tree, fields=("parent",))}
    if "regions" in named or "site_groups" in named:
        rows = _table(register, "dcim/sites", {machine.site for machine in machines}, ("region", "group"))
        around.region_of_site = {row["id"]: _id(row["region"]) for row in rows}
        around.group_of_site = {row["id"]: _id(row["group"]) for row in rows}
    if "cluster_types" in named or "cluster_groups" in named:
        rows = _table(register, "virtualization/clusters", {machine.cluster for machine in machines}, ("type", "group"))
        around.type_of_cluster = {row["id"]: _id(row["type"]) for row in rows}
        around.group_of_cluster = {row["id"]: _id(row["group"]) for row in rows}
    if "tenant_groups" in named:
        rows = _table(register, "tenancy/tenants", {machine.tenant for machine in machines}, ("group",))
        around.group_of_tenant = {row["id"]: _id(row["group"]) for row in rows}
    return around


def _shared(register: Register, snapshot: Snapshot, found: Scope, slices: int) -> Contexts:
    machines = list(snapshot.machines.values())
    if found.unsure:
        return Contexts(own=_rendered(register, machines, slices))
    contexts = Contexts()
    keys = Keys(found, surroundings(register, machines, found), snapshot.slugs[TAGS])
    groups = group(machines, keys)
    # The machines of a key of which all have local data: nothing shows the rendering below it.
    alone = [machine for key, members in groups.local.items() if key not in groups.plain for machine in members]
    largest = sorted(groups.plain.values(), key=len, reverse=True)[:CHECKED]
    wanted = {machine.key: machine for members in groups.plain.values() for machine in members[:1]}
    wanted |= {members[-1].key: members[-1] for members in largest}
    rendered = _rendered(register, wanted.values(), slices, unchanged=True)
    contexts.own = _rendered(register, alone, slices)
    doubtful: list[Machine] = []
    for key, members in groups.plain.items():
        sharing = [*members, *groups.local.get(key, ())]
        first, last = rendered.get(members[0].key), members[-1].key
        if first is not None and (last not in wanted or rendered.get(last) == first):
            contexts.by_key[key] = first
            contexts.key_of.update((machine.key, key) for machine in sharing)
        else:
            doubtful += sharing
    contexts.own.update(_rendered(register, doubtful, slices))
    return contexts


def _rendered(
    register: Register, machines: Iterable[Machine], slices: int, *, unchanged: bool = False
) -> dict[str, Context]:
    """The whole config context of each of these machines, as NetBox renders it. A machine that is gone is left out.

    unchanged leaves out those that were saved since they were read as well: they can't stand for others any more.
    """
    machines = list(machines)
    updated = {machine.key: machine.updated for machine in machines}
    by_kind: dict[str, list[int]] = {}
    for machine in machines:
        by_kind.setdefault(machine.kind, []).append(machine.id)
    pieces = [
        (kind, ids[first : first + AT_ONCE]) for kind, ids in by_kind.items() for first in range(0, len(ids), AT_ONCE)
    ]

    def read(piece: tuple[str, list[int]]) -> list[tuple[str, Context]]:
        kind, ids = piece
        rows = register.rows(ENDPOINTS[kind], fields=("config_context", "last_updated"), filters={"id": ids})
        found = [(f"{kind}:{row['id']}", row["config_context"] or {}, row["last_updated"]) for row in rows]
        return [(key, context) for key, context, saved in found if not unchanged or saved == updated[key]]

    if not pieces:
        return {}
    with ThreadPoolExecutor(max_workers=max(1, slices), thread_name_prefix="contexts") as pool:
        return {key: context for found in pool.map(read, pieces) for key, context in found}


def _table(
    register: Register, endpoint: str, ids: set[int] | set[int | None], fields: Sequence[str]
) -> list[dict[str, Any]]:
    wanted = sorted(id for id in ids if id is not None)
    if not wanted:
        return []
    filters = {"id": wanted} if len(wanted) <= BY_ID else None
    return register.rows(endpoint, fields=fields, filters=filters)


def _id(nested: Mapping[str, Any] | None) -> int | None:
    return None if nested is None else int(nested["id"])


def _stamp(rows: Iterable[Mapping[str, Any]]) -> str:
    seen = sorted([row["id"], row["last_updated"]] for row in rows)
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()
