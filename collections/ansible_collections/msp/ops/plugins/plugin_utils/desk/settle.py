# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries out what a signed sheet decided: contract statuses in NetBox, each with a journal entry that says why.

The evidence store decides: the decisions are recorded there before the first write to NetBox. The journal entry is the
last write to an asset, so a run that was cut off goes on where it stopped, and a finished one writes nothing.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.desired import INTERFACE_NAME, ROLE_NAMES, UNKNOWN
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import ENDPOINTS, OBJECT_TYPES, assets
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import object_type
from ansible_collections.msp.ops.plugins.plugin_utils.verification import decisions, workbook
from ansible_collections.msp.ops.plugins.plugin_utils.verification.decisions import Plan, Transition
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import zone

JOURNAL = "extras/journal-entries"
DEVICES = "dcim/devices"
INTERFACES = "dcim/interfaces"
MACS = "dcim/mac-addresses"
ADDRESSES = "ipam/ip-addresses"
MANUFACTURERS, DEVICE_TYPES, ROLES = CATALOGUE = ("dcim/manufacturers", "dcim/device-types", "dcim/device-roles")


def read_sheet(path: Path) -> decisions.FilledSheet:
    """The filled sheet in a file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MspError(
            "MSP-VER-006",
            "the filled sheet as a file that can be read",
            f"{path}: {error.strerror or error}",
            "give the path of the XLSX file that came back",
        ) from error
    return workbook.read(content)


def plan_sheet(
    register: Register,
    store: Store,
    filled: decisions.FilledSheet,
    customer: Customer,
    *,
    now: dt.datetime,
    signed_by: str = "",
    signed_on: str = "",
) -> Plan:
    """What the sheet changes, or why it is refused. Reads only."""
    plan = decisions.plan(
        filled,
        customer.slug,
        store.sheets(customer.slug),
        assets(register, customer.slug),
        today=now.astimezone(zone(customer)).date(),
        journaled=_journaled(register, filled.id),
        signed_by=signed_by,
        signed_on=signed_on or None,
    )
    _permitted(register, plan.transitions)
    if any(transition.asset is None for transition in plan.transitions):
        _site(register, customer)
    return plan


def apply_plan(register: Register, store: Store, customer: Customer, plan: Plan) -> list[str]:
    """Record the decisions, then bring NetBox up to them. Returns the keys of the assets that were written."""
    if not plan.done:
        store.apply_sheet(plan.sheet, signed_by=plan.signed_by, signed_on=plan.signed_on, decisions=plan.decisions)
    return [_carry_out(register, customer, plan, transition) for transition in plan.transitions]


def rights(transitions: Iterable[Transition]) -> dict[str, set[str]]:
    """What a token must be allowed to do, by endpoint, to carry these out."""
    needed: dict[str, set[str]] = {}
    for transition in transitions:
        needed.setdefault(JOURNAL, set()).add("add")
        asset = transition.asset
        if asset is not None and (asset.status or names.UNLISTED) != transition.after:
            needed.setdefault(ENDPOINTS[asset.kind], set()).add("change")
        if not _seen(transition) or (asset is not None and asset.kind != "device"):
            continue
        if asset is None:
            for endpoint in (DEVICES, *CATALOGUE):
                needed.setdefault(endpoint, set()).add("add")
        if transition.keys["mac"].strip():
            needed.setdefault(INTERFACES, set()).update(("add", "change"))
            needed.setdefault(MACS, set()).add("add")
        if transition.keys["address"].strip():
            needed.setdefault(INTERFACES, set()).add("add")
            needed.setdefault(ADDRESSES, set()).update(("add", "change"))
            needed.setdefault(DEVICES, set()).add("change")
    return needed


def _permitted(register: Register, transitions: Iterable[Transition]) -> None:
    """Every right that will be needed is there; else all that are missing are named, before anything is recorded."""
    missing = []
    for endpoint, needed in sorted(rights(transitions).items()):
        app, _unused, kind = object_type(endpoint).partition(".")
        missing += [f"{app}.{right}_{kind}" for right in sorted(needed - register.allowed(endpoint))]
    if missing:
        raise MspError(
            "MSP-REG-003",
            "a token that may write what the sheet decides",
            f"it lacks {', '.join(missing)}, or is not enabled for writing",
            "give the token's user these permissions, or use the token of msp-automation, and apply the sheet again",
        )


def _seen(transition: Transition) -> bool:
    """Was the row about a thing that was seen, and not about an asset?"""
    return not transition.key.startswith(tuple(f"{kind}:" for kind in ENDPOINTS))


def _carry_out(register: Register, customer: Customer, plan: Plan, transition: Transition) -> str:
    why = f"Verification sheet {plan.sheet}: {transition.before} to {transition.after}"
    asset = transition.asset
    kind, number = (asset.kind, asset.id) if asset else ("device", _device(register, customer, transition, why))
    if asset and (asset.status or names.UNLISTED) != transition.after:
        _set_status(register, asset, transition.after, why)
    if _seen(transition) and kind == "device":
        _complete(register, customer, number, transition, why)
    register.journal(OBJECT_TYPES[kind], number, journal_text(plan, transition))
    return f"{kind}:{number}"


def _set_status(register: Register, asset: Asset, status: str, why: str) -> None:
    seen = asset.last_updated.isoformat() if asset.last_updated else ""
    row = {"id": asset.id, "custom_fields": {names.CONTRACT_STATUS: status}}
    register.update_if_unchanged(ENDPOINTS[asset.kind], row, seen, message=why)


def journal_text(plan: Plan, transition: Transition) -> str:
    """Why the status changed, for whoever asks later. The customer's own words stand at the end, as one line."""
    text = (
        f"Contract status: {transition.before} to {transition.after}, as agreed in verification sheet {plan.sheet} "
        f"(written {plan.written:%Y-%m-%d}, signed by {_plain(plan.signed_by)} on {plan.signed_on:%Y-%m-%d})."
    )
    return f"{text} Remark: {_plain(transition.remark)}" if transition.remark else text


