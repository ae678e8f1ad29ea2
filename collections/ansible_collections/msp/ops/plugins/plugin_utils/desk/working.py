# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The worker: takes what came in, reads the object again, does what follows, and says what became of it.

Any number of workers may run. What is claimed is claimed for a short time and renewed while the work goes on; whoever
lost it ends its run at once.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import looking_again, results
from ansible_collections.msp.ops.plugins.plugin_utils.desk.held_work import BUSY, HELD_SECONDS, Held
from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import work_of
from ansible_collections.msp.ops.plugins.plugin_utils.desk.running import FAILED, LOST, Ran, Runner
from ansible_collections.msp.ops.plugins.plugin_utils.events import duties
from ansible_collections.msp.ops.plugins.plugin_utils.events.duties import CUSTOMER_LABEL, Duty, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import NETBOX, Event, event_of
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import incoming as stored
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming, leases, outbox, runbooks
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.incoming import Claim
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome, RunbookRun
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import OBJECT_TYPES
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Policy

# Another has the asset: tried again soon, for that is over within minutes.
BUSY_SECONDS = 2.0
# NetBox can't be asked: tried again ever later, after a quarter of the time that it has been waiting for.
SOONEST, LATEST, PART = 5.0, 300.0, 0.25
# So many workers died, or broke, on the same event: it is not tried again.
TRIES = 4
# Errors of a store, of NetBox or of AWX that say nothing about the event.
AWAY = (
    *("MSP-REG-001", "MSP-REG-002", "MSP-REG-003", "MSP-REG-005", "MSP-EVD-001", "MSP-EVD-006"),
    "MSP-EVT-004",
)
REFUSED_CODE = "MSP-RUN-100"
# Journal entries in NetBox are of these; an audit or a calendar tells NetBox itself.
LEVELS = {"done": "success", "failed": "danger", "given_up": "warning", "refused": "warning"}
# NetBox shows a journal as Markdown: what a host says makes no link and no picture in it.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|~&-])")
_TYPE_OF = OBJECT_TYPES


@dataclass(frozen=True, slots=True)
class Told:
    """What a step did, for the log: how many events, about what, and what became of them."""

    subject: str
    events: int
    outcome: str
    why: str


