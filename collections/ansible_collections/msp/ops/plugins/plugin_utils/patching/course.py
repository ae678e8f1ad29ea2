# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The course of a rollout through the rings when nothing goes wrong: which ring is patched when. Pure: no I/O.

For validation and the calendar. It promises nothing: a real rollout waits for gates, people and hosts as well.
"""

from __future__ import annotations

import bisect
import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Plan, Ring
from ansible_collections.msp.ops.plugins.plugin_utils.patching.windows import Opening

# What one host is thought to need, from its first check to its last, where nobody said or measured it.
HOST_TIME = dt.timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much work there is: what one host needs, and how many hosts each ring has (one where nothing is said)."""

    host_time: dt.timedelta = HOST_TIME
    sizes: Mapping[str, int] | None = None

    def turns(self, plan: Plan, ring: Ring) -> int:
        """How many groups of hosts follow each other in a ring; none for a ring without hosts."""
        size = 1 if self.sizes is None else self.sizes[ring.name]
        return math.ceil(size / plan.rates.at_once.at_least_one(size)) if size else 0


@dataclass(frozen=True, slots=True)
class Leg:
    """One ring's part: its first host begins at start, its last is done at end; the openings it takes, in order."""

    ring: Ring
    start: dt.datetime
    end: dt.datetime
    openings: tuple[Opening, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """The legs in order. complete: every ring that has hosts got its turn before the openings ran out."""

    legs: tuple[Leg, ...]
    complete: bool

    @property
    def end(self) -> dt.datetime | None:
        return self.legs[-1].end if self.complete and self.legs else None


def course(plan: Plan, patch_class: str, begin: dt.datetime, openings: Sequence[Opening], estimate: Estimate) -> Course:
    """The course of what may be installed from begin on, in these openings of its class (in order, apart)."""
    legs: list[Leg] = []
    moment = begin
    for ring in plan.rings:
        turns = estimate.turns(plan, ring)
        if not turns:
            continue
        leg = _leg(ring, turns, moment, openings, estimate.host_time)
        if leg is None:
            return Course(tuple(legs), complete=False)
        legs.append(leg)
        moment = leg.end + ring.soak_for(patch_class)
    return Course(tuple(legs), complete=True)


def _leg(
    ring: Ring, turns: int, moment: dt.datetime, openings: Sequence[Opening], host_time: dt.timedelta
) -> Leg | None:
    """A ring's turns, one after the other; None where the openings run out. A ring may need more than one opening."""
    start: dt.datetime | None = None
    taken: list[Opening] = []
    for one in _from(openings, moment):
        room = _room(one, max(moment, one.start), host_time)
        if not room:
            continue
        taken.append(one)
        start = start or max(moment, one.start)
        end = max(moment, one.start) + min(turns, room) * host_time
        turns -= room
        if turns <= 0:
            return Leg(ring, start, end, tuple(taken))
    return None


def _from(openings: Sequence[Opening], moment: dt.datetime) -> Iterator[Opening]:
    first = bisect.bisect_right(openings, moment, key=lambda one: one.closes)
    return (openings[place] for place in range(first, len(openings)))


def first_begin(openings: Sequence[Opening], moment: dt.datetime) -> dt.datetime | None:
    """When a host may first be begun of what may be installed from a moment on; None where no opening comes."""
    return next((max(moment, one.start) for one in _from(openings, moment)), None)


def latest_begin(one: Opening, host_time: dt.timedelta) -> dt.datetime:
    """Until when a host is begun in an opening: so that it is done before that closes.

    One that takes longer than half of it is begun in its first half, or it never would be.
    """
    return one.closes - min(host_time, (one.closes - one.start) / 2)


def _room(one: Opening, moment: dt.datetime, host_time: dt.timedelta) -> int:
    """How many turns fit from a moment on: each begins as long as a rollout begins hosts there, and is done before the
    opening ends.
    """
    begun = (latest_begin(one, host_time) - moment) // host_time + 1
    done = (one.end - moment) // host_time
    return max(0, min(begun, done))
