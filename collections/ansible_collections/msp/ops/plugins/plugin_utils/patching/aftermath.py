# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who was left not well by a rollout, and whether anybody has seen it well since. Pure: no I/O.

A rollout ends, and a host that it lost or left unwell does not get well by that. It counts as down, and proves nothing
to another rollout, until it was seen well: by a check, where that can know, or by a person. A scan of packages says
nothing of services: it only shows that a lost host answers again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Check
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Host, Rollout

_DOWN = (states.LOST, states.FAILED)
_ENDED_WELL = (*states.DONE, states.OWED, states.ROLLED_BACK)
NOT_WELL = "not well"


@dataclass(frozen=True, slots=True)
class Down:
    """A host that was left not well: by which rollout, since when, and how. broken: a check said so."""

    target: Target
    at: dt.datetime
    state: str
    rollout: str
    broken: bool = False

    @property
    def how(self) -> str:
        return f"{self.state} since {self.rollout}"


@dataclass
class Seen:
    """When each asset was last seen after work: it answered with a result, checks said that it is well, and a person
    who was told that it may not be said so.
    """

    answered: dict[str, dt.datetime] = field(default_factory=dict)
    well: dict[str, dt.datetime] = field(default_factory=dict)
    vouched: dict[str, dt.datetime] = field(default_factory=dict)

    def add(self, other: Seen) -> None:
        for ours, theirs in (
            (self.answered, other.answered),
            (self.well, other.well),
            (self.vouched, other.vouched),
        ):
            for asset, at in theirs.items():
                ours[asset] = max(at, ours.get(asset, at))

    def clears(self, down: Down, checks: Sequence[Check]) -> bool:
        """Whether it was seen well since. checks are those that its plan asks for after work.

        A baseline that was taken when something was down already knows nothing of it, and the host says so
        (module_utils/patching/install/checks.py): healthy is no success then. Where a plan asks for no checks, work
        that came to a good end is all that can be seen, and that says nothing of what a check had called broken.
        """
        asset = down.target.asset
        if _after(self.vouched, asset, down.at):
            return True
        if down.broken and not checks:
            return False
        return _after(self.well if checks else self.answered, asset, down.at)

    def answers(self, down: Down, scans: Mapping[str, dt.datetime]) -> bool:
        """Whether a host that was lost has answered since, to a rollout or a scan; of others that says nothing."""
        asset = down.target.asset
        return down.state == states.LOST and (_after(self.answered, asset, down.at) or _after(scans, asset, down.at))


def _after(moments: Mapping[str, dt.datetime], asset: str, at: dt.datetime) -> bool:
    return (found := moments.get(asset)) is not None and found > at


@dataclass
class Aftermath:
    """What is read out of the histories of rollouts that are over, one after the other and in any order."""

    seen: Seen = field(default_factory=Seen)
    _down: dict[tuple[str, bool], Down] = field(default_factory=dict)

    def read(self, rollout: str, history: Sequence[Event]) -> None:
        """Take in one rollout, from its first event to its last."""
        left = _Left(rollout)
        for event in history:
            left.read(event)
        for down in left.down.values():
            key = down.target.asset, down.broken
            known = self._down.get(key)
            if known is None or known.at < down.at:
                self._down[key] = down
        self.seen.add(left.seen)

    def left(self) -> list[Down]:
        """All that were left not well, whoever has seen them since; the last time of each kind."""
        return list(self._down.values())


def left_open(rollout: Rollout) -> Iterator[Down]:
    """Those that a rollout which is not over has found not well, or lost, so far."""
    for host in rollout.hosts.values():
        if host.since is not None and (host.bad or host.state == states.LOST or host.left_lost or _goes_back(host)):
            yield Down(host.target, host.since, _state(host), rollout.id, host.broken)


def _state(host: Host) -> str:
    if host.state == states.LOST or host.left_lost:
        return states.LOST
    return NOT_WELL if host.unwell else states.FAILED


def _goes_back(host: Host) -> bool:
    return host.state == states.WORKING and host.rolling


def seen_open(rollouts: Iterable[Rollout], wanted: Container[str]) -> Seen:
    """What rollouts that are not over have seen so far of these assets."""
    found = Seen()
    for rollout in rollouts:
        found.add(Seen(vouched=dict(rollout.vouched)))
        for host in rollout.hosts.values():
            if host.target.asset not in wanted or host.since is None or host.unwell or host.state not in _ENDED_WELL:
                continue
            known = {host.target.asset: host.since}
            found.add(Seen(known, known if host.result is not None and host.result.healthy else {}))
    return found


@dataclass
class _Left:
    """How one rollout left its hosts: those that are not well, by name, and what was seen."""

    rollout: str
    targets: dict[str, Target] = field(default_factory=dict)
    rings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    down: dict[str, Down] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    back: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)
    seen: Seen = field(default_factory=Seen)

    def read(self, event: Event) -> None:
        if isinstance(event, events.Planned):
            self.targets = {target.host: target for ring in event.rings for target in ring.hosts}
            self.rings = {ring.name: tuple(target.host for target in ring.hosts) for ring in event.rings}
        elif isinstance(event, events.RollbackStarted):
            self.back.update(event.hosts)
        elif isinstance(event, events.BatchStarted):
            self.back.difference_update(event.hosts)
        elif isinstance(event, events.HostEnded):
            self._ended(event)
        elif isinstance(event, events.HostIdle):
            self._idle(event.host)
        elif isinstance(event, events.Resumed):
            self.seen.add(Seen(vouched=dict.fromkeys(self.doubted, event.at)))
            self.doubted = set()
        self._judged(event)

    def _idle(self, name: str) -> None:
        """No trace of work: it is as it was before, and what was broken then still is."""
        known = self.down.get(name)
        if name not in self.back and known is not None and not known.broken:
            del self.down[name]

    def _ended(self, event: events.HostEnded) -> None:
        name, outcome, healthy = event.result.host, event.result.outcome, event.result.healthy
        self.done.discard(name)
        known = self.down.get(name)
        if outcome in _DOWN:
            # Who gives no answer on its way back is as broken as before.
            broken = healthy is False or (outcome == states.LOST and known is not None and known.broken)
            self.down[name] = Down(self.targets[name], event.at, outcome, self.rollout, broken)
        elif outcome == states.REFUSED or (outcome == states.NOTHING and name in self.back and known and known.broken):
            return  # nothing was done then: it is as it was
        else:
            self.down.pop(name, None)
            self.done.add(name)
            at = {self.targets[name].asset: event.at}
            self.seen.add(Seen(at, at if healthy else {}))

    def _judged(self, event: Event) -> None:
        if isinstance(event, events.GateFailed | events.Halted):
            self.doubted.update(event.doubted)
        if not isinstance(event, events.GatePassed | events.GateFailed):
            return
        for name in self.rings.get(event.ring, ()):
            target = self.targets[name]
            if name in event.unwell:
                self.down[name] = Down(target, event.at, NOT_WELL, self.rollout, broken=True)
            elif name in self.down and self.down[name].state == NOT_WELL:
                del self.down[name]
            doubted = {*event.unwell, *event.silent}
            if name in self.done and name not in doubted and target.asset not in event.doubted:
                self.seen.add(Seen({target.asset: event.at}, {target.asset: event.at}))
