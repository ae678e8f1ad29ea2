# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reports how customers stand with their standards: NetBox's assignments and the evidence store's checks, as files.

It only reads both. A source that does not answer raises: a customer's report is made of everything or not at all. What
non-standard assets cost more is measured over all customers, so that is read once, however many reports are made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import report_files, standard_states, surcharges
from ansible_collections.msp.ops.plugins.plugin_utils.desk import software as software_desk
from ansible_collections.msp.ops.plugins.plugin_utils.desk.report_files import ReportFiles
from ansible_collections.msp.ops.plugins.plugin_utils.desk.standard_assets import Holdings, contracted, holdings
from ansible_collections.msp.ops.plugins.plugin_utils.desk.standard_pace import pace
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import Lack, Place, Uplift
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import Snapshot
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import customers
from ansible_collections.msp.ops.plugins.plugin_utils.register.snapshot import Selection, read
from ansible_collections.msp.ops.plugins.plugin_utils.standards import (
    catalogue,
    compliance,
    end_of_life_file,
    quoting,
    report,
    report_page,
    software,
    standing,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.end_of_life import EndOfLife
from ansible_collections.msp.ops.plugins.plugin_utils.standards.report import OfSoftware, Report, Wrong
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import zone

LONGEST_DAYS = 730
NAME = "standards-report"
# How far apart the moments of a course are.
STEP_DAYS = 7


@dataclass(frozen=True, slots=True)
class EndsFile:
    """A file of endoflife.date: its path, the checksum that it must have ("": any), and its day where it has none."""

    path: str
    sha256: str = ""
    date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller asks for: the folder, who made it, how many days back the course goes, and how many what is new."""

    folder: Path
    made_by: str
    days: int = 90
    new_days: int = 31
    ends: EndsFile | None = None


def wishes_of(arguments: Mapping[str, Any]) -> Wishes:
    """The arguments of msp.ops.standard_report as wishes."""
    for name in ("days", "new_days"):
        if not 1 <= arguments[name] <= LONGEST_DAYS:
            raise MspError("MSP-STD-140", f"{name} of 1 to {LONGEST_DAYS}", str(arguments[name]), "correct it")
    given = arguments["end_of_life"]
    ends = EndsFile(given["path"], given["sha256"] or "", _day(given["date"])) if given else None
    return Wishes(Path(arguments["path"]), arguments["made_by"], arguments["days"], arguments["new_days"], ends)


def _day(text: str | None) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise MspError("MSP-STD-141", "a day such as 2026-11-20 in end_of_life.date", text, "correct it") from error


@dataclass(frozen=True, slots=True)
class Made:
    """One customer's report: what it says, and its files."""

    customer: str
    report: Report
    files: ReportFiles

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.files.as_dict(),
            "assets": self.report.counts,
            "without_standard": list(self.report.without),
        }


