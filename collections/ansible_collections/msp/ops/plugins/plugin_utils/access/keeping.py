# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps one look at who can log in: its record goes to the spool.

Runs in Ansible's forked workers, so it opens neither the store nor NetBox.
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.plugin_utils.evidence import spool
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.records import AccessCheck


def keep(check: AccessCheck, *, dry: bool) -> None:
    """Spool it, not when dry."""
    if not dry:
        spool.put([check])
