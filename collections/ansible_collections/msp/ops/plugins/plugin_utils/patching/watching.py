# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run is at, out of what its tasks returned: the rollouts as msp.ops.rollout told them last, and what became
of each host since. Pure; decides nothing, and is no evidence: the store has what counts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching import rollout as states
from ansible_collections.msp.ops.plugins.plugin_utils.patching.progress import ENGLISH, ORDER, HostNow, Progress, of
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import OUTCOMES
from ansible_collections.msp.ops.plugins.plugin_utils.report.catalogue import LANGUAGES
from ansible_collections.msp.ops.plugins.plugin_utils.report.plaintext import shown


@dataclass(frozen=True, slots=True)
class Asked:
    """A host that this run asked something, and what (answering.OPERATIONS)."""

    rollout: str
    operation: str


@dataclass(frozen=True, slots=True)
class Watched:
    """The rollouts that a run tells of, and the hosts that it has asked and not heard of yet, by name."""

    rollouts: tuple[Progress, ...] = ()
    asked: Mapping[str, Asked] = field(default_factory=dict)
    language: str = ENGLISH

    def heard(self, said: Mapping[str, Any]) -> Watched:
        """With what a task msp.ops.rollout returned. What has not its shape changes nothing: this is only a view."""
        told = said.get("rollouts")
        if said.get("failed") or not isinstance(told, list):
            return self
        try:
            rollouts = tuple(of(one) for one in told if "rings" in one)
            asked = {
                str(host): Asked(str(task["rollout"]), str(task["action"]))
                for host, task in (said.get("tasks") or {}).items()
            }
        except (KeyError, TypeError, ValueError, AttributeError):
            return self
        language = said.get("language")
        # What a person asked is told without rings: the view stays as it is until the next round.
        kept = rollouts or (() if not told else self.rollouts)
        return Watched(kept, asked, language if language in LANGUAGES else self.language)

    def ended(self, host: str, said: Mapping[str, Any], at: dt.datetime) -> Watched:
        """With what a task msp.ops.patch_install returned for a host. The next round has the last word."""
        if (asked := self.asked.get(host)) is None:
            return self
        rest = {name: one for name, one in self.asked.items() if name != host}
        outcome, why = outcome_of(said)
        if not outcome:
            return replace(self, asked=rest)
        rollouts = tuple(
            _moved(one, host, outcome, why, at) if one.rollout == asked.rollout else one for one in self.rollouts
        )
        return replace(self, rollouts=rollouts, asked=rest)

    def rollout_of(self, host: str) -> Progress | None:
        """The rollout for which a host was asked."""
        asked = self.asked.get(host)
        return next((one for one in self.rollouts if asked is not None and one.rollout == asked.rollout), None)


def outcome_of(said: Mapping[str, Any]) -> tuple[str, str]:
    """What became of a host, one of records.OUTCOMES, and why; "" while it is at work, or was only checked."""
    if said.get("unreachable") or said.get("failed"):
        return states.LOST, shown(said.get("msg"))
    result = said.get("result")
    if not isinstance(result, Mapping) or result.get("outcome") not in OUTCOMES:
        return "", ""
    return str(result["outcome"]), shown(result.get("reason"))


def _moved(found: Progress, host: str, outcome: str, why: str, at: dt.datetime) -> Progress:
    """The rollout with this host in another state. One that it does not name as at work stays where it was counted."""
    before = next((one for one in found.hosts if one.host == host), None)
    if before is None or before.state == outcome:
        return found
    rings = tuple(
        replace(ring, hosts=_counted(ring.hosts, before.state, outcome)) if ring.name == before.ring else ring
        for ring in found.rings
    )
    others = tuple(one for one in found.hosts if one.host != host)
    fine = outcome in states.DONE
    return replace(
        found, rings=rings, hosts=others if fine else (*others, HostNow(host, before.ring, outcome, at, why))
    )


def _counted(hosts: Mapping[str, int], before: str, after: str) -> dict[str, int]:
    counts = dict(hosts)
    counts[before] = counts.get(before, 0) - 1
    counts[after] = counts.get(after, 0) + 1
    return {state: counts[state] for state in ORDER if counts.get(state, 0) > 0}
