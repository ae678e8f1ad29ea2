# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The custom fields of a customer's assets: read of all at once, written where they change. Keys are asset keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import batched
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.register.answers import plain
from ansible_collections.msp.ops.plugins.plugin_utils.register.client import BATCH, Register
from ansible_collections.msp.ops.plugins.plugin_utils.register.customers import ENDPOINTS

# What NetBox says when it takes a request as a whole not.
REFUSED = "MSP-REG-007"


def read(register: Register, customer: str) -> dict[str, Mapping[str, Any]]:
    """What NetBox has of each asset of a customer, selections as their plain value."""
    return {
        f"{kind}:{row['id']}": plain(row.get("custom_fields") or {})
        for kind, endpoint in ENDPOINTS.items()
        for row in register.rows(endpoint, fields=("custom_fields",), filters={"tenant": [customer]})
    }


def write(register: Register, wanted: Mapping[str, Mapping[str, Any]], message: str) -> dict[str, MspError]:
    """Give NetBox these values; by asset what it refused. One that it refuses keeps no other from being written."""
    refused: dict[str, MspError] = {}
    for kind, endpoint in ENDPOINTS.items():
        rows = [
            {"id": int(asset.partition(":")[2]), "custom_fields": dict(values)}
            for asset, values in sorted(wanted.items())
            if asset.startswith(kind + ":")
        ]
        for part in batched(rows, BATCH):
            found = _update(register, endpoint, part, message)
            refused |= {f"{kind}:{id}": error for id, error in found.items()}
    return refused


def _update(register: Register, endpoint: str, rows: Sequence[Mapping[str, Any]], message: str) -> dict[int, MspError]:
    """NetBox takes a request as a whole or not at all: refused, each row is asked on its own."""
    try:
        register.update(endpoint, rows, message=message)
    except MspError as error:
        if error.code != REFUSED:
            raise
        if len(rows) == 1:
            return {rows[0]["id"]: error}
        return {id: why for row in rows for id, why in _update(register, endpoint, [row], message).items()}
    return {}
