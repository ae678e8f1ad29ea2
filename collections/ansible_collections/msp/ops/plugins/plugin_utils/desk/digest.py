# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells a customer what changed since they were last told: reads the evidence store, writes the digest, records it.

The files come first and the record after them: a run that was killed in between is done again by the next one, so news
may be written twice and is never lost. No news writes nothing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import files
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability, leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Digest
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import digest_page
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.digest import GROUPS, News, news, until
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.spent import Spent, spent

# Before anything that a store can hold.
BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
END = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was written where; nothing at all where there was no news."""

    page: Path | None
    text_file: Path | None
    text: str
    counts: dict[str, int]

    @property
    def paths(self) -> list[str]:
        return [str(path) for path in (self.page, self.text_file) if path is not None]

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.discovery_digest."""
        return {
            "changed": bool(self.paths),
            "page": str(self.page) if self.page else None,
            "text_file": str(self.text_file) if self.text_file else None,
            "text": self.text,
            "counts": self.counts,
        }


NOTHING = Delivery(None, None, "", dict.fromkeys(GROUPS, 0))


def tell(store: Store, customer: Customer, folder: Path, *, made_by: str, dry_run: bool = False) -> Delivery:
    """What the customer was not told of yet, written and recorded; under a lease, so that two controllers tell it once.

    With dry_run nothing is written or recorded, and the answer says what would be.
    """
    if dry_run:
        return hand_over(store, read(store, customer), folder, made_by=made_by, dry_run=True)
    # What is told once must be there when somebody comes to read it: a container's disk vanishes with it.
    durability.require(folder, "digest")
    with leases.holding(store, f"digest:{customer.slug}"):
        return hand_over(store, read(store, customer), folder, made_by=made_by)


def read(store: Store, customer: Customer) -> News | None:
    """What the customer was not told of yet, or None."""
    last = store.last_digest(customer.slug)
    since = last.until if last is not None else None
    changes = store.changes(customer.slug, since)
    end = until(changes)
    if end is None:
        return None
    return news(customer, changes, since, spent_in(store, customer.slug, since or BEGINNING, end))


def hand_over(store: Store, found: News | None, folder: Path, *, made_by: str, dry_run: bool = False) -> Delivery:
    """Write the digest and record it. With dry_run neither is done, and the answer says what would be."""
    if found is None:
        return NOTHING
    said = digest_page.told(found, made_by)
    bodies = {".html": digest_page.page(said), ".txt": digest_page.text(said)}
    base = folder / found.customer.slug / f"digest-{_stamp(found)}"
    paths = {suffix: base.parent / f"{base.name}{suffix}" for suffix in bodies}
    if not dry_run:
        for suffix, body in bodies.items():
            files.write(paths[suffix], body.encode())
        store.record_digest(Digest(found.customer.slug, found.since, found.until, found.changes))
    return Delivery(paths[".html"], paths[".txt"], bodies[".txt"], found.counts)


def _stamp(found: News) -> str:
    """The end of the period in UTC, which no change of clocks repeats; to the microsecond within the minute of the last
    digest, whose files stay as they are."""
    end = found.until.astimezone(dt.UTC)
    stamp = f"{end:%Y-%m-%d-%H%M}"
    told = found.since is not None and stamp == f"{found.since.astimezone(dt.UTC):%Y-%m-%d-%H%M}"
    return f"{stamp}-{end:%S%f}" if told else stamp


def spent_in(store: Store, slug: str, since: dt.datetime, end: dt.datetime) -> Spent | None:
    """The time outside the contract in [since, end), with the runs and tickets that say which asset it was for."""
    summary = store.effort_minutes(slug, since, end)
    runs = sorted({row.run for row in summary.rows if row.run and not row.in_contract}) if summary is not None else []
    found = {run: record[1] for run in runs if (record := store.run(run)) is not None}
    return spent(summary, found, store.tickets(slug, BEGINNING, END) or ())
