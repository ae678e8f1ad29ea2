# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which standard each contracted asset of a customer is held to, out of what NetBox says of it. Reads only a snapshot.

What is wrong in one asset's assignment keeps no other from being told of; nobody knows what that one is held to.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.fields import sources_from_json
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.contract.status import effective_status
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.hosts import context_of
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Machine, Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.standards import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.standards.assigning import assign
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Assigned, Words

# Classes of assets that we have standards for; one whose class nobody recorded may be any of them.
HELD = ("server", "workstation", None)


@dataclass(frozen=True, slots=True)
class Held:
    """An asset, what it is held to, and how the standard is called for people."""

    asset: Asset
    assigned: Assigned
    title: Words


@dataclass(frozen=True, slots=True)
class Holdings:
    """A customer's contracted assets: held to a standard, held to none, or nobody knows to what, with why."""

    held: tuple[Held, ...]
    without: tuple[Asset, ...]
    wrong: tuple[tuple[Asset, str], ...]


def holdings(snapshot: Snapshot, customer: Customer, today: dt.date) -> Holdings:
    """What each contracted server and workstation of a customer is held to. today is the day in its zone."""
    assignments = _Assignments(today)
    held: list[Held] = []
    without: list[Asset] = []
    wrong: list[tuple[Asset, str]] = []
    for machine, asset in in_contract(snapshot, customer, today):
        context = context_of(snapshot, machine)
        said = context.get(names.CONTEXT_STANDARD)
        if said is None:
            if asset.asset_class in HELD:
                without.append(asset)
            continue
        planned = context.get(names.CONTEXT_PATCH_PLAN) is not None
        found = assignments.of(said, context.get(names.CONTEXT_STANDARDS), planned=planned)
        if isinstance(found, Assigned):
            held.append(Held(asset, found, _title(found.standard, context.get(names.CONTEXT_STANDARDS))))
        else:
            wrong.append((asset, str(found)))
    return Holdings(tuple(held), tuple(without), tuple(wrong))


def _title(standard: str, own: Any) -> Words:
    """Of an assignment without an error, so the standard is one of the MSP's own or one that we ship."""
    return Words(**own[standard]["title"]) if own and standard in own else catalogue.shipped()[standard].title


class _Assignments:
    """Assignments, or what is wrong in them; what many assets share is read once.

    A snapshot has one rendering for all assets that share it, so mostly the very same objects come again. Others may
    say the same: they are written out to see that.
    """

    def __init__(self, today: dt.date) -> None:
        self.today = today
        # With what was asked, for only while that is there nothing else can have its id.
        self.asked: dict[tuple[int, int, bool], tuple[Any, Any, Assigned | MspErrors]] = {}
        self.known: dict[str, Assigned | MspErrors] = {}

    def of(self, said: Any, own: Any, *, planned: bool) -> Assigned | MspErrors:
        """planned: the asset has a patch plan."""
        place = (id(said), id(own), planned)
        if place not in self.asked:
            self.asked[place] = (said, own, self._read(said, own, planned=planned))
        return self.asked[place][2]

    def _read(self, said: Any, own: Any, *, planned: bool) -> Assigned | MspErrors:
        key = json.dumps([said, own, planned], sort_keys=True)
        if key not in self.known:
            try:
                self.known[key] = assign(said, own, today=self.today, planned=planned)
            except MspErrors as errors:
                self.known[key] = errors
        return self.known[key]


def contracted(snapshot: Snapshot, customer: Customer, today: dt.date) -> list[Asset]:
    """A customer's contracted assets, of whatever class, with what their warranty rests on."""
    return [asset for _machine, asset in in_contract(snapshot, customer, today)]


def in_contract(snapshot: Snapshot, customer: Customer, today: dt.date) -> Iterator[tuple[Machine, Asset]]:
    """A customer's contracted assets, with the machines of NetBox that they are."""
    for machine in snapshot.machines.values():
        if machine.tenant != customer.id:
            continue
        status = effective_status(machine.fields.get(names.CONTRACT_STATUS), customer.contract, today)
        if status == names.CONTRACTED:
            yield machine, _asset(machine, customer.slug)


def _asset(machine: Machine, customer: str) -> Asset:
    end = machine.fields.get(names.WARRANTY_END)
    return Asset(
        kind=machine.kind,
        id=machine.id,
        name=machine.name or machine.key,
        customer=customer,
        status=machine.fields.get(names.CONTRACT_STATUS),
        asset_class=machine.fields.get(names.ASSET_CLASS),
        warranty_end=dt.date.fromisoformat(end) if end else None,
        warranty_sources=sources_from_json(machine.fields.get(names.WARRANTY_SOURCES)),
    )
