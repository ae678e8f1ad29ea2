# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rollout as its events make it: the state of the whole, of each ring and of each host. Pure.

An event that cannot follow the ones before is refused with MSP-PAT-070: every step that is recorded was possible. It
knows no plan and no clock; what happens next is deciding.py's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import OUTCOMES, HostResult
from ansible_collections.msp.ops.plugins.plugin_utils.patching.wording import named

# A host: not begun; begun, and nothing known of it yet; what became of it (records.OUTCOMES); no business of ours.
PATCHED, NOTHING, REFUSED, FAILED, LOST, ROLLED_BACK, OWED = OUTCOMES
WAITING, WORKING, LEFT = "waiting", "working", "left"
DONE = frozenset((PATCHED, NOTHING))
# What may be begun: of a host that owes a reboot that is all that is left.
TO_DO = frozenset((WAITING, REFUSED, OWED))
# A ring, and the rollout as a whole.
PLANNED, APPROVED, ACTIVE, SOAKING, GATE, COMPLETE = "planned", "approved", "active", "soaking", "gate", "complete"
# Beside it: nothing is begun in any of them. The last five are over.
PAUSED, HALTED, ABORTING = "paused", "halted", "aborting"
ABORTED, SUPERSEDED, EXPIRED, SIDE_ROLLED_BACK = "aborted", "superseded", "expired", "rolled back"
_CLOSED = {
    events.Aborted: ABORTED,
    events.Superseded: SUPERSEDED,
    events.Expired: EXPIRED,
    events.RolledBack: SIDE_ROLLED_BACK,
}


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a rollout. since is when its state began, begun when its last batch was.

    begins counts how often it was begun, losses how often in a row it was lost. rolling: the work on it is, or was, the
    way back; prior is its state before that, and went_back: it came to an end. left_as is its state before it left.
    unwell and silent say what the gate found; seconds how long the work took.
    """

    target: Target
    ring: int
    state: str = WAITING
    since: dt.datetime | None = None
    begun: dt.datetime | None = None
    begins: int = 0
    losses: int = 0
    rolling: bool = False
    prior: str = ""
    left_as: str = ""
    went_back: bool = False
    unwell: str = ""
    silent: str = ""
    reason: str = ""
    result: HostResult | None = None
    seconds: float | None = None

    @property
    def name(self) -> str:
        return self.target.host

    @property
    def done(self) -> bool:
        return self.state in DONE

    @property
    def proves(self) -> bool:
        """It is done, and has some of the packages: a host without any of them says nothing about them."""
        return self.done and not self.has_none

    @property
    def has_none(self) -> bool:
        """It was asked, and has none of the packages."""
        return self.state == NOTHING and self.result is not None and self.result.there == ()

    @property
    def bad(self) -> bool:
        """It is not as it should be after the work: it failed, or a gate found it not well."""
        return self.state == FAILED or bool(self.unwell)

    @property
    def broken(self) -> bool:
        """A check says that it is not well: known, not only feared."""
        return bool(self.unwell) or (self.result is not None and self.result.healthy is False)

    @property
    def maybe_down(self) -> bool:
        """Nobody may rely on it now: it is worked on, nothing is known of it, or it is not well."""
        return self.state in (WORKING, LOST, FAILED) or self.left_lost or bool(self.unwell)

    @property
    def left_lost(self) -> bool:
        """It left before anybody knew what became of the work on it."""
        return self.state == LEFT and self.left_as == LOST


@dataclass(frozen=True, slots=True)
class Ring:
    """One ring. hosts are names, in order. state is one of WAITING, ACTIVE, SOAKING, COMPLETE."""

    name: str
    hosts: tuple[str, ...]
    state: str = WAITING
    opened: dt.datetime | None = None
    soak_until: dt.datetime | None = None
    completed: dt.datetime | None = None
    counts: events.Counts | None = None

    def state_at(self, now: dt.datetime) -> str:
        """The state as a person sees it: a ring whose soak is over stands at its gate."""
        return GATE if self.state == SOAKING and self.soak_until is not None and self.soak_until <= now else self.state


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rollout at one moment of its history. number is that of its last event, last when that was.

    side is None while it goes on by itself; why says what stopped it, in words. resumed is when a person last resumed
    it after it had halted. doubted are the assets that it halted for, because another rollout left them not well;
    vouched those that a person resumed it for all the same, and when.
    """

    id: str
    patch_class: str
    manifest: str
    planned: dt.datetime
    planned_by: str
    deadline: dt.datetime
    rings: tuple[Ring, ...]
    hosts: Mapping[str, Host]
    number: int
    last: dt.datetime
    approval: events.Approved | None = None
    side: str | None = None
    why: str = ""
    resumed: dt.datetime | None = None
    doubted: tuple[str, ...] = ()
    vouched: Mapping[str, dt.datetime] = field(default_factory=dict)
    ended: dt.datetime | None = None
    undone: tuple[str, ...] = ()
    seconds: tuple[float, ...] = field(default=(), repr=False)

    @property
    def over(self) -> bool:
        return self.ended is not None

    @property
    def ring(self) -> Ring | None:
        """The ring that it is at: the first that is not complete. None when all are."""
        return next((ring for ring in self.rings if ring.state != COMPLETE), None)

    def state_at(self, now: dt.datetime) -> str:
        """The state of the whole, side states aside: that of the ring it is at, once it is approved."""
        if self.approval is None:
            return PLANNED
        ring = self.ring
        if ring is None:
            return COMPLETE
        return APPROVED if ring is self.rings[0] and ring.state == WAITING else ring.state_at(now)

    def of(self, ring: Ring) -> list[Host]:
        return [self.hosts[name] for name in ring.hosts]

    def working(self) -> list[Host]:
        """The hosts that were begun and of which nothing is known yet, in the order of the rings."""
        return [host for host in self.hosts.values() if host.state == WORKING]

    def lacking(self) -> tuple[str, ...]:
        """The hosts that do not have what the rollout installs, or of which that is not known."""
        return tuple(host.name for host in self.hosts.values() if not host.done and host.state != LEFT)

    def after(self, event: Event) -> Rollout:
        """The rollout with one more event; MSP-PAT-070 where it cannot follow."""
        if self.over:
            raise _refused(self, event, f"the rollout is over since {self.last:%Y-%m-%d %H:%M} UTC")
        return replace(_apply(event, self), number=self.number + 1, last=event.at)


