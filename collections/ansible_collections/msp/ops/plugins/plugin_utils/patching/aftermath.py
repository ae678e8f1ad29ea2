# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may still be down since a rollout that is over. Pure: no I/O.

A rollout ends, and a host that it lost or left unwell does not get well by that. It counts as down until somebody has
seen it since: another rollout that was done with it, or a good scan.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event, Target

_DOWN = (states.LOST, states.FAILED)
NOT_WELL = "not well"


@dataclass(frozen=True, slots=True)
class Down:
    """A host that may be down: since when, and how it was left, in words."""

    target: Target
    at: dt.datetime
    how: str


@dataclass
class Aftermath:
    """What is read out of the histories of rollouts that are over, one after the other and in any order."""

    _down: dict[str, Down] = field(default_factory=dict)
    _up: dict[str, dt.datetime] = field(default_factory=dict)

    def read(self, rollout: str, history: Sequence[Event]) -> None:
        """Take in one rollout, from its first event to its last."""
        left = _Left()
        for event in history:
            left.read(event)
        for name, (at, how) in left.down.items():
            target = left.targets[name]
            known = self._down.get(target.asset)
            if known is None or known.at < at:
                self._down[target.asset] = Down(target, at, f"{how} since {rollout}")
        for name, at in left.up.items():
            asset = left.targets[name].asset
            self._up[asset] = max(at, self._up.get(asset, at))

    def down(self, seen: Mapping[str, dt.datetime]) -> list[Down]:
        """Those that nobody has seen since. seen is when each asset was last found well by anybody else."""
        return [one for asset, one in self._down.items() if not self._seen_since(asset, one.at, seen)]

    def _seen_since(self, asset: str, at: dt.datetime, seen: Mapping[str, dt.datetime]) -> bool:
        return any(moment is not None and moment > at for moment in (self._up.get(asset), seen.get(asset)))


@dataclass
class _Left:
    """How one rollout left its hosts: since when each is down and how, or up."""

    targets: dict[str, Target] = field(default_factory=dict)
    rings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    down: dict[str, tuple[dt.datetime, str]] = field(default_factory=dict)
    up: dict[str, dt.datetime] = field(default_factory=dict)
    back: set[str] = field(default_factory=set)

    def read(self, event: Event) -> None:
        if isinstance(event, events.Planned):
            self.targets = {target.host: target for ring in event.rings for target in ring.hosts}
            self.rings = {ring.name: tuple(target.host for target in ring.hosts) for ring in event.rings}
        elif isinstance(event, events.RollbackStarted):
            self.back.update(event.hosts)
        elif isinstance(event, events.HostEnded):
            self._ended(event)
        elif isinstance(event, events.HostIdle) and event.host not in self.back:
            self.down.pop(event.host, None)
        elif isinstance(event, events.GatePassed | events.GateFailed):
            self._judged(event)

    def _ended(self, event: events.HostEnded) -> None:
        name, outcome = event.result.host, event.result.outcome
        if outcome in _DOWN:
            self.down[name] = (event.at, outcome)
            self.up.pop(name, None)
        elif outcome != states.REFUSED:  # nothing was done then: it is as it was
            self.down.pop(name, None)
            self.up[name] = event.at

    def _judged(self, event: events.GatePassed | events.GateFailed) -> None:
        for name in self.rings.get(event.ring, ()):
            if name in event.unwell:
                self.down[name] = (event.at, NOT_WELL)
                self.up.pop(name, None)
            elif self.down.get(name, (None, ""))[1] == NOT_WELL:
                del self.down[name]
