# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a customer stands with patching: compliance, what waits for what, rollouts under way, what was tried. Pure.

It joins what compliance.py and progress.py say; it judges nothing itself, and leaves nothing out.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching import windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.compliance import (
    STATES,
    UNKNOWN,
    WAIVED,
    Compliance,
    Item,
    OfAsset,
    Past,
    Place,
    Speed,
)
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import HostEnded, Planned, Target
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.planning import Key
from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress import Progress, as_dict
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import CLASSES, Manifest

# What an update waits for: Wait.kind. In the order in which they are told.
IN_ROLLOUT, NEXT_RUN, GIVEN_UP, DEFERRED, HELD, EXCLUDED, NEVER, NOT_KNOWN = WAITS = (
    "rollout",
    "next run",
    "given up",
    "deferred",
    "held",
    "excluded",
    "never",
    "not known",
)


# The versions that nothing tries again by itself, each with why (planning.given_up).
GivenUp = Mapping[Key, str]


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A rollout that is not over: how far it is, the packages that it installs, and the assets that it does that on."""

    progress: Progress
    places: frozenset[Place]
    assets: frozenset[str]

    @classmethod
    def of(cls, progress: Progress, manifest: Manifest, targets: Iterable[Target]) -> UnderWay:
        places = frozenset((entry.platform, entry.name, entry.architecture) for entry in manifest.entries)
        return cls(progress, places, frozenset(target.asset for target in targets))

    def has(self, asset: OfAsset, item: Item) -> bool:
        return asset.asset in self.assets and (asset.platform, item.package, item.architecture) in self.places


@dataclass(frozen=True, slots=True)
class Wait:
    """Updates of one class that wait for the same thing. kind is one of WAITS; updates are packages, assets names.

    rollout is the one they are in; until is when that may begin which they wait for; what are the words of the package
    manager, of the exclusion, or why they were given up, each once. deadline is the earliest of theirs.
    """

    kind: str
    patch_class: str
    updates: tuple[str, ...]
    assets: tuple[str, ...]
    deadline: dt.datetime | None
    rollout: str = ""
    until: dt.datetime | None = None
    what: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one asset in one rollout, once. changes are package, version before and after; owed is what that
    left to be restarted, held what stayed because the host itself holds it back."""

    asset: str
    name: str
    rollout: str
    at: dt.datetime
    outcome: str
    reason: str
    changes: tuple[tuple[str, str, str], ...]
    rebooted: bool | None
    owed: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfPlan:
    """One plan of the customer: its compliance, and what waits for what."""

    plan: Plan
    compliance: Compliance
    waits: tuple[Wait, ...]


@dataclass(frozen=True, slots=True)
class Stuck:
    """A rollout that is not over and can't be gone on with: its plan is gone, or what it installs is not what was."""

    rollout: str
    patch_class: str
    why: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer at one moment. without are the contracted assets without a plan; attempts are those since the period
    began, newest first, also of assets that are not the customer's any more."""

    now: dt.datetime
    since: dt.datetime
    plans: tuple[OfPlan, ...]
    under_way: tuple[Progress, ...]
    attempts: tuple[Attempt, ...]
    without: tuple[str, ...]
    stuck: tuple[Stuck, ...] = ()

    @property
    def assets(self) -> list[OfAsset]:
        """Every asset with a plan, the worst first."""
        found = [asset for one in self.plans for asset in one.compliance.of_assets]
        return sorted(found, key=lambda asset: (-STATES.index(asset.state), asset.name))

    @property
    def counts(self) -> dict[str, int]:
        return {state: sum(one.compliance.assets[state] for one in self.plans) for state in STATES}


