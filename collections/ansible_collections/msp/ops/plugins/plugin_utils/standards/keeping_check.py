# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps one check of an asset's controls: its record goes to the spool, and beside it what each control was.

What they were is told to the next check, for its diff. Runs in Ansible's forked workers, so it opens neither the store
nor NetBox.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import durability, spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StandardCheck


def keep(subject: Subject, check: StandardCheck, *, dry: bool) -> dict[str, str] | None:
    """Spool the check (not when dry); returns what each control was when this controller last measured, or None."""
    before = _last(subject)
    if not dry:
        spool.put([check])
        if check.outcome == "ok" and check.records is not None:
            _remember(subject, {str(record["control"]): str(record["status"]) for record in check.records})
    return before


def _place(subject: Subject) -> Path:
    """One small file an asset, so that workers never wait for each other."""
    directory = durability.state_directory() / "standards" / quote(subject.customer, safe="")
    return directory / (quote(subject.asset, safe="") + ".json")


def _last(subject: Subject) -> dict[str, str] | None:
    """Lost or torn, it is made again by this check; the evidence itself is in the store."""
    try:
        found = json.loads(_place(subject).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {str(control): str(status) for control, status in found.items()} if isinstance(found, dict) else None


def _remember(subject: Subject, statuses: Mapping[str, str]) -> None:
    """The evidence is safe by now: not writing this makes no check fail."""
    place = _place(subject)
    partial = place.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_text(json.dumps(statuses, sort_keys=True), encoding="utf-8")
        partial.replace(place)
