# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time spent outside the contract: by whom, and on which asset where the evidence says so. Pure.

What nobody measured is absent, never zero: minutes of people that no system told us of are not "no minutes".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Effort, EffortSummary, RunHost, Ticket

PERSON, AUTOMATION = "person", "automation"


@dataclass(frozen=True, slots=True)
class Spent:
    """Minutes outside the contract in a period. None: not measured. rows are what they add up."""

    person: float | None
    automation: float | None
    rows: tuple[Effort, ...]
    by_asset: Mapping[str, float] = field(default_factory=dict)


def spent(
    summary: EffortSummary | None, hosts: Mapping[str, Sequence[RunHost]], tickets: Iterable[Ticket]
) -> Spent | None:
    """What of a period's effort was outside the contract; None where nothing was measured.

    hosts: what each run did to which host, by the run's id.
    """
    rows = tuple(row for row in summary.rows if not row.in_contract) if summary is not None else ()
    if summary is None or not rows:
        return None
    of_ticket = _asset_by_ticket(ticket for ticket in tickets if ticket.customer == summary.customer)
    by_asset: dict[str, float] = defaultdict(float)
    for row in rows:
        for asset, part in _shares(row, hosts.get(row.run or "", ()), of_ticket).items():
            by_asset[asset] += row.minutes * part
    return Spent(_sum(rows, PERSON), _sum(rows, AUTOMATION), rows, dict(by_asset))


def _sum(rows: Sequence[Effort], by: str) -> float | None:
    minutes = [row.minutes for row in rows if row.by == by]
    return sum(minutes) if minutes else None


def _asset_by_ticket(tickets: Iterable[Ticket]) -> dict[str, str]:
    """The asset of each ticket number. A number that two ticket systems use for different assets says nothing."""
    found: dict[str, set[str]] = defaultdict(set)
    for ticket in tickets:
        found[ticket.ref].add(ticket.asset or "")
    return {ref: next(iter(assets)) for ref, assets in found.items() if len(assets) == 1 and assets != {""}}


def _shares(row: Effort, hosts: Sequence[RunHost], of_ticket: Mapping[str, str]) -> dict[str, float]:
    """By asset: its part of a row's minutes. A run's minutes were shared by the seconds on its hosts, so they are here;
    where it has no such hosts, the ticket says what the work was about."""
    outside = [host for host in hosts if host.customer == row.customer and not host.in_scope]
    total = sum(host.seconds for host in outside)
    if outside:
        shares: dict[str, float] = defaultdict(float)
        for host in outside:
            if host.asset:
                shares[host.asset] += host.seconds / total if total else 1 / len(outside)
        return dict(shares)
    asset = of_ticket.get(row.ticket or "")
    return {asset: 1.0} if asset else {}
