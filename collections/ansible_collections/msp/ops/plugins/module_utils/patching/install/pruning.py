# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host keeps of rollouts that are long over, and when that may go. What may go is decided without any I/O.

Never touches what may still be looked at or taken back, nor what cannot be read: that is for a person.
"""

from __future__ import annotations

import os
import shutil

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.module_utils.patching.install import work
from ansible_collections.msp.ops.plugins.module_utils.patching.install.keeping import BEFORE, STATUS, TIMERS, Rollout
from ansible_collections.msp.ops.plugins.module_utils.patching.install.manager import States

SECONDS = 120 * 24 * 3600


class Kept:
    """What a host keeps of one attempt: its files as they were read; None where one is not there."""

    __slots__ = ("before", "status", "timers")

    def __init__(self, before: dict | None, status: dict | None, timers: dict | None) -> None:
        self.before = before
        self.status = status
        self.timers = timers

    @property
    def over(self) -> bool:
        """It came to its end, and holds no timer back."""
        ended = self.status is not None and self.status.get("phase") == work.FINISHED
        return ended and (self.timers is None or bool(self.timers.get("restored")))


def may_go(attempts: list[Kept], states: States, now: float) -> bool:
    """Whether what is kept of a rollout may go: long over, and nothing on the host is as it left it.

    A host that still has a version that the rollout brought may be given back the one before, however long ago it was.
    """
    if not all(attempt.over for attempt in attempts):
        return False
    if any(now - float((attempt.status or {}).get("at", now)) < SECONDS for attempt in attempts):
        return False
    return not any(_still_there(attempt, states) for attempt in attempts)


def _still_there(attempt: Kept, states: States) -> bool:
    was = (attempt.before or {}).get("packages", {})
    left = (attempt.status or {}).get("after", {})
    moved = {key: version for key, version in left.items() if was.get(key) != version}
    here = {key: (states[key].version, *states[key].others) for key in moved if key in states}
    return any(moved[key] in versions for key, versions in here.items())


def prune(top: str, spared: tuple[str, ...], states: States, now: float) -> list[str]:
    """Remove what may go, but of no rollout that is named in spared; the names of those that went."""
    gone = []
    for name in sorted(os.listdir(top)):
        place = os.path.join(top, name)
        if name in spared or not os.path.isdir(place) or not _old(place, now):
            continue
        if may_go(_read(Rollout(name, top)), states, now):
            # What cannot be removed today is tried again by the next rollout.
            shutil.rmtree(place, ignore_errors=True)
            gone.append(name)
    return gone


def _old(place: str, now: float) -> bool:
    """A look that costs nothing, before any file is read."""
    return now - os.stat(place).st_mtime >= SECONDS


def _read(rollout: Rollout) -> list[Kept]:
    """Every attempt of a rollout. One that is damaged counts as one that is not over."""
    found = []
    for attempt in rollout.attempts():
        try:
            found.append(Kept(attempt.read(BEFORE), attempt.read(STATUS), attempt.read(TIMERS)))
        except MspError:
            found.append(Kept(None, None, None))
    return found
