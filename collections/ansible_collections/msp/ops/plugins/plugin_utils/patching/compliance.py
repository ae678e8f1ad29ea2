# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What waited on each asset, and since, held against its deadline: in time, late, waived or unknown. Pure: no I/O.

Nothing is compliant by silence: an asset that was not scanned, whose scan failed or is old, whose package lists are old
or not all there, is unknown; and so is an installed update of which nobody knows since when it could be had. What is
installed while the old code still runs is owed, and no more in time than what waits (owing.py).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.patching import owing, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event, HostEnded, Planned, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.owing import Debt, Result
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Exclusion, Plan, exclusion_of
from ansible_collections.msp.ops.plugins.plugin_utils.patching.planning import Availability, Available
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import (
    ROUTINE,
    SECURITY,
    Judged,
    Manifest,
    Scan,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member

# From good to bad: an asset is what the worst of its updates is, and unknown above all.
IN_TIME, WAIVED, OWED, LATE, UNKNOWN = STATES = ("in time", "waived", "owed", "late", "unknown")
Place = tuple[str, str, str]  # platform, package, architecture
# A scan, or package lists, that are older say nothing of today.
FRESH = dt.timedelta(days=7)
# Clocks that differ by more than this are wrong, and nobody knows how old is what they say.
APART = dt.timedelta(days=1)
# Why nothing is known of an asset today: OfAsset.unknown.
NEVER, BROKEN, OLD, AGELESS, OLD_LISTS, BLIND = ("never", "broken", "old", "ageless", "old lists", "blind")


@dataclass(frozen=True, slots=True)
class Item:
    """One update of one asset. done is when it was installed, None while it waits; state is one of STATES.

    since is when it could be had first, None where nobody knows. why says what made it waived, late or unknown; rollout
    is the one that installed it. held is the package manager's word where it keeps it back, exclusion the plan's. kept
    is the day of the scan that its class is of, where the last one knew less (carried.py).
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
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """A rollout of the customer, over or not: its events, oldest first, what it installs, and of which plan it is."""

    rollout: str
    events: tuple[Event, ...]
    manifest: Manifest
    plan: str = ""


@dataclass(frozen=True, slots=True)
class OfAsset:
    """One asset: its state, why where it is unknown or owes something, when it was last scanned well, what waits, and
    what was done.

    Where the state is unknown, waiting is what the last good scan found, for a person to look at; it proves nothing.
    unknown is then one of the words above, else empty; platform is that of the last good scan. owed is what is
    installed while the old code still runs, blind what its list of updates lacks, both in the words of the host.
    owed_by is when the first of what is owed must be in force.
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
    owed: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    owed_by: dt.datetime | None = None


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
    results = _results(past)
    found = tuple(
        book.of_asset(member, scans.get(member.key, (None, None)), results.get(member.key, [])) for member in members
    )
    counted = Counter(one.state for one in found)
    return Compliance(found, {state: counted[state] for state in STATES}, _speeds(plan, found))


@dataclass(frozen=True, slots=True)
class _Ended:
    """What became of one asset in a rollout, once. classes are those of what the rollout installs."""

    past: Past
    target: Target
    event: HostEnded
    classes: Mapping[Place, str]


def _results(past: Iterable[Past]) -> dict[str, list[_Ended]]:
    """By asset what became of it, in the order in which it was told."""
    found: dict[str, list[_Ended]] = defaultdict(list)
    for one in past:
        classes = {(e.platform, e.name, e.architecture): e.patch_class for e in one.manifest.entries}
        targets: dict[str, Target] = {}
        for event in one.events:
            if isinstance(event, Planned):
                targets = {target.host: target for ring in event.rings for target in ring.hosts}
            elif isinstance(event, HostEnded):
                target = targets[event.result.host]
                found[target.asset].append(_Ended(one, target, event, classes))
    for ended in found.values():
        ended.sort(key=lambda one: one.event.at)
    return found


class _Book:
    """What every asset is held against: the plan, since when versions could be had, the period, today."""

    def __init__(self, plan: Plan, available: Available, since: dt.datetime, now: dt.datetime) -> None:
        self.plan, self.since, self.now = plan, since, now
        self.availability = Availability(available)
        self.versions: dict[Place, dict[str, dt.datetime]] = defaultdict(dict)
        for (platform, name, architecture, version), at in available.items():
            self.versions[platform, name, architecture][version] = at

    def of_asset(self, member: Member, scans: tuple[Scan | None, Scan | None], results: list[_Ended]) -> OfAsset:
        good, last = scans
        done, told = self.done(results)
        debts = owing.now(owing.after(told), told, good)
        owed_by = min((self._by_when(debt) for debt in debts), default=None)
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
        return OfAsset(
            member.key,
            member.name,
            UNKNOWN if unknown else self._state(waiting, owed_by),
            why or owing.words(debts),
            good.at if good else None,
            waiting,
            tuple(item for item in done if item.done and self.since <= item.done <= self.now),
            unknown,
            good.platform if good else "",
            tuple(debt.what for debt in debts),
            good.blind if good else (),
            owed_by,
        )

    def _state(self, waiting: Iterable[Item], owed_by: dt.datetime | None) -> str:
        """The worst of what waits and of what is not in force: that is late from its deadline on, installed or not."""
        found = [item.state for item in waiting]
        if owed_by is not None:
            found.append(LATE if self.now > owed_by else OWED)
        return max(found, key=STATES.index, default=IN_TIME)

    def _by_when(self, debt: Debt) -> dt.datetime:
        """Where nobody knows the update that is not in force, it may close a hole, and is owed since it was seen."""
        return debt.deadline or windows.deadline(self.plan, SECURITY, debt.since)

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
            kept=one.kept,
        )

    def done(self, results: Iterable[_Ended]) -> tuple[list[Item], list[Result]]:
        """What rollouts installed on one asset, as it was read back from it, oldest first; and its results with that.

        A reboot that came after all makes what was installed before it done, then and not earlier.
        """
        found: dict[str, dict[tuple[str, str], Item]] = defaultdict(dict)
        told: list[Result] = []
        last: dict[str, str] = {}
        for one in results:
            rollout, outcome = one.past.rollout, one.event.result.outcome
            mine = found[rollout]
            installed: list[Item] = []
            if outcome in (states.PATCHED, states.OWED):
                installed = list(self._installed(one))
                for item in installed:
                    key = (item.package, item.architecture)
                    if key not in mine or mine[key].after != item.after or last.get(rollout) == states.OWED:
                        mine[key] = item
            elif outcome == states.ROLLED_BACK:
                mine.clear()
            last[rollout] = outcome
            deadlines = {item.package: item.deadline for item in installed if item.deadline is not None}
            told.append(Result(rollout, one.event.result, deadlines))
        items = [item for mine in found.values() for item in mine.values()]
        return sorted(items, key=lambda item: (item.done or self.now, item.package)), told

    def _installed(self, ended: _Ended) -> Iterator[Item]:
        target, event, classes = ended.target, ended.event, ended.classes
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
                ended.past.rollout,
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
    return _doubtful(good, now)


def _doubtful(good: Scan, now: dt.datetime) -> tuple[str, str]:
    """The same of a scan that was good and of this week: what it may not have seen."""
    if good.metadata_at is None:
        return AGELESS, "nobody knows how old its package lists are"
    if good.at - now > APART or good.metadata_at - good.at > APART:
        return AGELESS, "nobody knows how old its package lists are: they are of a time to come, so a clock is wrong"
    if now - good.metadata_at > FRESH:
        return OLD_LISTS, f"its package lists are older than {FRESH.days} days"
    if good.blind:
        return BLIND, "its list may lack updates: " + "; ".join(good.blind)
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
