# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What NetBox should hold for one customer: contract file and asset lists turned into wanted objects.

Pure. Rule: what the files say is set; what they do not say is left as it is. One exception: the contract status of an
asset that has one is never touched here, it belongs to the verification with the customer. Deletes nothing: what is in
NetBox and no longer in the files is reported as vanished.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import fields, warranty
from ansible_collections.msp.ops.plugins.plugin_utils.contract.assets import AssetList, ListedAsset, same
from ansible_collections.msp.ops.plugins.plugin_utils.contract.columns import folded
from ansible_collections.msp.ops.plugins.plugin_utils.contract.document import Document, Prefix, Site
from ansible_collections.msp.ops.plugins.plugin_utils.contract.matching import DEVICES, MACHINES, Known, Match, match
from ansible_collections.msp.ops.plugins.plugin_utils.contract.plan import Existing, Ref, Wanted
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Contract, WarrantySource
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

GROUPS = "tenancy/tenant-groups"
TENANTS = "tenancy/tenants"
VRFS = "ipam/vrfs"
SITES = "dcim/sites"
PREFIXES = "ipam/prefixes"
MANUFACTURERS = "dcim/manufacturers"
TYPES = "dcim/device-types"
ROLES = "dcim/device-roles"
PLATFORMS = "dcim/platforms"
INTERFACES = "dcim/interfaces"
MACHINE_INTERFACES = "virtualization/interfaces"
ADDRESSES = "ipam/ip-addresses"
MACS = "dcim/mac-addresses"
# The order in which objects can be written: each refers only to those before it.
ORDER = (
    *(GROUPS, TENANTS, VRFS, SITES, PREFIXES, MANUFACTURERS, TYPES, ROLES, PLATFORMS, DEVICES, MACHINES),
    *(INTERFACES, MACHINE_INTERFACES, MACS, ADDRESSES),
)
INTERFACE_TYPES = {INTERFACES: "dcim.interface", MACHINE_INTERFACES: "virtualization.vminterface"}

UNKNOWN = "Unknown"
# The source of dates that a person typed in NetBox: no list ever said them, so they don't vanish from one.
TYPED = "netbox"
INTERFACE_NAME = "primary"
IDENTITIES = ("serial", "asset_tag", "name")
# Statuses of assets that an asset list once had, or that were agreed on: only they can vanish from it.
AGREED = (names.CONTRACTED, names.TRACKED, names.EXCLUDED)
ROLE_NAMES: Mapping[str, str] = {
    "server": "Server",
    "workstation": "Workstation",
    "network": "Network device",
    "mobile": "Mobile device",
    "printer": "Printer",
    "private": "Private device",
    "other": "Other device",
}


@dataclass(frozen=True, slots=True)
class Current:
    """What NetBox has: by endpoint the objects that are the customer's or shared, and foreign assets that collide."""

    objects: Mapping[str, Sequence[Existing]] = field(default_factory=dict)
    foreign: Sequence[Known] = ()

    def of(self, endpoint: str) -> Sequence[Existing]:
        return self.objects.get(endpoint, ())

    @property
    def assets(self) -> list[Known]:
        return [Known(endpoint, item) for endpoint in (DEVICES, MACHINES) for item in self.of(endpoint)]


@dataclass(frozen=True, slots=True)
class Vanished:
    """Something that NetBox has for this customer and the files no longer name."""

    kind: str
    id: int
    name: str
    status: str
    advice: str

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "id": self.id, "name": self.name, "status": self.status, "advice": self.advice}


@dataclass(slots=True)
class Desired:
    """Everything wanted, in the order in which it can be written, and what is worth telling a person."""

    wanted: list[Wanted] = field(default_factory=list)
    vanished: list[Vanished] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    statuses: dict[Ref, str] = field(default_factory=dict)


def slug_of(text: str) -> str:
    """A slug as NetBox wants it; names without a Latin letter keep the numbers of their characters."""
    slug = folded(text).replace(" ", "-")[:100].strip("-")
    return slug or "-".join(f"{ord(character):x}" for character in text)[:100].strip("-")


