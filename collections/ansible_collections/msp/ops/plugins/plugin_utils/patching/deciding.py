# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The next thing that a rollout does, out of its history, the plan, the time and the world. Pure: it does nothing.

A tick asks again after each Record and each Look, with what that brought, and ends with the first Start, Judge,
RollBack or Wait. What was begun is looked at before anything else is done. now is the evidence store's clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.plugin_utils.patching import events, gate, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.course import HOST_TIME, latest_begin
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Apart, Freeze, Plan, respects
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Ring as PlanRing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Host, Ring, Rollout
from ansible_collections.msp.ops.plugins.plugin_utils.patching.windows import Opening
from ansible_collections.msp.ops.plugins.plugin_utils.patching.wording import clock, length, named

# How long after a host was lost or refused it is asked again; each time that it is lost again, twice as long.
RETRY = dt.timedelta(minutes=15)
LONGEST_RETRY = dt.timedelta(hours=4)
# A host that is still at work after this is taken for lost; a look at it goes on to say what became of it.
LONGEST_WORK = dt.timedelta(hours=6)
# How far a clock may be behind the last event and still be taken for right.
CLOCK = dt.timedelta(minutes=2)
# Of so many of the last hosts the slow ones (the slowest in ten aside) say how long a host takes.
LAST_HOSTS = 50

# What keeps a ring from soaking: a host that was not begun, or that has yet to reboot.
_MUST = (states.WAITING, states.OWED)

# What a rollout waits for: Wait.kind.
OVER, RUNNING, CLOCK_BACK, HALTED, PAUSED, APPROVAL = "over", "running", "clock", "halted", "paused", "approval"
WINDOW, FREEZE, SOAK, AT_ONCE, APART = "window", "freeze", "soak", "at once", "apart"


@dataclass(frozen=True, slots=True)
class World:
    """What is so now, outside of the rollout. Hosts by name.

    in_scope: those that may be touched today. running: those that a look of this very tick found at work on this
    rollout. busy: those that another rollout of the customer works on, or asks something just now. down: those that may
    be down since another rollout, also one that is over, each with how it left them; unseen: those of them, by asset
    key, that only a check or a person can call well. left_out: those that have nothing left to install, each with why
    (portion.py). superseded: the security fix that came, in words. way_back: those whose plan allows a rollback, and
    that have nothing stateful.
    """

    in_scope: frozenset[str]
    running: frozenset[str] = frozenset()
    busy: tuple[Target, ...] = ()
    down: tuple[tuple[Target, str], ...] = ()
    unseen: frozenset[str] = frozenset()
    left_out: Mapping[str, str] = field(default_factory=dict)
    superseded: str = ""
    way_back: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before until; None: before a person or a host does something. kind is one of the words above."""

    kind: str
    why: str
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Append this event; nothing else is to be done for it."""

    event: Event
    why: str


@dataclass(frozen=True, slots=True)
class Look:
    """Ask these hosts what became of the work, and begin none there.

    Append HostEnded for what is known (outcome "lost" for who does not answer), HostIdle for who has no trace of this
    rollout's work and none going on; those at work are World.running for the rest of the tick.
    """

    hosts: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Start:
    """Append the event, then begin these hosts. From closes on nothing may reboot any more."""

    event: events.BatchStarted
    closes: dt.datetime
    why: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Check that these hosts of the ring (one at least) are well, then append what verdict() makes of that."""

    ring: str
    check: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """Append the event, then take these hosts back to the versions that they had.

    From closes on nothing may reboot any more; None: nothing may reboot at all.
    """

    event: events.RollbackStarted
    closes: dt.datetime | None
    why: str


Decision = Wait | Record | Look | Start | Judge | RollBack


@dataclass(frozen=True, slots=True)
class _Now:
    rollout: Rollout
    now: dt.datetime
    world: World

    def still_at_work(self) -> list[Host]:
        return self.rollout.working()


@dataclass(frozen=True, slots=True)
class _Moment(_Now):
    plan: Plan


def decide(rollout: Rollout, plan: Plan, now: dt.datetime, world: World) -> Decision:
    """The one thing to do next. plan is the customer's plan of today: a freeze that was added holds at once."""
    moment = _Moment(rollout, now, world, plan)
    found = next(decision for step in _STEPS if (decision := step(moment)) is not None)
    # Nothing else is to be done: who was lost is asked again, in whatever ring it is.
    gate_next = isinstance(found, Record) and isinstance(found.event, events.GatePassed | events.GateFailed)
    if (isinstance(found, Wait | Judge) or gate_next) and not rollout.over and (due := _due(moment)):
        return Look(due, f"{named(due)} gave no answer before: ask again")
    return found


