# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rollout asks of its hosts in one round, and what their answers mean for it. Pure: no I/O.

An answer is what msp.ops.patch_install returned for a host. One that is missing or broken never counts as done: of who
was at work nobody knows more than before, and who was to be checked is silent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.patching import installing
from ansible_collections.msp.ops.plugins.plugin_utils.patching.events import HostEnded, HostIdle
from ansible_collections.msp.ops.plugins.plugin_utils.patching.records import HostResult
from ansible_collections.msp.ops.plugins.plugin_utils.patching.rollout import LOST, REFUSED, WORKING, Host

# What a host is asked: what became of the work; to begin it; whether it is well; to go back.
LOOK, START, CHECK, ROLLBACK = OPERATIONS = ("look", "start", "check", "rollback")


@dataclass(frozen=True, slots=True)
class Work:
    """One question to one host. arguments are those of msp.ops.patch_install."""

    host: str
    rollout: str
    operation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    """How the hosts that a gate asked are: well, unwell and silent ones, and those that can't know, all but the first
    with why.
    """

    well: frozenset[str]
    unwell: Mapping[str, str]
    silent: Mapping[str, str]
    unsure: Mapping[str, str] = field(default_factory=dict)


def event_of(host: Host, answer: Mapping[str, Any] | None, now: dt.datetime) -> HostEnded | HostIdle | None:
    """What an answer to LOOK, START or ROLLBACK says became of a host; None: it is at work still.

    answer None: the question never came to an answer, and nothing is known.
    """
    if answer is None or answer.get("failed") or answer.get("unreachable"):
        why = " ".join(str((answer or {}).get("msg") or "no answer came back").split())
        return HostEnded(now, HostResult(host.name, host.target.asset, LOST, now, reason=why))
    if answer.get("result") is not None:
        result = installing.returned(answer["result"])
        return HostEnded(now, result, _seconds(host, result))
    if answer.get("state") == installing.NONE:
        return HostIdle(now, host.name)
    return None


def health(names: Iterable[str], answers: Mapping[str, Mapping[str, Any] | None]) -> Health:
    """What the answers to CHECK say. A host that was asked and is in none of the answers is silent."""
    well, unwell, silent, unsure = set(), {}, {}, {}
    for name in names:
        answer = answers.get(name)
        healthy = answer.get("healthy") if answer is not None and not answer.get("failed") else None
        if healthy is True:
            well.add(name)
        elif healthy is False:
            unwell[name] = str((answer or {}).get("why") or "a check failed")
        elif _cannot_know(answer):
            unsure[name] = " ".join(str((answer or {}).get("why") or "a check cannot tell").split())
        else:
            said = answer or {}
            silent[name] = " ".join(str(said.get("msg") or said.get("why") or "no answer came back").split())
    return Health(frozenset(well), unwell, silent, unsure)


def _cannot_know(answer: Mapping[str, Any] | None) -> bool:
    """It answered, no check failed, and of one nobody can say: it has nothing to compare with."""
    if answer is None or answer.get("failed") or answer.get("unreachable"):
        return False
    return answer.get("state") in (installing.FINISHED, installing.NONE)


def _seconds(host: Host, result: HostResult) -> float | None:
    """How long the work took, from when it was begun; None where that makes no sense."""
    if host.begun is None or result.outcome in (LOST, REFUSED):
        return None
    if host.state == WORKING and host.since is not None and host.begun < host.since < result.at:
        return None  # a person resumed it meanwhile, who knows how much later
    found = (result.at - host.begun).total_seconds()
    return found if found >= 0 else None
