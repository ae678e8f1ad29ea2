# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What software is where: who runs a version, over all customers, and a customer's assets against their software sets.

Reads the evidence store; writes nothing. What no audit told is said, and never read as "not there".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.standards import software_set
from ansible_collections.msp.ops.plugins.module_utils.standards.software_set import Package
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.standards import software
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Assigned
from ansible_collections.msp.ops.plugins.plugin_utils.standards.software import OnAsset, SoftwareSet


@dataclass(frozen=True, slots=True)
class Runs:
    """A package on an asset. host is what the asset was called when it was audited."""

    customer: str
    asset: str
    host: str
    package: Package
    platform: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """Who runs what was asked for, by customer and host. asked is it in words; others is how many assets have the
    package in another version; assets is how many the store knows the software of.
    """

    asked: str
    runs: tuple[Runs, ...]
    others: int
    assets: int

    def by_version(self) -> list[tuple[str, int, int]]:
        """Version, assets, customers; what most have first."""
        found: dict[str, tuple[set[tuple[str, str]], set[str]]] = {}
        for one in self.runs:
            assets, customers = found.setdefault(one.package.version, (set(), set()))
            assets.add((one.customer, one.asset))
            customers.add(one.customer)
        rows = [(version, len(assets), len(customers)) for version, (assets, customers) in found.items()]
        return sorted(rows, key=lambda row: (-row[1], row[0]))


def who_runs(store: Store, name: str, conditions: Sequence[str] = (), customer: str | None = None) -> Answer:
    """Who has a package in a version that meets the conditions (">=1.22", or a version alone). MSP-STD-100 and 109 for
    what is no such question.
    """
    if any(character in name for character in "*?"):
        raise MspError(
            "MSP-STD-109", "the whole name of one package", repr(name), "give it as the package manager has it"
        )
    words = [one if one[:1] in "=<>" else f"={one}" for one in conditions]
    asked = software_set.parse(" ".join([name, *words]))

    def meets(version: str, platform: str) -> bool:
        return asked.holds(version, software.manager_of(platform))

    installed = store.software(asked.name, meets, customer)
    runs = [
        Runs(
            row.customer,
            row.asset,
            row.host,
            Package(row.name, row.version, row.architecture, row.origin or None),
            row.platform,
            row.at,
        )
        for row in installed.found
    ]
    having = {(row.customer, row.asset) for row in installed.found}
    ordered = sorted(runs, key=lambda one: (one.customer, one.host, one.package))
    return Answer(str(asked), tuple(ordered), installed.having - len(having), store.software_known(customer))


@dataclass(frozen=True, slots=True)
class OfCustomer:
    """The software of a customer's assets, and those of which no audit told it."""

    assets: tuple[OnAsset, ...]
    not_told: tuple[str, ...]


def of_customer(
    store: Store, customer: str, assets: Iterable[Asset], assigned: Mapping[str, Assigned] | None = None
) -> OfCustomer:
    """What is on these assets, by their last good audits, with the software set of each that is held to a standard.

    assigned is by asset key. Facts that many assets share are read once.
    """
    audits = store.last_audits(customer)
    sets: dict[int, SoftwareSet] = {}
    found: list[OnAsset] = []
    lacking: list[str] = []
    for asset in assets:
        good, _attempt = audits.get(asset.key, (None, None))
        facts = store.facts(good.facts_hash) if good is not None and good.facts_hash else None
        if good is None or facts is None or not facts["packages"]:
            lacking.append(asset.name)
            continue
        held = (assigned or {}).get(asset.key)
        if held is not None and id(held) not in sets:
            sets[id(held)] = software.software_set_of(held)
        wanted = sets[id(held)] if held is not None else None
        found.append(software.on_asset(asset.key, asset.name, good.at, facts, wanted))
    return OfCustomer(tuple(found), tuple(sorted(lacking)))
