# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this controller found of an asset the last time it looked, to tell what is new: one small file an asset.

The evidence is in the store; this is lost without harm, and made again by the next look. One file an asset, so that
Ansible's forked workers never wait for each other.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability


def last(kind: str, subject: Subject) -> dict[str, str] | None:
    """What a look of this kind remembered. None where there is nothing, or nothing that can be read."""
    try:
        found = json.loads(_place(kind, subject).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else None


def remember(kind: str, subject: Subject, found: Mapping[str, str]) -> None:
    """Keep it for the next look. The evidence is safe by now: not writing this makes no look fail."""
    place = _place(kind, subject)
    partial = place.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_text(json.dumps(found, sort_keys=True), encoding="utf-8")
        partial.replace(place)


def _place(kind: str, subject: Subject) -> Path:
    directory = durability.state_directory() / kind / quote(subject.customer, safe="")
    return directory / (quote(subject.asset, safe="") + ".json")
