# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rollouts in made worlds, to the end: no host patched twice, forgotten or left unknown, whatever dies and whenever."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.plugin_utils.patching import deciding, events
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.patching.simulated import (
    DONE,
    OWED,
    RUNNING,
    Sim,
    make,
)

WORLDS = st.lists(st.integers(0, 1439), min_size=60, max_size=400)


@settings(max_examples=40, deadline=None)
@given(WORLDS)
def test_whatever_happens_a_rollout_ends_and_every_host_is_what_it_says(numbers: list[int]) -> None:
    check(numbers)


def check(numbers: list[int], sim: Sim | None = None) -> Sim:
    """Carry a rollout out in the world that these numbers make, and hold it against everything that must be so."""
    sim = sim or make(numbers)
    end = sim.run()
    _hosts_are_what_it_says(sim, end)
    steps_were_allowed(sim.plan, sim.planned, sim.history)
    return sim


def _hosts_are_what_it_says(sim: Sim, end: deciding.Wait) -> None:
    rollout = sim.rollout
    assert set(rollout.hosts) == set(sim.hosts)
    assert (end.kind == deciding.OVER) == rollout.over
    may: dict[str, set[str | None]] = {
        states.WAITING: {None, "refused", "failed", "rolled back"},
        states.PATCHED: {"patched"},
        states.NOTHING: {"nothing"},
        states.REFUSED: {"refused"},
        states.FAILED: {"failed"},
        states.ROLLED_BACK: {"rolled back"},
        states.OWED: {OWED},
        states.LEFT: {None, "refused", "failed", "rolled back", OWED, *DONE},
    }
    for name, host in rollout.hosts.items():
        real = sim.hosts[name]
        real.settle(sim.true)
        assert real.patches <= 1 + real.backs, f"{name} was patched {real.patches} times"
        if host.state != states.LOST and not host.left_lost:
            taken_back = host.state == states.ROLLED_BACK and real.bare and real.record == "failed"
            assert taken_back or real.record in may[host.state], (
                f"{name} is {real.record}, and the rollout says {host.state}"
            )
            assert real.record != RUNNING
        if host.state == states.FAILED and host.went_back:
            assert real.back or real.bare, (
                f"{name} was never begun to go back, and the rollout says that it did not work"
            )
        if rollout.over and not host.done and host.state != states.LEFT:
            assert name in rollout.undone, f"{name} is forgotten"
    assert not rollout.working()


def steps_were_allowed(plan: Plan, planned: events.Planned, history: Iterable[events.Event]) -> None:
    """The history, read by other rules than those that made it."""
    reader = _Reader(plan, planned)
    for event in history:
        reader.read(event)


class _Reader:
    """What is known so far: what became of each host last, and who was looked at since it was begun."""

    def __init__(self, plan: Plan, planned: events.Planned) -> None:
        self.plan, self.planned = plan, planned
        self.ring_of = {target.host: ring.name for ring in planned.rings for target in ring.hosts}
        self.order = [ring.name for ring in planned.rings]
        self.passed: list[str] = []
        self.last: dict[str, str] = {}
        self.before: dict[str, str] = {}  # what a host was before its rollback
        self.left: set[str] = set()
        self.looked: set[str] = set(self.ring_of)
        self.empty: set[str] = set()  # rings that failed their gate for want of hosts
        self.told: set[str] = set()  # and that a person then resumed
        self.doubted: set[str] = set()  # whom a gate named as in doubt
        self.vouched: set[str] = set()  # and that a person then called well
        self.approved = self.stopped = False

    def read(self, event: events.Event) -> None:
        getattr(self, "on_" + event.kind.replace(" ", "_"), lambda _event: None)(event)
        if isinstance(event, events.Paused | events.AbortAsked | events.Halted | events.GateFailed):
            self.stopped = True

    def on_approved(self, event: events.Approved) -> None:
        assert event.manifest == self.planned.manifest
        self.approved = True

    def on_resumed(self, _event: events.Resumed) -> None:
        self.stopped = False
        self.told |= self.empty
        self.vouched |= self.doubted
        self.looked |= {name for name, outcome in self.last.items() if outcome in ("failed", "rolled back")}

    def on_host_idle(self, event: events.HostIdle) -> None:
        self.looked.add(event.host)
        self.last[event.host] = self.before.pop(event.host, "")

    def on_host_left(self, event: events.HostLeft) -> None:
        self.left.add(event.host)

    def on_host_back(self, event: events.HostBack) -> None:
        self.left.remove(event.host)

    def on_rollback_started(self, event: events.RollbackStarted) -> None:
        assert self.stopped, "rolled back while it goes on"
        self.before |= {name: self.last.get(name, "") for name in event.hosts}

    def on_host_result(self, event: events.HostEnded) -> None:
        name, outcome = event.result.host, event.result.outcome
        if outcome == "nothing" and name in self.before:  # nothing to take back
            outcome = "rolled back" if self.before[name] == "failed" else self.before[name]
        self.last[name] = outcome
        if outcome != "lost":
            self.before.pop(name, None)
        if outcome in ("refused", OWED):
            self.looked.add(name)

    def on_batch_started(self, event: events.BatchStarted) -> None:
        assert self.approved, "begun without an approval"
        assert not self.stopped, "begun while it was stopped"
        assert self.order[: self.order.index(event.ring)] == self.passed, "begun before the ring before it passed"
        assert {self.ring_of[name] for name in event.hosts} == {event.ring}
        assert not self.left.intersection(event.hosts), "begun after it left"
        assert self.looked.issuperset(event.hosts), "begun again without a look"
        self.looked.difference_update(event.hosts)

    def on_gate_failed(self, event: events.GateFailed) -> None:
        self.doubted = set(event.doubted)
        if all(name in self.left for name, ring in self.ring_of.items() if ring == event.ring):
            self.empty.add(event.ring)

    def on_gate_passed(self, event: events.GatePassed) -> None:
        ours = [name for name, ring in self.ring_of.items() if ring == event.ring and name not in self.left]
        assert not self.vouched.intersection(event.doubted), "in doubt after a person's word"
        if ours or event.ring not in self.told:
            _may_pass(self.plan, event, [self.last.get(name, "") for name in ours])
        self.passed.append(event.ring)

    def on_completed(self, _event: events.Completed) -> None:
        assert self.passed == self.order


def _may_pass(plan: Plan, event: events.GatePassed, outcomes: list[str]) -> None:
    """The gate's rule in its own words: all hosts of the ring count, in one way or another."""
    rule = next(ring for ring in plan.rings if ring.name == event.ring)
    done = sum(outcome in DONE for outcome in outcomes)
    failed = sum(outcome in ("failed", "refused", "rolled back") for outcome in outcomes)
    total, well = len(outcomes), done - len(event.unwell) - len(event.silent) - len(event.doubted)
    assert well >= rule.successes
    assert failed + len(event.unwell) <= plan.rates.most_failures.of(total)
    assert total - done - failed + len(event.silent) <= plan.rates.most_lost.of(total)
    assert well > 0 or total == 0
