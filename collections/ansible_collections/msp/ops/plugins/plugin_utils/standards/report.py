# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that a report on standards tells of one customer: each control and its course, each asset, what is new. Pure.

It joins what standing.py, compliance.py and their neighbours found; it judges nothing itself, and leaves nothing out.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.effort import surcharge
from ansible_collections.msp.ops.plugins.plugin_utils.effort.uplift import Lack, Side, Uplift
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import ControlState
from ansible_collections.msp.ops.plugins.plugin_utils.standards import compliance
from ansible_collections.msp.ops.plugins.plugin_utils.standards.compliance import Moment, NewDrift, Tally
from ansible_collections.msp.ops.plugins.plugin_utils.standards.end_of_life import EndOfLife
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import (
    DRIFT,
    ERROR,
    SEVERITIES,
    WAIVED,
    Control,
    ControlRecord,
    Words,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.quoting import Quote
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import english
from ansible_collections.msp.ops.plugins.plugin_utils.standards.software import (
    KINDS,
    Everywhere,
    Findings,
    OnAsset,
    together,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.standing import STATES, Deviation, OfAsset, OfWaiver


@dataclass(frozen=True, slots=True)
class Share:
    """How much was as the standard wants it from a moment on; None where nobody knew anything."""

    at: dt.datetime
    share: float | None


@dataclass(frozen=True, slots=True)
class OfControl:
    """One control of a standard: what it is on how many assets today, and how that went since the period began.

    quiet: it is measured, and deviated on no asset, today and at no moment of the period.
    """

    control: str
    severity: str
    now: Tally
    course: tuple[Share, ...]
    quiet: bool


@dataclass(frozen=True, slots=True)
class OfStandard:
    """One standard of the customer: its assets, all of its controls together, and each of them, the worst first."""

    name: str
    version: str
    assets: tuple[str, ...]
    now: Tally
    course: tuple[Share, ...]
    controls: tuple[OfControl, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """Assets of which nobody can say what they are held to, and what is wrong in what NetBox says of them."""

    assets: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class System:
    """An operating system whose maker stopped looking after it, after this day, and the assets that run it."""

    name: str
    end: dt.date
    assets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfSoftware:
    """The software of a customer's assets.

    lacking are the names of those of which no audit told it; not_told by kind of finding those of which that could not
    be told. dated is the day of the file of ends of life, None without one.
    """

    found: tuple[Everywhere, ...] = ()
    systems: tuple[System, ...] = ()
    lacking: tuple[str, ...] = ()
    not_told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dated: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A customer at one moment. since is when the period began, new_since from when on drift is new.

    controls and titles have the words for controls and standards; without are the names of assets that are held to no
    standard; names has the name of each asset by its key.
    """

    now: dt.datetime
    since: dt.datetime
    new_since: dt.datetime
    controls: Mapping[str, Control]
    titles: Mapping[str, Words]
    assets: tuple[OfAsset, ...]
    without: tuple[str, ...]
    wrong: tuple[Wrong, ...]
    standards: tuple[OfStandard, ...]
    new: tuple[NewDrift, ...]
    top: tuple[compliance.Deviation, ...]
    waivers: tuple[OfWaiver, ...]
    software: OfSoftware
    quote: Quote
    surcharges: tuple[surcharge.OfAsset, ...]
    names: Mapping[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """How many assets are what, for every state."""
        return {state: sum(asset.state == state for asset in self.assets) for state in STATES}


def standards_of(
    assets: Iterable[OfAsset], course: Sequence[Moment], controls: Mapping[str, Control]
) -> list[OfStandard]:
    """Each standard that assets are held to, by name. course are the moments before now, oldest first."""
    held: dict[str, list[OfAsset]] = defaultdict(list)
    for asset in assets:
        held[asset.standard].append(asset)
    return [_of_standard(name, of, course, controls) for name, of in sorted(held.items())]


def _of_standard(
    name: str, of: Sequence[OfAsset], course: Sequence[Moment], controls: Mapping[str, Control]
) -> OfStandard:
    statuses: dict[str, list[str]] = defaultdict(list)
    for asset in of:
        for control, status in asset.statuses.items():
            statuses[control].append(status)
    found = [
        _of_control(control, controls[control].severity, compliance.tally(now), _tallies(course, name, control))
        for control, now in statuses.items()
    ]
    return OfStandard(
        name,
        ", ".join(sorted({asset.version for asset in of})),
        tuple(sorted(asset.name for asset in of)),
        compliance.tally(status for now in statuses.values() for status in now),
        tuple(Share(moment.at, moment.of_standard(name).share) for moment in course),
        tuple(sorted(found, key=_worst_first)),
    )


def _tallies(course: Iterable[Moment], standard: str, control: str) -> list[tuple[dt.datetime, Tally | None]]:
    return [(moment.at, moment.of_controls.get((standard, control))) for moment in course]


def _of_control(
    control: str, severity: str, now: Tally, before: Sequence[tuple[dt.datetime, Tally | None]]
) -> OfControl:
    deviated = any(tally.counts[status] for _at, tally in before if tally for status in (DRIFT, WAIVED))
    deviates = any(now.counts[status] for status in (DRIFT, WAIVED, ERROR))
    shares = tuple(Share(at, tally.share if tally else None) for at, tally in before)
    return OfControl(control, severity, now, shares, quiet=bool(now.known) and not deviated and not deviates)


def _worst_first(one: OfControl) -> tuple[float, int, str]:
    share = one.now.share
    return (2.0 if share is None else share, SEVERITIES.index(one.severity), one.control)


def software_of(
    assets: Sequence[OnAsset], found: Sequence[Findings], lacking: Iterable[str], ends: EndOfLife | None, today: dt.date
) -> OfSoftware:
    """What was found of the software of assets, put together; and the systems whose support is over."""
    name = {one.asset: one.name for one in assets}
    over: dict[tuple[dt.date, str], list[str]] = defaultdict(list)
    for one in assets:
        if one.support_end is not None and one.support_end < today:
            over[one.support_end, one.platform].append(one.name)
    untold: dict[str, list[str]] = defaultdict(list)
    for each in found:
        for kind in each.not_told:
            untold[kind].append(name[each.asset])
    return OfSoftware(
        together(found),
        tuple(System(system, end, tuple(sorted(on))) for (end, system), on in sorted(over.items())),
        tuple(sorted(lacking)),
        {kind: tuple(sorted(untold[kind])) for kind in KINDS if kind in untold},
        ends.date.date() if ends else None,
    )


def states_of(customer: str, assets: Iterable[OfAsset], now: dt.datetime) -> Iterator[ControlState]:
    """Each control of each asset as it counts today: what compliance.top_deviations takes."""
    for asset in assets:
        deviating = {one.control: one for one in asset.deviations}
        for control, status in asset.statuses.items():
            one = deviating.get(control)
            yield ControlState(
                customer,
                asset.asset,
                control,
                status,
                (one.since if one else None) or asset.checked or now,
                asset.checked or now,
                asset.standard,
                one.severity if one else "",
            )


def records_of(asset: OfAsset) -> tuple[ControlRecord, ...] | None:
    """An asset's controls as they count today: what quoting.quote takes. None where nothing is known of it."""
    if asset.unknown:
        return None
    deviating = {one.control: one for one in asset.deviations}
    return tuple(
        ControlRecord(control, one.severity, status, one.desired, one.found, one.reason, _waiver_of(one), one.left)
        if (one := deviating.get(control))
        else ControlRecord(control, "", status, "", "")
        for control, status in asset.statuses.items()
    )


def _waiver_of(one: Deviation) -> dict[str, Any] | None:
    return None if one.waiver is None else one.waiver.as_dict()


# As data


def as_dict_of(found: Report) -> dict[str, Any]:
    """All of it as plain values, times in ISO 8601 and UTC: what a program reads."""
    return {
        "since": _iso(found.since),
        "new_since": _iso(found.new_since),
        "assets": found.counts,
        "without_standard": list(found.without),
        "wrong": [{"assets": list(one.assets), "why": one.why} for one in found.wrong],
        "of_assets": [_of_asset(asset) for asset in found.assets],
        "standards": [_of_standard_dict(one) for one in found.standards],
        "new": [_new(one, found.names) for one in found.new],
        "top": [
            {
                "control": one.control,
                "severity": one.severity,
                "assets": [_name(found, asset) for asset in one.assets],
                "since": _iso(one.since),
            }
            for one in found.top
        ],
        "waivers": [
            {
                "control": one.control,
                "state": one.state,
                "assets": list(one.assets),
                "needed": list(one.needed),
                **one.waiver.as_dict(),
            }
            for one in found.waivers
        ],
        "software": _software(found.software, found.names),
        "quote": quote_as_dict(found.quote, found.names),
        "surcharges": [_surcharges(one, found.names) for one in found.surcharges],
    }


def _of_asset(asset: OfAsset) -> dict[str, Any]:
    return {
        "asset": asset.asset,
        "name": asset.name,
        "standard": asset.standard,
        "version": asset.version,
        "state": asset.state,
        "unknown": asset.unknown,
        "error": asset.error,
        "checked": _iso(asset.checked),
        "controls": dict(asset.statuses),
        "deviations": [
            {
                "control": one.control,
                "severity": one.severity,
                "status": one.status,
                "desired": english(one.desired),
                "found": english(one.found),
                "reason": english(one.reason),
                "since": _iso(one.since),
                "waiver": one.waiver.as_dict() if one.waiver else None,
                "left_to_a_person": one.left,
            }
            for one in asset.deviations
        ],
    }


def _of_standard_dict(one: OfStandard) -> dict[str, Any]:
    return {
        "standard": one.name,
        "version": one.version,
        "assets": list(one.assets),
        **_tally(one.now, one.course),
        "controls": [
            {"control": each.control, "severity": each.severity, **_tally(each.now, each.course)}
            for each in one.controls
        ],
    }


def _tally(now: Tally, course: Iterable[Share]) -> dict[str, Any]:
    return {
        "counts": dict(now.counts),
        "share": now.share,
        "course": [{"at": _iso(one.at), "share": one.share} for one in course],
    }


def _new(one: NewDrift, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "asset": names.get(one.asset, one.asset),
        "control": one.control,
        "standard": one.standard,
        "severity": one.severity,
        "at": _iso(one.at),
        "desired": english(one.desired),
        "found": english(one.found),
        "before": one.before,
        "now": one.now,
        "now_at": _iso(one.now_at),
    }


def quote_as_dict(found: Quote, names: Mapping[str, str]) -> dict[str, Any]:
    """The quote as plain values, its assets by name."""

    def named(assets: Iterable[str]) -> list[str]:
        return [names.get(asset, asset) for asset in assets]

    return {
        "of": found.of,
        "assets": named(found.assets),
        "changes": found.changes,
        "hours": found.hours,
        "by_run": {"changes": found.by_run.changes, "hours": found.by_run.hours},
        "left_to_a_person": {"changes": found.left.changes, "hours": found.left.hours},
        "hours_low": None if found.low is None else found.low / 60,
        "hours_high": None if found.high is None else found.high / 60,
        "basis": found.basis,
        "lines": [
            {
                "control": line.control,
                "assets": named(line.assets),
                "left_to_a_person": named(line.left),
                "minutes_by_hand": line.by_hand,
            }
            for line in found.lines
        ],
        "jobs": [
            {"run": job.run, "minutes_by_hand": job.by_hand, "minutes": job.minutes, "effort": list(job.effort)}
            for job in found.jobs
        ],
        "unmeasured": named(found.unmeasured),
        "uncertain": named(found.uncertain),
        "waived": found.waived,
    }


def _software(found: OfSoftware, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "found": [
            {
                "kind": one.kind,
                "package": one.package,
                "version": one.version,
                "wanted": one.wanted,
                "since": one.since.isoformat() if one.since else None,
                "assets": [names.get(asset, asset) for asset in one.assets],
            }
            for one in found.found
        ],
        "systems": [
            {"system": one.name, "end": one.end.isoformat(), "assets": list(one.assets)} for one in found.systems
        ],
        "not_audited": list(found.lacking),
        "not_told": {kind: list(on) for kind, on in found.not_told.items()},
        "ends_of_life_of": found.dated.isoformat() if found.dated else None,
    }


def _surcharges(one: surcharge.OfAsset, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "asset": one.asset,
        "name": one.name,
        "class": one.asset_class,
        "amount": str(one.amount),
        "surcharges": [
            {
                "reason": each.cause.reason,
                "proofs": [
                    {"what": proof.what, "day": proof.day.isoformat(), "said": proof.said}
                    for proof in each.cause.proofs
                ],
                "basis": each.basis,
                "amount": str(each.amount),
                "table": None if each.table is None else str(each.table),
                "measured": _measured(each.measured, names),
            }
            for each in one.surcharges
        ],
    }


def _measured(found: Uplift | Lack, names: Mapping[str, str]) -> dict[str, Any]:
    """What was measured with the rows it rests on, or what it lacked."""
    if isinstance(found, Lack):
        return {"lack": found.kind, "has": found.has, "needs": found.needs}
    return {
        "minutes": found.minutes,
        "low": found.low,
        "high": found.high,
        "own": found.own,
        "error": found.error,
        "weight": found.weight,
        "common": found.common,
        "customers": found.customers,
        "having": _side(found.having, names),
        "lacking": _side(found.lacking, names),
    }


def _side(side: Side, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "assets": [names.get(asset, asset) for asset in side.assets],
        "months": side.months,
        "minutes": side.minutes,
        "tickets": list(side.tickets),
        "effort": list(side.effort),
    }


def _name(found: Report, asset: str) -> str:
    return found.names.get(asset, asset)


def _iso(at: dt.datetime | None) -> str | None:
    return None if at is None else at.astimezone(dt.UTC).isoformat()
