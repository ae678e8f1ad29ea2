# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which order machines are brought to their standard, how many at once, and when to stop by itself. Pure: no I/O.

The rings and rates are those of the patch plan: what may be patched first may be changed first. An asset without a
plan is in one of two rings of its customer: one machine alone, then the rest. A ring here is what its plan calls a
ring, and the rings of several plans go side by side: all first ones, then all second ones.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.contract.scope import zone
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.names import group_part
from ansible_collections.msp.ops.plugins.plugin_utils.patching import reading_plan, rings, wording
from ansible_collections.msp.ops.plugins.plugin_utils.patching.plan import Limit, Plan, Rates
from ansible_collections.msp.ops.plugins.plugin_utils.standards import assigning, scanning

# What became of a host: it holds what could be brought about, it does not, nobody knows. Not begun has no outcome.
WELL, FAILED, LOST = "well", "failed", "lost"
# For assets without a patch plan.
RATES = Rates(at_once=Limit(10, percent=True), most_failures=Limit(0), most_lost=Limit(10, percent=True))
ALONE, REST = "one alone", "the rest"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host to be brought to its standard. groups are the inventory's; plan is its patch plan's content, or None.

    standard is what it is held to and own the MSP's own standards, as they stand in its config context. timezone is
    the customer's.
    """

    host: str
    asset: str
    groups: frozenset[str]
    plan: Any = None
    standard: Any = None
    own: Any = None
    timezone: Any = None


@dataclass(frozen=True, slots=True)
class Ring:
    """Hosts that go together, of one plan. successes: so many must be well before the next ring of the plan begins.

    frozen is why the plan has nothing changed at this moment: its hosts are only measured. Else it is "".
    """

    plan: str
    name: str
    position: int
    hosts: tuple[str, ...]
    successes: int
    rates: Rates
    frozen: str = ""

    @property
    def title(self) -> str:
        return f"ring {self.name} of {self.plan}" if self.plan else self.name


def sound(candidates: Iterable[Candidate], now: dt.datetime) -> None:
    """Raise MspErrors with everything that is wrong in what any of them is held to: before the first is touched."""
    hosts: dict[str, list[Candidate]] = {}
    for one in candidates:
        held = json.dumps([one.standard, one.own, one.timezone], sort_keys=True, default=str)
        hosts.setdefault(held, []).append(one)
    errors: list[MspError] = []
    for alike in hosts.values():
        try:
            today = now.astimezone(zone(alike[0].timezone)).date()
            assigning.assign(alike[0].standard, alike[0].own, today=today)
        except MspErrors as found:
            where = rings.some(one.host for one in alike)
            errors += [
                MspError(one.code, one.expected, f"{one.found} (on {where})", one.action) for one in found.errors
            ]
    if errors:
        raise MspErrors(errors)


def course(candidates: Iterable[Candidate], now: dt.datetime) -> tuple[Ring, ...]:
    """All rings that have hosts, in their order. Raises MspErrors where a patch plan can't be read.

    Of the plan's times only its freezes count, whatever they let through for emergencies: a standard is none. Its
    windows do not: who starts a run chooses the moment.
    """
    by_plan: dict[str, tuple[Plan | None, list[Candidate]]] = {}
    read: dict[str, Plan | None] = {}
    for one in sorted(candidates, key=lambda one: rings.place(one.asset)):
        key = json.dumps(one.plan, sort_keys=True, default=str)
        if key not in read:
            read[key] = None if one.plan is None else reading_plan.read(one.plan)
        plan = read[key]
        by_plan.setdefault(plan.name if plan else "", (plan, []))[1].append(one)
    found = [
        replace(ring, frozen=_frozen(plan, now)) for plan, members in by_plan.values() for ring in _rings(plan, members)
    ]
    return tuple(sorted(found, key=lambda ring: (ring.position, ring.plan)))


def _frozen(plan: Plan | None, now: dt.datetime) -> str:
    """The freeze of a plan that holds now, in words."""
    holding = [one for one in (plan.freezes if plan else ()) if one.start <= now < one.end]
    if plan is None or not holding:
        return ""
    last = max(holding, key=lambda one: one.end)
    return f"{plan.name} is frozen until {last.end.astimezone(plan.zone):%Y-%m-%d %H:%M} ({last.reason})"


def _rings(plan: Plan | None, members: Sequence[Candidate]) -> Iterable[Ring]:
    if plan is None:
        yield Ring("", ALONE, 0, (members[0].host,), 1, RATES)
        if len(members) > 1:
            yield Ring("", REST, 1, tuple(one.host for one in members[1:]), 0, RATES)
        return
    host_of = {one.asset: one.host for one in members}
    division = rings.divide(plan, (_member(plan, one) for one in members))
    for position, ring in enumerate(plan.rings):
        hosts = [host_of[member.key] for member in division.rings[ring.name]]
        if hosts:
            # A run may be of some hosts only (--limit): of one host no two successes can be had.
            yield Ring(plan.name, ring.name, position, tuple(hosts), min(ring.successes, len(hosts)), plan.rates)
    if left := (*division.in_none, *division.in_several):
        # No ring of the plan is theirs, so nothing may rest on them: they come last.
        yield Ring(plan.name, REST, len(plan.rings), tuple(host_of[member.key] for member in left), 0, plan.rates)


def _member(plan: Plan, one: Candidate) -> rings.Member:
    tags = {ring.tag for ring in plan.rings if ring.tag and f"tag_{group_part(ring.tag)}" in one.groups}
    return rings.Member(one.asset, one.host, frozenset(tags))


def queue(found: Iterable[Ring]) -> list[str]:
    """The hosts in the order in which they are begun."""
    return [host for ring in found for host in ring.hosts]


def batches(found: Sequence[Ring]) -> list[int]:
    """How many hosts each batch of the queue has. No batch reaches over the end of a ring.

    Who may have to take the place of the one that goes first goes alone too.
    """
    sizes: list[int] = []
    for number, ring in enumerate(found):
        most, left = ring.rates.at_once.at_least_one(len(ring.hosts)), len(ring.hosts)
        if any(_stand_in(found, first) == ring.hosts[0] for first in range(number)):
            sizes.append(1)
            left -= 1
        while left > 0:
            sizes.append(min(most, left))
            left -= sizes[-1]
    return sizes


def stop(found: Sequence[Ring], outcomes: Mapping[str, str]) -> str:
    """Why no other host may be begun; empty: the next batch may. outcomes are of the hosts that were begun, by host."""
    for number, ring in enumerate(found):
        if ring.frozen:
            continue
        begun = [outcomes[host] for host in ring.hosts if host in outcomes]
        if why := _over_limit(ring, begun):
            return f"{ring.title}: {why}"
        follow = any(later.plan == ring.plan for later in found[number + 1 :])
        if not follow or len(begun) < len(ring.hosts):
            continue
        if begun == [LOST] and (instead := _stand_in(found, number)):
            if outcomes.get(instead, WELL) != WELL:
                return f"{ring.title}: {ring.hosts[0]} gave no answer, and {instead}, which went instead, is not well"
        elif why := _no_pass(ring, begun):
            return f"{ring.title}: {why}"
    return ""


def frozen(found: Iterable[Ring]) -> dict[str, str]:
    """The hosts that are only measured, and why."""
    return {host: ring.frozen for ring in found if ring.frozen for host in ring.hosts}


def _stand_in(found: Sequence[Ring], number: int) -> str:
    """Who goes first where the only host of a plan's first ring is off: the next of its plan. Empty: nobody."""
    ring = found[number]
    if len(ring.hosts) > 1 or any(earlier.plan == ring.plan for earlier in found[:number]):
        return ""
    return next((later.hosts[0] for later in found[number + 1 :] if later.plan == ring.plan), "")


