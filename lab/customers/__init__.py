"""The demo's two customers: a contract file and an asset list each, with the lab's own addresses and dates near today.

The asset lists are kept as table.yml, so that they can be reviewed, and written as a customer would send them:
a Dutch CSV (semicolons, byte order mark, decimal commas) and an Excel workbook. Everything in them is made up.
Writes only below the directory it is given.
"""

from __future__ import annotations

import csv
import datetime as dt
import ipaddress
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import openpyxl
import yaml
from openpyxl.styles import Font

HERE = Path(__file__).parent
SLUGS = ("bakkerij-jansen", "harbour-dental")
# A site's networks in a contract file.
PREFIXES = re.compile(r"^    prefixes:\n(?: {6}.*\n)+", re.MULTILINE)
# A spreadsheet has room above its headings, and people use it.
TITLE = Font(bold=True, size=14)


def write(hosts: Sequence[Mapping[str, Any]], target: Path, today: dt.date | None = None) -> dict[str, Path]:
    """Write every customer's files below target; returns the contract file of each.

    hosts are the lab's (lab/hosts.py); today is the day around which warranties end, the machine's own when not given.
    Where no host runs, the files name no network and no address: whatever they named, this machine could reach it, and
    what is there is not the lab's.
    """
    today = today or dt.datetime.now(dt.UTC).date()
    written = {}
    for slug in SLUGS:
        own = [host for host in hosts if host["customer"] == slug]
        directory = target / slug
        directory.mkdir(parents=True, exist_ok=True)
        words = _words(own, today)
        contract = directory / "contract.yml"
        text = (HERE / slug / "contract.yml").read_text(encoding="utf-8")
        text = text if own else PREFIXES.sub("", text)
        contract.write_text(Template(text).substitute(words), encoding="utf-8")
        table = yaml.safe_load((HERE / slug / "table.yml").read_text(encoding="utf-8"))
        cells = [[_cell(cell, own, words, today) for cell in row] for row in table["rows"]]
        WRITERS[table["file"].rpartition(".")[2]](directory / table["file"], table, cells)
        written[slug] = contract
    return written


def _words(hosts: Sequence[Mapping[str, Any]], today: dt.date) -> dict[str, str]:
    contract = {
        "start": dt.date(today.year - 1, 1, 1).isoformat(),
        "end": dt.date(today.year + 2, 12, 31).isoformat(),
    }
    if not hosts:
        return contract | {"gateway": ""}
    network = ipaddress.IPv4Network(hosts[0]["subnet"])
    phones = f"{network[200]}-{network[219]}"
    return contract | {"prefix": str(network), "gateway": str(network[1]), "phones": phones}


def _cell(cell: Any, hosts: Sequence[Mapping[str, Any]], words: Mapping[str, str], today: dt.date) -> Any:
    """A cell of the table. "= day -30" is a date, "= address NAME" what the lab knows of a host, "= gateway" a word.

    Without hosts there is no address, and the cell is empty.
    """
    if not isinstance(cell, str) or not cell.startswith("="):
        return cell
    what, _, about = cell[1:].strip().partition(" ")
    if what == "day":
        return today + dt.timedelta(days=int(about))
    if what in ("address", "mac"):
        return next((host[what] for host in hosts if host["name"] == about), None)
    return words[what]


def _csv(path: Path, table: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> None:
    """As a Dutch Excel saves it: semicolons, a byte order mark, 31-12-2026 and 1.250,00."""
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(table["columns"])
        writer.writerows([[_dutch(cell) for cell in row] for row in rows])


def _dutch(cell: Any) -> str:
    if isinstance(cell, dt.date):
        return f"{cell:%d-%m-%Y}"
    if isinstance(cell, float):
        return f"{cell:,.2f}".translate(str.maketrans(",.", ".,"))
    return "" if cell is None else str(cell)


def _xlsx(path: Path, table: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> None:
    """With a merged title above the headings and real Excel dates."""
    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    sheet.title = table["sheet"]
    sheet.append([table["title"]])
    sheet.merge_cells(start_row=1, end_row=1, start_column=1, end_column=len(table["columns"]))
    sheet["A1"].font = TITLE
    sheet.append([])
    sheet.append(table["columns"])
    for row in rows:
        sheet.append([None if cell == "" else cell for cell in row])
    workbook.save(path)


WRITERS = {"csv": _csv, "xlsx": _xlsx}
