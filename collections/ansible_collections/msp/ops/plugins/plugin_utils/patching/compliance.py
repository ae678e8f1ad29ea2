# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What waited on each asset, and since, held against its deadline: in time, late, waived or unknown. Pure: no I/O.

Nothing is compliant by silence: an asset that was not scanned, whose scan failed or is old, or whose package lists are
old, is unknown; and so is an installed update of which nobody knows since when it could be had.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching import windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event, HostEnded, Planned, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Exclusion, Plan, exclusion_of
from ansible_collections.msp.ops.plugins.plugin_utils.patching.planning import Availability, Available
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import ROUTINE, Judged, Manifest, Scan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member

# From good to bad: an asset is what the worst of its updates is, and unknown above all.
IN_TIME, WAIVED, LATE, UNKNOWN = STATES = ("in time", "waived", "late", "unknown")
Place = tuple[str, str, str]  # platform, package, architecture
# A scan, or package lists, that are older say nothing of today.
FRESH = dt.timedelta(days=7)
# Why nothing is known of an asset today: OfAsset.unknown.
NEVER, BROKEN, OLD, AGELESS, OLD_LISTS = ("never", "broken", "old", "ageless", "old lists")


@dataclass(frozen=True, slots=True)
class Item:
    """One update of one asset. done is when it was installed, None while it waits; state is one of STATES.

    since is when it could be had first, None where nobody knows. why says what made it waived, late or unknown; rollout
    is the one that installed it. held is the package manager's word where it keeps it back, exclusion the plan's.
    """

    asset: str
    package: str
    architecture: str
    before: str
    after: str
    patch_class: str
    severity: str
    since: dt.datetime | None
    deadline: dt.datetime | None
    state: str
    done: dt.datetime | None = None
    rollout: str = ""
    why: str = ""
    held: str = ""
    exclusion: Exclusion | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """A rollout of the customer, over or not: its events, oldest first, and what it installs."""

    rollout: str
    events: tuple[Event, ...]
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class OfAsset:
    """One asset: its state, why where it is unknown, when it was last scanned well, what waits, and what was done.

    Where the state is unknown, waiting is what the last good scan found, for a person to look at; it proves nothing.
    unknown is then one of the words above, else empty; platform is that of the last good scan.
    """

    asset: str
    name: str
    state: str
    why: str
    scanned: dt.datetime | None
    waiting: tuple[Item, ...]
    history: tuple[Item, ...]
    unknown: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one class was patched: the mean over the updates of which it is known since when they could be had."""

    mean: dt.timedelta | None
    measured: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Compliance:
    """A customer's assets of one plan, counted by state; and the speed by class, of what was done in the period."""

    of_assets: tuple[OfAsset, ...]
    assets: Mapping[str, int]
    speed: Mapping[str, Speed]


def compliance(
    plan: Plan,
    members: Iterable[Member],
    scans: Mapping[str, tuple[Scan | None, Scan | None]],
    available: Available,
    past: Iterable[Past],
    *,
    since: dt.datetime,
    now: dt.datetime,
) -> Compliance:
    """The compliance of a plan's assets now, with what was done from since on.

    scans are the last good scan and the last attempt by asset (Store.last_scans), available what planning.due takes.
    """
    book = _Book(plan, available, since, now)
    done = book.done(past)
    found = tuple(
        book.of_asset(member, scans.get(member.key, (None, None)), done.get(member.key, [])) for member in members
    )
    counted = Counter(one.state for one in found)
    return Compliance(found, {state: counted[state] for state in STATES}, _speeds(plan, found))


