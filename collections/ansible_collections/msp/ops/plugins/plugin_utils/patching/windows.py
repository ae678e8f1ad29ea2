# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""When work may be done, in UTC: a plan's windows between two moments, merged where they overlap, cut by freezes.

Pure. A rule is expanded on the customer's wall clock; what it says is then a moment in UTC, and a duration is added
there, so that a window of two hours is two hours on the days when the clocks change. A time that those clocks skip is
as much later as they skip; of a time that they show twice the first is meant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from ansible_collections.msp.ops.plugins.plugin_utils.patching import recurrence
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Batch, Freeze, Plan, Window, respects

# How far an opening is looked at in both directions: windows that follow each other without end are cut there.
AROUND = dt.timedelta(days=8)
# How far the next opening is looked for, in growing steps: a week first, eleven years at most (a leap day is in eight).
HORIZONS = tuple(dt.timedelta(days=days) for days in (8, 64, 512, 4096))
# Zones are at most a day from UTC, and a jump of the clocks is shorter.
_SLACK = dt.timedelta(days=2)


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """From start until before end work may go on; from closes on no new host is begun and nothing reboots any more.

    windows are the names of those that make it up; none where a class may go at any time. UTC.
    """

    start: dt.datetime
    end: dt.datetime
    closes: dt.datetime
    windows: tuple[str, ...] = ()

    def accepts(self, moment: dt.datetime) -> bool:
        """Whether a host may be begun at this moment."""
        return self.start <= moment < self.closes


def utc(local: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """A wall-clock moment (naive) in UTC: moved on by the gap where it does not exist, the first where it is twice."""
    return local.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)


def occurrences(window: Window, zone: ZoneInfo, start: dt.datetime, end: dt.datetime) -> list[Opening]:
    """Each time the window is open in [start, end), whole, in order of start; no two merged, no freeze heeded."""
    first = _local(start - window.duration, zone) - _SLACK
    found = recurrence.moments(window.recurrence, zone, first, _local(end, zone) + _SLACK)
    each = (_occurrence(window, utc(local, zone)) for local in found)
    return sorted(one for one in each if one.start < end and one.end > start)


def openings(plan: Plan, patch_class: str, start: dt.datetime, end: dt.datetime) -> list[Opening]:
    """When hosts may be begun for a class in [start, end): sorted, apart from each other, freezes cut out.

    An opening that reaches beyond start or end is whole; one of a class that may go at any time ends there.
    """
    rule = plan.classes[patch_class]
    freezes = sorted((one for one in plan.freezes if respects(one, patch_class)), key=lambda freeze: freeze.start)
    if rule.any_time:
        each = [Opening(start, end, end)] if start < end else []
    else:
        # Neighbours decide how far an opening reaches, so a little more is looked at.
        wide = (start - AROUND, end + AROUND)
        each = [one for name in rule.windows for one in occurrences(plan.windows[name], plan.zone, *wide)]
    pieces = [piece for one in each for piece in _cut(one, freezes)]
    return [one for one in merged(pieces) if one.closes > one.start and one.start < end and one.end > start]


def open_at(plan: Plan, patch_class: str, moment: dt.datetime) -> Opening | None:
    """The opening that a moment is in, also after it closes to new hosts; None outside all. Ask accepts() of it."""
    around = openings(plan, patch_class, moment - AROUND, moment + AROUND)
    return next((one for one in around if one.start <= moment < one.end), None)


def next_opening(plan: Plan, patch_class: str, moment: dt.datetime) -> Opening | None:
    """The first opening in which a host may be begun at this moment or later (the present one, where it accepts).

    None where there is none within eleven years.
    """
    for horizon in HORIZONS:
        found = first_after(openings(plan, patch_class, moment, moment + horizon), moment)
        if found is not None:
            return found
    return None


def first_after(found: Iterable[Opening], moment: dt.datetime) -> Opening | None:
    """The first of these openings (in order) in which a host may be begun at this moment or later."""
    return next((one for one in found if one.closes > moment), None)


def batch_moments(batch: Batch, zone: ZoneInfo, start: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
    """When a batch is taken in [start, end), in UTC."""
    local = recurrence.moments(batch.recurrence, zone, _local(start, zone) - _SLACK, _local(end, zone) + _SLACK)
    return sorted(moment for one in local if start <= (moment := utc(one, zone)) < end)


def installable_from(plan: Plan, patch_class: str, available: dt.datetime) -> dt.datetime | None:
    """When an update may be installed at the earliest, windows and freezes aside; None where its batch never comes.

    Deferred long enough, and then with the next batch where the class has one.
    """
    rule = plan.classes[patch_class]
    ready = available + rule.deferral
    if rule.batch is None:
        return ready
    batch = plan.batches[rule.batch]
    local = recurrence.following(batch.recurrence, plan.zone, _local(ready, plan.zone) - _SLACK)
    while local is not None and utc(local, plan.zone) < ready:
        local = recurrence.following(batch.recurrence, plan.zone, local + dt.timedelta(seconds=1))
    return utc(local, plan.zone) if local is not None else None


def deadline(plan: Plan, patch_class: str, available: dt.datetime) -> dt.datetime:
    """By when an update must be installed: elapsed time since it became available."""
    return available + plan.classes[patch_class].deadline


def merged(found: Iterable[Opening]) -> list[Opening]:
    """Openings that overlap or touch made one. It closes with the last of its parts: until then one has room."""
    result: list[Opening] = []
    for one in sorted(found):
        if result and one.start <= result[-1].end:
            last = result[-1]
            names = tuple(dict.fromkeys((*last.windows, *one.windows)))
            result[-1] = Opening(last.start, max(last.end, one.end), max(last.closes, one.closes), names)
        else:
            result.append(one)
    return result


def _occurrence(window: Window, start: dt.datetime) -> Opening:
    end = start + window.duration
    return Opening(start, end, end - window.cutoff, (window.name,))


def _cut(one: Opening, freezes: Sequence[Freeze]) -> Iterator[Opening]:
    """What freezes, by their start, leave of an opening; what ends at a freeze closes as long before it as before the
    window's end.
    """
    cutoff = one.end - one.closes
    start = one.start
    for freeze in freezes:
        if freeze.end <= start or freeze.start >= one.end:
            continue
        if freeze.start > start:
            yield replace(one, start=start, end=freeze.start, closes=freeze.start - cutoff)
        start = freeze.end
    if start < one.end:
        yield one if start == one.start else replace(one, start=start)


def _local(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
