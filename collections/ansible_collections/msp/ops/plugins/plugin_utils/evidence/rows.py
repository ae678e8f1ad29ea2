# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records to rows and back. Pure: no I/O.

A time becomes microseconds in UTC; a mapping or list becomes canonical JSON; a text loses what no database takes
(NUL and half characters, which hosts do send).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import controls, hashing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    ACCESS_OUTCOMES,
    CHANGES,
    CHECK_OUTCOMES,
    CHECK_PHASES,
    OUTCOMES,
    AccessCheck,
    Audit,
    Change,
    ControlChange,
    ControlState,
    Coverage,
    Decision,
    Digest,
    Effort,
    Observation,
    Run,
    RunHost,
    SecurityEvent,
    Seen,
    Sheet,
    Sighting,
    Software,
    StandardCheck,
    StoredEvent,
    StoredPlan,
    StoredRollout,
    Ticket,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    REBOOT,
    RESTART,
    SCAN_OUTCOMES,
    Judged,
    Scan,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import COMPLIANT, FIXED, STATUSES

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
Row = dict[str, Any]


def micros(at: dt.datetime) -> int:
    """A time as microseconds since 1970 in UTC. A time without a zone is refused: nobody knows when it was."""
    if at.tzinfo is None:
        raise MspError(
            "MSP-EVD-007",
            "a time with its time zone",
            f"{at.isoformat()}",
            "report this as a defect of the part that made the record",
        )
    return (at - EPOCH) // _MICROSECOND


def time_of(value: int) -> dt.datetime:
    return EPOCH + value * _MICROSECOND


def _maybe_micros(at: dt.datetime | None) -> int | None:
    return None if at is None else micros(at)


def _maybe_time(value: int | None) -> dt.datetime | None:
    return None if value is None else time_of(value)


def _maybe_owed(texts: tuple[str, ...] | None, since: Callable[[str], dt.datetime | None]) -> str | None:
    """What a host says it needs, in its order, each with since when that is known."""
    if texts is None:
        return None
    return hashing.canonical_json([text if (at := since(text)) is None else [text, micros(at)] for text in texts])


def _maybe_texts(value: str | None) -> dict[str, int | None] | None:
    """The same: by text since when, None where an older version stored it without."""
    if value is None:
        return None
    return dict((one, None) if isinstance(one, str) else (one[0], one[1]) for one in json.loads(value))


def clean(text: str) -> str:
    """A text that every database takes: no NUL, no half of a surrogate pair."""
    return str(text).replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _maybe_clean(text: str | None) -> str | None:
    return None if text is None else clean(text)


def observation_row(observation: Observation) -> Row:
    """The row of a sighting, with the names that find its thing."""
    identity = hashing.canonical_json(dict(observation.identity))
    attributes = hashing.canonical_json(dict(observation.attributes))
    place = hashing.canonical_json(dict(observation.place))
    asset = _maybe_clean(observation.asset)
    return {
        "customer": clean(observation.customer),
        "source": clean(observation.source),
        "thing": clean(hashing.thing_key(observation)),
        "at": micros(observation.at),
        "version": hashing.version_number("\n".join((asset or "", identity, attributes, place))),
        "asset": asset,
        "identity": identity,
        "attributes": attributes,
        "place": place,
    }


def sighting(row: Any) -> Sighting:
    return Sighting(
        customer=row.customer,
        source=row.source,
        thing=row.thing,
        first_seen=time_of(row.first_seen),
        last_seen=time_of(row.last_seen),
        count=row.seen,
        identity=json.loads(row.identity),
        asset=row.asset,
        attributes=json.loads(row.attributes),
        place=json.loads(row.place),
        after_look=row.after_look,
    )