def standing(
    plans: Iterable[tuple[Plan, Compliance]],
    under_way: Sequence[UnderWay],
    past: Iterable[Past],
    without: Iterable[str],
    stuck: Iterable[Stuck] = (),
    *,
    since: dt.datetime,
    now: dt.datetime,
    given_up: Mapping[str, GivenUp] | None = None,
) -> Standing:
    """How a customer stands now. past are the customer's rollouts, over or not; given_up what they gave up, by plan."""
    gave_up = given_up or {}
    return Standing(
        now,
        since,
        tuple(
            OfPlan(plan, found, tuple(waits(plan, found, under_way, now, gave_up.get(plan.name, {}))))
            for plan, found in plans
        ),
        tuple(one.progress for one in under_way),
        tuple(attempt for attempt in attempts(past) if since <= attempt.at <= now),
        tuple(without),
        tuple(stuck),
    )


def waits(
    plan: Plan, found: Compliance, under_way: Sequence[UnderWay], now: dt.datetime, given_up: GivenUp
) -> Iterator[Wait]:
    """What waits for what, put together by class and by what is waited for."""
    groups: dict[tuple[Any, ...], list[tuple[OfAsset, Item]]] = defaultdict(list)
    waiting = _Waiting(plan, under_way, now, given_up)
    for asset in found.of_assets:
        for item in asset.waiting:
            groups[waiting.for_what(asset, item)].append((asset, item))
    order = sorted(groups, key=lambda key: (CLASSES.index(key[1]), WAITS.index(key[0]), key[2], str(key[3] or "")))
    for kind, patch_class, rollout, until in order:
        items = groups[kind, patch_class, rollout, until]
        deadlines = [item.deadline for _asset, item in items if item.deadline is not None and item.state != WAIVED]
        words = {word for asset, item in items if (word := waiting.words(kind, asset, item))}
        yield Wait(
            kind,
            patch_class,
            tuple(sorted({item.package for _asset, item in items})),
            tuple(sorted({asset.name for asset, _item in items})),
            min(deadlines, default=None),
            rollout,
            until,
            tuple(sorted(words)),
        )


class _Waiting:
    """What is waited for: the rollouts under way, and the moments of the plan. One moment is computed once."""

    def __init__(self, plan: Plan, under_way: Sequence[UnderWay], now: dt.datetime, given_up: GivenUp) -> None:
        self.plan, self.under_way, self.now, self.given_up = plan, under_way, now, given_up
        self.moments: dict[tuple[str, dt.datetime], dt.datetime | None] = {}

    def for_what(self, asset: OfAsset, item: Item) -> tuple[str, str, str, dt.datetime | None]:
        """The kind, the class, the rollout and the moment that an update waits for."""
        name = item.patch_class
        if asset.state == UNKNOWN:  # what an old scan found proves nothing; a new one has to come first
            return NOT_KNOWN, name, "", None
        if item.exclusion is not None:
            return EXCLUDED, name, "", None
        if item.held:
            return HELD, name, "", None
        if (rollout := next((one for one in self.under_way if one.has(asset, item)), None)) is not None:
            return IN_ROLLOUT, name, rollout.progress.rollout, rollout.progress.until
        if _key(asset, item) in self.given_up:
            return GIVEN_UP, name, "", None
        return self._by_the_plan(name, item.since or self.now)

    def _by_the_plan(self, name: str, since: dt.datetime) -> tuple[str, str, str, dt.datetime | None]:
        begin = self._begin(name, since)
        if begin is None:
            return NEVER, name, "", None
        return (NEXT_RUN, name, "", None) if begin <= self.now else (DEFERRED, name, "", begin)

    def words(self, kind: str, asset: OfAsset, item: Item) -> str:
        """The words of who keeps an update back: why it was given up, the plan's exclusion, or the package manager."""
        if kind == GIVEN_UP:
            return self.given_up[_key(asset, item)]
        if item.exclusion is not None:
            return f"{item.exclusion.reason} ({item.exclusion.owner})"
        return item.held

    def _begin(self, name: str, since: dt.datetime) -> dt.datetime | None:
        if (name, since) not in self.moments:
            self.moments[name, since] = windows.installable_from(self.plan, name, since)
        return self.moments[name, since]


