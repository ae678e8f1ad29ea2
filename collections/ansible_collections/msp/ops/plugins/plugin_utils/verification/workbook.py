# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verification sheet as a spreadsheet file, written and read back as bytes. Touches no file itself.

Cells from hosts and NetBox are always text, never formulas. Machine names of the columns stand in a hidden row and
the sheet's own facts on a hidden page, so that a sorted, translated or re-saved sheet is still read right.
"""

from __future__ import annotations

import datetime as dt
import io
import itertools
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.report.formats import Formats
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.verification import page
from ansible_collections.msp.ops.plugins.plugin_utils.verification.decisions import FilledRow, FilledSheet
from ansible_collections.msp.ops.plugins.plugin_utils.verification.sheet import (
    AGREED,
    FILL_COLUMNS,
    KEY_COLUMNS,
    NOT_AGREED,
    NOT_ASKED,
    SheetDocument,
    SheetRow,
    canonical,
    choices,
    clean,
    row_digest,
)
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification

try:
    import openpyxl
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
else:
    LIBRARY_ERROR = None

# Machine name and width of every column, in the order of the sheet: what to fill in stands beside what it is about.
# "digest" and "number" are ours alone.
COLUMNS: Mapping[str, float] = {
    "number": 6,
    "name": 24,
    "class": 16,
    "status": 15,
    "result": 24,
    "details": 48,
    "agreed": 12,
    "decision": 24,
    "remark": 34,
    "seen": 19,
    "warranty": 14,
    "serial": 20,
    "address": 18,
    "mac": 20,
    "key": 24,
    "digest": 12,
}
LINE_HEIGHT = 15.0
FONT = "Calibri"
TONES = {"good": "E4F3EA", "warn": "FDF0D5", "bad": "FBE6E5", "info": "E5EEF9", "quiet": "EDF0F2"}
HIDDEN = ("digest",)
META_PAGE = "msp"
MARK = "msp:"
ROW = f"{MARK}row"
SIGNER_ROW, SIGNED_ON_ROW = 4, 5
NAMES_ROW, HEADER_ROW = 7, 8
LARGEST_FILE = 8 * 1024 * 1024
LARGEST_CONTENT = 64 * 1024 * 1024


def _need_library() -> None:
    if LIBRARY_ERROR is not None:
        raise MspError(
            "MSP-RPT-001",
            "the Python library openpyxl on the controller",
            f"{LIBRARY_ERROR}",
            "run through ./msp, or install what requirements.lock names",
        )


def write(document: SheetDocument, verification: Verification) -> bytes:
    """The sheet as the bytes of an XLSX file."""
    _need_library()
    t = Words(document.language)
    f = Formats(document.language, verification.zone)
    book = openpyxl.Workbook()
    ws = book.worksheets[0]
    ws.title = t("sheet.tab")
    _top(ws, document, verification, t, f)
    for column, name in enumerate(COLUMNS, start=1):
        _put(ws, NAMES_ROW, column, MARK + name)
        if name != "digest":
            cell = _put(ws, HEADER_ROW, column, t(f"sheet.col.{name}"))
            to_fill_in = name in FILL_COLUMNS
            cell.font = Font(name=FONT, bold=True, color="16232B" if to_fill_in else "FFFFFF")
            cell.fill = PatternFill("solid", fgColor="F5CF5B" if to_fill_in else "0E4A55")
            cell.alignment = Alignment(horizontal="left", vertical="center", wrap_text=True, indent=1)
        ws.column_dimensions[get_column_letter(column)].width = COLUMNS[name]
        ws.column_dimensions[get_column_letter(column)].hidden = name in HIDDEN
    ws.row_dimensions[NAMES_ROW].hidden = True
    ws.row_dimensions[HEADER_ROW].height = 32
    for number in range(1, len(document.rows) + 1):
        _row(ws, number, document, verification, t)
    _validations(ws, document, t)
    _finish(ws, document)
    _meta(book, document)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _put(ws: Any, row: int, column: int, value: str | dt.date | int) -> Any:
    """A cell that is what it says: text stays text however it begins, and stays so when a person edits it."""
    cell = ws.cell(row=row, column=column)
    if isinstance(value, str):
        cell.value = clean(value)
        cell.data_type = "s"
        cell.number_format = "@"
        if value[:1] in "=+-@\t\r":
            cell.quotePrefix = True
    else:
        cell.value = value
    return cell


def _top(ws: Any, document: SheetDocument, verification: Verification, t: Words, f: Formats) -> None:
    """Title, how to, and the two cells of who signed."""
    _put(ws, 1, 1, t("sheet.title", customer=verification.customer.name)).font = Font(name=FONT, bold=True, size=18)
    ws.row_dimensions[1].height = 28
    _put(ws, 2, 1, t("sheet.how")).alignment = Alignment(wrap_text=True, vertical="top")
    ws.merge_cells(start_row=2, start_column=1, end_row=2, end_column=9)
    ws.row_dimensions[2].height = 36
    label = f"{t('sheet.id')} {document.id} · {t('sheet.written')} {f.moment(document.written)}"
    _put(ws, 3, 1, label).font = Font(name=FONT, color="51626C")
    for row, key in ((SIGNER_ROW, "sheet.signed_by"), (SIGNED_ON_ROW, "sheet.signed_on")):
        _put(ws, row, 1, t(key)).font = Font(name=FONT, bold=True)
        ws.merge_cells(start_row=row, start_column=1, end_row=row, end_column=3)
        ws.merge_cells(start_row=row, start_column=4, end_row=row, end_column=6)
        ws.row_dimensions[row].height = 22
        for column in (4, 5, 6):
            _fill_in(ws.cell(row=row, column=column))
    ws.cell(row=SIGNED_ON_ROW, column=4).number_format = "DD-MM-YYYY"
    ws.cell(row=SIGNER_ROW, column=4).number_format = "@"


def _left(*, wrap: bool = True) -> Any:
    return Alignment(horizontal="left", vertical="top", wrap_text=wrap, indent=1)


def _fill_in(cell: Any) -> None:
    thin = Side(style="thin", color="D9B84A")
    cell.fill = PatternFill("solid", fgColor="FFF7D6")
    cell.border = Border(left=thin, right=thin, top=thin, bottom=thin)
    cell.font = Font(name=FONT)
    cell.protection = Protection(locked=False)
    cell.alignment = _left()


def _row(ws: Any, number: int, document: SheetDocument, verification: Verification, t: Words) -> None:
    row, at = document.rows[number - 1], HEADER_ROW + number
    shown: dict[str, str | dt.date | int] = dict(row.keys)
    shown["class"] = t.name("class", row.keys["class"]) if row.keys["class"] else ""
    shown["status"] = t.name("status", row.keys["status"])
    shown["number"] = number
    shown["digest"] = row_digest(document.customer, row.keys)
    shown |= _described(row, verification, t)
    if row.thing is not None:
        shown["agreed"] = NOT_ASKED
    line = Border(bottom=Side(style="thin", color="DFE5E8"))
    for column, name in enumerate(COLUMNS, start=1):
        value = shown.get(name)
        cell = ws.cell(row=at, column=column) if value in (None, "") else _put(ws, at, column, value)
        cell.alignment = _left(wrap=name not in ("key", "mac", "address"))
        cell.border = line
        cell.font = Font(name=FONT, bold=name == "name")
        if isinstance(value, dt.date):
            cell.number_format = "DD-MM-YYYY"
        if name in FILL_COLUMNS and not (name == "agreed" and row.thing is not None):
            _fill_in(cell)
    tone = page.STATE_TONE[row.compared.state] if row.compared else "bad"
    ws.cell(row=at, column=list(COLUMNS).index("result") + 1).fill = PatternFill("solid", fgColor=TONES[tone])
    ws.row_dimensions[at].height = 6 + LINE_HEIGHT * max(_lines(shown.get(name), COLUMNS[name]) for name in COLUMNS)


def _lines(value: object, width: float) -> int:
    """About how many lines a cell needs: programs do not agree on making rows as high as their text."""
    if not isinstance(value, str) or not value or width < 14:
        return 1
    return min(12, sum(1 + int(len(part) // (width * 1.05)) for part in value.split("\n")))


def _described(row: SheetRow, verification: Verification, t: Words) -> dict[str, str | dt.date | int]:
    """The columns that are there to read: the outcome in words, last seen, warranty."""
    f = Formats(verification.language, verification.zone)
    if row.compared is not None:
        one = row.compared
        details = [page.spoken_difference(d.what, d.promised, d.found, t) for d in one.differences]
        said: dict[str, str | dt.date | int] = {
            "result": t(f"state.{one.state}"),
            "details": "\n".join([*details, *(words for words in page.outcome(one, t, f) if words)]),
        }
        if one.warranty.end is not None:
            said["warranty"] = one.warranty.end
        seen = one.last_seen
    elif row.thing is not None:
        thing = row.thing
        made = " ".join(part for part in (thing.vendor, thing.model) if part)
        by = t("found.seen", by=page.spoken_sources(thing.sources, t)) if thing.sources else ""
        said = {"result": t("unlisted.chip"), "details": "\n".join(part for part in (made, by) if part)}
        seen = thing.last_seen
    else:
        return {}
    return said | {"seen": f.moment(seen) if seen else t("never")}


def _validations(ws: Any, document: SheetDocument, t: Words) -> None:
    """The lists to choose from: of each run of rows with the same status."""
    letters = {name: get_column_letter(i) for i, name in enumerate(COLUMNS, start=1)}
    at = HEADER_ROW + 1
    for status, rows in itertools.groupby(document.rows, key=lambda row: row.keys["status"]):
        last = at + len(list(rows)) - 1
        offered = {"decision": [t(f"decision.{choice}") for choice in choices(status)]}
        if status == names.CONTRACTED:
            offered["agreed"] = [t("yes"), t("no")]
        for name, words in offered.items():
            validation = _list(words, t)
            validation.add(f"{letters[name]}{at}:{letters[name]}{last}")
            ws.add_data_validation(validation)
        at = last + 1


def _list(words: list[str], t: Words) -> Any:
    validation = DataValidation(type="list", formula1='"' + ",".join(words) + '"', allow_blank=True)
    validation.errorTitle = validation.promptTitle = t("sheet.pick.title")
    validation.error = validation.prompt = t("sheet.pick", choices=", ".join(words))
    validation.showErrorMessage = True
    return validation


def _finish(ws: Any, document: SheetDocument) -> None:
    """Locked but for the cells to fill in; filters, printing on A4 across, the headings always in sight."""
    last = get_column_letter(len(COLUMNS))
    ws.freeze_panes = ws.cell(row=HEADER_ROW + 1, column=3)
    ws.auto_filter.ref = f"A{HEADER_ROW}:{last}{HEADER_ROW + max(1, len(document.rows))}"
    ws.protection.sheet = True
    for allowed in ("autoFilter", "sort", "formatColumns", "formatRows"):
        setattr(ws.protection, allowed, False)
    ws.page_setup.orientation = "landscape"
    ws.page_setup.paperSize = 9
    ws.page_setup.fitToWidth, ws.page_setup.fitToHeight = 1, 0
    ws.sheet_properties.pageSetUpPr.fitToPage = True
    ws.print_title_rows = f"{HEADER_ROW}:{HEADER_ROW}"


def _meta(book: Any, document: SheetDocument) -> None:
    """Who the sheet is, and which rows it was written with, on a hidden page."""
    ws = book.create_sheet(META_PAGE)
    facts = {
        "id": document.id,
        "customer": document.customer,
        "written": document.written.isoformat(),
        "language": document.language,
        "digest": document.digest,
    }
    for row, (name, value) in enumerate(facts.items(), start=1):
        _put(ws, row, 1, MARK + name)
        _put(ws, row, 2, value)
    for row, one in enumerate(document.rows, start=len(facts) + 1):
        _put(ws, row, 1, ROW)
        _put(ws, row, 2, one.keys["key"])
        _put(ws, row, 3, one.keys["name"])
    ws.sheet_state = "hidden"
    ws.protection.sheet = True


# Reading back.


def read(content: bytes) -> FilledSheet:
    """A filled sheet from the bytes of a file. Only form is judged here; decisions.py judges what it says."""
    _need_library()
    book = _open(content)
    if META_PAGE not in book.sheetnames:
        raise _not_ours("a workbook without our hidden page")
    hidden = [(str(r[0].value or ""), r[1].value, r[2].value) for r in book[META_PAGE].iter_rows(min_col=1, max_col=3)]
    meta = {name: value for name, value, _name in hidden if name != ROW}
    written = {_as_written(key): _as_written(name) for mark, key, name in hidden if mark == ROW}
    known = {name: canonical(meta.get(MARK + name)) for name in ("id", "customer", "language")}
    if not all(known.values()):
        raise _not_ours("a hidden page without sheet and customer")
    ws, names_row, columns = _page_with_names(book)
    t = Words(known["language"] if known["language"] in names.LANGUAGES else "en")
    rows = tuple(_read_rows(ws, names_row, columns, t))
    signer, signed_on = _signing(ws, names_row)
    return FilledSheet(known["id"], known["customer"], rows, canonical(signer), signed_on, written)


def _open(content: bytes) -> Any:
    """The workbook, or an error that says what the file is not. A small file may not unpack to a huge one."""
    try:
        if len(content) > LARGEST_FILE:
            raise _not_ours(f"a file of {len(content)} bytes")
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > LARGEST_CONTENT:
                raise _not_ours("a file that unpacks to more than any sheet of ours")
        return openpyxl.load_workbook(io.BytesIO(content))
    except MspError:
        raise
    # openpyxl lets through whatever a broken file makes its parsers raise.
    except Exception as error:
        raise _not_ours(f"a file that is no XLSX workbook or is damaged ({type(error).__name__})") from error


def _not_ours(found: str) -> MspError:
    return MspError(
        "MSP-VER-006",
        "a verification sheet as playbooks/audit.yml wrote it, filled in and saved as XLSX",
        found,
        "ask for the sheet again, saved as an Excel workbook (.xlsx)",
    )


def _page_with_names(book: Any) -> tuple[Any, int, dict[str, int]]:
    """The page, the row and the columns of the machine names, wherever a person has moved them."""
    for ws in book.worksheets:
        for row in ws.iter_rows(max_row=min(ws.max_row, 40)):
            found = {str(c.value)[len(MARK) :]: c.column for c in row if str(c.value or "").startswith(MARK)}
            if {*KEY_COLUMNS, *FILL_COLUMNS, "digest"} <= found.keys():
                return ws, row[0].row, found
    raise _not_ours("a workbook without the hidden row of column names")


def _signing(ws: Any, names_row: int) -> tuple[object, object]:
    """Who signed and when: above the table, in the only two unlocked rows there."""
    shift = names_row - NAMES_ROW
    signer = ws.cell(row=max(1, SIGNER_ROW + shift), column=4).value
    return signer, ws.cell(row=max(1, SIGNED_ON_ROW + shift), column=4).value


def _read_rows(ws: Any, names_row: int, columns: Mapping[str, int], t: Words) -> Iterator[FilledRow]:
    classes = _reverse(t, "class", names.ASSET_CLASSES)
    statuses = _reverse(t, "status", names.CONTRACT_STATUSES)
    decisions = _reverse(t, "decision", ("keep", *names.CONTRACT_STATUSES))
    answers = {t("yes").casefold(): AGREED, t("no").casefold(): NOT_AGREED, AGREED: AGREED, NOT_AGREED: NOT_AGREED}
    for at in range(names_row + 2, ws.max_row + 1):
        cells = {name: canonical(ws.cell(row=at, column=column).value) for name, column in columns.items()}
        if not any(cells.get(name) for name in (*KEY_COLUMNS, *FILL_COLUMNS, "digest")):
            continue
        keys = {name: _as_written(ws.cell(row=at, column=columns[name]).value) for name in KEY_COLUMNS}
        keys["class"] = classes.get(keys["class"].casefold(), keys["class"])
        keys["status"] = statuses.get(keys["status"].casefold(), keys["status"])
        agreed, decision = cells["agreed"], cells["decision"]
        yield FilledRow(
            number=at,
            keys=keys,
            digest=cells["digest"],
            agreed=None if agreed in ("", NOT_ASKED) else answers.get(agreed.casefold(), agreed),
            decision=None if decision == "" else decisions.get(decision.casefold(), decision),
            remark=cells["remark"],
        )


def _as_written(value: object) -> str:
    """A key as it was written, "0012345" with its zeros; what a program made a number or date is in canonical form."""
    return " ".join(value.split()) if isinstance(value, str) else canonical(value)


def _reverse(t: Words, prefix: str, values: tuple[str, ...]) -> dict[str, str]:
    """From what is shown to our own word; our own word itself is understood too."""
    known = {value.casefold(): value for value in values}
    return known | {t.name(prefix, value).casefold(): value for value in values}
