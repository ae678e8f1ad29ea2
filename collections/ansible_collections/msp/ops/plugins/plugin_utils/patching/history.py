# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rollout's history while a tick adds to it, and people do. Does no I/O itself: it is given how to read and write.

What was decided counts only for the history that it was decided on: when somebody wrote meanwhile, it is decided anew.
What happened on a host has happened: it is written after whatever came meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import Rollout, fold

# What the store says when another event has taken the number (evidence.writing.append_event).
TAKEN = "MSP-EVD-018"
# More writers than this between our reading and writing, again and again, is no coincidence.
TRIES = 20


class History:
    """One rollout, as far as it was read. read gives its events; write appends the one of a number, or is refused."""

    def __init__(
        self, rollout_id: str, read: Callable[[], Iterable[Event]], write: Callable[[int, Event], None]
    ) -> None:
        self._id, self._read, self._write = rollout_id, read, write
        self.rollout: Rollout = fold(rollout_id, read())

    def again(self) -> Rollout:
        """Read it again."""
        self.rollout = fold(self._id, self._read())
        return self.rollout

    def decided(self, event: Event) -> bool:
        """Append what was decided on the history as it was read. False: somebody wrote meanwhile, so decide anew.

        Raises the store's refusal where the lease is another's by now (MSP-EVD-019) or the rollout is over.
        """
        following = self.rollout.after(event)
        try:
            self._write(following.number, event)
        except MspError as error:
            if error.code != TAKEN:
                raise
            self.again()
            return False
        self.rollout = following
        return True

    def happened(self, event: events.HostEnded | events.HostIdle) -> bool:
        """Append what is known of a host that was begun. False: somebody else has told of it already."""
        name = event.result.host if isinstance(event, events.HostEnded) else event.host
        for _unused in range(TRIES):
            host = self.rollout.hosts.get(name)
            if self.rollout.over or host is None or host.state not in (states.WORKING, states.LOST):
                return False
            if self.decided(event):
                return True
        raise MspError(
            "MSP-PAT-075",
            f"to add what became of {name} to rollout {self._id}",
            f"that another run wrote first, {TRIES} times",
            "look for runs that do not end (awx, cron, timers); what the host keeps is not lost, the next tick looks",
        )
