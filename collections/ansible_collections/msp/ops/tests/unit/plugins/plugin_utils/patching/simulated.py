# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A made world in which a rollout is carried out: hosts that remember what was done to them, controllers that die or
are held up at any moment, people who interfere, clocks that jump. What must never be is checked where it would happen.

Every choice comes from a list of numbers, so that a world that goes wrong can be made smaller and looked at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import asking, deciding, events
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.deciding import Wait, World
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event
from ansible_collections.msp.ops.plugins.plugin_utils.patching.history import History
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Apart, Freeze, Limit, Plan, Ring
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.made_plan import plan as made_plan

MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
LEASE = 10 * MINUTE
RUNNING, DONE, OWED = "running", ("patched", "nothing"), "reboot owed"
CONTROLLERS = ("first", "second")
# A few evenings before each change of the clocks in the zone of the plan, and a common day.
BEGINS = tuple(
    dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
    for text in ("2026-03-26T10:00", "2026-10-22T10:00", "2026-06-10T10:00")
)
BASE = made_plan(
    **{
        "windows.night": {"rule": "FREQ=DAILY", "start": "22:00", "duration": "4h", "cutoff": "1h"},
        "classes.routine.windows": ["night"],
    }
)


class Killed(Exception):
    """The controller is gone, at this very moment."""


class NotOurs(Exception):
    """Another controller has the lease."""


