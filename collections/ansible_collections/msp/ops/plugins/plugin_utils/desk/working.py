# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The worker: takes what came in, reads the object again, does what follows, and says what became of it.

Any number of workers may run. What is claimed is claimed for a short time and renewed while the work goes on; whoever
lost it ends its run at once. On one asset one piece of work is done at a time, and what is about a customer as a whole
is done while nothing is done on any of its assets.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import looking_again, results
from ansible_collections.msp.ops.plugins.plugin_utils.desk.playbooks import work_of
from ansible_collections.msp.ops.plugins.plugin_utils.desk.running import FAILED, LOST, Ran, Runner
from ansible_collections.msp.ops.plugins.plugin_utils.events import duties
from ansible_collections.msp.ops.plugins.plugin_utils.events.duties import Duty, Verdict
from ansible_collections.msp.ops.plugins.plugin_utils.events.records import NETBOX, Event, event_of
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming, leases, runbooks
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.incoming import Claim
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import EventOutcome
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import OBJECT_TYPES
from ansible_collections.msp.ops.plugins.plugin_utils.runbooks.catalogue import catalogue
from ansible_collections.msp.ops.plugins.plugin_utils.telling.policy import Policy

# How long a worker that died holds up what it had; renewed three times in that time.
HELD_SECONDS = 30.0
RENEW_SECONDS = HELD_SECONDS / 3
# Another has the asset: tried again soon, for that is over within minutes.
BUSY_SECONDS = 2.0
# NetBox or the inventory can't be asked: tried again ever later.
AWAY_SECONDS = (5.0, 15.0, 60.0, 300.0)
# So many workers died, or broke, on the same event: it is not tried again.
TRIES = 4
# Errors of a store or of NetBox that say nothing about the event.
AWAY = (
    *("MSP-REG-001", "MSP-REG-002", "MSP-REG-003", "MSP-REG-005", "MSP-EVD-001", "MSP-EVD-006"),
    "MSP-EVT-004",
)
REFUSED_CODE = "MSP-RUN-100"
# Journal entries in NetBox are of these; an audit or a calendar tells NetBox itself.
LEVELS = {"done": "success", "failed": "danger", "given_up": "warning", "refused": "warning"}
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
        claimed = incoming.claim(self.store, self.holder, HELD_SECONDS)
        if claimed is None:
            return None
        if claimed.tries > TRIES:
            why = f"{claimed.tries - 1} workers died or broke on it: a person has to look"
            return self._end(claimed, "given_up", why, Duty("", ""), ())
        try:
            verdict, event = self._decide(claimed)
        except MspError as error:
            return self._later(claimed, error)
        if not verdict.duties:
            whom = Duty("", verdict.customer, verdict.asset)
            return self._end(claimed, "refused" if verdict.refused else "nothing", verdict.why, whom, ())
        try:
            return self._do(claimed, event, verdict.duties)
        except MspError as error:  # of who runs it: AWX is away, or has no such job template
            return self._later(claimed, error)

    # -- deciding ----------------------------------------------------------------------------------------------------

    def _decide(self, claimed: Claim) -> tuple[Verdict, Event]:
        """What follows from all that was claimed together, by the object as it is now."""
        events = [event_of(one) for one in claimed.events]
        newest = events[-1]
        now = self.store.now()
        with self.register() as register:
            if newest.source != NETBOX:
                return _of_alert(register, newest, now), newest
            changed = _changed(events)
            if newest.kind in duties.ASSET_KINDS:
                asset = looking_again.asset(register, newest.kind, int(newest.object), now)
                verdict = duties.of_asset(changed, newest.action, asset)
                if asset is not None:
                    verdict = replace(verdict, customer=asset.customer, asset=asset.key)
                return verdict, newest
            if newest.kind == duties.CONTEXT:
                return duties.of_context(*looking_again.context(register, int(newest.object))), newest
        return Verdict(why=f"nothing follows from a change of {newest.kind}"), newest

    # -- doing -------------------------------------------------------------------------------------------------------

    def _do(self, claimed: Claim, event: Event, wanted: Sequence[Duty]) -> Told:
        """Each duty in its order, until one fails. A duty that was done too often lately is refused."""
        work: list[dict[str, Any]] = []
        outcome, why = "done", ""
        with _Holding(self.store, claimed, self.holder, wanted) as held:
            if not held.taken:
                return self._back(claimed, BUSY_SECONDS, "another works there")
            for duty in wanted:
                if refused := self._worn_out(duty):
                    outcome, why = "refused", refused
                    break
                ran = self.runner.run(work_of(duty, event.id, self.reports), held.ours)
                if ran.status == LOST:
                    return Told(claimed.subject, len(claimed.events), "lost", ran.said)
                work.append(_told(duty, ran))
                outcome, why = self._became(duty, event, ran)
                if outcome != "done":
                    break
        return self._end(claimed, outcome, why, wanted[0], work)

    def _worn_out(self, duty: Duty) -> str | None:
        now = self.store.now()
        return duties.worn_out(duty, incoming.outcomes(self.store, duty.customer, since=now - duties.DAY), now)

    def _became(self, duty: Duty, event: Event, ran: Ran) -> tuple[str, str]:
        """What became of a duty: of a runbook what it says itself, on record; else whether its playbook went well."""
        if duty.name == duties.RUNBOOK:
            mine = [run for run in runbooks.runs(self.store, duty.customer, asset=duty.asset) if run.event == event.id]
            if mine and mine[-1].outcome == "gave_up":
                return "given_up", str(mine[-1].body.get("reason") or "it gave no reason")
            if ran.status == FAILED and REFUSED_CODE in ran.said:
                return "refused", ran.said
        return ("failed", ran.said) if ran.status == FAILED else ("done", "")

    # -- ending ------------------------------------------------------------------------------------------------------

    def _end(self, claimed: Claim, outcome: str, why: str, duty: Duty, work: Sequence[dict[str, Any]]) -> Told:
        """Say what became of it: the newest event has the outcome, the others went with it."""
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
        if not incoming.end(self.store, claimed, ends):
            return Told(claimed.subject, len(claimed.events), "lost", "another worker has it")
        if work or outcome in ("refused", "given_up"):
            self._tell_netbox(duty, outcome, why, work)
        # A runbook that gave up has told it itself, with what it found.
        if self.told is not None and not (outcome == "given_up" and duty.name == duties.RUNBOOK):
            results.of_event(self.store, self.told, ends[-1], duty.host)
        return Told(claimed.subject, len(claimed.events), outcome, why)

    def _tell_netbox(self, duty: Duty, outcome: str, why: str, work: Sequence[dict[str, Any]]) -> None:
        """A journal entry on the asset. A NetBox that does not answer keeps no event from being ended: the evidence
        store says what was done."""
        kind, _colon, id = duty.asset.partition(":")
        if kind not in _TYPE_OF:
            return
        did = ", ".join(str(one["duty"]) + (f" {one['runbook']}" if one.get("runbook") else "") for one in work)
        text = f"Automatic answer: {did or 'nothing'}: {outcome.replace('_', ' ')}" + (f". {why}" if why else "")
        try:
            with self.register() as register:
                register.journal(_TYPE_OF[kind], int(id), text[:1000], level=LEVELS.get(outcome, "info"))
        except MspError as error:
            if error.code not in AWAY:
                raise

    def _later(self, claimed: Claim, error: MspError) -> Told:
        """NetBox does not answer: later, and it does not count as a try. Anything else does."""
        away = error.code in AWAY
        wait = AWAY_SECONDS[min(claimed.tries, len(AWAY_SECONDS)) - 1]
        return self._back(claimed, wait, str(error), tried=not away)

    def _back(self, claimed: Claim, seconds: float, why: str, *, tried: bool = False) -> Told:
        incoming.put_back(self.store, claimed, seconds, tried=tried)
        return Told(claimed.subject, len(claimed.events), "put back", why)