def wind_up(rollout: Rollout, now: dt.datetime, world: World, *, why: str) -> Wait | Record | Look:
    """The same where nothing may be begun any more, and why: its plan is gone, or what it installs is not known.

    What is at work is looked at; then it waits for a person, who can only abort it. No plan is needed for that.
    """
    moment = _Now(rollout, now, world)
    if (found := _over(moment) or _begun(moment) or _for_those_at_work(moment)) is not None:
        return found
    if rollout.side == states.ABORTING:
        return Record(events.Aborted(now, rollout.lacking()), rollout.why)
    return Wait(HALTED, why)


def verdict(
    rollout: Rollout,
    plan: Plan,
    ring: str,
    now: dt.datetime,
    *,
    unwell: Mapping[str, str],
    silent: Mapping[str, str],
    unsure: Mapping[str, str] | None = None,
    doubtful: Mapping[str, str] | None = None,
    packages: Iterable[str] = (),
) -> events.GatePassed | events.GateFailed | events.Halted:
    """What a gate says, once the hosts that Judge named were checked. A host that was not checked must be in silent.

    Where the rings of the plan became others meanwhile, it halts.

    now is the moment at which Judge was decided: a clock that is turned back meanwhile changes no verdict. unwell has
    the hosts whose checks failed and silent those that gave no answer, each with why. unsure has those that could not
    know, and why: they are no success before a person resumes the rollout for them. doubtful has the assets, by key,
    that another rollout left not well, and how: they are no success before they are seen well, whatever they say.
    packages are the manifest's (portion.packages): which of them no host has proved so far is said.
    """
    if other := _other(rollout, plan):
        return events.Halted(now, other)
    (found,) = (one for one in rollout.rings if one.name == ring)
    doubted = {
        host.name: how
        for host in rollout.of(found)
        if host.proves and host.name not in {*unwell, *silent} and (how := _doubt(rollout, host, unsure, doubtful))
    }
    keys = {rollout.hosts[name].target.asset: how for name, how in doubted.items()}
    said = gate.judge(
        _plan_ring(plan, ring), plan.rates, gate.count(rollout.of(found), unwell, silent, keys), found.counts
    )
    unproved = _unproved(rollout, {*unwell, *silent, *doubted}, packages) if said.passed else []
    why = said.why + (f"; {_in_doubt(doubted, passed=said.passed)}" if doubted else "")
    why += f"; no host has proved {named(unproved)} yet" if unproved else ""
    kind = events.GatePassed if said.passed else events.GateFailed
    return kind(now, ring, said.counts, why, dict(unwell), dict(silent), keys)


def _doubt(rollout: Rollout, host: Host, unsure: Mapping[str, str] | None, doubtful: Mapping[str, str] | None) -> str:
    """Why a host that is done proves nothing; empty: it is a success."""
    if how := (doubtful or {}).get(host.target.asset):
        return f"is {how}"
    lacking = "" if host.target.asset in rollout.vouched else (unsure or {}).get(host.name, "")
    return f"cannot know whether it is well ({lacking})" if lacking else ""


