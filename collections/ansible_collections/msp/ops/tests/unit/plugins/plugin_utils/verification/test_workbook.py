# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sheet as a file: written, filled in by a person, saved again, read back."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import Any

import openpyxl
import pytest

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.verification import sheet, workbook
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.verification.made import Made, asset, small_office

# A spreadsheet knows no time zones.
MIDNIGHT = dt.datetime(2026, 11, 23)  # noqa: DTZ001
HEAD = workbook.HEADER_ROW


def written(made: Made) -> tuple[sheet.SheetDocument, Any]:
    verification = made.verification()
    document = sheet.document(verification)
    return document, openpyxl.load_workbook(io.BytesIO(workbook.write(document, verification)))


def saved(book: Any) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def column(book: Any, name: str) -> int:
    return next(int(c.column) for c in book.worksheets[0][workbook.NAMES_ROW] if c.value == f"msp:{name}")


@pytest.mark.parametrize("language", ["nl", "en"])
def test_a_sheet_comes_back_as_it_was_written(language: str) -> None:
    document, book = written(small_office(language))
    filled = workbook.read(saved(book))
    assert (filled.id, filled.customer) == (document.id, document.customer)
    assert [row.keys for row in filled.rows] == [row.keys for row in document.rows]
    assert filled.written == {row.keys["key"]: row.keys["name"] for row in document.rows}
    assert sheet.digest(document.customer, [row.keys for row in filled.rows]) == document.digest
    assert all(row.agreed is None and row.decision is None for row in filled.rows)


@pytest.mark.parametrize(("language", "words"), [("nl", ("Ja ", "UITSLUITEN")), ("en", ("yes", "exclude"))])
def test_answers_are_read_in_the_customers_language_however_they_are_cased(
    language: str, words: tuple[str, str]
) -> None:
    _document, book = written(small_office(language))
    page = book.worksheets[0]
    page.cell(HEAD + 1, column(book, "agreed")).value = words[0]
    page.cell(HEAD + 2, column(book, "decision")).value = words[1]
    rows = workbook.read(saved(book)).rows
    assert (rows[0].agreed, rows[1].decision) == ("yes", "excluded")


def test_an_unknown_answer_comes_back_as_it_was_typed() -> None:
    _document, book = written(small_office())
    book.worksheets[0].cell(HEAD + 1, column(book, "decision")).value = "=1+1"
    assert workbook.read(saved(book)).rows[0].decision == "=1+1"


def test_name_and_date_of_who_signed_come_from_the_cells_above_the_table() -> None:
    _document, book = written(small_office())
    page = book.worksheets[0]
    page.cell(workbook.SIGNER_ROW, 4).value = "Marieke Jansen"
    page.cell(workbook.SIGNED_ON_ROW, 4).value = MIDNIGHT
    filled = workbook.read(saved(book))
    assert (filled.signed_by, filled.signed_on) == ("Marieke Jansen", MIDNIGHT)


def test_what_begins_like_a_formula_is_written_as_text() -> None:
    made = small_office()
    hostile = ['=HYPERLINK("http://example.com")', "+1", "-1", "@SUM(A1)", "{{ 7*7 }}"]
    made.assets = [asset(n, name) for n, name in enumerate(hostile, start=1)]
    document, book = written(made)
    names = [book.worksheets[0].cell(HEAD + n, column(book, "name")) for n in range(1, 6)]
    assert {cell.data_type for cell in names} == {"s"}
    assert {cell.value for cell in names} == set(hostile)
    with zipfile.ZipFile(io.BytesIO(saved(book))) as packed:
        assert b"<f>" not in packed.read("xl/worksheets/sheet1.xml")
    assert sheet.digest(document.customer, [r.keys for r in workbook.read(saved(book)).rows]) == document.digest


def test_control_characters_of_a_host_do_not_break_the_sheet() -> None:
    made = small_office()
    made.assets = [asset(1, "srv\x00\x1b[31m01\ufffe")]
    document, book = written(made)
    assert workbook.read(saved(book)).rows[0].keys == document.rows[0].keys


def test_a_sheet_whose_numbers_and_dates_a_program_converted_reads_the_same() -> None:
    made = small_office()
    made.assets = [asset(1, "2026-11-23", serial="0012345")]
    document, book = written(made)
    page = book.worksheets[0]
    page.cell(HEAD + 1, column(book, "serial")).value = 12345
    page.cell(HEAD + 1, column(book, "name")).value = MIDNIGHT
    page.cell(HEAD + 1, column(book, "address")).value = "  "
    assert sheet.digest(document.customer, [r.keys for r in workbook.read(saved(book)).rows]) == document.digest


