# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows in NetBox what people asked of a customer's rollouts: an entry each in the tenant's journal, once.

The evidence store decides what was asked, and NetBox what of that it has: no note is kept of what was written, so a run
that dies before or after a write changes nothing. Under a lease, so that two runs do not write the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.contract.records import Customer
from ansible_collections.msp.ops.plugins.plugin_utils.desk.gather import one_customer
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import leases
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events, journal
from ansible_collections.msp.ops.plugins.plugin_utils.patching.journal import Entry
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

JOURNAL = "extras/journal-entries"
TENANT = "tenancy.tenant"
MESSAGE = "msp.ops patching: what people asked of a rollout"
# Of rollouts that are over, those made in this time; of those that are not, all.
PAST = dt.timedelta(days=120)
# What the store says when another run has the lease: that one writes it.
TAKEN = "MSP-EVD-015"


def tell(store: Store, register: Register, customer: Customer, *, check: bool = False) -> list[str]:
    """Write the entries that NetBox lacks; what they say. With check nothing is written."""
    wanted = _wanted(store, customer.slug)
    missing = _missing(register, customer, wanted)
    if check or not missing:
        return [one.comments for one in missing]
    try:
        with leases.holding(store, f"patch-journal:{customer.slug}"):
            missing = _missing(register, customer, missing)
            register.create(JOURNAL, [_row(customer, one) for one in missing], message=MESSAGE)
    except MspError as error:
        if error.code != TAKEN:
            raise
        return []
    return [one.comments for one in missing]


def tell_at_once(store: Store, netbox: Callable[[], Register], slug: str) -> str:
    """tell(), for what was asked just now; why NetBox does not show it yet, empty where it does.

    It is no error: what was asked counts all the same. netbox opens NetBox.
    """
    try:
        with netbox() as register:
            tell(store, register, one_customer(register, slug))
    except MspError as error:
        return str(
            MspError(
                "MSP-PAT-164",
                "NetBox to show what was asked",
                f"{error.code}: {error.found}",
                "nothing: it is recorded and counts, and the next run of playbooks/patch.yml writes it to NetBox",
            )
        )
    return ""


def _wanted(store: Store, slug: str) -> list[Entry]:
    """Everything that people asked, the oldest first."""
    lately = store.rollouts(slug, since=store.now() - PAST)
    known = {one.id for one in lately}
    older = [one for one in store.rollouts(slug, open_only=True) if one.id not in known]
    found = sorted((*older, *lately), key=lambda one: (one.made, one.id))
    return [entry for one in found for entry in journal.entries(one.id, events.of(one))]


def _missing(register: Register, customer: Customer, wanted: Sequence[Entry]) -> list[Entry]:
    """Those of the entries that NetBox does not have."""
    if not wanted:
        return []
    filters = {"assigned_object_type": [TENANT], "assigned_object_id": [customer.id], "q": journal.OURS}
    rows = register.rows(JOURNAL, fields=("comments",), filters=filters)
    have = [str(row["comments"]) for row in rows]
    return [one for one in wanted if not one.is_in(have)]


def _row(customer: Customer, one: Entry) -> dict[str, object]:
    return {
        "assigned_object_type": TENANT,
        "assigned_object_id": customer.id,
        "kind": one.kind,
        "comments": one.comments,
    }