def audit_row(audit: Audit) -> Row:
    """The row of an audit, but for the id of its facts."""
    if audit.outcome not in OUTCOMES or (audit.outcome == "ok") != (audit.facts_hash is not None):
        raise MspError(
            "MSP-EVD-007",
            f"an audit with an outcome of {', '.join(OUTCOMES)}, and the hash of its facts if and only if it is ok",
            f"outcome {audit.outcome!r} with hash {audit.facts_hash!r} for {audit.asset} of {audit.customer}",
            "report this as a defect of the part that made the record",
        )
    return {
        "customer": clean(audit.customer),
        "asset": clean(audit.asset),
        "host": clean(audit.host),
        "at": micros(audit.at),
        "outcome": audit.outcome,
        "summary": hashing.canonical_json(dict(audit.summary)),
        "volatile": hashing.canonical_json(dict(audit.volatile)),
        "changed": hashing.canonical_json(list(audit.changed)),
        "error": _maybe_clean(audit.error),
        "seconds": audit.seconds,
        "run": _maybe_clean(audit.run),
    }


def audit(row: Any) -> Audit:
    """An audit from a row of audits joined with the hash of its facts (facts_hash)."""
    return Audit(
        customer=row.customer,
        asset=row.asset,
        host=row.host,
        at=time_of(row.at),
        outcome=row.outcome,
        facts_hash=row.facts_hash,
        summary=json.loads(row.summary),
        volatile=json.loads(row.volatile),
        changed=tuple(json.loads(row.changed)),
        error=row.error,
        seconds=row.seconds,
        run=row.run,
    )


def run_row(run: Run) -> Row:
    return {
        "id": clean(run.id),
        "playbook": clean(run.playbook),
        "started": micros(run.started),
        "ended": _maybe_micros(run.ended),
        "started_by": clean(run.started_by),
        "controller": clean(run.controller),
        "check_mode": run.check_mode,
        "outcome": run.outcome,
        "out_of_scope_ticket": _maybe_clean(run.out_of_scope_ticket),
        "extra": hashing.canonical_json(dict(run.extra)),
    }


def run(row: Any) -> Run:
    return Run(
        id=row.id,
        playbook=row.playbook,
        started=time_of(row.started),
        ended=_maybe_time(row.ended),
        started_by=row.started_by,
        controller=row.controller,
        check_mode=row.check_mode,
        outcome=row.outcome,
        out_of_scope_ticket=row.out_of_scope_ticket,
        extra=json.loads(row.extra),
    )


COUNTS = ("ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored")


def run_host_row(host: RunHost) -> Row:
    return {
        "run": clean(host.run),
        "host": clean(host.host),
        "customer": _maybe_clean(host.customer),
        "asset": _maybe_clean(host.asset),
        **{name: getattr(host, name) for name in COUNTS},
        "seconds": host.seconds,
        "in_scope": host.in_scope,
    }


def run_host(row: Any) -> RunHost:
    return RunHost(
        run=row.run,
        host=row.host,
        customer=row.customer,
        asset=row.asset,
        **{name: getattr(row, name) for name in COUNTS},
        seconds=row.seconds,
        in_scope=row.in_scope,
    )


def sheet_row(sheet: Sheet) -> Row:
    return {
        "id": clean(sheet.id),
        "customer": clean(sheet.customer),
        "written": micros(sheet.written),
        "digest": clean(sheet.digest),
    }


def applied_row(sheet_id: str, *, at: dt.datetime, by: str, on: dt.date, decisions: list[Mapping[str, Any]]) -> Row:
    return {
        "sheet": clean(sheet_id),
        "applied": micros(at),
        "signed_by": clean(by),
        "signed_on": on.isoformat(),
        "decisions": hashing.canonical_json([dict(decision) for decision in decisions]),
    }


def sheet(row: Any) -> Sheet:
    """A sheet from a row of sheets joined with what was applied of it, if anything."""
    return Sheet(
        id=row.id,
        customer=row.customer,
        written=time_of(row.written),
        digest=row.digest,
        applied=_maybe_time(row.applied),
        signed_by=row.signed_by,
        signed_on=None if row.signed_on is None else dt.date.fromisoformat(row.signed_on),
        decisions=() if row.decisions is None else tuple(json.loads(row.decisions)),
    )


def effort_row(effort: Effort) -> Row:
    return {
        "key": clean(effort.key),
        "customer": clean(effort.customer),
        "at": micros(effort.at),
        "minutes": effort.minutes,
        "planned": effort.planned,
        "in_contract": effort.in_contract,
        "by": effort.by,
        "what": clean(effort.what),
        "who": _maybe_clean(effort.who),
        "run": _maybe_clean(effort.run),
        "ticket": _maybe_clean(effort.ticket),
    }


