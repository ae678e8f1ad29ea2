# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the evidence store knows of when assets were last seen, for the inventory. Only reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store

# A day of anybody's calendar is in here, wherever the customer is.
RECENT = dt.timedelta(days=2)


def last_seen(url: str | None, customers: Iterable[str], now: dt.datetime) -> dict[tuple[str, str], dt.datetime]:
    """By customer and asset, when the last reconciliation says it was seen; those of the last days only."""
    with Store.open(url) as store:
        return {(one.customer, one.asset): one.last_seen for one in store.seen(customers, now - RECENT)}
