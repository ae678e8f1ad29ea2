# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run of audits came to, and what NetBox must be told of it. Pure: no I/O.

NetBox keeps three things of an audit, and is written only where one of them differs: the hash of the facts, the
operating system and the end of its support. The store keeps the rest.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.audit.outcome import (
    FAILED,
    NO_PYTHON,
    NOT_ATTEMPTED,
    NOT_RECORDED,
    OK,
    UNREACHABLE,
    lost,
    no_address,
)
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

# The store's answer for a customer: by asset key (last audit with outcome ok, last attempt).
LastAudits = Mapping[str, tuple[Audit | None, Audit | None]]


@dataclass(frozen=True)
class Attempt:
    """One host of this run. audit is its record, last_ok the last audit that worked, of this run or an earlier one."""

    subject: Subject
    outcome: str
    error: str | None = None
    audit: Audit | None = None
    last_ok: Audit | None = None
    is_lost: bool = False


def moment(text: str) -> dt.datetime:
    """When a run began, in UTC. Without its zone it would be read as the controller's own time: hours wrong."""
    try:
        began = dt.datetime.fromisoformat(text)
    except ValueError:
        began = None
    if began is None or began.tzinfo is None:
        raise MspError(
            "MSP-AUD-008",
            "the time the run began, as ISO 8601 with its zone (2026-03-01T10:00:00+00:00)",
            repr(text),
            "in a playbook write {{ now(utc=true).isoformat() }}+00:00",
        )
    return began.astimezone(dt.UTC)


def attempts(
    subjects: Iterable[Subject],
    last: Mapping[str, LastAudits],
    began: dt.datetime,
    *,
    rejected: Sequence[str] = (),
    check: bool = False,
) -> list[Attempt]:
    """What became of every host. One without a record since the run began is lost, and gets a record that says so.

    rejected are the reasons for records that the store did not take. With check no host has a record, none is lost.
    """
    known = ((one, last.get(one.customer, {}).get(one.asset, (None, None))) for one in subjects)
    return [
        _attempt(one, last_ok, attempt, began, None if check else str(lost(one.host, rejected)))
        for one, (last_ok, attempt) in known
    ]


def _attempt(
    subject: Subject, last_ok: Audit | None, last: Audit | None, began: dt.datetime, if_lost: str | None
) -> Attempt:
    if last is not None and last.at >= began:
        return Attempt(subject, last.outcome, last.error, last, last_ok)
    if not subject.has_address:
        return Attempt(subject, NOT_ATTEMPTED, str(no_address(subject.host)), None, last_ok)
    if if_lost is None:
        return Attempt(subject, NOT_RECORDED, None, None, last_ok)
    record = Audit(subject.customer, subject.asset, subject.host, began, FAILED, error=if_lost)
    return Attempt(subject, FAILED, if_lost, record, last_ok, is_lost=True)


def wanted_fields(audit: Audit) -> dict[str, Any]:
    """The custom fields that NetBox must have after an audit that worked."""
    return {
        names.FACTS_HASH: audit.facts_hash,
        names.OPERATING_SYSTEM: audit.summary.get("os"),
        names.OS_SUPPORT_END: audit.summary.get("support_end"),
    }


def changes(found: Sequence[Attempt], fields: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[dict, dict]]:
    """By asset: (what NetBox has, what it must have), of the fields that differ.

    fields is what NetBox has now, by asset. An asset that NetBox lost meanwhile is left out. The last audit that
    worked counts also when this attempt did not: after a crash the store decides, and NetBox is brought up to it.
    """
    differing = {}
    for one in found:
        have = fields.get(one.subject.asset)
        if one.last_ok is None or have is None:
            continue
        wanted = {name: value for name, value in wanted_fields(one.last_ok).items() if have.get(name) != value}
        if wanted:
            differing[one.subject.asset] = ({name: have.get(name) for name in wanted}, wanted)
    return differing


def counts(found: Iterable[Attempt]) -> dict[str, int]:
    """Hosts by outcome, every outcome named."""
    counted = Counter(one.outcome for one in found)
    return {outcome: counted[outcome] for outcome in WORDS}


WORDS = {
    OK: "ok",
    UNREACHABLE: "unreachable",
    NO_PYTHON: "without Python",
    FAILED: "failed",
    NOT_ATTEMPTED: "without an address in NetBox",
    NOT_RECORDED: "not recorded (check mode)",
}


def sentences(
    found: Sequence[Attempt], written: int, *, refused: Mapping[str, str] | None = None, rejected: Sequence[str] = ()
) -> list[str]:
    """What a person reads at the end of a run: the counts, and a line for whatever did not go well."""
    counted = counts(found)
    parts = [f"{counted[outcome]} {word}" for outcome, word in WORDS.items() if counted[outcome] or outcome == OK]
    waiting = sum(1 for one in found if one.outcome == OK and one.audit and one.audit.summary.get("security"))
    head = f"{len(found)} host(s): {', '.join(parts)}"
    lines = [f"{head}; {waiting} with security updates waiting; NetBox brought up to date for {written}"]
    lines += [f"{one.subject.host}: {one.error}" for one in found if one.error]
    lines += [f"{host}: {error}" for host, error in sorted((refused or {}).items())]
    return lines + [f"The evidence store rejected a record: {reason}" for reason in rejected]