def effort(row: Any) -> Effort:
    return Effort(
        key=row.key,
        customer=row.customer,
        at=time_of(row.at),
        minutes=row.minutes,
        planned=row.planned,
        in_contract=row.in_contract,
        by=row.by,
        what=row.what,
        who=row.who,
        run=row.run,
        ticket=row.ticket,
    )


def ticket_row(ticket: Ticket) -> Row:
    return {
        "source": clean(ticket.source),
        "ref": clean(ticket.ref),
        "customer": clean(ticket.customer),
        "opened": micros(ticket.opened),
        "closed": _maybe_micros(ticket.closed),
        "title": clean(ticket.title),
        "asset": _maybe_clean(ticket.asset),
        "extra": hashing.canonical_json(dict(ticket.extra)),
    }


def ticket(row: Any) -> Ticket:
    return Ticket(
        customer=row.customer,
        source=row.source,
        ref=row.ref,
        opened=time_of(row.opened),
        closed=_maybe_time(row.closed),
        title=row.title,
        asset=row.asset,
        extra=json.loads(row.extra),
    )


def coverage_row(coverage: Coverage) -> Row:
    return {
        "customer": clean(coverage.customer),
        "source": clean(coverage.source),
        "at": micros(coverage.at),
        "complete": coverage.complete,
        "scope": hashing.canonical_json(list(coverage.scope)),
        "seen": coverage.seen,
        "skipped": coverage.skipped,
        "reason": clean(coverage.reason),
    }


def coverage(row: Any) -> Coverage:
    return Coverage(
        customer=row.customer,
        source=row.source,
        at=time_of(row.at),
        complete=row.complete,
        scope=tuple(json.loads(row.scope)),
        seen=row.seen,
        skipped=row.skipped,
        reason=row.reason,
        recorded_at=time_of(row.recorded_at),
        number=row.id,
    )


def change_row(change: Change) -> Row:
    if change.kind not in CHANGES:
        raise MspError(
            "MSP-EVD-007",
            f"a change of one of the kinds {', '.join(CHANGES)}",
            f"{change.kind!r} for {change.thing} of {change.customer}",
            "report this as a defect of the part that made the record",
        )
    return {
        "key": clean(change.key),
        "customer": clean(change.customer),
        "at": micros(change.at),
        "kind": change.kind,
        "thing": clean(change.thing),
        "asset": _maybe_clean(change.asset),
        "detail": hashing.canonical_json(dict(change.detail)),
        "plan": _maybe_clean(change.plan),
    }


def change(row: Any) -> Change:
    return Change(
        key=row.key,
        customer=row.customer,
        at=time_of(row.at),
        kind=row.kind,
        thing=row.thing,
        asset=row.asset,
        detail=json.loads(row.detail),
        plan=row.plan,
        recorded_at=time_of(row.recorded_at),
    )


def plan_row(plan: StoredPlan) -> Row:
    return {
        "id": clean(plan.id),
        "customer": clean(plan.customer),
        "made": micros(plan.made),
        "body": hashing.canonical_json(dict(plan.body)),
    }


def plan(row: Any, steps: frozenset[str]) -> StoredPlan:
    """A plan from a row of plans joined with its approval, if there is one."""
    return StoredPlan(
        id=row.id,
        customer=row.customer,
        made=time_of(row.made),
        body=json.loads(row.body),
        approved_by=row.by,
        approved_at=_maybe_time(row.at),
        approval_reason=row.reason or "",
        steps=steps,
    )


def decision_row(decision: Decision) -> Row:
    at = micros(decision.at)
    return {
        "key": hashing.event_key(decision.customer, decision.asset, decision.after, at, decision.who),
        "customer": clean(decision.customer),
        "asset": clean(decision.asset),
        "before": clean(decision.before),
        "after": clean(decision.after),
        "who": clean(decision.who),
        "at": at,
        "how": clean(decision.how),
    }