class _Holding:
    """Holds a claim and the leases of all that is worked on, for as long as the work takes.

    A thread renews them: a playbook that is silent for minutes must not lose them. taken is False where another has
    one.
    """

    def __init__(self, store: Store, claimed: Claim, holder: str, wanted: Sequence[Duty]) -> None:
        self.store, self.claimed, self.holder = store, claimed, holder
        self.assets = sorted({f"work {duty.customer}/{duty.asset}" for duty in wanted if duty.asset})
        self.customers = sorted({f"work {duty.customer}" for duty in wanted if not duty.asset})
        self.of_assets = sorted({f"work {duty.customer}" for duty in wanted if duty.asset} - set(self.customers))
        self.taken = False
        self._lost = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True, name="renew claims")
        self._leases: list[leases.Lease] = []

    def __enter__(self) -> _Holding:
        try:
            for name in (*self.customers, *self.assets):
                self._leases.append(leases.take(self.store, name, self.holder, HELD_SECONDS))
        except MspError as error:
            self._release()
            if error.code != "MSP-EVD-015":
                raise
            return self
        if self._others():
            self._release()
            return self
        self.taken = True
        self._thread.start()
        return self

    def _others(self) -> bool:
        """Whether another works on the whole of a customer of whom an asset is ours, or on an asset of one who is."""
        mine = {*self.customers, *self.assets}
        whole = [name for name in self.of_assets if name in leases.live(self.store, name)]
        parts = [name for one in self.customers for name in leases.live(self.store, f"{one}/") if name not in mine]
        return bool(whole or parts)

    def __exit__(self, *_unused: object) -> None:
        self._over.set()
        if self.taken:
            self._thread.join()
        self._release()

    def ours(self) -> bool:
        return not self._lost.is_set()

    def _renew(self) -> None:
        last = time.monotonic()
        while not self._over.wait(RENEW_SECONDS):
            try:
                if not incoming.renew(self.store, self.claimed, HELD_SECONDS):
                    self._lost.set()
                    return
                for lease in self._leases:
                    leases.take(self.store, lease.name, self.holder, HELD_SECONDS)
                last = time.monotonic()
            except MspError:
                # A store that does not answer for as long as the claim lasts has given it to another by now.
                if time.monotonic() - last > HELD_SECONDS - RENEW_SECONDS:
                    self._lost.set()
                    return

    def _release(self) -> None:
        for lease in self._leases:
            leases.release(self.store, lease)


def _of_alert(register: Register, event: Event, now: dt.datetime) -> Verdict:
    customer = event.labels.get("msp_customer", "")
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
