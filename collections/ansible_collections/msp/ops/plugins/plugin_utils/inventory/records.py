# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the inventory keeps of NetBox between reading and filling: machines, and the slugs and contexts they point to.

Pure: dataclasses, no I/O. Everything in them is a plain JSON value, so that the cache needs json and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

DEVICE = "device"
VIRTUAL_MACHINE = "virtual-machine"
KINDS = (DEVICE, VIRTUAL_MACHINE)

SITES = "sites"
ROLES = "roles"
PLATFORMS = "platforms"
TAGS = "tags"

Context = Mapping[str, Any]


class Machine(NamedTuple):
    """One asset as read. It points by primary key, so that a renamed site or tag is one changed row of a table.

    A named tuple, because ten thousand of them go to and from the cache at once.
    """

    kind: str
    id: int
    name: str | None
    serial: str
    asset_tag: str | None
    tenant: int
    site: int | None
    role: int | None
    platform: int | None
    device_type: int | None
    location: int | None
    cluster: int | None
    address: str | None
    address_ids: tuple[int, ...]
    tags: tuple[int, ...]
    fields: Mapping[str, Any]
    local_context: Context | None
    updated: str

    @property
    def key(self) -> str:
        """The asset's identity everywhere in msp.ops: "device:12"."""
        return f"{self.kind}:{self.id}"

    def points_to(self, table: str) -> tuple[int, ...]:
        """The rows of a slug table that this machine needs."""
        if table == TAGS:
            return self.tags
        one = {SITES: self.site, ROLES: self.role, PLATFORMS: self.platform}[table]
        return () if one is None else (one,)


@dataclass
class Contexts:
    """Rendered config contexts, shared.

    by_key holds what NetBox rendered for a machine without local context data; all machines of one key share it.
    key_of gives a machine's key. own holds a machine's whole rendering, where sharing proves nothing.
    """

    by_key: dict[str, Context] = field(default_factory=dict)
    key_of: dict[str, str] = field(default_factory=dict)
    own: dict[str, Context] = field(default_factory=dict)
    stamp: str = ""


@dataclass
class Snapshot:
    """All that was read of NetBox for one selection: machines by key, slugs by table and id, and their contexts.

    optional names the fields that were read only because a config context depends on them.
    """

    machines: dict[str, Machine] = field(default_factory=dict)
    slugs: dict[str, dict[int, str]] = field(
        default_factory=lambda: {table: {} for table in (SITES, ROLES, PLATFORMS, TAGS)}
    )
    contexts: Contexts = field(default_factory=Contexts)
    optional: tuple[str, ...] = ()

    def ids(self, kind: str) -> list[int]:
        return [machine.id for machine in self.machines.values() if machine.kind == kind]

    def add(self, machines: Iterable[Machine]) -> None:
        self.machines.update((machine.key, machine) for machine in machines)