def decision(row: Any) -> Decision:
    return Decision(row.customer, row.asset, row.before, row.after, row.who, time_of(row.at), row.how)


def security_row(event: SecurityEvent) -> Row:
    at, extra = micros(event.at), hashing.canonical_json(dict(event.extra))
    texts = {
        name: clean(getattr(event, name))
        for name in ("customer", "asset", "host", "action", "subject", "who", "why", "ticket")
    }
    return {"key": hashing.event_key(*texts.values(), at, extra), **texts, "at": at, "extra": extra}


def security_event(row: Any) -> SecurityEvent:
    return SecurityEvent(
        customer=row.customer,
        asset=row.asset,
        host=row.host,
        at=time_of(row.at),
        action=row.action,
        subject=row.subject,
        who=row.who,
        why=row.why,
        ticket=row.ticket,
        extra=json.loads(row.extra),
    )


def digest_row(digest: Digest) -> Row:
    return {
        "customer": clean(digest.customer),
        "until": micros(digest.until),
        "since": _maybe_micros(digest.since),
        "changes": digest.changes,
    }


def digest(row: Any) -> Digest:
    return Digest(row.customer, _maybe_time(row.since), time_of(row.until), row.changes)


def seen_row(seen: Seen) -> Row:
    return {
        "customer": clean(seen.customer),
        "asset": clean(seen.asset),
        "first_seen": micros(seen.first_seen),
        "last_seen": micros(seen.last_seen),
        "sources": hashing.canonical_json(list(seen.sources)),
        "place": hashing.canonical_json(dict(seen.place)),
    }


def seen(row: Any) -> Seen:
    return Seen(
        customer=row.customer,
        asset=row.asset,
        first_seen=time_of(row.first_seen),
        last_seen=time_of(row.last_seen),
        sources=tuple(json.loads(row.sources)),
        place=json.loads(row.place),
    )


def scan_row(scan: Scan) -> Row:
    """The row of a scan, but for the id of the facts that hold its updates."""
    if scan.outcome not in SCAN_OUTCOMES or (scan.outcome == "ok") != (scan.updates is not None):
        raise MspError(
            "MSP-EVD-007",
            f"a scan with an outcome of {', '.join(SCAN_OUTCOMES)}, and a list of updates if and only if it is ok",
            f"outcome {scan.outcome!r} {'without' if scan.updates is None else 'with'} a list of updates for "
            f"{scan.asset} of {scan.customer}",
            "report this as a defect of the part that made the record",
        )
    return {
        "customer": clean(scan.customer),
        "asset": clean(scan.asset),
        "host": clean(scan.host),
        "at": micros(scan.at),
        "outcome": scan.outcome,
        "platform": clean(scan.platform),
        "manager": clean(scan.manager),
        "metadata_at": _maybe_micros(scan.metadata_at),
        "warnings": hashing.canonical_json(list(scan.warnings)),
        "error": _maybe_clean(scan.error),
        "run": _maybe_clean(scan.run),
        "machine_id": clean(scan.machine_id),
        "blind": hashing.canonical_json(list(scan.blind)),
        "booted_at": _maybe_micros(scan.booted_at),
        "reboot": _maybe_owed(scan.reboot, lambda _reason: scan.owed_since.get(REBOOT)),
        "services": _maybe_owed(scan.services, lambda unit: scan.owed_since.get(RESTART + unit)),
    }


def version_rows(scan: Scan) -> Iterator[Row]:
    """The versions that wait on an asset, those between the installed one and the candidate too."""
    for update in (one.update for one in scan.updates or ()):
        for version in {update.candidate, *(one.version for one in update.versions)}:
            yield {
                "customer": clean(scan.customer),
                "platform": clean(scan.platform),
                "name": clean(update.name),
                "architecture": clean(update.architecture),
                "version": clean(version),
                "since": micros(scan.at),
            }


