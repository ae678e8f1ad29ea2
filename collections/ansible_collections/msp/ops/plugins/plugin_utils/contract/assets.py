# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer's asset lists, read and made one: one listed asset for what several sources have a row on.

Pure: bytes in, dataclasses out. Every broken row is named with sheet, row and column, all at once; a list with one
broken row yields nothing unless the caller chose to skip broken rows. Knows nothing of NetBox.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.audit import placeholders
from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract import columns, tables, values, warranty
from ansible_collections.msp.ops.plugins.plugin_utils.contract.document import AssetFile, Lists
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import WarrantySource
from ansible_collections.msp.ops.plugins.plugin_utils.contract.tables import Broken, Table

try:
    import jmespath
except ImportError:  # pragma: no cover - in the lock file
    jmespath = None  # type: ignore[assignment]

HEADING_ROWS = 30
# What NetBox's fields hold.
LENGTHS: Mapping[str, int] = {
    "name": 64,
    "serial": 50,
    "asset_tag": 50,
    "vendor": 100,
    "model": 100,
    "platform": 100,
    "role": 100,
    "description": 200,
    "source": 100,
}
_MAC = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Row:
    """What one row of one list says. Empty text and None: it does not say."""

    place: str
    name: str = ""
    serial: str = ""
    asset_tag: str = ""
    asset_class: str | None = None
    virtual: bool | None = None
    site: str | None = None
    vendor: str = ""
    model: str = ""
    platform: str = ""
    role: str = ""
    address: str | None = None
    mac: str | None = None
    description: str = ""
    warranty: WarrantySource = field(default_factory=lambda: WarrantySource(""))


