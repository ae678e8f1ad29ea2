# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which asset stood how for how long, and the minutes that people spent on it meanwhile. Pure: no I/O.

Counts what a person did within the contract: what automation does costs nothing, and what is outside the contract is
charged by the hour already. Takes no asset for standard of which that is not known; minutes that can't be put to one
asset are told, and put to none.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Effort, Ticket
from ansible_collections.msp.ops.plugins.plugin_utils.register.names import SURCHARGED

MONTH = dt.timedelta(days=365.25 / 12)
# How an asset stands to each of SURCHARGED: it is so, it is not, nobody knows.
State = tuple[bool | None, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """One asset of a customer while the MSP looked after it, within the period that is looked at.

    waived are the steps of standards.compliance.waived. The ends are the last days of warranty and of support of the
    operating system, None where nobody knows them; a day is taken to end in UTC, which is a few hours in months.
    """

    asset: str
    asset_class: str
    since: dt.datetime
    until: dt.datetime
    waived: tuple[tuple[dt.datetime, bool | None], ...] = ()
    warranty_end: dt.date | None = None
    support_end: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which an asset stood one way to each of SURCHARGED."""

    since: dt.datetime
    until: dt.datetime
    state: State

    @property
    def months(self) -> float:
        return (self.until - self.since) / MONTH


def spans(held: Held) -> Iterator[Span]:
    """The times of an asset, one after the other without a gap."""
    ends = [_after(held.warranty_end), _after(held.support_end)]
    cuts = [at for at, _state in held.waived] + [end for end in ends if end is not None]
    inner = sorted({cut for cut in cuts if held.since < cut < held.until})
    edges = [held.since, *inner, held.until]
    for since, until in pairwise(edges):
        if since < until:
            waived = next((state for at, state in reversed(held.waived) if at <= since), None)
            yield Span(since, until, (waived, *(None if end is None else end <= since for end in ends)))


def _after(last: dt.date | None) -> dt.datetime | None:
    return None if last is None else dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), dt.UTC)


@dataclass(frozen=True, slots=True)
class Work:
    """A ticket on an asset that came at a time, and the minutes that people spent on it: the sum of these rows."""

    asset: str
    at: dt.datetime
    minutes: float
    ticket: str
    effort: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Worked:
    """What was worked on a customer's assets. timed are the closed tickets on an asset with minutes of a person.

    Within the contract or not: both show that minutes are written down. untimed are the closed ones without. An open
    ticket is neither: its minutes may still be written down.

    loose are the keys of the rows of people's effort that belong to no asset: without a ticket, of a ticket that nobody
    knows or that says no asset, or whose number two ticket systems have.
    """

    works: tuple[Work, ...]
    timed: tuple[str, ...]
    untimed: tuple[str, ...]
    loose: tuple[str, ...]


def worked(tickets: Iterable[Ticket], effort: Iterable[Effort]) -> Worked:
    """Tickets and effort of one customer, joined by the ticket's number."""
    known = list(tickets)
    twice = {ref for ref, count in Counter(ticket.ref for ticket in known).items() if count > 1}
    by_ref = {ticket.ref: ticket for ticket in known if ticket.ref not in twice and ticket.asset is not None}
    rows: dict[str, list[Effort]] = defaultdict(list)
    timed: set[str] = set()
    loose = []
    for row in effort:
        if row.by != "person":
            continue
        if row.ticket not in by_ref:
            loose.append(row.key)
            continue
        if row.minutes > 0:
            timed.add(_name(by_ref[row.ticket]))
        if row.in_contract:
            rows[row.ticket].append(row)
    works = tuple(_work(by_ref[ref], found) for ref, found in sorted(rows.items()))
    closed = {_name(ticket) for ticket in known if ticket.asset and ticket.closed}
    return Worked(works, tuple(sorted(closed & timed)), tuple(sorted(closed - timed)), tuple(sorted(loose)))


def _work(ticket: Ticket, rows: Sequence[Effort]) -> Work:
    return Work(
        str(ticket.asset),
        ticket.opened,
        sum(row.minutes for row in rows),
        _name(ticket),
        tuple(sorted(row.key for row in rows)),
    )


def _name(ticket: Ticket) -> str:
    return f"{ticket.source} {ticket.ref}"


@dataclass(slots=True)
class Share:
    """What one asset adds to a cell: its months, its minutes, and the works they are of."""

    months: float = 0.0
    minutes: float = 0.0
    works: list[Work] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cell:
    """Assets of one customer and class that stood the same, while they did; by asset its share."""

    shares: dict[str, Share]

    @property
    def months(self) -> float:
        return sum(share.months for share in self.shares.values())

    @property
    def minutes(self) -> float:
        return sum(share.minutes for share in self.shares.values())

    @property
    def rate(self) -> float:
        """Minutes per asset and month."""
        return self.minutes / self.months

    @property
    def works(self) -> list[Work]:
        return [work for share in self.shares.values() for work in share.works]


def cells(assets: Iterable[Held], works: Iterable[Work]) -> dict[tuple[str, State], Cell]:
    """By class and state the assets that stood so. Work on an asset outside its time is nobody's."""
    of_asset: dict[str, list[Work]] = defaultdict(list)
    for work in works:
        of_asset[work.asset].append(work)
    found: dict[tuple[str, State], Cell] = {}
    for held in assets:
        for span in spans(held):
            cell = found.setdefault((held.asset_class, span.state), Cell({}))
            share = cell.shares.setdefault(held.asset, Share())
            share.months += span.months
            for work in of_asset[held.asset]:
                if span.since <= work.at < span.until:
                    share.minutes += work.minutes
                    share.works.append(work)
    return found


def place(reason: str) -> int:
    """Where in a state a reason of SURCHARGED stands."""
    return SURCHARGED.index(reason)
