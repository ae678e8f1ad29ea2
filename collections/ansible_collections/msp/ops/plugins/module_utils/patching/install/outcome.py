# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of the work, out of what was read back from the host. Pure: no I/O.

"patched" needs everything at once: each package of the manifest sound and at its version, no check failed, every
restart done, and a reboot that was wanted proved. What lacks one of them is "failed", and says which. Where nothing
lacks but a reboot that did not begin any more, it is "reboot owed": the host is well, and only the reboot is to come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PATCHED, REFUSED, FAILED, ROLLED_BACK, NOTHING = "patched", "refused", "failed", "rolled back", "nothing"
OWED = "reboot owed"


@dataclass(frozen=True)
class Found:
    """What was read back. lacking: packages of the manifest that are not sound at their version, a sentence each.

    program is the package manager's own last status, None where it did not run; errors its own words. rebooted: None
    where none was wanted, True with the proof. late: it was never begun, since the window ended before it or somebody
    stopped the work.
    """

    lacking: tuple[str, ...] = ()
    program: int | None = None
    errors: tuple[str, ...] = ()
    checks: tuple[dict, ...] = ()
    restarts_failed: tuple[str, ...] = ()
    rebooted: bool | None = None
    reboot_why: str = ""
    late: bool = False
    back: bool = False
    notes: tuple[str, ...] = field(default=())


def healthy(found: Found) -> bool | None:
    """None where nothing was checked, or a check had nothing to compare with, and nothing is bad: nobody knows."""
    if found.restarts_failed or any(check["ok"] is False for check in found.checks):
        return False
    return True if found.checks and all(check["ok"] for check in found.checks) else None


def decide(found: Found) -> tuple[str, str]:
    """The outcome, and its reason in one sentence for each thing that lacks."""
    reasons = []
    if found.program not in (0, None) and found.lacking:
        reasons.append(
            "the package manager ended with status %d: %s" % (found.program, "; ".join(found.errors) or "no word")
        )
    reasons += list(found.lacking)
    reasons += _said(found, ok=False)
    reasons += ["the restart of %s failed" % one for one in found.restarts_failed]
    notes = [*_said(found, ok=None), *found.notes]
    not_rebooted = [found.reboot_why or "the reboot is not proved"] if found.rebooted is False else []
    if reasons or (not_rebooted and not found.late):
        return FAILED, "; ".join(reasons + not_rebooted + notes)
    what = ROLLED_BACK if found.back else (OWED if not_rebooted else PATCHED)
    return what, "; ".join(not_rebooted + notes)


def _said(found: Found, *, ok: bool | None) -> list[str]:
    """What the checks that ended so say, a sentence each."""
    return ["check %(kind)s %(what)s: %(why)s" % one for one in found.checks if one["ok"] is ok]


def owed(reboot: dict, restarts: dict) -> list[str]:
    """What is installed and not in force yet. reboot, restarts: as the status has them."""
    reasons = reboot.get("reasons", ())
    found = ["reboot: %s" % "; ".join(reasons)] if reasons and reboot.get("proved") is not True else []
    return found + ["restart %s" % one["unit"] for one in restarts.get("left", ())]