def tells_of(sheet: str, comments: str) -> bool:
    """Is this the entry that journal_text writes for this sheet? Anybody else may mention the sheet too."""
    ours = rf"Contract status: [\w-]+ to [\w-]+, as agreed in verification sheet {re.escape(sheet)} \(written "
    return re.match(ours, comments) is not None


def _plain(words: str) -> str:
    """Somebody's words without what Markdown or HTML would make of them: NetBox renders journal entries."""
    return " ".join(re.sub(r"[`*_#<>\[\]|\\!]", " ", words).split())[:1000]


def _journaled(register: Register, sheet: str) -> frozenset[str]:
    """The assets whose journal has our own entry about this sheet: with them it is done."""
    found = register.rows(
        JOURNAL, fields=("assigned_object_type", "assigned_object_id", "comments"), filters={"q": sheet}
    )
    kinds = {name: kind for kind, name in OBJECT_TYPES.items()}
    return frozenset(
        f"{kinds[row['assigned_object_type']]}:{row['assigned_object_id']}"
        for row in found
        if row["assigned_object_type"] in kinds and tells_of(sheet, str(row["comments"]))
    )


# What was seen and agreed, but is in NetBox not yet: a device of unknown type with what is known of it. The onboarding
# uses the same names, so that an asset list completes such a device later.


def _complete(register: Register, customer: Customer, device: int, transition: Transition, why: str) -> None:
    """Give the device its interface, hardware address and address; each only where it is not there yet."""
    mac = transition.keys["mac"].partition(",")[0].strip()
    address = transition.keys["address"].strip()
    if not mac and not address:
        return
    interface = _one(
        register,
        INTERFACES,
        {"device_id": device, "name": INTERFACE_NAME},
        {"device": device, "name": INTERFACE_NAME, "type": "other", "description": "As seen on the network"},
        why,
    )
    holder = {"assigned_object_type": "dcim.interface", "assigned_object_id": interface["id"]}
    if mac:
        held = {"mac_address": mac, "device_id": device}
        made = _one(register, MACS, held, {"mac_address": mac, **holder}, why)
        if interface.get("primary_mac_address") is None:
            register.update(INTERFACES, [{"id": interface["id"], "primary_mac_address": made["id"]}], message=why)
    if address:
        _address(register, customer, device, address, holder=holder, why=why)


