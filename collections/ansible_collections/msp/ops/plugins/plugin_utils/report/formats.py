# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dates, times, money and durations as a customer reads them: in their language and time zone. Pure."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError

try:
    from babel.dates import format_date, format_datetime
    from babel.numbers import format_currency, format_decimal, format_percent
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
else:
    LIBRARY_ERROR = None

# English is written as in Europe: day before month, pounds and euros before the amount.
LOCALES = {"nl": "nl_NL", "en": "en_GB"}


@dataclass(frozen=True, slots=True)
class Formats:
    """How one customer reads values. zone is theirs; times come in as UTC."""

    language: str
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if LIBRARY_ERROR is not None:
            raise MspError(
                "MSP-RPT-001",
                "the Python library Babel on the controller",
                f"{LIBRARY_ERROR}",
                "run through ./msp, or install what requirements.lock names",
            )

    @property
    def locale(self) -> str:
        return LOCALES.get(self.language, "en_GB")

    def date(self, value: dt.date) -> str:
        """23 Nov 2026: a calendar date that is one already (warranty, contract)."""
        return str(format_date(value, format="d MMM y", locale=self.locale))

    def long_date(self, value: dt.date) -> str:
        """23 November 2026."""
        return str(format_date(value, format="d MMMM y", locale=self.locale))

    def day(self, value: dt.datetime) -> str:
        """The customer's calendar date of a moment."""
        return self.date(value.astimezone(self.zone).date())

    def moment(self, value: dt.datetime) -> str:
        """23 Nov 2026 16:05, in the customer's time zone."""
        return str(format_datetime(value, format="d MMM y HH:mm", tzinfo=self.zone, locale=self.locale))

    def weekday(self, value: dt.date) -> str:
        """Tuesday 1 December."""
        return str(format_date(value, format="EEEE d MMMM", locale=self.locale))

    def time(self, value: dt.datetime) -> str:
        """16:05, in the customer's time zone."""
        return str(format_datetime(value, format="HH:mm", tzinfo=self.zone, locale=self.locale))

    def long_month(self, value: dt.date) -> str:
        """December 2026."""
        return str(format_date(value, format="MMMM y", locale=self.locale))

    def month(self, value: dt.date) -> str:
        """Nov 2026."""
        return str(format_date(value, format="MMM y", locale=self.locale))

    def money(self, amount: Decimal, currency: str) -> str:
        return str(format_currency(amount, currency, locale=self.locale))

    def number(self, value: float | Decimal) -> str:
        return str(format_decimal(value, locale=self.locale))

    def percent(self, share: float) -> str:
        """0.93 as 93%, rounded down, so that 100% is said of all of it and of nothing less."""
        return str(format_percent(math.floor(share * 100 + 1e-9) / 100, format="0%", locale=self.locale))

    def duration(self, minutes: float) -> str:
        """Minutes as 1:30 hours, the way work is booked."""
        whole = round(minutes)
        return f"{whole // 60}:{whole % 60:02d}"
