# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the evidence store keeps, as dataclasses. Pure: no I/O, no SQLAlchemy.

All times are timezone-aware UTC. customer is the tenant's slug; asset is contract.records.Asset.key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OUTCOMES = ("ok", "unreachable", "failed", "no_python")


def kind_of(source: str) -> str:
    """The kind of a source: "dhcp" of "dhcp:branch"."""
    return source.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Observation:
    """One sighting of one thing by one source at one time."""

    customer: str
    source: str  # a kind ("audit", "neighbours", "nmap", "dhcp", "directory", "mdm") or kind:label ("dhcp:branch")
    at: dt.datetime
    # What identifies the thing: serial, uuid, asset_tag, directory_id, mdm_id, macs, names, addresses.
    identity: Mapping[str, Any]
    asset: str | None = None  # only where the source knows it for certain (an audit of that asset)
    attributes: Mapping[str, Any] = field(default_factory=dict)  # what it is: vendor, model, os, type
    place: Mapping[str, Any] = field(default_factory=dict)  # where: prefix, switch, port, seen_by


@dataclass(frozen=True, slots=True)
class Sighting:
    """The observations of one thing by one source, compacted."""

    customer: str
    source: str
    thing: str  # stable key of the identity within customer and source
    first_seen: dt.datetime
    last_seen: dt.datetime
    count: int
    identity: Mapping[str, Any]
    asset: str | None
    attributes: Mapping[str, Any]
    place: Mapping[str, Any]
    # The last look (Coverage.number) that was recorded before the source told of it last, whatever time it gave then:
    # a directory tells in every look of a machine that it last saw weeks ago.
    after_look: int = 0


@dataclass(frozen=True, slots=True)
class Audit:
    """One attempt to audit one asset. facts_hash is set when outcome is "ok"."""

    customer: str
    asset: str
    host: str
    at: dt.datetime
    outcome: str
    facts_hash: str | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    volatile: Mapping[str, Any] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    error: str | None = None
    seconds: float | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One playbook run. id is unique and made by whoever started recording it."""

    id: str
    playbook: str
    started: dt.datetime
    ended: dt.datetime | None
    started_by: str  # a person's login, "awx job 12", "systemd timer"
    controller: str
    check_mode: bool
    outcome: str | None = None  # ok, failed, interrupted
    out_of_scope_ticket: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunHost:
    """What a run did to one host. seconds is the time its tasks took on that host."""

    run: str
    host: str
    customer: str | None
    asset: str | None
    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0
    seconds: float = 0.0
    in_scope: bool | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A verification sheet: written for a customer, later read back, decided and applied."""

    id: str
    customer: str
    written: dt.datetime
    digest: str  # of the key columns as written
    applied: dt.datetime | None = None
    signed_by: str | None = None
    signed_on: dt.date | None = None
    decisions: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Effort:
    """Minutes spent for a customer. key makes writing it twice the same as writing it once.

    planned is False for what nobody scheduled; in_contract is False for what the contract does not cover. by is
    "person" or "automation".
    """

    key: str
    customer: str
    at: dt.datetime
    minutes: float
    planned: bool
    in_contract: bool
    by: str
    what: str = ""
    who: str | None = None
    run: str | None = None
    ticket: str | None = None