def desired(document: Document, listed: AssetList, current: Current) -> Desired:
    """What NetBox should hold; raises MspErrors with every conflict between files and NetBox at once."""
    result = Desired(notes=[f"column not understood, left out: {column}" for column in listed.unknown_columns])
    matches, errors = match(listed.assets, current.assets, current.foreign)
    errors += _owned_by_others(document, current)
    errors += _taken_addresses(matches, current)
    if errors:
        raise MspErrors(errors)
    tenant = Ref(TENANTS, document.slug)
    result.wanted += _customer(document, current, tenant)
    result.wanted += _sites(document, current, tenant)
    result.wanted += _prefixes(document, current, tenant)
    result.wanted += _catalogue(matches, current)
    builder = _Assets(document, current, tenant, result)
    for found in matches:
        builder.add(found)
    result.wanted += _address_space(document, current, tenant, result.wanted)
    result.vanished += _vanished_assets(matches, listed, current)
    result.vanished += _vanished_statements(matches, listed)
    result.vanished += _vanished_prefixes(document, current)
    return result


# -- customer, sites, prefixes -------------------------------------------------------------------------------------


def _owned_by_others(document: Document, current: Current) -> Iterator[MspError]:
    for tenant in current.of(TENANTS):
        if tenant.text("slug") != document.slug and same(tenant.text("name")) == same(document.name):
            yield MspError(
                "MSP-CON-023",
                f"the customer {document.name} to have the slug {document.slug}",
                f"a tenant of that name with the slug {tenant.text('slug')}",
                "use that slug in the contract file, or another name",
            )
    own = _own_tenant(document, current)
    for site in document.sites:
        existing = _by(current.of(SITES), slug=f"{document.slug}-{site.slug}")
        if existing is not None and existing.fields.get("tenant") != (own.id if own else None):
            yield MspError(
                "MSP-CON-023",
                f"the site {document.slug}-{site.slug} to be this customer's",
                f"it belongs to {existing.labels.get('tenant') or 'no customer'}",
                "choose another slug for the site, or set its tenant in NetBox by hand",
            )


def _own_tenant(document: Document, current: Current) -> Existing | None:
    return _by(current.of(TENANTS), slug=document.slug)


def _by(objects: Iterable[Existing], **wanted: Any) -> Existing | None:
    for item in objects:
        if all(_like(item.fields.get(name), value) for name, value in wanted.items()):
            return item
    return None


def _like(found: Any, wanted: Any) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return same(found) == same(wanted)
    return bool(found == wanted)


def _named(endpoint: str, name: str, current: Current, **more: Any) -> Wanted:
    """A shared thing with a name and a slug: made when absent, never changed."""
    slug = slug_of(name)
    existing = _by(current.of(endpoint), name=name) or _by(current.of(endpoint), slug=slug)
    return Wanted(Ref(endpoint, slug), existing, created={"name": name, "slug": slug, **more})


def _customer(document: Document, current: Current, tenant: Ref) -> Iterator[Wanted]:
    values: dict[str, Any] = {"name": document.name}
    if document.group:
        group = _named(GROUPS, document.group, current)
        yield group
        values["group"] = group.ref
    existing = _own_tenant(document, current)
    yield Wanted(
        tenant,
        existing,
        fields=values,
        created={"slug": document.slug},
        custom=_terms(document.contract),
        tags=(names.TAG_CUSTOMER,),
    )


def _address_space(document: Document, current: Current, tenant: Ref, wanted: Sequence[Wanted]) -> Iterator[Wanted]:
    """A VRF of the customer's own, when a new prefix or address goes into it: customers share private networks."""
    ref = Ref(VRFS, document.slug)
    if any(item.existing is None and ref in item.created.values() for item in wanted):
        yield Wanted(
            ref,
            _by(current.of(VRFS), name=document.name),
            created={
                "name": document.name,
                "tenant": tenant,
                "enforce_unique": True,
                "description": "The customer's own address space: two customers may use the same private network",
            },
        )


