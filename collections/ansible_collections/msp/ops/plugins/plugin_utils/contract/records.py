# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a customer, a contract and an asset are, once read. Pure: dataclasses, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class WarrantySource:
    """What one source said of one asset's purchase and warranty.

    Dates are calendar dates of the customer; price is what was paid, in the contract's currency.
    """

    source: str
    purchase: dt.date | None = None
    warranty_end: dt.date | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ScopeRule:
    """Is a class of assets in the contract, what counts as in use, and when it is served."""

    asset_class: str
    covered: bool
    in_use: str | None = None
    in_use_days: int | None = None
    hours: str | None = None


@dataclass(frozen=True, slots=True)
class SurchargeRule:
    """What an asset of a class costs more a month for a reason of names.SURCHARGED, in the contract's currency."""

    asset_class: str
    reason: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Contract:
    """The terms. Fee and rate are in currency; included hours are per month; end is the last day that counts.

    surcharges is the table that was agreed on, for where too little was measured to say what an asset costs more.
    """

    id: str
    start: dt.date
    end: dt.date | None
    monthly_fee: Decimal | None = None
    included_hours: Decimal | None = None
    hourly_rate: Decimal | None = None
    currency: str = "EUR"
    language: str = "en"
    timezone: str = "UTC"
    report_contact: str = ""
    report_url: str = ""  # where the customer's latest report is published
    scope: tuple[ScopeRule, ...] = ()
    surcharges: tuple[SurchargeRule, ...] = ()

    def surcharge(self, asset_class: str | None, reason: str) -> Decimal | None:
        """The amount of the table; None where it says nothing."""
        rules = (rule for rule in self.surcharges if (rule.asset_class, rule.reason) == (asset_class, reason))
        return next((rule.amount for rule in rules), None)

    def ended(self, today: dt.date) -> bool:
        """True from the day after the last day of the contract, whatever any status field says."""
        return self.end is not None and today > self.end


@dataclass(frozen=True, slots=True)
class Customer:
    """A NetBox tenant with an MSP contract. id is the tenant's primary key.

    runbooks_stopped names the runbooks that do not run here, or names.EVERY_RUNBOOK.
    """

    id: int
    slug: str
    name: str
    contract: Contract | None
    runbooks_stopped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asset:
    """A NetBox device or virtual machine of a customer.

    kind is "device" or "virtual-machine", id its primary key, status its contract status (see register/names.py),
    address its primary address without prefix length, addresses and macs all that NetBox knows.
    """

    kind: str
    id: int
    name: str
    customer: str
    status: str | None
    asset_class: str | None = None
    serial: str = ""
    asset_tag: str | None = None
    site: str | None = None
    role: str | None = None
    platform: str | None = None
    vendor: str | None = None
    model: str | None = None
    address: str | None = None
    addresses: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    purchase: dt.date | None = None
    warranty_end: dt.date | None = None
    warranty_sources: tuple[WarrantySource, ...] = ()
    facts_hash: str | None = None
    last_updated: dt.datetime | None = None
    custom_fields: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """The asset's identity in the evidence store: "device:12" or "virtual-machine:7"."""
        return f"{self.kind}:{self.id}"
