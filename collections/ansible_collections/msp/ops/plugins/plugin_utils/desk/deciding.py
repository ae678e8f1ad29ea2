# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people decided about assets since the last look: contract statuses that changed, out of NetBox's change log.

Who, when, from what to what. It only reads. What a reconciliation wrote itself is no decision; what a signed sheet
decided is its signer's.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Asset
from ansible_collections.msp.ops.plugins.plugin_utils.desk.applying import LOG, is_ours
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Coverage, Decision
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import names
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import plain
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import OBJECT_TYPES
from ansible_collections.msp.ops.plugins.plugin_utils.register.onboarding import MESSAGE as ONBOARDING

# The name under which looks at NetBox's change log are kept.
SOURCE = "netbox"
# A write that was under way during the last look shows in the log with an earlier time.
OVERLAP = dt.timedelta(minutes=2)
# Nobody looked yet: how far back the log is read.
FIRST = dt.timedelta(days=30)
_FIELDS = ("time", "user_name", "changed_object_type", "changed_object_id", "message", "prechange_data")
_SHEET = re.compile(r"Verification sheet (\S+?): ")


def decided(
    register: Register,
    store: Store,
    assets: Mapping[str, Sequence[Asset]],
    looks: Mapping[str, Sequence[Coverage]],
    now: dt.datetime,
) -> dict[str, list[Decision]]:
    """By customer, the decisions about its assets since NetBox was looked at last. Without news it asks nothing.

    assets and looks are by customer; looks are all the looks that are kept, of which those of the change log count.
    """
    since = {slug: _since(looks.get(slug, ()), now) for slug in assets}
    moved = {one.key: one for slug, own in assets.items() for one in own if _moved(one, since[slug])}
    found: dict[str, list[Decision]] = {slug: [] for slug in assets}
    if not moved:
        return found
    filters = {
        "changed_object_type": list(OBJECT_TYPES.values()),
        "action": "update",
        "time_after": min(since[one.customer] for one in moved.values()),
    }
    kinds = {name: kind for kind, name in OBJECT_TYPES.items()}
    for row in register.rows(LOG, fields=(*_FIELDS, "postchange_data"), filters=filters):
        asset = moved.get(f"{kinds[row['changed_object_type']]}:{row['changed_object_id']}")
        if asset is not None and (decision := _decision(store, asset, row)):
            found[asset.customer].append(decision)
    return found


def look(customer: str, assets: Sequence[Asset], now: dt.datetime) -> Coverage:
    """That the change log was read up to now."""
    return Coverage(customer, SOURCE, now, complete=True, seen=len(assets))


def _since(looks: Sequence[Coverage], now: dt.datetime) -> dt.datetime:
    at = [one.at for one in looks if one.source == SOURCE]
    return min(max(at), now) - OVERLAP if at else now - FIRST


def _moved(asset: Asset, since: dt.datetime) -> bool:
    return asset.last_updated is None or asset.last_updated >= since


def _decision(store: Store, asset: Asset, row: Mapping[str, Any]) -> Decision | None:
    before, after = _status(row["prechange_data"]), _status(row["postchange_data"])
    if before == after or is_ours(row["message"]) or (not before and _onboarded(row["message"])):
        return None
    who, how = str(row["user_name"] or ""), "netbox"
    if found := _SHEET.match(str(row["message"] or "")):
        sheet = store.sheet(found[1])
        who, how = (sheet.signed_by if sheet and sheet.signed_by else who), f"sheet {found[1]}"
    at = dt.datetime.fromisoformat(row["time"]).astimezone(dt.UTC)
    return Decision(asset.customer, asset.key, before, after, who, at, how)


def _onboarded(message: object) -> bool:
    """Onboarding gives a device that NetBox had before its first status: agreed in a contract, decided of no find."""
    return str(message or "").startswith(ONBOARDING)


def _status(data: Any) -> str:
    fields = (data or {}).get("custom_fields") or {}
    return str(plain(fields).get(names.CONTRACT_STATUS) or "")
