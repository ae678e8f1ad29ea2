# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a rollout is, as data and as plain lines: rings, hosts by state, the window, when it is likely done, and what
waits for what. In Dutch and English. Pure; the live view shows the same data.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.plugin_utils.patching import deciding, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.course import Estimate, course
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Host, Rollout
from ansible_collections.msp.ops.plugins.plugin_utils.patching.wording import clock
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words

# How far ahead windows are looked at for the likely end.
AHEAD = dt.timedelta(days=64)
# In this order, of each ring.
ORDER = (
    *(states.PATCHED, states.NOTHING, states.WORKING, states.WAITING, states.OWED, states.REFUSED, states.LOST),
    *(states.FAILED, states.ROLLED_BACK, states.LEFT),
)
# Of what is waited for in these ways the decision's own words (English, as recorded) know more than its kind does.
QUOTED = (deciding.HALTED, deciding.PAUSED, deciding.FREEZE, deciding.APART)
ENGLISH = "en"
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
    next decision: what comes, in words, and when. zone is the customer's.
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
    zone: ZoneInfo

    @property
    def over(self) -> bool:
        return self.next == deciding.OVER

    @property
    def size(self) -> int:
        return sum(ring.size for ring in self.rings)

    @property
    def done(self) -> int:
        return sum(ring.done for ring in self.rings)

    @property
    def ring(self) -> str:
        """The ring that it is at; the last one when all are complete."""
        names = [ring.name for ring in self.rings]
        return next((ring.name for ring in self.rings if ring.state != states.COMPLETE), names[-1] if names else "")


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
        zone=plan.zone,
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
        one.name: sum(host.state in (states.WAITING, states.WORKING, states.OWED) for host in rollout.of(one))
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
        "number": found.number,
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
        "zone": found.zone.key,
    }


def of(said: Mapping[str, Any]) -> Progress:
    """The progress that as_dict made plain. KeyError, TypeError or ValueError for anything else."""
    return Progress(
        rollout=said["rollout"],
        patch_class=said["class"],
        manifest=said["manifest"],
        state=said["state"],
        side=said["side"],
        number=said["number"],
        rings=tuple(
            RingNow(ring["name"], ring["state"], dict(ring["hosts"]), _moment(ring["soak_until"]))
            for ring in said["rings"]
        ),
        hosts=tuple(
            HostNow(host["host"], host["ring"], host["state"], _moment(host["since"]), host["why"])
            for host in said["hosts"]
        ),
        open_until=_moment(said["open_until"]),
        opens=_moment(said["opens"]),
        end=_moment(said["end"]),
        deadline=dt.datetime.fromisoformat(said["deadline"]),
        next=said["next"],
        why=said["why"],
        until=_moment(said["until"]),
        undone=tuple(said["undone"]),
        zone=ZoneInfo(said["zone"]),
    )


def _iso(at: dt.datetime | None) -> str | None:
    return None if at is None else at.astimezone(dt.UTC).isoformat()


def _moment(said: str | None) -> dt.datetime | None:
    return None if said is None else dt.datetime.fromisoformat(said)


# The same for a person to read. Times are the customer's.


def lines(found: Progress, now: dt.datetime, language: str = ENGLISH) -> list[str]:
    """A rollout in plain lines, where there is no terminal."""
    t = Words(language)
    said = _stand(found, t)
    said += [f"  {label}: {words}" for label, words in facts(found, now, t)]
    return said


def history_lines(rollout: Rollout, now: dt.datetime, language: str = ENGLISH) -> list[str]:
    """The same where nobody can read the plan, of its history alone: no window, no end, and not what is next.

    Times are UTC, for the customer's zone is in the plan.
    """
    t = Words(language)
    found = Progress(
        rollout=rollout.id,
        patch_class=rollout.patch_class,
        manifest=rollout.manifest,
        state=rollout.state_at(now),
        side=rollout.side,
        number=rollout.number,
        rings=tuple(_ring(rollout, ring, now) for ring in rollout.rings),
        hosts=tuple(_noticed(rollout)),
        open_until=None,
        opens=None,
        end=None,
        deadline=rollout.deadline,
        next=deciding.OVER if rollout.over else "",
        why="",
        until=None,
        undone=rollout.undone,
        zone=ZoneInfo("UTC"),
    )
    said = _stand(found, t)
    said.append(f"  {t('prog.deadline')}: {clock(found.deadline, found.zone)}")
    return [*said, f"  {t('prog.manifest')}: {found.manifest}"]