@dataclass(frozen=True, slots=True)
class Reports:
    """All reports that were asked for (with dry_run: as they would be written)."""

    made: tuple[Made, ...]

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.standard_report."""
        return {
            "changed": any(one.files.changed for one in self.made),
            "customers": {one.customer: one.as_dict() for one in self.made},
        }

    def diff(self) -> list[dict[str, str]]:
        return [one.files.diff() for one in self.made if one.files.changed]


@dataclass(frozen=True, slots=True)
class _World:
    """What all reports share: one moment, what NetBox says, what was measured over all customers, and ends of life."""

    store: Store
    now: dt.datetime
    snapshot: Snapshot
    measures: Mapping[Place, Uplift | Lack]
    ends: EndOfLife | None


def reports(
    store: Store, register: Register, slugs: Sequence[str], wishes: Wishes, *, dry_run: bool = False
) -> Reports:
    """The reports of these customers (none named: of all), written where they say something new, none with dry_run."""
    now = store.now()
    given = wishes.ends
    # Before anything is read: a file that is none stops everything, and nothing is judged without it.
    ends = end_of_life_file.read(given.path, now, sha256=given.sha256, date=given.date) if given else None
    everyone = customers(register)
    wanted = customers(register, slugs) if slugs else everyone
    tenants = {one.id: None for one in (*everyone, *wanted)}
    snapshot = read(register, Selection(tuple(tenants), {}), follow=False).snapshot
    world = _World(
        store,
        now,
        snapshot,
        surcharges.measured(store, snapshot, everyone, now),
        ends,
    )
    return Reports(tuple(_made(world, customer, wishes, dry_run=dry_run) for customer in wanted))


def _made(world: _World, customer: Customer, wishes: Wishes, *, dry_run: bool) -> Made:
    found = _report(world, customer, wishes)
    said = report_page.told(found, customer, wishes.made_by, f"{NAME}.json")
    data = {
        "customer": customer.slug,
        "date": world.now.astimezone(zone(customer)).date().isoformat(),
        **report.as_dict_of(found),
    }
    base = wishes.folder / customer.slug / NAME
    return Made(customer.slug, found, report_files.write(base, said, data, dry_run=dry_run))


def _report(world: _World, customer: Customer, wishes: Wishes) -> Report:
    store, now, slug = world.store, world.now, customer.slug
    today = now.astimezone(zone(customer)).date()
    held = holdings(world.snapshot, customer, today)
    assets = tuple(standing.worst_first(standard_states.of_assets(store, customer, held, now, today)))
    since, new_since = (_midnight(customer, today - dt.timedelta(days=d)) for d in (wishes.days, wishes.new_days))
    changes = store.control_changes(slug)
    keys = frozenset(one.asset.key for one in held.held)
    course = compliance.course(changes, store.controls_measured(slug), keys, _moments(wishes.days, customer, today))
    controls = catalogue.catalogue()
    assigned = {one.asset.key: one.assigned for one in held.held}
    everything = contracted(world.snapshot, customer, today)
    return Report(
        now=now,
        since=since,
        new_since=new_since,
        controls=controls,
        titles={one.assigned.standard: one.title for one in held.held},
        assets=assets,
        without=tuple(sorted(asset.name for asset in held.without)),
        wrong=_wrong(held),
        standards=tuple(report.standards_of(assets, course, controls)),
        new=tuple(one for one in compliance.new_drift(changes, new_since) if one.asset in keys),
        top=compliance.top_deviations(report.states_of(slug, assets, now)),
        waivers=tuple(standing.waivers(((one, assigned[one.asset]) for one in assets), today)),
        software=_software(world, customer, held, today),
        quote=quoting.quote(
            {one.asset: report.records_of(one) for one in assets}, controls, pace(store, [slug], now), today=today
        ),
        surcharges=tuple(surcharges.suggested(store, customer, everything, assets, world.measures, today=today)),
        names={asset.key: asset.name for asset in everything},
    )


def _software(world: _World, customer: Customer, held: Holdings, today: dt.date) -> OfSoftware:
    """The software of every asset that could be held to a standard, whether it is held to one or not."""
    assets = [*(one.asset for one in held.held), *held.without, *(asset for asset, _why in held.wrong)]
    assigned = {one.asset.key: one.assigned for one in held.held}
    there = software_desk.of_customer(world.store, customer.slug, assets, assigned)
    found = [software.judge(one, world.ends, today) for one in there.assets]
    return report.software_of(there.assets, found, there.not_told, world.ends, today)


def _moments(days: int, customer: Customer, today: dt.date) -> list[dt.datetime]:
    """The moments of a course: midnights, so that a report that is made again the same day tells the same."""
    return [_midnight(customer, today - dt.timedelta(days=back)) for back in range(0, days + 1, STEP_DAYS)]


def _midnight(customer: Customer, day: dt.date) -> dt.datetime:
    """The beginning of a day of the customer's calendar."""
    return dt.datetime.combine(day, dt.time(), zone(customer)).astimezone(dt.UTC)


def _wrong(held: Holdings) -> tuple[Wrong, ...]:
    """What is wrong in assignments, each once with the assets that have it."""
    told: dict[str, list[str]] = {}
    for asset, why in held.wrong:
        told.setdefault(" ".join(why.split()), []).append(asset.name)
    return tuple(Wrong(tuple(sorted(on)), why) for why, on in sorted(told.items()))