def fold(rollout_id: str, history: Iterable[Event]) -> Rollout:
    """The rollout that a history makes. MSP-PAT-070 where one of its events cannot follow those before."""
    steps = iter(history)
    first = next(steps, None)
    if not isinstance(first, events.Planned):
        raise MspError(
            "MSP-PAT-070",
            f"a history of rollout {rollout_id} that begins with how it was planned",
            "no event" if first is None else f"the event {first.kind!r}",
            "report this as a defect: the rollout was recorded by something else than msp.ops",
        )
    rollout = begin(rollout_id, first)
    for event in steps:
        rollout = rollout.after(event)
    return rollout


def begin(rollout_id: str, planned: events.Planned) -> Rollout:
    """A rollout that was only planned. MSP-PAT-074 for a host that is in it twice, and for rings of one name."""
    hosts: dict[str, Host] = {}
    twice = {ring.name for i, ring in enumerate(planned.rings) if ring.name in {r.name for r in planned.rings[:i]}}
    for number, ring in enumerate(planned.rings):
        for target in ring.hosts:
            if target.host in hosts:
                twice.add(target.host)
            hosts[target.host] = Host(target, number)
    if twice or not planned.rings:
        raise MspError(
            "MSP-PAT-074",
            f"rings for rollout {rollout_id}, each of its own name, and each host in one of them once",
            f"{named(sorted(twice))} twice" if twice else "no ring",
            "correct the rings of the patch plan (playbooks/patch_calendar.yml shows who is in which)",
        )
    rings = tuple(Ring(ring.name, tuple(target.host for target in ring.hosts)) for ring in planned.rings)
    return Rollout(
        id=rollout_id,
        patch_class=planned.patch_class,
        manifest=planned.manifest,
        planned=planned.at,
        planned_by=planned.by,
        deadline=planned.deadline,
        rings=rings,
        hosts=hosts,
        number=1,
        last=planned.at,
    )


def _refused(rollout: Rollout, event: Event, why: str) -> MspError:
    return MspError(
        "MSP-PAT-070",
        f"an event that can follow event {rollout.number} of rollout {rollout.id}",
        f"{event.kind!r}, but {why}",
        "read the rollout again and let the next tick decide; where that does not help, report it as a defect",
    )


