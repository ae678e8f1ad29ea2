# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Can a plan work: does every ring get its turn before the deadline, in the windows of the next year? Pure: no I/O.

A rollout is played through for an update of each class that becomes available on each day of the year, and for those
that come a minute too late for a window or a batch, with and without the freezes: so the calendar's odd days and the
unluckiest moments are all in it. What is wrong is said with the worst as its example.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ansible_collections.msp.ops.plugins.plugin_utils.patching import rings, windows
from ansible_collections.msp.ops.plugins.plugin_utils.patching.course import HOST_TIME, Estimate, course, first_begin
from ansible_collections.msp.ops.plugins.plugin_utils.patching.findings import Finding, error, warning
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan, respects
from ansible_collections.msp.ops.plugins.plugin_utils.patching.reading_plan import in_words
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rings import Member
from ansible_collections.msp.ops.plugins.plugin_utils.patching.windows import Opening

YEAR = dt.timedelta(days=365)
# A course is not followed further than this: a deadline that is later is one that nobody waits for.
FURTHEST = dt.timedelta(days=3 * 365)

# How far beyond the last deadline windows are looked at, to say when a late rollout is done.
BEYOND = dt.timedelta(days=120)


@dataclass(frozen=True, slots=True)
class _Late:
    """An update that misses its deadline; end None: it is never done. day counts from the first that is looked at."""

    day: int

    available: dt.datetime
    deadline: dt.datetime
    end: dt.datetime | None

    @property
    def by(self) -> dt.timedelta:
        return dt.timedelta.max if self.end is None else self.end - self.deadline


def examine(
    plan: Plan, members: Sequence[Member], now: dt.datetime, host_time: dt.timedelta = HOST_TIME
) -> list[Finding]:
    """Everything that validation has to say of a plan for these assets, errors first."""
    division = rings.divide(plan, members)
    estimate = Estimate(host_time, division.sizes if members else None)
    found = [
        *rings.findings(plan, division),
        *_fitting(plan, host_time),
        *_unused(plan),
        *_outdated(plan, now),
        *_strangers(plan, members),
    ]
    for name in plan.classes:
        found += _class(plan, name, now, estimate) or _frozen(plan, name, now, estimate)
    return sorted(found, key=lambda finding: finding.level != "error")


def faults(
    plan: Plan, members: Sequence[Member], now: dt.datetime, host_time: dt.timedelta = HOST_TIME
) -> list[Finding]:
    """The errors of examine() alone, which keep a plan from being used. What only freezes are in the way of is none,
    and is not played through, which halves the time.
    """
    division = rings.divide(plan, members)
    estimate = Estimate(host_time, division.sizes if members else None)
    found = [*rings.findings(plan, division), *_fitting(plan, host_time)]
    for name in plan.classes:
        found += _class(plan, name, now, estimate)
    return errors(found)


def _fitting(plan: Plan, host_time: dt.timedelta) -> Iterator[Finding]:
    """Windows in which nothing fits."""
    for name, window in plan.windows.items():
        path = f"windows.{name}"
        if window.usable <= dt.timedelta(0):
            found = f"cutoff {in_words(window.cutoff)}, duration {in_words(window.duration)}: no host can ever be begun"
            yield error("MSP-PAT-014", path, "a cutoff shorter than the duration", found, "shorten the cutoff")
        elif window.duration < host_time:
            wanted = f"a duration of at least {in_words(host_time)}, which one host is thought to need"
            yield error("MSP-PAT-014", path, wanted, in_words(window.duration), "lengthen the window")
        elif window.cutoff < host_time:
            wanted = f"a cutoff of at least {in_words(host_time)}, which one host is thought to need"
            action = "lengthen the cutoff; as it is a host begun last may still be at work when the window ends"
            yield warning("MSP-PAT-014", path, wanted, in_words(window.cutoff), action)


def _unused(plan: Plan) -> Iterator[Finding]:
    taken = {window for rule in plan.classes.values() for window in rule.windows}
    batches = {rule.batch for rule in plan.classes.values()}
    unused = [f"windows.{name}" for name in plan.windows if name not in taken]
    unused += [f"batches.{name}" for name in plan.batches if name not in batches]
    for path in unused:
        yield warning("MSP-PAT-020", path, "to be named by a class", "it is not", "name it in a class, or take it out")


def _outdated(plan: Plan, now: dt.datetime) -> Iterator[Finding]:
    today = now.astimezone(plan.zone).date()
    for number, exclusion in enumerate(plan.exclusions):
        if exclusion.expires < today:
            yield warning(
                "MSP-PAT-019",
                f"exclusions[{number}]",
                f"a date that is not past, for {exclusion.package}",
                f"{exclusion.expires}; it is patched again since",
                f"take it out, or have {exclusion.owner} decide on it again",
            )


