# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads from NetBox what the inventory needs: all of it, or what changed since it was read last. It only reads.

A warm read trusts three things in turn, and reads everything again when one of them does not hold: the change log goes
on from where it was left, no machine is newer than it should be, and NetBox counts as many machines as we hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.changes import Cursor, Plan, own_columns_only, plan
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import (
    DEVICE,
    KINDS,
    PLATFORMS,
    ROLES,
    SITES,
    TAGS,
    VIRTUAL_MACHINE,
    Machine,
    Snapshot,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register import changes, contexts, names
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import plain
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import ENDPOINTS, primary_address

OUR_FIELDS = (
    names.CONTRACT_STATUS,
    names.ASSET_CLASS,
    names.WARRANTY_END,
    names.WARRANTY_SOURCES,
    names.FACTS_HASH,
    names.DISCOVERY,
    names.CONNECTION,
    names.PORT,
)
_COMMON = (
    *("name", "serial", "tenant", "site", "role", "platform", "primary_ip4", "primary_ip6", "tags", "custom_fields"),
    *("local_context_data", "last_updated"),
)
FIELDS: Mapping[str, tuple[str, ...]] = {DEVICE: (*_COMMON, "asset_tag"), VIRTUAL_MACHINE: _COMMON}
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    DEVICE: ("location", "device_type", "cluster"),
    VIRTUAL_MACHINE: ("cluster",),
}
TABLE_ENDPOINTS = {SITES: "dcim/sites", ROLES: "dcim/device-roles", PLATFORMS: "dcim/platforms", TAGS: "extras/tags"}
_NESTED = {"site": SITES, "role": ROLES, "platform": PLATFORMS}

# More than this part of the machines changed: reading all in parallel slices is faster than reading them by id.
MANY = 0.25


@dataclass(frozen=True)
class Selection:
    """Which machines: those of these tenants that the filters of their kind choose; and which other custom fields."""

    tenants: tuple[int, ...]
    filters: Mapping[str, Mapping[str, Any]]
    custom_fields: tuple[str, ...] = ()
    slices: int = 4

    def base(self, kind: str) -> dict[str, Any]:
        return {**self.filters.get(kind, {}), "tenant_id": list(self.tenants)}

    def by_other_objects(self) -> bool:
        """Whether the filters choose by more than a machine's own columns."""
        return not all(own_columns_only(filters) for filters in self.filters.values())


@dataclass(frozen=True)
class Reading:
    """A snapshot, where the change log stood before it was read, and why everything was read ("" when it was not)."""

    snapshot: Snapshot
    cursor: Cursor
    reason: str
    changed: bool = True


class _EverythingError(Exception):
    """A warm read found that only a full one will do; its text says why."""


def read(register: Register, selection: Selection, reason: str = "", *, follow: bool = True) -> Reading:
    """Read everything. follow=False leaves the change log alone: without a cache a token needs no right to it."""
    if not selection.tenants:
        return Reading(Snapshot(), Cursor(), reason)
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="inventory") as pool:
        begun = pool.submit(changes.start, register) if follow else None
        scope, stamp = contexts.scope(register)
        # The change log's end must be known before the first machine is read.
        cursor = begun.result() if begun else Cursor()
        snapshot = Snapshot(optional=scope.optional_fields())
        rows = pool.map(lambda kind: _rows(register, selection, kind, snapshot.optional, {}), KINDS)
        for kind, found in zip(KINDS, rows, strict=True):
            _take(snapshot, selection, kind, found)
    snapshot.contexts = contexts.resolve(register, snapshot, scope, stamp, selection.slices)
    return Reading(snapshot, cursor, reason)


def refresh(register: Register, selection: Selection, kept: Snapshot, cursor: Cursor) -> Reading:
    """Read what changed since; the kept snapshot is changed in place. Reads everything when that is not certain."""
    if not selection.tenants:
        # An empty filter would be an error, or the whole table: without a customer there is nothing to ask.
        return read(register, selection, "no customer")
    try:
        return _refresh(register, selection, kept, cursor)
    except _EverythingError as why:
        return read(register, selection, str(why))


def _refresh(register: Register, selection: Selection, kept: Snapshot, cursor: Cursor) -> Reading:
    newest = {kind: max((m.updated for m in kept.machines.values() if m.kind == kind), default="") for kind in KINDS}
    jobs: list[Callable[[], Any]] = [
        lambda: changes.follow(register, cursor),
        lambda: contexts.stamp(register),
        *(lambda kind=kind: _newer(register, selection, kind, newest[kind]) for kind in KINDS),
    ]
    with ThreadPoolExecutor(max_workers=len(jobs), thread_name_prefix="inventory") as pool:
        (found, moved, gap), stamp, *newer = [job.result() for job in [pool.submit(job) for job in jobs]]
    todo = plan(found, filtered=selection.by_other_objects())
    if gap or todo.everything:
        raise _EverythingError(gap or todo.everything)
    for kind, ids in zip(KINDS, newer, strict=True):
        todo.machines[kind].update(ids)
    changed = _apply(register, selection, kept, todo, stamp)
    _check_counts(register, selection, kept)
    return Reading(kept, moved, "", changed or moved != cursor)