@dataclass(frozen=True, slots=True)
class ListedAsset:
    """One asset as all lists together describe it. row holds the first word on each property, in the lists' order."""

    row: Row
    sources: tuple[WarrantySource, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A broken row that was left out on demand, with what could still be read of its identity."""

    place: str
    reason: str
    name: str = ""
    serial: str = ""
    asset_tag: str = ""


@dataclass(frozen=True, slots=True)
class AssetList:
    """What all lists of one contract file say."""

    assets: tuple[ListedAsset, ...]
    skipped: tuple[Skipped, ...] = ()
    unknown_columns: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """What is collected while lists are read."""

    lists: Lists
    rows: list[Row] = field(default_factory=list)
    errors: list[MspError] = field(default_factory=list)
    broken: list[tuple[Row, list[MspError]]] = field(default_factory=list)
    unknown_columns: list[str] = field(default_factory=list)


def read(lists: Lists, contents: Mapping[str, bytes | MspError], *, skip_bad_rows: bool = False) -> AssetList:
    """The assets of all lists; contents are the files' bytes by the name in lists, or why they can't be read."""
    reading = _Reading(lists)
    for entry in lists.files:
        try:
            _read_file(reading, entry, contents[entry.file])
        except MspErrors as error:
            reading.errors += error.errors
        except MspError as error:
            reading.errors.append(error)
    errors = list(reading.errors)
    if not skip_bad_rows:
        errors += [error for _row, found in reading.broken for error in found]
    merged, contradictions = merge(reading.rows)
    merged, missing = _completed(lists, merged)
    # A row that is not there for an error of its own, or of its list, must not be blamed twice.
    unread = reading.errors or not lists.complete or (reading.broken and not skip_bad_rows)
    errors += contradictions + ([] if unread else missing)
    if errors:
        raise MspErrors(errors)
    skipped = [
        Skipped(row.place, "; ".join(error.found for error in found), row.name, row.serial, row.asset_tag)
        for row, found in reading.broken
    ]
    return AssetList(tuple(merged), tuple(skipped), tuple(reading.unknown_columns))


# -- from files to rows --------------------------------------------------------------------------------------------


def _read_file(reading: _Reading, entry: AssetFile, content: bytes | MspError) -> None:
    if isinstance(content, MspError):
        raise content
    suffix = entry.file.rpartition(".")[2].casefold()
    if suffix in ("csv", "txt", "tsv"):
        _read_table(reading, entry, tables.csv_table(content, entry.file, lambda row: len(_fields(row, entry.mapping))))
    elif suffix in ("xlsx", "xlsm"):
        _read_table(reading, entry, tables.xlsx_table(content, entry.file, entry.sheet))
    elif suffix == "json":
        data = tables.json_rows(content, entry.file)
        _read_records(reading, entry, data, lambda index: f"{entry.file}, entry {index + 1}")
    elif suffix in ("yml", "yaml"):
        source = tables.yaml_rows(content, entry.file)
        within: tuple[str, ...] = (entry.rows,) if entry.rows else ()
        _read_records(reading, entry, source.data, lambda index: source.where((*within, index)))
    else:
        raise tables.unreadable(
            entry.file, "a list as .csv, .xlsx, .json or .yml", f"the ending .{suffix}", "save it as one of these"
        )


def _fields(headings: Sequence[Any], mapping: Mapping[str, str]) -> dict[int, str]:
    """Column -> field: what the mapping names first, then what the headings themselves say."""
    wanted = {columns.folded(heading): name for name, heading in mapping.items()}
    found: dict[int, str] = {}
    for index, heading in enumerate(headings):
        if heading in (None, "") or isinstance(heading, Broken):
            continue
        folded = columns.folded(heading)
        name = wanted.get(folded) or columns.field_of(heading)
        if name and (folded in wanted or name not in mapping):
            found[index] = name
    return found


def _read_table(reading: _Reading, entry: AssetFile, table: Table) -> None:
    start, fields = _headings(table, entry.mapping)
    headings = table.lines[start].cells
    reading.unknown_columns += [
        f"{table.place(table.lines[start].number, index)}: {heading}"
        for index, heading in enumerate(headings)
        if heading not in (None, "") and index not in fields
    ]
    for line in table.lines[start + 1 :]:
        cells = {name: line.cells[index] for index, name in fields.items() if index < len(line.cells)}
        beyond = [index for index in range(len(headings), len(line.cells)) if line.cells[index] not in (None, "")]
        places = {name: f"{table.place(line.number, index)} ({headings[index]})" for index, name in fields.items()}
        errors = [
            _broken(table.place(line.number, index), "no cell beyond the headings", str(line.cells[index]))
            for index in beyond
        ]
        _read_row(reading, entry, cells, places, place=table.place(line.number), errors=errors)


def _headings(table: Table, mapping: Mapping[str, str]) -> tuple[int, dict[int, str]]:
    """The row of headings: the one among the first rows in which most are known; and its columns."""
    candidates = [(index, _fields(line.cells, mapping)) for index, line in enumerate(table.lines[:HEADING_ROWS])]
    candidates = [(index, fields) for index, fields in candidates if {"name", "serial"} & set(fields.values())]
    if not candidates:
        raise MspError(
            "MSP-CON-011",
            f"{table.file} to have a row of headings, one of them {', '.join(columns.headings('name')[:3])}"
            f" or {', '.join(columns.headings('serial')[:3])}",
            f"none in its first {HEADING_ROWS} rows",
            "add headings, or name them in the contract file under mapping",
        )
    start, fields = max(candidates, key=lambda candidate: (len(candidate[1]), -candidate[0]))
    _check_columns(table, start, fields, mapping)
    return start, fields


def _check_columns(table: Table, start: int, fields: Mapping[int, str], mapping: Mapping[str, str]) -> None:
    number = table.lines[start].number
    errors = []
    for name in sorted(set(fields.values())):
        same = [index for index, other in fields.items() if other == name]
        if len(same) > 1:
            found = " and ".join(f"{table.lines[start].cells[index]}" for index in same)
            errors.append(
                MspError(
                    "MSP-CON-011",
                    f"one column for {name} in {table.file}",
                    f"{found} ({table.place(number, same[1])})",
                    f"name the right one in the contract file, as mapping: {{{name}: ...}}",
                )
            )
    for name in sorted(set(mapping) - set(fields.values())):
        errors.append(
            MspError(
                "MSP-CON-011",
                f"the column {mapping[name]} for {name} in {table.file}",
                f"no such heading ({table.place(number)})",
                "correct the mapping in the contract file, or the heading",
            )
        )
    if errors:
        raise MspErrors(errors)


def _read_records(reading: _Reading, entry: AssetFile, data: Any, place: Callable[[int], str]) -> None:
    records = _search(entry.rows, data, entry, "rows") if entry.rows else data
    if not isinstance(records, list):
        raise tables.unreadable(
            entry.file, "a list of assets", "something else", "say where the list is, as rows: devices[*] (JMESPath)"
        )
    for index, record in enumerate(records):
        where = place(index)
        if not isinstance(record, Mapping):
            reading.errors.append(_broken(where, "a table of keys", str(record)))
            continue
        cells = {name: _search(expression, record, entry, name) for name, expression in entry.mapping.items()}
        for key, value in record.items():
            name = columns.field_of(key)
            if name and name not in cells and not isinstance(value, list | dict):
                cells[name] = value
        _read_row(reading, entry, cells, {name: f"{where} ({name})" for name in cells}, place=where, errors=[])


def _search(expression: str, data: Any, entry: AssetFile, name: str) -> Any:
    if jmespath is None:
        raise tables.unreadable(entry.file, "readable with jmespath", "no such Python library", "run through ./msp")
    try:
        return jmespath.search(expression, data)
    except jmespath.exceptions.JMESPathError as error:
        raise MspError(
            "MSP-CON-015",
            f"a JMESPath expression for {name} of {entry.file}",
            f"{expression}: {' '.join(str(error).split())}",
            "correct it in the contract file (https://jmespath.org)",
        ) from None


# -- from cells to values ------------------------------------------------------------------------------------------


def _broken(place: str, expected: str, found: str) -> MspError:
    return MspError("MSP-CON-012", f"{place} to be {expected}", found, "correct the cell, or choose skip_bad_rows")


def _read_row(
    reading: _Reading,
    entry: AssetFile,
    cells: Mapping[str, Any],
    places: Mapping[str, str],
    *,
    place: str,
    errors: list[MspError],
) -> None:
    said = {name: value for name, value in cells.items() if name == "name" or not columns.says_nothing(value)}
    if not any(character.isalnum() for character in str(said.get("name") or "")):
        said.pop("name", None)
    if not said and not errors:
        return
    read: dict[str, Any] = {}
    for name, value in said.items():
        try:
            read[name] = _value(name, value, entry, reading.lists)
        except values.Ambiguous as error:
            errors.append(
                MspError(
                    "MSP-CON-013",
                    f"{places[name]} to have one meaning",
                    str(error),
                    "write dates as 2026-12-31 and numbers without separators of thousands, or say dayfirst: true or"
                    " false for this list in the contract file",
                )
            )
        except ValueError as error:
            errors.append(_broken(places[name], _expected(name, reading.lists), str(error)))
    # A maker's stock phrase is no serial: two machines that share it are not one.
    read["serial"] = placeholders.real(read.get("serial")) or ""
    if not errors and not read.get("name") and not read.get("serial"):
        errors.append(_broken(place, "a row with a name or a serial number", "neither"))
    row = _row(entry, read, place)
    if errors:
        reading.broken.append((row, errors))
    else:
        reading.rows.append(row)


def _row(entry: AssetFile, read: Mapping[str, Any], place: str) -> Row:
    defaults = entry.defaults
    asset_class, says_virtual = read.get("asset_class", (defaults.get("asset_class"), False))
    virtual = read.get("virtual", True if says_virtual else defaults.get("virtual"))
    source = WarrantySource(
        read.get("source", entry.source), read.get("purchase"), read.get("warranty_end"), read.get("price")
    )
    texts = {
        name: read[name] for name in ("name", "serial", "asset_tag", "model", "role", "description") if name in read
    }
    return Row(
        place=place,
        asset_class=asset_class,
        virtual=virtual,
        site=read.get("site", defaults.get("site")),
        vendor=read.get("vendor", defaults.get("vendor", "")),
        platform=read.get("platform", defaults.get("platform", "")),
        address=read.get("address"),
        mac=read.get("mac"),
        warranty=source,
        **texts,
    )


def _value(name: str, value: Any, entry: AssetFile, lists: Lists) -> Any:
    """A cell as the field's value; raises ValueError with what was found."""
    if isinstance(value, Broken):
        raise ValueError(value.why)
    if name in columns.DATES:
        return _date(value, entry.dayfirst)
    if name == "price":
        return _price(value)
    text = _text(value)
    if name == "site":
        return _site(text, lists)
    if parse := _PARSERS.get(name):
        return parse(text)
    if len(text) > LENGTHS[name]:
        raise ValueError(f"{len(text)} characters")
    return text


def _date(value: Any, dayfirst: bool | None) -> Any:
    if isinstance(value, bool | int | float | Decimal):
        raise ValueError(f"the number {value}")
    return values.date(value, dayfirst=dayfirst)


def _price(value: Any) -> Decimal:
    amount = values.number(value)
    if not 0 <= amount < 10**9:
        raise ValueError(f"{amount}")
    return amount


def _text(value: Any) -> str:
    """A cell as text; a spreadsheet's 12345.0 is the 12345 that a person sees."""
    if isinstance(value, list | dict):
        raise ValueError("several values")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = " ".join(str(value).split())
    if not text.isprintable():
        raise ValueError("a character that cannot be printed")
    return text


def _mac(text: str) -> str:
    digits = re.sub(r"[.:\- ]", "", text.casefold())
    if not _MAC.fullmatch(digits):
        raise ValueError(text)
    return ":".join(digits[index : index + 2] for index in range(0, 12, 2))


def _address(text: str) -> str:
    return str(ipaddress.ip_interface(text).ip)


def _class(text: str) -> tuple[str, bool]:
    found = columns.class_of(text)
    if found is None:
        raise ValueError(text)
    return found


def _site(text: str, lists: Lists) -> str:
    site = lists.site(text)
    if site is None:
        raise ValueError(text)
    return site.slug


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "virtual": values.yes,
    "asset_class": _class,
    "address": _address,
    "mac": _mac,
}