def _terms(contract: Contract) -> dict[str, Any]:
    """The contract's custom fields; a term that the file does not name is emptied, for the file is the contract."""
    return {
        names.CONTRACT_ID: contract.id,
        names.CONTRACT_START: contract.start.isoformat(),
        names.CONTRACT_END: contract.end.isoformat() if contract.end else None,
        names.MONTHLY_FEE: contract.monthly_fee,
        names.INCLUDED_HOURS: contract.included_hours,
        names.HOURLY_RATE: contract.hourly_rate,
        names.CURRENCY: contract.currency,
        names.LANGUAGE: contract.language,
        names.TIMEZONE: contract.timezone,
        names.REPORT_CONTACT: contract.report_contact or None,
        names.REPORT_URL: contract.report_url or None,
        names.SCOPE_RULES: fields.scope_to_json(contract.scope),
        names.SURCHARGES: fields.surcharges_to_json(contract.surcharges),
    }


def _site_ref(document: Document, site: Site) -> Ref:
    return Ref(SITES, f"{document.slug}-{site.slug}")


def _sites(document: Document, current: Current, tenant: Ref) -> Iterator[Wanted]:
    for site in document.sites:
        ref = _site_ref(document, site)
        # NetBox wants site names unique across customers; "Main office" would not be.
        name = f"{document.name} - {site.name}"
        values: dict[str, Any] = {"name": name, "tenant": tenant}
        if site.address:
            values["physical_address"] = site.address
        existing = _by(current.of(SITES), slug=ref.key)
        yield Wanted(ref, existing, fields=values, created={"slug": ref.key, "status": "active"})


def _prefixes(document: Document, current: Current, tenant: Ref) -> Iterator[Wanted]:
    for site in document.sites:
        for prefix in site.prefixes:
            yield _prefix(document, site, prefix, current, tenant)


def _prefix(document: Document, site: Site, prefix: Prefix, current: Current, tenant: Ref) -> Wanted:
    values: dict[str, Any] = {"tenant": tenant, "scope_type": "dcim.site", "scope_id": _site_ref(document, site)}
    if prefix.description:
        values["description"] = prefix.description
    text = str(prefix.network)
    return Wanted(
        Ref(PREFIXES, f"{document.slug} {text}"),
        _by(current.of(PREFIXES), prefix=text),
        fields=values,
        created={"prefix": text, "vrf": Ref(VRFS, document.slug), "status": "active"},
        custom={names.SCAN_ALLOWED: prefix.scan, names.SCAN_EXCLUDE: list(prefix.excluded) or None},
    )


# -- what assets refer to ------------------------------------------------------------------------------------------


def _vendor(asset: ListedAsset) -> str:
    return asset.row.vendor or UNKNOWN


def _model(asset: ListedAsset) -> str:
    return asset.row.model or f"{UNKNOWN} {asset.row.asset_class}"


def _role(asset: ListedAsset) -> str:
    return asset.row.role or ROLE_NAMES[asset.row.asset_class or "other"]


def _type_ref(asset: ListedAsset) -> Ref:
    return Ref(TYPES, f"{slug_of(_vendor(asset))}/{slug_of(_model(asset))}")


def _is_machine(found: Match) -> bool:
    return found.known.endpoint == MACHINES if found.known else bool(found.listed.row.virtual)


def _catalogue(matches: Sequence[Match], current: Current) -> list[Wanted]:
    """Manufacturers, device types, roles and platforms that the listed assets need, each once."""
    wanted: dict[Ref, Wanted] = {}
    for found in matches:
        asset = found.listed
        if asset.row.role or found.known is None:
            role = _named(ROLES, _role(asset), current, color="9e9e9e", vm_role=True)
            wanted.setdefault(role.ref, role)
        if asset.row.platform:
            platform = _named(PLATFORMS, asset.row.platform, current)
            wanted.setdefault(platform.ref, platform)
        if not _is_machine(found) and (asset.row.model or found.known is None):
            maker = _named(MANUFACTURERS, _vendor(asset), current)
            wanted.setdefault(maker.ref, maker)
            kind = _device_type(asset, maker, current)
            wanted.setdefault(kind.ref, kind)
    order = (MANUFACTURERS, TYPES, ROLES, PLATFORMS)
    return sorted(wanted.values(), key=lambda item: order.index(item.ref.endpoint))


def _device_type(asset: ListedAsset, maker: Wanted, current: Current) -> Wanted:
    model, slug = _model(asset), slug_of(f"{_vendor(asset)} {_model(asset)}")
    existing = None
    if maker.existing is not None:
        own = [item for item in current.of(TYPES) if item.fields.get("manufacturer") == maker.existing.id]
        existing = _by(own, model=model) or _by(own, slug=slug)
    return Wanted(_type_ref(asset), existing, created={"manufacturer": maker.ref, "model": model, "slug": slug})