def _in_doubt(doubted: Mapping[str, str], *, passed: bool) -> str:
    """Who proves nothing and why, and what a person can do about it."""
    said = [f"{name} {how}" for name, how in doubted.items()]
    more = "" if passed else "; who resumes it says that it is well"
    return f"{named(said)}, and proves nothing before it is seen well{more}"


def _unproved(rollout: Rollout, doubtful: Container[str], packages: Iterable[str]) -> list[str]:
    """The packages that no host has that is done and well; none where a host did not tell which of them it has."""
    results = [one.result for one in rollout.hosts.values() if one.proves and one.name not in doubtful]
    if any(result is None or (result.there is None and not result.after) for result in results):
        return []
    proved = {package for one in results if one is not None for package in (*one.after, *(one.there or ()))}
    proved |= {f"{package} {version}" for one in results if one is not None for package, version in one.after.items()}
    return sorted(set(packages) - proved)


def only_finish(rollout: Rollout, plan: Plan | None, host: Host, now: dt.datetime, world: World) -> bool:
    """Whether a look may let a host end what it began and no more: nothing is to be installed or rebooted now.

    The rollout is stopped, ends or lost its plan, the class is frozen, or the host is no business of ours any more. The
    way back of a halted rollout goes on.
    """
    if plan is None or host.name not in world.in_scope:
        return True
    if rollout.side is not None:
        return not (rollout.side == states.HALTED and host.rolling)
    return bool(world.superseded) or now >= rollout.deadline or bool(_frozen(plan, rollout.patch_class, now))


