# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every parser of a discovery source takes and gives. Pure: dataclasses, no I/O.

A parser takes the content of one answer or file and a Context, and gives a Reading. It uses what it can read and
names what it can't; whether what it read may prove that something is absent, it says in `complete`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation


@dataclass(frozen=True, slots=True)
class Context:
    """Whose network was looked at, when it was read, and what to call the input in a message.

    customer is the tenant's slug, at is aware and UTC, origin a file's name or a server's address.
    """

    customer: str
    at: dt.datetime
    origin: str


@dataclass(frozen=True, slots=True)
class Skip:
    """A part of the input that was not used: where it stands ("line 12", "host 3"), and why not."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What one input said.

    complete: all of the input could be read to its end, so what it does not name was not there for this source. A
    reading with a part that was damaged is not complete; one with a part that is merely of no interest is.
    covered: the prefixes that the source looked at as a whole (a scan); empty for a source that lists all it knows.
    of_none: how many rows of its kind are no observation (stale, ended, of nobody). Without any row at all an answer is
    empty, and that proves nothing: see unless_empty.
    at: when the source looked, where it writes that down itself; a file is copied, and then tells another time.
    """

    observations: tuple[Observation, ...]
    skipped: tuple[Skip, ...] = ()
    complete: bool = True
    covered: tuple[str, ...] = ()
    of_none: int = 0
    at: dt.datetime | None = None

    def __add__(self, other: Reading) -> Reading:
        """Two parts of one answer, for instance its pages, as one."""
        return Reading(
            self.observations + other.observations,
            self.skipped + other.skipped,
            self.complete and other.complete,
            tuple(dict.fromkeys(self.covered + other.covered)),
            self.of_none + other.of_none,
            min((at for at in (self.at, other.at) if at is not None), default=None),
        )


NOTHING = Reading(())
EMPTY = Skip("the answer", "it is empty, and an empty answer can't be told from a failure")


def unless_empty(reading: Reading) -> Reading:
    """The same; not complete where a source that lists all it knows named nothing. A scan that found nobody is so."""
    if not reading.complete or reading.covered or reading.observations or reading.of_none:
        return reading
    return dataclasses.replace(reading, skipped=(EMPTY, *reading.skipped), complete=False)


def joined(readings: Iterable[Reading]) -> Reading:
    """Several parts of one answer as one; no parts at all are an empty, complete answer."""
    return sum(readings, NOTHING)
