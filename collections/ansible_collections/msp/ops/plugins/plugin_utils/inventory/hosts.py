# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of a snapshot: hosts with their groups and variables, by today's date. Pure: no I/O, no Ansible.

Strings of NetBox go into variables exactly as they are; nothing here is a template. What many hosts share (a contract,
a standard, a plan) is one object that all of them point to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.msp.ops.plugins.plugin_utils.contract.fields import sources_from_json
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.contract.status import effective_status
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.contexts import deepmerge
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.names import group_part, host_names
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import (
    PLATFORMS,
    ROLES,
    SITES,
    TAGS,
    Context,
    Machine,
    Snapshot,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

SEEN_TODAY = "seen_today"
# A connection that runs tasks on the controller itself is not for NetBox to choose.
REFUSED_CONNECTIONS = frozenset({"local", "ansible.builtin.local", "ansible.legacy.local"})


@dataclass(slots=True)
class Host:
    name: str
    groups: list[str]
    variables: dict[str, Any]


@dataclass
class Hosts:
    hosts: list[Host] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Wishes:
    """What the inventory source asks for besides: contract statuses (empty: all), custom fields, whole contexts, and
    when discovery last saw the assets."""

    statuses: Collection[str] = ()
    custom_fields: Sequence[str] = ()
    config_context: bool = False
    last_seen: Mapping[tuple[str, str], dt.datetime] | None = None  # by customer and asset; None: nobody asked


@dataclass(frozen=True)
class _Terms:
    """What all hosts of one customer share."""

    customer: Customer
    variables: Mapping[str, Any]
    today: dt.date
    zone: dt.tzinfo


def build(snapshot: Snapshot, customers: Iterable[Customer], now: dt.datetime, wishes: Wishes) -> Hosts:
    """All hosts. Names are given before statuses are filtered, so that asking for less renames nobody."""
    found = Hosts()
    terms = {customer.id: _terms(customer, now, found.warnings) for customer in customers}
    slugs = {id: term.customer.slug for id, term in terms.items()}
    host_name, warnings = host_names(snapshot.machines.values(), slugs)
    found.warnings += warnings
    groups = _Groups(snapshot, found.warnings)
    for machine in snapshot.machines.values():
        term = terms[machine.tenant]
        status = effective_status(machine.fields.get(names.CONTRACT_STATUS), term.customer.contract, term.today)
        if wishes.statuses and status not in wishes.statuses:
            continue
        variables = _connection(machine, found.warnings)
        context = context_of(snapshot, machine)
        variables["msp"] = _msp(machine, term, status, snapshot, context)
        if wishes.custom_fields:
            variables["msp"]["custom_fields"] = {name: machine.fields.get(name) for name in wishes.custom_fields}
        if wishes.config_context:
            variables["config_context"] = context
        memberships = groups.of(machine, term.customer.slug, status)
        if wishes.last_seen is not None:
            memberships += _seen_today(machine, term, wishes.last_seen)
        found.hosts.append(Host(host_name[machine.key], memberships, variables))
    return found


def context_of(snapshot: Snapshot, machine: Machine) -> Context:
    """A machine's config context as NetBox renders it."""
    contexts = snapshot.contexts
    own = contexts.own.get(machine.key)
    if own is not None:
        return own
    base = contexts.by_key[contexts.key_of[machine.key]]
    return deepmerge(base, machine.local_context) if machine.local_context else base


def _seen_today(machine: Machine, term: _Terms, last_seen: Mapping[tuple[str, str], dt.datetime]) -> list[str]:
    """Whether discovery saw it on this day of the customer's calendar."""
    seen = last_seen.get((term.customer.slug, machine.key))
    return [SEEN_TODAY] if seen is not None and seen.astimezone(term.zone).date() == term.today else []


def _terms(customer: Customer, now: dt.datetime, warnings: list[str]) -> _Terms:
    contract = customer.contract
    zone: dt.tzinfo = dt.UTC
    try:
        zone = ZoneInfo(contract.timezone if contract else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        warnings.append(f"customer {customer.slug}: its time zone is none that this machine knows; UTC is used")
    variables = {
        "customer": customer.slug,
        "customer_name": customer.name,
        "language": contract.language if contract else "en",
        "timezone": contract.timezone if contract else "UTC",
        "contract": _contract(contract),
        "runbooks_stopped": list(customer.runbooks_stopped),
    }
    return _Terms(customer, variables, now.astimezone(zone).date(), zone)


def _contract(contract: Contract | None) -> dict[str, Any] | None:
    """The terms a playbook may need. Prices stay in NetBox: hosts' variables end up in job logs."""
    if contract is None:
        return None
    return {
        "id": contract.id,
        "start": contract.start.isoformat(),
        "end": contract.end.isoformat() if contract.end else None,
    }


def _connection(machine: Machine, warnings: list[str]) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    if machine.address:
        variables["ansible_host"] = machine.address
    connection = machine.fields.get(names.CONNECTION)
    if connection in REFUSED_CONNECTIONS:
        warnings.append(f"{machine.key}: the connection {connection} would run on the controller; it is left out")
    elif connection:
        variables["ansible_connection"] = connection
    if port := machine.fields.get(names.PORT):
        variables["ansible_port"] = port
    return variables


def _msp(machine: Machine, term: _Terms, status: str, snapshot: Snapshot, context: Context) -> dict[str, Any]:
    return {
        **term.variables,
        "status": status,
        "asset": {
            "key": machine.key,
            "kind": machine.kind,
            "id": machine.id,
            "name": machine.name,
            "serial": machine.serial,
            "asset_tag": machine.asset_tag,
            "class": machine.fields.get(names.ASSET_CLASS),
            "site": _slug(snapshot, SITES, machine.site),
            "role": _slug(snapshot, ROLES, machine.role),
            "platform": _slug(snapshot, PLATFORMS, machine.platform),
            "warranty_end": _warranty_end(machine),
            "facts_hash": machine.fields.get(names.FACTS_HASH),
            "discovery": machine.fields.get(names.DISCOVERY),
            "exposed": names.TAG_EXPOSED in (_slug(snapshot, TAGS, id) for id in machine.tags),
        },
        "standard": context.get(names.CONTEXT_STANDARD),
        "standards_own": context.get(names.CONTEXT_STANDARDS),
        "plan": context.get(names.CONTEXT_PATCH_PLAN),
        "access": context.get(names.CONTEXT_ACCESS),
    }


def _slug(snapshot: Snapshot, table: str, id: int | None) -> str | None:
    return None if id is None else snapshot.slugs[table].get(id)


def _warranty_end(machine: Machine) -> str | None:
    """The latest of the field and of what every source said. ISO dates sort as text."""
    ends = [machine.fields.get(names.WARRANTY_END)]
    for source in sources_from_json(machine.fields.get(names.WARRANTY_SOURCES)):
        ends.append(source.warranty_end.isoformat() if source.warranty_end else None)
    return max((end for end in ends if end), default=None)


def _discovered(machine: Machine, status: str) -> list[str]:
    """What discovery found of it, as NetBox has it now."""
    groups = [names.UNLISTED] if status == names.UNLISTED else []
    found = machine.fields.get(names.DISCOVERY)
    return [*groups, str(found)] if found in names.DISCOVERIES else groups


class _Groups:
    """Group names, made once per slug. Two slugs that become one group are warned about: they are two things."""

    def __init__(self, snapshot: Snapshot, warnings: list[str]) -> None:
        self._snapshot = snapshot
        self._warnings = warnings
        self._names: dict[tuple[str, str], str] = {}
        self._slug_of: dict[str, str] = {}

    def of(self, machine: Machine, customer: str, status: str) -> list[str]:
        groups = [self._name("customer", customer), self._name("status", status), *_discovered(machine, status)]
        for prefix, table, id in (
            ("platform", PLATFORMS, machine.platform),
            ("role", ROLES, machine.role),
            ("site", SITES, machine.site),
        ):
            if slug := _slug(self._snapshot, table, id):
                groups.append(self._name(prefix, slug))
        if asset_class := machine.fields.get(names.ASSET_CLASS):
            groups.append(self._name("class", str(asset_class)))
        for id in machine.tags:
            if slug := _slug(self._snapshot, TAGS, id):
                groups.append(self._name("tag", slug))
                if slug.startswith(names.TAG_RING_PREFIX):
                    groups.append(self._name("ring", slug.removeprefix(names.TAG_RING_PREFIX)))
        return groups

    def _name(self, prefix: str, slug: str) -> str:
        name = self._names.get((prefix, slug))
        if name is None:
            name = self._names[prefix, slug] = f"{prefix}_{group_part(slug)}"
            other = self._slug_of.setdefault(name, slug)
            if other != slug:
                self._warnings.append(f"group {name} holds hosts of {prefix} {other} and of {prefix} {slug}")
        return name
