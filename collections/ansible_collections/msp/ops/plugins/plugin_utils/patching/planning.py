# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of what waits is due for a rollout, and that rollout as it begins. Pure: no I/O.

An update is due when its class's deferral has passed since any version of it above the installed one became available,
and its batch has come. What the package manager holds back, or the plan excludes, is nobody's to install.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.module_utils.patching import debversion, rpmversion
from ansible_collections.msp.ops.plugins.plugin_utils.patching import windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import (
    KINDS,
    AbortAsked,
    Aborted,
    BatchStarted,
    Completed,
    Event,
    Expired,
    GateFailed,
    Halted,
    HostEnded,
    Planned,
    Resumed,
    RingTargets,
    RollbackStarted,
    RolledBack,
    Target,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan, exclusion_of
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    CLASSES,
    ROUTINE,
    Entry,
    Judged,
    Manifest,
    Scan,
    Update,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member, divide
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import DONE, NOTHING, OWED, ROLLED_BACK
from ansible_collections.msp.ops.plugins.plugin_utils.patching.wording import clock, named

# When each version was seen first: by platform, package name, architecture and version.
Available = Mapping[tuple[str, str, str, str], dt.datetime]
# One version of one package on one platform, as a key of Available.
Key = tuple[str, str, str, str]
# A package on one platform, whatever its version: platform, name and architecture.
Package = tuple[str, str, str]
# The versions that rollouts left on assets after their scans: by asset, package names, architectures and versions.
Since = Mapping[str, frozenset[tuple[str, str, str]]]
# What a complete rollout left undone is planned again so long after it was over.
AGAIN = dt.timedelta(days=1)

# Besides the last event what stopped a rollout, and what a person said to that, says how it ended.
ENDS = (AbortAsked, Halted, GateFailed, Resumed)
END_KINDS = frozenset(kind for kind, event in KINDS.items() if event in ENDS or event.closes)

# Which of two versions is newer, by package manager.
_ORDERS: Mapping[str, Callable[[str, str], int]] = {"apt": debversion.compare, "dnf": rpmversion.compare}
UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Due:
    """What of one class is to be installed now. deadline is that of the update that has waited longest."""

    patch_class: str
    manifest: Manifest
    deadline: dt.datetime


@dataclass(frozen=True, slots=True)
class _Waiting:
    scan: Scan
    one: Judged
    since: dt.datetime


class Availability:
    """Since when there is something newer than what is installed: a version that came later restarts no deadline.

    The store hands out one object for what is on many lists, so each is looked up once. It keeps what it was asked of.
    """

    def __init__(self, available: Available) -> None:
        self._available = available
        self._known: dict[tuple[str, int], tuple[Update, dt.datetime | None]] = {}

    def since(self, platform: str, update: Update, otherwise: dt.datetime) -> dt.datetime:
        """otherwise is the answer where nobody saw any of its versions."""
        key = platform, id(update)
        if key not in self._known:
            self._known[key] = update, self._first(platform, update)
        return self._known[key][1] or otherwise

    def _first(self, platform: str, update: Update) -> dt.datetime | None:
        versions = {update.candidate, *(version.version for version in update.versions)}
        keys = ((platform, update.name, update.architecture, version) for version in versions)
        return min((self._available[key] for key in keys if key in self._available), default=None)


def due(
    plan: Plan,
    members: Iterable[Member],
    scans: Mapping[str, Scan],
    available: Available,
    now: dt.datetime,
    *,
    since: Since | None = None,
    without: Container[Key] = (),
    besides: Container[Package] = (),
) -> list[Due]:
    """What is due for the assets of a plan, most urgent class first. scans are the last good ones, by asset key.

    since is what rollouts did after those scans (installed_since): it waits no more. without is what is not taken, for
    it was given up (given_up); besides the packages that another rollout has already.
    """
    ready: dict[str, list[_Waiting]] = defaultdict(list)
    moments: dict[tuple[str, dt.datetime], dt.datetime | None] = {}
    for waiting in _waiting(plan, members, scans, available, now):
        if _is_done(waiting, since) or (without and _key_of(waiting) in without):
            continue
        if besides and _key_of(waiting)[:3] in besides:
            continue
        key = (waiting.one.patch_class, waiting.since)
        if key not in moments:
            moments[key] = windows.installable_from(plan, *key)
        begin = moments[key]
        if begin is not None and begin <= now:
            ready[waiting.one.patch_class].append(waiting)
    return [
        Due(
            name,
            _manifest(ready[name]),
            min(windows.deadline(plan, name, waiting.since) for waiting in ready[name]),
        )
        for name in CLASSES
        if ready[name]
    ]


def _is_done(waiting: _Waiting, since: Since | None) -> bool:
    if not since or (done := since.get(waiting.scan.asset)) is None:
        return False
    return _key_of(waiting)[1:] in done


def installed_since(scans: Mapping[str, Scan], past: Iterable[tuple[Sequence[Event], Manifest]]) -> Since:
    """What rollouts (events and manifest, the oldest first) left on assets after their last scan."""
    found: dict[str, frozenset[tuple[str, str, str]]] = {}
    for history, manifest in past:
        platforms: dict[str, str] = {}
        back: set[str] = set()
        # Thousands of hosts of a platform share what a rollout left on them.
        left_on = {
            platform: frozenset((one.name, one.architecture, one.version) for one in manifest.for_platform(platform))
            for platform in {entry.platform for entry in manifest.entries}
        }
        for event in history:
            if isinstance(event, Planned):
                platforms = {target.asset: target.platform for ring in event.rings for target in ring.hosts}
            back = _on_the_way_back(back, event)
            if not isinstance(event, HostEnded) or (scan := scans.get(event.result.asset)) is None:
                continue
            result = event.result
            own = left_on.get(platforms.get(result.asset, ""), frozenset())
            before = found.get(result.asset, frozenset())
            if result.outcome == ROLLED_BACK:
                found[result.asset] = before - own
            elif result.outcome == NOTHING and result.host in back:  # nothing of it to take back is nothing of it there
                continue
            elif result.outcome in (OWED, *DONE) and result.at >= scan.at:
                found[result.asset] = before | own if before else own
    return found


def _on_the_way_back(hosts: set[str], event: Event) -> set[str]:
    """The hosts whose last work was the way back, after one more event."""
    if isinstance(event, RollbackStarted):
        return hosts | set(event.hosts)
    return hosts - set(event.hosts) if hosts and isinstance(event, BatchStarted) else hosts


def given_up(plan: str, past: Iterable[tuple[str, str, Sequence[Event], Manifest]]) -> dict[Key, str]:
    """The versions that are not tried again by themselves, each with why, out of rollouts (plan, id, events, manifest;
    the newest first) of the last time.

    The last rollout that had it was aborted by somebody, was rolled back, or was halted when its time was over. What
    else waits meanwhile changes nothing about that: only another version does, or a person who asks for it by name. Of
    the events only those of ends() are read.
    """
    found: dict[Key, str] = {}
    for name, rollout, history, manifest in past:
        if name == plan:
            why = _gave_up(rollout, history)
            for entry in manifest.entries:
                found.setdefault((*package(entry), entry.version), why)
    return {key: why for key, why in found.items() if why}


def ends(history: Iterable[Event]) -> list[Event]:
    """What of a history says how it ended."""
    return [event for event in history if isinstance(event, ENDS) or event.closes]


def _gave_up(rollout: str, history: Sequence[Event]) -> str:
    last = history[-1] if history else None
    if isinstance(last, Aborted):
        by = next((event.by for event in reversed(history) if isinstance(event, AbortAsked)), "a person")
        return f"{rollout} with it was aborted by {by}"
    if isinstance(last, RolledBack):
        return f"{rollout} with it was rolled back"
    halted = isinstance(last, Expired) and _was_halted(history)
    return f"{rollout} with it was halted, and nobody resumed it" if halted else ""


def _was_halted(history: Sequence[Event]) -> bool:
    """Whether it was when it came to its end."""
    last = next((event for event in reversed(history) if isinstance(event, Halted | GateFailed | Resumed)), None)
    return isinstance(last, Halted | GateFailed)


def asked_for(key: Key, patterns: Iterable[str]) -> bool:
    """Whether a person asked for this package again, by its name or a pattern of it."""
    return any(fnmatch.fnmatchcase(key[1], pattern) for pattern in patterns)


def still_waiting(
    plan: Plan,
    members: Iterable[Member],
    scans: Mapping[str, Scan],
    now: dt.datetime,
    *,
    since: Since,
    keys: Mapping[Key, str],
) -> list[str]:
    """Which of these versions wait somewhere, a sentence for each reason."""
    found = _waiting(plan, members, scans, {}, now) if keys else ()
    waits = {_key_of(waiting) for waiting in found if not _is_done(waiting, since)}
    reasons: dict[str, set[str]] = {}
    for key in waits & keys.keys():
        reasons.setdefault(keys[key], set()).add(f"{key[1]} {key[3]}")
    return [f"{named(sorted(packages))}: {why}" for why, packages in sorted(reasons.items())]


def not_again(
    found: Due, plan: str, past: Iterable[tuple[str, Sequence[Event], str]], now: dt.datetime, *, asked: bool = False
) -> str:
    """Why what is due is not planned now: a rollout (plan, events, id; the newest first) of the very same is over.

    It was given up, also where its manifest can't be read any more (given_up knows the others), and nobody asked for it
    again. Or it is complete, and what it left undone is tried again after a day. One that ran out of time waits for
    nothing.
    """
    for name, history, rollout in past:
        first, last = history[0], history[-1]
        if name != plan or not isinstance(first, Planned) or first.patch_class != found.patch_class:
            continue
        if first.manifest != found.manifest.hash() or not last.closes:
            continue
        if (why := _gave_up(rollout, history)) and not asked:
            return f"{why}; nothing of it is tried again by itself"
        if isinstance(last, Completed) and now - last.at < AGAIN:
            return f"what {rollout} left undone is tried again from {clock(last.at + AGAIN, UTC)} on"
    return ""


def planned(
    plan: Plan,
    found: Due,
    members: Iterable[Member],
    hosts: Mapping[str, str],
    scans: Mapping[str, Scan],
    *,
    now: dt.datetime,
    by: str,
) -> Planned:
    """The first event of a rollout. hosts are inventory names, by asset key: those that may be touched.

    Every such asset of a platform that the manifest has something for is in it, also where nothing of it waits: a ring
    counts what was proved on its hosts. What is late already has as long as its class allows, once more.
    """
    platforms = {entry.platform for entry in found.manifest.entries}
    rings = tuple(
        RingTargets(
            name,
            tuple(
                _target(hosts[member.key], member, scans[member.key])
                for member in ring
                if member.key in hosts and member.key in scans and scans[member.key].platform in platforms
            ),
        )
        for name, ring in divide(plan, members).rings.items()
    )
    late = found.deadline <= now
    deadline = windows.deadline(plan, found.patch_class, now) if late else found.deadline
    return Planned(now, found.patch_class, found.manifest.hash(), deadline, rings, by)


def _target(host: str, member: Member, scan: Scan) -> Target:
    return Target(host, member.key, member.name, scan.platform, scan.machine_id)


def superseding(manifest: Manifest, found: Iterable[Due], scans: Iterable[Scan]) -> str:
    """The security fixes that are due and newer than what a rollout installs, in words; empty where there is none.

    One that is not due yet ends no rollout: what came last week would wait with it.
    """
    installs: dict[Package, list[Entry]] = {}
    for entry in manifest.entries:
        installs.setdefault(package(entry), []).append(entry)
    urgent = (entry for one in found if one.patch_class != ROUTINE for entry in one.manifest.entries)
    fixes = {(*package(entry), entry.version) for entry in urgent}
    newer: dict[tuple[str, str], tuple[str, ...]] = {}
    for scan in scans:
        for update in (one.update for one in scan.updates or ()):
            key = (scan.platform, update.name, update.architecture)
            entries = installs.get(key)
            if entries and (*key, update.candidate) in fixes and _newer(scan.manager, update, entries):
                newer[update.name, update.candidate] = update.advisories
    said = [
        f"{name} {version}" + (f" ({', '.join(advisories)})" if advisories else "")
        for (name, version), advisories in sorted(newer.items())
    ]
    return ", ".join(said)


def package(entry: Entry) -> Package:
    """The package of an entry, whatever its version."""
    return entry.platform, entry.name, entry.architecture


def _key_of(waiting: _Waiting) -> Key:
    update = waiting.one.update
    return waiting.scan.platform, update.name, update.architecture, update.candidate


def _newer(manager: str, update: Update, entries: Sequence[Entry]) -> bool:
    """Whether a host's candidate is newer than the version that is meant for it.

    Its own list of versions says so; or, for what comes from the same source, its manager's rules. What comes from
    elsewhere is another line of versions, and compared with none of this.
    """
    if any(entry.version == update.candidate for entry in entries):
        return False
    older = {update.installed, *(one.version for one in update.versions)} - {update.candidate}
    if any(entry.version in older for entry in entries):
        return True
    compare = _ORDERS.get(manager)
    ours = [entry for entry in entries if None in (entry.origin, update.origin) or entry.origin == update.origin]
    return compare is not None and bool(ours) and all(compare(update.candidate, one.version) > 0 for one in ours)


def _waiting(
    plan: Plan, members: Iterable[Member], scans: Mapping[str, Scan], available: Available, now: dt.datetime
) -> Iterable[_Waiting]:
    availability = Availability(available)
    for member in members:
        scan = scans.get(member.key)
        if scan is None:
            continue
        exclusions = plan.exclusions_on(frozenset((member.key, member.name, scan.host)), now)
        for one in scan.updates or ():
            update = one.update
            if update.held or (exclusions and exclusion_of(update.name, exclusions) is not None):
                continue
            yield _Waiting(scan, one, availability.since(scan.platform, update, scan.at))


def _manifest(found: Sequence[_Waiting]) -> Manifest:
    """One version for each package of a platform and each source: where hosts were offered different ones, that of the
    newest lists. A version that comes from two sources is one version.
    """
    chosen: dict[tuple[str, str, str, str | None], _Waiting] = {}
    for waiting in found:
        update = waiting.one.update
        key = (waiting.scan.platform, update.name, update.architecture, update.origin)
        other = chosen.get(key)
        if other is None or _rank(waiting) > _rank(other):
            chosen[key] = waiting
    return Manifest.of(_entry(waiting) for waiting in sorted(chosen.values(), key=_rank, reverse=True))


def _entry(waiting: _Waiting) -> Entry:
    update = waiting.one.update
    return Entry(*_key_of(waiting), update.origin, update.advisories, waiting.one.patch_class)


def _rank(waiting: _Waiting) -> tuple[dt.datetime, dt.datetime, str, str]:
    scan = waiting.scan
    return (scan.metadata_at or scan.at, scan.at, waiting.one.update.candidate, scan.asset)
