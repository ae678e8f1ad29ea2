# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""CSV, XLSX, JSON and YAML made one thing: rows of cells that know where they stand.

Pure: bytes in, tables out. Cells keep the type that the format gives them; what they mean is decided in assets.py.
A spreadsheet's error values and formulas that were never calculated arrive as Broken, never as an empty cell.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import yamlfile

try:
    import openpyxl
    from openpyxl.utils import get_column_letter
except ImportError:  # pragma: no cover - in the lock file
    openpyxl = None  # type: ignore[assignment]

DELIMITERS = (";", ",", "\t")
# An asset list is small: what unpacks to more than this is no asset list.
LARGEST = 200 * 1024 * 1024
_XLSX_ERRORS = frozenset(("#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"))


@dataclass(frozen=True, slots=True)
class Broken:
    """A cell without a value that can be trusted, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table, with the number a person sees beside it."""

    number: int
    cells: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one sheet or file, headings and all."""

    file: str
    sheet: str | None
    lines: tuple[Line, ...]

    def place(self, number: int, column: int | None = None) -> str:
        """assets.xlsx, sheet Assets, row 7, column F"""
        sheet = f", sheet {self.sheet}" if self.sheet is not None else ""
        letter = ""
        if column is not None:
            letter = f", column {get_column_letter(column + 1) if self.sheet is not None else column + 1}"
        return f"{self.file}{sheet}, row {number}{letter}"


def unreadable(file: str, expected: str, found: str, action: str) -> MspError:
    """The error of a list that cannot be read at all."""
    return MspError("MSP-CON-010", f"{file} to be {expected}", found, action)


def text_of(content: bytes, file: str) -> str:
    """The text of a file: by its byte order mark, else UTF-8, UTF-16 without a mark, or Windows' cp1252."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return _decode(content, [encoding], file)
    if b"\0" in content[:200]:
        return _decode(content, ["utf-16-be" if content[:1] == b"\0" else "utf-16-le"], file)
    return _decode(content, ["utf-8", "cp1252"], file)


def _decode(content: bytes, encodings: Sequence[str], file: str) -> str:
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise unreadable(
        file, "text in UTF-8, UTF-16 or Windows' cp1252", "bytes that are none of these", "save it as CSV UTF-8 or XLSX"
    )


def csv_table(content: bytes, file: str, score: Callable[[Sequence[Any]], int]) -> Table:
    """A CSV file, with the separator under which the best row of headings is found (score says how good one is)."""
    text = text_of(content, file)
    announced, text, skipped = _announced(text)
    candidates = [announced] if announced else list(DELIMITERS)
    best = max(candidates, key=lambda delimiter: _best_score(text, delimiter, score))
    lines = []
    start = skipped
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=best, strict=True)
    try:
        for row in reader:
            lines.append(Line(start + 1, tuple(cell.strip() for cell in row)))
            start = skipped + reader.line_num
    except csv.Error as error:
        raise unreadable(
            file, f"CSV separated by {best!r}", f"{error} (row {start + 1})", "close the quotes in that row"
        ) from None
    return Table(file, None, tuple(lines))


def _announced(text: str) -> tuple[str | None, str, int]:
    """Excel's own first line "sep=;" says the separator and is no row."""
    first, _unused, rest = text.partition("\n")
    word = first.strip().strip('"')
    if word.casefold().startswith("sep=") and len(word) == 5:
        return word[4], rest, 1
    return None, text, 0


def _best_score(text: str, delimiter: str, score: Callable[[Sequence[Any]], int]) -> int:
    found = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for _number, row in zip(range(30), reader, strict=False):
            found = max(found, score(row))
    except csv.Error:
        return found
    return found


def xlsx_table(content: bytes, file: str, sheet: str | None) -> Table:
    """One sheet of a workbook: the one named, or the only one that has anything in it."""
    if openpyxl is None:
        raise unreadable(file, "readable with openpyxl", "no such Python library", "run through ./msp")
    _check_size(content, file)
    try:
        values = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        formulas = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False)
    except Exception as error:  # openpyxl raises whatever its parsers raise
        raise unreadable(
            file, "an Excel workbook (.xlsx)", f"{type(error).__name__}: {error}", "open it in Excel and save it again"
        ) from None
    try:
        name = _sheet_name(values, file, sheet)
        lines = tuple(_xlsx_lines(values[name], formulas[name]))
    finally:
        values.close()
        formulas.close()
    return Table(file, name, lines)


def _check_size(content: bytes, file: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        raise unreadable(
            file, "an Excel workbook (.xlsx)", "something else", "save it as .xlsx (not .xls), or as CSV"
        ) from None
    if size > LARGEST:
        raise unreadable(file, f"at most {LARGEST} bytes unpacked", f"{size}", "keep only the asset list in it")


def _sheet_name(workbook: Any, file: str, sheet: str | None) -> str:
    listed: list[str] = [name for name in workbook.sheetnames if hasattr(workbook[name], "iter_rows")]
    if sheet is not None:
        if sheet in listed:
            return sheet
        raise unreadable(
            file, f"a workbook with the sheet {sheet}", f"the sheets {', '.join(listed)}", "correct the name"
        )
    filled = [name for name in listed if _has_content(workbook[name])]
    if len(filled) != 1:
        raise unreadable(
            file,
            "a workbook with one filled sheet, or the sheet named in the contract file",
            f"{len(filled)} filled ones ({', '.join(filled)})" if filled else "only empty ones",
            "add sheet: NAME to this entry of assets" if filled else "fill the list",
        )
    return filled[0]


def _has_content(worksheet: Any) -> bool:
    worksheet.reset_dimensions()  # what the file says of its own size may be wrong
    return any(cell is not None for row in worksheet.iter_rows(values_only=True) for cell in row)


def _xlsx_lines(values: Any, formulas: Any) -> Iterator[Line]:
    values.reset_dimensions()
    formulas.reset_dimensions()
    for number, (row, raw) in enumerate(zip(values.iter_rows(), formulas.iter_rows(), strict=True), start=1):
        yield Line(number, tuple(_xlsx_cell(cell, formula) for cell, formula in zip(row, raw, strict=True)))


def _xlsx_cell(cell: Any, formula: Any) -> Any:
    value = cell.value
    if formula.data_type == "f" and value is None:
        return Broken("a formula that was never calculated")
    if isinstance(value, str):
        return Broken(f"the error {value}") if value in _XLSX_ERRORS else value.strip()
    return value


def json_rows(content: bytes, file: str) -> Any:
    """The data of a JSON file, numbers exact."""
    try:
        return json.loads(
            text_of(content, file), parse_float=Decimal, object_pairs_hook=lambda pairs: _once(pairs, file)
        )
    except json.JSONDecodeError as error:
        raise unreadable(file, "valid JSON", f"{error.msg} (line {error.lineno})", "correct that line") from None
    except RecursionError:
        raise unreadable(file, "JSON of a reasonable depth", "thousands of levels", "export a plain list") from None


def _once(pairs: list[tuple[str, Any]], file: str) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _value in pairs]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise unreadable(file, "JSON with each key once in an object", f"{', '.join(twice)} twice", "keep one of them")
    return found


def yaml_rows(content: bytes, file: str) -> yamlfile.Source:
    """The data of a YAML file with its lines."""
    source = yamlfile.read(text_of(content, file), file)
    if source.errors:
        raise MspErrors(source.errors)
    return source
