# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows in NetBox from which assets our access was withdrawn: an entry each in the asset's journal, once.

The evidence store decides what was withdrawn, and NetBox what of that it has: no note is kept of what was written, so a
run that dies before or after a write changes nothing. Under a lease, so that two runs do not write the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.offboarding import standing
from ansible_collections.msp.ops.plugins.plugin_utils.offboarding.standing import Entry
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import OBJECT_TYPES

JOURNAL = "extras/journal-entries"
MESSAGE = "msp.ops off-boarding: access withdrawn"


def tell(store: Store, register: Register, customer: str, *, check: bool = False) -> list[str]:
    """Write the entries that NetBox lacks; what they say. With check nothing is written."""
    wanted = list(standing.entries(store.security_events(customer, actions=[standing.WITHDRAWN])))
    missing = _missing(register, wanted)
    if missing and not check:
        with leases.holding(store, f"offboarding-journal:{customer}"):
            missing = _missing(register, missing)
            register.create(JOURNAL, [_row(one) for one in missing], message=MESSAGE)
    return [one.comments for one in missing]


def _missing(register: Register, wanted: Sequence[Entry]) -> list[Entry]:
    """Those of the entries that NetBox does not have. The marks have their assets in them, so none is taken for
    another's."""
    if not wanted:
        return []
    rows = register.rows(JOURNAL, fields=("comments",), filters={"q": standing.OURS})
    have = [str(row["comments"]) for row in rows]
    return [one for one in wanted if not one.is_in(have)]


def _row(one: Entry) -> dict[str, object]:
    kind, _colon, number = one.asset.partition(":")
    return {
        "assigned_object_type": OBJECT_TYPES[kind],
        "assigned_object_id": int(number),
        "kind": "info",
        "comments": one.comments,
    }