def scan(row: Any, updates: tuple[Judged, ...] | None, feeds: Mapping[str, str]) -> Scan:
    """A scan from its row, and the updates and feeds that its facts hold."""
    reboot, services = _maybe_texts(row.reboot), _maybe_texts(row.services)
    since = {RESTART + unit: time_of(at) for unit, at in (services or {}).items() if at is not None}
    if (rebooting := next(iter((reboot or {}).values()), None)) is not None:  # one for all its reasons
        since[REBOOT] = time_of(rebooting)
    return Scan(
        customer=row.customer,
        asset=row.asset,
        host=row.host,
        at=time_of(row.at),
        outcome=row.outcome,
        platform=row.platform,
        manager=row.manager,
        updates=updates,
        metadata_at=_maybe_time(row.metadata_at),
        warnings=tuple(json.loads(row.warnings)),
        error=row.error,
        run=row.run,
        machine_id=row.machine_id,
        blind=tuple(json.loads(row.blind)),
        booted_at=_maybe_time(row.booted_at),
        reboot=None if reboot is None else tuple(reboot),
        services=None if services is None else tuple(services),
        feeds=feeds,
        owed_since=since,
    )


def rollout_row(rollout: StoredRollout, fence: int) -> Row:
    return {
        "id": clean(rollout.id),
        "customer": clean(rollout.customer),
        "plan": clean(rollout.plan),
        "plan_hash": clean(rollout.plan_hash),
        "made": micros(rollout.made),
        "manifest_hash": clean(rollout.manifest_hash),
        "body": hashing.canonical_json(dict(rollout.body)),
        "fence": fence,
    }


def rollout(row: Any, events: tuple[StoredEvent, ...]) -> StoredRollout:
    return StoredRollout(
        id=row.id,
        customer=row.customer,
        plan=row.plan,
        plan_hash=row.plan_hash,
        made=time_of(row.made),
        manifest_hash=row.manifest_hash,
        body=json.loads(row.body),
        events=events,
        fence=row.fence,
        recorded_at=time_of(row.recorded_at),
    )


def event_row(rollout_id: str, number: int, event: StoredEvent, fence: int) -> Row:
    return {
        "rollout": clean(rollout_id),
        "number": number,
        "kind": clean(event.kind),
        "at": micros(event.at),
        "body": hashing.canonical_json(dict(event.body)),
        "closes": event.closes,
        "fence": fence,
    }


def event(row: Any) -> StoredEvent:
    return StoredEvent(
        kind=row.kind,
        at=time_of(row.at),
        body=json.loads(row.body),
        closes=bool(row.closes),
        number=row.number,
        fence=row.fence,
        recorded_at=time_of(row.recorded_at),
    )


def check_row(check: StandardCheck) -> Row:
    """The row of a check of an asset's controls, but for the id of the facts that hold its records."""
    if wrong := _wrong(check):
        raise MspError(
            "MSP-EVD-007",
            f"a check of the phases {', '.join(CHECK_PHASES)} with an outcome of {', '.join(CHECK_OUTCOMES)} and one "
            "record for each control, which may be missing where it is not ok",
            f"{wrong} for {check.asset} of {check.customer}",
            "report this as a defect of the part that made the record",
        )
    return {
        "customer": clean(check.customer),
        "asset": clean(check.asset),
        "host": clean(check.host),
        "at": micros(check.at),
        "phase": check.phase,
        "outcome": check.outcome,
        "standard": clean(check.standard),
        "version": clean(check.version),
        "counts": hashing.canonical_json(controls.counts(check.records)),
        "error": _maybe_clean(check.error),
        "run": _maybe_clean(check.run),
    }


def _wrong(check: StandardCheck) -> str:
    """What of a check contradicts itself. Nothing is as it should be that nobody measured."""
    if check.outcome not in CHECK_OUTCOMES or check.phase not in CHECK_PHASES:
        return f"outcome {check.outcome!r} in phase {check.phase!r}"
    if check.records is None:
        return "outcome ok without records" if check.outcome == "ok" else ""
    if not isinstance(check.records, tuple) or not all(isinstance(record, Mapping) for record in check.records):
        return "records that are none"
    named = [record.get("control") for record in check.records]
    if not all(isinstance(name, str) and name for name in named) or len(set(named)) != len(named):
        return "a control without an id, or twice,"
    allowed = STATUSES if check.outcome == "ok" else [one for one in STATUSES if one not in (COMPLIANT, FIXED)]
    strange = [record for record in check.records if record.get("status") not in allowed]
    return f"outcome {check.outcome!r} and {strange[0]['control']} {strange[0].get('status')!r}" if strange else ""


