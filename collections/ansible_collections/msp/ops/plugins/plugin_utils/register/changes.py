# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads NetBox's change log from a cursor on. It only reads; what the changes mean is decided in inventory/changes.py.

Commits arrive out of order, so an overlap before the cursor is read again and what was seen there is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.changes import Change, Cursor, advance, broken
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

ENDPOINT = "core/object-changes"
FIELDS = ("id", "time", "request_id", "action", "changed_object_type", "changed_object_id")


def start(register: Register) -> Cursor:
    """The cursor for a read that begins now: taken before it, so that changes during the read are read again."""
    answer = register.get(ENDPOINT, {"ordering": "-id", "limit": 1, "fields": ",".join(FIELDS)})
    rows = [_change(row) for row in answer["results"]]
    if not rows:
        return Cursor()
    return advance(Cursor(), [*rows, *_since(register, advance(Cursor(), rows))])


def follow(register: Register, cursor: Cursor) -> tuple[list[Change], Cursor, str]:
    """Changes not seen before, the cursor after them, and why the change log does not go on from here (or "")."""
    if cursor.id == 0:
        found = _rows(register, {})
    else:
        last = _rows(register, {"id": [cursor.id]})
        if reason := broken(cursor, last[0] if last else None):
            return [], cursor, reason
        found = sorted({*_since(register, cursor), *_rows(register, {"id__gt": cursor.id})})
    return [change for change in found if change.id not in cursor.seen], advance(cursor, found), ""


def _since(register: Register, cursor: Cursor) -> list[Change]:
    return _rows(register, {"time_after": cursor.overlap_start()})


def _rows(register: Register, filters: Mapping[str, Any]) -> list[Change]:
    return [_change(row) for row in register.rows(ENDPOINT, fields=FIELDS, filters=filters)]


def _change(row: Mapping[str, Any]) -> Change:
    return Change(
        row["id"],
        row["time"],
        str(row["request_id"]),
        row["action"]["value"] if isinstance(row["action"], Mapping) else row["action"],
        row["changed_object_type"],
        row["changed_object_id"],
    )
