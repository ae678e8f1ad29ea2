# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records a finished run of audits: spool to store, what neighbours were seen, NetBox where facts changed.

Runs once, on the controller, after the hosts. The store comes first: when NetBox does not answer, nothing that was
measured is lost, and the next run brings NetBox up to it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.audit import sightings, standing
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import Observation
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import plain
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import ENDPOINTS

MESSAGE = "msp.ops audit: facts changed"


@dataclass
class Registered:
    """What was recorded. changes is by asset what NetBox had and what it was given."""

    attempts: list[standing.Attempt] = field(default_factory=list)
    changes: dict[str, tuple[dict, dict]] = field(default_factory=dict)
    observations: int = 0


def register_audits(
    store: Store, register: Register, subjects: Sequence[Subject], began: dt.datetime, *, check: bool
) -> Registered:
    """Deliver, look at every host of the run, tell NetBox. With check nothing is written anywhere."""
    if not check:
        deliver.deliver(store)
    customers = sorted({subject.customer for subject in subjects})
    last = {customer: store.last_audits(customer) for customer in customers}
    done = Registered(standing.attempts(subjects, last, began, check=check))
    if not check:
        store.record_audits(one.audit for one in done.attempts if one.is_lost and one.audit)
    have = {asset: fields for customer in customers for asset, fields in _fields(register, customer).items()}
    done.changes = standing.changes(done.attempts, have)
    if not check:
        seen = list(_neighbours(register, done.attempts))
        store.record_observations(seen)
        done.observations = len(seen)
        _write(register, done.changes)
    return done


def _fields(register: Register, customer: str) -> dict[str, Mapping[str, Any]]:
    """What NetBox has of each asset of a customer in the three fields."""
    return {
        f"{kind}:{row['id']}": plain(row.get("custom_fields") or {})
        for kind, endpoint in ENDPOINTS.items()
        for row in register.rows(endpoint, fields=("custom_fields",), filters={"tenant": [customer]})
    }


def _neighbours(register: Register, attempts: Iterable[standing.Attempt]) -> Iterable[Observation]:
    prefixes: dict[str, list[str]] = {}
    for one in attempts:
        if one.audit is None or not (one.audit.volatile.get("neighbours") or one.audit.volatile.get("lldp")):
            continue
        customer = one.subject.customer
        if customer not in prefixes:
            rows = register.rows("ipam/prefixes", fields=("prefix",), filters={"tenant": [customer]})
            prefixes[customer] = [str(row["prefix"]) for row in rows]
        yield from sightings.neighbours(one.audit, prefixes[customer])


def _write(register: Register, changes: Mapping[str, tuple[dict, dict]]) -> None:
    for kind, endpoint in ENDPOINTS.items():
        rows = [
            {"id": int(asset.partition(":")[2]), "custom_fields": wanted}
            for asset, (_have, wanted) in sorted(changes.items())
            if asset.startswith(kind + ":")
        ]
        if rows:
            register.update(endpoint, rows, message=MESSAGE)