@dataclass
class Worker:
    """register opens NetBox anew for each step: a token that was renewed, a NetBox that moved.

    told says who is told what a person has to look at; it goes into the outbox.
    """

    store: Store
    register: Callable[[], Register]
    runner: Runner
    reports: str = "reports"
    told: Policy | None = None
    holder: str = field(default_factory=leases.somebody)

    def step(self) -> Told | None:
        """Take what is due longest and do it. None where nothing is due, or another has it."""
        since = time.monotonic()
        claimed = incoming.claim(self.store, self.holder, HELD_SECONDS)
        if claimed is None:
            return None
        with Held(self.store, claimed, self.holder, since) as held:
            if claimed.tries > TRIES:
                why = f"{claimed.tries - 1} workers died or broke on it; the last said: {claimed.why or 'nothing'}"
                return self._end(claimed, "given_up", why, Duty("", ""), ())
            try:
                return self._step(claimed, held)
            except MspError as error:
                return self._later(claimed, error)

    def _step(self, claimed: Claim, held: Held) -> Told:
        verdict, event = self._decide(claimed)
        if verdict.each:
            return self._hand_on(claimed, event, verdict.each)
        if not verdict.duties:
            whom = Duty("", verdict.customer, verdict.asset)
            return self._end(claimed, "refused" if verdict.refused else "nothing", verdict.why, whom, ())
        return self._do(claimed, held, event, verdict.duties)

    # -- deciding ----------------------------------------------------------------------------------------------------

    def _decide(self, claimed: Claim) -> tuple[Verdict, Event]:
        """What follows from all that was claimed together, by the object as it is now."""
        events = [event_of(one) for one in claimed.events]
        newest = events[-1]
        now = self.store.now()
        with self.register() as register:
            if newest.source != NETBOX:
                return _of_alert(register, newest, now), newest
            if newest.kind in duties.ASSET_KINDS:
                asset = looking_again.asset(register, newest.kind, int(newest.object), now)
                verdict = duties.of_asset(_changed(events), newest.action, asset)
                if asset is not None:
                    verdict = replace(verdict, customer=asset.customer, asset=asset.key)
                return verdict, newest
            if newest.kind == duties.CONTEXT:
                found = looking_again.context(register, int(newest.object))
                return duties.of_context(*found, newest.labels.get(CUSTOMER_LABEL)), newest
        return Verdict(why=f"nothing follows from a change of {newest.kind}"), newest

    def _hand_on(self, claimed: Claim, event: Event, customers: Sequence[str]) -> Told:
        """An event that concerns several customers becomes one for each: what fails for one is another's no more than
        what is done for it."""
        made = [
            replace(event, identity=(*event.identity, customer), labels={CUSTOMER_LABEL: customer})
            for customer in customers
        ]
        incoming.receive(self.store, [stored(one) for one in made])
        return self._end(claimed, "done", f"handed on as one for each of {len(made)} customers", Duty("", ""), ())

    # -- doing -------------------------------------------------------------------------------------------------------

    def _do(self, claimed: Claim, held: Held, event: Event, wanted: Sequence[Duty]) -> Told:
        """Each duty in its order, until one fails. A duty that was done too often lately is refused."""
        if not held.take(wanted):
            return self._back(claimed, BUSY_SECONDS, "another works there")
        work: list[dict[str, Any]] = []
        outcome, why, runbook = "done", "", None
        for duty in wanted:
            if refused := self._worn_out(duty):
                outcome, why = "refused", refused
                break
            if not held.certain():
                return _lost(claimed, "another worker has it")
            ran = self.runner.run(work_of(duty, event.id, self.reports), held.ours)
            if ran.status == LOST:
                return _lost(claimed, ran.said)
            if ran.status == FAILED and BUSY in ran.said:
                # A person runs a runbook there, or one whose controller died has not let go yet.
                return self._back(claimed, BUSY_SECONDS, ran.said)
            work.append(_told(duty, ran))
            runbook = self._run_of(duty, event)
            outcome, why = _became(runbook, ran)
            if outcome != "done":
                break
        return self._end(claimed, outcome, why, wanted[0], work, runbook=runbook)

    def _worn_out(self, duty: Duty) -> str | None:
        now = self.store.now()
        return duties.worn_out(duty, incoming.outcomes(self.store, duty.customer, since=now - duties.DAY), now)

    def _run_of(self, duty: Duty, event: Event) -> RunbookRun | None:
        """The run of a runbook that this event asked for, by what is on record; None where there is none."""
        if duty.name != duties.RUNBOOK:
            return None
        mine = [run for run in runbooks.runs(self.store, duty.customer, asset=duty.asset) if run.event == event.id]
        return mine[-1] if mine else None

    # -- ending ------------------------------------------------------------------------------------------------------

    def _end(
        self,
        claimed: Claim,
        outcome: str,
        why: str,
        duty: Duty,
        work: Sequence[dict[str, Any]],
        *,
        runbook: RunbookRun | None = None,
    ) -> Told:
        """Say what became of it: the newest event has the outcome, the others went with it. Whoever has to know is told
        in the same transaction."""
        at = self.store.now()
        newest = claimed.events[-1].id
        ends = [
            EventOutcome(
                event=one.id,
                customer=duty.customer,
                asset=duty.asset,
                at=at,
                outcome=outcome if one.id == newest else "superseded",
                why=why if one.id == newest else f"handled with the event {newest}",
                work=tuple(work) if one.id == newest else (),
            )
            for one in claimed.events
        ]
        said = self._messages(claimed, ends[-1], duty, runbook)
        if not incoming.end(self.store, claimed, ends, lambda connection: outbox.put_within(connection, said)):
            return _lost(claimed, "another worker has it")
        if work or outcome in ("refused", "given_up"):
            why += self._tell_netbox(duty, outcome, why, work)
        return Told(claimed.subject, len(claimed.events), outcome, why)

    def _messages(self, claimed: Claim, outcome: EventOutcome, duty: Duty, runbook: RunbookRun | None) -> list[Any]:
        """A runbook tells itself what it came to, where it is told who wants to know; told again it is told once."""
        if self.told is None:
            return []
        if runbook is not None and runbook.outcome in results.RUNBOOKS:
            return results.of_runbook(self.told, runbook, catalogue()[runbook.runbook].title)
        return results.of_event(self.told, outcome, duty.host or duty.asset or claimed.subject)

    def _tell_netbox(self, duty: Duty, outcome: str, why: str, work: Sequence[dict[str, Any]]) -> str:
        """A journal entry on the asset. A NetBox that does not take it keeps no event from having ended: the evidence
        store says what was done. Returned is what is to be said of that in the log."""
        kind, _colon, id = duty.asset.partition(":")
        if kind not in _TYPE_OF:
            return ""
        did = ", ".join(str(one["duty"]) + (f" {one['runbook']}" if one.get("runbook") else "") for one in work)
        said = f" {_MARKDOWN.sub(_ESCAPED, why)}" if why else ""
        text = f"Automatic answer: {did or 'nothing'}: {outcome.replace('_', ' ')}{'.' if said else ''}{said}"
        try:
            with self.register() as register:
                register.journal(_TYPE_OF[kind], int(id), text[:1000], level=LEVELS.get(outcome, "info"))
        except MspError as error:
            return f" (NetBox was not told: {error})"
        return ""

    def _later(self, claimed: Claim, error: MspError) -> Told:
        """NetBox does not answer: later, and it does not count as a try. Anything else does."""
        waited = (self.store.now() - claimed.events[0].at).total_seconds()
        wait = min(max(PART * waited, SOONEST), LATEST)
        return self._back(claimed, wait, str(error), tried=error.code not in AWAY)

    def _back(self, claimed: Claim, seconds: float, why: str, *, tried: bool = False) -> Told:
        if not incoming.put_back(self.store, claimed, seconds, tried=tried, why=why):
            return _lost(claimed, "another worker has it")
        return Told(claimed.subject, len(claimed.events), "put back", why)


