# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compliance over time: of a standard and its controls at any moment, what drifted since, what deviates most. Pure.

Nothing is compliant by silence: what was not checked for longer than FRESH is unknown, in the past as well as today.
Judges no control (judging.py does), and knows of no asset that was never checked: who should have been is assigning's.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import (
    CHECK_PHASES,
    NOT_ASSIGNED,
    ControlChange,
    ControlState,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards import said
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    COMPLIANT,
    DRIFT,
    ERROR,
    FIXED,
    NOT_APPLICABLE,
    SEVERITIES,
    STATUSES,
    UNKNOWN,
    WAIVED,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import Text

# A check that is older says nothing of today: checks go with the cycle, which is a month, and may come some days late.
FRESH = dt.timedelta(days=35)
# A waiver that ends within so many days is told: long enough to mend what it is for, or to agree on it again.
NOTICE_DAYS = 60
# What says nothing of what a control is.
_SILENT = (UNKNOWN, ERROR)

Key = tuple[str, str]  # asset, control


@dataclass(frozen=True, slots=True)
class Tally:
    """How many records of controls have each status. Every status is in counts."""

    counts: Mapping[str, int]

    @property
    def held(self) -> int:
        """The records of which the control says anything: all but those where it is not applicable."""
        return sum(self.counts.values()) - self.counts[NOT_APPLICABLE]

    @property
    def known(self) -> int:
        """The records of which somebody knows what they are."""
        return self.held - sum(self.counts[status] for status in _SILENT)

    @property
    def share(self) -> float | None:
        """The part that is as the standard wants it; None where nothing is known.

        What was waived is not, and neither is what nobody knows: it counts in the whole and not in the part.
        """
        return (self.counts[COMPLIANT] + self.counts[FIXED]) / self.held if self.known else None


def tally(statuses: Iterable[str]) -> Tally:
    """Statuses counted."""
    counted = Counter(statuses)
    return Tally({status: counted[status] for status in STATUSES})


@dataclass(frozen=True, slots=True)
class Moment:
    """The customer at one moment: by standard and control the tally over its assets."""

    at: dt.datetime
    of_controls: Mapping[tuple[str, str], Tally]

    def of_standard(self, standard: str) -> Tally:
        """All controls of a standard together."""
        return _sum(found for (name, _control), found in self.of_controls.items() if name == standard)

    @property
    def whole(self) -> Tally:
        return _sum(self.of_controls.values())


def _sum(tallies: Iterable[Tally]) -> Tally:
    total: Counter[str] = Counter()
    for one in tallies:
        total.update(one.counts)
    return Tally({status: total[status] for status in STATUSES})


def course(
    changes: Iterable[ControlChange],
    checked: Mapping[str, Sequence[dt.datetime]],
    assets: Collection[str],
    moments: Iterable[dt.datetime],
) -> tuple[Moment, ...]:
    """How compliance went: at each moment what the controls of the assets were then, by what was known by now.

    changes are all of the customer's up to the last moment, from the first on; checked is by asset when its controls
    were measured. assets are those that are the customer's today: another one is left out from its last check on, for
    then it went, while one of these that nobody checks any more is unknown.
    """
    by_asset: dict[str, list[ControlChange]] = defaultdict(list)
    for change in sorted(changes, key=_order):
        by_asset[change.asset].append(change)
    histories = [
        _History(found, sorted(checked.get(asset, ())), stays=asset in assets) for asset, found in by_asset.items()
    ]
    return tuple(_moment(histories, at) for at in sorted(moments))


def _order(change: ControlChange) -> tuple[dt.datetime, int]:
    return change.at, CHECK_PHASES.index(change.phase)


class _History:
    """The controls of one asset, gone through from moment to moment."""

    def __init__(self, changes: Sequence[ControlChange], checks: Sequence[dt.datetime], *, stays: bool) -> None:
        self.changes, self.checks, self.stays = changes, checks, stays
        self.passed = 0
        self.now: dict[str, ControlChange] = {}

    def at(self, moment: dt.datetime) -> Iterator[tuple[tuple[str, str], str]]:
        """(standard, control) and the status then. Moments come in order."""
        while self.passed < len(self.changes) and self.changes[self.passed].at <= moment:
            change = self.changes[self.passed]
            self.now[change.control] = change
            self.passed += 1
        if not self.stays and (not self.checks or moment > self.checks[-1]):
            return
        done = bisect_right(self.checks, moment)
        fresh = done > 0 and moment - self.checks[done - 1] <= FRESH
        for control, change in self.now.items():
            if change.status != NOT_ASSIGNED:
                yield (change.standard, control), change.status if fresh else UNKNOWN