@dataclass(frozen=True, slots=True)
class EffortSummary:
    """Minutes of one customer in [since, until), and the same minutes split three ways. rows are what they add up."""

    customer: str
    since: dt.datetime
    until: dt.datetime
    minutes: float
    planned: float
    unplanned: float
    inside: float
    outside: float
    person: float
    automation: float
    rows: tuple[Effort, ...]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A customer's ticket as its ticket system last told it. ref is its number there."""

    customer: str
    source: str
    ref: str
    opened: dt.datetime
    closed: dt.datetime | None = None
    title: str = ""
    asset: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of one thing that somebody asked for. matched: "name", "address", "mac", "serial"...

    current is False when only an older sighting bears the word that was asked for.
    """

    customer: str
    asset: str | None
    matched: tuple[str, ...]
    current: bool
    first_seen: dt.datetime | None
    last_seen: dt.datetime | None
    sightings: tuple[Sighting, ...]
    last_good: Audit | None
    last_attempt: Audit | None


# What a reconciliation found to have changed since the one before.
CHANGES = ("new", "gone", "back", "moved", "changed", "conflict", "settled")


@dataclass(frozen=True, slots=True)
class Coverage:
    """One look of one source: what it looked at as a whole, and whether it got to the end.

    scope holds prefixes; empty means everything the source knows of. Only a complete look may prove an absence; reason
    says why one is not complete. What it saw is recorded before the look itself. recorded_at is the database's clock
    and number the order of recording, None until it was recorded.
    """

    customer: str
    source: str
    at: dt.datetime
    complete: bool
    scope: tuple[str, ...] = ()
    seen: int = 0
    skipped: int = 0
    reason: str = ""
    recorded_at: dt.datetime | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a reconciliation found to have changed. key makes recording it twice the same as once.

    kind is one of CHANGES; thing is identity's key, asset the asset's where there is one; detail says what was before
    and after and why. recorded_at is the database's clock, None until it was recorded.
    """

    key: str
    customer: str
    at: dt.datetime
    kind: str
    thing: str
    asset: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    plan: str | None = None
    recorded_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """When an asset was seen, by every sighting that identity says is of it. place is where the last one was."""

    customer: str
    asset: str
    first_seen: dt.datetime
    last_seen: dt.datetime
    sources: tuple[str, ...] = ()
    place: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan for writing to NetBox, as it was made. id is the hash of what it does; steps are those done so far."""

    id: str
    customer: str
    made: dt.datetime
    body: Mapping[str, Any]
    approved_by: str | None = None
    approved_at: dt.datetime | None = None
    approval_reason: str = ""
    steps: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about an asset. how is "netbox", or "sheet" and the sheet's id."""

    customer: str
    asset: str
    before: str
    after: str
    who: str
    at: dt.datetime
    how: str


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """What was done with a secret or a login: who did what, where, when and why. Never has the secret itself.

    action is one of escrow.keeping.ACTIONS or what a module of logins calls it ("login granted"); subject is the
    account, or the place of a secret; host the name that people know the asset by.
    """

    customer: str
    asset: str
    host: str
    at: dt.datetime
    action: str
    subject: str
    who: str
    why: str = ""
    ticket: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Digest:
    """How far a customer was told of changes: those recorded in (since, until]. since None: from the beginning."""

    customer: str
    since: dt.datetime | None
    until: dt.datetime
    changes: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One step of a rollout. body is what patching.events makes of it; closes: the rollout is over with it.

    number and fence are given when it is appended; recorded_at is the database's clock.
    """

    kind: str
    at: dt.datetime
    body: Mapping[str, Any] = field(default_factory=dict)
    closes: bool = False
    number: int | None = None
    fence: int | None = None
    recorded_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredRollout:
    """A rollout as it was planned, and every step since, oldest first. plan is the name of the customer's patch plan.

    plan_hash and manifest_hash say which plan made it and what it installs; body holds both, as they were then. fence
    is the number of the lease under which it was recorded.
    """

    id: str
    customer: str
    plan: str
    plan_hash: str
    made: dt.datetime
    manifest_hash: str
    body: Mapping[str, Any]
    events: tuple[StoredEvent, ...] = ()
    fence: int | None = None
    recorded_at: dt.datetime | None = None

    @property
    def over(self) -> bool:
        return bool(self.events) and self.events[-1].closes


# When a host's controls were measured: before anything was brought about, after it, or only to look.
CHECK_PHASES = BEFORE, CHECK, AFTER = ("before", "check", "after")
CHECK_OUTCOMES = ("ok", "failed", "unreachable", "not attempted")
# The status in a ControlChange of a control that an asset is no longer held to.
NOT_ASSIGNED = "not assigned"


@dataclass(frozen=True, slots=True)
class StandardCheck:
    """One attempt to hold one asset against its standard. records is None where nobody knows its controls.

    outcome is one of CHECK_OUTCOMES, phase one of CHECK_PHASES; a host may have two of a time, of different phases. A
    record is a mapping with the fields of standards.model.ControlRecord (control, severity, status, desired, found,
    reason, waiver), one for each assigned control: those of a host that did not answer are unknown.
    """

    customer: str
    asset: str
    host: str
    at: dt.datetime
    phase: str
    outcome: str
    standard: str
    version: str
    records: tuple[Mapping[str, Any], ...] | None = None
    error: str | None = None
    run: str | None = None


# What is looked at beside a customer's assets, in the place of an asset's key.
MICROSOFT_365 = "microsoft-365"
ACCESS_OUTCOMES = ("ok", "failed", "unreachable", "not attempted")


@dataclass(frozen=True, slots=True)
class AccessCheck:
    """One attempt to see who can log in to one asset, or to a customer's Microsoft 365 (asset is MICROSOFT_365 then).

    outcome is one of ACCESS_OUTCOMES. found is what was seen, of a host as module_utils/standards/access.py tells it
    and of Microsoft 365 as observe/entra.py does; None where nobody knows it.
    """

    customer: str
    asset: str
    host: str
    at: dt.datetime
    outcome: str
    found: Mapping[str, Any] | None = None
    error: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class ControlChange:
    """A control of an asset that was found to be another than the last time. previous is None for the first time.

    status is one of standards.model.STATUSES, or NOT_ASSIGNED: the check before was held against it, this one is not.
    """

    customer: str
    asset: str
    control: str
    at: dt.datetime
    phase: str
    status: str
    previous: str | None
    standard: str
    severity: str
    desired: str = ""
    found: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ControlState:
    """What a control of an asset is, by its last check. since is when it became that, last_at when that check was."""

    customer: str
    asset: str
    control: str
    status: str
    since: dt.datetime
    last_at: dt.datetime
    standard: str
    severity: str
    desired: str = ""
    found: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Software:
    """A package that is on an asset, by its last good audit, which was at this time. platform is as in Scan.

    host is what the asset was called then; the asset again where that audit is gone.
    """

    customer: str
    asset: str
    host: str
    platform: str
    name: str
    version: str
    architecture: str
    origin: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Installed:
    """Who has a package that was asked for. having is how many assets have it, in whatever version."""

    found: tuple[Software, ...]
    having: int


# What became of an event: the work was done; there was nothing to do; we do not do this (not contracted, a limit, a
# stop), and it says why; the work failed; nobody could end it and a person has to look.
EVENT_OUTCOMES = ("done", "nothing", "refused", "failed", "given_up", "superseded")


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event as it came in. body is events.records.Event as a mapping. Events of one subject are handled together."""

    id: str
    source: str
    subject: str
    at: dt.datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """What became of an event. customer and asset are empty where the event was about nobody's.

    work is what was done, in order: the duty, how it ran, and the id of the run.
    """

    event: str
    customer: str
    asset: str
    at: dt.datetime
    outcome: str
    why: str
    work: tuple[Mapping[str, Any], ...] = ()


# What a runbook ended in: the check did not find the symptom; it was put right, and that was measured; a preview; a
# person has to look; a limit, a stop or a breaker kept it from starting; the run broke.
RUNBOOK_OUTCOMES = ("nothing_to_do", "mended", "would_mend", "gave_up", "refused", "failed")


@dataclass(frozen=True, slots=True)
class RunbookRun:
    """A run of a runbook on an asset. outcome is None while it goes on, and for ever where its controller died.

    body has what was found and done: found, did, reason, before, after. minutes_by_hand is what such a ticket costs a
    person at this customer.
    """

    key: str
    customer: str
    asset: str
    host: str
    runbook: str
    at: dt.datetime
    parameters: Mapping[str, Any] = field(default_factory=dict)
    event: str | None = None
    run: str | None = None
    outcome: str | None = None
    ended: dt.datetime | None = None
    seconds: float | None = None
    minutes_by_hand: float | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
