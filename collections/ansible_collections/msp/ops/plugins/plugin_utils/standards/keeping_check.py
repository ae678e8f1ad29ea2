# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps one check of an asset's controls: its record goes to the spool, and beside it what each control was.

What they were is told to the next check, for its diff. Runs in Ansible's forked workers, so it opens neither the store
nor NetBox.
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.plugin_utils.audit import memory
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import StandardCheck

KIND = "standards"  # of what is remembered


def keep(subject: Subject, check: StandardCheck, *, dry: bool) -> dict[str, str] | None:
    """Spool the check (not when dry); returns what each control was when this controller last measured, or None."""
    before = memory.last(KIND, subject)
    if not dry:
        spool.put([check])
        if check.outcome == "ok" and check.records is not None:
            memory.remember(KIND, subject, {str(record["control"]): str(record["status"]) for record in check.records})
    return before
