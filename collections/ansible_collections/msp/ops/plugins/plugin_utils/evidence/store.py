# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The evidence store: what was seen and done, with time and source.

The one door to it: opens the store, checks that its schema fits, and gives each question or record its own short
transaction. Recording the same thing twice is recording it once. What should be is not here: that is NetBox.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import (
    access,
    checks,
    codec,
    controls,
    durability,
    hashing,
    migrate,
    packing,
    pending,
    reading,
    rows,
    security,
    software,
    writing,
)
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.address import default_url
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.engine import Database
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    AccessCheck,
    Audit,
    Change,
    ControlChange,
    ControlState,
    Coverage,
    Decision,
    Digest,
    Effort,
    EffortSummary,
    Installed,
    Known,
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
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import tables
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Scan

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

T = TypeVar("T")

# Short transactions: the most observations that one holds the write lock for.
OBSERVATIONS_A_TRANSACTION = 2000
SCANS_A_TRANSACTION = 500
CHECKS_A_TRANSACTION = 500
LISTS_A_TRANSACTION = 100


class Store:
    """An open evidence store. Use it as a context manager, in one process; a forked child opens its own connection."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str | None = None, *, upgrade: bool = False, timeout: float = 30.0) -> Store:
        """Open the store at url, else MSP_STORE_URL, else the SQLite file in the state directory.

        A schema that is missing, older or newer than this code is an error, unless upgrade is set: then a missing or
        older one is brought up to date first. timeout is how many seconds to wait for another process.
        """
        database = Database(url or default_url(), timeout=timeout)
        if database.path is not None:
            durability.require(database.path, "evidence store")
        if upgrade:
            migrate.upgrade(database)
        else:
            migrate.check(database)
        return cls(database)

    @property
    def name(self) -> str:
        """The URL, with the password masked."""
        return self.database.name

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.database.close()

    def now(self) -> dt.datetime:
        """The database's clock, which all controllers share."""
        with self.database.read() as connection:
            return rows.time_of(writing.database_micros(connection))

    def record(self, records: Iterable[codec.Record]) -> None:
        """Record anything, in one transaction: what the spool delivers. Recorded again, it changes nothing."""
        wanted = self._carried(list(records))
        bodies = [record.body for record in wanted if isinstance(record, codec.Facts)]
        lists = {id(record): body for record in wanted if (body := _list_of(record)) is not None}
        packed = self._pack([*bodies, *lists.values()])
        named = {number: hashing.facts_hash(body) for number, body in lists.items()}
        self.database.write(lambda connection: _record_all(connection, wanted, packed, named))

    def _carried(self, records: list[codec.Record]) -> list[codec.Record]:
        """The records, each good scan with what it takes over from the last one of its asset (patching/carried.py)."""
        scans = [record for record in records if isinstance(record, Scan) and record.updates is not None]
        if not scans:
            return records
        from ansible_collections.msp.ops.plugins.plugin_utils.patching import carried  # who only asks needs no rollouts

        before: dict[tuple[str, str], Scan] = {}
        with self.database.read() as connection:
            for customer in {scan.customer for scan in scans}:
                assets = {scan.asset for scan in scans if scan.customer == customer}
                found = reading.good_scans(connection, customer, assets)
                before |= {(customer, asset): scan for asset, scan in found.items()}
        made = {}
        for scan in sorted(scans, key=lambda scan: scan.at):
            made[id(scan)] = following = carried.over(scan, before.get((scan.customer, scan.asset)))
            known = before.setdefault((scan.customer, scan.asset), following)
            if known.at < following.at:
                before[scan.customer, scan.asset] = following
        return [made.get(id(record), record) for record in records]

    def _pack(self, bodies: Iterable[Mapping[str, Any]]) -> list[_Facts]:
        """Compress, before the write lock is taken, those of the facts that are not stored yet."""
        wanted = {hashing.facts_hash(body): body for body in bodies}
        if not wanted:
            return []
        with self.database.read() as connection:
            stored = writing.known_facts(connection, wanted)
        return [_Facts(name, body, None if name in stored else packing.pack(body)) for name, body in wanted.items()]

    # Facts

    def put_facts(self, body: Mapping[str, Any]) -> str:
        """Store facts and return their hash. Facts that are there already are not written again."""
        self.record([codec.Facts(body)])
        return hashing.facts_hash(body)

    def facts(self, name: str) -> dict[str, Any]:
        """The facts with this hash."""
        with self.database.read() as connection:
            return reading.facts(connection, name)

    # Audits

    def record_audit(self, audit: Audit) -> None:
        """Record one attempt to audit an asset. Its facts must be stored already."""
        self.record_audits([audit])

    def record_audits(self, audits: Iterable[Audit]) -> None:
        """Record several in one transaction."""
        self.record(audits)

    def last_audits(self, customer: str) -> dict[str, tuple[Audit | None, Audit | None]]:
        """By asset key: (the last audit with outcome ok, the last attempt)."""
        with self.database.read() as connection:
            return reading.last_audits(connection, customer)

    def first_audits(self, customer: str) -> dict[str, dt.datetime]:
        """By asset key when it was first audited with outcome ok."""
        with self.database.read() as connection:
            return reading.first_audits(connection, customer)

    def audits(self, customer: str, asset: str | None = None, since: dt.datetime | None = None) -> list[Audit]:
        """Every attempt, newest first."""
        with self.database.read() as connection:
            return reading.audits(connection, customer, asset, since)

    # Sightings

    def record_observations(self, observations: Iterable[Observation]) -> None:
        """Fold sightings into the store: per customer, source, thing and state the first time, the last, the count."""
        for part in batched(observations, OBSERVATIONS_A_TRANSACTION):
            self.record(part)

    def sightings(self, customer: str, since: dt.datetime | None = None) -> list[Sighting]:
        """One per source and thing, in its newest state, with first_seen, last_seen and count over all its states."""
        with self.database.read() as connection:
            return reading.sightings(connection, customer, since)

    def states(self, customer: str, source: str, thing: str) -> list[Sighting]:
        """Every state in which one source saw one thing, newest first."""
        with self.database.read() as connection:
            return reading.states(connection, customer, source, thing)

    def histories(self, customer: str, kinds: Sequence[str]) -> dict[tuple[str, str], list[Sighting]]:
        """By source and thing, every state in which sources of these kinds ("mac-table") saw it, newest first."""
        with self.database.read() as connection:
            return reading.histories(connection, customer, kinds)

    def who(self, term: str) -> list[Known]:
        """What the store knows by name, address, MAC (in any notation), serial, UUID, asset tag or host."""
        with self.database.read() as connection:
            return reading.who(connection, term)

    # Runs

    def record_run(self, run: Run, hosts: Iterable[RunHost] = ()) -> None:
        """Record a run's start (ended is None), its end, or both, and what it did to each host."""
        self.record([run, *hosts])

    def run(self, run_id: str) -> tuple[Run, list[RunHost]] | None:
        """One run and its hosts."""
        with self.database.read() as connection:
            return reading.run(connection, run_id)

    def runs(self, customer: str | None = None, since: dt.datetime | None = None, limit: int = 100) -> list[Run]:
        """Runs, newest first; of one customer when asked."""
        with self.database.read() as connection:
            return reading.runs(connection, customer, since, limit)

    # Sheets

    def record_sheet(self, sheet: Sheet) -> None:
        """Record that a verification sheet was written. What was applied of it is recorded by apply_sheet."""
        self.database.write(
            lambda connection: writing.write_events(connection, tables().sheets, [rows.sheet_row(sheet)])
        )

    def sheet(self, sheet_id: str) -> Sheet | None:
        """The sheet with this id, or None."""
        with self.database.read() as connection:
            found = reading.sheets(connection, sheet_id=sheet_id)
        return found[0] if found else None

    def sheets(self, customer: str) -> list[Sheet]:
        """A customer's sheets, newest first."""
        with self.database.read() as connection:
            return reading.sheets(connection, customer=customer)

    def apply_sheet(
        self, sheet_id: str, *, signed_by: str, signed_on: dt.date, decisions: Sequence[Mapping[str, Any]]
    ) -> Sheet:
        """Record what was applied of a sheet, and return it; the time is the database's.

        The same again changes nothing. Another signature or decision for a sheet that was applied, and a sheet older
        than the last one applied for its customer, are refused.
        """

        def work(connection: Connection) -> Sheet:
            return _apply_sheet(
                connection, sheet_id, signed_by=signed_by, signed_on=signed_on, decisions=list(decisions)
            )

        return self.database.write(work)

    # Discovery

    def record_coverages(self, coverages: Iterable[Coverage]) -> None:
        """Record looks of sources. A look told again (customer, source, time) is not written again."""
        found = [rows.coverage_row(coverage) for coverage in coverages]
        self._write_events("coverages", _by(found, "customer", "source", "at"))

    def coverages(self, customer: str, since: dt.datetime | None = None) -> list[Coverage]:
        """Looks in the order in which they were recorded, oldest first; those recorded since, when asked."""
        with self.database.read() as connection:
            return reading.coverages(connection, customer, since)

    def record_changes(self, changes: Iterable[Change]) -> None:
        """Record what a reconciliation found to have changed. A key that is there already is not written again."""
        found = _by([rows.change_row(change) for change in changes], "key")
        self.database.write(functools.partial(writing.write_changes, rows=found))

    def changes(
        self, customer: str, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> list[Change]:
        """Changes recorded in (since, until] by the database's clock, oldest first."""
        with self.database.read() as connection:
            return reading.changes(connection, customer, since, until)

    def record_seen(self, seen: Iterable[Seen]) -> None:
        """Replace what is known of when these assets were seen."""
        found = _by([rows.seen_row(one) for one in seen], "customer", "asset")
        for part in batched(found, OBSERVATIONS_A_TRANSACTION):
            self.database.write(functools.partial(writing.write_seen, rows=part))

    def seen(self, customers: Iterable[str], since: dt.datetime | None = None) -> list[Seen]:
        """When the assets of these customers were seen, by anything that identity says is the asset."""
        with self.database.read() as connection:
            return reading.seen(connection, customers, since)

    def remember(self, customer: str, ids: Mapping[tuple[str, str], str]) -> None:
        """Replace what is remembered of a customer's assets: by kind and value of an id, the asset that has it. Only
        what is another than before is written.
        """
        before = self.remembered(customer)
        wanted = {(rows.clean(kind), rows.clean(value)): rows.clean(asset) for (kind, value), asset in ids.items()}
        gone = before.keys() - wanted.keys()
        fresh = [
            {"customer": rows.clean(customer), "kind": kind, "value": value, "asset": asset}
            for (kind, value), asset in sorted(wanted.items())
            if before.get((kind, value)) != asset
        ]
        if gone or fresh:
            self.database.write(
                functools.partial(writing.write_remembered, customer=rows.clean(customer), gone=gone, rows=fresh)
            )

    def remembered(
        self, customer: str, *, asset: str | None = None, values: Iterable[str] | None = None
    ) -> dict[tuple[str, str], str]:
        """By kind and value of an id, the asset that has it; those of one asset, or with one of some values."""
        with self.database.read() as connection:
            return reading.remembered(connection, rows.clean(customer), asset=asset, values=values)

    def record_digest(self, digest: Digest) -> None:
        """Record how far a customer was told."""
        self._write_events("digests", [rows.digest_row(digest)])

    def last_digest(self, customer: str) -> Digest | None:
        with self.database.read() as connection:
            return reading.last_digest(connection, customer)

    # Plans and decisions

    def record_plan(self, plan: StoredPlan) -> None:
        """Record a plan as it was made. Its approval and its steps are recorded apart."""
        self._write_events("plans", [rows.plan_row(plan)])

    def plan(self, plan_id: str) -> StoredPlan | None:
        """The plan with this id, with its approval and the steps done so far; or None."""
        with self.database.read() as connection:
            found = reading.plans(connection, plan_id=plan_id)
        return found[0] if found else None

    def plans(self, customer: str) -> list[StoredPlan]:
        """A customer's plans, the one recorded last first."""
        with self.database.read() as connection:
            return reading.plans(connection, customer=customer)

    def approve_plan(self, plan_id: str, *, by: str, reason: str) -> StoredPlan:
        """Record who approved a plan, at the database's time. Approved again, the first approval stays."""

        def work(connection: Connection) -> StoredPlan:
            found = reading.plans(connection, plan_id=plan_id)
            if not found:
                raise MspError(
                    "MSP-EVD-016",
                    "a plan that this store keeps",
                    f"no plan {plan_id}",
                    "make a plan first, and use the id that it prints",
                )
            at = writing.database_micros(connection)
            row = {"plan": plan_id, "by": rows.clean(by), "reason": rows.clean(reason), "at": at}
            writing.write_events(connection, tables().plan_approvals, [row])
            return reading.plans(connection, plan_id=plan_id)[0]

        return self.database.write(work)

    def record_steps(self, plan_id: str, steps: Iterable[str]) -> None:
        """Record that steps of a plan were done."""
        self._write_events("plan_steps", [{"plan": plan_id, "step": step} for step in sorted(set(steps))])

    def record_decisions(self, decisions: Iterable[Decision]) -> None:
        """Record what people decided. The same decision again is not written again."""
        self._write_events("decisions", _by([rows.decision_row(decision) for decision in decisions], "key"))

    def decisions(self, customer: str) -> list[Decision]:
        """What people decided about a customer's assets, oldest first."""
        with self.database.read() as connection:
            return reading.decisions(connection, customer)

    def _write_events(self, table: str, found: list[rows.Row]) -> None:
        if found:
            self.database.write(lambda connection: writing.write_events(connection, getattr(tables(), table), found))

    # Patching

    def record_scans(self, scans: Iterable[Scan]) -> None:
        """Record attempts to learn what waits on assets. One told again is not written again."""
        for part in batched(scans, SCANS_A_TRANSACTION):
            self.record(part)

    def last_scans(self, customer: str) -> dict[str, tuple[Scan | None, Scan | None]]:
        """By asset key: (the last scan with outcome ok, the last attempt)."""
        with self.database.read() as connection:
            return reading.last_scans(connection, customer)

    def versions_seen(self, customer: str) -> dict[tuple[str, str, str, str], dt.datetime]:
        """Since when each version waits: by platform, package name, architecture and version."""
        with self.database.read() as connection:
            return reading.versions_seen(connection, customer)

    # Standards

    def record_standard_checks(self, found: Iterable[StandardCheck]) -> None:
        """Record checks of assets' controls, and what turned with them. One told again is not written again."""
        for part in batched(found, CHECKS_A_TRANSACTION):
            self.record(part)

    def last_standard_checks(
        self, customer: str, asset: str | None = None
    ) -> dict[str, tuple[StandardCheck | None, StandardCheck]]:
        """By asset key: (the last check with outcome ok, the last attempt); of one asset when asked."""
        with self.database.read() as connection:
            return checks.last(connection, customer, asset)

    def standard_checks(self, customer: str, phase: str, since: dt.datetime) -> list[StandardCheck]:
        """The good checks of a phase (before, check or after) from since on, oldest first."""
        with self.database.read() as connection:
            return checks.of_phase(connection, customer, phase, since)

    def controls_measured(self, customer: str) -> dict[str, list[dt.datetime]]:
        """By asset key when its controls were measured (outcome ok), oldest first."""
        with self.database.read() as connection:
            return checks.measured(connection, customer)

    def control_states(self, customer: str | None = None) -> list[ControlState]:
        """What every control of every asset is by its last check, and since when; of all customers without one."""
        with self.database.read() as connection:
            return checks.states(connection, customer)

    def control_changes(
        self, customer: str, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> list[ControlChange]:
        """What became another in [since, until), by the times of the checks, oldest first."""
        with self.database.read() as connection:
            return checks.changes(connection, customer, since, until)

    # Who can log in

    def record_access_checks(self, found: Iterable[AccessCheck]) -> None:
        """Record looks at who can log in. One told again is not written again."""
        for part in batched(found, CHECKS_A_TRANSACTION):
            self.record(part)

    def last_access_checks(self, customer: str) -> dict[str, tuple[AccessCheck | None, AccessCheck]]:
        """By asset key, or MICROSOFT_365: (the last look with outcome ok, the last attempt)."""
        with self.database.read() as connection:
            return access.last(connection, customer)

    # Installed software

    def software(
        self, name: str, meets: Callable[[str, str], bool] | None = None, customer: str | None = None
    ) -> Installed:
        """Who has a package of this name, by the last good audit of each; of one customer, when asked.

        meets is asked of each version, on each platform ("debian-12"), whether it is wanted.
        """
        with self.database.read() as connection:
            return software.who_has(connection, name, meets, customer)

    def software_of(self, customer: str, asset: str | None = None) -> list[Software]:
        """What is installed on a customer's assets, or on one of them, by the last good audit of each."""
        with self.database.read() as connection:
            return software.of_customer(connection, customer, asset)

    def software_known(self, customer: str | None = None) -> int:
        """Of how many assets it is known what is installed; of one customer, when asked."""
        with self.database.read() as connection:
            return software.known_assets(connection, customer)

    def list_software(self) -> int:
        """Make the lists of packages that are missing, from the last good audits; returns how many were made."""
        with self.database.read() as connection:
            found = software.missing(connection)
        parts = batched(found, LISTS_A_TRANSACTION)
        return sum(self.database.write(functools.partial(_list_software, audits=part)) for part in parts)

    # Rollouts

    def record_rollout(self, rollout: StoredRollout, fence: int) -> None:
        """Record a rollout as it was planned, with its first events, under the lease of this number.

        The same again changes nothing. Another of the same id, and an older lease than that of the customer's last one,
        are refused.
        """
        row = rows.rollout_row(rollout, fence)
        first = [rows.event_row(rollout.id, number, event, fence) for number, event in enumerate(rollout.events, 1)]
        self.database.write(lambda connection: writing.write_rollout(connection, row, first))

    def append_event(self, rollout_id: str, number: int, event: StoredEvent, fence: int) -> None:
        """Append the event of this number, under the lease of this number; the first event is 1.

        number is one more than the last that the writer has read. Refused where another wrote meanwhile, where a newer
        lease has written, where the rollout is over, and where there is no such rollout.
        """
        row = rows.event_row(rollout_id, number, event, fence)
        self.database.write(lambda connection: writing.append_event(connection, row))

    def rollout(self, rollout_id: str) -> StoredRollout | None:
        """The rollout with this id and its events, oldest first; or None."""
        with self.database.read() as connection:
            found = reading.rollouts(connection, rollout_id=rollout_id)
        return found[0] if found else None

    def rollouts(
        self,
        customer: str,
        *,
        open_only: bool = False,
        since: dt.datetime | None = None,
        before: dt.datetime | None = None,
        going_on_since: dt.datetime | None = None,
        kinds: Collection[str] | None = None,
    ) -> list[StoredRollout]:
        """A customer's rollouts with their events, the one recorded last first.

        open_only: those that are not over. since: those made from then on; before: those made before then.
        going_on_since: those in which anything can have happened from then on, however old they are. kinds: with no
        other events than those of these kinds.
        """
        with self.database.read() as connection:
            return reading.rollouts(
                connection,
                customer=customer,
                open_only=open_only,
                since=since,
                before=before,
                going_on_since=going_on_since,
                kinds=kinds,
            )

    # Security

    def record_security(self, events: Iterable[SecurityEvent]) -> None:
        """Record what was done with secrets and logins. The same again is not written again."""
        self.record(list(events))

    def security_events(
        self,
        customer: str,
        asset: str | None = None,
        *,
        actions: Sequence[str] = (),
        since: dt.datetime | None = None,
    ) -> list[SecurityEvent]:
        """Of a customer, oldest first; of one asset, of these actions, since then, where that is given."""
        with self.database.read() as connection:
            return security.events(connection, customer, asset, actions, since)

    def keep_secret(self, version: security.Version, ciphertext: bytes) -> None:
        """Keep a version of an escrow that lies here. Raises FileExistsError where it is there already."""

        def work(connection: Connection) -> None:
            if security.kept(connection, version) is not None:
                raise FileExistsError(version)
            security.keep(connection, version, ciphertext)

        self.database.write(work)

    def kept_secret(self, version: security.Version) -> bytes | None:
        """The ciphertext as it was kept, None where there is no such version."""
        with self.database.read() as connection:
            return security.kept(connection, version)

    def mark_secret(self, version: security.Version, at: dt.datetime) -> None:
        """A host was seen to take this version. The first mark stays."""
        self.database.write(lambda connection: security.mark(connection, version, at))

    def secret_versions(self, place: Sequence[str]) -> list[tuple[str, dt.datetime | None]]:
        """Of a place (customer, asset, purpose, name), oldest first, with when a host was seen to take each."""
        with self.database.read() as connection:
            return security.versions(connection, place)

    def secret_places(self, customer: str) -> list[tuple[str, str, str, str]]:
        """Every place of a customer that has a version, in order."""
        with self.database.read() as connection:
            return security.places(connection, customer)

    # Effort and tickets

    def record_effort(self, effort: Iterable[Effort]) -> None:
        """Record minutes spent. A key that is there already is not written again."""
        self.record(effort)

    def effort_minutes(self, customer: str, since: dt.datetime, until: dt.datetime) -> EffortSummary | None:
        """Minutes spent in [since, until). None: never measured, which is not zero."""
        with self.database.read() as connection:
            return reading.effort(connection, customer, since, until)

    def record_tickets(self, tickets: Iterable[Ticket]) -> None:
        """Record tickets as their system tells them now; a known one is brought up to date."""
        self.record(tickets)

    def tickets(self, customer: str, since: dt.datetime, until: dt.datetime) -> list[Ticket] | None:
        """Tickets opened in [since, until). None: no ticket system told of this customer, which is not zero."""
        with self.database.read() as connection:
            return reading.tickets(connection, customer, since, until)


@dataclass(frozen=True, slots=True)
class _Facts:
    """Facts to be stored; packed is None where they were stored already when somebody looked."""

    name: str
    body: Mapping[str, Any]
    packed: packing.Packed | None


def _list_of(record: codec.Record) -> Mapping[str, Any] | None:
    """The facts that hold the list of a scan or a check; None for what has none."""
    if isinstance(record, Scan) and record.updates is not None:
        return pending.body(record.updates, record.feeds)
    if isinstance(record, StandardCheck) and record.records is not None:
        rows.check_row(record)  # refuses what is no check, before its records are read
        return controls.body(record.records)
    if isinstance(record, AccessCheck) and record.found is not None:
        rows.access_row(record)
        return record.found
    return None


def _write_facts(connection: Connection, wanted: Sequence[_Facts]) -> None:
    stored = writing.known_facts(connection, [facts.name for facts in wanted])
    for facts in wanted:
        if facts.name not in stored:  # retention may have removed them since somebody looked
            writing.write_facts(connection, facts.packed or packing.pack(facts.body))


def _record_all(
    connection: Connection, records: Sequence[codec.Record], facts: Sequence[_Facts], lists: Mapping[int, str]
) -> None:
    """Facts before audits and runs before their hosts, in whatever order they came; always the same order of tables.

    lists has the hash of the facts that hold a scan's updates or a check's records, by the record's id().
    """
    known = tables()

    def of(kind: type[T]) -> list[T]:
        return [record for record in records if isinstance(record, kind)]

    _write_facts(connection, facts)
    for run in of(Run):
        writing.write_run(connection, rows.run_row(run))
    hosts = [rows.run_host_row(host) for host in of(RunHost)]
    writing.write_events(connection, known.run_hosts, _by(hosts, "run", "host"))
    audits = [(rows.audit_row(audit), audit.facts_hash) for audit in of(Audit)]
    ids = writing.facts_ids(connection, [name for _row, name in audits if name])
    new = [{**row, "facts_id": ids[name] if name else None} for row, name in audits]
    writing.write_events(connection, known.audits, _by(new, "customer", "asset", "at", "outcome"))
    _write_software(connection, audits, facts)
    scans = [(rows.scan_row(scan), lists.get(id(scan))) for scan in of(Scan)]
    ids = writing.facts_ids(connection, [name for _row, name in scans if name])
    new = [{**row, "facts_id": ids[name] if name else None} for row, name in scans]
    writing.write_events(connection, known.patch_scans, _by(new, "customer", "asset", "at", "outcome"))
    writing.write_versions(connection, (row for scan in of(Scan) for row in rows.version_rows(scan)))
    checked = [(check, rows.check_row(check), lists.get(id(check))) for check in of(StandardCheck)]
    ids = writing.facts_ids(connection, [name for _check, _row, name in checked if name])
    checks.write(
        connection, (({**row, "facts_id": ids[name] if name else None}, check.records) for check, row, name in checked)
    )
    access.write(connection, [(check, lists.get(id(check))) for check in of(AccessCheck)])
    if observations := [rows.observation_row(observation) for observation in of(Observation)]:
        writing.write_observations(connection, observations)
    writing.write_events(connection, known.effort, _by([rows.effort_row(effort) for effort in of(Effort)], "key"))
    told = [rows.security_row(event) for event in of(SecurityEvent)]
    writing.write_events(connection, known.security_events, _by(told, "key"))
    writing.write_tickets(connection, _by([rows.ticket_row(ticket) for ticket in of(Ticket)], "source", "ref"))


def _list_software(connection: Connection, audits: Iterable[software.Audited]) -> int:
    return software.write(connection, audits, functools.partial(reading.facts, connection))


def _write_software(
    connection: Connection, audits: Iterable[tuple[rows.Row, str | None]], facts: Iterable[_Facts]
) -> None:
    """The lists of packages as these audits found them."""
    bodies = {one.name: one.body for one in facts}

    def facts_of(name: str) -> Mapping[str, Any]:
        return bodies[name] if name in bodies else reading.facts(connection, name)

    good = (software.Audited(row["customer"], row["asset"], row["at"], name) for row, name in audits if name)
    software.write(connection, good, facts_of)


def _by(found: list[rows.Row], *names: str) -> list[rows.Row]:
    """Rows in the order of their keys: every process takes its locks in the same order."""
    return sorted(found, key=lambda row: [row[name] for name in names])


def _apply_sheet(
    connection: Connection, sheet_id: str, *, signed_by: str, signed_on: dt.date, decisions: list[Mapping[str, Any]]
) -> Sheet:
    """Apply a sheet inside one transaction, or say why not."""
    found = reading.sheets(connection, sheet_id=sheet_id)
    if not found:
        raise MspError(
            "MSP-EVD-010",
            "a sheet that this store wrote",
            f"no sheet {sheet_id}",
            "use the sheet of the last report, or write a new one",
        )
    sheet = found[0]
    stamp = rows.time_of(writing.database_micros(connection))
    new = rows.applied_row(sheet_id, at=stamp, by=signed_by, on=signed_on, decisions=decisions)
    if sheet.applied is not None:
        old = rows.applied_row(
            sheet_id,
            at=stamp,
            by=sheet.signed_by or "",
            on=sheet.signed_on or signed_on,
            decisions=list(sheet.decisions),
        )
        if old != new:
            raise MspError(
                "MSP-EVD-010",
                f"sheet {sheet_id} of {sheet.customer} as it was applied, or one not applied yet",
                f"other decisions or another signature than those applied on {sheet.applied:%Y-%m-%d %H:%M} UTC",
                "write a new sheet for what changed since",
            )
        return sheet
    newer = [s for s in reading.sheets(connection, customer=sheet.customer) if s.applied and s.written > sheet.written]
    if newer:
        raise MspError(
            "MSP-EVD-010",
            f"a sheet of {sheet.customer} that is not older than the last one applied ({newer[0].id})",
            f"sheet {sheet_id}, written {sheet.written:%Y-%m-%d %H:%M} UTC",
            "use the sheet of the last report",
        )
    writing.write_events(connection, tables().sheets_applied, [new])
    return reading.sheets(connection, sheet_id=sheet_id)[0]
