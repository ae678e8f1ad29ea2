# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run tells of its rollouts in plain lines, where there is no terminal: when hosts are asked, and when one ends.

Pure. A line is one line, whatever a host said.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching import progress
from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress import Progress
from ansible_collections.msp.ops.plugins.plugin_utils.patching.watching import Watched, outcome_of
from ansible_collections.msp.ops.plugins.plugin_utils.report.i18n import Words
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import shown


def begun(watched: Watched, now: dt.datetime) -> Iterator[str]:
    """The rollouts of which hosts were asked something."""
    at_work = {one.rollout for one in watched.asked.values()}
    for found in watched.rollouts:
        if found.rollout in at_work:
            yield from (one_line(line) for line in progress.lines(found, now, watched.language))


def ended(before: Watched, after: Watched, host: str, said: Mapping[str, Any], now: dt.datetime) -> str:
    """What became of a host, and how far its rollout is with that; empty for a host that this run did not ask."""
    found = before.rollout_of(host)
    if found is None:
        return ""
    t = Words(after.language)
    outcome, why = outcome_of(said)
    state = progress.host_state(outcome or states.WORKING, t) if outcome else _checked(said, t)
    now_at = next(one for one in after.rollouts if one.rollout == found.rollout)
    return one_line(f"{host}: {state}{f': {why}' if why else ''}; {_count(now_at, t)}{_window(now_at, now, t)}")


def _checked(said: Mapping[str, Any], t: Words) -> str:
    """What a host without an outcome said: that it is well or not, or it is at work still."""
    healthy = said.get("healthy")
    if isinstance(healthy, bool):
        return t("prog.well") if healthy else t("prog.unwell", why=shown(said.get("why")))
    return progress.host_state(states.WORKING, t)


def _count(found: Progress, t: Words) -> str:
    working = sum(ring.hosts.get(states.WORKING, 0) for ring in found.rings)
    return t("prog.count", done=found.done, total=found.size, working=working)


def _window(found: Progress, now: dt.datetime, t: Words) -> str:
    if found.open_until is None or now >= found.open_until:
        return ""
    return "; " + t("prog.window.left", time=progress.spoken_length(found.open_until - now, t))


def one_line(words: str) -> str:
    """Columns stay as they are; what a terminal would obey does not."""
    return "".join(character if character.isprintable() else "?" for character in words)
