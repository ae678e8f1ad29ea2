# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an audit comes down to: a summary, a digest per section, and which sections differ. Pure: no I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.hashing import canonical_json

SECTIONS = "sections"
_DIGITS = 12


def summary(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The small part of the facts that is kept with every audit and that a helpdesk asks first. null is "not known"."""
    system, machine = facts.get("os") or {}, facts.get("machine") or {}
    updates, encryption = facts.get("updates") or {}, facts.get("encryption") or {}
    known = bool(updates.get("known"))
    return {
        "os": system.get("name"),
        "os_version": system.get("version"),
        "support_end": system.get("support_end"),
        "serial": machine.get("serial"),
        "hostname": (facts.get("hostname") or {}).get("name"),
        "pending": updates.get("total") if known else None,
        "security": updates.get("security") if known else None,
        "last_patched": (facts.get("patches") or {}).get("last"),
        "reboot_needed": (facts.get("reboot") or {}).get("needed"),
        "encrypted": encryption.get("root"),
    }


def section_digests(facts: Mapping[str, Any]) -> dict[str, str]:
    """A short digest of each section, so that two audits can be compared without loading their facts."""
    return {
        name: hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()[:_DIGITS]
        for name, value in sorted(facts.items())
    }


def changed_sections(before: Mapping[str, str] | None, after: Mapping[str, str]) -> list[str] | None:
    """The sections that differ, appeared or vanished; None when there is nothing to compare with."""
    if not before:
        return None
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
