# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an asset costs more a month while it is waived, out of warranty or out of support: measured over all customers.

Pure: no I/O, and no money (surcharge.py). Compares at each customer assets of one class that are so with those that
are not and stand the same otherwise, so a server is no reason by itself, nor is one reason paid for by another. What is
found at a customer is drawn towards the mean of all (shrinkage.py). Drift is no reason: bringing assets to the standard
is the MSP's own work.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.effort import shrinkage
from ansible_collections.msp.ops.plugins.plugin_utils.effort.exposure import Cell, Held, State, Worked, cells, place
from ansible_collections.msp.ops.plugins.plugin_utils.effort.shrinkage import Estimate, Shrunk
from ansible_collections.msp.ops.plugins.plugin_utils.register.names import SURCHARGED

# What it takes at one customer, with the reason and without it: assets, and months of them. Fewer tell of single
# machines and not of what is common to them.
LEAST_ASSETS = 3
LEAST_MONTHS = 12.0
# On both together: with fewer tickets one long job decides.
LEAST_TICKETS = 5
# Closed tickets on assets without a minute written down, as a part of all: with more, nobody knows what was spent.
MOST_UNTIMED = 0.2
# So many tickets of a customer's own say as much of its rate as all customers do. With few, low rates are trusted too
# much, and fewer true values lie in the interval than are said to; with many, a customer that is busier than others is.
_TICKETS = 10
# Customers, so that there is a mean to draw towards.
LEAST_CUSTOMERS = shrinkage.LEAST

# Why nothing was measured: Lack.kind.
NO_MINUTES, UNTIMED, FEW_ASSETS, FEW_MONTHS, FEW_TICKETS, FEW_CUSTOMERS, NO_RATE = LACKS = (
    "no minutes",
    "untimed",
    "few assets",
    "few months",
    "few tickets",
    "few customers",
    "no rate",
)

Place = tuple[str, str, str]  # customer, reason of SURCHARGED, class of assets


@dataclass(frozen=True, slots=True)
class OfCustomer:
    """What is known of one customer over the period. worked is None where nobody ever wrote down minutes or tickets."""

    customer: str
    assets: tuple[Held, ...]
    worked: Worked | None


@dataclass(frozen=True, slots=True)
class Side:
    """The assets with a reason, or those without it that they were held against."""

    assets: tuple[str, ...]
    months: float
    minutes: float
    tickets: tuple[str, ...]
    effort: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Uplift:
    """Minutes that an asset with the reason costs more a month, and between what it lies (shrinkage.LEVEL).

    own and error are what this customer's assets say by themselves, weight is how much of that is in minutes (0 to 1),
    common the mean of all customers. customers are how many were measured. The evidence is in the two sides.
    """

    customer: str
    reason: str
    asset_class: str
    minutes: float
    low: float
    high: float
    own: float
    error: float
    weight: float
    common: float
    customers: int
    having: Side
    lacking: Side


@dataclass(frozen=True, slots=True)
class Lack:
    """Why nothing was measured: what there is, and what it takes. kind is one of LACKS."""

    kind: str
    has: float = 0.0
    needs: float = 0.0


def uplifts(customers: Iterable[OfCustomer]) -> dict[Place, Uplift | Lack]:
    """By customer, reason and class what it costs more, or why that was not measured.

    A place that is not in it has no asset with the reason, or none that is looked after.
    """
    found: dict[Place, Uplift | Lack] = {}
    measured: dict[str, dict[tuple[str, State], Cell]] = {}
    for one in customers:
        of_customer = cells(one.assets, one.worked.works if one.worked else ())
        lack = _unmeasured(one.worked)
        if lack is None:
            measured[one.customer] = of_customer
        else:
            found |= {(one.customer, *where): lack for where in _places(of_customer)}
    noise = _Noise(measured)
    compared: dict[tuple[str, str], dict[str, _Compared]] = defaultdict(dict)
    for customer, of_customer in measured.items():
        for reason, asset_class in _places(of_customer):
            against = _compare(of_customer, reason, asset_class, noise)
            if isinstance(against, Lack):
                found[customer, reason, asset_class] = against
            else:
                compared[reason, asset_class][customer] = against
    for (reason, asset_class), of_customers in compared.items():
        for customer, result in _drawn_together(reason, asset_class, of_customers):
            found[customer, reason, asset_class] = result
    return found


def _unmeasured(worked: Worked | None) -> Lack | None:
    if worked is None:
        return Lack(NO_MINUTES)
    closed = len(worked.timed) + len(worked.untimed)
    part = len(worked.untimed) / closed if closed else 0.0
    return Lack(UNTIMED, part, MOST_UNTIMED) if part > MOST_UNTIMED else None


def _places(of_customer: Mapping[tuple[str, State], Cell]) -> list[tuple[str, str]]:
    """The reasons and classes of which the customer has assets."""
    found = {
        (reason, asset_class) for asset_class, state in of_customer for reason in SURCHARGED if state[place(reason)]
    }
    return sorted(found)


