# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What waits on an asset, as plain values for the store and the spool, and back. Pure: no I/O.

A field that has its usual value is left out: a fleet's lists are long, and much alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Judged, Scan, Update, Version

Plain = dict[str, Any]
_UPDATES = "updates"


def body(updates: Iterable[Judged]) -> dict[str, list[Plain]]:
    """The facts that hold a list of updates: the same list has the same hash, on every host."""
    return {_UPDATES: [_judged(one) for one in updates]}


def updates(facts: Mapping[str, Any], known: dict[Judged, Judged] | None = None) -> tuple[Judged, ...]:
    """The updates of such facts. What is in known already is that object: a fleet's updates are much the same.

    ValueError or TypeError where it is no list of updates.
    """
    known = {} if known is None else known
    return tuple(known.setdefault(one, one) for one in map(_judged_of, facts[_UPDATES]))


def plain(scan: Scan) -> Plain:
    """A scan with its updates, for a line of the spool or the export."""
    data: Plain = _unusual(scan, _SCAN)
    if scan.updates is not None:
        data |= body(scan.updates)
    return data


def scan(data: Mapping[str, Any]) -> Scan:
    """The scan of such values, its times read already. TypeError or ValueError where they are none."""
    found = updates(data) if data.get(_UPDATES) is not None else None
    rest = {name: value for name, value in data.items() if name != _UPDATES}
    return Scan(**{**rest, "warnings": tuple(rest.get("warnings", ())), _UPDATES: found})


def _told(record: type, *apart: str) -> tuple[tuple[str, Any], ...]:
    """The fields of a record with their usual values (MISSING: none), but for those that are told apart."""
    return tuple((field.name, field.default) for field in fields(record) if field.name not in apart)


_SCAN = _told(Scan, _UPDATES)
_JUDGED = _told(Judged, "update")
_UPDATE = _told(Update, "versions")
_VERSION = _told(Version)


def _unusual(record: Any, told: tuple[tuple[str, Any], ...]) -> Plain:
    return {name: value for name, usual in told if (value := getattr(record, name)) != usual}


def _judged(one: Judged) -> Plain:
    update = _unusual(one.update, _UPDATE)
    if one.update.versions:
        update["versions"] = [_unusual(version, _VERSION) for version in one.update.versions]
    return {"update": update, **_unusual(one, _JUDGED)}


def _judged_of(data: Mapping[str, Any]) -> Judged:
    update: Plain = {name: tuple(value) if isinstance(value, list) else value for name, value in data["update"].items()}
    if "versions" in update:
        update["versions"] = tuple(
            Version(**{**version, "cves": tuple(version.get("cves", ()))}) for version in update["versions"]
        )
    return Judged(**{**data, "update": Update(**update)})
