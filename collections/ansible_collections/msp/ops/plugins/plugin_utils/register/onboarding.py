# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings a customer's contract file and asset lists into NetBox: one read, one plan, batched writes.

What is wanted and what changes is decided in plugin_utils/contract, which is pure. Check mode and apply share the plan.
It deletes nothing, changes no contract status that is set, and can be stopped anywhere: a rerun does what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import assets, document, tables
from ansible_collections.msp.ops.plugins.plugin_utils.contract import desired as want
from ansible_collections.msp.ops.plugins.plugin_utils.contract import plan as planning
from ansible_collections.msp.ops.plugins.plugin_utils.contract.assets import AssetList, Skipped
from ansible_collections.msp.ops.plugins.plugin_utils.contract.desired import Current, Vanished
from ansible_collections.msp.ops.plugins.plugin_utils.contract.document import Document
from ansible_collections.msp.ops.plugins.plugin_utils.contract.matching import DEVICES, MACHINES, Known
from ansible_collections.msp.ops.plugins.plugin_utils.contract.plan import CUSTOM, TAGS, Change, Existing, Ref, Wanted
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import plain
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

LARGEST_FILE = 50 * 1024 * 1024
ONBOARDED = "Onboarded"
# How NetBox's change log calls what onboarding writes; the customer follows.
MESSAGE = "msp.ops: contract file of "
JOURNALS = "extras/journal-entries"
OBJECT_TYPES = {DEVICES: "dcim.device", MACHINES: "virtualization.virtualmachine", want.TENANTS: "tenancy.tenant"}