class _Noise:
    """How uncertain the rate of a cell is: the variance of minutes is their mean times a factor, by class of assets.

    So it is where tickets come by chance and take as long as they take (a compound Poisson process); that some assets
    are worse than others of their cell is in the factor, for it is measured between assets. The mean of a cell is not
    what happened to be seen there: it is drawn to the rate of all customers by what a few tickets tell. Else a customer
    with luck would be one that is known well, and one without a ticket known without a doubt.
    """

    def __init__(self, measured: Mapping[str, Mapping[tuple[str, State], Cell]]) -> None:
        squares: dict[str, float] = defaultdict(float)
        expected: dict[str, float] = defaultdict(float)
        # Of all customers, by class and state; without a state of the whole class.
        self.minutes: dict[tuple[str, State | None], float] = defaultdict(float)
        self.months: dict[tuple[str, State | None], float] = defaultdict(float)
        for of_customer in measured.values():
            for (asset_class, state), cell in of_customer.items():
                for of in (state, None):
                    self.minutes[asset_class, of] += cell.minutes
                    self.months[asset_class, of] += cell.months
                rate = cell.rate
                squares[asset_class] += math.fsum(
                    (share.minutes - rate * share.months) ** 2 / share.months for share in cell.shares.values()
                )
                expected[asset_class] += (len(cell.shares) - 1) * rate
        self.factor = {key: squares[key] / value for key, value in expected.items() if value > 0 and squares[key] > 0}

    def variance(self, asset_class: str, state: State, cell: Cell) -> float | None:
        """Of the rate of a cell; None where no ticket tells anything of the class."""
        factor = self.factor.get(asset_class)
        if factor is None:
            return None
        of = state if self.minutes[asset_class, state] else None
        common = self.minutes[asset_class, of] / self.months[asset_class, of]
        told = _TICKETS * factor
        mean = (cell.minutes + told) / (cell.months + told / common)
        return factor * mean / cell.months


@dataclass(frozen=True, slots=True)
class _Compared:
    estimate: Estimate
    having: Side
    lacking: Side


def _compare(
    of_customer: Mapping[tuple[str, State], Cell], reason: str, asset_class: str, noise: _Noise
) -> _Compared | Lack:
    """Cells that differ in the reason alone, held against each other.

    What several pairs say is weighed as Mantel and Haenszel do for rates: by the months of both sides of a pair.
    """
    at = place(reason)
    pairs: list[tuple[Cell, State, Cell, State]] = []
    for (name, state), cell in of_customer.items():
        other = (*state[:at], False, *state[at + 1 :])
        if name == asset_class and state[at] and (name, other) in of_customer:
            pairs.append((cell, state, of_customer[name, other], other))
    having, lacking = _side(pair[0] for pair in pairs), _side(pair[2] for pair in pairs)
    lack = _too_little(having, lacking)
    if lack is not None:
        return lack
    value = variance = whole = 0.0
    for one, state, against, other in pairs:
        doubts = (noise.variance(asset_class, state, one), noise.variance(asset_class, other, against))
        if doubts[0] is None or doubts[1] is None:
            return Lack(FEW_TICKETS, 0.0, LEAST_TICKETS)
        weight = one.months * against.months / (one.months + against.months)
        value += weight * (one.rate - against.rate)
        variance += weight**2 * (doubts[0] + doubts[1])
        whole += weight
    return _Compared(Estimate(value / whole, math.sqrt(variance) / whole), having, lacking)


def _too_little(having: Side, lacking: Side) -> Lack | None:
    assets = min(len(having.assets), len(lacking.assets))
    if assets < LEAST_ASSETS:
        return Lack(FEW_ASSETS, assets, LEAST_ASSETS)
    months = min(having.months, lacking.months)
    if months < LEAST_MONTHS:
        return Lack(FEW_MONTHS, months, LEAST_MONTHS)
    tickets = len(having.tickets) + len(lacking.tickets)
    return Lack(FEW_TICKETS, tickets, LEAST_TICKETS) if tickets < LEAST_TICKETS else None


def _side(of: Iterable[Cell]) -> Side:
    found = list(of)
    works = [work for cell in found for work in cell.works]
    return Side(
        tuple(sorted({asset for cell in found for asset in cell.shares})),
        math.fsum(cell.months for cell in found),
        math.fsum(cell.minutes for cell in found),
        tuple(sorted({work.ticket for work in works})),
        tuple(sorted({key for work in works for key in work.effort})),
    )


def _drawn_together(
    reason: str, asset_class: str, compared: Mapping[str, _Compared]
) -> Iterator[tuple[str, Uplift | Lack]]:
    if len(compared) < LEAST_CUSTOMERS:
        for customer in compared:
            yield customer, Lack(FEW_CUSTOMERS, len(compared), LEAST_CUSTOMERS)
        return
    drawn = shrinkage.shrink([one.estimate for one in compared.values()])
    for (customer, one), shrunk in zip(compared.items(), drawn, strict=True):
        yield customer, _uplift((customer, reason, asset_class), one, shrunk, len(compared))


def _uplift(where: Place, one: _Compared, shrunk: Shrunk, customers: int) -> Uplift:
    return Uplift(
        *where,
        minutes=shrunk.mean,
        low=shrunk.low,
        high=shrunk.high,
        own=one.estimate.value,
        error=one.estimate.error,
        weight=shrunk.weight,
        common=shrunk.common,
        customers=customers,
        having=one.having,
        lacking=one.lacking,
    )
