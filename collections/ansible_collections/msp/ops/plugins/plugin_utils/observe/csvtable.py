# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads CSV that some tool exported: rows under headings, whatever the separator. Pure: text in, rows out."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.observe.reading import Skip

_SEPARATORS = (",", ";", "\t")
# PowerShell's "#TYPE ..." and Excel's "sep=;" stand before the headings.
_LINES_BEFORE = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line where it ends, and its cells under their plain headings, without empty ones."""

    line: int
    cells: Mapping[str, str]


@dataclass(slots=True)
class Rows:
    """What a text held. complete is False where a row was damaged or cut off."""

    headings: frozenset[str]
    rows: list[Row] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    complete: bool = True

    def damaged(self, line: int, why: str) -> None:
        self.skipped.append(Skip(f"line {line}", why))
        self.complete = False


def plain(heading: str) -> str:
    """A heading without case, spaces and punctuation: "Last check-in" is lastcheckin."""
    return "".join(letter for letter in heading.casefold() if letter.isalnum())


def read(text: str, known: Collection[str], enough: int = 2) -> Rows | None:
    """The rows under the first line of which enough headings are known; None where there is no such line."""
    best = max((_heading(text, mark, known) for mark in _SEPARATORS), key=lambda found: found[0])
    score, before, separator = best
    if score < enough:
        return None
    body = text.split("\n", before)[-1]
    cut = not body.endswith("\n")
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True)
    headings = [plain(cell) for cell in next(reader)]
    found = Rows(frozenset(headings) - {""})
    for line, cells in _lines(reader, before, found):
        last = cut and line >= before + body.count("\n") + 1
        if last and len(cells) != len(headings):
            found.damaged(line, "the file ends in the middle of this line")
            continue
        if last:  # some tools leave the last line end out, so the row is used
            found.damaged(line, "no line end closes this last row: the file may be cut off")
        if any(cells):
            _add(found, headings, line, cells)
    if cut and not found.rows and found.complete:
        found.damaged(before + 1, "the file ends in its headings")
    return found


def _heading(text: str, separator: str, known: Collection[str]) -> tuple[int, int, str]:
    """How many headings the best of the first lines has, how many lines stand before it, and the separator."""
    best = (0, 0, separator)
    for number, line in enumerate(islice(io.StringIO(text, newline="\n"), _LINES_BEFORE)):
        try:
            cells = next(csv.reader([line], delimiter=separator, strict=True), [])
        except csv.Error:
            continue
        score = len({plain(cell) for cell in cells} & set(known))
        if score > best[0]:
            best = (score, number, separator)
    return best


def _lines(reader: Any, before: int, found: Rows) -> Iterator[tuple[int, list[str]]]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            found.damaged(before + reader.line_num, f"not CSV: {error}")
            continue
        yield before + reader.line_num, [cell.strip() for cell in cells]


def _add(found: Rows, headings: list[str], line: int, cells: list[str]) -> None:
    while len(cells) > len(headings) and not cells[-1]:
        cells.pop()
    if len(cells) != len(headings):
        found.damaged(line, f"{len(cells)} cells under {len(headings)} headings")
        return
    row: dict[str, str] = {}
    for heading, cell in zip(headings, cells, strict=True):
        if heading and cell:
            row.setdefault(heading, cell)
    found.rows.append(Row(line, row))