class _Book:
    """What every asset is held against: the plan, since when versions could be had, the period, today."""

    def __init__(self, plan: Plan, available: Available, since: dt.datetime, now: dt.datetime) -> None:
        self.plan, self.since, self.now = plan, since, now
        self.availability = Availability(available)
        self.versions: dict[Place, dict[str, dt.datetime]] = defaultdict(dict)
        for (platform, name, architecture, version), at in available.items():
            self.versions[platform, name, architecture][version] = at

    def of_asset(self, member: Member, scans: tuple[Scan | None, Scan | None], done: list[Item]) -> OfAsset:
        good, last = scans
        unknown, why = _unknown(good, last, self.now)
        waiting: tuple[Item, ...] = ()
        if good is not None and good.updates is not None:
            exclusions = self.plan.exclusions_on(frozenset((member.key, member.name, good.host)), self.now)
            installed = {
                (item.package, item.architecture, item.after) for item in done if item.done and item.done >= good.at
            }
            waiting = tuple(
                self._waiting(good, one, exclusions)
                for one in good.updates
                if (one.update.name, one.update.architecture, one.update.candidate) not in installed
            )
        state = UNKNOWN if unknown else max((item.state for item in waiting), key=STATES.index, default=IN_TIME)
        recent = tuple(item for item in done if item.done and self.since <= item.done <= self.now)
        at, platform = (good.at, good.platform) if good else (None, "")
        return OfAsset(member.key, member.name, state, why, at, waiting, recent, unknown, platform)

    def _waiting(self, scan: Scan, one: Judged, exclusions: Iterable[Exclusion]) -> Item:
        update = one.update
        since = self.availability.since(scan.platform, update, scan.at)
        deadline = windows.deadline(self.plan, one.patch_class, since)
        excluded = exclusion_of(update.name, exclusions)
        why = f"held back: {update.held}" if update.held else ""
        state = LATE if self.now > deadline else IN_TIME
        if excluded is not None:
            state, why = WAIVED, f"{excluded.reason} ({excluded.owner}, until {excluded.expires.isoformat()})"
        return Item(
            scan.asset,
            update.name,
            update.architecture,
            update.installed,
            update.candidate,
            one.patch_class,
            one.severity,
            since,
            deadline,
            state,
            why=why,
            held=update.held,
            exclusion=excluded,
        )

    def done(self, past: Iterable[Past]) -> dict[str, list[Item]]:
        """What rollouts installed, as it was read back from the hosts, by asset, oldest first."""
        found: dict[str, list[Item]] = defaultdict(list)
        for one in past:
            classes = {(e.platform, e.name, e.architecture): e.patch_class for e in one.manifest.entries}
            targets: dict[str, Target] = {}
            for event in one.events:
                if isinstance(event, Planned):
                    targets = {target.host: target for ring in event.rings for target in ring.hosts}
                elif isinstance(event, HostEnded) and event.result.outcome == states.PATCHED:
                    target = targets[event.result.host]
                    found[target.asset] += self._installed(one.rollout, target, event, classes)
                elif isinstance(event, HostEnded) and event.result.outcome == states.ROLLED_BACK:
                    asset = targets[event.result.host].asset
                    found[asset] = [item for item in found[asset] if item.rollout != one.rollout]
        for items in found.values():
            items.sort(key=lambda item: (item.done or self.now, item.package))
        return found

    def _installed(
        self, rollout: str, target: Target, event: HostEnded, classes: Mapping[Place, str]
    ) -> Iterator[Item]:
        for key, after in sorted(event.result.after.items()):
            before = event.result.before.get(key, "")
            if before == after:
                continue
            package, _colon, architecture = key.partition(":")
            place = (target.platform, package, architecture)
            patch_class = classes.get(place, ROUTINE)
            since = self._available(place, before, after)
            deadline = None if since is None else windows.deadline(self.plan, patch_class, since)
            yield Item(
                target.asset,
                package,
                architecture,
                before,
                after,
                patch_class,
                "",
                since,
                deadline,
                UNKNOWN if deadline is None else LATE if event.at > deadline else IN_TIME,
                event.at,
                rollout,
                "nobody saw since when it could be had" if since is None else "",
            )

    def _available(self, place: Place, before: str, after: str) -> dt.datetime | None:
        """Since when something newer than before could be had; None where nobody saw when the installed version came.

        Versions between the two that came earlier count: a newer one restarts no deadline. That they lie between is
        known from when they were seen first.
        """
        seen = self.versions.get(place, {})
        end = seen.get(after)
        if end is None:
            return None
        begin = seen.get(before)
        between = (
            at for version, at in seen.items() if version != before and at <= end and (begin is None or at > begin)
        )
        return min(between, default=end)


def _unknown(good: Scan | None, last: Scan | None, now: dt.datetime) -> tuple[str, str]:
    """Why nothing is known of an asset today, as a word and in words; empty where something is."""
    if last is None:
        return NEVER, "it was never scanned"
    if last.outcome != "ok":
        return BROKEN, f"the last scan ended with {last.outcome!r}" + (f": {last.error}" if last.error else "")
    if good is None or now - good.at > FRESH:
        return OLD, f"the last scan is older than {FRESH.days} days"
    if good.metadata_at is None:
        return AGELESS, "nobody knows how old its package lists are"
    if good.at - good.metadata_at > FRESH:
        return OLD_LISTS, f"its package lists are older than {FRESH.days} days"
    return "", ""


def _speeds(plan: Plan, found: Iterable[OfAsset]) -> dict[str, Speed]:
    times: dict[str, list[dt.timedelta | None]] = defaultdict(list)
    for one in found:
        for item in one.history:
            times[item.patch_class].append(_waited(item))
    return {name: _speed(times[name]) for name in plan.classes}


def _waited(item: Item) -> dt.timedelta | None:
    """How long an installed update waited; None where nobody knows."""
    return None if item.done is None or item.since is None else max(item.done - item.since, dt.timedelta(0))


def _speed(times: list[dt.timedelta | None]) -> Speed:
    known = [time for time in times if time is not None]
    mean = sum(known, dt.timedelta(0)) / len(known) if known else None
    return Speed(mean, len(known), len(times) - len(known))
