# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps one attempt: facts, audit and observation go to the spool, the digest of the sections beside it.

Runs in Ansible's forked workers, so it opens neither the store nor NetBox; audit_register does that once, afterwards.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.audit import digest, memory, sightings
from ansible_collections.msp.ops.plugins.plugin_utils.audit.outcome import OK, Outcome
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import codec, hashing, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit

KIND = "audit"  # of what is remembered


@dataclass(frozen=True)
class Kept:
    """What is told of an attempt. changed is None when there is no earlier audit to compare with."""

    outcome: str
    facts_hash: str | None
    changed: list[str] | None
    summary: Mapping[str, Any]
    unknown: int


def keep(subject: Subject, found: Outcome, at: dt.datetime, *, run: str | None = None, dry: bool = False) -> Kept:
    """Spool the attempt (not when dry) and say what it came down to."""
    if found.outcome != OK:
        error = str(found.error) if found.error else None
        if not dry:
            spool.put([Audit(subject.customer, subject.asset, subject.host, at, found.outcome, error=error, run=run)])
        return Kept(found.outcome, None, None, {}, 0)
    sections = digest.section_digests(found.facts)
    changed = digest.changed_sections(memory.last(KIND, subject), sections)
    kept = Kept(OK, hashing.facts_hash(found.facts), changed, digest.summary(found.facts), len(found.facts["unknown"]))
    if not dry:
        _spool(subject, found, kept, at, run)
        memory.remember(KIND, subject, sections)
    return kept


def _spool(subject: Subject, found: Outcome, kept: Kept, at: dt.datetime, run: str | None) -> None:
    audit = Audit(
        subject.customer,
        subject.asset,
        subject.host,
        at,
        OK,
        facts_hash=kept.facts_hash,
        summary=kept.summary,
        volatile=found.volatile,
        changed=tuple(kept.changed or ()),
        seconds=found.seconds,
        run=run,
    )
    spool.put([codec.Facts(found.facts), audit, sightings.itself(subject, found.facts, at)])
