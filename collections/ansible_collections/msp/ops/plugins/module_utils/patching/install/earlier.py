# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What earlier attempts of a rollout left on this host, and how the host was before the first of them.

Whatever a rollout does on a host, also the way back, is held against the host as it was before it first touched it: one
that it broke itself proves nothing. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import outcome
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import (
    BEFORE,
    REQUEST,
    STATUS,
    Attempt,
    Rollout,
)

# An attempt that ended so did nothing, and the one before it counts.
_DID_NOTHING = (outcome.REFUSED, outcome.NOTHING)
_WELL = (outcome.PATCHED, outcome.ROLLED_BACK)


def first(attempts: Sequence[Attempt]) -> dict | None:
    """The host as it was before the rollout first touched it; None where it never came here."""
    found = (attempt.read(BEFORE) for attempt in attempts)
    return next((was for was in found if was is not None), None)


def broken(rollouts: Sequence[Rollout], down: Sequence[str]) -> list[str]:
    """Of the units that are down those that ran when a rollout came to this host: it may have been what broke them.

    All of them where a record cannot be read: nobody can say that they did not run.
    """
    if not down:
        return []
    ran: set[str] = set()
    for rollout in rollouts:
        for attempt in rollout.attempts():
            try:
                was = attempt.read(BEFORE)
            except MspError:
                return sorted(down)
            ran |= set(was["baseline"]["running"]) if was is not None else set()
    return sorted(ran & set(down))


def left_open(attempts: Sequence[Attempt]) -> Attempt | None:
    """The last attempt that did anything, where it came to no good end: failed, was cut off, or owes a reboot."""
    for attempt in reversed(attempts):
        status = attempt.read(STATUS)
        if status is None or status.get("outcome") in _DID_NOTHING:
            continue
        return None if status.get("outcome") in _WELL else attempt
    return None


def packages(attempts: Sequence[Attempt], versions: dict[str, str]) -> dict[str, str]:
    """What was there before the rollout. versions: those of now.

    Those are set back that the rollout moved itself: what somebody else moved since is no work of ours.
    """
    found = dict(versions)
    for attempt in reversed(attempts):
        was = (attempt.read(BEFORE) or {}).get("packages", {})
        for key in moved(attempt):
            found.pop(key, None)
            if key in was:
                found[key] = was[key]
    return found


def moved(attempt: Attempt) -> set[str]:
    """The keys of what an attempt moved; of one that was cut off nobody wrote that down, and all that it meant to."""
    kept, was, status = attempt.read(REQUEST), attempt.read(BEFORE), attempt.read(STATUS)
    if kept is None or was is None or status is None:
        return set()
    if "after" in status:
        was, left = was["packages"], status["after"]
        return {key for key in set(was) | set(left) if was.get(key) != left.get(key)}
    asked = {row["name"] + ":" + row["architecture"] for row in kept["request"]["packages"]}
    return asked | {row["package"] for row in kept["plan"]["installs"]}
