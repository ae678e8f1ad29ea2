# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What it takes to bring assets to their standard: changes, on how many of them, and about how many hours. Pure.

Hours are what the controls say of work by hand. Of what a run brings about they are, once enough jobs were measured, as
much of that as those took. What is left to a person no run makes faster: its hours are always those of work by hand.
What was not measured is no part of a quote and is named beside it: nobody knows what it takes.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Effort, StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards import judging
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    ERROR,
    FIXED,
    UNKNOWN,
    WAIVED,
    Control,
    ControlRecord,
)

# Whence the hours are: from what jobs took, or from the minutes that the controls name.
MEASURED, TABLE = ("measured", "table")
# Fewer jobs say nothing of the next: the interval of four is twice as wide as that of many.
LEAST_JOBS = 5
# How often the hours of a job lie within the interval.
LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Job:
    """A run that brought about controls, and the minutes that people spent on it.

    by_hand is what its controls say of it; effort are the keys of the rows of effort that the minutes are the sum of.
    """

    run: str
    by_hand: float
    minutes: float
    effort: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How many minutes of people a run takes for what would be a minute by hand, by the jobs.

    spread is the variance of one minute by hand. It says nothing of what no role brings about.
    """

    factor: float
    spread: float
    jobs: tuple[Job, ...]

    def within(self, by_hand: float) -> tuple[float, float]:
        """Between how many minutes a next job lies, as often as LEVEL says."""
        variance = self.spread * by_hand * (1 + by_hand / sum(job.by_hand for job in self.jobs))
        off = _student(LEVEL, len(self.jobs) - 1) * math.sqrt(variance)
        return max(0.0, self.factor * by_hand - off), self.factor * by_hand + off


@dataclass(frozen=True, slots=True)
class Line:
    """One control that has to be brought about: on which assets, and the minutes by hand of all of them.

    left are those of the assets on which no role does it.
    """

    control: str
    assets: tuple[str, ...]
    by_hand: float
    left: tuple[str, ...] = ()

    @property
    def left_by_hand(self) -> float:
        return self.by_hand * len(self.left) / len(self.assets)


@dataclass(frozen=True, slots=True)
class Part:
    """So many changes, and the minutes of people that they take."""

    changes: int
    minutes: float

    @property
    def hours(self) -> float:
        return self.minutes / 60


@dataclass(frozen=True, slots=True)
class Quote:
    """What it takes: what the run brings about, and what is left to a person, the minutes of which are the table's.

    basis is whence the minutes of the run's part are. low and high are of both parts together, where that of a person
    has no interval; they are None where the run's minutes are from the table too.

    of is how many assets were asked about. unmeasured are those of which nothing is known, uncertain those with a
    control of which nothing is known; waived is how many records the customer agreed to leave as they are. undecided
    are assets with a control that somebody has to decide on first.
    """

    of: int
    assets: tuple[str, ...]
    lines: tuple[Line, ...]
    by_run: Part
    left: Part
    low: float | None
    high: float | None
    basis: str
    jobs: tuple[Job, ...]
    unmeasured: tuple[str, ...]
    uncertain: tuple[str, ...]
    waived: int
    undecided: tuple[str, ...] = ()

    @property
    def changes(self) -> int:
        return self.by_run.changes + self.left.changes

    @property
    def minutes(self) -> float:
        return self.by_run.minutes + self.left.minutes

    @property
    def hours(self) -> float:
        return self.minutes / 60


def quote(
    found: Mapping[str, Iterable[ControlRecord] | None],
    controls: Mapping[str, Control],
    pace: Pace | None,
    *,
    today: dt.date,
) -> Quote:
    """The quote for assets by what was found on each (None: nothing). pace is None where too little was measured.

    It has what would be brought about today, by the run or by a person, and nothing else.
    """
    drifting: dict[str, list[str]] = defaultdict(list)
    left: dict[str, list[str]] = defaultdict(list)
    unmeasured, uncertain, undecided, waived = [], [], [], 0
    for asset, records in sorted(found.items()):
        statuses: Counter[str] = Counter()
        for record in records or ():
            enforced = record.control in controls and judging.enforced(record, controls[record.control], today)
            if enforced:
                drifting[record.control].append(asset)
                if record.left:
                    left[record.control].append(asset)
            # What could not be measured and is brought about all the same is in the quote.
            statuses["" if enforced else record.status] += 1
            if judging.undecided(record) and asset not in undecided:
                undecided.append(asset)
        waived += statuses[WAIVED]
        silent = statuses[UNKNOWN] + statuses[ERROR]
        if silent == statuses.total():
            unmeasured.append(asset)
        elif silent:
            uncertain.append(asset)
    lines = tuple(
        Line(control, tuple(assets), float(controls[control].minutes * len(assets)), tuple(left[control]))
        for control, assets in sorted(drifting.items())
    )
    of_person = Part(sum(len(line.left) for line in lines), sum(line.left_by_hand for line in lines))
    changes = sum(len(line.assets) for line in lines) - of_person.changes
    by_hand = sum(line.by_hand - line.left_by_hand for line in lines)
    # Where all of it is left to a person nothing was measured, whatever other jobs took.
    used = None if of_person.changes and not changes else pace
    low, high = (end + of_person.minutes for end in used.within(by_hand)) if used else (None, None)
    return Quote(
        of=len(found),
        assets=tuple(sorted({asset for line in lines for asset in line.assets})),
        lines=lines,
        by_run=Part(changes, by_hand * used.factor if used else by_hand),
        left=of_person,
        low=low,
        high=high,
        basis=MEASURED if used else TABLE,
        jobs=used.jobs if used else (),
        unmeasured=tuple(unmeasured),
        uncertain=tuple(uncertain),
        waived=waived,
        undecided=tuple(undecided),
    )


def jobs(checks: Iterable[StandardCheck], effort: Iterable[Effort], controls: Mapping[str, Control]) -> tuple[Job, ...]:
    """The runs that brought about controls and on which people wrote their time.

    A run without a row of a person's is no job: that nobody wrote anything down does not mean that it took no time. Nor
    is one that brought about a control which the catalogue has no more, or in which a person put right what is left to
    one: what people wrote down is of that too, and nobody knows how much of it.
    """
    by_hand: dict[str, float] = defaultdict(float)
    for check in checks:
        for record in check.records or ():
            if check.run is not None and record["status"] == FIXED:
                known = controls.get(record["control"])
                # A record of before does not say left. Of what no role ever brings about the catalogue does.
                ours = known is not None and not known.by_hand and record.get("left") is not True
                by_hand[check.run] += known.minutes if known is not None and ours else math.inf
    rows: dict[str, list[Effort]] = defaultdict(list)
    for row in effort:
        if row.by == "person" and row.run in by_hand:
            rows[row.run].append(row)
    return tuple(
        Job(run, minutes, sum(row.minutes for row in rows[run]), tuple(sorted(row.key for row in rows[run])))
        for run, minutes in sorted(by_hand.items())
        if run in rows and 0 < minutes < math.inf
    )


def pace_of(done: Iterable[Job]) -> Pace | None:
    """The pace of what was done; None where that is too little to say.

    A job of twice the work is taken to vary by twice the variance, so the ratio of the sums is the best estimate.
    """
    of = tuple(done)
    if len(of) < LEAST_JOBS:
        return None
    factor = sum(job.minutes for job in of) / sum(job.by_hand for job in of)
    spread = sum((job.minutes - factor * job.by_hand) ** 2 / job.by_hand for job in of) / (len(of) - 1)
    return Pace(factor, spread, of)


def _student(level: float, freedom: int) -> float:
    """The quantile of Student's distribution for a two-sided level, by its expansion (Abramowitz and Stegun 26.7.5).

    From four degrees of freedom on it is right to a hundredth.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
