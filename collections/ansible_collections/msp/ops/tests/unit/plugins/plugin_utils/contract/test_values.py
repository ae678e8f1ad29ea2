# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dates, amounts and yes or no as people write them: exact, or refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.contract import values

DAYS = st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1))
AMOUNTS = st.decimals(0, 10**8, places=2)


@given(DAYS)
def test_a_day_is_read_back_from_every_unambiguous_way_of_writing_it(day: dt.date) -> None:
    for text in (f"{day:%Y-%m-%d}", f"{day:%d-%m-%Y}", f"{day.day}.{day.month}.{day.year}", f" {day} 00:00:00 "):
        assert values.date(text) == day


@pytest.mark.parametrize("time", ["0:00", "00:00", "0:00:00", "00:00:00", "00:00:00.000", "12:00:00 AM"])
@pytest.mark.parametrize("day", ["2026-12-31", "31-12-2026", "31.12.2026", "31/12/2026", "12/31/2026"])
def test_midnight_behind_a_date_says_nothing(day: str, time: str) -> None:
    assert values.date(f"{day} {time}") == dt.date(2026, 12, 31)


def test_midnight_does_not_settle_which_number_is_the_day() -> None:
    with pytest.raises(values.Ambiguous):
        values.date("3/4/2026 0:00:00")


@pytest.mark.parametrize(
    "text", ["31-12-2026 0:01:00", "31.12.2026 14:30", "31/12/2026 12:00:00 PM", "31-12-2026 24:00", "0:00:00"]
)
def test_another_time_of_day_behind_a_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no date"):
        values.date(text)


@given(DAYS, st.booleans())
def test_slashes_are_read_as_told(day: dt.date, dayfirst: bool) -> None:
    text = f"{day:%d/%m/%Y}" if dayfirst else f"{day:%m/%d/%Y}"

    assert values.date(text, dayfirst=dayfirst) == day


@given(DAYS)
def test_slashes_without_being_told_are_read_right_or_refused(day: dt.date) -> None:
    for text in (f"{day:%d/%m/%Y}", f"{day:%m/%d/%Y}"):
        try:
            assert values.date(text) == day
        except values.Ambiguous:
            assert day.day <= 12
            assert day.day != day.month


@pytest.mark.parametrize("text", ["31-02-2026", "2026-13-01", "13/13/2026", "soon", "", "20261231", "1-2-26", "44927"])
def test_what_is_no_day_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no da"):
        values.date(text)


def test_a_spreadsheets_date_keeps_its_day() -> None:
    assert values.date(dt.datetime(2026, 12, 31, 23, 59, tzinfo=dt.UTC)) == dt.date(2026, 12, 31)


def _dutch(amount: Decimal) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


@given(AMOUNTS)
def test_an_amount_is_read_back_exactly_from_english_and_dutch_writing(amount: Decimal) -> None:
    ways = ("{}", "€ {}", "EUR {}", "£{}", "{} €", "{} EUR", "{}€")
    for number in (f"{amount:.2f}", f"{amount:,.2f}", _dutch(amount)):
        assert {values.number(way.format(number)) for way in ways} == {amount}


@given(st.integers(1, 999), st.integers(0, 999), st.sampled_from(".,"))
def test_three_digits_after_a_single_sign_have_two_readings(whole: int, rest: int, sign: str) -> None:
    with pytest.raises(values.Ambiguous):
        values.number(f"{whole}{sign}{rest:03}")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.250.000", "1250000"),
        ("1.250,-", "1250"),
        ("1.250,- €", "1250"),
        ("99,95\u00a0EUR", "99.95"),
        ("0,125", "0.125"),
        ("1 250,50", "1250.50"),
        ("-3,5", "-3.5"),
        ("1250", "1250"),
        (97.5, "97.5"),
        (6, "6"),
        ("£1,110.00", "1110.00"),
    ],
)
def test_amounts_people_write(text: Any, number: str) -> None:
    assert values.number(text) == Decimal(number)


@pytest.mark.parametrize(
    "text",
    [
        *("", "free", "1.2.3", "1,25,000", "12.34,5.6", "1e5", "nan", True, float("nan"), float("inf")),
        *("EUR", "12 MND", "STK 12", "EUR 12 USD", "€ 12 EUR"),
    ],
)
def test_what_is_no_amount_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="is no number"):
        values.number(text)


@given(st.one_of(st.text(), st.floats(), st.integers(), st.decimals(), st.booleans()))
def test_whatever_is_in_a_cell_gives_a_finite_number_or_a_refusal(value: Any) -> None:
    try:
        assert values.number(value).is_finite()
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("text", ["ja", "Yes", "TRUE", "x", "1", True])
def test_yes(text: Any) -> None:
    assert values.yes(text) is True


@pytest.mark.parametrize("text", ["nee", "No", "false", "0", False])
def test_no(text: Any) -> None:
    assert values.yes(text) is False


def test_perhaps_is_neither() -> None:
    with pytest.raises(ValueError, match="neither yes nor no"):
        values.yes("perhaps")