def _expected(name: str, lists: Lists) -> str:
    if name in columns.DATES:
        return "a date as 2026-12-31"
    if name in LENGTHS:
        return f"text of at most {LENGTHS[name]} characters"
    return {
        "price": "an amount",
        "virtual": "yes or no",
        "asset_class": f"a class: {', '.join(columns.class_words())}",
        "site": f"a site of the contract: {', '.join(site.slug for site in lists.sites)}",
        "address": "an IP address",
        "mac": "a MAC address",
    }[name]


# -- from rows to assets -------------------------------------------------------------------------------------------


def same(text: str) -> str:
    """A name, serial or asset tag in the form in which two are compared."""
    return text.strip().casefold()


def merge(rows: Iterable[Row]) -> tuple[list[ListedAsset], list[MspError]]:
    """Rows on one asset made one, and every contradiction between rows.

    Rows belong together by serial; a row without one belongs to the rows of its name. Two rows of one source on one
    asset are a duplicate, and one name with two serials is two assets with one name: both are errors.
    """
    rows = list(rows)
    groups: dict[tuple[str, str], list[Row]] = {}
    serial_of_name = {same(row.name): same(row.serial) for row in rows if row.serial and row.name}
    for row in rows:
        serial = same(row.serial) or serial_of_name.get(same(row.name), "")
        groups.setdefault(("serial", serial) if serial else ("name", same(row.name)), []).append(row)
    errors = [error for group in groups.values() for error in _duplicates(group)]
    assets = [_merged(group) for group in groups.values()]
    errors += _shared(assets, "name", "two assets with one name")
    errors += _shared(assets, "asset_tag", "two assets with one asset tag")
    errors += _shared(assets, "address", "two assets with one address")
    errors += _shared(assets, "mac", "two assets with one MAC address")
    return assets, errors


