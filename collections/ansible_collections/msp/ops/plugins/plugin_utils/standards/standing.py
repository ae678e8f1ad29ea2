# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How one customer's assets stand against their standards today: what was found, how old that is, and since when. Pure.

It judges no control. It takes nothing for well that nobody saw: an asset whose last check did not work, or is old, is
unknown, and so is a control that nobody measured. A waiver is held against today, whatever day it was measured on.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import ControlChange, StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards import judging, said
from ansible_collections.msp.ops.plugins.plugin_utils.standards.compliance import FRESH, NOTICE_DAYS
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
    Assigned,
    AssignedControl,
    Waiver,
)
from ansible_collections.msp.ops.plugins.plugin_utils.standards.said import Text

# What an asset is, from good to bad: the worst of its controls. What is known to differ is worse than what is unknown.
STATES = (COMPLIANT, WAIVED, UNKNOWN, DRIFT)
# Why nothing is known of an asset today: OfAsset.unknown.
NEVER, BROKEN, OLD = ("never", "broken", "old")
# What a waiver is today: OfWaiver.state.
EXPIRED, ENDING, RUNNING = ("expired", "ending", "running")


@dataclass(frozen=True, slots=True)
class Deviation:
    """A control of an asset that is not as it should be, or that nobody knows. status: drift, waived, error or unknown.

    since is when it was first found so, None where nobody recorded it. waiver is there also where it has expired. left:
    it is to be put right, and not by itself: a person has to decide.
    """

    control: str
    severity: str
    status: str
    desired: Text
    found: Text
    reason: Text
    since: dt.datetime | None
    waiver: Waiver | None = None
    left: bool = False


@dataclass(frozen=True, slots=True)
class OfAsset:
    """One asset: its state, when it was last checked well, and what deviates, the worst first.

    Where the state is unknown because of the check itself, unknown says why in one of the words above, error in those
    of whoever tried; deviations are then what the last good check found, for a person to look at. statuses has one of
    model.STATUSES for each assigned control, as it is today.
    """

    asset: str
    name: str
    standard: str
    version: str
    state: str
    checked: dt.datetime | None
    statuses: Mapping[str, str]
    deviations: tuple[Deviation, ...]
    unknown: str = ""
    error: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """How many of its controls are what, for every status."""
        counted = Counter(self.statuses.values())
        return {status: counted[status] for status in STATUSES}


@dataclass(frozen=True, slots=True)
class OfWaiver:
    """A waiver, and the assets that have it for a control. needed are those of them on which the control deviates."""

    control: str
    waiver: Waiver
    state: str
    assets: tuple[str, ...]
    needed: tuple[str, ...]


Since = Mapping[tuple[str, str], dt.datetime]


def of_asset(
    asset: str,
    name: str,
    assigned: Assigned,
    checks: tuple[StandardCheck | None, StandardCheck | None],
    since: Since,
    *,
    now: dt.datetime,
    today: dt.date,
) -> OfAsset:
    """One asset now. checks are the last good one and the last attempt; today is the day in the customer's zone."""
    good, last = checks
    unknown, error = _unknown(good, last, now)
    records = {record["control"]: record for record in (good.records or () if good else ())}
    found = [_held(asset, one, records.get(one.control.id), since, today) for one in assigned.controls]
    deviations = sorted(
        (deviation for _status, deviation in found if deviation is not None),
        key=lambda one: (_ORDER[one.status], SEVERITIES.index(one.severity), one.control),
    )
    ids = (one.control.id for one in assigned.controls)
    statuses = {id: UNKNOWN if unknown else status for id, (status, _deviation) in zip(ids, found, strict=True)}
    return OfAsset(
        asset,
        name,
        assigned.standard,
        assigned.version,
        state_of(statuses.values()),
        good.at if good else None,
        statuses,
        tuple(deviations),
        unknown,
        error,
    )


def state_of(statuses: Iterable[str]) -> str:
    """What an asset is by its controls: the worst of them. One without a control that anybody measured is unknown."""
    found = [_STATE[status] for status in statuses]
    return max(found, key=STATES.index, default=UNKNOWN)


