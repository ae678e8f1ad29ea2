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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.desk import patch_plans
from ansible_collections.msp.ops.plugins.plugin_utils.desk.opened import Opened
from ansible_collections.msp.ops.plugins.plugin_utils.desk.outlook import Outlook
from ansible_collections.msp.ops.plugins.plugin_utils.desk.questions import Questions
from ansible_collections.msp.ops.plugins.plugin_utils.desk.ticks import Round, Said, Setting, Tick
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.leases import Lease
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StoredRollout
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import (
    aftermath,
    answering,
    deciding,
    events,
    planning,
    progress,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.aftermath import Down
from ansible_collections.msp.ops.plugins.plugin_utils.patching.answering import Work
from ansible_collections.msp.ops.plugins.plugin_utils.patching.assigned import Assigned, Assignment
from ansible_collections.msp.ops.plugins.plugin_utils.patching.deciding import World
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import DOWNGRADE, Check, Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.portion import Portions, packages
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    CLASSES,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import LOST, Rollout
from ansible_collections.msp.ops.plugins.plugin_utils.patching.wording import named
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

# What the rounds of a tick need besides the time that their hosts may take.
MARGIN = 300.0
# So long before its lease ends a run begins no host any more: a host's clock may be a minute off, and it takes time.
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
        rounds = _Rounds(store, setting, tick or Tick(holder, lease.fence, store.now()))
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


def round_with(store: Store, assignment: Assignment, setting: Setting, tick: Tick, answers: Answers) -> Round:
    """One round with NetBox's plans as they were read, under the lease that the tick names, which the caller holds."""
    rounds = _Rounds(store, setting, tick)
    rounds.hear(answers)
    return rounds.take(assignment, answers)


def preview(store: Store, register: Register, setting: Setting) -> Round:
    """What a run would do next and why. Takes no lease, writes nothing."""
    return preview_with(store, patch_plans.plans_of_slug(register, setting.customer, store.now()), setting)


def preview_with(store: Store, assignment: Assignment, setting: Setting) -> Round:
    """The same with NetBox's plans as they were read."""
    return _only_looking(store, setting).preview(assignment)


def standing_with(store: Store, assignment: Assignment, setting: Setting) -> Round:
    """How the open rollouts stand by what the store says, and the one thing that comes next for each."""
    return _only_looking(store, setting).standing(assignment)


def _only_looking(store: Store, setting: Setting) -> _Rounds:
    return _Rounds(store, dataclasses.replace(setting, check=True), Tick("", 0, store.now()))


class _Rounds:
    """The work of one round, over all rollouts of a customer that are not over: hear the hosts, then take the steps."""

    def __init__(self, store: Store, setting: Setting, tick: Tick) -> None:
        self.store, self.setting, self.tick, self.fence = store, setting, tick, tick.fence
        self.plans: dict[str, Assigned] = {}
        self.now = store.now()
        self.customer = setting.customer
        self.outlook = Outlook(store, setting, self.now)
        self.open: dict[str, Opened] = {}
        self.work: list[Work] = []
        self.acted = set(tick.acted)
        self.running = {name: set(hosts) for name, hosts in tick.running.items()}
        self.notes: list[str] = []
        self.wrote = False
        # However old an open one is: it is not forgotten.
        for stored in store.rollouts(self.customer, open_only=True):
            self._add(stored)

    def hear(self, answers: Answers) -> None:
        """Write what became of the hosts that were at work, each rollout's for itself. It needs no plan."""
        for one in self._in_order():
            for work in self._asked(one):
                if work.operation != answering.CHECK and work.host in one.rollout.hosts:
                    self._of_host(one, work.host, answers.get(work.host))

    def take(self, assignment: Assignment, answers: Answers) -> Round:
        """Judge what was checked, and take the steps that follow."""
        self._need_all(assignment)
        self._with_plans(assignment)
        for one in self._in_order():
            if checked := [work.host for work in self._asked(one) if work.operation == answering.CHECK]:
                self._judge(one, checked, answers)
        said = [self._go_on(one) for one in self._in_order()]
        for stored in self._beginning():
            self.store.record_rollout(stored, self.fence)
            self.wrote = True
            said.append(self._go_on(self._add(stored)))
        running = {name: tuple(sorted(hosts)) for name, hosts in self.running.items() if hosts}
        tick = Tick(self.tick.holder, self.fence, self.now, tuple(self.work), tuple(sorted(self.acted)), running)
        return Round(tuple(said), tick, self.wrote, self._notes(), self.outlook.refused)

    def preview(self, assignment: Assignment) -> Round:
        """What a run would do next and why; nothing is written anywhere."""
        self._need_all(assignment)
        self._with_plans(assignment)
        said = [self._go_on(one) for one in self._in_order()]
        said += [self._go_on(self._add(stored)) for stored in self._beginning()]
        return Round(tuple(said), self.tick, bool(self.work), self._notes(), self.outlook.refused)

    def standing(self, assignment: Assignment) -> Round:
        """How it stands, with no step that nobody took: a schedule may be dead."""
        self._with_plans(assignment)
        said = []
        for one in self._in_order():
            assigned, stuck = self._assigned(one)
            said.append(self._said(one, assigned, self._decide(one, assigned, stuck), stuck))
        return Round(tuple(said), self.tick, changed=False)

    def _need_all(self, assignment: Assignment) -> None:
        """Who is missing in the inventory would be left out of everything, and no gate would know of it."""
        missing = [one.name for plan in assignment.plans for one in plan.members if one.key not in self.setting.hosts]
        if missing:
            raise MspError(
                "MSP-PAT-185",
                f"every asset of {self.customer} that has a patch plan in the inventory of this run, and in its scope",
                f"{named(sorted(missing))} not there",
                "renew or widen the inventory (no filter, no slice); or say in NetBox that they are not contracted, or "
                "give them no plan",
            )

    def _with_plans(self, assignment: Assignment) -> None:
        self.outlook.look_back()
        self.plans = {one.plan.name: one for one in assignment.plans}

    def _beginning(self) -> Iterator[StoredRollout]:
        # Of what a round writes after it has heard the hosts, an end alone bears on what is planned.
        if self.wrote and any(one.rollout.over for one in self.open.values()):
            self.outlook.look_back()
        yield from self.outlook.beginning(self.plans.values(), self.open)

    def _notes(self) -> tuple[str, ...]:
        return (*self.notes, *self.outlook.notes)

    def _asked(self, one: Opened) -> list[Work]:
        return [work for work in self.tick.work if work.rollout == one.rollout.id]

    def _add(self, stored: StoredRollout) -> Opened:
        one = Opened.of(self.store, stored, self.fence, fresh=stored if self.setting.check else None)
        self.open[stored.id] = one
        return one

    def _in_order(self) -> list[Opened]:
        """The most urgent class first: it gets the hosts first that may be at work at once."""
        return sorted(self.open.values(), key=lambda one: (CLASSES.index(one.rollout.patch_class), one.rollout.id))

    def _of_host(self, one: Opened, name: str, answer: Mapping[str, Any] | None) -> None:
        found = answering.event_of(one.rollout.hosts[name], answer, self.now)
        mine = self.running.setdefault(one.rollout.id, set())
        if found is None:
            mine.add(name)
            return
        mine.discard(name)
        self.wrote |= one.history.happened(found)

    def _judge(self, one: Opened, checked: list[str], answers: Answers) -> None:
        """The gate's verdict, at the moment at which the hosts were asked: a clock that was turned back changes none.

        When somebody wrote meanwhile it is void: the next tick asks the hosts again.
        """
        ring, plan = one.rollout.ring, self.plans.get(one.plan)
        if ring is None or plan is None or one.rollout.side is not None:  # a person paused or aborted it meanwhile
            return
        found = answering.health(checked, answers)
        event = deciding.verdict(
            one.rollout,
            plan.plan,
            ring.name,
            self.tick.at,
            unwell=found.unwell,
            silent=found.silent,
            unsure=found.unsure,
            doubtful={down.target.asset: down.how for down in self._doubtful(one.rollout, plan)},
            packages=packages(one.manifest),
        )
        if one.history.decided(event):
            self.wrote = True
            one.steps.append(f"ring {ring.name}: {event.why}")

    def _go_on(self, one: Opened) -> Said:
        """Decide again and again until hosts are to be asked, or something is waited for."""
        assigned, stuck = self._assigned(one)
        for _unused in range(MOST_STEPS):
            decision = self._decide(one, assigned, stuck)
            if isinstance(decision, deciding.Record):
                if self._write(one, decision.event):
                    one.steps.append(decision.why)
                continue
            # One batch a run: the batch after it is the next run's. A gate only asks, so it may come before the batch
            # or after it, while a round is left in which the hosts can answer. The last round only says what comes.
            acts = isinstance(decision, deciding.Start | deciding.RollBack | deciding.Look)
            later = self.setting.last or (acts and one.rollout.id in self.acted)
            if isinstance(decision, deciding.Wait) or later or self._give(one, assigned, decision):
                return self._said(one, assigned, decision, stuck)
        raise RuntimeError(f"rollout {one.rollout.id} does not come to an end of its steps")

    def _assigned(self, one: Opened) -> tuple[Assigned | None, str]:
        """The plan of a rollout, and why nothing of it can be begun; empty where it can."""
        assigned = self.plans.get(one.plan)
        return assigned, one.damaged or ("" if assigned else _without_plan(one))

    def _decide(self, one: Opened, assigned: Assigned | None, stuck: str) -> deciding.Decision:
        if stuck or assigned is None:
            return deciding.wind_up(one.rollout, self.now, self._running(one), why=stuck)
        return deciding.decide(one.rollout, assigned.plan, self.now, self._world(one, assigned))

    def _said(self, one: Opened, assigned: Assigned | None, decision: deciding.Decision, stuck: str) -> Said:
        if assigned is None:
            told = {"rollout": one.rollout.id, "class": one.rollout.patch_class, "why": decision.why}
            return Said(one.rollout, tuple(one.steps), told, (f"{one.rollout.id}: {decision.why}",), stuck)
        found = progress.progress(one.rollout, assigned.plan, self.now, decision)
        lines = progress.lines(found, self.now, self.setting.language)
        return Said(one.rollout, tuple(one.steps), progress.as_dict(found), tuple(lines), stuck)

    def _write(self, one: Opened, event: events.Event) -> bool:
        if self.setting.check:
            one.pretend(event)
            return True
        wrote = one.history.decided(event)
        self.wrote |= wrote
        return wrote

    def _give(self, one: Opened, assigned: Assigned | None, decision: deciding.Decision) -> bool:
        """The work for the hosts that a decision names. False: somebody wrote meanwhile, so decide anew.

        A host is asked one thing a round, or the answer to one rollout would be taken for that to another: whom another
        rollout asks something is looked at in the next round, and a gate that needs it waits for that.
        """
        if isinstance(decision, deciding.Start | deciding.RollBack) and not self._write(one, decision.event):
            return False
        taken = {work.host for work in self.work}
        last = self._last_begin()
        if isinstance(decision, deciding.Look):
            self._look(one, assigned, [name for name in decision.hosts if name not in taken])
            return True
        if isinstance(decision, deciding.Judge):
            if taken.isdisjoint(decision.check):
                self.work += [asked.check() for asked in self._questions(one, assigned, decision.check)]
            return True
        if isinstance(decision, deciding.RollBack):
            for asked in self._questions(one, assigned, decision.event.hosts):
                self.work.append(asked.back(begin_by=last, closes=decision.closes))
        elif isinstance(decision, deciding.Start):
            for asked in self._questions(one, assigned, decision.event.hosts):
                if asked.portion is not None and asked.portion.left_out:
                    self.notes.append(f"{one.rollout.id}, {asked.host.name}: without {named(asked.portion.left_out)}")
                begun = asked.start(begin_by=last, closes=decision.closes, open_rollouts=sorted(self.open))
                self.work.append(begun)
        self.acted.add(one.rollout.id)
        return True

    def _questions(self, one: Opened, assigned: Assigned | None, names: Iterable[str]) -> Iterator[Questions]:
        """What can be asked of these hosts: of those that have the plan no more only a look."""
        for name in names:
            host = one.rollout.hosts[name]
            own = _own(assigned, host.target)
            portion = self._portions(one, assigned).of(host.target) if assigned is not None and own else None
            yield Questions(one.rollout.id, host, self.setting.wait, own, portion)

    def _look(self, one: Opened, assigned: Assigned | None, names: Iterable[str]) -> None:
        """What became of the work. Where nothing may be begun now, a host may only end what it began."""
        world = self._running(one) if assigned is None else self._world(one, assigned)
        for asked in self._questions(one, assigned, names):
            finish = bool(one.damaged) or deciding.only_finish(one.rollout, asked.plan, asked.host, self.now, world)
            self.work.append(asked.look(begin_by=self._last_begin(), finish_only=finish))

    def _last_begin(self) -> dt.datetime:
        """Until when a host may begin what this run asks of it: some time before the lease ends."""
        return self.now + dt.timedelta(seconds=self.setting.wait + MARGIN - LAST_BEGIN)

    def _portions(self, one: Opened, assigned: Assigned) -> Portions:
        if one.portions is None:
            one.portions = Portions(one.manifest, assigned.plan, self.outlook.fresh, self.now)
        return one.portions

    def _running(self, one: Opened) -> World:
        """All that matters to a rollout that is only to come to its end."""
        return World(frozenset(), frozenset(self.running.get(one.rollout.id, ())))

    def _world(self, one: Opened, assigned: Assigned) -> World:
        """What is so now. What stays so while a round lasts is found once: thousands of hosts may leave, one by one."""
        if one.world is None:
            one.world = self._lasting(one, assigned)
        down, unseen = self._down(one.rollout, assigned) if assigned.plan.apart else ([], [])
        return dataclasses.replace(
            one.world,
            running=frozenset(self.running.get(one.rollout.id, ())),
            busy=self._busy(one.rollout),
            down=tuple((one.target, one.how) for one in (*down, *unseen)),
            unseen=frozenset(one.target.asset for one in unseen).difference(one.target.asset for one in down),
        )

    def _lasting(self, one: Opened, assigned: Assigned) -> World:
        targets = [host.target for host in one.rollout.hosts.values()]
        members = {member.key: member for member in assigned.members}
        return World(
            # An inventory may be older than the plan: who is not its asset any more is not touched.
            in_scope=frozenset(host for asset, host in self.setting.hosts.items() if asset in members),
            left_out=self._portions(one, assigned).nothing_left(targets),
            superseded=planning.superseding(one.manifest, self.outlook.due(assigned), self.outlook.fresh.values()),
            way_back=frozenset(
                target.host
                for target in targets
                if target.asset in members
                and assigned.plan.stateful_tag not in members[target.asset].tags
                and assigned.own[target.asset].rollback == DOWNGRADE
            ),
        )

    def _others(self, rollout: Rollout) -> list[Rollout]:
        return [other.rollout for other in self.open.values() if other.rollout.id != rollout.id]

    def _down(self, rollout: Rollout, assigned: Assigned) -> tuple[list[Down], list[Down]]:
        """Who may be down since another rollout: an open one, or a host that was lost; and who only a check or a person
        can call well, because a rollout that is over left it so.
        """
        others = self._others(rollout)
        down = [one for other in others if not other.over for one in aftermath.left_open(other)]
        unseen: list[Down] = []
        left = self._left(others)
        seen = self._seen(rollout, left)
        for one in left:
            if seen.clears(one, _checks(assigned, one)) or seen.answers(one, self.outlook.scanned):
                continue
            (down if one.state == LOST else unseen).append(one)
        return down, unseen

    def _doubtful(self, rollout: Rollout, assigned: Assigned) -> Iterator[Down]:
        """Whom another rollout, open or over, left not well, and nobody has seen well since."""
        others = self._others(rollout)
        left = [one for other in others if not other.over for one in aftermath.left_open(other)]
        left += self._left(others)
        seen = self._seen(rollout, left)
        return (one for one in left if not seen.clears(one, _checks(assigned, one)))

    def _left(self, others: Iterable[Rollout]) -> list[Down]:
        """Whom rollouts that are over left not well; also those that came to their end in this round."""
        ended = (one for other in others if other.over for one in aftermath.left_open(other))
        known = {down.rollout for down in self.outlook.left}
        return [*self.outlook.left, *(one for one in ended if one.rollout not in known)]

    def _seen(self, rollout: Rollout, left: Iterable[Down]) -> aftermath.Seen:
        """What was seen since of those that were left not well."""
        wanted = frozenset(one.target.asset for one in left)
        found = aftermath.seen_open((rollout, *self._others(rollout)), wanted) if wanted else aftermath.Seen()
        found.add(self.outlook.seen)
        return found

    def _busy(self, rollout: Rollout) -> tuple[Target, ...]:
        """Whom another rollout works on, or asks something in this round."""
        others = self._others(rollout)
        found = {host.name: host.target for other in others if not other.over for host in other.working()}
        asked = {work.host for work in self.work if work.rollout != rollout.id}
        found |= {host.name: host.target for other in others for host in other.hosts.values() if host.name in asked}
        return tuple(found.values())


def _checks(assigned: Assigned, down: Down) -> tuple[Check, ...]:
    """What is asked of a host after work; of one that has left the plan what the plan asks of most."""
    return assigned.own.get(down.target.asset, assigned.plan).checks.after


def _own(assigned: Assigned | None, target: Target) -> Plan | None:
    """The plan as it is for one host; None where it has this plan no more."""
    return None if assigned is None else assigned.own.get(target.asset)


def _without_plan(one: Opened) -> str:
    return f"NetBox has no patch plan {one.plan} of this customer any more; a person aborts it, or brings it back"
