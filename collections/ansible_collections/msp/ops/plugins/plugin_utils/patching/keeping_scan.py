# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps one scan: its record goes to the spool, and beside it what was pending, to tell next time what is new.

Runs in Ansible's forked workers, so it opens neither the store nor NetBox.
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.plugin_utils.audit import memory
from ansible_collections.msp.ops.plugins.plugin_utils.audit.subject import Subject
from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.patching import scanning
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import Scan

KIND = "patching"  # of what is remembered


def keep(subject: Subject, scan: Scan, *, dry: bool) -> dict[str, str] | None:
    """Spool the scan (not when dry); returns what was pending at the last one of this controller, None for none."""
    before = memory.last(KIND, subject)
    if not dry:
        spool.put([scan])
        if scan.updates is not None:
            memory.remember(KIND, subject, scanning.lines(scan.updates))
    return before
