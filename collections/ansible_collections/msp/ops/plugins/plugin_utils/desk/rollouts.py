# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer's rollouts, one tick at a time: NetBox's plans, the store's history, and what the hosts said.

A tick is up to three rounds: each takes in what the hosts answered to the last one, writes what follows from it in the
store, and says what they are to be asked or to do next. It touches no host itself, and only reads NetBox. Nothing is
kept between rounds but what the store has, and the Tick that the caller hands on; a run that dies is gone on with by
the next, which looks before it acts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import Opened, plain_entry, sound
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Round, Said, Setting, Tick
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing, leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.leases import Lease
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import answering, deciding, events, planning, progress
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import Work
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assigned, Assignment
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import FRESH
from ansible_collections.msp.ops.plugins.plugin_utils.patching.deciding import World
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import DOWNGRADE, plain
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import CLASSES, Scan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import divide
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

# Rollouts made in this time say what was installed since a scan, and what is not tried again.
PAST = dt.timedelta(days=120)
# What the rounds of a tick need besides the time that their hosts may take.
MARGIN = 300.0
# So long before its lease ends a run begins no host any more: a host's clock may be a minute off, and it takes a moment.
LAST_BEGIN = 120.0
# No history takes so many steps between two questions to hosts.
MOST_STEPS = 10_000

Answers = Mapping[str, Mapping[str, Any] | None]


def lease_name(customer: str) -> str:
    return f"patch:{customer}"


def round_of(
    store: Store,
    netbox: Callable[[], AbstractContextManager[Register]],
    setting: Setting,
    tick: Tick | None,
    answers: Answers,
) -> Round:
    """One round. tick and answers are of the round before, None for the first. netbox opens NetBox.

    What the hosts answered is written before NetBox is asked: it is kept also when NetBox is down. Raises MSP-EVD-015
    where another run has the lease, MSP-PAT-155 where another had it since this run began.
    """
    holder = tick.holder if tick is not None else leases.somebody()
    lease = leases.take(store, lease_name(setting.customer), holder, setting.wait + MARGIN)
    try:
        _still_ours(lease, tick)
        rounds = _Rounds(store, setting, tick or Tick(holder, lease.fence, store.now()), lease.fence)
        rounds.hear(answers)
        with netbox() as register:
            assignment = patch_plans.plans_of_slug(register, setting.customer, store.now())
        found = rounds.take(assignment, answers)
    except BaseException:
        # A round that failed is the run's last: the next run need not wait for the lease to run out. Where it was the
        # store that failed, that can't be said there, and the next run waits.
        with contextlib.suppress(MspError):
            leases.release(store, lease)
        raise
    if setting.last or not found.tick.work:
        leases.release(store, lease)
    return found


def _still_ours(lease: Lease, tick: Tick | None) -> None:
    """A run that was held up for so long that another had the lease meanwhile knows less than the store does."""
    if tick is not None and lease.fence != tick.fence:
        raise MspError(
            "MSP-PAT-155",
            f"the lease {lease.name!r} to be this run's since it began (number {tick.fence})",
            "another run has had it meanwhile",
            "nothing: what the hosts did is not lost, the next run asks them; where it happens often, see what holds "
            "runs up, or give fewer hosts at once (at_once in the plan) or more forks",
        )


def round_with(
    store: Store, assignment: Assignment, setting: Setting, tick: Tick, answers: Answers, fence: int
) -> Round:
    """One round with NetBox's plans as they were read, under the lease of this number, which the caller holds."""
    rounds = _Rounds(store, setting, tick, fence)
    rounds.hear(answers)
    return rounds.take(assignment, answers)


def preview(store: Store, register: Register, setting: Setting, *, new: bool = True) -> Round:
    """What a run would do next and why; new: with the rollouts that it would begin. Takes no lease, writes nothing."""
    return preview_with(store, patch_plans.plans_of_slug(register, setting.customer, store.now()), setting, new=new)


def preview_with(store: Store, assignment: Assignment, setting: Setting, *, new: bool = True) -> Round:
    """The same with NetBox's plans as they were read."""
    checked = dataclasses.replace(setting, check=True)
    return _Rounds(store, checked, Tick("", 0, store.now()), fence=0).preview(assignment, new=new)