def _need(rollout: Rollout, event: Event, *needs: tuple[bool, str]) -> None:
    """Refuse an event for the first need that is not met."""
    for met, otherwise in needs:
        if not met:
            raise _refused(rollout, event, otherwise)


@singledispatch
def _apply(event: Event, rollout: Rollout) -> Rollout:
    raise _refused(rollout, event, "it was planned before")


@_apply.register
def _when_approved(event: events.Approved, rollout: Rollout) -> Rollout:
    _need(
        rollout,
        event,
        (rollout.approval is None, "it is approved already"),
        (rollout.side in (None, PAUSED), f"it is {rollout.side}"),
    )
    if event.manifest != rollout.manifest:
        raise MspError(
            "MSP-PAT-072",
            f"an approval of manifest {rollout.manifest}, which rollout {rollout.id} installs",
            f"one of manifest {event.manifest}",
            "look at what the rollout installs now, and approve that",
        )
    return replace(rollout, approval=event)


@_apply.register
def _when_paused(event: events.Paused, rollout: Rollout) -> Rollout:
    _need(rollout, event, (rollout.side is None, f"it is {rollout.side}"))
    return replace(rollout, side=PAUSED, why=f"paused by {event.by}: {event.reason}")


@_apply.register
def _when_resumed(event: events.Resumed, rollout: Rollout) -> Rollout:
    _need(rollout, event, (rollout.side in (PAUSED, HALTED), "it is neither paused nor halted"))
    going_on = replace(rollout, side=None, why="")
    if rollout.side == PAUSED:
        return going_on
    vouched = {**rollout.vouched, **dict.fromkeys(rollout.doubted, event.at)}
    return _offered_again(replace(going_on, resumed=event.at, doubted=(), vouched=vouched), event.at)


def _offered_again(rollout: Rollout, at: dt.datetime) -> Rollout:
    """After a halt: what is not done in the ring waits again, and where work may still be going on it is looked at."""
    ring = rollout.ring
    if ring is None or ring.state == WAITING:
        return rollout
    hosts = dict(rollout.hosts)
    for host in rollout.of(ring):
        if host.state in (FAILED, REFUSED, ROLLED_BACK):
            hosts[host.name] = replace(host, state=WAITING, since=at, went_back=False, unwell="", silent="")
        elif host.state == LOST:
            hosts[host.name] = replace(host, state=WORKING, since=at, silent="")
        else:
            hosts[host.name] = replace(host, unwell="", silent="")
    return replace(_with_ring(rollout, ring, replace(ring, state=ACTIVE, soak_until=None)), hosts=hosts)


@_apply.register
def _when_abort_asked(event: events.AbortAsked, rollout: Rollout) -> Rollout:
    _need(rollout, event, (rollout.side != ABORTING, "that was asked already"))
    return replace(rollout, side=ABORTING, why=f"aborted by {event.by}: {event.reason}")


def _with_ring(rollout: Rollout, old: Ring, new: Ring) -> Rollout:
    return replace(rollout, rings=tuple(new if ring is old else ring for ring in rollout.rings))


def _current(event: Event, name: str, rollout: Rollout) -> Ring:
    """The ring that an event names, which must be the one that the rollout is at."""
    ring = rollout.ring
    if ring is None or ring.name != name:
        raise _refused(rollout, event, f"it is at {f'ring {ring.name}' if ring else 'its end'}, not at ring {name}")
    return ring


def _goes_on(event: Event, rollout: Rollout) -> None:
    _need(
        rollout,
        event,
        (rollout.approval is not None, "nobody approved it"),
        (rollout.side is None, f"it is {rollout.side}"),
    )


@_apply.register
def _when_ring_opened(event: events.RingOpened, rollout: Rollout) -> Rollout:
    _goes_on(event, rollout)
    ring = _current(event, event.ring, rollout)
    _need(rollout, event, (ring.state == WAITING, f"the ring is {ring.state}"))
    return _with_ring(rollout, ring, replace(ring, state=ACTIVE, opened=event.at))


@_apply.register
def _when_batch_started(event: events.BatchStarted, rollout: Rollout) -> Rollout:
    _goes_on(event, rollout)
    ring = _current(event, event.ring, rollout)
    _need(rollout, event, (ring.state in (ACTIVE, SOAKING), f"the ring is {ring.state}"))
    hosts = dict(rollout.hosts)
    for host in _each(event, event.hosts, rollout, ring.hosts):
        _need(rollout, event, (host.state in TO_DO, f"{host.name} is {host.state}"))
        hosts[host.name] = _begun(host, event.at, rolling=False)
    return replace(rollout, hosts=hosts)


