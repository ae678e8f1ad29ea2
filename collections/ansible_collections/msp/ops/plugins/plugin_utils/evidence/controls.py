# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What checks of an asset's controls come to: as facts, counted, and as changes from one to the next. Pure: no I/O.

It judges no control: what a check says of one is taken as it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import CHECK_PHASES, NOT_ASSIGNED
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import UNKNOWN

Record = Mapping[str, Any]
_CONTROLS = "controls"


def body(records: Iterable[Record]) -> dict[str, Any]:
    """The facts that hold the records of a check: the same records have the same hash, on every host."""
    return {_CONTROLS: [hashing.canonical_json(dict(record)) for record in records]}


def records(facts: Mapping[str, Any], known: dict[str, Record]) -> tuple[Record, ...]:
    """The records of such facts. known has those that were read before, by their text, and is added to."""
    found = []
    for text in facts[_CONTROLS]:
        record = known.get(text)
        if record is None:
            record = known[text] = json.loads(text)
        found.append(record)
    return tuple(found)


def counts(found: Iterable[Record] | None) -> dict[str, int]:
    """How many controls are what."""
    return dict(Counter(str(record["status"]) for record in found or ()))


@dataclass(frozen=True, slots=True)
class Said:
    """What a check says of a control. since is when that began, in microseconds."""

    status: str
    standard: str
    severity: str
    desired: str = ""
    found: str = ""
    reason: str = ""
    since: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """A check as far as what it says of controls goes. records is None where it knows nothing of them."""

    at: int
    phase: str
    standard: str
    records: Sequence[Record] | None
    error: str

    @property
    def order(self) -> tuple[int, int]:
        """Which of two checks of an asset comes first: by time, and at one time by what they were for."""
        return order(self.at, self.phase)


def order(at: int, phase: str) -> tuple[int, int]:
    return at, CHECK_PHASES.index(phase)


@dataclass(frozen=True, slots=True)
class Turn:
    """A control that a check found to be another than the one before did."""

    control: str
    at: int
    phase: str
    said: Said


def follow(before: Mapping[str, Said], checks: Iterable[Check]) -> tuple[list[Turn], dict[str, Said]]:
    """Go through checks of one asset, oldest first: what turned, and what each of its controls is after the last.

    before is what they were before the first. A control that a check does not have is one that the asset is no longer
    held to; a check that knows of none says that those it was held to are unknown.
    """
    states, turns = dict(before), []
    for check in checks:
        said = _said(check, states)
        for control in sorted(states.keys() | said.keys()):
            was, now = states.get(control), said.get(control)
            if now is None and was is not None:
                gone = Said(NOT_ASSIGNED, was.standard, was.severity, since=check.at)
                turns.append(Turn(control, check.at, check.phase, gone))
                del states[control]
            elif now is not None and (was is None or was.status != now.status):
                turns.append(Turn(control, check.at, check.phase, now))
                states[control] = now
            elif now is not None and was is not None:
                states[control] = replace(now, since=was.since)
    return turns, states


def _said(check: Check, before: Mapping[str, Said]) -> dict[str, Said]:
    if check.records is None:
        return {
            control: Said(UNKNOWN, was.standard, was.severity, was.desired, "", check.error, check.at)
            for control, was in before.items()
        }
    return {str(record["control"]): _of_record(check, record) for record in check.records}


def _of_record(check: Check, record: Record) -> Said:
    severity, desired, found, reason = (
        str(record.get(name) or "") for name in ("severity", "desired", "found", "reason")
    )
    return Said(str(record["status"]), check.standard, severity, desired, found, reason, check.at)
