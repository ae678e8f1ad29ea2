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
# As many ids as fit in one request of the client.
AT_ONCE = 300
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
    keys = Keys(found, surroundings(register, machines, found, slices), snapshot.slugs[TAGS])
    unknown = []
    for machine in machines:
        kept.own.pop(machine.key, None)
        key = keys.of(machine)
        kept.key_of[machine.key] = key
        if key not in kept.by_key:
            unknown.append(machine)
    kept.own.update(_rendered(register, unknown, slices))


def surroundings(register: Register, machines: Iterable[Machine], found: Scope, slices: int) -> Surroundings:
    """Read what the dimensions that contexts name look like around these machines."""
    machines = list(machines)
    named = set(found.dimensions)
    wanted: dict[str, tuple[tuple[str, ...], set[int | None] | None]] = {
        tree: (("parent",), None) for name in named if (tree := DIMENSIONS[name])
    }
    if named & {"regions", "site_groups"}:
        wanted["dcim/sites"] = ("region", "group"), {machine.site for machine in machines}
    if named & {"cluster_types", "cluster_groups"}:
        wanted["virtualization/clusters"] = ("type", "group"), {machine.cluster for machine in machines}
    if "tenant_groups" in named:
        wanted["tenancy/tenants"] = ("group",), {machine.tenant for machine in machines}
    with ThreadPoolExecutor(max_workers=max(1, slices), thread_name_prefix="contexts") as pool:
        tables = pool.map(lambda endpoint: _table(register, endpoint, *wanted[endpoint]), wanted)
        rows = dict(zip(wanted, tables, strict=True))

    def column(endpoint: str, field: str) -> dict[int, int | None]:
        return {row["id"]: row[field] and row[field]["id"] for row in rows.get(endpoint, ())}

    return Surroundings(
        parents={name: column(tree, "parent") for name in named if (tree := DIMENSIONS[name])},
        region_of_site=column("dcim/sites", "region"),
        group_of_site=column("dcim/sites", "group"),
        type_of_cluster=column("virtualization/clusters", "type"),
        group_of_cluster=column("virtualization/clusters", "group"),
        group_of_tenant=column("tenancy/tenants", "group"),
    )


def _shared(register: Register, snapshot: Snapshot, found: Scope, slices: int) -> Contexts:
    machines = list(snapshot.machines.values())
    if found.unsure:
        return Contexts(own=_rendered(register, machines, slices))
    contexts = Contexts()
    keys = Keys(found, surroundings(register, machines, found, slices), snapshot.slugs[TAGS])
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
    register: Register, endpoint: str, fields: Sequence[str], ids: set[int | None] | None
) -> list[dict[str, Any]]:
    """A table, or only some rows of it. ids None: all."""
    wanted = sorted(id for id in ids or () if id is not None)
    if ids is not None and not wanted:
        return []
    filters = {"id": wanted} if ids is not None and len(wanted) <= BY_ID else None
    return register.rows(endpoint, fields=fields, filters=filters)


def _stamp(rows: Iterable[Mapping[str, Any]]) -> str:
    seen = sorted([row["id"], row["last_updated"]] for row in rows)
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()
