# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records as lines of text and back: the format of the spool and of the export. Pure: no I/O.

A line is a JSON object: "kind" names the record, "data" holds its fields, times in ISO 8601 with their zone.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing, pending
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    AccessCheck,
    Audit,
    Change,
    ControlChange,
    Coverage,
    Decision,
    Digest,
    Effort,
    EventOutcome,
    Incoming,
    Observation,
    Run,
    RunbookRun,
    RunHost,
    SecurityEvent,
    Sheet,
    Sighting,
    StandardCheck,
    StoredPlan,
    StoredRollout,
    Ticket,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Scan


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of an audit on their way to the store. Comes before the audit that names their hash."""

    body: Mapping[str, Any]


Record = (
    Facts | Audit | Observation | Run | RunHost | Effort | Ticket | Scan | StandardCheck | SecurityEvent | AccessCheck
)

KINDS: dict[str, type] = {
    "facts": Facts,
    "audit": Audit,
    "observation": Observation,
    "run": Run,
    "run_host": RunHost,
    "effort": Effort,
    "ticket": Ticket,
    "patch_scan": Scan,
    "standard_check": StandardCheck,
    "security_event": SecurityEvent,
    "access_check": AccessCheck,
}
_NAMES = {
    **{record: name for name, record in KINDS.items()},
    Sighting: "sighting",
    Sheet: "sheet",
    Coverage: "coverage",
    Change: "change",
    StoredPlan: "plan",
    Decision: "decision",
    Digest: "digest",
    StoredRollout: "rollout",
    ControlChange: "control_change",
    Incoming: "event",
    EventOutcome: "event_outcome",
    RunbookRun: "runbook_run",
}
# What is told of a customer besides, and never spooled.
Told = (
    Sighting
    | Sheet
    | Coverage
    | Change
    | StoredPlan
    | Decision
    | Digest
    | StoredRollout
    | ControlChange
    | Incoming
    | EventOutcome
    | RunbookRun
)
_TIMES = frozenset({"at", "started", "ended", "opened", "closed", "metadata_at", "booted_at"})
_LISTS = frozenset({"changed", "records"})


def encode(record: Record | Told) -> str:
    """One line, without the newline."""
    data = pending.plain(record) if isinstance(record, Scan) else _fields(record)
    return hashing.canonical_json({"kind": _NAMES[type(record)], "data": data})


def _fields(record: Any) -> dict[str, Any]:
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    if isinstance(record, StoredRollout):
        values["events"] = [_fields(event) for event in record.events]
    return values


def decode(line: str) -> Record:
    """The record of a line. ValueError says why a line is none."""
    try:
        outer = json.loads(line)
        kind = KINDS[outer["kind"]]
        data = outer["data"]
        known = {field.name for field in fields(kind)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"unknown fields {', '.join(unknown)}")
        values = {name: _value(name, value) for name, value in data.items()}
        record: Record = pending.scan(values) if kind is Scan else kind(**values)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return record


def _value(name: str, value: Any) -> Any:
    if name in _TIMES and value is not None:
        time = dt.datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise ValueError(f"{name} without a time zone")
        return time
    return tuple(value) if name in _LISTS and isinstance(value, list) else value
