# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reports who can log in at customers: NetBox's assets and the evidence store's looks, as files.

What waits in the spool is delivered first. A source that does not answer raises: a customer's report is made of
everything or not at all. What is wrong in the naming of one asset's accounts keeps no other from being told of.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.access import naming, report, report_page
from ansible_collections.msp.ops.plugins.plugin_utils.access.naming import Named
from ansible_collections.msp.ops.plugins.plugin_utils.access.report import Report
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import field_states, report_files
from ansible_collections.msp.ops.plugins.plugin_utils.desk.report_files import ReportFiles
from ansible_collections.msp.ops.plugins.plugin_utils.desk.standard_assets import HELD, in_contract
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import MICROSOFT_365
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.hosts import context_of
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import Selection, read
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import zone

NAME = "access-report"


@dataclass(frozen=True, slots=True)
class Made:
    """One customer's report: what it says, and its files."""

    customer: str
    report: Report
    files: ReportFiles

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.files.as_dict(),
            "people": self.report.counts,
            "blind": [one.look.name for one in self.report.blind],
            "wrong": dict(self.report.wrong),
        }


@dataclass(frozen=True, slots=True)
class Reports:
    """All reports that were asked for (with dry_run: as they would be written), and what the store refused."""

    made: tuple[Made, ...]
    rejected: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.access_report."""
        return {
            "changed": any(one.files.changed for one in self.made),
            "customers": {one.customer: one.as_dict() for one in self.made},
            "rejected": list(self.rejected),
        }

    def diff(self) -> list[dict[str, str]]:
        return [one.files.diff() for one in self.made if one.files.changed]


def reports(
    store: Store, register: Register, slugs: Sequence[str], folder: Path, made_by: str, *, dry_run: bool = False
) -> Reports:
    """The reports of these customers (none named: of all), written where they say something new, none with dry_run."""
    rejected = field_states.delivered(store, check=dry_run)
    wanted = customers(register, slugs) if slugs else customers(register)
    snapshot = read(register, Selection(tuple(one.id for one in wanted), {}), follow=False).snapshot
    now = store.now()
    made = (_made(store, snapshot, customer, (folder, made_by), now, dry_run=dry_run) for customer in wanted)
    return Reports(tuple(made), tuple(rejected))


def _made(
    store: Store, snapshot: Snapshot, customer: Customer, to: tuple[Path, str], now: dt.datetime, *, dry_run: bool
) -> Made:
    folder, made_by = to
    found = gathered(store, snapshot, customer, now)
    said = report_page.told(found, customer, made_by, f"{NAME}.json")
    data = {
        "customer": customer.slug,
        "date": now.astimezone(zone(customer)).date().isoformat(),
        **report.as_dict_of(found),
    }
    files = report_files.write(folder / customer.slug / NAME, said, data, dry_run=dry_run)
    return Made(customer.slug, found, files)


def gathered(store: Store, snapshot: Snapshot, customer: Customer, now: dt.datetime) -> Report:
    """All that is known of one customer now."""
    today = now.astimezone(zone(customer)).date()
    looks = store.last_access_checks(customer.slug)
    named: dict[str, Named] = {}
    wrong: dict[str, str] = {}
    assets = []
    for asset, said in _named(snapshot, customer, today):
        assets.append(asset)
        try:
            named[asset.key] = naming.read(said, asset.name)
        except MspError as error:
            wrong[asset.name] = " ".join(str(error).split())
    hosts = [
        report.of_host(asset, named.get(asset.key, Named()), looks.get(asset.key, (None, None)), now)
        for asset in assets
        # One without a login of its own that we know (a printer, a switch) was never looked at and never will be.
        if asset.asset_class in HELD or asset.key in looks
    ]
    cloud = report.of_cloud(naming.joined(named.values()), looks.get(MICROSOFT_365), now)
    return Report(now, tuple(sorted(hosts, key=lambda one: one.look.name)), cloud, wrong)


def _named(snapshot: Snapshot, customer: Customer, today: dt.date) -> Iterator[tuple[Asset, Any]]:
    """A customer's contracted assets, and what their contexts say of accounts."""
    for machine, asset in in_contract(snapshot, customer, today):
        context: Mapping[str, Any] = context_of(snapshot, machine)
        yield asset, context.get(names.CONTEXT_ACCESS)
