# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person tells a rollout: approve, pause, resume, abort; each with who and why. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout

APPROVE, PAUSE, RESUME, ABORT = ACTIONS = ("approve", "pause", "resume", "abort")
Asked = events.Approved | events.Paused | events.Resumed | events.AbortAsked
_SAID: Mapping[str, Callable[[dt.datetime, str, str], Asked]] = {
    PAUSE: events.Paused,
    RESUME: events.Resumed,
    ABORT: events.AbortAsked,
}


def ask(rollout: Rollout, action: str, *, by: str, reason: str, at: dt.datetime, manifest: str = "") -> Asked:
    """The event of what a person asks, one that can follow. action is one of ACTIONS; an approval names the manifest.

    Raises MSP-PAT-073 without who or why, MSP-PAT-072 for an approval of another manifest, MSP-PAT-070 for what cannot
    be asked now (to resume what runs, to approve twice).
    """
    by, reason = by.strip(), reason.strip()
    if action not in ACTIONS or not by or not reason or by == events.THE_PLAN:
        raise MspError(
            "MSP-PAT-073",
            f"one of {', '.join(ACTIONS)}, and the name of the person who asks for it, and why",
            f"{action!r} by {by or 'nobody'}: {reason or 'no reason'}",
            "say patch_action, patch_by and patch_reason",
        )
    event = events.Approved(at, manifest, by, reason) if action == APPROVE else _SAID[action](at, by, reason)
    rollout.after(event)
    return event
