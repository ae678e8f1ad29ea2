# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rollouts as a terminal shows them: rings, hosts by state, the window, when it is likely done. Pure: draws nothing.

All words are plain text to the terminal: what a host or NetBox says is neither markup nor a control sequence.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.patching import progress
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress import Progress, RingNow
from ansible_collections.msp.ops.plugins.plugin_utils.patching.watching import Watched
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import shown

try:
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text
except ImportError as missing:
    LIBRARY_ERROR: ImportError | None = missing
else:
    LIBRARY_ERROR = None

if TYPE_CHECKING:
    from rich.console import RenderableType

# A colour for each state of a host; the words say the same.
COLOUR = {
    states.PATCHED: "green",
    states.NOTHING: "green",
    states.WORKING: "cyan",
    states.WAITING: "bright_black",
    states.OWED: "yellow",
    states.REFUSED: "yellow",
    states.LOST: "red",
    states.FAILED: "red",
    states.ROLLED_BACK: "magenta",
    states.LEFT: "bright_black",
}
BAR = 24  # cells
MOST_NAMED = 8  # hosts in one rollout's panel; how many more there are is said
BLOCK = "█"


def required() -> None:
    """Raise MSP-PAT-163 where the library is missing that draws."""
    if LIBRARY_ERROR is not None:
        raise MspError(
            "MSP-PAT-163",
            "the Python library rich on the controller, to draw in the terminal",
            str(LIBRARY_ERROR),
            "run through ./msp, or install what requirements.lock names; until then progress is told in plain lines",
        )


def view(watched: Watched, now: dt.datetime) -> RenderableType:
    """A panel for each rollout."""
    t = Words(watched.language)
    return Group(*(_panel(one, now, t) for one in watched.rollouts))


def _panel(found: Progress, now: dt.datetime, t: Words) -> RenderableType:
    rings = Table.grid(padding=(0, 2))
    for ring in found.rings:
        rings.add_row(
            Text(shown(ring.name), style="bold"), Text(t(f"prog.state.{ring.state}")), coloured(ring), _hosts(ring, t)
        )
    hosts = [
        Text(shown(progress.host_line(host, found.zone, t)), style=COLOUR[host.state])
        for host in found.hosts[:MOST_NAMED]
    ]
    if len(found.hosts) > MOST_NAMED:
        hosts.append(Text(t("prog.more_hosts", n=len(found.hosts) - MOST_NAMED)))
    facts = Table.grid(padding=(0, 2))
    for label, words in progress.facts(found, now, t):
        facts.add_row(Text(label, style="bright_black"), Text(shown(words)))
    title = Text(shown(progress.heading(found, t)), style="bold")
    return Panel(Group(rings, *hosts, facts), title=title, title_align="left", border_style=_border(found))


def _border(found: Progress) -> str:
    if found.side in (states.HALTED, states.EXPIRED):
        return "red"
    return "green" if found.over and found.side is None else "yellow" if found.side else "cyan"


def _hosts(ring: RingNow, t: Words) -> Text:
    words = [
        Text(f"{number} {progress.host_state(state, t)}", style=COLOUR[state]) for state, number in ring.hosts.items()
    ]
    return Text(", ").join(words) if words else Text(t("prog.no_host"), style="bright_black")


def coloured(ring: RingNow) -> Text:
    """The hosts of a ring as a bar in the colours of their states; whatever is not zero has a cell."""
    text = Text()
    for state, cells in shares(ring, BAR).items():
        text.append(BLOCK * cells, style=COLOUR[state])
    return text


def shares(ring: RingNow, cells: int) -> dict[str, int]:
    """How many of the cells each state gets, all of them together; at least one where there are as many cells."""
    states_now = [state for state in progress.ORDER if ring.hosts.get(state)]
    if not states_now:
        return {}
    rest = max(0, cells - len(states_now))
    exact = {state: ring.hosts[state] * rest / ring.size for state in states_now}
    given = {state: int(exact[state]) for state in states_now}
    by_remainder = sorted(states_now, key=lambda state: exact[state] - given[state], reverse=True)
    for state in by_remainder[: rest - sum(given.values())]:
        given[state] += 1
    return {state: given[state] + 1 for state in states_now}
