"""A second reconciliation with the same evidence has nothing to say: over made customers, without a NetBox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change, StoredPlan
from ansible_collections.msp.ops.plugins.plugin_utils.identity import learning
from ansible_collections.msp.ops.plugins.plugin_utils.identity.evidence import Ids
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import earlier
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.findings import Known, findings
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.given import given_values
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import Plan, Step, stored
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.planning import Taken, plan
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from bench._made_network import make
from bench._made_world import NOW, ROUGH, USUAL, Made, Rates

FIRST_NEW = 5_000_000
WORLDS = [(rates, seed) for rates in (ROUGH, USUAL) for seed in (1, 3, 5, 6, 11)]


@pytest.mark.parametrize(("rates", "seed"), WORLDS)
def test_a_second_run_on_the_same_evidence_plans_nothing(rates: Rates, seed: int) -> None:
    for made in make(seed, 400, rates, customers=2):
        first, learnt = planned(made, made.assets, ())
        assert {step.kind for step in first.steps} >= {"create", "facts", "mark"}
        assets, changes = applied(made.assets, first)
        second, _learnt = planned(made, assets, changes, [stored(first)], learnt)
        assert [(one.kind, one.name, one.values) for one in second.steps] == []


def planned(
    made: Made,
    assets: Sequence[Asset],
    changes: Sequence[Change],
    plans: Iterable[StoredPlan] = (),
    owners: learning.Owners = MappingProxyType({}),
) -> tuple[Plan, learning.Owners]:
    """The plan, and what the run learnt besides."""
    before = earlier(changes)
    keys = {*made.remembered, *before.remembered}
    said = {key: (*_taught(made, key), *before.remembered.get(key, ())) for key in keys}
    who = learning.identify(
        made.customer,
        assets,
        made.sightings,
        facts=made.facts,
        audits=made.audits,
        said=said,
        owners=owners,
        history=made.history,
    )
    known = Known(
        customer=made.customer,
        assets=assets,
        sightings=made.sightings,
        profiles=who.profiles,
        resolution=who.resolution,
        audits=made.audits,
        gone=before.gone,
    )
    before = replace(before, remembered=said)
    of_assets = who.on_record
    ours = given_values(changes, plans)
    made_plan = plan(
        known, findings(known, NOW), before, now=NOW, after="", on_record=of_assets, given=ours, taken=Taken()
    )
    return made_plan, who.owners


def _taught(made: Made, key: str) -> tuple[Ids, ...]:
    return (made.remembered[key],) if key in made.remembered else ()


def applied(assets: Sequence[Asset], done: Plan) -> tuple[list[Asset], list[Change]]:
    """NetBox after a plan, and what is recorded of it."""
    there = {one.key: one for one in assets}
    keys = {}
    for number, step in enumerate(done.steps, start=FIRST_NEW):
        if giver := there.get(str(step.values.get("address_from"))):
            given = step.values["address"]
            primary = giver.address if giver.address != given else None
            left = tuple(one for one in giver.addresses if one != given)
            there[giver.key] = replace(giver, address=primary, addresses=left)
        held = {address for one in there.values() for address in one.addresses}
        asset = (
            made_of(step, done.customer, number, held) if step.asset is None else written(there[step.asset], step, held)
        )
        there[asset.key] = asset
        keys[step.id] = asset.key
    return list(there.values()), [done.recorded(one, keys[one.step]) for one in done.changes]


def made_of(step: Step, customer: str, number: int, held: set[str]) -> Asset:
    values = step.values
    address = values.get("address") if values.get("address") not in held else None
    custom = {names.DISCOVERY: values.get(names.DISCOVERY), names.OPERATING_SYSTEM: values.get("os")}
    return Asset(
        kind="device",
        id=number,
        name=values["name"],
        customer=customer,
        status=names.UNLISTED,
        asset_class=values["class"],
        serial=values.get("serial", ""),
        asset_tag=values.get("asset_tag"),
        vendor="Unknown",
        address=address,
        addresses=(address,) if address else (),
        macs=tuple(values.get("macs", ())),
        custom_fields={name: value for name, value in custom.items() if value},
    )


def written(asset: Asset, step: Step, held: set[str]) -> Asset:
    values = step.values
    if step.kind == "status":
        return replace(asset, status=values[names.CONTRACT_STATUS])
    if step.kind == "mark":
        return replace(asset, custom_fields={**asset.custom_fields, **values})
    custom = values.get("custom", {})
    fields = dict(values.get("fields", {}))
    fields |= {"asset_class": custom[names.ASSET_CLASS]} if names.ASSET_CLASS in custom else {}
    address = values.get("address")
    if address in asset.addresses:
        fields["address"] = address
    elif address and address not in held:
        kept = tuple(one for one in asset.addresses if one != asset.address)
        fields |= {"address": address, "addresses": (*kept, address)}
    macs = tuple(sorted({*asset.macs, *values.get("macs", ())}))
    return replace(asset, **fields, macs=macs, custom_fields={**asset.custom_fields, **custom})
