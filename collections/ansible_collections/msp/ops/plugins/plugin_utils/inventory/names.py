# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Host and group names out of NetBox's names and slugs. Pure: no I/O.

A host is NAME.CUSTOMER. A slug has no dot, so two customers can't share a host name and no host is named like a group.
What NetBox calls a machine is data: only letters, digits, dots, hyphens and underscores of it become a name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from ansible_collections.msp.ops.plugins.plugin_utils.inventory.records import DEVICE, Machine

_NOT_IN_HOST = re.compile(r"[^a-z0-9._-]+")
_NOT_IN_GROUP = re.compile(r"[^A-Za-z0-9_]")
_LETTER = {DEVICE: "d"}


def host_part(name: str | None) -> str:
    """A machine's name in lower case without anything a host name can't hold; empty when nothing is left."""
    plain = unicodedata.normalize("NFKD", name or "").encode("ascii", "ignore").decode().lower()
    return re.sub(r"-{2,}|\.{2,}", lambda run: run[0][0], _NOT_IN_HOST.sub("-", plain)).strip("-._")


def group_part(slug: str) -> str:
    """A slug as part of a group's name."""
    return _NOT_IN_GROUP.sub("_", slug)


def host_names(machines: Iterable[Machine], customers: Mapping[int, str]) -> tuple[dict[str, str], list[str]]:
    """Machine key to host name, and a warning for each name that several machines of a customer share.

    Of several, the one with the lowest id (a device before a virtual machine) keeps the plain name; the others get
    their own number behind it. When the one with the plain name leaves, the next takes it: hence the warning.
    """
    wanted: dict[str, list[Machine]] = {}
    for machine in machines:
        part = host_part(machine.name) or machine.key.replace(":", "-")
        wanted.setdefault(f"{part}.{customers[machine.tenant]}", []).append(machine)
    names: dict[str, str] = {}
    warnings = []
    later: list[tuple[str, Machine]] = []
    for name, sharing in wanted.items():
        if len(sharing) > 1:
            sharing.sort(key=lambda machine: (machine.id, machine.kind))
            later += [(name, machine) for machine in sharing[1:]]
        names[sharing[0].key] = name
    taken = set(wanted)
    for name, machine in later:
        names[machine.key] = _numbered(name, machine, taken)
        warnings.append(f"several assets are called {name}: {machine.key} is the host {names[machine.key]}")
    return names, warnings


def _numbered(name: str, machine: Machine, taken: set[str]) -> str:
    part, _unused, customer = name.rpartition(".")
    while f"{part}.{customer}" in taken:
        part += f"-{_LETTER.get(machine.kind, 'v')}{machine.id}"
    taken.add(f"{part}.{customer}")
    return f"{part}.{customer}"