def _apply(register: Register, selection: Selection, kept: Snapshot, todo: Plan, stamp: str) -> bool:
    _carried(register, todo)
    for machine in kept.machines.values():
        if not todo.addresses.isdisjoint(machine.address_ids):
            todo.machines[machine.kind].add(machine.id)
    for table in sorted(todo.tables):
        _reload_table(register, kept, table)
    again = _again(register, selection, kept, todo.machines)
    if todo.contexts or stamp != kept.contexts.stamp:
        scope, stamp = contexts.scope(register)
        if not set(scope.optional_fields()) <= set(kept.optional):
            raise _EverythingError("config contexts now depend on more than was read of the machines")
        kept.contexts = contexts.resolve(register, kept, scope, stamp, selection.slices)
        return True
    if again:
        scope, at = contexts.scope(register)
        if at != stamp:
            raise _EverythingError("a config context changed during the read")
        contexts.extend(register, kept, again, scope, selection.slices)
    return any(todo.machines.values()) or bool(todo.tables)


def _again(register: Register, selection: Selection, kept: Snapshot, wanted: Mapping[str, set[int]]) -> list[Machine]:
    """Read these machines again; those that are no longer chosen leave the snapshot."""
    if sum(len(ids) for ids in wanted.values()) > max(1000, MANY * len(kept.machines)):
        raise _EverythingError("many machines changed")
    again = []
    for kind, ids in wanted.items():
        for id in ids:
            kept.machines.pop(f"{kind}:{id}", None)
            kept.contexts.key_of.pop(f"{kind}:{id}", None)
            kept.contexts.own.pop(f"{kind}:{id}", None)
        if ids:
            rows = _rows(register, replace(selection, slices=1), kind, kept.optional, {"id": sorted(ids)})
            again += _take(kept, selection, kind, rows)
    return again


def _carried(register: Register, todo: Plan) -> None:
    """Machines that moved with their location, rack or cluster."""
    for kind, name, id in sorted(todo.carried):
        try:
            rows = register.rows(ENDPOINTS[kind], filters={name: [id]}, fields=("id",))
        except MspError as error:
            # NetBox refuses the id of a location that was deleted since.
            raise _EverythingError(f"{name} {id}: {error.found}") from error
        todo.machines[kind].update(row["id"] for row in rows)


def _reload_table(register: Register, kept: Snapshot, table: str) -> None:
    """Slugs of a table again. A machine that points to a row that is gone (a deleted tag or platform) has none."""
    needed = {id for machine in kept.machines.values() for id in machine.points_to(table)}
    if not needed:
        return
    filters = {"id": sorted(needed)} if len(needed) <= contexts.BY_ID else None
    rows = register.rows(TABLE_ENDPOINTS[table], fields=("slug",), filters=filters)
    kept.slugs[table] = {row["id"]: row["slug"] for row in rows if row["id"] in needed}


def _newer(register: Register, selection: Selection, kind: str, newest: str) -> list[int]:
    """Machines that were saved later than any we hold, whether or not a change record says so (NetBox's own shell)."""
    if not newest:
        return []
    filters = {**selection.base(kind), "last_updated__gt": newest}
    return [row["id"] for row in register.rows(ENDPOINTS[kind], fields=("id",), filters=filters)]


def _check_counts(register: Register, selection: Selection, kept: Snapshot) -> None:
    for kind in KINDS:
        held = sum(machine.kind == kind for machine in kept.machines.values())
        counted = register.count(ENDPOINTS[kind], selection.base(kind))
        if counted != held:
            raise _EverythingError(f"NetBox counts {counted} of {ENDPOINTS[kind]}, the cache holds {held}")


def _rows(
    register: Register, selection: Selection, kind: str, optional: Sequence[str], filters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    fields = (*FIELDS[kind], *(name for name in OPTIONAL[kind] if name in optional))
    return register.rows(
        ENDPOINTS[kind], fields=fields, filters={**selection.base(kind), **filters}, slices=selection.slices
    )


def _take(snapshot: Snapshot, selection: Selection, kind: str, rows: Iterable[Mapping[str, Any]]) -> list[Machine]:
    """Put rows into the snapshot: the machines, and the slugs that came with them."""
    wanted = {*OUR_FIELDS, *selection.custom_fields}
    machines = []
    for row in rows:
        for name, table in _NESTED.items():
            if row[name]:
                snapshot.slugs[table][row[name]["id"]] = row[name]["slug"]
        snapshot.slugs[TAGS].update((tag["id"], tag["slug"]) for tag in row["tags"])
        machines.append(_machine(kind, row, wanted))
    snapshot.add(machines)
    return machines


def _machine(kind: str, row: Mapping[str, Any], wanted: set[str]) -> Machine:
    fields = {name: value for name, value in row["custom_fields"].items() if name in wanted and value is not None}
    addresses = [row[name]["id"] for name in ("primary_ip4", "primary_ip6") if row[name]]
    return Machine(
        kind=kind,
        id=row["id"],
        name=row["name"],
        serial=row["serial"] or "",
        asset_tag=row.get("asset_tag"),
        tenant=row["tenant"]["id"],
        site=_id(row, "site"),
        role=_id(row, "role"),
        platform=_id(row, "platform"),
        device_type=_id(row, "device_type"),
        location=_id(row, "location"),
        cluster=_id(row, "cluster"),
        address=primary_address(row),
        address_ids=tuple(addresses),
        tags=tuple(tag["id"] for tag in row["tags"]),
        fields=plain(fields),
        local_context=row["local_context_data"] or None,
        updated=row["last_updated"] or "",
    )


def _id(row: Mapping[str, Any], name: str) -> int | None:
    nested = row.get(name)
    return nested["id"] if nested else None