def _moment(histories: Iterable[_History], at: dt.datetime) -> Moment:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for history in histories:
        for place, status in history.at(at):
            found[place].append(status)
    return Moment(at, {place: tally(statuses) for place, statuses in sorted(found.items())})


@dataclass(frozen=True, slots=True)
class NewDrift:
    """A control of an asset that became drift at a time. before is what was known of it before that, None for nothing.

    now is what was found of it last, and at what time.
    """

    asset: str
    control: str
    standard: str
    severity: str
    at: dt.datetime
    desired: Text
    found: Text
    before: str | None
    now: str
    now_at: dt.datetime


def new_drift(changes: Iterable[ControlChange], since: dt.datetime) -> tuple[NewDrift, ...]:
    """What became drift from since on, the gravest first, also what was mended later; once for each time it did.

    changes are all of the customer's, from the first on. Drift of which nothing was known for a while did not begin
    anew; nor did that of an asset whose first check of a standard comes now: its before is None.
    """
    known: dict[Key, str] = {}
    open_now: dict[Key, NewDrift] = {}
    found: list[NewDrift] = []
    for change in sorted(changes, key=_order):
        key = (change.asset, change.control)
        before = known.get(key)
        if change.status == DRIFT and before != DRIFT:
            if key in open_now:
                found.append(open_now.pop(key))
            if change.at >= since:
                open_now[key] = _drifted(change, before)
        elif key in open_now:
            open_now[key] = replace(open_now[key], now=change.status, now_at=change.at)
        if change.status == NOT_ASSIGNED:
            known.pop(key, None)
        elif change.status not in _SILENT:
            known[key] = change.status
    return tuple(sorted([*found, *open_now.values()], key=lambda one: (_grave(one.severity), one.at, one.asset)))


def _drifted(change: ControlChange, before: str | None) -> NewDrift:
    return NewDrift(
        change.asset,
        change.control,
        change.standard,
        change.severity,
        change.at,
        said.read(change.desired),
        said.read(change.found),
        before,
        change.status,
        change.at,
    )


def _grave(severity: str) -> int:
    """The place of a severity, the gravest first; one that is not known comes first, for somebody has to look."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else -1


@dataclass(frozen=True, slots=True)
class Deviation:
    """A control that is drift somewhere: on which assets, and since when on the first of them."""

    control: str
    severity: str
    assets: tuple[str, ...]
    since: dt.datetime


def top_deviations(states: Iterable[ControlState], most: int = 10) -> tuple[Deviation, ...]:
    """The controls that are drift, at most so many: the gravest first, of those the one on the most assets.

    states are those that count today (standing.py). What was waived is no deviation: the customer agreed to it.
    """
    found: dict[str, list[ControlState]] = defaultdict(list)
    for state in states:
        if state.status == DRIFT:
            found[state.control].append(state)
    deviations = [
        Deviation(
            control,
            min((state.severity for state in of), key=_grave),
            tuple(sorted({state.asset for state in of})),
            min(state.since for state in of),
        )
        for control, of in found.items()
    ]
    return tuple(sorted(deviations, key=lambda one: (_grave(one.severity), -len(one.assets), one.control))[:most])


def waived(changes: Iterable[ControlChange]) -> dict[str, tuple[tuple[dt.datetime, bool | None], ...]]:
    """By asset, from when on a control of it was waived, or none was: None once it is held to no control any more.

    Before the first of an asset's steps nobody knew. Where nobody knew for a while, it counts as it was before that.
    """
    held: dict[str, dict[str, bool]] = defaultdict(dict)
    steps: dict[str, list[tuple[dt.datetime, bool | None]]] = defaultdict(list)
    for change in sorted(changes, key=_order):
        controls = held[change.asset]
        if change.status == NOT_ASSIGNED:
            controls.pop(change.control, None)
        elif change.status not in _SILENT:
            controls[change.control] = change.status == WAIVED
        found = any(controls.values()) if controls else None
        of_asset = steps[change.asset]
        if of_asset and of_asset[-1][0] == change.at:  # one check tells of many controls
            of_asset.pop()
        if found is not (of_asset[-1][1] if of_asset else None):
            of_asset.append((change.at, found))
    return {asset: tuple(found) for asset, found in steps.items() if found}