def _duplicates(group: Sequence[Row]) -> Iterator[MspError]:
    first: dict[str, Row] = {}
    for row in group:
        other = first.setdefault(row.warranty.source, row)
        if other is not row:
            what = f"serial {row.serial}" if row.serial else f"name {row.name}"
            yield _contradiction(f"one row of the source {row.warranty.source} with {what}", [other, row])
    tags = {same(row.asset_tag) for row in group if row.asset_tag}
    if len(tags) > 1:
        yield _contradiction(f"one asset tag for serial {group[0].serial or group[0].name}", group)


def _contradiction(expected: str, rows: Sequence[Row]) -> MspError:
    found = " and ".join(row.place for row in rows)
    return MspError("MSP-CON-014", expected, found, "keep the right row, or correct serial, name, tag or source")


def _merged(group: Sequence[Row]) -> ListedAsset:
    joined = group[0]
    for row in group[1:]:
        said = {
            name: getattr(row, name)
            for name in Row.__dataclass_fields__
            if getattr(joined, name) in ("", None) and name not in ("place", "warranty")
        }
        joined = replace(joined, **said)
    sources = warranty.merge((), [row.warranty for row in group]).sources
    return ListedAsset(joined, sources, tuple(row.place for row in group))


def _shared(assets: Sequence[ListedAsset], name: str, what: str) -> Iterator[MspError]:
    first: dict[str, Row] = {}
    for asset in assets:
        value = getattr(asset.row, name)
        other = first.setdefault(same(value), asset.row) if value else asset.row
        if other is not asset.row:
            yield _contradiction(f"no {what}: {value}", [other, asset.row])


def _completed(lists: Lists, assets: Sequence[ListedAsset]) -> tuple[list[ListedAsset], list[MspError]]:
    """Assets that have what every asset needs, and what the others lack."""
    complete, errors = [], []
    for asset in assets:
        row, lacking = asset.row, []
        if not row.name:
            lacking.append(("a name", "add the name in one of the lists"))
        if row.asset_class is None:
            lacking.append(("a class", "add a column class (soort), or defaults: {asset_class: ...} for this list"))
        if row.site is None and len(lists.sites) > 1:
            lacking.append(("a site", "add a column site (locatie), or defaults: {site: ...} for this list"))
        errors += [
            MspError("MSP-CON-012", f"{' and '.join(asset.places)} to say {what}", "none", action)
            for what, action in lacking
        ]
        if not lacking:
            complete.append(asset)
    return complete, errors
