# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A customer's rollouts, one tick at a time: NetBox's plans, the store's history, and what the hosts said.

A tick is up to three rounds: each takes in what the hosts answered to the last one, writes what follows from it in the
store, and says what they are to be asked or to do next. It touches no host itself, and only reads NetBox. Nothing is
kept between rounds but what the store has, and the Tick that the caller hands on; a run that dies is gone on with by
the next, which looks before it acts.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import getpass
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import hashing, leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import (
    answering,
    asking,
    deciding,
    events,
    planning,
    progress,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import Work
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assigned, Assignment
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import FRESH
from ansible_collections.msp.ops.plugins.plugin_utils.patching.deciding import World
from ansible_collections.msp.ops.plugins.plugin_utils.patching.history import History
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import DOWNGRADE, plain
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import CLASSES, Entry, Manifest, Scan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import divide
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

TICK, STATUS = "tick", "status"
ACTIONS = (TICK, *asking.ACTIONS, STATUS)
LONGEST_WAIT = 6 * 3600
# Rollouts made in this time say what was installed since a scan, and what is not tried again.
PAST = dt.timedelta(days=120)
# What the rounds of a tick need besides the time that their hosts may take.
MARGIN = 300.0
# No history takes so many steps between two questions to hosts.
MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Tick:
    """What one round hands on to the next of the same run, as plain values (as_dict).

    acted: rollouts whose hosts this run gave something to do; it gives them no more. running: hosts by rollout that
    said that they are at work.
    """

    holder: str
    work: tuple[Work, ...] = ()
    acted: tuple[str, ...] = ()
    running: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "holder": self.holder,
            "work": [dataclasses.asdict(one) for one in self.work],
            "acted": list(self.acted),
            "running": {name: list(hosts) for name, hosts in self.running.items()},
        }

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Tick:
        """The tick that a round returned. MSP-PAT-140 for anything else."""
        try:
            return cls(
                str(said["holder"]),
                tuple(Work(**one) for one in said["work"]),
                tuple(map(str, said["acted"])),
                {str(name): tuple(map(str, hosts)) for name, hosts in said["running"].items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise MspError(
                "MSP-PAT-140",
                "the tick that the round before returned",
                f"{type(error).__name__}: {error}",
                "hand on RESULT.tick as it is; a run begins without one",
            ) from error


@dataclass(frozen=True, slots=True)
class Said:
    """What a round says of one rollout: the steps it took (each in words), how far it is, and the same as lines."""

    rollout: Rollout
    steps: tuple[str, ...]
    told: Mapping[str, Any]
    lines: tuple[str, ...]

    @property
    def halted(self) -> bool:
        return self.rollout.side == states.HALTED


@dataclass(frozen=True, slots=True)
class Round:
    """The outcome of a round: what every rollout says, what the hosts are to do, whether anything was written."""

    said: tuple[Said, ...]
    tick: Tick
    changed: bool
    notes: tuple[str, ...] = ()

    def diff(self) -> dict[str, str]:
        """The steps that were (or would be) taken, a line each."""
        steps = [f"{one.rollout.id}: {step}" for one in self.said for step in one.steps]
        return {"before": "", "after": "".join(f"{step}\n" for step in steps)}

    def as_dict(self) -> dict[str, Any]:
        """The result of msp.ops.rollout."""
        return {
            "changed": self.changed,
            "tick": self.tick.as_dict(),
            "tasks": {one.host: dict(one.arguments) for one in self.tick.work},
            "rollouts": [{**one.told, "steps": list(one.steps)} for one in self.said],
            "summary": [line for one in self.said for line in one.lines] + list(self.notes),
            "halted": [one.rollout.id for one in self.said if one.halted],
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """What a round works with. hosts are inventory names by asset key: those that the scope guard let in.

    wait: seconds that a host may take before this run leaves it at work. last: no more rounds follow.
    """

    customer: Customer
    hosts: Mapping[str, str]
    wait: int
    last: bool = False
    check: bool = False
    by: str = ""


def setting_of(customer: Customer, hosts: Mapping[str, str], arguments: Mapping[str, Any]) -> Setting:
    """The arguments of msp.ops.rollout as a setting."""
    wait = arguments["wait"]
    if not 60 <= wait <= LONGEST_WAIT:
        raise MspError("MSP-PAT-143", f"a wait of 60 to {LONGEST_WAIT} seconds", str(wait), "correct it")
    return Setting(customer, hosts, wait, last=arguments["last"], by=arguments["by"] or _login())


def _login() -> str:
    """Who runs this; a container may have no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def lease_name(customer: str) -> str:
    return f"patch:{customer}"


def round_of(
    store: Store,
    register: Register,
    setting: Setting,
    tick: Tick | None,
    answers: Mapping[str, Mapping[str, Any] | None],
) -> Round:
    """One round. tick and answers are of the round before, None for the first. MSP-EVD-015 where another run has it."""
    holder = tick.holder if tick is not None else leases.somebody()
    lease = leases.take(store, lease_name(setting.customer.slug), holder, setting.wait + MARGIN)
    going_on = False
    try:
        assignment = patch_plans.plans_of(register, setting.customer, store.now())
        found = round_with(store, assignment, setting, tick or Tick(holder), answers, lease.fence)
        going_on = bool(found.tick.work) and not setting.last
    finally:
        # A round that failed is the run's last: the next run need not wait for the lease to run out.
        if not going_on:
            leases.release(store, lease)
    return found


def round_with(
    store: Store,
    assignment: Assignment,
    setting: Setting,
    tick: Tick,
    answers: Mapping[str, Mapping[str, Any] | None],
    fence: int,
) -> Round:
    """One round with NetBox's plans as they were read, under the lease of this number, which the caller holds."""
    return _Rounds(store, setting, assignment, tick, fence).take(answers)


def preview(store: Store, register: Register, setting: Setting, *, new: bool = True) -> Round:
    """What a run would do next and why; new: with the rollouts that it would begin. Takes no lease, writes nothing."""
    assignment = patch_plans.plans_of(register, setting.customer, store.now())
    return _Rounds(store, dataclasses.replace(setting, check=True), assignment, Tick(""), fence=0).preview(new=new)


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
            lines = progress.lines(found, assigned.plan, self.now)
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


@dataclass
class _Open:
    """One rollout that is not over, with its manifest, and what this round did to it."""

    plan: str
    manifest: Manifest
    history: History
    steps: list[str] = field(default_factory=list)
    superseded: str | None = None

    @classmethod
    def of(cls, store: Store, stored: StoredRollout, fence: int, fresh: StoredRollout | None = None) -> _Open:
        """fresh: one that is in no store, because this is a preview."""

        def read() -> Iterable[events.Event]:
            found = fresh or store.rollout(stored.id)
            return events.of(found) if found is not None else ()

        def write(number: int, event: events.Event) -> None:
            store.append_event(stored.id, number, events.stored(event), fence)

        return cls(stored.plan, manifest_of(stored), History(stored.id, read, write))

    @property
    def rollout(self) -> Rollout:
        return self.history.rollout

    def pretend(self, event: events.Event) -> None:
        self.history.rollout = self.rollout.after(event)


def manifest_of(stored: StoredRollout) -> Manifest:
    """What a rollout installs, as it was frozen. MSP-PAT-141 where it is not what was approved."""
    entries = (Entry(**{**one, "advisories": tuple(one.get("advisories", ()))}) for one in stored.body["manifest"])
    found = Manifest.of(entries)
    if found.hash() != stored.manifest_hash:
        raise MspError(
            "MSP-PAT-141",
            f"the manifest {stored.manifest_hash} of rollout {stored.id}",
            f"one with the hash {found.hash()}",
            "abort the rollout (patch_action=abort): nobody approved what the store has now; see who changed it",
        )
    return found


def _plain(entry: Entry) -> dict[str, Any]:
    return {**dataclasses.asdict(entry), "advisories": list(entry.advisories)}


def asked(store: Store, arguments: Mapping[str, Any], *, check: bool) -> dict[str, Any]:
    """Record what a person asks of a rollout: approve, pause, resume, abort. The only open one where none is named.

    It waits for no run that is at work: what that decided on an older history the store refuses, and it decides anew.
    """
    stored = _one(store, arguments["customer"], arguments["rollout"])
    fence = max((event.fence or 0 for event in stored.events), default=stored.fence or 0)
    one = _Open.of(store, stored, fence)
    while True:
        event = asking.ask(
            one.rollout,
            arguments["action"],
            by=arguments["by"],
            reason=arguments["reason"],
            at=store.now(),
            manifest=arguments["manifest"],
        )
        if check or one.history.decided(event):
            break
    said = f"{one.rollout.id}: {arguments['action']} by {event.by}: {event.reason}"
    return {"changed": True, "rollouts": [{"rollout": one.rollout.id, "plan": one.plan}], "summary": [said]}


def status(store: Store, register: Register, customer: Customer) -> dict[str, Any]:
    """What a person sees of a customer's open rollouts at any time. Writes nothing."""
    found = [events.of(stored) for stored in store.rollouts(customer.slug, open_only=True)]
    targets = (target for history in found for target in _targets(history))
    setting = Setting(customer, {target.asset: target.host for target in targets}, wait=0)
    said = preview(store, register, setting, new=False).as_dict()
    return {name: said[name] for name in ("rollouts", "summary", "halted")} | {"changed": False}


def _targets(history: list[events.Event]) -> Iterator[events.Target]:
    for event in history:
        if isinstance(event, events.Planned):
            yield from (target for ring in event.rings for target in ring.hosts)


def _one(store: Store, customer: str, rollout: str) -> StoredRollout:
    found = store.rollouts(customer, open_only=True)
    chosen = [one for one in found if rollout in ("", one.id)]
    if len(chosen) == 1:
        return chosen[0]
    raise MspError(
        "MSP-PAT-142",
        f"one open rollout of {customer}" + (f" with the id {rollout}" if rollout else ", or the id of one of them"),
        ", ".join(one.id for one in found) or "none open",
        "say which with patch_rollout; playbooks/patch_status.yml lists them",
    )
