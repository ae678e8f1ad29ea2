# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes that NetBox need not be told of: a thing moved, a conflict without an asset, a person's decision. Pure.

Each has a key that what happened gives it, so that the next reconciliation, which sees the same, records nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import event_key
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change, Decision, Sighting
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation import words
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.earlier import Earlier
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.findings import CONFLICT, Finding
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

# The sources that know which switch port a thing hangs on.
PLACING = ("mac-table", "lldp")

Histories = Mapping[tuple[str, str], Sequence[Sighting]]


def moved(found: Iterable[Finding], histories: Histories, now: dt.datetime) -> Iterator[Change]:
    """Things that hang on another switch port than before, each move once."""
    for finding in found:
        for one in finding.seen.sightings if finding.seen and finding.kind != CONFLICT else ():
            states = histories.get((one.source, one.thing), ())
            if len(states) > 1 and (change := _move(finding, states, now)):
                yield change


def _move(finding: Finding, states: Sequence[Sighting], now: dt.datetime) -> Change | None:
    newest, after = states[0], _place(states[0])
    former = next((one for one in states[1:] if _place(one) != after), None)
    if former is None or not after.get("switch") or not _place(former).get("switch"):
        return None
    before = _place(former)
    key = event_key(finding.customer, "moved", newest.source, newest.thing, sorted(after.items()), former.last_seen)
    detail = {**words.detail(finding), "before": before, "after": after}
    asset = finding.asset.key if finding.asset else None
    return Change(key, finding.customer, now, "moved", finding.thing, asset, detail)


def _place(one: Sighting) -> dict[str, Any]:
    return {name: one.place[name] for name in ("switch", "port", "prefix") if one.place.get(name)}


def conflicts(
    customer: str, found: Sequence[Finding], before: Earlier, called: Mapping[str, str], now: dt.datetime
) -> Iterator[Change]:
    """Conflicts between things that are no assets: those that are new, and those that are no more. One whose sides
    became devices meanwhile is the same conflict still.
    """
    present = {one.thing: one for one in found if one.kind == CONFLICT}
    for thing, finding in present.items():
        if thing not in before.conflicts and not _about_assets(finding):
            key = event_key(customer, "conflict", thing, before.settled.get(thing, 0))
            detail = {**words.detail(finding), "why": finding.why, "sides": words.sides(finding, called)}
            yield Change(key, customer, now, "conflict", thing, None, detail)
    for thing, change in before.conflicts.items():
        if thing not in present:
            key = event_key(customer, "settled", thing, change.key)
            detail = {"name": change.detail.get("name", thing), "how": "no longer in conflict"}
            yield Change(key, customer, now, "settled", thing, None, detail)


def _about_assets(finding: Finding) -> bool:
    return any(side.is_asset for side in finding.sides)


def decided(decisions: Iterable[Decision], called: Mapping[str, str], now: dt.datetime) -> Iterator[Change]:
    """What people decided about things that were in no contract."""
    for one in decisions:
        if one.before in ("", names.UNLISTED):
            key = event_key(one.customer, "decided", one.asset, one.after, one.at)
            detail = {
                "name": called.get(one.asset, one.asset),
                "how": f"decided: {one.after} by {one.who}",
                "status": one.after,
            }
            yield Change(key, one.customer, now, "settled", one.asset, one.asset, detail)