@_apply.register
def _when_rollback_started(event: events.RollbackStarted, rollout: Rollout) -> Rollout:
    _need(rollout, event, (rollout.side == HALTED, "only what halted is rolled back"))
    hosts = dict(rollout.hosts)
    for host in _each(event, event.hosts, rollout, tuple(rollout.hosts)):
        _need(
            rollout,
            event,
            (host.state == FAILED or bool(host.unwell), f"{host.name} is {host.state}"),
            (not host.went_back, f"{host.name} was rolled back before"),
        )
        hosts[host.name] = _begun(host, event.at, rolling=True)
    return replace(rollout, hosts=hosts)


def _begun(host: Host, at: dt.datetime, *, rolling: bool) -> Host:
    return replace(host, state=WORKING, since=at, begun=at, begins=host.begins + 1, rolling=rolling, prior=host.state)


def _each(event: Event, names: tuple[str, ...], rollout: Rollout, among: tuple[str, ...]) -> list[Host]:
    """The hosts that an event names, once each and at least one."""
    wrong = sorted(set(names) - set(among))
    _need(
        rollout,
        event,
        (bool(names) and len(set(names)) == len(names), "it names no host, or one twice"),
        (not wrong, f"{named(wrong)} is not in it"),
    )
    return [rollout.hosts[name] for name in names]


def _one(event: Event, name: str, rollout: Rollout, allowed: Callable[[Host], bool]) -> Host:
    host = rollout.hosts.get(name)
    if host is None or not allowed(host):
        raise _refused(rollout, event, f"{name} is {host.state if host else 'no host of it'}")
    return host


@_apply.register
def _when_host_ended(event: events.HostEnded, rollout: Rollout) -> Rollout:
    host = _one(event, event.result.host, rollout, lambda host: host.state in (WORKING, LOST))
    outcome = event.result.outcome
    _need(rollout, event, (outcome in OUTCOMES, f"{outcome!r} is no outcome"))
    if host.rolling and (outcome in (REFUSED, OWED, *DONE) or _known_before(host, event)):
        return _with_host(rollout, _not_back(host, event))
    ended = replace(
        host,
        state=outcome,
        since=event.at,
        losses=host.losses + 1 if outcome == LOST else 0,
        result=event.result,
        reason=event.result.reason,
        went_back=host.rolling and outcome != LOST,
        unwell=host.unwell if host.rolling and outcome == LOST else "",
        silent="",
        seconds=event.seconds if event.seconds is not None else host.seconds,
    )
    took = () if event.seconds is None or host.rolling or outcome != PATCHED else (event.seconds,)
    return replace(_with_host(rollout, ended), seconds=rollout.seconds + took)


def _with_host(rollout: Rollout, host: Host) -> Rollout:
    return replace(rollout, hosts={**rollout.hosts, host.name: host})


def _known_before(host: Host, event: events.HostEnded) -> bool:
    """A failure that is no newer than what was known when the way back was begun: it is the one on the way there."""
    failed = event.result.outcome == FAILED
    return failed and host.result is not None and event.result.at <= host.result.at


def _not_back(host: Host, event: events.HostEnded) -> Host:
    """The way back did not begin: it was refused, or there is nothing to take back, and it is tried no more; or all
    that is there is from the way there.
    """
    nothing = event.result.outcome == NOTHING and (host.result is None or event.result.at > host.result.at)
    tried = nothing or event.result.outcome == REFUSED
    # What has none of the versions, and is not known to be broken, is as what went back.
    state = ROLLED_BACK if nothing and host.prior == FAILED and not host.broken else host.prior
    reason = event.result.reason if tried else host.reason
    return replace(host, state=state, since=event.at, losses=0, rolling=False, went_back=tried, reason=reason)


@_apply.register
def _when_host_idle(event: events.HostIdle, rollout: Rollout) -> Rollout:
    host = _one(event, event.host, rollout, lambda host: host.state in (WORKING, LOST))
    # What was to be rolled back is as it was before: not well, and the way back was not tried.
    state = host.prior if host.rolling else WAITING
    idle = replace(host, state=state, since=event.at, losses=0, rolling=False)
    return _with_host(rollout, idle)