# -- assets --------------------------------------------------------------------------------------------------------


class _Assets:
    """Builds what is wanted of each asset: itself, an interface, its address and MAC address, its primary address."""

    def __init__(self, document: Document, current: Current, tenant: Ref, result: Desired) -> None:
        self.document = document
        self.current = current
        self.tenant = tenant
        self.result = result
        self.rules = {rule.asset_class: rule for rule in document.contract.scope}
        self.prefixes = sorted(
            (prefix.network for site in document.sites for prefix in site.prefixes), key=lambda net: -net.prefixlen
        )
        self.interfaces = _grouped(current, (INTERFACES, MACHINE_INTERFACES), "parent")

    def add(self, found: Match) -> None:
        endpoint = MACHINES if _is_machine(found) else DEVICES
        existing = found.known.asset if found.known else None
        ref = Ref(endpoint, f"{self.document.slug}/{found.listed.row.name}")
        asset = self._asset(ref, found.listed, existing)
        self.result.wanted.append(asset)
        if found.listed.row.address or found.listed.row.mac:
            self._network(ref, found.listed, existing)
        self._notes(found, endpoint)

    def _asset(self, ref: Ref, listed: ListedAsset, existing: Existing | None) -> Wanted:
        row = listed.row
        values: dict[str, Any] = {"name": row.name, "tenant": self.tenant}
        created: dict[str, Any] = {"status": "active", "role": Ref(ROLES, slug_of(_role(listed)))}
        site = next((site for site in self.document.sites if site.slug == row.site), self.document.sites[0])
        (values if row.site else created)["site"] = _site_ref(self.document, site)
        if row.serial:
            values["serial"] = row.serial
        if row.role:
            values["role"] = created.pop("role")
        if row.platform:
            values["platform"] = Ref(PLATFORMS, slug_of(row.platform))
        if row.description:
            values["description"] = row.description
        if ref.endpoint == DEVICES:
            if row.asset_tag:
                values["asset_tag"] = row.asset_tag
            (values if row.model else created)["device_type"] = _type_ref(listed)
        status = self._status(row.asset_class)
        if existing is None or existing.custom.get(names.CONTRACT_STATUS) in (None, ""):
            self.result.statuses[ref] = status
        return Wanted(
            ref,
            existing,
            fields=values,
            created=created,
            custom={names.ASSET_CLASS: row.asset_class, **_warranty(listed, existing)},
            custom_empty={names.CONTRACT_STATUS: status},
        )

    def _status(self, asset_class: str | None) -> str:
        """What the scope rules say of a class: in, agreed to be out, or not spoken of."""
        rule = self.rules.get(asset_class or "")
        if rule is None:
            return names.TRACKED
        return names.CONTRACTED if rule.covered else names.EXCLUDED

    def _network(self, asset: Ref, listed: ListedAsset, existing: Existing | None) -> None:
        row = listed.row
        endpoint = INTERFACES if asset.endpoint == DEVICES else MACHINE_INTERFACES
        own = self.interfaces.get((endpoint, existing.id), []) if existing else []
        address = self._held(ADDRESSES, "address", row.address, endpoint, own)
        mac = self._held(MACS, "mac_address", row.mac, endpoint, own)
        interface = self._interface(asset, endpoint, own, address or mac)
        self.result.wanted.append(interface)
        holder = {
            "assigned_object_type": INTERFACE_TYPES[endpoint],
            "assigned_object_id": interface.ref,
        }
        if row.mac:
            ref = Ref(MACS, f"{asset.key} {row.mac}")
            self.result.wanted.append(Wanted(ref, mac, created={"mac_address": row.mac, **holder}))
            if interface.existing is None or interface.existing.fields.get("primary_mac_address") is None:
                self.result.wanted.append(
                    Wanted(interface.ref, interface.existing, fields={"primary_mac_address": ref}, later=True)
                )
        if row.address:
            self._address(asset, existing, row.address, address, holder)

    def _held(
        self, endpoint: str, name: str, value: str | None, interfaces: str, own: Sequence[Existing]
    ) -> Existing | None:
        """The address or MAC address when one of the asset's own interfaces has it already."""
        if value is None:
            return None
        ids = {interface.id for interface in own}
        objects = self.current.of(endpoint)
        for item in objects:
            held = item.fields.get("assigned_object_type") == INTERFACE_TYPES[interfaces]
            if held and item.fields.get("assigned_object_id") in ids and _host(item.text(name)) == _host(value):
                return item
        return None

    def _interface(self, asset: Ref, endpoint: str, own: Sequence[Existing], holds: Existing | None) -> Wanted:
        """The interface that has the address or MAC address, else ours by name, else the only one, else a new one."""
        existing = None
        if holds is not None:
            existing = next(item for item in own if item.id == holds.fields.get("assigned_object_id"))
        elif own:
            existing = _by(own, name=INTERFACE_NAME) or (own[0] if len(own) == 1 else None)
        created: dict[str, Any] = {"name": INTERFACE_NAME, "description": "From the asset list"}
        created |= {"device": asset, "type": "other"} if endpoint == INTERFACES else {"virtual_machine": asset}
        return Wanted(Ref(endpoint, f"{asset.key} {INTERFACE_NAME}"), existing, created=created)

    def _address(
        self, asset: Ref, existing: Existing | None, address: str, held: Existing | None, holder: Mapping[str, Any]
    ) -> None:
        ref = Ref(ADDRESSES, f"{self.document.slug} {address}")
        free = held or next(
            (item for item in self.current.of(ADDRESSES) if _host(item.text("address")) == address), None
        )
        network = next((net for net in self.prefixes if ipaddress.ip_address(address) in net), None)
        if network is None:
            self.result.notes.append(f"the address {address} of {asset.key} is in no prefix of the contract")
        prefix = _by(self.current.of(PREFIXES), prefix=str(network))
        created = {
            "address": f"{address}/{network.prefixlen if network else ipaddress.ip_address(address).max_prefixlen}",
            "vrf": prefix.fields.get("vrf") if prefix else Ref(VRFS, self.document.slug),
            "status": "active",
            "tenant": self.tenant,
        }
        self.result.wanted.append(Wanted(ref, free, fields={} if held else holder, created=created))
        family = "primary_ip6" if ":" in address else "primary_ip4"
        self.result.wanted.append(Wanted(asset, existing, fields={family: ref}, later=True))

    def _notes(self, found: Match, endpoint: str) -> None:
        row = found.listed.row
        if endpoint == MACHINES and row.asset_tag:
            self.result.notes.append(
                f"{row.name} is a virtual machine; NetBox keeps no asset tag ({row.asset_tag}) for it"
            )


