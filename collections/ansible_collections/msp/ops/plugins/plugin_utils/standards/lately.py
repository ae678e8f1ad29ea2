# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""How one asset stands by its last check alone, for who asks by its name and has no time for NetBox's contexts. Pure.

It knows nothing of what NetBox says today: standing.py holds assets against that.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StandardCheck
from ansible_collections.msp.ops.plugins.plugin_utils.standards import standing
from ansible_collections.msp.ops.plugins.plugin_utils.standards.compliance import FRESH
from ansible_collections.msp.ops.plugins.plugin_utils.standards.model import DRIFT, ERROR, UNKNOWN, WAIVED


@dataclass(frozen=True, slots=True)
class Lately:
    """An asset by its last check. state is one of standing.STATES; checked is when it was last checked well.

    drift and waived are the controls that differ by that check, unmeasured those that it could not tell of. why says
    why the state is unknown although there is a check: the last attempt did not succeed, or is too old.
    """

    standard: str
    version: str
    state: str
    checked: dt.datetime | None
    drift: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    why: str = ""


def lately(good: StandardCheck | None, last: StandardCheck | None, now: dt.datetime, today: dt.date) -> Lately | None:
    """How it stands by its last good check and the last attempt. None where nobody ever tried."""
    if last is None:
        return None
    statuses = {str(record["control"]): _today(record, today) for record in (good.records or () if good else ())}
    named = {
        status: tuple(sorted(control for control, found in statuses.items() if found == status))
        for status in (DRIFT, WAIVED, ERROR, UNKNOWN)
    }
    why = _why(good, last, now)
    return Lately(
        last.standard,
        last.version,
        UNKNOWN if why else standing.state_of(statuses.values()),
        good.at if good else None,
        named[DRIFT],
        named[WAIVED],
        tuple(sorted((*named[ERROR], *named[UNKNOWN]))),
        why,
    )


def _today(record: Mapping[str, Any], today: dt.date) -> str:
    """What a control is today: a waiver that has expired since is drift."""
    status, waiver = str(record["status"]), record.get("waiver")
    if status == WAIVED and (not waiver or dt.date.fromisoformat(str(waiver["expires"])) < today):
        return DRIFT
    return status


def _why(good: StandardCheck | None, last: StandardCheck, now: dt.datetime) -> str:
    if last.outcome != "ok":
        return f"the last check ended with {last.outcome}" + (f": {last.error}" if last.error else "")
    if good is None or now - good.at > FRESH:
        return f"not checked for {(now - last.at).days} days"
    return ""
