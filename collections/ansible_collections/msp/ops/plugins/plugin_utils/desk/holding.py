# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan would give to an asset and somebody else in NetBox has: another customer, a group of routers.

A customer's assets do not tell. Asks NetBox only where a plan gives something new; writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.desk import devices
from ansible_collections.msp.ops.plugins.plugin_utils.desk.devices import Space
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.plan import Plan, Step
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.planning import Taken
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register


def taken(register: Register, plan: Plan, assets: Sequence[Asset], space: Space) -> Taken:
    """Addresses and asset tags of a plan that NetBox would not give."""
    addresses = wanted(plan, assets)
    return Taken(
        devices.held_by_others(register, addresses, space) if addresses else frozenset(),
        devices.tags_held(register, list(_tags(plan))),
    )


def wanted(plan: Plan, assets: Sequence[Asset]) -> list[tuple[str | None, str]]:
    """The addresses that a plan gives, each with its asset (None: one that it makes). Not what assets have already."""
    has = {one.key: one.addresses for one in assets}
    return [
        (step.asset, step.values["address"]) for step in plan.steps if _gives_address(step, has.get(step.asset or ""))
    ]


def _gives_address(step: Step, has: Sequence[str] | None) -> bool:
    address = step.values.get("address")
    return bool(address) and not step.values.get("address_from") and address not in (has or ())


def _tags(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        tag = step.values.get("asset_tag") or step.values.get("fields", {}).get("asset_tag")
        if tag:
            yield str(tag)
