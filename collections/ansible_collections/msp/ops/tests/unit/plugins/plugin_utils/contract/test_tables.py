# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""CSV, XLSX, JSON and YAML become rows that know where they stand, whatever program saved them."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract import columns, tables
from ansible_collections.msp.ops.plugins.plugin_utils.contract.tables import Broken, Line

TEXT = "Naam;Merk\nCafé-01;Größe\n"


def score(row: Sequence[Any]) -> int:
    return sum(columns.field_of(cell) is not None for cell in row)


def rows(content: bytes) -> list[tuple[Any, ...]]:
    return [line.cells for line in tables.csv_table(content, "a.csv", score).lines]


def workbook(*cells: Sequence[Any], **sheets: Sequence[Sequence[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.worksheets[0].title = "Assets"
    for row in cells:
        book.worksheets[0].append(list(row))
    for name, content in sheets.items():
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(list(row))
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_a_list_is_read_in_every_encoding_that_office_programs_save(encoding: str) -> None:
    assert rows(TEXT.encode(encoding)) == [("Naam", "Merk"), ("Café-01", "Größe")]


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_the_separator_is_the_one_under_which_the_headings_are_known(separator: str) -> None:
    text = f'Naam{separator}Prijs\npc 1{separator}"1,50;2"\n'

    assert rows(text.encode()) == [("Naam", "Prijs"), ("pc 1", "1,50;2")]


def test_excels_own_first_line_names_the_separator_and_is_no_row() -> None:
    table = tables.csv_table(b"sep=,\r\nNaam,Merk\r\na,b;c\r\n", "a.csv", score)

    assert [(line.number, line.cells) for line in table.lines] == [(2, ("Naam", "Merk")), (3, ("a", "b;c"))]


def test_a_row_after_a_cell_of_two_lines_keeps_the_number_a_person_sees() -> None:
    table = tables.csv_table(b'Naam;Merk\n"a\nb";c\nd;e\n', "a.csv", score)

    assert [line.number for line in table.lines] == [1, 2, 4]


def test_a_quote_that_is_never_closed_is_named() -> None:
    with pytest.raises(MspError, match=r"MSP-CON-010.*row 2"):
        tables.csv_table(b'Naam;Merk\n"a;b\nc;d\n', "a.csv", score)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(MspError, match="MSP-CON-010"):
        tables.text_of(b"Naam\x81\x8d;", "a.csv")


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_a_named_error(content: bytes) -> None:
    try:
        tables.csv_table(content, "a.csv", score)
    except MspError as error:
        assert error.code == "MSP-CON-010"


def test_a_workbook_keeps_types_and_numbers_of_rows() -> None:
    content = workbook(["Name", "Purchased"], [], ["srv", dt.date(2026, 1, 31)], [12345.0, "soon "])

    table = tables.xlsx_table(content, "a.xlsx", None)

    assert table.lines[2] == Line(3, ("srv", dt.datetime(2026, 1, 31)))  # noqa: DTZ001 - a spreadsheet knows no zones
    assert table.lines[3] == Line(4, (12345, "soon"))
    assert table.place(3, 1) == "a.xlsx, sheet Assets, row 3, column B"


def test_an_error_value_and_a_formula_never_calculated_are_broken_and_not_empty() -> None:
    table = tables.xlsx_table(workbook(["Name"], ["#REF!"], ["=A1&A2"]), "a.xlsx", None)

    assert [line.cells for line in table.lines] == [
        ("Name",),
        (Broken("the error #REF!"),),
        (Broken("a formula that was never calculated"),),
    ]


def test_the_only_filled_sheet_is_taken_and_two_have_to_be_chosen_from() -> None:
    alone = tables.xlsx_table(workbook(Data=[["Name"], ["a"]]), "a.xlsx", None)

    assert alone.sheet == "Data"
    with pytest.raises(MspError, match=r"MSP-CON-010.*Assets, Data"):
        tables.xlsx_table(workbook(["Name"], Data=[["Name"]]), "a.xlsx", None)
    assert tables.xlsx_table(workbook(["Name"], Data=[["Name"]]), "a.xlsx", "Data").sheet == "Data"


def test_a_sheet_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(MspError, match=r"MSP-CON-010.*Assets"):
        tables.xlsx_table(workbook(["Name"]), "a.xlsx", "Activa")


@pytest.mark.parametrize("content", [b"", b"Name;Serial", b"\xd0\xcf\x11\xe0 an old .xls"])
def test_what_is_no_workbook_is_refused(content: bytes) -> None:
    with pytest.raises(MspError, match="MSP-CON-010"):
        tables.xlsx_table(content, "a.xlsx", None)


def test_a_workbook_that_would_fill_the_memory_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 100_000)
    monkeypatch.setattr(tables, "LARGEST", 99_999)

    with pytest.raises(MspError, match=r"MSP-CON-010.*100000"):
        tables.xlsx_table(stream.getvalue(), "a.xlsx", None)


@pytest.mark.parametrize("content", [b"{", b'{"a": 1, "a": 2}', b"[" * 100_000])
def test_json_that_is_broken_or_says_a_thing_twice_is_refused(content: bytes) -> None:
    with pytest.raises(MspError, match="MSP-CON-010"):
        tables.json_rows(content, "a.json")