def began(changes: Iterable[ControlChange]) -> dict[tuple[str, str], dt.datetime]:
    """By asset and control since when it deviates, of those that do. changes are in the order of their time.

    A time in which nobody knew ends nothing: what was found to differ before and after it differs since before.
    """
    found: dict[tuple[str, str], dt.datetime] = {}
    for change in changes:
        key = (change.asset, change.control)
        if change.status in (DRIFT, WAIVED):
            found.setdefault(key, change.at)
        elif change.status not in (UNKNOWN, ERROR):
            found.pop(key, None)
    return found


def waivers(held: Iterable[tuple[OfAsset, Assigned]], today: dt.date) -> list[OfWaiver]:
    """Every waiver that assets have, whether they need it or not: those that ended first, then what ends soonest."""
    have: dict[tuple[str, Waiver], list[str]] = {}
    needed: dict[tuple[str, Waiver], list[str]] = {}
    for asset, assigned in held:
        deviates = {one.control for one in asset.deviations}
        for one in assigned.controls:
            if one.waiver is not None:
                key = (one.control.id, one.waiver)
                have.setdefault(key, []).append(asset.name)
                if one.control.id in deviates:
                    needed.setdefault(key, []).append(asset.name)
    return [
        OfWaiver(
            control,
            waiver,
            _ends(waiver, today),
            tuple(sorted(names)),
            tuple(sorted(needed.get((control, waiver), ()))),
        )
        for (control, waiver), names in sorted(have.items(), key=lambda one: (one[0][1].expires, one[0][0], one[1]))
    ]


# Its parts

_ORDER = {DRIFT: 0, ERROR: 1, UNKNOWN: 2, WAIVED: 3}
_STATE = {
    COMPLIANT: COMPLIANT,
    FIXED: COMPLIANT,
    NOT_APPLICABLE: COMPLIANT,
    WAIVED: WAIVED,
    DRIFT: DRIFT,
    ERROR: UNKNOWN,
    UNKNOWN: UNKNOWN,
}


def _unknown(good: StandardCheck | None, last: StandardCheck | None, now: dt.datetime) -> tuple[str, str]:
    """Why nothing is known of an asset today, and what who tried said of it; empty where something is."""
    if last is None:
        return NEVER, ""
    if last.outcome != "ok":
        return BROKEN, last.error or last.outcome
    if good is None or now - good.at > FRESH:
        return OLD, ""
    return "", ""


def _held(
    asset: str, one: AssignedControl, record: Mapping[str, Any] | None, since: Since, today: dt.date
) -> tuple[str, Deviation | None]:
    """What one control of an asset is today, and the deviation where it is one."""
    control, waiver = one.control, one.waiver
    if record is None:
        return UNKNOWN, Deviation(control.id, control.severity, UNKNOWN, "", "", "", None, waiver)
    status = str(record["status"])
    if status in (DRIFT, WAIVED):
        status = WAIVED if waiver is not None and waiver.holds(today) else DRIFT
    if status not in _ORDER:
        return status, None
    at = since.get((asset, control.id)) if status in (DRIFT, WAIVED) else None
    desired, found, reason = (said.read(str(record[name] or "")) for name in ("desired", "found", "reason"))
    due = status == DRIFT or (status == ERROR and control.enforce_unmeasured)
    left = due and (not one.enforced or judging.says_left(reason))
    return status, Deviation(control.id, control.severity, status, desired, found, reason, at, waiver, left)


def _ends(waiver: Waiver, today: dt.date) -> str:
    if not waiver.holds(today):
        return EXPIRED
    return ENDING if (waiver.expires - today).days <= NOTICE_DAYS else RUNNING


def worst_first(assets: Iterable[OfAsset]) -> Iterator[OfAsset]:
    """The assets, the worst first, and among them the one with most that differs."""
    yield from sorted(
        assets, key=lambda one: (-STATES.index(one.state), -one.counts[DRIFT], -one.counts[WAIVED], one.name)
    )
