# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long it took people to bring about controls, out of the evidence store: what a quote's hours are measured by.

The store is only read. The reckoning is in standards/quoting.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import AFTER
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.standards import catalogue, quoting
from ansible_collections.msp.ops.plugins.plugin_utils.standards.quoting import Job, Pace

# What is looked back on. Older jobs were done by other people with other tools.
PERIOD = dt.timedelta(days=730)


def pace(store: Store, customers: Iterable[str], now: dt.datetime) -> Pace | None:
    """The pace of these customers' jobs together, by their slugs; None where too few were measured."""
    jobs: list[Job] = []
    for slug in customers:
        summary = store.effort_minutes(slug, now - PERIOD, now)
        # Without effort no run is a job, and its checks need not be read.
        if summary is not None and any(row.run for row in summary.rows):
            jobs += quoting.jobs(store.standard_checks(slug, AFTER, now - PERIOD), summary.rows, catalogue.catalogue())
    return quoting.pace_of(jobs)
