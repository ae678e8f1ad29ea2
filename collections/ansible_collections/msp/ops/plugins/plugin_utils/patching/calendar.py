# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The next three months of a plan as data: when which class of updates may go to which ring, and what is in the way.

Pure. For a class that is taken in batches the rings are those of the course that its rollout has when nothing goes
wrong; for one that is not, any ring may be due in any window. What it says in words is calendar_page.py's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.plugin_utils.patching import rings, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.course import HOST_TIME, Estimate, course
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Freeze, Plan
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Division, Member
from ansible_collections.msp.ops.plugins.plugin_utils.patching.windows import Opening

MONTHS = 3
# A batch's rollout is through its rings in so many days, or its plan is no good; earlier batches are past.
LOOK_BACK = dt.timedelta(days=92)
_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Use:
    """What an opening may be used for: a class, and the rings whose turn it is. due: it has a turn on this very day."""

    patch_class: str
    rings: tuple[str, ...]
    due: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """One opening and what it may be used for, classes in order of urgency."""

    opening: Opening
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """A moment at which what was deferred is taken together, and the classes that are."""

    at: dt.datetime
    batch: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The clocks go forward (by more than nothing) or back."""

    at: dt.datetime
    by: dt.timedelta


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a plan says of [start, end), in UTC; start and end are midnights of the plan's zone."""

    plan: Plan
    division: Division
    start: dt.datetime
    end: dt.datetime
    visits: tuple[Visit, ...]
    batches: tuple[Taken, ...]
    freezes: tuple[Freeze, ...]
    clock_changes: tuple[ClockChange, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values, moments as ISO 8601 in UTC."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "windows": [_visit(visit) for visit in self.visits],
            "batches": [
                {"at": one.at.isoformat(), "batch": one.batch, "classes": list(one.classes)} for one in self.batches
            ],
            "freezes": [
                {
                    "start": one.start.isoformat(),
                    "end": one.end.isoformat(),
                    "reason": one.reason,
                    "emergency": one.emergency,
                }
                for one in self.freezes
            ],
            "clock_changes": [
                {"at": one.at.isoformat(), "minutes": int(one.by.total_seconds() // 60)} for one in self.clock_changes
            ],
        }


def calendar(plan: Plan, members: Sequence[Member], now: dt.datetime, host_time: dt.timedelta = HOST_TIME) -> Calendar:
    """Three months from the beginning of today, where the plan's clock is."""
    today = now.astimezone(plan.zone).date()
    start, end = (
        windows.utc(dt.datetime.combine(day, dt.time()), plan.zone) for day in (today, months_on(today, MONTHS))
    )
    division = rings.divide(plan, members)
    estimate = Estimate(host_time, division.sizes if members else None)
    return Calendar(
        plan=plan,
        division=division,
        start=start,
        end=end,
        visits=_visits(plan, start, end, estimate),
        batches=_batches(plan, start, end),
        freezes=tuple(sorted(_within(plan.freezes, start, end), key=lambda one: one.start)),
        clock_changes=tuple(clock_changes(plan.zone, start, end)),
    )


def months_on(day: dt.date, months: int) -> dt.date:
    """The same day so many months later; the last of the month where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    first = dt.date(year, month + 1, 1)
    last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


def clock_changes(zone: ZoneInfo, start: dt.datetime, end: dt.datetime) -> list[ClockChange]:
    """When the clocks of a zone change in [start, end), to the minute."""
    found = []
    moment = start
    while moment < end:
        after = min(moment + _HOUR, end)
        by = _offset(after, zone) - _offset(moment, zone)
        if by:
            found.append(ClockChange(_change(zone, moment, after), by))
        moment = after
    return found


def _change(zone: ZoneInfo, before: dt.datetime, after: dt.datetime) -> dt.datetime:
    minutes = int((after - before) / dt.timedelta(minutes=1))
    moments = (before + dt.timedelta(minutes=minute) for minute in range(1, minutes + 1))
    return next(one for one in moments if _offset(one, zone) != _offset(before, zone))


def _offset(moment: dt.datetime, zone: ZoneInfo) -> dt.timedelta:
    return moment.astimezone(zone).utcoffset() or dt.timedelta(0)


def _within(freezes: Sequence[Freeze], start: dt.datetime, end: dt.datetime) -> list[Freeze]:
    return [one for one in freezes if one.start < end and one.end > start]


def _visits(plan: Plan, start: dt.datetime, end: dt.datetime, estimate: Estimate) -> tuple[Visit, ...]:
    """The openings of all classes that wait for a window; equal ones are one visit."""
    uses: dict[Opening, list[Use]] = {}
    for name, rule in plan.classes.items():
        if rule.any_time:
            continue
        found = windows.openings(plan, name, start - LOOK_BACK, end)
        turns = _turns(plan, name, found, estimate, start - LOOK_BACK) if rule.batch is not None else None
        everybody = tuple(ring.name for ring in plan.rings if estimate.turns(plan, ring))
        for one in found:
            if one.end <= start:
                continue
            due = everybody if turns is None else tuple(dict.fromkeys(turns.get(one, ())))
            if due:
                uses.setdefault(one, []).append(Use(name, due, due=turns is not None))
    return tuple(Visit(one, tuple(uses[one])) for one in sorted(uses))


def _turns(
    plan: Plan, name: str, found: Sequence[Opening], estimate: Estimate, since: dt.datetime
) -> dict[Opening, list[str]]:
    """The rings that have their turn in each opening, of all batches since then."""
    turns: dict[Opening, list[str]] = {}
    batch = plan.batches[plan.classes[name].batch or ""]
    upto = found[-1].end if found else since
    for moment in windows.batch_moments(batch, plan.zone, since, upto):
        for leg in course(plan, name, moment, found, estimate).legs:
            for one in leg.openings:
                turns.setdefault(one, []).append(leg.ring.name)
    return turns


def _batches(plan: Plan, start: dt.datetime, end: dt.datetime) -> tuple[Taken, ...]:
    found = []
    for name, batch in plan.batches.items():
        classes = tuple(rule.name for rule in plan.classes.values() if rule.batch == name)
        if classes:
            found += [Taken(at, name, classes) for at in windows.batch_moments(batch, plan.zone, start, end)]
    return tuple(sorted(found, key=lambda one: (one.at, one.batch)))


def _visit(visit: Visit) -> dict[str, Any]:
    one = visit.opening
    return {
        "start": one.start.isoformat(),
        "closes": one.closes.isoformat(),
        "end": one.end.isoformat(),
        "windows": list(one.windows),
        "classes": [{"class": use.patch_class, "rings": list(use.rings), "due": use.due} for use in visit.uses],
    }