class Choices:
    """Small numbers one after the other; 0, which stands for the ordinary, when they are used up."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers: Iterator[int] = iter(numbers)
        self.used_up = False

    def pick(self, options: int) -> int:
        try:
            return next(self._numbers) % options
        except StopIteration:
            self.used_up = True
            return 0


@dataclass
class SimHost:
    """A host. record is what its own status file says; outcomes is what becomes of each attempt, "patched" at last.

    bare: what failed on it left nothing to take back.
    """

    name: str
    takes: dt.timedelta
    outcomes: list[str]
    reachable: bool = True
    sick: bool = False
    bare: bool = False
    record: str | None = None
    until: dt.datetime | None = None
    patches: int = 0
    backs: int = 0
    back: bool = False
    _ends: str = ""

    def settle(self, now: dt.datetime) -> None:
        if self.record == RUNNING and self.until is not None and self.until <= now:
            self.record = self._ends
            self.patches += self._ends == "patched"
            self.backs += self.back

    def busy(self, now: dt.datetime) -> bool:
        self.settle(now)
        return self.record == RUNNING

    def start(self, now: dt.datetime, *, back: bool = False) -> str | None:
        """Begin, where it is not at work and not done already: systemd and the status file see to that.

        What it answers at once: "nothing" where there is nothing to take back; None: what became of it is asked later.
        """
        self.settle(now)
        if not self.reachable or self.record == RUNNING or (self.record in DONE and not back):
            return None
        if back and self.bare and self.record == "failed":
            return "nothing"
        self._ends = "rolled back" if back else self.outcomes.pop(0) if self.outcomes else "patched"
        self.record, self.until, self.back = RUNNING, now + self.takes, back
        return None

    def look(self, now: dt.datetime) -> str | None:
        """ "lost", "running", an outcome; None where there is no trace of any work."""
        self.settle(now)
        return self.record if self.reachable else "lost"


@dataclass
class Sim:
    """The world: the store, the lease, the clocks, the hosts, and what was seen to be wrong."""

    choices: Choices
    plan: Plan
    hosts: dict[str, SimHost]
    planned: events.Planned
    true: dt.datetime
    history: list[Event] = field(default_factory=list)
    fences: list[int] = field(default_factory=list)
    holder: str = ""
    fence: int = 0
    expires: dt.datetime = BEGINS[0] - DAY
    offset: dt.timedelta = dt.timedelta(0)
    scope: set[str] = field(default_factory=set)
    superseded: str = ""
    doubtful: dict[str, str] = field(default_factory=dict)
    depth: int = 0
    ticks: int = 0
    kills: int = 0
    keep: Callable[[int, Event, int], None] | None = None

    # The store and the lease

    def now(self) -> dt.datetime:
        return self.true + self.offset

    def take(self, controller: str) -> int:
        """The lease's number for this controller; NotOurs where another holds it."""
        if self.holder != controller:
            if self.true < self.expires:
                raise NotOurs
            self.holder, self.fence = controller, self.fence + 1
        self.expires = self.true + LEASE
        return self.fence

    def write(self, number: int, event: Event, fence: int) -> None:
        """As evidence.writing.append_event does."""
        code = ""
        if fence < self.fences[-1]:
            code = "MSP-EVD-019"
        elif self.history[-1].closes:
            code = "MSP-EVD-020"
        elif number != len(self.history) + 1:
            code = "MSP-EVD-018"
        if self.keep is not None:
            self._kept_alike(number, event, fence, code)
        if code:
            raise MspError(code, "", "", "")
        self.history.append(events.read(events.stored(event)))
        self.fences.append(fence)

    def _kept_alike(self, number: int, event: Event, fence: int, code: str) -> None:
        """A real store takes and refuses the same, for the same reason."""
        assert self.keep is not None
        try:
            self.keep(number, event, fence)
        except MspError as error:
            assert error.code == code, error
        else:
            assert not code, f"the store takes what {code} should refuse"

    @property
    def rollout(self) -> states.Rollout:
        return states.fold("r", self.history)

    # A tick

    def tick(self, controller: str) -> deciding.Decision | None:
        """One run of a controller, until it ends, dies or loses the lease: then None."""
        self.ticks += 1
        try:
            fence = self.take(controller)
            log = History("r", lambda: list(self.history), lambda number, event: self.write(number, event, fence))
            return self._decide_and_do(controller, log)
        except (Killed, NotOurs):
            return None
        except MspError as error:
            if error.code not in ("MSP-EVD-019", "MSP-EVD-020"):
                raise
            return None

    def _decide_and_do(self, controller: str, log: History) -> deciding.Decision:
        running: set[str] = set()
        for _unused in range(100):
            self.between(controller)
            world = World(
                frozenset(self.scope),
                frozenset(running),
                superseded=self.superseded,
                way_back=frozenset(self.hosts) if self.plan.rollback == "downgrade" else frozenset(),
            )
            now, plan = self.now(), self.plan
            decision = deciding.decide(log.rollout, plan, now, world)
            if isinstance(decision, Wait):
                return decision
            if isinstance(decision, deciding.Look):
                running |= self._look(controller, log, decision.hosts)
            elif isinstance(decision, deciding.Judge):
                if self._judge(controller, log, decision, now):
                    return decision
            else:
                self.between(controller)
                written = log.decided(decision.event)
                self.between(controller)
                if written and isinstance(decision, deciding.Start):
                    # When it was decided, no host was begun that may not be.
                    assert set(decision.event.hosts) <= world.in_scope, "a host out of scope is begun"
                    assert inside_a_window(plan, self.planned.patch_class, now), f"{now} is outside of all windows"
                    self._work(controller, log, decision.event.hosts, closes=decision.closes)
                    return decision
                if written and isinstance(decision, deciding.RollBack):
                    self._may_go_back(decision, plan, now, log.rollout)
                    self._work(controller, log, decision.event.hosts, closes=decision.closes, back=True)
                    return decision
        raise AssertionError("a tick that does not end")

    def _look(self, controller: str, log: History, names: Iterable[str]) -> set[str]:
        running = set()
        for name in names:
            self.between(controller)
            self._still_ours(controller)
            found = self.hosts[name].look(self.true)
            if found == RUNNING:
                running.add(name)
            else:
                self._tell(controller, log, name, found)
        return running

    def _tell(self, controller: str, log: History, name: str, found: str | None, at: dt.datetime | None = None) -> None:
        self.between(controller)
        host = log.rollout.hosts[name]
        if found is None:
            log.happened(events.HostIdle(self.now(), name))
        else:
            ended = self.hosts[name].until
            at = at or (self.now() if found == "lost" or ended is None else ended)  # by the host's own clock
            healthy = None if found != "failed" else not self.hosts[name].sick
            result = HostResult(name, host.target.asset, found, at, healthy=healthy)
            log.happened(events.HostEnded(self.now(), result, self.hosts[name].takes.total_seconds()))
        self.between(controller)

    def _still_ours(self, controller: str) -> None:
        if self.holder != controller:
            raise NotOurs
        self.expires = self.true + LEASE

    def _may_go_back(self, decision: deciding.RollBack, plan: Plan, now: dt.datetime, rollout: states.Rollout) -> None:
        """Outside of the windows only what is known to be broken goes back, and nothing reboots."""
        if not inside_a_window(plan, self.planned.patch_class, now):
            assert decision.closes is None, f"{now} is outside of all windows, and hosts may reboot"
        if decision.closes is None:
            for host in (rollout.hosts[name] for name in decision.event.hosts):
                broken = host.result is not None and host.result.healthy is False
                assert broken or host.prior in DONE, f"{host.name} is not known to be broken"

    def _work(
        self, controller: str, log: History, names: tuple[str, ...], closes: dt.datetime | None, *, back: bool = False
    ) -> None:
        begun = []
        for name in names:
            self.between(controller)
            self._still_ours(controller)
            if closes is None or self.now() < closes:
                begun.append((name, self._begin(name, back=back)))
        for name, answer in begun:
            self.between(controller)
            if self.choices.pick(9) == 1:
                continue  # the connection is cut; nobody knows what became of it
            host = self.hosts[name]
            if host.reachable and host.record == RUNNING and host.until is not None:
                self.true = max(self.true, host.until)
            self._still_ours(controller)
            if answer is not None:
                self._tell(controller, log, name, answer, self.true)
                continue
            found = host.look(self.true)
            # Who did not answer to begin with has no trace of the work; that it is lost is all that is known.
            self._tell(controller, log, name, found if found is not None else "lost")

    def _begin(self, name: str, *, back: bool) -> str | None:
        host = self.hosts[name]
        before = host.record
        host.settle(self.true)
        if not back:
            assert host.record not in (RUNNING, *DONE), f"{name} is begun, and it was {host.record} ({before})"
        answer = host.start(self.true, back=back)
        for group in self.plan.apart:
            down = [one for one in group.assets if one in self.hosts and self.hosts[one].busy(self.true)]
            assert len(down) <= 1, f"{down} are down together"
        known = [one.name for one in self.rollout.working() if self.hosts[one.name].busy(self.true)]
        largest = max(len(ring.hosts) for ring in self.planned.rings)
        assert len(known) <= self.plan.rates.at_once.at_least_one(largest), f"{known} at once"
        return answer

    def _judge(self, controller: str, log: History, decision: deciding.Judge, now: dt.datetime) -> bool:
        unwell, silent = {}, {}
        assert decision.check, "a gate that asks nobody"
        for name in decision.check:
            self.between(controller)
            if not self.hosts[name].reachable:
                silent[name] = "no answer"
            elif self.hosts[name].sick:
                unwell[name] = "a unit is not active"
        left = {asset: how for asset, how in self.doubtful.items() if asset not in log.rollout.vouched}
        said = deciding.verdict(log.rollout, self.plan, decision.ring, now, unwell=unwell, silent=silent, doubtful=left)
        self.between(controller)
        written = log.decided(said)
        self.between(controller)
        return written

    # What comes between any two steps

    def between(self, controller: str | None = None) -> None:
        """Mostly nothing; else the controller dies, time passes, somebody interferes, or another controller runs."""
        what = self.choices.pick(24)
        if what == 1 and controller:
            self.kills += 1
            raise Killed
        if what == 2:
            self.true += (MINUTE, 20 * MINUTE, 3 * HOUR, 30 * HOUR)[self.choices.pick(4)]
        elif what == 3 and controller and self.depth == 0:
            self.depth += 1
            self.true += LEASE * self.choices.pick(3)
            for _unused in range(1 + self.choices.pick(3)):
                self.tick(CONTROLLERS[controller == CONTROLLERS[0]])
            self.depth -= 1
        elif what == 4:
            self._person()
        elif what == 5:
            self._change()

    def _person(self) -> None:
        action = asking.ACTIONS[self.choices.pick(4)]
        if action == asking.ABORT and self.choices.pick(3):
            return
        other = self.choices.pick(4) == 1
        manifest = "another" if other else self.planned.manifest
        try:
            said = asking.ask(self.rollout, action, by="anna", reason="so", at=self.now(), manifest=manifest)
        except MspError as error:
            assert error.code in ("MSP-PAT-070", "MSP-PAT-072"), error
            return
        assert not (action == asking.APPROVE and other), "an approval of another manifest counted"
        self.write(len(self.history) + 1, said, self.fences[-1])

    def _change(self) -> None:
        what, names = self.choices.pick(8), sorted(self.hosts)
        host = self.hosts[names[self.choices.pick(len(names))]]
        if what in (0, 1):
            host.reachable = not host.reachable
        elif what == 2:
            host.sick = not host.sick
        elif what == 3:
            self.scope ^= {host.name}
        elif what == 4 and self.choices.pick(4) == 1:
            self.superseded = "openssl 3.0.18"
        elif what == 5:
            self.offset += (HOUR, -HOUR, DAY, -DAY)[self.choices.pick(4)]
        elif what == 6:
            frozen = Freeze(self.now() - HOUR, self.now() + DAY, "stocktaking", bool(self.choices.pick(2)))
            self.plan = replace(self.plan, freezes=(*self.plan.freezes, frozen))

    # To the end

    def run(self) -> Wait:
        """Disorder until the choices are used up, then nothing but ticks: it must come to an end."""
        for _unused in range(400):
            if self.choices.used_up:
                break
            self.between()
            self._pass(self.tick(CONTROLLERS[self.choices.pick(2)]))
        self.expires = self.true
        for _unused in range(300):
            found = self.tick(CONTROLLERS[0])
            if isinstance(found, Wait) and found.kind in (deciding.OVER, deciding.HALTED):
                return found
            if isinstance(found, Wait) and found.kind == deciding.PAUSED and not self.rollout.working():
                return found
            self._pass(found)
        raise AssertionError(f"it does not end: {found}, {self.rollout}")

    def _pass(self, found: deciding.Decision | None) -> None:
        if isinstance(found, Wait) and found.until is not None:
            self.true = max(self.true + MINUTE, found.until - self.offset)
        elif isinstance(found, Wait) and found.kind == deciding.PAUSED:
            self.true += HOUR
        elif isinstance(found, Wait) and found.kind == deciding.APPROVAL:
            self.true = max(
                self.true + HOUR, (self.planned.deadline - self.offset if self.choices.used_up else self.true)
            )
        elif isinstance(found, Wait):
            self.true += 4 * HOUR if found.kind == deciding.APART else 10 * MINUTE
        else:
            self.true += 5 * MINUTE


