# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dates, times, money and durations as a customer reads them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats

NL = Formats("nl", ZoneInfo("Europe/Amsterdam"))
EN = Formats("en", ZoneInfo("Europe/London"))


def test_a_moment_is_shown_in_the_customers_zone_on_both_sides_of_a_clock_change() -> None:
    summer = dt.datetime(2026, 10, 24, 22, 30, tzinfo=dt.UTC)
    assert NL.moment(summer) == "25 okt 2026 00:30"
    assert NL.moment(summer + dt.timedelta(days=1)) == "25 okt 2026 23:30"
    assert EN.moment(summer) == "24 Oct 2026 23:30"


def test_the_day_of_a_moment_is_the_customers_day() -> None:
    assert NL.day(dt.datetime(2026, 11, 23, 23, 30, tzinfo=dt.UTC)) == "24 nov 2026"


def test_a_calendar_date_stays_that_date_in_every_zone() -> None:
    assert Formats("en", ZoneInfo("Pacific/Kiritimati")).date(dt.date(2026, 12, 31)) == "31 Dec 2026"
    assert NL.long_date(dt.date(2026, 3, 1)) == "1 maart 2026"


def test_money_is_written_as_in_the_customers_language() -> None:
    assert NL.money(Decimal("1250"), "EUR").replace("\u00a0", " ") == "€ 1.250,00"
    assert EN.money(Decimal("1250.5"), "GBP") == "£1,250.50"


@pytest.mark.parametrize(("minutes", "shown"), [(0, "0:00"), (22, "0:22"), (95, "1:35"), (59.6, "1:00")])
def test_time_spent_is_hours_and_minutes(minutes: float, shown: str) -> None:
    assert NL.duration(minutes) == shown


def test_a_day_and_a_time_stand_by_themselves_in_a_calendar() -> None:
    moment = dt.datetime(2026, 11, 30, 23, 30, tzinfo=dt.UTC)
    assert (NL.time(moment), EN.time(moment)) == ("00:30", "23:30")
    assert (NL.weekday(dt.date(2026, 12, 1)), EN.weekday(dt.date(2026, 12, 1))) == (
        "dinsdag 1 december",
        "Tuesday 1 December",
    )
    assert (NL.long_month(dt.date(2026, 3, 1)), EN.long_month(dt.date(2026, 3, 1))) == ("maart 2026", "March 2026")


@pytest.mark.parametrize(
    ("share", "shown"), [(1.0, "100%"), (0.9999, "99%"), (0.29, "29%"), (2 / 3, "66%"), (0.0, "0%")]
)
def test_only_all_of_it_is_a_hundred_percent(share: float, shown: str) -> None:
    assert EN.percent(share) == shown
    assert NL.percent(share) == shown
