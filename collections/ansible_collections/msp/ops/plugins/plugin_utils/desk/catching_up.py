# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a webhook missed, from NetBox's change log: a change makes the same event there; none comes in twice.

A webhook is not sent again by itself. Whatever kept one from us (the network, a receiver that was down, a store that
did not answer), the change is in the log.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.desk import receiving
from ansible_collections.msp.ops.plugins.plugin_utils.events import arrival, duties, netbox
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.changes import ENDPOINT
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

KINDS = (*duties.ASSET_KINDS, duties.CONTEXT)
FIELDS = (
    *("id", "time", "user_name", "request_id", "action", "changed_object_type", "changed_object_id"),
    *("prechange_data", "postchange_data"),
)


@dataclass(frozen=True, slots=True)
class Caught:
    """What the change log told: how many changes of what we watch, and how many events of them were new."""

    changes: int
    taken: int
    since: dt.datetime

    @property
    def summary(self) -> str:
        return (
            f"{self.changes} changes of assets and config contexts since {self.since:%Y-%m-%d %H:%M} UTC, "
            f"{self.taken} of them had not come in"
        )


def catch_up(store: Store, register: Register, hours: float, *, dry: bool) -> Caught:
    """Take in what of the last hours did not come in. dry: say how much that would be."""
    now = store.now()
    oldest = now - min(dt.timedelta(hours=hours), arrival.OLDEST - dt.timedelta(minutes=1))
    # NetBox's clock may differ from the database's.
    since = (oldest - arrival.CLOCKS).isoformat()
    rows = [
        row
        for kind in KINDS
        for row in register.rows(ENDPOINT, fields=FIELDS, filters={"time_after": since, "changed_object_type": kind})
    ]
    events = [event for row in rows if duties.of_interest(event := netbox.of_change(row))]
    if dry:
        from ansible_collections.msp.ops.plugins.plugin_utils.evidence import incoming  # for a preview alone

        new = sum(incoming.event(store, event.id) is None for event in {event.id: event for event in events}.values())
        return Caught(len(rows), new, oldest)
    told = Counter(one.answer for one in receiving.take(store, events, now))
    return Caught(len(rows), told[receiving.TAKEN], oldest)