_ESCAPED = r"\\\1"


def _lost(claimed: Claim, why: str) -> Told:
    return Told(claimed.subject, len(claimed.events), "lost", why)


def _became(runbook: RunbookRun | None, ran: Ran) -> tuple[str, str]:
    """What became of a duty: of a runbook what is on record of it; else whether its playbook went well."""
    if runbook is not None and runbook.outcome == "gave_up":
        return "given_up", str(runbook.body.get("reason") or "it gave no reason")
    if ran.status == FAILED and REFUSED_CODE in ran.said:
        return "refused", ran.said
    return ("failed", ran.said) if ran.status == FAILED else ("done", "")


def _of_alert(register: Register, event: Event, now: dt.datetime) -> Verdict:
    customer = event.labels.get(CUSTOMER_LABEL, "")
    asset, why = looking_again.called(register, event.object, customer, now)
    verdict = duties.of_alert(event, asset, catalogue().keys(), why)
    checked = []
    for duty in verdict.duties:
        try:
            checked.append(replace(duty, parameters=catalogue()[duty.runbook].checked(duty.parameters)))
        except MspError as error:
            verdict = Verdict(why=str(error), refused=True)
            break
    else:
        verdict = replace(verdict, duties=tuple(checked))
    return verdict if asset is None else replace(verdict, customer=asset.customer, asset=asset.key)


def _changed(events: Sequence[Event]) -> frozenset[str] | None:
    """What changed in all of them; None where any does not say."""
    if any(event.changed is None for event in events):
        return None
    return frozenset(name for event in events for name in event.changed or ())


def _told(duty: Duty, ran: Ran) -> dict[str, Any]:
    said = {"duty": duty.name, "asset": duty.asset, "how": ran.how, "status": ran.status, "said": ran.said}
    return said | ({"runbook": duty.runbook} if duty.runbook else {})
