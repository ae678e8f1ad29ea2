# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Customers for tests: assets that tickets come in for by chance, and take as long as they take."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable

from ansible_collections.msp.ops.plugins.plugin_utils.effort.exposure import MONTH, Held, Worked, worked
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import OfCustomer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Effort, Ticket

CUSTOMER = "bakkerij-jansen"
UNTIL = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
SINCE = UNTIL - 12 * MONTH
LONG_AGO, FAR_OFF = dt.date(2020, 1, 1), dt.date(2040, 1, 1)
STANDARD = ((SINCE, False),)


def held(
    asset: str,
    *,
    asset_class: str = "server",
    waived: tuple[tuple[dt.datetime, bool | None], ...] = STANDARD,
    warranty_end: dt.date | None = FAR_OFF,
    support_end: dt.date | None = FAR_OFF,
    since: dt.datetime = SINCE,
    until: dt.datetime = UNTIL,
) -> Held:
    return Held(asset, asset_class, since, until, waived, warranty_end, support_end)


def ticket(ref: str, asset: str | None, at: dt.datetime, source: str = "desk") -> Ticket:
    return Ticket(CUSTOMER, source, ref, at, at + dt.timedelta(days=1), "a ticket", asset)


def minutes(ref: str | None, spent: float, *, by: str = "person", inside: bool = True, key: str = "") -> Effort:
    return Effort(key or f"row:{ref}", CUSTOMER, UNTIL, spent, False, inside, by, ticket=ref)


def by_chance(chance: random.Random, assets: Iterable[Held], a_month: dict[str, float], size: float) -> Worked:
    """Tickets on each asset at so many minutes a month, each of a mean size and as unlike as jobs are."""
    tickets: list[Ticket] = []
    rows: list[Effort] = []
    for asset in assets:
        at = asset.since + chance.expovariate(a_month[asset.asset] / size) * MONTH
        while at < asset.until:
            ref = f"{asset.asset}-{len(tickets)}"
            tickets.append(ticket(ref, asset.asset, at))
            rows.append(minutes(ref, chance.expovariate(1 / size)))
            at += chance.expovariate(a_month[asset.asset] / size) * MONTH
    return worked(tickets, rows)


def office(
    name: str,
    chance: random.Random,
    *,
    having: int,
    lacking: int,
    base: float,
    more: float,
    size: float = 45.0,
    unlike: float = 0.0,
) -> OfCustomer:
    """A customer with servers out of warranty, which take more minutes a month, and servers in warranty.

    unlike is how much worse some are than others of their kind: the variance of a factor that is 1 on average.
    """
    old = [held(f"{name}-old{number}", warranty_end=LONG_AGO) for number in range(having)]
    new = [held(f"{name}-new{number}") for number in range(lacking)]
    a_month = {one.asset: base + more for one in old} | {one.asset: base for one in new}
    if unlike:
        a_month = {asset: max(0.05, rate * chance.gammavariate(1 / unlike, unlike)) for asset, rate in a_month.items()}
    return OfCustomer(name, (*old, *new), by_chance(chance, (*old, *new), a_month, size))
