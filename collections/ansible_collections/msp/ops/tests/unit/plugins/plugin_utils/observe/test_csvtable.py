# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""CSV that tools export: the separator is found, damaged and cut rows are named, the rest is used."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.observe import csvtable

KNOWN = {"name", "serialnumber", "lastcheckin"}


def cells(text: str) -> list[dict[str, str]]:
    found = csvtable.read(text, KNOWN)
    assert found is not None
    return [dict(row.cells) for row in found.rows]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_separator_is_the_one_under_which_most_headings_are_known(mark: str) -> None:
    text = f'Name{mark}Serial number\r\npc1{mark}"A,B;C"\r\n'

    assert cells(text) == [{"name": "pc1", "serialnumber": "A,B;C"}]


@pytest.mark.parametrize("first", ["#TYPE Selected.Some.Type\r\n", "sep=,\r\n", "\r\n"])
def test_lines_before_the_headings_are_no_rows(first: str) -> None:
    found = csvtable.read(first + "Name,Serial number\r\npc1,S1\r\n", KNOWN)

    assert found is not None
    assert [(row.line, row.cells) for row in found.rows] == [(3, {"name": "pc1", "serialnumber": "S1"})]


def test_headings_have_no_case_no_spaces_and_no_punctuation() -> None:
    assert cells("NAME,last CHECK-IN\nx,y\n") == [{"name": "x", "lastcheckin": "y"}]


def test_a_file_without_known_headings_is_none() -> None:
    assert csvtable.read("a,b\n1,2\n", KNOWN) is None
    assert csvtable.read("", KNOWN) is None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("pc2\n", "1 cells under 2 headings"),
        ("pc2,S2,more\n", "3 cells under 2 headings"),
        ('pc2,"S2" x\n', "not CSV"),
        ('pc2,"S2', "not CSV"),
        ("pc2", "in the middle of this line"),
        ("pc2,S2,more", "in the middle of this line"),
    ],
)
def test_a_damaged_row_is_named_by_its_line_and_the_rest_is_used(row: str, why: str) -> None:
    found = csvtable.read("Name,Serial number\npc1,S1\n" + row, KNOWN)

    assert found is not None
    assert [row.cells["name"] for row in found.rows] == ["pc1"]
    assert not found.complete
    assert found.skipped[0].where == "line 3"
    assert why in found.skipped[0].why


@pytest.mark.parametrize("row", ["pc2,S2", '"pc2","S2"', '"pc2",S2'])
def test_a_whole_last_row_without_its_line_end_is_used_and_the_file_is_not_complete(row: str) -> None:
    found = csvtable.read("Name,Serial number\npc1,S1\n" + row, KNOWN)

    assert found is not None
    assert [row.cells for row in found.rows][1:] == [{"name": "pc2", "serialnumber": "S2"}]
    assert not found.complete
    assert [(skip.where, "no line end" in skip.why) for skip in found.skipped] == [("line 3", True)]


def test_empty_cells_behind_the_last_heading_and_empty_lines_are_nothing() -> None:
    found = csvtable.read("Name,Serial number\npc1,S1,,\n\n,\n", KNOWN)

    assert found is not None
    assert [row.cells for row in found.rows] == [{"name": "pc1", "serialnumber": "S1"}]
    assert found.complete


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]) | st.sampled_from(',;" '), max_size=9)
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=5)


def write(rows: list[tuple[str, str]], mark: str = ",") -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=mark, quoting=csv.QUOTE_ALL)
    writer.writerow(("Name", "Serial number"))
    writer.writerows(rows)
    return stream.getvalue()


@given(ROWS, st.sampled_from(",;\t"))
def test_what_a_tool_writes_is_read_back(rows: list[tuple[str, str]], mark: str) -> None:
    found = csvtable.read(write(rows, mark), KNOWN)

    assert found is not None
    read = [(row.cells.get("name", ""), row.cells.get("serialnumber", "")) for row in found.rows]
    assert read == [(a.strip(), b.strip()) for a, b in rows if a.strip() or b.strip()]
    assert found.complete


@given(ROWS, st.data())
def test_a_file_cut_anywhere_but_between_two_lines_is_never_complete(
    rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    text = write(rows)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]

    found = csvtable.read(cut, KNOWN)

    assert found is None or not found.complete or cut.endswith("\n")


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    csvtable.read("Name,Serial number\n" + text, KNOWN)
    csvtable.read(text, KNOWN)
