# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a ring's results are worth: counted, held against the plan's limits, passed or not, with the reason. Pure.

Every host that was targeted counts. What was lost or never done counts against it as what failed does; nobody who is
silent is well. Who has none of the packages proves nothing, and counts for nothing. Who was left not well by another
rollout is no success, whatever it says: what was down before the work is down in its baseline too.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, fields

from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Counts
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Rates, Ring
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Host

_FIELDS = {
    states.PATCHED: "patched",
    states.NOTHING: "nothing",
    states.REFUSED: "refused",
    states.FAILED: "failed",
    states.ROLLED_BACK: "rolled_back",
    states.LOST: "lost",
    states.WAITING: "undone",
    states.WORKING: "undone",
    states.LEFT: "left",
    states.OWED: "owed",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a ring passes, and why, in words."""

    passed: bool
    why: str
    counts: Counts


def count(
    hosts: Iterable[Host], unwell: Mapping[str, str], silent: Mapping[str, str], doubted: Container[str] = ()
) -> Counts:
    """What became of a ring's hosts, and how those that are done answered at the gate. doubted are keys of assets."""
    numbers = {field.name: 0 for field in fields(Counts)}
    for host in hosts:
        numbers["left" if host.has_none else _FIELDS[host.state]] += 1
        if host.proves and host.name in unwell:
            numbers["unwell"] += 1
        elif host.proves and host.name in silent:
            numbers["silent"] += 1
        elif host.proves and host.target.asset in doubted:
            numbers["doubted"] += 1
    return Counts(**numbers)


def targeted(counts: Counts) -> int:
    """Of how many hosts the limits are reckoned: all that are still the rollout's business."""
    done = counts.patched + counts.nothing
    return done + counts.refused + counts.failed + counts.rolled_back + counts.lost + counts.undone + counts.owed


def successes(counts: Counts) -> int:
    """The hosts that have what was to be installed, and are well."""
    return counts.patched + counts.nothing - counts.unwell - counts.silent - counts.doubted


def failures(counts: Counts) -> int:
    return counts.failed + counts.rolled_back + counts.refused + counts.unwell


def losses(counts: Counts) -> int:
    return counts.lost + counts.undone + counts.silent + counts.owed


def over_limit(rates: Rates, counts: Counts) -> str:
    """Why the ring must stop before all of it was tried; empty: it goes on. What may still come is not counted."""
    total = targeted(counts)
    failed, lost = counts.failed + counts.rolled_back, counts.lost
    if failed > (most := rates.most_failures.of(total)):
        return f"{failed} of {total} failed, {most} may"
    if lost > (most := rates.most_lost.of(total)):
        return f"{lost} of {total} gave no answer, {most} may"
    return ""


def too_many_failed(rates: Rates, counts: Counts) -> str:
    """Why so many of a ring failed that it would not pass; empty: no more than may."""
    failed, total = failures(counts), targeted(counts)
    most = rates.most_failures.of(total)
    return f"{failed} of {total} failed, {most} may" if failed > most else ""


def judge(ring: Ring, rates: Rates, counts: Counts, before: Counts | None = None) -> Verdict:
    """Whether a ring passes its gate. before is what the gate found the last time, when a person resumed it after that.

    A ring that can prove nothing passes only where the plan wants nothing of it, or a person was told and goes on.
    """
    known = before is not None and not targeted(before)
    return Verdict(not (against := _against(ring, rates, counts, known=known)), against or _for(ring, counts), counts)


def _against(ring: Ring, rates: Rates, counts: Counts, *, known: bool) -> str:
    total, well = targeted(counts), successes(counts)
    if not total:
        return "" if ring.successes == 0 or known else _proves_nothing(ring, counts)
    lost, most_lost = losses(counts), rates.most_lost.of(total)
    failed = too_many_failed(rates, counts)
    return next(
        (
            why
            for met, why in (
                (lost == total, f"none of its {total} hosts can be reached"),
                (well == 0, f"none of its {total} hosts is well"),
                (bool(failed), failed),
                (lost > most_lost, f"{lost} of {total} are lost or not done, {most_lost} may be"),
                (well < ring.successes, f"{well} of {total} are well, the plan wants {ring.successes}"),
            )
            if met
        ),
        "",
    )


def _proves_nothing(ring: Ring, counts: Counts) -> str:
    told = f" ({counts.left} left out, or without any of the packages)" if counts.left else ""
    return f"it has no host{told}, and the plan wants {ring.successes} to be well"


def _for(ring: Ring, counts: Counts) -> str:
    total = targeted(counts)
    if not total:
        who = "the plan lets it pass" if ring.successes == 0 else "a person who knew that resumed it"
        return f"it has no host, and {who}"
    rest = [
        f"{number} {word}"
        for number, word in (
            *((failures(counts), "failed"), (losses(counts), "lost"), (counts.left, "left")),
            (counts.doubted, "in doubt"),
        )
        if number
    ]
    return ", ".join((f"{successes(counts)} of {total} are well", *rest))