def host_time(rollout: Rollout) -> dt.timedelta:
    """How long a host takes: what nine in ten of the last ones took, or what the plan's calendar reckons with."""
    last = sorted(rollout.seconds[-LAST_HOSTS:])
    return dt.timedelta(seconds=last[len(last) * 9 // 10]) if last else HOST_TIME


# The steps, in order: the first that has something to say decides.


def _over(moment: _Now) -> Wait | None:
    rollout = moment.rollout
    if rollout.ended is None:
        return None
    return Wait(OVER, f"the rollout is over: {rollout.side or states.COMPLETE}")


def _begun(moment: _Now) -> Record | Look | None:
    """What was begun and has no result comes first, whatever else there is: nobody acts before looking."""
    unknown = tuple(host.name for host in moment.still_at_work() if host.name not in moment.world.running)
    if unknown:
        return Look(unknown, f"{named(unknown)} was begun, and nothing is known of it yet")
    for host in moment.still_at_work():
        # since, not begun: who is looked at again after a resume has that long once more.
        if host.since is not None and moment.now - host.since >= LONGEST_WORK:
            why = f"still at work after {length(LONGEST_WORK)}"
            result = HostResult(host.name, host.target.asset, states.LOST, moment.now, reason=why)
            return Record(events.HostEnded(moment.now, result), f"{host.name}: {why}")
    return None


def _ending(moment: _Moment) -> Decision | None:
    """Ends that somebody asked for, or that time or a newer fix brings; what is at work is waited for."""
    rollout, now = moment.rollout, moment.now
    lacking = rollout.lacking()
    if rollout.side == states.ABORTING:
        end: Event = events.Aborted(now, lacking)
        why = rollout.why
    elif now < rollout.last - CLOCK:
        return Wait(CLOCK_BACK, "the clock is behind the last event: was it turned back?", rollout.last)
    elif rollout.side == states.PAUSED:  # neither is a person's word
        return None
    elif moment.world.superseded:
        end = events.Superseded(now, moment.world.superseded, lacking)
        why = f"superseded by {moment.world.superseded}"
    elif now >= rollout.deadline and lacking and not _goes_back(moment):
        end = events.Expired(now, lacking)
        why = _late(moment)
    else:
        return None
    return _for_those_at_work(moment) or Record(end, why)


def _for_those_at_work(moment: _Now) -> Wait | None:
    working = [host.name for host in moment.still_at_work()]
    return Wait(RUNNING, f"{named(working)} is at work") if working else None


def _stopped(moment: _Moment) -> Decision | None:
    rollout = moment.rollout
    if rollout.side == states.HALTED:
        return _for_those_at_work(moment) or _way_back(moment) or Wait(HALTED, _what_to_do(rollout))
    if rollout.side == states.PAUSED:
        return Wait(PAUSED, f"{rollout.why}{_meanwhile(moment)}; a person resumes or aborts it")
    return None


def _late(moment: _Moment) -> str:
    return f"the deadline {clock(moment.rollout.deadline, moment.plan.zone)} passed"


def _meanwhile(moment: _Moment) -> str:
    """What would end a paused rollout, were it not for the person who paused it."""
    came = [f"{moment.world.superseded} came"] if moment.world.superseded else []
    late = [_late(moment)] if moment.now >= moment.rollout.deadline else []
    return f" ({', and '.join(found)} meanwhile)" if (found := came + late) else ""


def _goes_back(moment: _Moment) -> bool:
    """Whether the way back is not over yet: somebody waits for a window or for another rollout, or gives no answer."""
    if moment.rollout.side != states.HALTED:
        return False
    hosts = _concerned(moment.rollout)
    ready = [host for host in hosts if host.bad and _may_ever_go_back(moment, host)]
    return bool(ready) or any(_lost_on_its_way_back(host) for host in hosts)


def _concerned(rollout: Rollout) -> list[Host]:
    """The hosts of the ring that it is at, and those that turned out to be not done after theirs had passed."""
    late = [host for ring in rollout.rings for host in rollout.of(ring) if _after_its_gate(ring, host)]
    return late + (rollout.of(rollout.ring) if rollout.ring is not None else [])


def _after_its_gate(ring: Ring, host: Host) -> bool:
    known = host.since is not None and ring.completed is not None and host.since > ring.completed
    return known and not host.done


def _what_to_do(rollout: Rollout) -> str:
    hosts = _concerned(rollout)
    silent = [host.name for host in hosts if _lost_on_its_way_back(host)]
    bad = [host.name for host in hosts if host.bad and host.name not in silent]
    asked = f" {named(silent)} gives no answer on its way back, and is asked again." if silent else ""
    look = f" Look at {named(bad)}, which nothing takes back by itself." if bad else ""
    return f"{rollout.why}.{asked}{look} A person resumes or aborts it"


def _way_back(moment: _Moment) -> Decision | None:
    """After a halt: back to the versions before, where that is allowed; over once no host of the ring is unwell, nor
    any that turned out so after its ring had passed.

    What a check says is broken goes back at once: it is worse for it to stay so until a window. But it reboots only in
    one. What failed and is not known to be broken waits for an opening, as all work does.
    """
    rollout = moment.rollout
    ring = rollout.ring or rollout.rings[-1]
    hosts = _concerned(rollout)
    bad = [host for host in hosts if host.bad]
    may = _may_go_back(moment, bad)
    opening = _opening(moment)
    closes = None if isinstance(opening, Wait) else opening.closes
    ready = [host for host in may if closes is not None or host.broken]
    if to_do := _one_of_each(moment, ready, _room(moment, ring)):
        why = f"{rollout.why}: {named(to_do)} goes back to the versions it had"
        why += "" if closes is not None else ", without a reboot, for no window is open"
        return RollBack(events.RollbackStarted(moment.now, to_do), closes, why)
    later = [host.name for host in may if host not in ready]
    if later and isinstance(opening, Wait) and opening.until is not None:
        return Wait(opening.kind, f"{rollout.why}: {named(later)} goes back, but {opening.why}", opening.until)
    back = tuple(host.name for host in hosts if host.went_back and host.state == states.ROLLED_BACK)
    if back and not bad and not any(_lost_on_its_way_back(host) for host in hosts):
        return Record(events.RolledBack(moment.now, back, rollout.lacking()), f"{named(back)} was rolled back")
    return None


def _may_go_back(moment: _Moment, bad: Iterable[Host]) -> list[Host]:
    """Those that have not been back, whose plan allows it, and that nobody else is at: they would refuse, and once.

    Who gave no answer on its way back is looked at before it is begun again.
    """
    busy = {target.asset for target in moment.world.busy}
    return [host for host in bad if host.target.asset not in busy and _may_ever_go_back(moment, host)]


def _may_ever_go_back(moment: _Moment, host: Host) -> bool:
    allowed = host.name in moment.world.way_back and not host.went_back
    return allowed and not _lost_on_its_way_back(host) and not _only_reboot_lacks(host)


def _lost_on_its_way_back(host: Host) -> bool:
    return host.rolling and host.state == states.LOST


def _only_reboot_lacks(host: Host) -> bool:
    """It did not reboot as it should, and no check says that it is not well: older versions would mend nothing."""
    return not host.broken and host.result is not None and host.result.rebooted is False


def _one_of_each(moment: _Moment, hosts: Iterable[Host], room: int) -> tuple[str, ...]:
    """As many hosts as there is room for, and of what must stay apart one, and none beside one that is at work.

    They are not well, whatever we do: that others of their pair are not well either holds none of them up.
    """
    taken = {group.name for target in moment.world.busy for group in _groups(moment.plan, target)}
    chosen: list[str] = []
    for host in hosts:
        groups = {group.name for group in _groups(moment.plan, host.target)}
        if len(chosen) < room and taken.isdisjoint(groups):
            chosen.append(host.name)
            taken |= groups
    return tuple(chosen)


def _unapproved(moment: _Moment) -> Decision | None:
    rollout, plan = moment.rollout, moment.plan
    if rollout.approval is not None:
        return None
    if plan.without_approval(rollout.patch_class):
        reason = f"automatic: {str(plan.automatic).lower()}"
        return Record(events.Approved(moment.now, rollout.manifest, events.THE_PLAN, reason), reason)
    return Wait(APPROVAL, f"a person approves manifest {rollout.manifest}")


def _other_rings(moment: _Moment) -> Decision | None:
    """A plan whose rings are others by now would prove nothing to anybody."""
    why = _other(moment.rollout, moment.plan)
    return Record(events.Halted(moment.now, why), why) if why else None


def _other(rollout: Rollout, plan: Plan) -> str:
    """Why the rings of the plan are not those of the rollout; empty where they are."""
    ours, theirs = [ring.name for ring in rollout.rings], [ring.name for ring in plan.rings]
    if ours == theirs:
        return ""
    return f"it was planned for the rings {', '.join(ours)}, and the plan has {', '.join(theirs)} now"


def _left(moment: _Moment) -> Decision | None:
    """A host that is not ours to touch any more, or is again, in a ring that is not complete."""
    for ring in moment.rollout.rings:
        if ring.state == states.COMPLETE:
            continue
        for host in moment.rollout.of(ring):
            why = _not_ours(moment, host)
            if host.state in (states.LOST, *states.TO_DO, *states.DONE) and why:
                return Record(events.HostLeft(moment.now, host.name, why), f"{host.name}: {why}")
            if host.state == states.LEFT and not why and not _at_gate(moment, ring):
                return Record(events.HostBack(moment.now, host.name), f"{host.name} is in scope again")
    return None


def _not_ours(moment: _Moment, host: Host) -> str:
    """Why a host is not to be touched now; empty where it is. Of a lost one we want to know what became of it.

    One that is done, or owes a reboot, has nothing left to install; but nothing can ask it when it is out of scope.
    """
    if host.name not in moment.world.in_scope:
        return "not in scope any more"
    was = host.left_as if host.state == states.LEFT else host.state
    known = was in (states.LOST, states.OWED, *states.DONE)
    return "" if known else moment.world.left_out.get(host.name, "")


def _at_gate(moment: _Moment, ring: Ring) -> bool:
    return ring.state == states.SOAKING and moment.now >= _soaked(moment, ring)


def _bad_late(moment: _Moment) -> Decision | None:
    """Who was lost in a ring that has passed, and turned out bad: with that known the ring would not have passed.

    What was known when a person resumed the rollout stops it no more.
    """
    rollout = moment.rollout
    for ring in rollout.rings:
        if ring.state != states.COMPLETE:
            continue
        hosts = rollout.of(ring)
        late = [host for host in hosts if host.state == states.FAILED and _after_its_gate(ring, host)]
        if not any(rollout.resumed is None or (host.since or moment.now) > rollout.resumed for host in late):
            continue
        counts = gate.count(hosts, {host.name: host.unwell for host in hosts if host.unwell}, {})
        if found := gate.too_many_failed(moment.plan.rates, counts):
            why = f"ring {ring.name}, which had passed: {found}"
            return Record(events.Halted(moment.now, why), why)
    return None


def _at_its_ring(moment: _Moment) -> Decision:
    rollout, ring = moment.rollout, moment.rollout.ring
    if ring is None:
        return Record(events.Completed(moment.now), "all rings are complete")
    hosts = rollout.of(ring)
    if ring.state == states.WAITING:
        return _open(moment, ring, hosts)
    counts = gate.count(hosts, {}, {})
    if why := gate.over_limit(moment.plan.rates, counts):
        return Record(events.Halted(moment.now, f"ring {ring.name}: {why}"), why)
    return _begin_some(moment, ring, hosts) or _for_those_at_work(moment) or _soak(moment, ring)


def _open(moment: _Moment, ring: Ring, hosts: list[Host]) -> Decision:
    opened = Record(events.RingOpened(moment.now, ring.name), f"ring {ring.name} begins")
    if not any(host.state == states.WAITING for host in hosts):
        return opened
    found = _opening(moment)
    return found if isinstance(found, Wait) else opened


def _begin_some(moment: _Moment, ring: Ring, hosts: list[Host]) -> Decision | None:
    """The next batch, or what it waits for. A ring that soaks waits for no host, and at the end it begins none."""
    if _at_gate(moment, ring):
        return None
    wanted = [host for host in hosts if host.state in _MUST or _refused_before(host, moment.now)]
    if not wanted:
        return None
    found = _batch(moment, ring, wanted)
    if isinstance(found, Start):
        return found
    must = ring.state == states.ACTIVE and any(host.state in _MUST for host in wanted)
    return found if must else None


def _refused_before(host: Host, now: dt.datetime) -> bool:
    return host.state == states.REFUSED and host.since is not None and host.since + RETRY <= now


def _batch(moment: _Moment, ring: Ring, wanted: list[Host]) -> Start | Wait | Record:
    """As many of the wanted hosts as the window, the limit and the pairs allow now.

    Where nothing but a person can end what all of them wait for, it halts.
    """
    found = _opening(moment)
    if isinstance(found, Wait):
        return found
    room = _room(moment, ring)
    if room <= 0:
        return Wait(AT_ONCE, f"as many hosts are at work as ring {ring.name} may have at once")
    chosen, held = _apart(moment, wanted, room)
    if not chosen and (unseen := _only_unseen(moment, wanted)):
        why = f"{'; '.join(held)}. Nobody has seen that well since; who resumes it says that it is"
        return Record(events.Halted(moment.now, why, unseen), why)
    if not chosen:
        return Wait(APART, "; ".join(held))
    why = f"{len(chosen)} of {len(wanted)} waiting hosts of ring {ring.name}: {named(chosen)}"
    return Start(events.BatchStarted(moment.now, ring.name, tuple(chosen)), found.closes, why)


def _opening(moment: _Moment) -> Opening | Wait:
    """The opening that has room for a host now, or what is waited for."""
    plan, patch_class, now = moment.plan, moment.rollout.patch_class, moment.now
    found = windows.open_at(plan, patch_class, now)
    if found is None or not found.accepts(now):
        return _closed(moment, found)
    latest = latest_begin(found, host_time(moment.rollout))
    if now <= latest:
        return found
    takes = found.closes - latest
    why = f"the window closes at {clock(found.closes, moment.plan.zone)}, and a host takes {length(takes)}"
    return _until_next(moment, WINDOW, why, found.closes)


def _closed(moment: _Moment, found: Opening | None) -> Wait:
    if frozen := _frozen(moment.plan, moment.rollout.patch_class, moment.now):
        return _until_next(
            moment, FREEZE, f"frozen until {clock(frozen[0].end, moment.plan.zone)}: {frozen[0].reason}", moment.now
        )
    why = (
        "no window is open"
        if found is None
        else f"the window takes no new host since {clock(found.closes, moment.plan.zone)}"
    )
    return _until_next(moment, WINDOW, why, moment.now)


def _frozen(plan: Plan, patch_class: str, now: dt.datetime) -> list[Freeze]:
    """The freezes that hold a class back now."""
    return [one for one in plan.freezes if one.start <= now < one.end and respects(one, patch_class)]


def _until_next(moment: _Moment, kind: str, why: str, after: dt.datetime) -> Wait:
    following = windows.next_opening(moment.plan, moment.rollout.patch_class, after)
    if following is None:
        return Wait(kind, f"{why}; there is no other window")
    name = f" ({', '.join(following.windows)})" if following.windows else ""
    return Wait(kind, f"{why}; the next opens at {clock(following.start, moment.plan.zone)}{name}", following.start)


def _room(moment: _Moment, ring: Ring) -> int:
    """How many more hosts may be at work at once, those of the customer's other rollouts counted in."""
    ours = sum(host.state != states.LEFT for host in moment.rollout.of(ring))
    at_work = moment.world.running.union(host.name for host in moment.still_at_work())
    return moment.plan.rates.at_once.at_least_one(ours) - len(at_work) - len(moment.world.busy)


def _apart(moment: _Moment, wanted: list[Host], room: int) -> tuple[list[str], list[str]]:
    """Hosts of which no two are in one group that must stay apart, nor is one whose other half may be down."""
    chosen: list[str] = []
    held: list[str] = []
    down: dict[str, str] = {}
    for host in moment.rollout.hosts.values():
        if host.maybe_down:
            down |= {group.name: f"{host.name} is {_how(host)}" for group in _groups(moment.plan, host.target)}
    elsewhere = _down_elsewhere(moment)
    busy = {target.asset for target in moment.world.busy}
    for host in wanted:
        groups = _groups(moment.plan, host.target)
        if host.target.asset in busy:
            held.append(f"{host.name} is at work in another rollout")
            continue
        others = {group.name: _but(host.target, elsewhere.get(group.name, ())) for group in groups}
        against = {name: down.get(name) or other for name, other in others.items() if name in down or other}
        if against:
            name, why = next(iter(against.items()))
            held.append(f"{host.name} must not be down together with others of {name!r}: {why}")
            continue
        chosen.append(host.name)
        down |= {group.name: f"{host.name} is at work" for group in groups}
        if len(chosen) == room:
            break
    return chosen, held


def _down_elsewhere(moment: _Moment) -> dict[str, list[tuple[Target, str]]]:
    """By group that must stay apart, who may be down since another rollout, and how."""
    found: dict[str, list[tuple[Target, str]]] = {}
    for target, how in (*((one, "at work in another rollout") for one in moment.world.busy), *moment.world.down):
        for group in _groups(moment.plan, target):
            found.setdefault(group.name, []).append((target, how))
    return found


def _only_unseen(moment: _Moment, wanted: Iterable[Host]) -> dict[str, str]:
    """What all of these hosts wait for, where that is nothing but others which only a person can call well: those, by
    asset key, and how they are. A host that waits for anything else makes it none.
    """
    elsewhere = _down_elsewhere(moment)
    own = [host.target for host in moment.rollout.hosts.values() if host.maybe_down]
    ours = {group.name for target in own for group in _groups(moment.plan, target)}
    found: dict[str, str] = {}
    for host in wanted:
        groups = {group.name for group in _groups(moment.plan, host.target)}
        others = {
            target.asset: f"{target.host} is {how}"
            for name in groups
            for target, how in elsewhere.get(name, ())
            if target.asset != host.target.asset
        }
        if not ours.isdisjoint(groups) or not others or not moment.world.unseen.issuperset(others):
            return {}
        found |= others
    return found


def _but(own: Target, found: Iterable[tuple[Target, str]]) -> str:
    """Who of them may be down, a host itself aside; empty: nobody."""
    return next((f"{target.host} is {how}" for target, how in found if target.asset != own.asset), "")


def _how(host: Host) -> str:
    return "at work" if host.state == states.WORKING else "not well" if host.done else host.state


def _groups(plan: Plan, target: Target) -> list[Apart]:
    return [group for group in plan.apart if not target.names.isdisjoint(group.assets)]


def _soak(moment: _Moment, ring: Ring) -> Decision:
    """All of the ring was tried: let it soak, then judge it."""
    soak = _plan_ring(moment.plan, ring.name).soak_for(moment.rollout.patch_class)
    if ring.state == states.ACTIVE:
        until = moment.now + soak
        return Record(
            events.SoakStarted(moment.now, ring.name, until),
            f"ring {ring.name} soaks until {clock(until, moment.plan.zone)}",
        )
    until = _soaked(moment, ring)
    if moment.now < until:
        return Wait(SOAK, f"ring {ring.name} soaks until {clock(until, moment.plan.zone)}", until)
    check = tuple(host.name for host in moment.rollout.of(ring) if host.proves)
    if not check:  # nobody to ask: the verdict is known
        said = verdict(moment.rollout, moment.plan, ring.name, moment.now, unwell={}, silent={})
        return Record(said, f"ring {ring.name}: {said.why}")
    return Judge(ring.name, check, f"ring {ring.name} has soaked: is it well?")


def _soaked(moment: _Moment, ring: Ring) -> dt.datetime:
    """When the ring has soaked: the soak itself, and as long for as many hosts as the plan wants to be well."""
    rule = _plan_ring(moment.plan, ring.name)
    ends = [moment.now if ring.soak_until is None else ring.soak_until]
    well = sorted(host.since for host in moment.rollout.of(ring) if host.proves and host.since is not None)
    if 0 < rule.successes <= len(well):
        ends.append(well[rule.successes - 1] + rule.soak_for(moment.rollout.patch_class))
    return max(ends)


def _plan_ring(plan: Plan, name: str) -> PlanRing:
    return next(ring for ring in plan.rings if ring.name == name)


def _due(moment: _Moment) -> tuple[str, ...]:
    """The hosts that were lost long enough ago to be asked again."""
    return tuple(
        host.name
        for host in moment.rollout.hosts.values()
        if host.state == states.LOST
        and host.name in moment.world.in_scope - moment.world.running
        and (host.since is None or not moment.now - _pause(host) < host.since <= moment.now + CLOCK)
    )


def _pause(host: Host) -> dt.timedelta:
    return min(RETRY * (1 << min(host.losses - 1, 10)), LONGEST_RETRY)


_STEPS: tuple[Callable[[_Moment], Decision | None], ...] = (
    _over,
    _begun,
    _ending,
    _stopped,
    _unapproved,
    _other_rings,
    _left,
    _bad_late,
    _at_its_ring,
)
