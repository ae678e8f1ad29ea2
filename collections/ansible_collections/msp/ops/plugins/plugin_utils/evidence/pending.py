# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What waits on an asset, as plain values for the store and the spool, and back. Pure: no I/O.

A field that has its usual value is left out, and in the store each update is one text: a fleet's lists are long, and
the same updates are on most of them, so that a text that was read once need not be read again.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Judged, Scan, Update, Version

Plain = dict[str, Any]
_UPDATES, _FEEDS, _SINCE = "updates", "feeds", "owed_since"


def body(updates: Iterable[Judged], feeds: Mapping[str, str] | None = None) -> Plain:
    """The facts that hold a list of updates and the feeds it rests on: the same have the same hash, on every host."""
    found: Plain = {_UPDATES: [hashing.canonical_json(_judged(one)) for one in updates]}
    return {**found, _FEEDS: dict(feeds)} if feeds else found


def updates(facts: Mapping[str, Any], known: dict[str, Judged]) -> tuple[Judged, ...]:
    """The updates of such facts. known has those that were read before, by their text, and is added to."""
    found = []
    for text in facts[_UPDATES]:
        one = known.get(text)
        if one is None:
            one = known[text] = _judged_of(json.loads(text))
        found.append(one)
    return tuple(found)


def feeds(facts: Mapping[str, Any]) -> dict[str, str]:
    """The feeds that such facts rest on: Scan.feeds. Those of an older version do not tell."""
    return dict(facts.get(_FEEDS, {}))


def plain(scan: Scan) -> Plain:
    """A scan with its updates, for a line of the spool or the export."""
    data: Plain = _unusual(scan, _SCAN)
    if scan.updates is not None:
        data[_UPDATES] = [_judged(one) for one in scan.updates]
    if scan.feeds:
        data[_FEEDS] = dict(scan.feeds)
    if scan.owed_since:
        data[_SINCE] = {what: at.isoformat() for what, at in scan.owed_since.items()}
    return data


def scan(data: Mapping[str, Any]) -> Scan:
    """The scan of such values, its times read already. TypeError or ValueError where they are none."""
    found = tuple(_judged_of(one) for one in data[_UPDATES]) if data.get(_UPDATES) is not None else None
    nobody_knows = {name for name in _SCAN_MAYBE if data.get(name) is None}
    since = {what: dt.datetime.fromisoformat(at) for what, at in data.get(_SINCE, {}).items()}
    if naive := sorted(what for what, at in since.items() if at.tzinfo is None):
        raise ValueError(f"{_SINCE} without a time zone: {', '.join(naive)}")
    told = {kind: dt.date.fromisoformat(day).isoformat() for kind, day in data.get(_FEEDS, {}).items()}
    values = {**_listed(data, _SCAN_LISTS - nobody_knows), _FEEDS: told, _SINCE: since}
    return Scan(**{**values, _UPDATES: found})


def _told(record: type, *apart: str) -> tuple[tuple[str, Any], ...]:
    """The fields of a record with their usual values (MISSING: none), but for those that are told apart."""
    return tuple((field.name, field.default) for field in fields(record) if field.name not in apart)


_SCAN = _told(Scan, _UPDATES, _FEEDS, _SINCE)
_SCAN_MAYBE = frozenset({"reboot", "services"})
_SCAN_LISTS = frozenset({"warnings", "blind"}) | _SCAN_MAYBE
_JUDGED = _told(Judged, "update")
_UPDATE = _told(Update, "versions")
_VERSION = _told(Version)
_LISTS, _VERSION_LISTS = (
    frozenset(field.name for field in fields(record) if field.default == ()) - {"versions"}
    for record in (Update, Version)
)


def _unusual(record: Any, told: tuple[tuple[str, Any], ...]) -> Plain:
    return {name: value for name, usual in told if (value := getattr(record, name)) != usual}


def _judged(one: Judged) -> Plain:
    update = _unusual(one.update, _UPDATE)
    if one.update.versions:
        update["versions"] = [_unusual(version, _VERSION) for version in one.update.versions]
    return {"update": update, **_unusual(one, _JUDGED)}


def _judged_of(data: Mapping[str, Any]) -> Judged:
    update = _listed(data["update"], _LISTS)
    if "versions" in update:
        update["versions"] = tuple(Version(**_listed(version, _VERSION_LISTS)) for version in update["versions"])
    return Judged(**{**data, "update": Update(**update)})


def _listed(data: Mapping[str, Any], names: frozenset[str]) -> Plain:
    """The fields of a record, with the lists that JSON has where the record has tuples put right."""
    values = dict(data)
    for name in names & values.keys():
        values[name] = tuple(values[name])
    return values