def _stand(found: Progress, t: Words) -> list[str]:
    """The rollout, its rings, and the hosts that a person may want to know of."""
    said = [heading(found, t)]
    width = max((len(ring.name) for ring in found.rings), default=0)
    wide = max((len(t(f"prog.state.{ring.state}")) for ring in found.rings), default=0)
    for ring in found.rings:
        said.append(f"  {ring.name:<{width}}  {t(f'prog.state.{ring.state}'):<{wide}}  {by_state(ring.hosts, t)}")
    said += [f"  {host_line(host, found.zone, t)}" for host in found.hosts[:MOST_NAMED]]
    if len(found.hosts) > MOST_NAMED:
        said.append("  " + t("prog.more_hosts", n=len(found.hosts) - MOST_NAMED))
    return said


def heading(found: Progress, t: Words) -> str:
    """The rollout, its class and state, and how many hosts are done."""
    name = t(f"prog.class.{found.patch_class}")
    return f"{found.rollout} ({name}): {state_of(found, t)}, {t('prog.done', done=found.done, total=found.size)}"


def state_of(found: Progress, t: Words) -> str:
    state = t(f"prog.state.{found.state}")
    if found.side is None:
        return state
    side = t(f"prog.side.{found.side.replace(' ', '_')}")
    return side if found.over else t("prog.side_at", side=side, state=state)


def by_state(hosts: Mapping[str, int], t: Words) -> str:
    """Hosts of a ring, counted by state."""
    return ", ".join(f"{number} {host_state(state, t)}" for state, number in hosts.items()) or t("prog.no_host")


def host_state(state: str, t: Words) -> str:
    return t(f"prog.host.{state.replace(' ', '_')}")


def host_line(host: HostNow, zone: ZoneInfo, t: Words) -> str:
    since = f" {t('prog.since', at=clock(host.since, zone))}" if host.since else ""
    return f"{host.host}: {host_state(host.state, t)}{since}" + (f": {host.why}" if host.why else "")


def facts(found: Progress, now: dt.datetime, t: Words) -> Iterator[tuple[str, str]]:
    """The window, the likely end, the deadline and what comes next, each under its label."""
    if found.over:
        if found.undone:
            yield t("prog.undone"), ", ".join(found.undone)
    else:
        yield t("prog.window"), _window(found, now, t)
        if found.end is not None:
            yield t("prog.end"), clock(found.end, found.zone)
        yield t("prog.deadline"), clock(found.deadline, found.zone)
    yield t("prog.next"), _next(found, t)


def _window(found: Progress, now: dt.datetime, t: Words) -> str:
    if found.open_until is not None and now < found.open_until:
        return t(
            "prog.window.open", at=clock(found.open_until, found.zone), time=spoken_length(found.open_until - now, t)
        )
    if found.open_until is not None:
        return t("prog.window.closed", at=clock(found.open_until, found.zone))
    if found.opens is not None:
        return t("prog.window.opens", at=clock(found.opens, found.zone), time=spoken_length(found.opens - now, t))
    return t("prog.window.none")


def _next(found: Progress, t: Words) -> str:
    """What comes next. A decision speaks English; in another language its kind is told, and it is quoted."""
    if t.language == ENGLISH:
        return found.why
    said = waits_for(found, t, lambda at: clock(at, found.zone))
    return t("prog.quoted", what=said, why=found.why) if found.next in QUOTED else said


def waits_for(found: Progress, t: Words, at: Callable[[dt.datetime], str]) -> str:
    """What a rollout waits for or does next, by its kind alone: for people who did not make it. at writes a moment."""
    kind = found.next.replace(" ", "_")
    if found.next in (deciding.WINDOW, deciding.FREEZE) and found.until is None:
        kind += "_none"
    until = at(found.until) if found.until is not None else ""
    return t(f"wait.{kind}", ring=found.ring, until=until, manifest=found.manifest)


def spoken_length(time: dt.timedelta, t: Words) -> str:
    """A length of time, as exactly as a person wants to know it."""
    minutes = max(0, round(time.total_seconds() / 60))
    if minutes < 120:
        return t("prog.minutes", n=minutes)
    if minutes < 48 * 60:
        return t("prog.hours", h=minutes // 60, m=minutes % 60)
    return t("prog.days", n=minutes // (24 * 60))
