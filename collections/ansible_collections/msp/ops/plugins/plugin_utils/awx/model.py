# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Objects in AWX as this project speaks of them: the arguments of the awx.awx module that makes them. Pure.

What should be (wanted.py) and what is there (found.py) have the same shape, so that comparing them is comparing two
tables. What is ours says so at the end of its description; what does not say so is somebody else's and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# In the order in which they are made: what is referred to comes before what refers to it. Removed in the other one.
SECTIONS = (
    "organizations",
    "credential_types",
    "execution_environments",
    "credentials",
    "projects",
    "notification_templates",
    "organization_defaults",
    "inventories",
    "inventory_sources",
    "job_templates",
    "workflow_job_templates",
    "schedules",
    "teams",
    "roles",
)
# Never removed: with an organisation goes everything in it, also what is not ours. Its defaults are part of it.
KEPT = frozenset({"organizations", "organization_defaults"})
# A right belongs to a team of ours, and has no description.
UNMARKED = frozenset({"organization_defaults", "roles"})
_MARK = re.compile(r" ?\[msp\.ops(?: (?P<generation>[0-9]{1,7}))?\]$")

Key = tuple[str, ...]
Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object that should be there. secrets has by field the name of a secret in awx_secrets, never its value."""

    section: str
    key: Key
    arguments: Arguments
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """An object that AWX has; arguments are those that would make it as it is."""

    section: str
    key: Key
    arguments: Arguments
    ours: bool


def marked(description: str, generation: int | None = None) -> str:
    """A description that says that the object is ours, and which generation its secrets are of."""
    mark = "msp.ops" if generation is None else f"msp.ops {generation}"
    return f"{description.strip()} [{mark}]".strip()


def is_marked(description: str) -> bool:
    """Whether a description says so."""
    return _MARK.search(description) is not None