def _device(register: Register, customer: Customer, transition: Transition, why: str) -> int:
    kind = transition.keys["class"] if transition.keys["class"] in names.ASSET_CLASSES else "other"
    maker = _one(register, MANUFACTURERS, {"slug": _slug(UNKNOWN)}, _named(UNKNOWN), why)
    model = f"{UNKNOWN} {kind}"
    made = {"manufacturer": maker["id"], "model": model, "slug": _slug(f"{UNKNOWN} {model}")}
    held = {"slug": made["slug"], "manufacturer_id": maker["id"]}
    device_type = _one(register, DEVICE_TYPES, held, made, why)
    role_name = ROLE_NAMES[kind]
    role = _one(register, ROLES, {"slug": _slug(role_name)}, {**_named(role_name), "color": "9e9e9e"}, why)
    body = {
        "name": decisions.asset_name(transition.keys),
        "tenant": customer.id,
        "site": _site(register, customer),
        "role": role["id"],
        "device_type": device_type["id"],
        "status": "active",
        "serial": transition.keys["serial"][:50],
        "custom_fields": {names.CONTRACT_STATUS: transition.after, names.ASSET_CLASS: kind},
    }
    return int(register.create(DEVICES, [body], message=why)[0]["id"])


def _site(register: Register, customer: Customer) -> int:
    """The customer's first site: where exactly a thing stands, a sighting does not say."""
    sites = register.rows("dcim/sites", fields=("name",), filters={"tenant_id": customer.id})
    if not sites:
        raise MspError(
            "MSP-VER-008",
            f"a site of {customer.name} in NetBox for the device that the customer added to the contract",
            "a customer without sites",
            "add the site to the contract file and run playbooks/onboard.yml, then apply the sheet again",
        )
    return int(sites[0]["id"])


def _address(
    register: Register, customer: Customer, device: int, address: str, *, holder: Mapping[str, Any], why: str
) -> None:
    """The address in the customer's own address space. One that another asset or customer holds stays there."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return
    space = _space(register, customer, ip)
    fields = ("address", "vrf", "tenant", *holder)
    # Whoever's it is: within one VRF NetBox takes an address once.
    known = [
        row
        for row in register.rows(ADDRESSES, fields=fields, filters={"address": str(ip)})
        if row["address"].partition("/")[0] == str(ip)
        and (_id(row["vrf"]) == space["vrf"] or _id(row["tenant"]) == customer.id)
    ]
    ours = next((row for row in known if _held_by(row, holder)), None)
    free = next((row for row in known if row["assigned_object_id"] is None and _id(row["tenant"]) == customer.id), None)
    if ours is None and free is not None:
        ours = register.update(ADDRESSES, [{"id": free["id"], **holder}], message=why)[0]
    elif ours is None:
        if known:
            return
        ours = register.create(ADDRESSES, [{**space, **holder, "status": "active"}], message=why)[0]
    family = f"primary_ip{ip.version}"
    if register.row(DEVICES, device, fields=(family,))[family] is None:
        register.update(DEVICES, [{"id": device, family: ours["id"]}], message=why)


def _held_by(row: Mapping[str, Any], holder: Mapping[str, Any]) -> bool:
    return all(row[name] == value for name, value in holder.items())


def _id(related: Mapping[str, Any] | None) -> int | None:
    return int(related["id"]) if related else None


def _space(register: Register, customer: Customer, ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> dict[str, Any]:
    """Address, length and VRF as the customer's narrowest prefix around it has them; else the address alone."""
    prefixes = register.rows("ipam/prefixes", fields=("prefix", "vrf"), filters={"tenant_id": customer.id})
    around = [(ipaddress.ip_network(row["prefix"]), row["vrf"]) for row in prefixes]
    inside = [(net, vrf) for net, vrf in around if net.version == ip.version and ip in net]
    net, vrf = max(inside, key=lambda pair: pair[0].prefixlen, default=(None, None))
    length = net.prefixlen if net else ip.max_prefixlen
    return {"address": f"{ip}/{length}", "vrf": vrf["id"] if vrf else None, "tenant": customer.id}


def _one(
    register: Register, endpoint: str, filters: Mapping[str, Any], body: Mapping[str, Any], why: str
) -> dict[str, Any]:
    """The object that the filters name, made when there is none."""
    found = register.rows(endpoint, filters=filters)
    return found[0] if found else register.create(endpoint, [body], message=why)[0]


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "slug": _slug(name)}


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")
