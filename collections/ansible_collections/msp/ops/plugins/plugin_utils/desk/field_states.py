# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A state of each asset, kept in a custom field of NetBox: what waits is delivered first, and only changes are written.

What the state is, others decide (patch_states.py, standard_states.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError, MspErrors
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import deliver
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from ansible_collections.msp.ops.plugins.plugin_utils.register import asset_fields
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import Register

# By asset what NetBox has, and what it is given.
Changes = Mapping[str, tuple[str | None, str | None]]

# Far more than a spool of thousands of records needs, and an end for a run that waits for another one's delivery.
DELIVERY_SECONDS = 600.0
# After these no other customer can be told of either: no NetBox, or none that this code can work with.
NO_NETBOX = frozenset({"MSP-REG-001", "MSP-REG-002", "MSP-REG-004"})


def delivered(store: Store, *, check: bool) -> list[str]:
    """Bring the spool to the store; the reasons for what it can never take. With check nothing is written."""
    if check:
        return []
    found = deliver.deliver(store, seconds=DELIVERY_SECONDS)
    if not found.complete:
        raise MspError(
            "MSP-EVD-021",
            f"the spool to be delivered to the evidence store within {DELIVERY_SECONDS:.0f} seconds",
            "it is not: another run delivers now, or very much waits",
            "run ./msp store deliver and wait for its end, then the playbook again; nothing is lost",
        )
    return found.rejected


def read(register: Register, slug: str, field: str) -> dict[str, str | None]:
    """By asset of a customer what NetBox has in this field."""
    return {asset: fields.get(field) for asset, fields in asset_fields.read(register, slug).items()}


def differing(have: Mapping[str, str | None], wanted: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """What NetBox has and what it should have, where they differ. An asset of which nothing is wanted has no state."""
    return {asset: (before, after) for asset, before in have.items() if before != (after := wanted.get(asset))}


def written(
    register: Register, field: str, changes: Changes, message: str, *, check: bool
) -> tuple[dict[str, tuple[str | None, str | None]], dict[str, str]]:
    """The changes that NetBox took (with check: would be given), and by asset why it refused the others."""
    if check:
        return dict(changes), {}
    wanted = {asset: {field: after} for asset, (_before, after) in changes.items()}
    refused = {asset: str(why) for asset, why in asset_fields.write(register, wanted, message).items()}
    return {asset: change for asset, change in changes.items() if asset not in refused}, refused


def diff(changes: Iterable[Changes]) -> dict[str, dict[str, str | None]]:
    """What all of these change, for a task's diff."""
    found = sorted((asset, change) for one in changes for asset, change in one.items())
    return {
        "before": {asset: before for asset, (before, _after) in found},
        "after": {asset: after for asset, (_before, after) in found},
    }


def of_customer(slug: str, error: MspError) -> list[MspError]:
    """The same errors with the customer's name."""
    all_of_it = error.errors if isinstance(error, MspErrors) else [error]
    return [MspError(one.code, one.expected, f"{one.found} ({slug})", one.action) for one in all_of_it]
