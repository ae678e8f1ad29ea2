# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What earlier reconciliations recorded, as far as the next one needs it. Pure: no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Change
from ansible_collections.msp.ops.plugins.plugin_utils.verification.compare import parse_time


@dataclass(frozen=True, slots=True)
class Earlier:
    """gone: by asset, when it was last seen before it was found gone; gone_since: when that was found.

    conflicts: by thing, the last conflict of a thing that is no asset, where it is not settled. settled: by thing, how
    many of its conflicts were. remembered: by asset, what identified the thing that it was made of, and each thing of
    which a person said that it is it.
    """

    gone: Mapping[str, dt.datetime | None] = field(default_factory=dict)
    gone_since: Mapping[str, dt.datetime] = field(default_factory=dict)
    conflicts: Mapping[str, Change] = field(default_factory=dict)
    settled: Mapping[str, int] = field(default_factory=dict)
    remembered: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)


def earlier(changes: Iterable[Change]) -> Earlier:
    """Out of the recorded changes of one customer, oldest first."""
    gone: dict[str, dt.datetime | None] = {}
    since: dict[str, dt.datetime] = {}
    conflicts: dict[str, Change] = {}
    settled: dict[str, int] = {}
    remembered: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for one in changes:
        if one.kind in ("new", "settled") and one.asset and isinstance(one.detail.get("identity"), Mapping):
            remembered[one.asset] = (*remembered.get(one.asset, ()), one.detail["identity"])
        if one.kind == "gone" and one.asset:
            gone[one.asset] = parse_time(one.detail.get("last_seen"))
            since[one.asset] = one.at
        elif one.kind == "back" and one.asset:
            gone.pop(one.asset, None)
            since.pop(one.asset, None)
        elif one.kind == "conflict" and one.asset is None:
            conflicts[one.thing] = one
        elif one.kind == "settled" and one.asset is None and one.thing in conflicts:
            del conflicts[one.thing]
            settled[one.thing] = settled.get(one.thing, 0) + 1
    return Earlier(gone, since, conflicts, settled, remembered)