_NAMED = ("id", "name", "slug")
_ASSET = ("id", "name", "serial", "tenant", "site", "role", "platform", "primary_ip4", "primary_ip6", "description")
FIELDS: Mapping[str, tuple[str, ...]] = {
    want.GROUPS: _NAMED,
    want.TENANTS: (*_NAMED, "group", "tags", "custom_fields"),
    want.VRFS: ("id", "name", "tenant"),
    want.SITES: (*_NAMED, "tenant", "physical_address"),
    want.PREFIXES: ("id", "prefix", "vrf", "tenant", "scope_type", "scope_id", "description", "custom_fields"),
    want.MANUFACTURERS: _NAMED,
    want.TYPES: ("id", "model", "slug", "manufacturer"),
    want.ROLES: _NAMED,
    want.PLATFORMS: _NAMED,
    DEVICES: (*_ASSET, "asset_tag", "device_type", "custom_fields"),
    MACHINES: (*_ASSET, "custom_fields"),
    want.INTERFACES: ("id", "name", "device", "primary_mac_address"),
    want.MACHINE_INTERFACES: ("id", "name", "virtual_machine", "primary_mac_address"),
    want.MACS: ("id", "mac_address", "assigned_object_type", "assigned_object_id"),
    want.ADDRESSES: ("id", "address", "vrf", "assigned_object_type", "assigned_object_id"),
}
NEEDED_FIELDS = frozenset(
    {
        *(names.CONTRACT_ID, names.CONTRACT_START, names.CONTRACT_END, names.MONTHLY_FEE, names.INCLUDED_HOURS),
        *(names.HOURLY_RATE, names.CURRENCY, names.LANGUAGE, names.TIMEZONE, names.REPORT_CONTACT, names.SCOPE_RULES),
        names.SURCHARGES,
        *(names.CONTRACT_STATUS, names.ASSET_CLASS, names.PURCHASE_DATE, names.WARRANTY_END, names.WARRANTY_SOURCES),
        *(names.SCAN_ALLOWED, names.SCAN_EXCLUDE),
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal entry that is due, on an object that may not exist yet."""

    ref: Ref
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What onboarding would do, and what a person should know of it."""

    customer: str
    changes: Sequence[Change] = ()
    journal: Sequence[Entry] = ()
    vanished: Sequence[Vanished] = ()
    skipped: Sequence[Skipped] = ()
    notes: Sequence[str] = ()
    wanted: Sequence[Wanted] = field(default=(), repr=False)

    @property
    def changed(self) -> bool:
        return bool(self.changes or self.journal)

    def diff(self) -> dict[str, dict[str, Any]]:
        """Before and after of every object that changes."""
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for change in map(Change.as_dict, self.changes):
            title = f"{change['endpoint']} {change['object']}"
            before.setdefault(title, {}).update(change["before"])
            after.setdefault(title, {}).update(change["after"])
        return {"before": {title: values for title, values in before.items() if values}, "after": after}


# -- files ---------------------------------------------------------------------------------------------------------


def load(path: Path, *, skip_bad_rows: bool = False) -> tuple[Document, AssetList]:
    """The contract file and its asset lists; raises RefusedError with everything that is wrong in any of them."""
    name = path.name
    found = document.examine(tables.text_of(_bytes(path, "MSP-CON-001", "the contract file"), name), name)
    listed, errors = AssetList(()), list(found.errors)
    if found.lists is not None:
        contents = {entry.file: _content(path.parent / entry.file) for entry in found.lists.files}
        try:
            listed = assets.read(found.lists, contents, skip_bad_rows=skip_bad_rows)
        except MspErrors as error:
            errors += error.errors
    if found.document is None or errors:
        raise document.RefusedError(errors, found.customer)
    return found.document, listed


def _content(path: Path) -> bytes | MspError:
    """An asset list, or why it can't be read: the others are read all the same."""
    try:
        return _bytes(path, "MSP-CON-010", "the asset list")
    except MspError as error:
        return error


def _bytes(path: Path, code: str, what: str) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise MspError(code, f"{what} {path} of at most {LARGEST_FILE} bytes", "more", "keep only what is needed")
        return path.read_bytes()
    except OSError as error:
        raise MspError(
            code,
            f"{what} {path}",
            error.strerror or type(error).__name__,
            "correct the path, or make the file readable",
        ) from None


# -- reading -------------------------------------------------------------------------------------------------------


def read(register: Register, customer: Document, listed: AssetList) -> Current:
    """Everything in NetBox that the plan depends on, each endpoint once."""
    check_model(register)
    reader = _Reader(register)
    reader.add(want.TENANTS, {"slug": [customer.slug]}, {"name": [customer.name]})
    tenant = _tenant(customer, reader.objects[want.TENANTS])
    if customer.group:
        reader.add(want.GROUPS, {})
    reader.add(want.SITES, {"slug": [f"{customer.slug}-{site.slug}" for site in customer.sites]})
    for endpoint in (want.MANUFACTURERS, want.ROLES, want.PLATFORMS):
        reader.add(endpoint, {})
    reader.add(want.TYPES, *_makers(listed, reader.objects[want.MANUFACTURERS]))
    for endpoint in (want.VRFS, want.PREFIXES, DEVICES, MACHINES, want.ADDRESSES):
        reader.add(endpoint, *([{"tenant_id": [tenant.id]}] if tenant else []))
    _read_interfaces(reader, listed)
    return Current(reader.objects, _foreign(register, listed, tenant))


def check_model(register: Register) -> None:
    """Our custom fields and the customer tag must be there before anything is written into them."""
    rows = register.rows("extras/custom-fields", fields=("id", "name"), filters={"name": sorted(NEEDED_FIELDS)})
    missing = sorted(NEEDED_FIELDS - {row["name"] for row in rows})
    if not register.rows("extras/tags", fields=("id", "slug"), filters={"slug": [names.TAG_CUSTOMER]}):
        missing.append(f"the tag {names.TAG_CUSTOMER}")
    if missing:
        raise MspError(
            "MSP-CON-020",
            f"the model of msp.ops in NetBox at {register.url}",
            f"no {', '.join(missing)}",
            "run playbooks/netbox.yml once, then this again",
        )


class _Reader:
    """Collects objects by endpoint, each once."""

    def __init__(self, register: Register) -> None:
        self.register = register
        self.objects: dict[str, list[Existing]] = {}

    def add(self, endpoint: str, *filters: Mapping[str, Any]) -> None:
        """Read an endpoint once for each set of filters; for none at all it is empty without being read."""
        found = {item.id: item for item in self.objects.get(endpoint, ())}
        for chosen in filters:
            rows = self.register.rows(endpoint, fields=FIELDS[endpoint], filters=chosen)
            found |= {row["id"]: existing(row) for row in rows}
        self.objects[endpoint] = [found[id] for id in sorted(found)]


def existing(row: Mapping[str, Any]) -> Existing:
    """A row as the plan compares it: foreign keys as ids, choices as values."""
    fields: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for name, value in row.items():
        if name in (CUSTOM, TAGS, "id"):
            continue
        if isinstance(value, Mapping) and "id" in value:
            fields[name] = value["id"]
            labels[name] = str(value.get("display") or value.get("name") or value["id"])
        elif isinstance(value, Mapping) and "value" in value:
            fields[name] = value["value"]
        else:
            fields[name] = value
    for parent in ("device", "virtual_machine"):
        if parent in fields:
            fields["parent"] = fields[parent]
    tags = tuple(tag["slug"] for tag in row.get(TAGS) or ())
    return Existing(int(row["id"]), fields, plain(row.get(CUSTOM) or {}), tags, labels)


def _tenant(customer: Document, tenants: Iterable[Existing]) -> Existing | None:
    found = [tenant for tenant in tenants if tenant.fields["slug"] == customer.slug]
    if len(found) > 1:
        groups = " and ".join(tenant.labels.get("group", "no group") for tenant in found)
        raise MspError(
            "MSP-CON-023",
            f"one tenant with the slug {customer.slug}",
            f"{len(found)}, in {groups}",
            "give one of them another slug in NetBox",
        )
    return found[0] if found else None


def _makers(listed: AssetList, makers: Iterable[Existing]) -> list[dict[str, Any]]:
    """The question for the device types of the manufacturers in the lists: a library of types may hold thousands."""
    words = {assets.same(asset.row.vendor or want.UNKNOWN) for asset in listed.assets}
    slugs = {want.slug_of(word) for word in words}
    ids = [
        maker.id
        for maker in makers
        if assets.same(maker.text("name")) in words or assets.same(maker.text("slug")) in slugs
    ]
    return [{"manufacturer_id": ids}] if ids else []


def _read_interfaces(reader: _Reader, listed: AssetList) -> None:
    """Interfaces, addresses and MAC addresses of the customer's assets, when the lists speak of any."""
    used = any(asset.row.address or asset.row.mac for asset in listed.assets)
    for endpoint, interfaces, key in (
        (DEVICES, want.INTERFACES, "device_id"),
        (MACHINES, want.MACHINE_INTERFACES, "virtual_machine_id"),
    ):
        ids = [item.id for item in reader.objects[endpoint]] if used else []
        filters = [{key: ids}] if ids else []
        reader.add(interfaces, *filters)
        reader.add(want.ADDRESSES, *filters)
        reader.add(want.MACS, *filters)


def _foreign(register: Register, listed: AssetList, tenant: Existing | None) -> list[Known]:
    """Assets outside the customer that have a serial or an asset tag of the lists."""
    found: dict[tuple[str, int], Known] = {}
    for endpoint in (DEVICES, MACHINES):
        for name in ("serial", "asset_tag"):
            said = sorted({getattr(asset.row, name) for asset in listed.assets} - {""})
            if not said or name not in FIELDS[endpoint]:
                continue
            for row in register.rows(endpoint, fields=FIELDS[endpoint], filters={name: said}):
                item = existing(row)
                if tenant is None or item.fields.get("tenant") != tenant.id:
                    found[(endpoint, item.id)] = Known(endpoint, item)
    return list(found.values())


# -- planning ------------------------------------------------------------------------------------------------------


def plan(register: Register, customer: Document, listed: AssetList) -> Plan:
    """Read NetBox and say what has to change; writes nothing."""
    current = read(register, customer, listed)
    result = want.desired(customer, listed, current)
    return Plan(
        customer=customer.slug,
        changes=planning.changes(result.wanted),
        journal=_due_entries(register, customer, current, result),
        vanished=result.vanished,
        skipped=listed.skipped,
        notes=result.notes,
        wanted=result.wanted,
    )


def _due_entries(register: Register, customer: Document, current: Current, result: want.Desired) -> list[Entry]:
    """Onboarded, once for each customer; and a contract status given to an asset that NetBox knew without one."""
    known = {item.ref: item.existing for item in result.wanted}
    entries = [
        Entry(ref, f"Contract status set to {status}: named in the asset list of contract {customer.contract.id}.")
        for ref, status in result.statuses.items()
        if known[ref] is not None
    ]
    tenant = next((item for item in current.of(want.TENANTS) if item.text("slug") == customer.slug), None)
    if tenant is None or not _has_entry(register, tenant.id):
        counts = dict.fromkeys(names.CONTRACT_STATUSES, 0)
        for status in result.statuses.values():
            counts[status] += 1
        words = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no new assets"
        entries.append(
            Entry(Ref(want.TENANTS, customer.slug), f"{ONBOARDED}: contract {customer.contract.id}; {words}.")
        )
    return entries


def _has_entry(register: Register, tenant: int) -> bool:
    filters = {"assigned_object_type": [OBJECT_TYPES[want.TENANTS]], "assigned_object_id": [tenant]}
    rows = register.rows(JOURNALS, fields=("id", "comments"), filters=filters)
    return any(row["comments"].startswith(ONBOARDED) for row in rows)


# -- writing -------------------------------------------------------------------------------------------------------


def apply(register: Register, found: Plan) -> None:
    """Write the plan, each kind of object in batches. Stopped half-way, the next plan holds what is left."""
    ids = {item.ref: item.existing.id for item in found.wanted if item.existing is not None}
    message = f"{MESSAGE}{found.customer}"
    for group in planning.stages(found.changes, want.ORDER):
        endpoint = group[0].ref.endpoint
        bodies = [_body(change, ids) for change in group]
        if group[0].action == "create":
            for change, row in zip(group, register.create(endpoint, bodies, message=message), strict=True):
                ids[change.ref] = int(row["id"])
        else:
            register.update(endpoint, bodies, message=message)
    for entry in found.journal:
        register.journal(OBJECT_TYPES[entry.ref.endpoint], ids[entry.ref], entry.text, level="success")


def _body(change: Change, ids: Mapping[Ref, int]) -> dict[str, Any]:
    body = {name: _written(value, ids) for name, value in change.after.items()}
    if TAGS in change.after:
        body[TAGS] = [{"slug": slug} for slug in change.after[TAGS]]
    if change.action == "update":
        body["id"] = change.id if change.id is not None else ids[change.ref]
    return body


def _written(value: Any, ids: Mapping[Ref, int]) -> Any:
    """A value as NetBox takes it. Its decimal fields are JSON numbers, exact to fifteen digits."""
    if isinstance(value, Ref):
        return ids[value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {name: _written(item, ids) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_written(item, ids) for item in value]
    return value