def _key(asset: OfAsset, item: Item) -> Key:
    return asset.platform, item.package, item.architecture, item.after


def attempts(past: Iterable[Past]) -> list[Attempt]:
    """Everything that rollouts did on hosts, or tried to, the newest first. What was there already is no attempt."""
    found = []
    for one in past:
        targets: dict[str, Target] = {}
        for event in one.events:
            if isinstance(event, Planned):
                targets = {target.host: target for ring in event.rings for target in ring.hosts}
            elif isinstance(event, HostEnded) and event.result.outcome != states.NOTHING:
                found.append(_attempt(one.rollout, targets[event.result.host], event))
    return sorted(found, key=lambda attempt: (attempt.at, attempt.name, attempt.rollout), reverse=True)


def _attempt(rollout: str, target: Target, event: HostEnded) -> Attempt:
    result = event.result
    return Attempt(
        target.asset,
        target.name,
        rollout,
        event.at,
        result.outcome,
        result.reason,
        tuple(
            (key, result.before.get(key, ""), after)
            for key, after in sorted(result.after.items())
            if result.before.get(key, "") != after
        ),
        result.rebooted,
        result.owed,
        result.held,
    )


def as_dict_of(found: Standing) -> dict[str, Any]:
    """All of it as plain values, times in ISO 8601 and UTC: what a program reads."""
    return {
        "since": _iso(found.since),
        "assets": found.counts,
        "without_plan": list(found.without),
        "plans": [_of_plan(one) for one in found.plans],
        "rollouts": [as_dict(one) for one in found.under_way],
        "stuck": [{"rollout": one.rollout, "class": one.patch_class, "why": one.why} for one in found.stuck],
        "history": [
            {
                **asdict(one),
                "at": _iso(one.at),
                "changes": [list(change) for change in one.changes],
                "owed": list(one.owed),
                "held": list(one.held),
            }
            for one in found.attempts
        ],
    }


def _of_plan(one: OfPlan) -> dict[str, Any]:
    return {
        "name": one.plan.name,
        "assets": [_of_asset(asset) for asset in one.compliance.of_assets],
        "waits": [
            {
                "kind": wait.kind,
                "class": wait.patch_class,
                "updates": list(wait.updates),
                "assets": list(wait.assets),
                "deadline": _iso(wait.deadline),
                "rollout": wait.rollout,
                "until": _iso(wait.until),
                "what": list(wait.what),
            }
            for wait in one.waits
        ],
        "time_to_patch": {name: _speed(speed) for name, speed in one.compliance.speed.items()},
    }


def _of_asset(asset: OfAsset) -> dict[str, Any]:
    return {
        "asset": asset.asset,
        "name": asset.name,
        "state": asset.state,
        "why": asset.why,
        "owed": list(asset.owed),
        "owed_by": _iso(asset.owed_by),
        "blind": list(asset.blind),
        "scanned": _iso(asset.scanned),
        "waiting": [_item(item) for item in asset.waiting],
        "installed": [_item(item) for item in asset.history],
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "package": item.package,
        "architecture": item.architecture,
        "before": item.before,
        "after": item.after,
        "class": item.patch_class,
        "severity": item.severity,
        "since": _iso(item.since),
        "deadline": _iso(item.deadline),
        "state": item.state,
        "done": _iso(item.done),
        "rollout": item.rollout,
        "why": item.why,
        "class_of": item.kept,
    }


def _speed(speed: Speed) -> Mapping[str, Any]:
    mean = None if speed.mean is None else speed.mean.total_seconds()
    return {"mean_seconds": mean, "measured": speed.measured, "unknown": speed.unknown}


def _iso(at: dt.datetime | None) -> str | None:
    return None if at is None else at.astimezone(dt.UTC).isoformat()
