# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks what an inventory source asks for before NetBox is asked. Pure: no I/O, no Ansible.

An option or filter that would be ignored chooses more hosts than meant, so it is an error.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import DEVICE, VIRTUAL_MACHINE

# The inventory sets these itself, from the customers and from what changed.
_OURS = frozenset({"id", "tenant", "tenant_id", "last_updated__gt"})
# What a number may be: from, to, and what it counts.
RANGES: Mapping[str, tuple[float, float, str]] = {
    "slices": (1, 64, "parts"),
    "timeout": (0.1, 3600, "seconds"),
    "cache_timeout": (0, 365 * 86400, "seconds"),
}


def check_names(path: str, given: Collection[str], known: Collection[str]) -> None:
    """Refuse options that do not exist: Ansible passes over them."""
    if unknown := _unknown(given, known):
        raise MspError(
            "MSP-INV-001",
            f"options of msp.ops.netbox in {path}",
            f"unknown: {unknown}",
            "correct them; `ansible-doc -t inventory msp.ops.netbox` names them all",
        )


def check_fields(given: Iterable[str], known: Collection[str]) -> None:
    """Refuse custom fields that no asset can have: they would be empty on every host."""
    if unknown := _unknown(given, known):
        raise MspError(
            "MSP-INV-004",
            "in the option custom_fields only custom fields that devices or virtual machines have in NetBox",
            f"unknown: {unknown}",
            "correct the name, or give the field the object type device or virtual machine in NetBox",
        )


def check_ranges(options: Mapping[str, float]) -> None:
    """Refuse numbers that can't be meant."""
    for name, value in options.items():
        least, most, what = RANGES[name]
        if not least <= value <= most:
            raise MspError(
                "MSP-INV-005",
                f"the option {name} to be {least} to {most} {what}",
                f"{value}",
                "correct it, or leave it out",
            )


def _unknown(given: Iterable[str], known: Collection[str]) -> str:
    """The names that do not exist, each with the nearest one that does."""
    hints = []
    for name in sorted(set(given) - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        hints.append(f"{name} (meant {near[0]}?)" if near else name)
    return ", ".join(hints)


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