def _host(value: str) -> str:
    return value.partition("/")[0].casefold()


def _grouped(current: Current, endpoints: Sequence[str], name: str) -> dict[tuple[str, int], list[Existing]]:
    found: dict[tuple[str, int], list[Existing]] = {}
    for endpoint in endpoints:
        for item in current.of(endpoint):
            found.setdefault((endpoint, item.fields[name]), []).append(item)
    return found


def _taken_addresses(matches: Sequence[Match], current: Current) -> Iterator[MspError]:
    """An address that NetBox has on another asset of the customer: moving it would take it away there."""
    owners = {
        (INTERFACE_TYPES[endpoint], interface.id): (endpoint, interface.fields["parent"])
        for endpoint in (INTERFACES, MACHINE_INTERFACES)
        for interface in current.of(endpoint)
    }
    asset_endpoints = {INTERFACES: DEVICES, MACHINE_INTERFACES: MACHINES}
    held = {}
    for item in current.of(ADDRESSES):
        holder = (item.fields.get("assigned_object_type"), item.fields.get("assigned_object_id"))
        if holder[1] is not None:
            held[_host(item.text("address"))] = owners.get(holder, ("", 0))  # type: ignore[arg-type]
    for found in matches:
        address = found.listed.row.address
        if address is None or address not in held:
            continue
        endpoint, parent = held[address]
        own = (found.known.endpoint, found.known.asset.id) if found.known else None
        if own != (asset_endpoints.get(endpoint, ""), parent):
            yield MspError(
                "MSP-CON-024",
                f"the address {address} of {found.listed.row.name} ({' and '.join(found.listed.places)}) to be free",
                "NetBox has it on another asset of this customer",
                "correct the list, or take the address off the other asset in NetBox",
            )


