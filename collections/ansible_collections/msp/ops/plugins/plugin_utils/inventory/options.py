# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks what an inventory source asks for before NetBox is asked. Pure: no I/O, no Ansible.

An option or filter that would be ignored chooses more hosts than meant, so it is an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import DEVICE, VIRTUAL_MACHINE

# The inventory sets these itself, from the customers and from what changed.
_OURS = frozenset({"id", "tenant", "tenant_id", "last_updated__gt"})


def check_names(path: str, given: Collection[str], known: Collection[str]) -> None:
    """Refuse options that do not exist: Ansible passes over them."""
    unknown = sorted(set(given) - set(known))
    if not unknown:
        return
    hints = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1)
        hints.append(f"{name} (meant {near[0]}?)" if near else name)
    raise MspError(
        "MSP-INV-001",
        f"options of msp.ops.netbox in {path}",
        f"unknown: {', '.join(hints)}",
        "correct them; `ansible-doc -t inventory msp.ops.netbox` names them all",
    )


def filters_by_kind(
    both: Mapping[str, Any], devices: Mapping[str, Any], machines: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The filters of each kind of asset, as plain values."""
    found = {}
    for kind, own in ((DEVICE, devices), (VIRTUAL_MACHINE, machines)):
        filters = {str(name): _plain(value) for name, value in {**both, **own}.items()}
        if ours := sorted(_OURS.intersection(filters)):
            raise MspError(
                "MSP-INV-002",
                "filters that do not choose by customer or id",
                f"the filter(s) {', '.join(ours)}",
                "name the customers in the option customers, and hosts with --limit",
            )
        found[kind] = filters
    return found


def _plain(value: Any) -> Any:
    """Without the tags Ansible puts on what it reads from a file."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return "".join(value)
    return value
