# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is suggested that an asset costs more a month, and on what grounds: measured, or by the contract's table. Pure.

No surcharge without its evidence: that the asset is so (a cause with its proofs), and that it costs more (minutes that
people spent, or a table that was agreed on). Drift is no cause. It only suggests: it changes no contract.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from ansible_collections.msp.ops.plugins.plugin_utils.contract import status
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Contract
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import (
    FEW_ASSETS,
    LEAST_ASSETS,
    NO_RATE,
    Lack,
    Place,
    Uplift,
)
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import Waiver

# On what grounds: it was measured that it costs more; it is in the contract's table; it was measured, and does not show
# that it costs more, or as much as the table says; there are none.
MEASURED, TABLE, NOT_SHOWN, NOTHING = BASES = ("measured", "table", "not shown", "nothing")
# The source of a warranty's end that is in NetBox without anybody who said it.
_TYPED = "NetBox"
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that shows a cause. what is the control waived, who named the warranty's end, or the operating system.

    day is when the waiver was agreed on, or the last day of warranty or support; said is by whom and where that stands.
    """

    what: str
    day: dt.date
    said: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an asset may cost more: a reason of names.SURCHARGED, with what shows it."""

    reason: str
    proofs: tuple[Proof, ...]

    def __post_init__(self) -> None:
        if not self.proofs:
            raise ValueError(f"{self.reason} without a proof is no cause")


@dataclass(frozen=True, slots=True)
class Support:
    """The last day of security updates for an operating system, and who says so."""

    system: str
    end: dt.date
    source: str


@dataclass(frozen=True, slots=True)
class Surcharge:
    """What is suggested for one cause, a month, in the contract's currency: more than 0 only with a basis for it.

    measured is what the evidence says, or why there is none; table is the contract's amount.
    """

    cause: Cause
    basis: str
    amount: Decimal
    measured: Uplift | Lack
    table: Decimal | None


@dataclass(frozen=True, slots=True)
class OfAsset:
    """One asset with a cause, and what is suggested for each."""

    asset: str
    name: str
    asset_class: str | None
    surcharges: tuple[Surcharge, ...]

    @property
    def amount(self) -> Decimal:
        """All of them: each was measured with the others being equal, so they add up."""
        return sum((one.amount for one in self.surcharges), Decimal(0))


def causes(
    asset: Asset, waived: Iterable[tuple[str, Waiver]], support: Support | None, today: dt.date
) -> Iterator[Cause]:
    """Why an asset may cost more today.

    waived are the controls that were found to deviate and that the customer agreed to leave so; today is the day in the
    customer's zone. A day that nobody knows is no cause, and neither is a waiver that has ended: that is drift.
    """
    agreed = tuple(
        Proof(control, waiver.agreed.on, f"{waiver.agreed.by}, {waiver.agreed.reference}")
        for control, waiver in waived
        if waiver.holds(today)
    )
    if agreed:
        yield Cause(names.FOR_WAIVED, agreed)
    end = status.warranty_end(asset)
    if end is not None and end < today:
        said = tuple(
            Proof(source.source, source.warranty_end) for source in asset.warranty_sources if source.warranty_end
        )
        yield Cause(names.FOR_WARRANTY, said or (Proof(_TYPED, end),))
    if support is not None and support.end < today:
        yield Cause(names.FOR_SUPPORT, (Proof(support.system, support.end, support.source),))


def suggested(
    asset: Asset, found: Iterable[Cause], contract: Contract, measured: Mapping[Place, Uplift | Lack]
) -> OfAsset:
    """What the asset's causes cost more. measured is uplift.uplifts of all customers."""
    surcharges = []
    for cause in found:
        place = (asset.customer, cause.reason, asset.asset_class or "")
        of_place = measured.get(place, Lack(FEW_ASSETS, 0, LEAST_ASSETS))
        if contract.hourly_rate is None and isinstance(of_place, Uplift):
            of_place = Lack(NO_RATE)
        table = contract.surcharge(asset.asset_class, cause.reason)
        surcharges.append(_surcharge(cause, of_place, contract.hourly_rate, table))
    return OfAsset(asset.key, asset.name, asset.asset_class, tuple(surcharges))


def _surcharge(cause: Cause, measured: Uplift | Lack, rate: Decimal | None, table: Decimal | None) -> Surcharge:
    """Measuring decides where it can tell; where it can't tell the table from nothing, the table does."""
    if isinstance(measured, Uplift) and rate is not None:
        if measured.low > 0:
            return Surcharge(cause, MEASURED, price(measured.minutes, rate), measured, table)
        if table is None or price(measured.high, rate) < table:
            return Surcharge(cause, NOT_SHOWN, Decimal(0), measured, table)
    if table is not None:
        return Surcharge(cause, TABLE, table, measured, table)
    return Surcharge(cause, NOTHING, Decimal(0), measured, table)


def price(minutes: float, rate: Decimal) -> Decimal:
    """Minutes at an hourly rate, to the cent."""
    return (Decimal(repr(minutes)) / 60 * rate).quantize(_CENT, ROUND_HALF_UP)
