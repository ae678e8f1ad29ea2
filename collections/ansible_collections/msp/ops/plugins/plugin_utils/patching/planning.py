# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of what waits is due for a rollout, and that rollout as it begins. Pure: no I/O.

An update is due when its class's deferral has passed since any version of it above the installed one became available,
and its batch has come. What the package manager holds back, or the plan excludes, is nobody's to install.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.module_utils.patching import debversion
from ansible_collections.msp.ops.plugins.plugin_utils.patching import windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Planned, RingTargets, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
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

# When each version was seen first: by platform, package name, architecture and version.
Available = Mapping[tuple[str, str, str, str], dt.datetime]

_DPKG = "apt"


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


def available_since(platform: str, update: Update, available: Available, otherwise: dt.datetime) -> dt.datetime:
    """Since when there is something newer than what is installed: a version that came later restarts no deadline."""
    versions = {update.candidate, *(version.version for version in update.versions)}
    keys = ((platform, update.name, update.architecture, version) for version in versions)
    return min((available[key] for key in keys if key in available), default=otherwise)


def due(
    plan: Plan, members: Iterable[Member], scans: Mapping[str, Scan], available: Available, now: dt.datetime
) -> list[Due]:
    """What is due for the assets of a plan, most urgent class first. scans are the last good ones, by asset key."""
    ready: dict[str, list[_Waiting]] = defaultdict(list)
    moments: dict[tuple[str, dt.datetime], dt.datetime | None] = {}
    for waiting in _waiting(plan, members, scans, available, now):
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
                Target(hosts[member.key], member.key, member.name, scans[member.key].platform)
                for member in ring
                if member.key in hosts and member.key in scans and scans[member.key].platform in platforms
            ),
        )
        for name, ring in divide(plan, members).rings.items()
    )
    late = found.deadline <= now
    deadline = windows.deadline(plan, found.patch_class, now) if late else found.deadline
    return Planned(now, found.patch_class, found.manifest.hash(), deadline, rings, by)


def superseding(manifest: Manifest, found: Iterable[Due], scans: Iterable[Scan]) -> str:
    """The security fixes that are due and newer than what a rollout installs, in words; empty where there is none.

    One that is not due yet ends no rollout: what came last week would wait with it.
    """
    installs = {_key(entry): entry.version for entry in manifest.entries}
    fixes = {
        _key(entry): entry.version for one in found if one.patch_class != ROUTINE for entry in one.manifest.entries
    }
    newer: dict[tuple[str, str], tuple[str, ...]] = {}
    for scan in scans:
        for update in (one.update for one in scan.updates or ()):
            key = (scan.platform, update.name, update.architecture)
            if key not in installs or fixes.get(key) != update.candidate:
                continue
            if _newer(scan.manager, update, installs[key]):
                newer[update.name, update.candidate] = update.advisories
    said = [
        f"{name} {version}" + (f" ({', '.join(advisories)})" if advisories else "")
        for (name, version), advisories in sorted(newer.items())
    ]
    return ", ".join(said)


def _key(entry: Entry) -> tuple[str, str, str]:
    return entry.platform, entry.name, entry.architecture


def _newer(manager: str, update: Update, version: str) -> bool:
    """Whether a host's candidate is newer than a version: its own order of versions says so, or Debian's rules do."""
    if update.candidate == version:
        return False
    older = {update.installed, *(one.version for one in update.versions)} - {update.candidate}
    return version in older or (manager == _DPKG and debversion.compare(update.candidate, version) > 0)


def _waiting(
    plan: Plan, members: Iterable[Member], scans: Mapping[str, Scan], available: Available, now: dt.datetime
) -> Iterable[_Waiting]:
    for member in members:
        scan = scans.get(member.key)
        if scan is None:
            continue
        names = frozenset((member.key, member.name, scan.host))
        for one in scan.updates or ():
            update = one.update
            if update.held or plan.excluded(update.name, names, now) is not None:
                continue
            yield _Waiting(scan, one, available_since(scan.platform, update, available, scan.at))


def _manifest(found: Sequence[_Waiting]) -> Manifest:
    """One version for each package of a platform: where hosts were offered different ones, that of the newest lists."""
    chosen: dict[tuple[str, str, str], _Waiting] = {}
    for waiting in found:
        update = waiting.one.update
        key = (waiting.scan.platform, update.name, update.architecture)
        other = chosen.get(key)
        if other is None or _rank(waiting) > _rank(other):
            chosen[key] = waiting
    return Manifest.of(
        Entry(
            platform,
            name,
            architecture,
            one.one.update.candidate,
            one.one.update.origin,
            one.one.update.advisories,
            one.one.patch_class,
        )
        for (platform, name, architecture), one in chosen.items()
    )


def _rank(waiting: _Waiting) -> tuple[dt.datetime, dt.datetime, str, str]:
    scan = waiting.scan
    return (scan.metadata_at or scan.at, scan.at, waiting.one.update.candidate, scan.asset)
