# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a contract status and a warranty date mean today. Pure: the caller gives today, the customer's calendar date."""

from __future__ import annotations

import datetime as dt

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset, Contract
from ansible_collections.msp.ops.plugins.plugin_utils.register import names

WARRANTY_IN = "in"
WARRANTY_ENDING = "ending"
WARRANTY_EXPIRED = "expired"
WARRANTY_UNKNOWN = "unknown"
WARRANTY_STATES = (WARRANTY_IN, WARRANTY_ENDING, WARRANTY_EXPIRED, WARRANTY_UNKNOWN)
WARRANTY_NOTICE_DAYS = 90


def effective_status(asset_status: str | None, contract: Contract | None, today: dt.date) -> str:
    """The contract status that counts today, whatever the field says.

    Past the contract's end everything has ended. What nobody agreed (no status, an unknown one, or "contracted" for a
    customer without a contract) is unlisted: the scope guard then leaves it alone (DESIGN rules 1 and 2).
    """
    if contract is not None and contract.ended(today):
        return names.ENDED
    if asset_status not in names.CONTRACT_STATUSES:
        return names.UNLISTED
    if contract is None and asset_status == names.CONTRACTED:
        return names.UNLISTED
    return str(asset_status)


def warranty_end(asset: Asset) -> dt.date | None:
    """The last day of warranty: the latest of the field and of what every source said."""
    ends = [asset.warranty_end, *(source.warranty_end for source in asset.warranty_sources)]
    return max((end for end in ends if end is not None), default=None)


def warranty_state(asset: Asset, today: dt.date) -> str:
    """One of WARRANTY_STATES for an asset."""
    return warranty_state_on(warranty_end(asset), today)


def warranty_state_on(end: dt.date | None, today: dt.date) -> str:
    """One of WARRANTY_STATES for a last day of warranty. The last day itself is still in warranty."""
    if end is None:
        return WARRANTY_UNKNOWN
    if end < today:
        return WARRANTY_EXPIRED
    if (end - today).days <= WARRANTY_NOTICE_DAYS:
        return WARRANTY_ENDING
    return WARRANTY_IN
