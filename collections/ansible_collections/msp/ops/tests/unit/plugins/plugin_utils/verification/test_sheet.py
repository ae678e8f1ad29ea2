# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sheet's rows and the digest over its key columns."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.verification import sheet
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import NOW, SLUG, small_office

# A spreadsheet knows no time zones.
MIDNIGHT = dt.datetime(2026, 11, 23)  # noqa: DTZ001
KEYS = st.dictionaries(st.sampled_from(sheet.KEY_COLUMNS), st.text(max_size=12), min_size=1)


def test_every_contracted_asset_and_every_unlisted_thing_has_one_row() -> None:
    verification = small_office().verification()
    assert [row.keys["key"] for row in sheet.rows(verification)] == [
        *("device:4", "device:5", "device:1", "device:2", "device:3"),
        *("mac:b8:27:eb:4a:10:9c", "mac:3c:2a:f4:77:01:aa"),
    ]


@pytest.mark.parametrize(
    ("written", "saved_again"),
    [
        ("0012345", 12345),
        ("12345", 12345.0),
        ("1.50", Decimal("1.5")),
        ("2026-11-23", MIDNIGHT),
        ("2026-11-23", dt.date(2026, 11, 23)),
        (" jansen  srv01 ", "jansen srv01"),
        ("", None),
        ("caf\u0065\u0301", "café"),
    ],
)
def test_what_a_spreadsheet_program_makes_of_a_value_is_the_same_value(written: str, saved_again: object) -> None:
    assert sheet.canonical(written) == sheet.canonical(saved_again)


@pytest.mark.parametrize(
    ("one", "other"), [("srv01", "srv02"), ("12345", "12346"), ("", "x"), ("1e999999", "1e999998")]
)
def test_another_value_stays_another_value(one: str, other: str) -> None:
    assert sheet.canonical(one) != sheet.canonical(other)


@given(st.lists(KEYS, max_size=6), st.randoms())
def test_sorting_the_rows_does_not_change_the_digest(rows: list[dict[str, str]], random: object) -> None:
    assert sheet.digest(SLUG, rows) == sheet.digest(SLUG, rows[::-1])


@given(KEYS, st.sampled_from(sheet.KEY_COLUMNS), st.text(max_size=12))
def test_any_edit_of_a_key_column_changes_the_digest_of_its_row(keys: dict[str, str], column: str, value: str) -> None:
    edited = {**keys, column: value}
    same = all(sheet.canonical(edited.get(c, "")) == sheet.canonical(keys.get(c, "")) for c in sheet.KEY_COLUMNS)
    assert (sheet.row_digest(SLUG, edited) == sheet.row_digest(SLUG, keys)) is same


def test_the_same_rows_of_another_customer_have_another_digest() -> None:
    assert sheet.row_digest(SLUG, {"key": "device:1"}) != sheet.row_digest("harbour-dental", {"key": "device:1"})


def test_a_second_sheet_of_the_same_day_with_the_same_rows_is_the_first_one() -> None:
    verification = small_office().verification()
    first = sheet.document(verification)
    again = sheet.document(verification, [(first.id, first.written - dt.timedelta(hours=2), first.digest)])
    assert (again.id, again.written) == (first.id, first.written - dt.timedelta(hours=2))


def test_a_sheet_of_yesterday_or_with_other_rows_is_another_one() -> None:
    verification = small_office().verification()
    yesterday = ("VER-1", NOW - dt.timedelta(days=1), sheet.document(verification).digest)
    others = ("VER-2", NOW, "0" * 64)
    assert sheet.document(verification, [yesterday, others]).id not in ("VER-1", "VER-2")
