# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a rollout is, as data and as plain lines: rings, hosts by state, the window, when it is likely done, and what
waits for what. Pure; the live view shows the same data.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching import deciding, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.course import Estimate, course
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Host, Rollout
from ansible_collections.msp.ops.plugins.plugin_utils.patching.wording import clock, length

# How far ahead windows are looked at for the likely end.
AHEAD = dt.timedelta(days=64)
# In this order, of each ring.
ORDER = (
    *(states.PATCHED, states.NOTHING, states.WORKING, states.WAITING, states.REFUSED, states.LOST, states.FAILED),
    *(states.ROLLED_BACK, states.LEFT),
)
# Words of the states for people, where the state itself would not do.
WORDS = {states.NOTHING: "had it already", states.WORKING: "at work", states.LEFT: "left out"}
# So many hosts are named in the lines; all are in the data.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class RingNow:
    """One ring: its state (the gate's among them) and its hosts by state."""

    name: str
    state: str
    hosts: Mapping[str, int]
    soak_until: dt.datetime | None

    @property
    def size(self) -> int:
        return sum(self.hosts.values())

    @property
    def done(self) -> int:
        return sum(self.hosts.get(state, 0) for state in states.DONE)


@dataclass(frozen=True, slots=True)
class HostNow:
    """A host that a person may want to know of: at work, or not as it should be."""

    host: str
    ring: str
    state: str
    since: dt.datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A rollout at one moment. end is when it is likely done, None where that depends on a person or cannot be said.

    open_until is when the present window takes no more hosts, opens when the next one does. next, why and until are the
    next decision: what comes, in words, and when.
    """

    rollout: str
    patch_class: str
    manifest: str
    state: str
    side: str | None
    number: int
    rings: tuple[RingNow, ...]
    hosts: tuple[HostNow, ...]
    open_until: dt.datetime | None
    opens: dt.datetime | None
    end: dt.datetime | None
    deadline: dt.datetime
    next: str
    why: str
    until: dt.datetime | None
    undone: tuple[str, ...]

    @property
    def over(self) -> bool:
        return self.next == deciding.OVER


# What comes next, where it is not something to wait for (then it is Wait.kind).
_NEXT = {
    deciding.Record: "step",
    deciding.Look: "look",
    deciding.Start: "begin",
    deciding.Judge: "gate",
    deciding.RollBack: "roll back",
}


def progress(rollout: Rollout, plan: Plan, now: dt.datetime, decision: deciding.Decision) -> Progress:
    """How far a rollout is. decision is what deciding.decide() says for this very moment."""
    opening = windows.open_at(plan, rollout.patch_class, now)
    accepts = opening is not None and opening.accepts(now)
    following = None if accepts or rollout.over else windows.next_opening(plan, rollout.patch_class, now)
    return Progress(
        rollout=rollout.id,
        patch_class=rollout.patch_class,
        manifest=rollout.manifest,
        state=rollout.state_at(now),
        side=rollout.side,
        number=rollout.number,
        rings=tuple(_ring(rollout, ring, now) for ring in rollout.rings),
        hosts=tuple(_noticed(rollout)),
        open_until=opening.closes if opening is not None and accepts else None,
        opens=following.start if following is not None else None,
        end=_end(rollout, plan, now),
        deadline=rollout.deadline,
        next=decision.kind if isinstance(decision, deciding.Wait) else _NEXT[type(decision)],
        why=decision.why,
        until=decision.until if isinstance(decision, deciding.Wait) else None,
        undone=rollout.undone,
    )


def _ring(rollout: Rollout, ring: states.Ring, now: dt.datetime) -> RingNow:
    counted = Counter(host.state for host in rollout.of(ring))
    return RingNow(
        ring.name, ring.state_at(now), {state: counted[state] for state in ORDER if counted[state]}, ring.soak_until
    )


def _noticed(rollout: Rollout) -> Iterator[HostNow]:
    for host in rollout.hosts.values():
        if host.unwell or host.silent or host.state not in (*states.DONE, states.WAITING):
            yield HostNow(host.name, rollout.rings[host.ring].name, host.state, host.since, _why(host))


def _why(host: Host) -> str:
    return host.unwell or host.silent or host.reason


def _end(rollout: Rollout, plan: Plan, now: dt.datetime) -> dt.datetime | None:
    """When it is likely done: the rest of the hosts at the speed so far, in the windows to come, and every soak."""
    ring = rollout.ring
    if rollout.over or rollout.side is not None or rollout.approval is None or ring is None:
        return rollout.ended
    if [one.name for one in plan.rings] != [one.name for one in rollout.rings]:
        return None
    left = {
        one.name: sum(host.state in (states.WAITING, states.WORKING) for host in rollout.of(one))
        for one in rollout.rings
    }
    begin = max(now, ring.soak_until) if ring.soak_until is not None and not left[ring.name] else now
    openings = windows.openings(plan, rollout.patch_class, begin, begin + AHEAD)
    found = course(plan, rollout.patch_class, begin, openings, Estimate(deciding.host_time(rollout), left))
    if not found.complete:
        return None
    soaks = found.legs[-1].ring.soak_for(rollout.patch_class) if found.legs else dt.timedelta(0)
    return (found.end or begin) + soaks


def as_dict(found: Progress) -> dict[str, Any]:
    """Plain values, times in ISO 8601: what a module returns."""
    return {
        "rollout": found.rollout,
        "class": found.patch_class,
        "manifest": found.manifest,
        "state": found.state,
        "side": found.side,
        "over": found.over,
        "rings": [
            {"name": ring.name, "state": ring.state, "hosts": dict(ring.hosts), "soak_until": _iso(ring.soak_until)}
            for ring in found.rings
        ],
        "hosts": [
            {"host": host.host, "ring": host.ring, "state": host.state, "since": _iso(host.since), "why": host.why}
            for host in found.hosts
        ],
        "open_until": _iso(found.open_until),
        "opens": _iso(found.opens),
        "end": _iso(found.end),
        "deadline": _iso(found.deadline),
        "next": found.next,
        "why": found.why,
        "until": _iso(found.until),
        "undone": list(found.undone),
    }


def _iso(at: dt.datetime | None) -> str | None:
    return None if at is None else at.astimezone(dt.UTC).isoformat()


def lines(found: Progress, plan: Plan, now: dt.datetime) -> list[str]:
    """The same for a person to read, where there is no terminal. Times are the customer's."""
    zone = plan.zone
    total, done = sum(ring.size for ring in found.rings), sum(ring.done for ring in found.rings)
    state = f"{found.side} at {found.state}" if found.side and not found.over else found.side or found.state
    said = [f"{found.rollout} ({found.patch_class}): {state}, {done} of {total} hosts done"]
    width = max((len(ring.name) for ring in found.rings), default=0)
    for ring in found.rings:
        hosts = ", ".join(f"{number} {WORDS.get(name, name)}" for name, number in ring.hosts.items()) or "no host"
        said.append(f"  {ring.name:<{width}}  {ring.state:<8}  {hosts}")
    for host in found.hosts[:MOST_NAMED]:
        since = f" since {clock(host.since, zone)}" if host.since else ""
        said.append(
            f"  {host.host}: {WORDS.get(host.state, host.state)}{since}" + (f": {host.why}" if host.why else "")
        )
    if len(found.hosts) > MOST_NAMED:
        said.append(f"  and {len(found.hosts) - MOST_NAMED} more hosts")
    said += [f"  {line}" for line in _times(found, plan, now)]
    said.append(f"  next: {found.why}")
    return said


def _times(found: Progress, plan: Plan, now: dt.datetime) -> Iterator[str]:
    zone = plan.zone
    if found.over:
        if found.undone:
            yield f"not done: {', '.join(found.undone)}"
        return
    if found.open_until is not None:
        yield f"window: takes hosts until {clock(found.open_until, zone)}, {length(found.open_until - now)} left"
    elif found.opens is not None:
        yield f"window: opens at {clock(found.opens, zone)}, in {length(found.opens - now)}"
    else:
        yield "window: none opens any more"
    if found.end is not None:
        yield f"likely done: {clock(found.end, zone)}"
    yield f"deadline: {clock(found.deadline, zone)}"