def _strangers(plan: Plan, members: Sequence[Member]) -> Iterator[Finding]:
    """Assets that the plan names and that are none of its own."""
    if not members:
        return
    known = {member.name for member in members} | {member.key for member in members}
    named = [(f"apart[{number}]", one.assets) for number, one in enumerate(plan.apart)]
    named += [(f"exclusions[{number}]", one.assets) for number, one in enumerate(plan.exclusions)]
    for path, assets in named:
        strange = [asset for asset in assets if asset not in known]
        if strange:
            wanted = "only assets that this plan is for, by name or key"
            yield warning("MSP-PAT-021", path, wanted, rings.some(strange), "correct the names")


def _class(plan: Plan, name: str, now: dt.datetime, estimate: Estimate) -> list[Finding]:
    """Whether updates of a class get through the rings in time, freezes aside."""
    rule = plan.classes[name]
    path = f"classes.{name}"
    if windows.installable_from(plan, name, now) is None:
        wanted, found = f"a batch {rule.batch} that comes again", "none that comes"
        return [error("MSP-PAT-016", f"{path}.batch", wanted, found, "correct the rule of the batch, or name another")]
    whole = replace(plan, freezes=())
    if not windows.openings(whole, name, now, now + YEAR):
        wanted, found = "a window that opens within a year", f"none of {', '.join(rule.windows)} does"
        return [error("MSP-PAT-015", path, wanted, found, "give it a window that opens")]
    late = list(_late(whole, name, now, estimate))
    return [_too_slow(plan, name, late)] if late else []


def _late(plan: Plan, name: str, now: dt.datetime, estimate: Estimate) -> Iterator[_Late]:
    """Updates of a class that become available within a year and miss their deadline."""
    upto = now + YEAR + min(FURTHEST, plan.classes[name].deadline)
    found = windows.openings(plan, name, now, upto + BEYOND)
    ends: dict[dt.datetime, dt.datetime | None] = {}
    for available in _moments(plan, name, now, found):
        ready = windows.installable_from(plan, name, available)
        begin = first_begin(found, ready) if ready is not None else None
        if begin is not None and begin not in ends:  # all that waits for one opening has one course
            ends[begin] = course(plan, name, begin, found, estimate).end
        end = ends[begin] if begin is not None else None
        deadline = windows.deadline(plan, name, available)
        if deadline <= upto and (end is None or end > deadline):
            yield _Late((available - now).days, available, deadline, end)


def _moments(plan: Plan, name: str, now: dt.datetime, found: Sequence[Opening]) -> list[dt.datetime]:
    """Once a day, and a minute too late for each window and each batch of the year."""
    rule = plan.classes[name]
    moments = {now + dt.timedelta(days=day) for day in range(YEAR.days)}
    missed = [one.closes for one in found]
    if rule.batch is not None:
        missed += windows.batch_moments(plan.batches[rule.batch], plan.zone, now, now + YEAR + rule.deferral)
    moments |= {moment - rule.deferral + dt.timedelta(minutes=1) for moment in missed}
    return sorted(moment for moment in moments if now <= moment < now + YEAR)


def _too_slow(plan: Plan, name: str, late: Sequence[_Late]) -> Finding:
    worst = max(late, key=lambda one: one.by)
    return error(
        "MSP-PAT-017",
        f"classes.{name}.deadline",
        f"every ring patched within {in_words(plan.classes[name].deadline)}, soaks and windows counted in",
        f"{_told(plan, worst)}; so on {_days(late)} of {YEAR.days} days",
        "shorten soaks or the deferral, add windows, raise rates.at_once, or lengthen the deadline",
    )


def _frozen(plan: Plan, name: str, now: dt.datetime, estimate: Estimate) -> Iterator[Finding]:
    """Deadlines that are missed only because of a freeze, told at the freeze that lies on them."""
    freezes = [(number, freeze) for number, freeze in enumerate(plan.freezes) if respects(freeze, name)]
    late = list(_late(plan, name, now, estimate)) if freezes else []
    for number, freeze in freezes:
        hit = [one for one in late if freeze.start < (one.end or one.deadline) and freeze.end > one.available]
        if hit:
            worst = max(hit, key=lambda one: one.by)
            yield warning(
                "MSP-PAT-018",
                f"freezes[{number}]",
                f"deadlines of the class {name} that can be kept around it",
                f"{_told(plan, worst)}; so for what comes on {_days(hit)} days",
                "shorten the freeze, add a window beside it, or agree with the customer that it goes before",
            )


def _days(late: Iterable[_Late]) -> int:
    return len({one.day for one in late})


def _told(plan: Plan, late: _Late) -> str:
    def day(moment: dt.datetime) -> str:
        return f"{moment.astimezone(plan.zone):%Y-%m-%d}"

    due = f"what becomes available on {day(late.available)} is due on {day(late.deadline)}"
    return f"{due} and done on {day(late.end)} at the earliest" if late.end else f"{due} and not done by then"


def errors(found: Iterable[Finding]) -> list[Finding]:
    """Those that keep a plan from being used."""
    return [finding for finding in found if finding.level == "error"]
