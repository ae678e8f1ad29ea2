# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people asked of rollouts, as entries for the journal of their customer in NetBox. Pure: no I/O.

Each entry ends with a mark that says of which event it is, so that whoever reads the journal knows what it has already.
What the plan approved by itself is nobody's word, and no entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.msp.ops.plugins.plugin_utils.patching import events
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import Event
from ansible_collections.msp.ops.plugins.plugin_utils.reconciliation.words import moment, plain
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import shown

# All marks have this, so that NetBox can be asked for entries with it.
OURS = "msp.ops patch rollout"
# What was asked, and how NetBox colours it.
_ASKED = {
    events.Approved: ("approved", "success"),
    events.Paused: ("paused", "warning"),
    events.Resumed: ("resumed", "info"),
    events.AbortAsked: ("aborted", "warning"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: what it says, its mark at the end, and NetBox's word for its kind."""

    text: str
    mark: str
    kind: str

    @property
    def comments(self) -> str:
        return f"{self.text} ({self.mark})"

    def is_in(self, comments: Iterable[str]) -> bool:
        """Whether one of these texts is this entry; that others mention the rollout is none."""
        return any(words.rstrip().endswith(f"({self.mark})") for words in comments)


def entries(rollout: str, history: Iterable[Event]) -> Iterator[Entry]:
    """The entries of one rollout, in order. history is all of its events from the first on."""
    patch_class = ""
    for number, event in enumerate(history, 1):
        if isinstance(event, events.Planned):
            patch_class = event.patch_class
        elif isinstance(event, events.Approved | events.Paused | events.Resumed | events.AbortAsked):
            if event.by == events.THE_PLAN:
                continue
            word, kind = _ASKED[type(event)]
            what = f"Patch rollout {rollout} ({patch_class}) {word} by {_said(event.by)}, {moment(event.at)}"
            manifest = f", manifest {event.manifest}" if isinstance(event, events.Approved) else ""
            yield Entry(f"{what}{manifest}: {_said(event.reason)}", f"{OURS} {rollout}, event {number}", kind)


def _said(words: str) -> str:
    """A person's words without what Markdown would make of them, nor any character that no database takes."""
    return plain(shown(words))
