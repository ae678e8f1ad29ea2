# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verification sheet: its rows, its key columns and the digest over them. Pure.

A spreadsheet program may turn text into numbers and dates and back; the digest is over a canonical form that survives
this, so that only a real edit of a key column shows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import Compared
from ansible_collections.msp.ops.plugins.plugin_utils.verification.unlisted import Thing
from ansible_collections.msp.ops.plugins.plugin_utils.verification.verification import Verification

# The columns that say which row is which, in this order; customer and sheet are part of every row's digest too.
KEY_COLUMNS = ("key", "name", "class", "serial", "address", "mac", "status")
FILL_COLUMNS = ("agreed", "decision", "remark")

AGREED, NOT_AGREED = "yes", "no"
NOT_ASKED = "—"

# What may be decided of a row, by the status it has when the sheet is written. KEEP leaves it as it is.
KEEP = "keep"
CHOICES: Mapping[str, tuple[str, ...]] = {
    names.CONTRACTED: (KEEP, names.TRACKED, names.EXCLUDED, names.ENDED),
    names.UNLISTED: (names.CONTRACTED, names.TRACKED, names.EXCLUDED),
}

# What XML 1.0 cannot carry, and so no spreadsheet: from a host it may come all the same.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One asset or thing. keys has KEY_COLUMNS; source is what it was made of."""

    keys: Mapping[str, str]
    compared: Compared | None = field(default=None, compare=False)
    thing: Thing | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class SheetDocument:
    """A sheet to be written. digest is over the key columns of all rows, whatever their order."""

    id: str
    customer: str
    written: dt.datetime
    language: str
    rows: tuple[SheetRow, ...]
    digest: str


def rows(verification: Verification) -> tuple[SheetRow, ...]:
    """A row per contracted asset, then a row per thing that is not in the contract."""
    found = [SheetRow(_asset_keys(one), compared=one) for one in verification.compared]
    found += [SheetRow(_thing_keys(thing), thing=thing) for thing in verification.things]
    return tuple(found)


def document(verification: Verification, unapplied: Iterable[tuple[str, dt.datetime, str]] = ()) -> SheetDocument:
    """The sheet for this verification.

    unapplied: (id, written, digest) of sheets that were written for the customer and not applied yet. One of today
    with the same rows is that same sheet: a second run makes no second one.
    """
    made = rows(verification)
    slug = verification.customer.slug
    same = digest(slug, [row.keys for row in made])
    for sheet_id, written, its_digest in unapplied:
        if its_digest == same and written.astimezone(verification.zone).date() == verification.today:
            return SheetDocument(sheet_id, slug, written, verification.language, made, same)
    written = verification.now.replace(microsecond=0)
    sheet_id = f"VER-{written:%Y%m%dT%H%M%SZ}-{slug}-{same[:8]}"
    return SheetDocument(sheet_id, slug, written, verification.language, made, same)


def digest(customer: str, keys: Iterable[Mapping[str, str]]) -> str:
    """One digest over the rows' digests; the order of the rows does not count, people sort."""
    return hashlib.sha256("\n".join(sorted(row_digest(customer, k) for k in keys)).encode()).hexdigest()


def row_digest(customer: str, keys: Mapping[str, str]) -> str:
    """The digest of one row, which the sheet carries beside it, so that an edited row can be named."""
    body = [canonical(customer), *(canonical(keys.get(column, "")) for column in KEY_COLUMNS)]
    return hashlib.sha256(json.dumps(body, ensure_ascii=False).encode()).hexdigest()


def canonical(value: object) -> str:
    """The form of a cell's value that is the same after any spreadsheet program saved it again."""
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        value = value.date()
    if isinstance(value, dt.date):
        return value.isoformat()
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).upper()
    words = _SPACE.sub(" ", unicodedata.normalize("NFC", clean(str(value)))).strip()
    try:
        number = Decimal(words)
    except InvalidOperation:
        return words
    if not number.is_finite() or abs(number.adjusted()) > 40:
        return words
    return format(number.normalize(), "f")


def clean(value: str) -> str:
    """Text that a spreadsheet can hold: without control characters, at most a cell's 32,767 characters."""
    return _CONTROL.sub("", value)[:32767]


def _asset_keys(one: Compared) -> dict[str, str]:
    asset = one.asset
    return _keys(
        asset.key, asset.name, asset.asset_class, asset.serial, asset.address, ", ".join(asset.macs), names.CONTRACTED
    )


def _thing_keys(thing: Thing) -> dict[str, str]:
    held = thing.asset.asset_class if thing.asset else None
    address = thing.addresses[0] if thing.addresses else ""
    return _keys(thing.key, thing.name, held, thing.serial, address, ", ".join(thing.macs[:4]), names.UNLISTED)


def _keys(*values: str | None) -> dict[str, str]:
    return {column: clean(value or "") for column, value in zip(KEY_COLUMNS, values, strict=True)}


def choices(status: str) -> Sequence[str]:
    """What may be decided of a row with this status."""
    return CHOICES.get(status, ())
