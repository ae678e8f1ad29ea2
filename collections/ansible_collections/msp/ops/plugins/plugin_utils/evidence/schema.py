# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables of the evidence store, as the newest migration leaves them.

The same in SQLite and PostgreSQL: a time is an integer, microseconds since 1970 in UTC; a mapping or list is text,
canonical JSON. Tables are built when first asked for, never at import, and created by the migrations alone; a test
compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa

# Every revision of the schema, oldest first; the last one is what this code works with.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")

# Events: rows that are added and never changed. Triggers see to it.
APPEND_ONLY = (
    *("facts", "chunks", "facts_chunks", "audits", "run_hosts", "sheets", "sheets_applied", "effort"),
    *("coverages", "changes", "plans", "plan_approvals", "plan_steps", "decisions", "digests"),
    *("patch_scans", "rollouts", "rollout_events"),
    *("standard_checks", "control_changes"),
    *("security_events", "escrow_secrets", "escrow_marks"),
    "access_checks",
    *("incoming_events", "event_outcomes", "runbook_runs", "runbook_outcomes"),
    *("messages", "message_outcomes", "answer_drafts", "answer_decisions"),
)

# What is said of a control in each of the two tables of controls.
CONTROL_SAYS = ("status", "standard", "severity", "desired", "found", "reason")

# What names a version of a secret in each of the two tables of the escrow.
ESCROW_VERSION = ("customer", "asset", "purpose", "name", "version")


@dataclass(frozen=True)
class Tables:
    """The tables and views by name."""

    metadata: sa.MetaData
    facts: sa.Table
    chunks: sa.Table
    facts_chunks: sa.Table
    things: sa.Table
    sightings: sa.Table
    tokens: sa.Table
    audits: sa.Table
    runs: sa.Table
    run_hosts: sa.Table
    sheets: sa.Table
    sheets_applied: sa.Table
    tickets: sa.Table
    effort: sa.Table
    retention: sa.Table
    coverages: sa.Table
    changes: sa.Table
    digests: sa.Table
    seen: sa.Table
    remembered: sa.Table
    plans: sa.Table
    plan_approvals: sa.Table
    plan_steps: sa.Table
    decisions: sa.Table
    leases: sa.Table
    patch_scans: sa.Table
    versions_seen: sa.Table
    rollouts: sa.Table
    rollout_events: sa.Table
    standard_checks: sa.Table
    control_changes: sa.Table
    control_states: sa.Table
    packages: sa.Table
    package_lists: sa.Table
    software: sa.Table
    security_events: sa.Table
    escrow_secrets: sa.Table
    escrow_marks: sa.Table
    access_checks: sa.Table
    incoming_events: sa.Table
    event_work: sa.Table
    event_outcomes: sa.Table
    runbook_runs: sa.Table
    runbook_outcomes: sa.Table
    messages: sa.Table
    message_work: sa.Table
    message_outcomes: sa.Table
    answer_drafts: sa.Table
    answer_decisions: sa.Table
    ticket_positions: sa.Table


@dataclass(frozen=True)
class Views:
    """What is current, computed from the events: nothing can go stale."""

    current_sightings: sa.TableClause
    last_good_audits: sa.TableClause
    last_attempts: sa.TableClause


@cache
def tables() -> Tables:
    """Describe the tables to SQLAlchemy."""
    import sqlalchemy as sa

    metadata = sa.MetaData()
    parts = (
        *(_facts, _sightings, _audits, _agreed, _discovered, _planned, _patched),
        *(_standards, _software, _security, _access, _incoming, _runbooks, _telling),
    )
    return Tables(metadata, *(table for part in parts for table in part(metadata)))