def _warranty(listed: ListedAsset, existing: Existing | None) -> dict[str, Any]:
    """Purchase, warranty and their sources; nothing when the lists say nothing of them."""
    if not listed.sources:
        return {}
    merged = warranty.merge(_known_sources(existing), listed.sources)
    found: dict[str, Any] = {names.WARRANTY_SOURCES: fields.sources_to_json(merged.sources)}
    if merged.purchase:
        found[names.PURCHASE_DATE] = merged.purchase.isoformat()
    if merged.end:
        found[names.WARRANTY_END] = merged.end.isoformat()
    return found


def _known_sources(existing: Existing | None) -> tuple[WarrantySource, ...]:
    """What NetBox knows already. Dates that a person typed without a source are a source of their own."""
    if existing is None:
        return ()
    known = fields.sources_from_json(existing.custom.get(names.WARRANTY_SOURCES))
    if known:
        return known
    typed = {
        name: existing.custom.get(field_name) or None
        for name, field_name in (("purchase", names.PURCHASE_DATE), ("warranty_end", names.WARRANTY_END))
    }
    return fields.sources_from_json([{"source": TYPED, **typed}]) if any(typed.values()) else ()


# -- what vanished -------------------------------------------------------------------------------------------------


def _vanished_assets(matches: Sequence[Match], listed: AssetList, current: Current) -> Iterator[Vanished]:
    matched = {(found.known.endpoint, found.known.asset.id) for found in matches if found.known}
    skipped = _identities(listed)
    for known in current.assets:
        status = known.asset.custom.get(names.CONTRACT_STATUS)
        if (known.endpoint, known.asset.id) in matched or status not in AGREED:
            continue
        if _one_of(known, skipped):
            continue
        yield Vanished(
            "device" if known.endpoint == DEVICES else "virtual-machine",
            known.asset.id,
            known.asset.text("name"),
            str(status),
            "agree with the customer what becomes of it; playbooks/verify.yml sets its contract status",
        )


def _vanished_statements(matches: Sequence[Match], listed: AssetList) -> Iterator[Vanished]:
    """What a source said of an asset that the lists still name, and says no more: a row, a whole list, or a cell."""
    skipped = _identities(listed)
    for found in matches:
        if found.known is None or _one_of(found.known, skipped):
            continue
        for gone in warranty.unsaid(_known_sources(found.known.asset), found.listed.sources):
            if gone.source != TYPED:
                yield Vanished(
                    "warranty statement",
                    found.known.asset.id,
                    found.known.asset.text("name"),
                    f"{gone.source}: {_words(gone)}",
                    f"it still counts: put it back in the list, or take it out of {names.WARRANTY_SOURCES} in NetBox "
                    f"and correct {names.PURCHASE_DATE} and {names.WARRANTY_END} beside it",
                )


def _words(said: WarrantySource) -> str:
    parts = {"purchased": said.purchase, "warranty until": said.warranty_end, "price": said.price}
    return ", ".join(f"{word} {value}" for word, value in parts.items() if value is not None)


def _identities(listed: AssetList) -> set[tuple[str, str]]:
    """Serials, tags and names of the rows that were skipped: what they would have said has not vanished."""
    return {(name, same(getattr(row, name))) for row in listed.skipped for name in IDENTITIES if getattr(row, name)}


def _one_of(known: Known, identities: Collection[tuple[str, str]]) -> bool:
    return any((name, same(known.asset.text(name))) in identities for name in IDENTITIES)


def _vanished_prefixes(document: Document, current: Current) -> Iterator[Vanished]:
    named = {str(prefix.network) for site in document.sites for prefix in site.prefixes}
    for prefix in current.of(PREFIXES):
        if prefix.text("prefix") not in named and prefix.custom.get(names.SCAN_ALLOWED) is True:
            yield Vanished(
                "prefix",
                prefix.id,
                prefix.text("prefix"),
                "scan allowed",
                "it may still be scanned: put it back in the contract file with scan: false, or correct NetBox",
            )