class _Rounds:
    """The work of one round, over all rollouts of a customer that are not over."""

    def __init__(self, store: Store, setting: Setting, assignment: Assignment, tick: Tick, fence: int) -> None:
        self.store, self.setting, self.tick, self.fence = store, setting, tick, fence
        self.plans = {one.plan.name: one for one in assignment.plans}
        self.now = store.now()
        self.customer = setting.customer.slug
        self.fresh: dict[str, Scan] = {
            asset: good
            for asset, (good, _last) in store.last_scans(self.customer).items()
            if good is not None and self.now - good.at <= FRESH
        }
        self.available = store.versions_seen(self.customer)
        self._look_back()
        self.open: dict[str, _Open] = {}
        self.work: list[Work] = []
        self.acted = set(tick.acted)
        self.running = {name: set(hosts) for name, hosts in tick.running.items()}
        self.notes: list[str] = []
        self.wrote = False
        # However old an open one is: it is not forgotten.
        for stored in store.rollouts(self.customer, open_only=True):
            self._add(stored)

    def _look_back(self) -> None:
        """What was done so far, by all rollouts, and what is due in the light of that."""
        self.past = self.store.rollouts(self.customer, since=self.now - PAST)
        known = [(events.of(one), manifest_of(one)) for one in reversed(self.past)]
        self.since = planning.installed_since(self.fresh, known)
        self.due: dict[str, list[planning.Due]] = {}

    def take(self, answers: Mapping[str, Mapping[str, Any] | None]) -> Round:
        self._hear(answers)
        said = [self._go_on(one) for one in self._in_order()]
        for stored in self._to_plan():
            self.store.record_rollout(stored, self.fence)
            self.wrote = True
            said.append(self._go_on(self._add(stored)))
        running = {name: tuple(sorted(hosts)) for name, hosts in self.running.items() if hosts}
        tick = Tick(self.tick.holder, tuple(self.work), tuple(sorted(self.acted)), running)
        return Round(tuple(said), tick, self.wrote, tuple(self.notes))

    def preview(self, *, new: bool) -> Round:
        """What a run would do next and why; nothing is written anywhere."""
        said = [self._go_on(one) for one in self._in_order()]
        said += [self._go_on(self._add(stored)) for stored in self._to_plan()] if new else []
        return Round(tuple(said), Tick(self.tick.holder), bool(self.work), tuple(self.notes))

    def _add(self, stored: StoredRollout) -> _Open:
        one = _Open.of(self.store, stored, self.fence, fresh=stored if self.setting.check else None)
        self.open[stored.id] = one
        return one

    def _in_order(self) -> list[_Open]:
        """The most urgent class first: it gets the hosts first that may be at work at once."""
        return sorted(self.open.values(), key=lambda one: (CLASSES.index(one.rollout.patch_class), one.rollout.id))

    def _hear(self, answers: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Write what the hosts answered, each rollout's for itself."""
        for one in self._in_order():
            asked = [work for work in self.tick.work if work.rollout == one.rollout.id]
            checked = [work.host for work in asked if work.operation == answering.CHECK]
            for work in asked:
                if work.operation != answering.CHECK and work.host in one.rollout.hosts:
                    self._of_host(one, work.host, answers.get(work.host))
            if checked:
                self._judge(one, checked, answers)

    def _of_host(self, one: _Open, name: str, answer: Mapping[str, Any] | None) -> None:
        found = answering.event_of(one.rollout.hosts[name], answer, self.now)
        mine = self.running.setdefault(one.rollout.id, set())
        if found is None:
            mine.add(name)
            return
        mine.discard(name)
        self.wrote |= one.history.happened(found)

    def _judge(self, one: _Open, checked: list[str], answers: Mapping[str, Mapping[str, Any] | None]) -> None:
        """The gate's verdict. When somebody wrote meanwhile it is void: the next tick asks the hosts again."""
        ring, plan = one.rollout.ring, self.plans.get(one.plan)
        if ring is None or plan is None or one.rollout.side is not None:  # a person paused or aborted it meanwhile
            return
        found = answering.health(checked, answers)
        event = deciding.verdict(one.rollout, plan.plan, ring.name, self.now, unwell=found.unwell, silent=found.silent)
        if one.history.decided(event):
            self.wrote = True
            one.steps.append(f"ring {ring.name}: {event.why}")

    def _go_on(self, one: _Open) -> Said:
        """Decide again and again until hosts are to be asked, or something is waited for."""
        assigned = self.plans.get(one.plan)
        if assigned is None:
            why = (
                f"NetBox has no patch plan {one.plan} of this customer any more; a person aborts it, or brings it back"
            )
            return Said(one.rollout, (), {"rollout": one.rollout.id, "why": why}, (f"{one.rollout.id}: {why}",))
        for _unused in range(MOST_STEPS):
            decision = deciding.decide(one.rollout, assigned.plan, self.now, self._world(one, assigned))
            if isinstance(decision, deciding.Record):
                if self._write(one, decision.event):
                    one.steps.append(decision.why)
                continue
            # One batch a run: what follows it is the next run's. The last round only says what comes.
            idle = isinstance(decision, deciding.Wait) or self.setting.last or one.rollout.id in self.acted
            if not idle and not self._give(one, assigned, decision):
                continue
            found = progress.progress(one.rollout, assigned.plan, self.now, decision)
            lines = progress.lines(found, self.now)
            return Said(one.rollout, tuple(one.steps), progress.as_dict(found), tuple(lines))
        raise RuntimeError(f"rollout {one.rollout.id} does not come to an end of its steps")

    def _write(self, one: _Open, event: events.Event) -> bool:
        if self.setting.check:
            one.pretend(event)
            return True
        wrote = one.history.decided(event)
        self.wrote |= wrote
        return wrote

    def _give(self, one: _Open, assigned: Assigned, decision: deciding.Decision) -> bool:
        """The work for the hosts that a decision names. False: somebody wrote meanwhile, so decide anew."""
        if isinstance(decision, deciding.Start | deciding.RollBack) and not self._write(one, decision.event):
            return False
        more: dict[str, Any] = {}
        if isinstance(decision, deciding.Look):
            hosts, operation = decision.hosts, answering.LOOK
        elif isinstance(decision, deciding.Judge):
            hosts, operation = decision.check, answering.CHECK
        elif isinstance(decision, deciding.RollBack):
            hosts, operation = decision.event.hosts, answering.ROLLBACK
        elif isinstance(decision, deciding.Start):
            hosts, operation = decision.event.hosts, answering.START
            more["deadline"] = decision.closes.isoformat()
        else:
            raise TypeError(f"{type(decision).__name__} gives no work")
        if operation != answering.LOOK:
            self.acted.add(one.rollout.id)
        self.work += [self._ask(one, assigned, name, operation, **more) for name in hosts]
        return True

    def _ask(self, one: _Open, assigned: Assigned, name: str, operation: str, **more: Any) -> Work:
        target = one.rollout.hosts[name].target
        own = assigned.own.get(target.asset, assigned.plan)
        arguments: dict[str, Any] = {
            "rollout": one.rollout.id,
            "action": operation,
            "reboot": own.reboot,
            "checks_before": [plain(check) for check in own.checks.before],
            "checks_after": [plain(check) for check in own.checks.after],
            "wait": self.setting.wait,
            **more,
        }
        if operation == answering.START:
            entries = deciding.installs(one.manifest, own, target, self.now)
            arguments["packages"] = [
                {"name": entry.name, "architecture": entry.architecture, "version": entry.version} for entry in entries
            ]
        return Work(name, one.rollout.id, operation, arguments)

    def _world(self, one: _Open, assigned: Assigned) -> World:
        rollout = one.rollout
        targets = [host.target for host in rollout.hosts.values()]
        busy = tuple(
            host.target
            for other in self.open.values()
            if other.rollout.id != rollout.id and not other.rollout.over
            for host in other.rollout.working()
        )
        stateful = {member.key for member in assigned.members if assigned.plan.stateful_tag in member.tags}
        return World(
            in_scope=frozenset(self.setting.hosts.values()),
            running=frozenset(self.running.get(rollout.id, ())),
            busy=busy,
            left_out=deciding.nothing_left(one.manifest, assigned.plan, targets, self.now),
            superseded=self._superseding(one, assigned),
            way_back=frozenset(
                target.host
                for target in targets
                if target.asset not in stateful and assigned.own.get(target.asset, assigned.plan).rollback == DOWNGRADE
            ),
        )

    def _superseding(self, one: _Open, assigned: Assigned) -> str:
        if one.superseded is None:
            one.superseded = planning.superseding(one.manifest, self._due(assigned), self.fresh.values())
        return one.superseded

    def _due(self, assigned: Assigned) -> list[planning.Due]:
        """What is due does not change while a round lasts."""
        name = assigned.plan.name
        if name not in self.due:
            members = [member for member in assigned.members if member.key in self.setting.hosts]
            self.due[name] = planning.due(
                assigned.plan, members, self.fresh, self.available, self.now, since=self.since
            )
        return self.due[name]

    def _to_plan(self) -> Iterator[StoredRollout]:
        """A new rollout for every plan and class of which something is due and no other is open."""
        if self.wrote:
            self._look_back()
        taken = {(one.plan, one.rollout.patch_class) for one in self.open.values() if not one.rollout.over}
        for assigned in self.plans.values():
            division = divide(assigned.plan, assigned.members)
            if division.in_none or division.in_several:
                self.notes.append(f"plan {assigned.plan.name}: assets without one ring; msp.ops.patch_plan says which")
                continue
            for found in self._due(assigned):
                if (assigned.plan.name, found.patch_class) in taken:
                    continue
                ended = [(one.plan, events.of(one), one.id) for one in self.past]
                if why := planning.not_again(found, assigned.plan.name, ended, self.now):
                    self.notes.append(f"plan {assigned.plan.name}, {found.patch_class}: {why}")
                    continue
                yield self._starting(assigned, found)

    def _starting(self, assigned: Assigned, found: planning.Due) -> StoredRollout:
        plan = assigned.plan
        first = planning.planned(
            plan, found, assigned.members, self.setting.hosts, self.fresh, now=self.now, by=self.setting.by
        )
        body = {"manifest": [_plain(entry) for entry in found.manifest.entries], "plan": plan.name}
        return events.starting(self.customer, plan.name, hashing.facts_hash({"plan": repr(plan)}), first, body)