def standard_check(row: Any, found: tuple[Mapping[str, Any], ...] | None) -> StandardCheck:
    """A check from its row, and the records that its facts hold."""
    return StandardCheck(
        customer=row.customer,
        asset=row.asset,
        host=row.host,
        at=time_of(row.at),
        phase=row.phase,
        outcome=row.outcome,
        standard=row.standard,
        version=row.version,
        records=found,
        error=row.error,
        run=row.run,
    )


def access_row(check: AccessCheck) -> Row:
    """The row of a look at who can log in, but for the id of the facts that hold what was found."""
    if check.outcome not in ACCESS_OUTCOMES or (check.outcome == "ok") != (check.found is not None):
        raise MspError(
            "MSP-EVD-007",
            f"a look with an outcome of {', '.join(ACCESS_OUTCOMES)}, and findings where it is ok and nowhere else",
            f"outcome {check.outcome!r} {'with' if check.found is not None else 'without'} findings for {check.asset} "
            f"of {check.customer}",
            "report this as a defect of the part that made the record",
        )
    return {
        "customer": clean(check.customer),
        "asset": clean(check.asset),
        "host": clean(check.host),
        "at": micros(check.at),
        "outcome": check.outcome,
        "error": _maybe_clean(check.error),
        "run": _maybe_clean(check.run),
    }


def access_check(row: Any, found: Mapping[str, Any] | None) -> AccessCheck:
    """A look from its row, and the facts that hold what it found."""
    return AccessCheck(row.customer, row.asset, row.host, time_of(row.at), row.outcome, found, row.error, row.run)


def said_row(said: controls.Said) -> Row:
    """What is said of a control, for either table of controls."""
    names = ("status", "standard", "severity", "desired", "found", "reason")
    return {name: clean(getattr(said, name)) for name in names}


def said(row: Any, since: int) -> controls.Said:
    return controls.Said(row.status, row.standard, row.severity, row.desired, row.found, row.reason, since)


def control_change(row: Any) -> ControlChange:
    """A change from a row of control_changes with what the control was before it (previous)."""
    return ControlChange(
        customer=row.customer,
        asset=row.asset,
        control=row.control,
        at=time_of(row.at),
        phase=row.phase,
        status=row.status,
        previous=row.previous,
        standard=row.standard,
        severity=row.severity,
        desired=row.desired,
        found=row.found,
        reason=row.reason,
    )


def control_state(row: Any) -> ControlState:
    """A state from a row of control_states with when the asset was last checked (last_at)."""
    return ControlState(
        customer=row.customer,
        asset=row.asset,
        control=row.control,
        status=row.status,
        since=time_of(row.since),
        last_at=time_of(row.last_at),
        standard=row.standard,
        severity=row.severity,
        desired=row.desired,
        found=row.found,
        reason=row.reason,
    )


def package_rows(facts: Mapping[str, Any]) -> list[Row]:
    """The packages that an audit found, each once. Empty where it could not tell."""
    system = facts.get("os") or {}
    platform = _platform(str(system.get("id") or ""), str(system.get("version") or system.get("codename") or ""))
    found = {}
    for package in facts.get("packages") or ():
        row = {name: clean(str(package.get(name) or "")) for name in ("name", "version", "architecture", "origin")}
        found[row["name"], row["version"], row["architecture"], row["origin"]] = {**row, "platform": platform}
    return list(found.values())


def _platform(system: str, version: str) -> str:
    """As Scan.platform has it: "debian-12", where an audit has "12.7"; "ubuntu-24.04"."""
    release = version.partition(".")[0] if system == "debian" else version
    return clean("-".join(word for word in (system, release) if word))


def software(row: Any) -> Software:
    """A package from a row of packages joined with the list that it is on."""
    return Software(
        customer=row.customer,
        asset=row.asset,
        host=row.host or row.asset,
        platform=row.platform,
        name=row.name,
        version=row.version,
        architecture=row.architecture,
        origin=row.origin,
        at=time_of(row.at),
    )