def _over_limit(ring: Ring, begun: Sequence[str]) -> str:
    total, failed, lost = len(ring.hosts), begun.count(FAILED), begun.count(LOST)
    if failed > (most := ring.rates.most_failures.of(total)):
        return f"{failed} of {total} failed, {most} may"
    if lost > (most := _may_be_lost(ring.rates.most_lost, total)):
        return f"{lost} of {total} gave no answer, {most} may"
    return ""


def _may_be_lost(most: Limit, total: int) -> int:
    """A part of few machines is less than one, but somebody's machine is always switched off."""
    return most.at_least_one(total) if most.percent and most.number else most.of(total)


def _no_pass(ring: Ring, begun: Sequence[str]) -> str:
    """All of the ring were begun, and others are to follow: is enough proved?"""
    well = begun.count(WELL)
    if well == 0:
        return f"none of its {len(begun)} hosts is well"
    return f"{well} of {len(begun)} are well, the plan wants {ring.successes}" if well < ring.successes else ""


def outcome(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str | None:
    """What became of a host, out of its results of msp.ops.standard_scan; None: it was not begun.

    Well is who held everything that is enforced, or holds it now. What a measurement does not say is no success. What
    is left as it is, to be decided first or for want of a measurement, fails nobody, but for what was just brought
    about and can't be measured now: nobody knows what became of it.
    """
    if before is None:
        return None
    if before.get("outcome") != "ok":
        return LOST if _unheard(before) else FAILED
    if not _owed(before):
        return WELL
    if after is None or after.get("skipped"):
        return FAILED
    if after.get("outcome") == "ok" and not (_owed(after) or _lost_sight(before, after)):
        return WELL
    return LOST if _unheard(after) else FAILED


def _unheard(measured: Mapping[str, Any]) -> bool:
    return measured.get("outcome") in ("unreachable", "not attempted") or bool(measured.get("unreachable"))


def _owed(measured: Mapping[str, Any]) -> bool:
    """Whether something is to be brought about, by what a measurement says. One that says nothing owes."""
    enforce = measured.get("enforce")
    return not isinstance(enforce, Mapping) or any(enforce.values())


def _lost_sight(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What was brought about and could not be measured afterwards."""
    enforced = {control for controls in before["enforce"].values() for control in controls}
    return [row["control"] for row in after.get("unmeasured", ()) if row["control"] in enforced]


def told(found: Sequence[Ring], outcomes: Mapping[str, str]) -> dict[str, Any]:
    """Who goes when, and whether the next may."""
    hosts = queue(found)
    return {
        "queue": hosts,
        # An empty pattern would stand for all hosts. The play takes of these whom the scope guard let in.
        "pattern": ":".join(hosts or ["!all"]),
        "batches": batches(found) or [1],
        "rings": [{"plan": ring.plan, "name": ring.name, "hosts": list(ring.hosts)} for ring in found],
        "frozen": frozen(found),
        "outcomes": dict(outcomes),
        "stop": stop(found, outcomes),
    }


Measured = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]


def results(found: Sequence[Ring], measured: Mapping[str, Measured]) -> dict[str, Any]:
    """The result of msp.ops.standard_course. measured has by host what was measured of it before and after.

    Of a host that is only measured nothing was to be brought about, so it counts for nothing; one that was done before
    its freeze began counts.
    """
    outcomes: dict[str, str] = {}
    why: dict[str, str] = {}
    asked: dict[str, str] = {}
    still = frozen(found)
    for host in queue(found):
        became = outcome(*measured[host])
        if became is None or (host in still and measured[host][1] is None):
            continue
        outcomes[host] = became
        if became != WELL:
            why[host] = reason(*measured[host])
        if asks := undecided(*measured[host]):
            asked[host] = asks
    return {**told(found, outcomes), "why": why, "undecided": asked}


def ended(result: Mapping[str, Any]) -> MspError | None:
    """The error in which a run ends, by the last of these results; None where all is as it was to be."""
    asked = "; ".join(f"{host}: {asks}" for host, asks in result["undecided"].items())
    said = "; ".join(filter(None, (result["stop"], failed(result["outcomes"], result["why"]), asked)))
    return stopped(said) if said else None


def reason(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Why a host is not well, by its own results: what kept it from being measured, or what it still does not hold."""
    for measured in (after, before):
        if measured and not measured.get("skipped"):
            if said := str(measured.get("msg") or ""):
                return said
            return _shortfall(before or {}, measured)
    return ""


def _shortfall(before: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    owed = [control for controls in (measured.get("enforce") or {}).values() for control in controls]
    said = [f"does not hold {wording.named(owed)}"] if owed else []
    if measured is not before and before.get("enforce") and (unknown := _lost_sight(before, measured)):
        said.append(f"could not be measured again: {wording.named(unknown)}")
    return "; ".join(said) or "its measurement says nothing"


def undecided(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """What somebody has to decide before it is brought about on a host, by its last measurement; empty: nothing."""
    for measured in (after, before):
        if measured and measured.get("outcome") == "ok":
            rows = measured.get("undecided")
            return str(scanning.to_decide(rows)) if rows else ""
    return ""


def failed(outcomes: Mapping[str, str], why: Mapping[str, str]) -> str:
    """Who does not hold what was to be brought about, and why, in words; empty: everybody who was reached does."""
    return "; ".join(f"{host}: {why.get(host, '')}" for host, outcome in outcomes.items() if outcome == FAILED)


def stopped(why: str) -> MspError:
    return MspError(
        "MSP-STD-160",
        "every machine that was begun to hold its standard",
        why,
        "see what failed on the hosts named, then run it again; what is compliant is not touched again",
    )
