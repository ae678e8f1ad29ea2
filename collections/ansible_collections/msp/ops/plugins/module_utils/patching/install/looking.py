# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a look at a rollout means, and what has to be done about it. Pure: no I/O.

none       this host knows nothing of the rollout
working    the unit does its work
rebooting  the host was asked to reboot and has not done so yet
finished   the work came to its end, and the status says what became of it
cut off    the unit is gone and did not come to its end: power lost, killed
"""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.module_utils.patching.install import identity, outcome, work

NONE, WORKING, REBOOTING, FINISHED, CUT_OFF = "none", "working", "rebooting", "finished", "cut off"
REPORT, REPAIR, RESUME = "report", "repair", "resume"
# A database that could not be repaired once is left to a person.
MOST_REPAIRS = 2


def state_of(status: dict | None, *, boot: dict) -> str:
    """The state of an attempt whose unit is not there. status: its file, None without one; boot: this one."""
    if status is None:
        return CUT_OFF
    if status.get("phase") == work.FINISHED:
        return FINISHED
    asked = status.get("reboot", {}).get("boot", {})
    if status.get("phase") == work.REBOOTING and not identity.another_boot(asked, boot):
        return REBOOTING
    return CUT_OFF


def decide(status: dict | None, *, boot: dict, unsound: bool, ours: bool) -> tuple[str, str]:
    """The state, and what to do. unsound: dpkg has something unfinished; ours: it is what this attempt left so."""
    state = state_of(status, boot=boot)
    if state == REBOOTING:
        return state, REPORT
    status = status or {}
    repairs = int(status.get("repairs", 0))
    if state == CUT_OFF:
        if status.get("phase") == work.REBOOTING:
            return state, RESUME
        return state, REPAIR if repairs < MOST_REPAIRS else REPORT
    if unsound and ours and status.get("outcome") == outcome.FAILED and repairs < 1:
        return state, REPAIR
    return state, REPORT
