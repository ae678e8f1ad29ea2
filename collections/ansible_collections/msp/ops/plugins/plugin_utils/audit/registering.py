# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records a finished run of audits: spool to store, what neighbours were seen, NetBox where facts changed.

Runs once, on the controller, after the hosts. record() needs only the store and comes first: when NetBox does not
answer, nothing that was measured is lost, and the next run derives the neighbours and brings NetBox up to it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ansible_collections.msp.ops.plugins.plugin_utils.audit import due, outcome, sightings, standing
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Audit, Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import asset_fields
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

MESSAGE = "msp.ops audit: facts changed"
# Far more than a spool of thousands of audits needs, and an end for a run that waits for another one's delivery.
DELIVERY_SECONDS = 600.0


@dataclass
class Registered:
    """What was recorded. changes is by asset what NetBox had and what it was given."""

    attempts: list[standing.Attempt]
    derive_since: dict[str, dt.datetime] = field(default_factory=dict)  # by customer, the oldest audits that wait
    rejected: list[str] = field(default_factory=list)  # the reasons for records that the store can never take
    changes: dict[str, tuple[dict, dict]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # by host, why NetBox did not take what was found
    observations: int = 0


def record(
    store: Store, subjects: Sequence[Subject], began: dt.datetime, *, check: bool, seconds: float = DELIVERY_SECONDS
) -> Registered:
    """Deliver the spool and look at every host of the run. With check nothing is written."""
    rejected = [] if check else _deliver(store, seconds)
    customers = sorted({subject.customer for subject in subjects})
    last = {customer: store.last_audits(customer) for customer in customers}
    done = Registered(standing.attempts(subjects, last, began, rejected=rejected, check=check), rejected=rejected)
    if not check:
        store.record_audits(one.audit for one in done.attempts if one.is_lost and one.audit)
        done.derive_since = {customer: due.wait(customer, began) for customer in customers}
    return done


def register_audits(store: Store, register: Register, done: Registered, *, check: bool) -> None:
    """Derive the neighbours and tell NetBox what changed, adding to done. With check nothing is written anywhere."""
    for customer, since in done.derive_since.items():
        seen = _neighbours(register, customer, store.audits(customer, since=since))
        store.record_observations(seen)
        due.done(customer)
        done.observations += len(seen)
    customers = sorted({one.subject.customer for one in done.attempts})
    have = {asset: fields for customer in customers for asset, fields in asset_fields.read(register, customer).items()}
    done.changes = standing.changes(done.attempts, have)
    if not check:
        wanted = {asset: wanted for asset, (_have, wanted) in done.changes.items()}
        refused = asset_fields.write(register, wanted, MESSAGE)
        done.changes = {asset: change for asset, change in done.changes.items() if asset not in refused}
        hosts = {one.subject.asset: one.subject.host for one in done.attempts}
        done.refused = {hosts[asset]: str(error) for asset, error in refused.items()}


def _deliver(store: Store, seconds: float) -> list[str]:
    """The reasons for what the store rejected. Incomplete, nobody may say of a host that it left no record."""
    delivered = deliver.deliver(store, seconds=seconds)
    if not delivered.complete:
        raise outcome.undelivered(seconds)
    return delivered.rejected


def _neighbours(register: Register, customer: str, audits: Iterable[Audit]) -> list[Observation]:
    saw = [audit for audit in audits if audit.volatile.get("neighbours") or audit.volatile.get("lldp")]
    if not saw:
        return []
    rows = register.rows("ipam/prefixes", fields=("prefix",), filters={"tenant": [customer]})
    prefixes = [str(row["prefix"]) for row in rows]
    return [seen for audit in saw for seen in sightings.neighbours(audit, prefixes)]
