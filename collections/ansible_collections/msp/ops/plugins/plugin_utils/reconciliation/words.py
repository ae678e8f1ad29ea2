# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evidence in words: for the journal of an asset, for a plan that a person approves, for the list of changes. Pure.

NetBox renders a journal entry as Markdown, so nothing of what a source said reaches it with a meaning of its own.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.identity.records import Candidate
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.findings import Finding
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.seen import Seen
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import printable
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import text

MOST_SOURCES = 8
MOST_VALUES = 6
_CALLED = {"serial": "serial", "asset_tag": "tag", "macs": "MAC", "names": "name", "addresses": "address"}
_WHY = {
    "too_close": "two or more candidates with about the same evidence",
    "contradiction": "the evidence contradicts itself",
    "shared": "a number that should be one machine's is seen on several",
    "successor": "its name or address belongs to an asset with other hardware",
    "moving": "only what goes from machine to machine was seen of it",
}


def plain(words: object, longest: int = 300) -> str:
    """Somebody's words as one line, without what Markdown or HTML would make of them, nor what a screen would obey."""
    return printable(" ".join(re.sub(r"[`*_#<>\[\]|\\!~\x00]", " ", text(words)).split()))[:longest]


def moment(at: dt.datetime | None) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC" if at else "never"


def iso(at: dt.datetime | None) -> str | None:
    return at.astimezone(dt.UTC).isoformat() if at else None


def reason_of(why: str) -> str:
    """Why it is a conflict."""
    return _WHY.get(why, why)


def evidence(seen: Seen | None) -> str:
    """Who saw it, when, as what and where; the newest first."""
    if seen is None:
        return ""
    shown = [_sighting(one) for one in seen.sightings[:MOST_SOURCES]]
    more = len(seen.sightings) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def _sighting(one: Sighting) -> str:
    said = [f"{word} {_values(one.identity.get(key))}" for key, word in _CALLED.items() if one.identity.get(key)]
    where = [f"{key} {plain(one.place[key])}" for key in ("switch", "port", "prefix") if one.place.get(key)]
    return f"{plain(one.source)} at {moment(one.last_seen)}: {', '.join((*said, *where)) or plain(one.thing)}"


def _values(value: Any) -> str:
    values = value if isinstance(value, list | tuple) else [value]
    more = ", ..." if len(values) > MOST_VALUES else ""
    return ", ".join(plain(one) for one in values[:MOST_VALUES]) + more


def missed(misses: Mapping[str, int], seen: Seen | None) -> str:
    """Which looks did not see it any more."""
    looks = ", ".join(f"{source} {count} times in a row" for source, count in sorted(misses.items()))
    return f"not seen by {looks or 'anybody'}; last seen {moment(seen.last_seen if seen else None)}"


def sides(finding: Finding, called: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each side of a conflict with its reasons, for the list of changes. called: names of assets by key."""
    return [
        {
            "asset": one.key if one.is_asset else None,
            "thing": None if one.is_asset else one.key,
            "name": called.get(one.key, one.key),
            "score": one.score,
            "reasons": [
                {"kind": r.kind, "value": r.value, "weight": r.weight, "source": r.source, "at": iso(r.at)}
                for r in one.reasons
            ],
        }
        for one in finding.sides
    ]


def conflict(finding: Finding, called: Mapping[str, str]) -> str:
    """A conflict as a person has to judge it."""
    parts = [_side(one, called.get(one.key, one.key)) for one in finding.sides]
    return f"{plain(finding.name)} ({plain(finding.thing)}): {reason_of(finding.why)}. {' Or: '.join(parts)}"


def _side(one: Candidate, name: str) -> str:
    said = [f"{r.kind} {plain(r.value)} ({r.weight:+d}, {plain(r.source)})" for r in one.reasons[:MOST_VALUES]]
    return f"{plain(name)}: {', '.join(said) or 'nothing'}."


def detail(finding: Finding) -> dict[str, Any]:
    """What the list of changes says of every thing, where it is known."""
    told = finding.seen
    found: dict[str, Any] = {"name": finding.name}
    if told is None:
        return found
    found |= {
        "first_seen": iso(told.first_seen),
        "last_seen": iso(told.last_seen),
        "sources": list(told.sources),
        "addresses": list(told.addresses),
        "macs": list(told.macs),
        "vendor": told.vendor,
        "model": told.model,
        "os": told.os,
        "type": told.type,
        "serial": told.serial,
        "switch": told.switch,
        "port": told.port,
        "prefix": told.prefix,
    }
    return {key: value for key, value in found.items() if value not in ("", [], None)}


def listed(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