def inside_a_window(plan: Plan, patch_class: str, now: dt.datetime) -> bool:
    """Reckoned in another way than windows.py does: by the wall clock of the evening before or of today."""
    frozen = [one for one in plan.freezes if one.start <= now < one.end]
    if any(not (patch_class == "emergency" and one.emergency) for one in frozen):
        return False
    if plan.classes[patch_class].any_time:
        return True
    local = now.astimezone(plan.zone)
    for back in (0, 1):
        day = local.date() - dt.timedelta(days=back)
        opens = dt.datetime.combine(day, dt.time(22), plan.zone).astimezone(dt.UTC)
        if opens <= now < opens + 3 * HOUR:
            return True
    return False


def make(numbers: list[int]) -> Sim:
    """A world out of numbers: a plan, its hosts and what becomes of them."""
    choices = Choices(numbers)
    start = BEGINS[choices.pick(3)]
    sizes = [(2, 1, 0, 3)[choices.pick(4)] for _unused in range(1 + choices.pick(3))]
    if not any(sizes):
        sizes[0] = 1
    names = [f"host{number}" for number in range(sum(sizes))]
    rings = tuple(
        Ring(f"r{i}", f"msp-ring-r{i}", None, soak=(2 * HOUR, dt.timedelta(0), DAY)[choices.pick(3)],
             emergency_soak=HOUR, successes=(min(1, size), 0, 1, 2)[choices.pick(4)])
        for i, size in enumerate(sizes)
    )  # fmt: skip
    apart = (Apart("pair", tuple(names[-2:])),) if choices.pick(3) == 1 else ()
    plan = replace(
        BASE,
        rings=rings,
        apart=apart,
        rates=replace(
            BASE.rates,
            at_once=Limit(1 + choices.pick(3)),
            most_failures=Limit(choices.pick(3)),
            most_lost=Limit((1, 0, 100)[choices.pick(3)], percent=choices.pick(2) == 1),
        ),
        automatic=(True, False, "security")[choices.pick(3)],
        rollback=("none", "downgrade")[choices.pick(2)],
    )
    places = iter(names)
    targets = tuple(
        events.RingTargets(
            ring.name,
            tuple(events.Target(name, f"device:{name}", name, "debian-12") for name in islice(places, size)),
        )
        for ring, size in zip(rings, sizes, strict=True)
    )
    planned = events.Planned(
        start, ("security", "emergency", "routine")[choices.pick(3)], "hash", start + 12 * DAY, targets, "anna"
    )
    hosts = {
        name: SimHost(
            name,
            (20 * MINUTE, 2 * HOUR, MINUTE, 8 * HOUR)[choices.pick(4)],
            [
                ("patched", "failed", "refused", "nothing", "rolled back", OWED)[choices.pick(6)]
                for _n in range(choices.pick(3))
            ],
            reachable=choices.pick(6) != 1,
            sick=choices.pick(9) == 1,
            bare=choices.pick(3) == 1,
        )
        for name in names
    }
    sim = Sim(choices, plan, hosts, planned, start, history=[planned], fences=[0], expires=start - DAY)
    sim.scope = set(names)
    sim.doubtful = {f"device:{name}": "failed since r0" for name in names if choices.pick(9) == 1}
    return sim