def test_a_serial_number_keeps_its_zeros_and_a_name_its_plus() -> None:
    made = small_office()
    made.assets = [asset(1, "+31201234567", serial="0012345")]
    _document, book = written(made)
    keys = workbook.read(saved(book)).rows[0].keys
    assert (keys["name"], keys["serial"]) == ("+31201234567", "0012345")


def test_a_sheet_with_rows_added_above_and_below_is_still_read() -> None:
    document, book = written(small_office())
    page = book.worksheets[0]
    page.insert_rows(1)
    page.cell(page.max_row + 3, 1).value = " "
    page.cell(workbook.SIGNER_ROW + 1, 4).value = "Marieke Jansen"
    filled = workbook.read(saved(book))
    assert len(filled.rows) == len(document.rows)
    assert filled.signed_by == "Marieke Jansen"


def test_what_was_written_is_known_whatever_was_removed_or_noted_below() -> None:
    document, book = written(small_office())
    page = book.worksheets[0]
    page.delete_rows(HEAD + 2)
    page.cell(page.max_row + 3, column(book, "name")).value = "Called on Monday"
    filled = workbook.read(saved(book))
    missing = document.rows[1].keys
    assert {key: filled.written[key] for key in filled.written.keys() - {row.keys["key"] for row in filled.rows}} == {
        missing["key"]: missing["name"]
    }
    assert (filled.rows[-1].keys["key"], filled.rows[-1].digest) == ("", "")


def test_a_sheet_that_does_not_list_its_rows_is_read_all_the_same() -> None:
    """As sheets were written at first."""
    document, book = written(small_office())
    page = book[workbook.META_PAGE]
    page.delete_rows(page.max_row - len(document.rows) + 1, len(document.rows))
    filled = workbook.read(saved(book))
    assert (filled.written, len(filled.rows), filled.id) == ({}, len(document.rows), document.id)


def test_only_the_columns_to_fill_in_are_unlocked() -> None:
    _document, book = written(small_office())
    page = book.worksheets[0]
    assert page.protection.sheet
    open_columns = {c.column for c in page[HEAD + 1] if not c.protection.locked}
    assert open_columns == {column(book, name) for name in sheet.FILL_COLUMNS}
    unlisted = {c.column for c in page[HEAD + 6] if not c.protection.locked}
    assert unlisted == {column(book, name) for name in ("decision", "remark")}


def test_each_row_offers_the_choices_that_it_has() -> None:
    _document, book = written(small_office("en"))
    offered = {v.formula1: str(v.sqref) for v in book.worksheets[0].data_validations.dataValidation}
    assert offered['"yes,no"'] == f"G{HEAD + 1}:G{HEAD + 5}"
    assert offered['"keep in contract,track only,exclude,end"'] == f"H{HEAD + 1}:H{HEAD + 5}"
    assert offered['"add to contract,track only,exclude"'] == f"H{HEAD + 6}:H{HEAD + 7}"


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * (workbook.LARGEST_CONTENT + 1))
    return out.getvalue()


def foreign() -> bytes:
    return saved(openpyxl.Workbook())


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 broken", b"name;serial\nsrv01;1\n", foreign(), bomb()],
    ids=["empty", "damaged", "csv", "another workbook", "unpacks to too much"],
)
def test_a_file_that_is_no_sheet_of_ours_is_refused(content: bytes) -> None:
    with pytest.raises(MspError) as refused:
        workbook.read(content)
    assert refused.value.code == "MSP-VER-006"


def test_a_sheet_cut_off_in_the_middle_is_refused() -> None:
    _document, book = written(small_office())
    content = saved(book)
    with pytest.raises(MspError) as refused:
        workbook.read(content[: len(content) // 2])
    assert refused.value.code == "MSP-VER-006"


def test_a_sheet_without_its_column_names_is_refused() -> None:
    _document, book = written(small_office())
    book.worksheets[0].delete_rows(workbook.NAMES_ROW)
    with pytest.raises(MspError) as refused:
        workbook.read(saved(book))
    assert refused.value.code == "MSP-VER-006"