def _facts(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """Facts by content hash. A long list is cut in chunks, so that hosts and weeks share what did not change."""
    from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

    number = BigInteger().with_variant(Integer, "sqlite")
    facts = Table(
        "facts",
        metadata,
        Column("id", number, primary_key=True),
        Column("hash", Text, nullable=False, unique=True),
        Column("bytes", Integer, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    chunks = Table(
        "chunks",
        metadata,
        Column("id", number, primary_key=True),
        Column("hash", LargeBinary, nullable=False, unique=True),
        Column("body", LargeBinary, nullable=False),
    )
    links = Table(
        "facts_chunks",
        metadata,
        Column("facts_id", number, ForeignKey("facts.id"), primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("chunk_id", number, ForeignKey("chunks.id"), nullable=False, index=True),
        sqlite_with_rowid=False,
    )
    return facts, chunks, links


def _sightings(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """Sightings compacted: a row per thing and state. things points at the newest state of each."""
    from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

    number = BigInteger().with_variant(Integer, "sqlite")
    things = Table(
        "things",
        metadata,
        Column("id", number, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("thing", Text, nullable=False),
        Column("asset", Text),
        Column("first_seen", BigInteger, nullable=False),
        Column("last_seen", BigInteger, nullable=False),
        Column("seen", BigInteger, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("after_look", BigInteger, nullable=False, server_default="0"),
        UniqueConstraint("customer", "source", "thing"),
        Index("ix_things_customer_last_seen", "customer", "last_seen"),
        Index("ix_things_asset", "asset"),
    )
    sightings = Table(
        "sightings",
        metadata,
        Column("thing_id", number, ForeignKey("things.id"), primary_key=True),
        Column("version", BigInteger, primary_key=True),
        Column("asset", Text),
        Column("first_seen", BigInteger, nullable=False),
        Column("last_seen", BigInteger, nullable=False),
        Column("seen", BigInteger, nullable=False),
        Column("identity", Text, nullable=False),
        Column("attributes", Text, nullable=False),
        Column("place", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    tokens = Table(
        "tokens",
        metadata,
        Column("token", Text, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("thing_id", number, ForeignKey("things.id"), primary_key=True, index=True),
        sqlite_with_rowid=False,
    )
    return things, sightings, tokens


def _audits(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """Audits and runs. A run is written when it starts and completed when it ends; its hosts are written once."""
    from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

    number = BigInteger().with_variant(Integer, "sqlite")
    audits = Table(
        "audits",
        metadata,
        Column("id", number, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("facts_id", number, ForeignKey("facts.id"), index=True),
        Column("summary", Text, nullable=False),
        Column("volatile", Text, nullable=False),
        Column("changed", Text, nullable=False),
        Column("error", Text),
        Column("seconds", Float),
        Column("run", Text),
        Column("recorded_at", BigInteger, nullable=False),
        UniqueConstraint("customer", "asset", "at", "outcome"),
        Index("ix_audits_host", "host"),
    )
    runs = Table(
        "runs",
        metadata,
        Column("id", Text, primary_key=True),
        Column("playbook", Text, nullable=False),
        Column("started", BigInteger, nullable=False, index=True),
        Column("ended", BigInteger),
        Column("started_by", Text, nullable=False),
        Column("controller", Text, nullable=False),
        Column("check_mode", Boolean, nullable=False),
        Column("outcome", Text),
        Column("out_of_scope_ticket", Text),
        Column("extra", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    counts = [
        Column(name, Integer, nullable=False)
        for name in ("ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored")
    ]
    run_hosts = Table(
        "run_hosts",
        metadata,
        Column("run", Text, ForeignKey("runs.id"), primary_key=True),
        Column("host", Text, primary_key=True),
        Column("customer", Text, index=True),
        Column("asset", Text),
        *counts,
        Column("seconds", Float, nullable=False),
        Column("in_scope", Boolean),
    )
    return audits, runs, run_hosts


def _agreed(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """What was agreed and spent: sheets, tickets, effort; and how long a customer's evidence is kept."""
    from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, Table, Text

    sheets = Table(
        "sheets",
        metadata,
        Column("id", Text, primary_key=True),
        Column("customer", Text, nullable=False, index=True),
        Column("written", BigInteger, nullable=False),
        Column("digest", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    applied = Table(
        "sheets_applied",
        metadata,
        Column("sheet", Text, ForeignKey("sheets.id"), primary_key=True),
        Column("applied", BigInteger, nullable=False),
        Column("signed_by", Text, nullable=False),
        Column("signed_on", Text, nullable=False),
        Column("decisions", Text, nullable=False),
    )
    tickets = Table(
        "tickets",
        metadata,
        Column("source", Text, primary_key=True),
        Column("ref", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("opened", BigInteger, nullable=False),
        Column("closed", BigInteger),
        Column("title", Text, nullable=False),
        Column("asset", Text),
        Column("extra", Text, nullable=False),
        Index("ix_tickets_customer_opened", "customer", "opened"),
    )
    effort = Table(
        "effort",
        metadata,
        Column("key", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("minutes", Float, nullable=False),
        Column("planned", Boolean, nullable=False),
        Column("in_contract", Boolean, nullable=False),
        Column("by", Text, nullable=False),
        Column("what", Text, nullable=False),
        Column("who", Text),
        Column("run", Text),
        Column("ticket", Text),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_effort_customer_at", "customer", "at"),
    )
    retention = Table(
        "retention",
        metadata,
        Column("customer", Text, primary_key=True),
        Column("days", Integer, nullable=False),
        Column("set_at", BigInteger, nullable=False),
    )
    return sheets, applied, tickets, effort, retention


def _discovered(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """What a source looked at as a whole, what was found to change, and how far that was told.

    seen is a projection, made again by every reconciliation: when each asset was seen by anything that is the asset.
    remembered are the ids by which an asset is known again, each of one asset.
    """
    from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, UniqueConstraint

    number = BigInteger().with_variant(Integer, "sqlite")
    coverages = Table(
        "coverages",
        metadata,
        Column("id", number, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("complete", Boolean, nullable=False),
        Column("scope", Text, nullable=False),
        Column("seen", Integer, nullable=False),
        Column("skipped", Integer, nullable=False),
        Column("reason", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        UniqueConstraint("customer", "source", "at"),
    )
    changes = Table(
        "changes",
        metadata,
        Column("key", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("kind", Text, nullable=False),
        Column("thing", Text, nullable=False),
        Column("asset", Text),
        Column("detail", Text, nullable=False),
        Column("plan", Text),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_changes_customer_recorded_at", "customer", "recorded_at"),
    )
    digests = Table(
        "digests",
        metadata,
        Column("customer", Text, primary_key=True),
        Column("until", BigInteger, primary_key=True),
        Column("since", BigInteger),
        Column("changes", Integer, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    seen = Table(
        "seen",
        metadata,
        Column("customer", Text, primary_key=True),
        Column("asset", Text, primary_key=True),
        Column("first_seen", BigInteger, nullable=False),
        Column("last_seen", BigInteger, nullable=False),
        Column("sources", Text, nullable=False),
        Column("place", Text, nullable=False),
    )
    remembered = Table(
        "remembered",
        metadata,
        Column("customer", Text, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("value", Text, primary_key=True),
        Column("asset", Text, nullable=False),
        Index("ix_remembered_customer_asset", "customer", "asset"),
    )
    return coverages, changes, digests, seen, remembered


def _planned(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """Plans for writing to NetBox: as made, who approved them, which steps were done; and what people decided.

    leases is the one table here that changes: who may write for a customer now, and until when.
    """
    from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

    plans = Table(
        "plans",
        metadata,
        Column("id", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("made", BigInteger, nullable=False),
        Column("body", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_plans_customer_made", "customer", "made"),
    )
    approvals = Table(
        "plan_approvals",
        metadata,
        Column("plan", Text, ForeignKey("plans.id"), primary_key=True),
        Column("by", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
    steps = Table(
        "plan_steps",
        metadata,
        Column("plan", Text, ForeignKey("plans.id"), primary_key=True),
        Column("step", Text, primary_key=True),
        Column("recorded_at", BigInteger, nullable=False),
    )
    decisions = Table(
        "decisions",
        metadata,
        Column("key", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("before", Text, nullable=False),
        Column("after", Text, nullable=False),
        Column("who", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("how", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_decisions_customer_asset", "customer", "asset"),
    )
    leases = Table(
        "leases",
        metadata,
        Column("name", Text, primary_key=True),
        Column("holder", Text, nullable=False),
        Column("fence", BigInteger, nullable=False),
        Column("expires", BigInteger, nullable=False),
    )
    return plans, approvals, steps, decisions, leases


def _patched(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """What waited on an asset whenever somebody looked; since when each version did; and rollouts with their events.

    versions_seen is made of the scans, and outlives those that told of a version first: deadlines count from there.
    An event's number is one more than that of the last event its writer has read, so of two writers one is refused.
    closes: the rollout is over with this event, and there is none after it.
    """
    from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

    number = BigInteger().with_variant(Integer, "sqlite")
    scans = Table(
        "patch_scans",
        metadata,
        Column("id", number, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("platform", Text, nullable=False),
        Column("manager", Text, nullable=False),
        Column("facts_id", number, ForeignKey("facts.id"), index=True),
        Column("metadata_at", BigInteger),
        Column("warnings", Text, nullable=False),
        Column("error", Text),
        Column("run", Text),
        Column("recorded_at", BigInteger, nullable=False),
        Column("machine_id", Text, nullable=False, server_default=""),
        Column("blind", Text, nullable=False, server_default="[]"),
        Column("booted_at", BigInteger),
        Column("reboot", Text),
        Column("services", Text),
        UniqueConstraint("customer", "asset", "at", "outcome"),
    )
    versions_seen = Table(
        "versions_seen",
        metadata,
        Column("customer", Text, primary_key=True),
        Column("platform", Text, primary_key=True),
        Column("name", Text, primary_key=True),
        Column("architecture", Text, primary_key=True),
        Column("version", Text, primary_key=True),
        Column("since", BigInteger, nullable=False),
    )
    rollouts = Table(
        "rollouts",
        metadata,
        Column("id", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("plan", Text, nullable=False),
        Column("plan_hash", Text, nullable=False),
        Column("made", BigInteger, nullable=False),
        Column("manifest_hash", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("fence", BigInteger, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_rollouts_customer_made", "customer", "made"),
    )
    events = Table(
        "rollout_events",
        metadata,
        Column("rollout", Text, ForeignKey("rollouts.id"), primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("body", Text, nullable=False),
        Column("closes", Boolean, nullable=False),
        Column("fence", BigInteger, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    return scans, versions_seen, rollouts, events


def _standards(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """What an asset's controls were whenever somebody looked, and what they are.

    control_changes has a row where a control was found to be another than before; it outlives the checks that it is
    made of. control_states is a projection: what each control is by the last check, and since when. Where a check came
    late, a row of control_changes may say again what the one before it says; reading leaves it out.
    """
    from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, Text, UniqueConstraint

    number = BigInteger().with_variant(Integer, "sqlite")
    checks = Table(
        "standard_checks",
        metadata,
        Column("id", number, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("phase", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("standard", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("facts_id", number, ForeignKey("facts.id"), index=True),
        Column("counts", Text, nullable=False),
        Column("error", Text),
        Column("run", Text),
        Column("recorded_at", BigInteger, nullable=False),
        UniqueConstraint("customer", "asset", "at", "phase"),
    )

    def said() -> tuple[sa.Column[str], ...]:
        return tuple(Column(name, Text, nullable=False) for name in CONTROL_SAYS)

    changes = Table(
        "control_changes",
        metadata,
        Column("customer", Text, primary_key=True),
        Column("asset", Text, primary_key=True),
        Column("control", Text, primary_key=True),
        Column("at", BigInteger, primary_key=True),
        Column("phase", Text, primary_key=True),
        *said(),
        sqlite_with_rowid=False,
    )
    states = Table(
        "control_states",
        metadata,
        Column("customer", Text, primary_key=True),
        Column("asset", Text, primary_key=True),
        Column("control", Text, primary_key=True),
        Column("since", BigInteger, nullable=False),
        *said(),
        sqlite_with_rowid=False,
    )
    return checks, changes, states


def _software(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """What is installed where, by the last good audit of each asset: a projection, in numbers for it is long.

    packages are the versions of packages that anybody has; package_lists the assets, with the time of the audit and the
    hash of its facts; software says which package is on which list.
    """
    from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, Text, UniqueConstraint

    number = BigInteger().with_variant(Integer, "sqlite")
    packages = Table(
        "packages",
        metadata,
        Column("id", number, primary_key=True),
        Column("name", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("architecture", Text, nullable=False),
        Column("platform", Text, nullable=False),
        Column("origin", Text, nullable=False),
        UniqueConstraint("name", "version", "architecture", "platform", "origin"),
    )
    lists = Table(
        "package_lists",
        metadata,
        Column("id", number, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("facts_hash", Text, nullable=False),
        UniqueConstraint("customer", "asset"),
    )
    software = Table(
        "software",
        metadata,
        Column("list_id", number, ForeignKey("package_lists.id"), primary_key=True),
        Column("package_id", number, ForeignKey("packages.id"), primary_key=True, index=True),
        sqlite_with_rowid=False,
    )
    return packages, lists, software


def _security(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """Who did what with secrets and logins; and of an escrow that is kept here the ciphertexts, and which of them hosts
    were seen to take. No secret is in any of them that can be read without the key of a person."""
    from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

    events = Table(
        "security_events",
        metadata,
        Column("key", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("action", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("who", Text, nullable=False),
        Column("why", Text, nullable=False),
        Column("ticket", Text, nullable=False),
        Column("extra", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_security_events_customer_asset", "customer", "asset"),
    )

    def version() -> tuple[sa.Column[str], ...]:
        return tuple(Column(name, Text, primary_key=True) for name in ESCROW_VERSION)

    kept = Table(
        "escrow_secrets",
        metadata,
        *version(),
        Column("ciphertext", LargeBinary, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    marks = Table(
        "escrow_marks",
        metadata,
        *version(),
        Column("at", BigInteger, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    return events, kept, marks


def _access(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """Who could log in where with what, whenever somebody looked; asset may be a customer's Microsoft 365."""
    from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, Text, UniqueConstraint

    number = BigInteger().with_variant(Integer, "sqlite")
    checks = Table(
        "access_checks",
        metadata,
        Column("id", number, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("facts_id", number, ForeignKey("facts.id"), index=True),
        Column("error", Text),
        Column("run", Text),
        Column("recorded_at", BigInteger, nullable=False),
        UniqueConstraint("customer", "asset", "at", "outcome"),
    )
    return (checks,)


def _incoming(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """What came in from NetBox and from monitoring, and what became of each.

    event_work is the one table here that changes: a row for each event that is not ended, with who works on it now and
    until when. Rows of one subject are worked on together, never by two at once.
    """
    from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

    events = Table(
        "incoming_events",
        metadata,
        Column("id", Text, primary_key=True),
        Column("source", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("body", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False, index=True),
    )
    work = Table(
        "event_work",
        metadata,
        Column("event", Text, ForeignKey("incoming_events.id"), primary_key=True),
        Column("subject", Text, nullable=False, index=True),
        Column("due", BigInteger, nullable=False, index=True),
        Column("tries", Integer, nullable=False),
        Column("holder", Text, nullable=False),
        Column("fence", BigInteger, nullable=False),
        Column("expires", BigInteger, nullable=False),
        Column("why", Text, nullable=False),
    )
    outcomes = Table(
        "event_outcomes",
        metadata,
        Column("event", Text, ForeignKey("incoming_events.id"), primary_key=True),
        Column("customer", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("why", Text, nullable=False),
        Column("work", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_event_outcomes_customer_asset", "customer", "asset", "at"),
    )
    return events, work, outcomes


def _runbooks(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """Each run of a runbook on an asset: a row before anything is done, and one with what became of it.

    A run without an outcome is under way, or its controller died: it counts against the limits all the same.
    """
    from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Table, Text

    runs = Table(
        "runbook_runs",
        metadata,
        Column("key", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("asset", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("runbook", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("parameters", Text, nullable=False),
        Column("event", Text),
        Column("run", Text),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_runbook_runs_customer_asset", "customer", "asset", "at"),
        Index("ix_runbook_runs_runbook", "runbook", "at"),
    )
    outcomes = Table(
        "runbook_outcomes",
        metadata,
        Column("key", Text, ForeignKey("runbook_runs.key"), primary_key=True),
        Column("at", BigInteger, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("seconds", Float, nullable=False),
        Column("minutes_by_hand", Float, nullable=False),
        Column("body", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    return runs, outcomes


def _telling(metadata: sa.MetaData) -> tuple[sa.Table, ...]:
    """What is told to people and to tickets, and answers that were drafted for tickets.

    message_work has a row for each message that is not over: when it is due, and who delivers it until when. An outcome
    bears the number of the claim that it came of. ticket_positions says up to which ticket a system was read.
    """
    from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

    messages = Table(
        "messages",
        metadata,
        Column("key", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("channel", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_messages_customer_recorded_at", "customer", "recorded_at"),
    )
    work = Table(
        "message_work",
        metadata,
        Column("key", Text, ForeignKey("messages.key"), primary_key=True),
        Column("due", BigInteger, nullable=False, index=True),
        Column("tries", Integer, nullable=False),
        Column("claimed_by", Text),
        Column("fence", BigInteger, nullable=False),
        Column("expires", BigInteger),
    )
    outcomes = Table(
        "message_outcomes",
        metadata,
        Column("key", Text, ForeignKey("messages.key"), primary_key=True),
        Column("fence", BigInteger, primary_key=True),
        Column("outcome", Text, nullable=False),
        Column("ref", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    drafts = Table(
        "answer_drafts",
        metadata,
        Column("key", Text, primary_key=True),
        Column("customer", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("ref", Text, nullable=False),
        Column("problem", Text, nullable=False),
        Column("language", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("why", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
        Index("ix_answer_drafts_customer_recorded_at", "customer", "recorded_at"),
    )
    decisions = Table(
        "answer_decisions",
        metadata,
        Column("draft", Text, ForeignKey("answer_drafts.key"), primary_key=True),
        Column("decision", Text, nullable=False),
        Column("by", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("recorded_at", BigInteger, nullable=False),
    )
    positions = Table(
        "ticket_positions",
        metadata,
        Column("source", Text, primary_key=True),
        Column("position", BigInteger, nullable=False),
    )
    return messages, work, outcomes, drafts, decisions, positions


@cache
def views() -> Views:
    """Describe the views to SQLAlchemy: the columns of the table behind each."""
    import sqlalchemy as sa

    known = tables()

    def like(name: str, *names: str) -> sa.TableClause:
        return sa.table(name, *(sa.column(column) for column in names))

    audit = [column.name for column in known.audits.columns]
    seen = ("thing_id", "customer", "source", "thing", "asset", "first_seen", "last_seen", "seen", "after_look")
    return Views(
        current_sightings=like("current_sightings", *seen, "identity", "attributes", "place"),
        last_good_audits=like("last_good_audits", *audit),
        last_attempts=like("last_attempts", *audit),
    )