@_apply.register
def _when_host_left(event: events.HostLeft, rollout: Rollout) -> Rollout:
    host = _one(event, event.host, rollout, lambda host: host.state not in (WORKING, LEFT))
    gone = replace(host, state=LEFT, since=event.at, reason=event.reason, left_as=host.state)
    return _with_host(rollout, gone)


@_apply.register
def _when_host_back(event: events.HostBack, rollout: Rollout) -> Rollout:
    host = _one(event, event.host, rollout, lambda host: host.state == LEFT)
    back = replace(host, state=host.left_as, since=event.at, reason="")
    return _with_host(rollout, back)


@_apply.register
def _when_soak_started(event: events.SoakStarted, rollout: Rollout) -> Rollout:
    _goes_on(event, rollout)
    ring = _current(event, event.ring, rollout)
    open_still = [host.name for host in rollout.of(ring) if host.state in (WAITING, WORKING, OWED)]
    _need(
        rollout,
        event,
        (ring.state == ACTIVE, f"the ring is {ring.state}"),
        (not open_still, f"{named(open_still)} has no result yet"),
    )
    return _with_ring(rollout, ring, replace(ring, state=SOAKING, soak_until=event.until))


def _at_gate(event: events.GatePassed | events.GateFailed, rollout: Rollout) -> Rollout:
    _goes_on(event, rollout)
    ring = _current(event, event.ring, rollout)
    working = [host.name for host in rollout.of(ring) if host.state == WORKING]
    _need(
        rollout,
        event,
        (ring.state == SOAKING, f"the ring is {ring.state}"),
        (ring.soak_until is not None and ring.soak_until <= event.at, "its soak is not over"),
        (not working, f"nothing is known of {named(working)}"),
    )
    hosts = dict(rollout.hosts)
    for host in rollout.of(ring):
        hosts[host.name] = replace(host, unwell=event.unwell.get(host.name, ""), silent=event.silent.get(host.name, ""))
    return replace(_with_ring(rollout, ring, replace(ring, counts=event.counts)), hosts=hosts)


@_apply.register
def _when_gate_passed(event: events.GatePassed, rollout: Rollout) -> Rollout:
    judged = _at_gate(event, rollout)
    ring = _current(event, event.ring, judged)
    return _with_ring(judged, ring, replace(ring, state=COMPLETE, completed=event.at))


@_apply.register
def _when_gate_failed(event: events.GateFailed, rollout: Rollout) -> Rollout:
    why = f"ring {event.ring} did not pass: {event.why}"
    return replace(_at_gate(event, rollout), side=HALTED, why=why, doubted=tuple(event.doubted))


@_apply.register
def _when_halted(event: events.Halted, rollout: Rollout) -> Rollout:
    _need(rollout, event, (rollout.side is None, f"it is {rollout.side}"))
    return replace(rollout, side=HALTED, why=event.why, doubted=tuple(event.doubted))


@_apply.register
def _when_completed(event: events.Completed, rollout: Rollout) -> Rollout:
    _goes_on(event, rollout)
    _need(rollout, event, (rollout.ring is None, f"ring {rollout.ring.name if rollout.ring else ''} is not complete"))
    return _closed(event, rollout, side=None, why="", undone=rollout.lacking())


@_apply.register(events.Aborted)
@_apply.register(events.Superseded)
@_apply.register(events.Expired)
@_apply.register(events.RolledBack)
def _when_over(
    event: events.Aborted | events.Superseded | events.Expired | events.RolledBack, rollout: Rollout
) -> Rollout:
    needed = {events.Aborted: ABORTING, events.RolledBack: HALTED}.get(type(event), rollout.side)
    _need(rollout, event, (rollout.side == needed, f"it is not {needed}"))
    why = f"superseded by {event.by}" if isinstance(event, events.Superseded) else rollout.why
    return _closed(event, rollout, side=_CLOSED[type(event)], why=why, undone=event.undone)


def _closed(event: Event, rollout: Rollout, *, side: str | None, why: str, undone: tuple[str, ...]) -> Rollout:
    """The end. It is known of every host what became of it; who lacks it is told in full."""
    working = [host.name for host in rollout.working()]
    forgotten = sorted(set(rollout.lacking()) - set(undone))
    _need(
        rollout,
        event,
        (not working, f"nothing is known of {named(working)}"),
        (not forgotten, f"{named(forgotten)} is not told of"),
    )
    return replace(rollout, side=side, why=why, ended=event.at, undone=undone)
