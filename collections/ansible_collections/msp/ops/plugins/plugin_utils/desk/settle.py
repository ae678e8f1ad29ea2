# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries out what a signed sheet decided: contract statuses in NetBox, each with a journal entry that says why.

The evidence store decides: the decisions are recorded there before the first write to NetBox. The journal entry is the
last write to an asset, so a run that was cut off goes on where it stopped, and a finished one writes nothing.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import devices
from ansible_collections.msp.ops.plugins.plugin_utils.desk.devices import Catalogue, Connected, Space
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.words import plain
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import DEVICE, ENDPOINTS, OBJECT_TYPES, assets
from ansible_collections.msp.ops.plugins.plugin_utils.register.filters import object_type
from ansible_collections.msp.ops.plugins.plugin_utils.verification import decisions, workbook
from ansible_collections.msp.ops.plugins.plugin_utils.verification.decisions import Plan, Transition
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import zone

JOURNAL = "extras/journal-entries"


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
    _space(register, customer, plan.transitions)
    return plan


def apply_plan(register: Register, store: Store, customer: Customer, plan: Plan) -> list[str]:
    """Record the decisions, then bring NetBox up to them. Returns the keys of the assets that were written."""
    if not plan.done:
        store.apply_sheet(plan.sheet, signed_by=plan.signed_by, signed_on=plan.signed_on, decisions=plan.decisions)
    space = _space(register, customer, plan.transitions)
    return [_carry_out(register, space, plan, transition) for transition in plan.transitions]


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
            for endpoint in (devices.DEVICES, *devices.CATALOGUE):
                needed.setdefault(endpoint, set()).add("add")
        if transition.keys["mac"].strip():
            needed.setdefault(devices.INTERFACES[DEVICE], set()).update(("add", "change"))
            needed.setdefault(devices.MACS, set()).add("add")
        if transition.keys["address"].strip():
            needed.setdefault(devices.INTERFACES[DEVICE], set()).add("add")
            needed.setdefault(devices.ADDRESSES, set()).update(("add", "change"))
            needed.setdefault(devices.DEVICES, set()).add("change")
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


def _carry_out(register: Register, space: Space, plan: Plan, transition: Transition) -> str:
    why = f"Verification sheet {plan.sheet}: {transition.before} to {transition.after}"
    asset = transition.asset
    kind, number = (asset.kind, asset.id) if asset else ("device", _device(register, space, transition, why))
    if asset and (asset.status or names.UNLISTED) != transition.after:
        _set_status(register, asset, transition.after, why)
    if _seen(transition) and kind == "device":
        _complete(register, space, number, transition, why)
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
        f"(written {plan.written:%Y-%m-%d}, signed by {plain(plan.signed_by)} on {plan.signed_on:%Y-%m-%d})."
    )
    return f"{text} Remark: {plain(transition.remark, 1000)}" if transition.remark else text


def tells_of(sheet: str, comments: str) -> bool:
    """Is this the entry that journal_text writes for this sheet? Anybody else may mention the sheet too."""
    ours = rf"Contract status: [\w-]+ to [\w-]+, as agreed in verification sheet {re.escape(sheet)} \(written "
    return re.match(ours, comments) is not None


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


def _complete(register: Register, space: Space, device: int, transition: Transition, why: str) -> None:
    """Give the device its interface, hardware address and address; each only where it is not there yet."""
    mac = transition.keys["mac"].partition(",")[0].strip()
    wanted = Connected(device, (mac,) if mac else (), transition.keys["address"].strip() or None)
    for id, primary in devices.connect(register, DEVICE, [wanted], space, why).items():
        lacking = {family: value for family, value in primary.items() if _has_no(register, id, family)}
        if lacking:
            register.update(devices.DEVICES, [{"id": id, **lacking}], message=why)


def _has_no(register: Register, device: int, family: str) -> bool:
    return register.row(devices.DEVICES, device, fields=(family,))[family] is None


def _device(register: Register, space: Space, transition: Transition, why: str) -> int:
    kind = transition.keys["class"] if transition.keys["class"] in names.ASSET_CLASSES else "other"
    row = devices.body(
        space,
        space.sites[0],
        Catalogue(register).of(kind, why),
        name=decisions.asset_name(transition.keys),
        status=transition.after,
        asset_class=kind,
        serial=transition.keys["serial"],
    )
    return int(register.create(devices.DEVICES, [row], message=why)[0]["id"])


def _space(register: Register, customer: Customer, transitions: Iterable[Transition]) -> Space:
    """Where what was seen belongs; a thing that becomes a device has to stand somewhere."""
    seen = [transition for transition in transitions if _seen(transition)]
    if not seen:
        return Space(customer.id)
    made = any(transition.asset is None for transition in seen)
    space = devices.spaces(register, [customer.id], sites=made)[customer.id]
    if made and not space.sites:
        raise MspError(
            "MSP-VER-008",
            f"a site of {customer.name} in NetBox for the device that the customer added to the contract",
            "a customer without sites",
            "add the site to the contract file and run playbooks/onboard.yml, then apply the sheet again",
        )
    return space
