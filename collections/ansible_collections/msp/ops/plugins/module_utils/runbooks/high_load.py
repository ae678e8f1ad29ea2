# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runbook high_load: what keeps a host's processors or its memory taken, and a restart where the customer lists it.

It ends no process. A unit is restarted only where it is clearly the culprit, and on the customer's list.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from ansible_collections.msp.ops.plugins.module_utils.audit import virtualisation
from ansible_collections.msp.ops.plugins.module_utils.patching.effects import ancestors
from ansible_collections.msp.ops.plugins.module_utils.runbooks import answer, processes, units, words
from ansible_collections.msp.ops.plugins.module_utils.runbooks.answer import Answer
from ansible_collections.msp.ops.plugins.module_utils.runbooks.processes import Moment, Taker
from ansible_collections.msp.ops.plugins.module_utils.runbooks.wiring import Tools

LOAD, MEMORY = KINDS = ("load", "memory")
SPEC: dict[str, dict[str, Any]] = {
    "kind": {"type": "str", "choices": list(KINDS), "default": LOAD},
    "percent": {"type": "int", "default": 90},
    "restartable": {"type": "list", "elements": "str", "default": []},
    "sample_seconds": {"type": "int", "default": 5},
    "stable_seconds": {"type": "int", "default": 10},
}
SHOWN = 5
# What takes at least so much of all that is taken is the culprit; two that share it are none.
CULPRIT = 0.5


class Taken(NamedTuple):
    """percent of all processors' time or of the memory, and who takes it. whole: processors or bytes in all."""

    percent: int
    takers: list[Taker]
    whole: float
    stuck: int


def act(tools: Tools, given: dict[str, Any]) -> Answer:
    memory = given["kind"] == MEMORY
    moment = watch(tools, given)
    taken = judge(moment, memory=memory)
    found, before = tell(moment, taken, memory=memory), measured(moment, taken)
    if not problem(moment, taken, given["percent"], memory=memory):
        return answer.nothing_to_do(found, before)
    guilty = culprit(taken, memory=memory)
    why_not = not_ours(guilty, taken, given["restartable"], memory=memory)
    if why_not or guilty is None:
        return answer.gave_up(found, before, why_not)
    if tools.check:
        return answer.would_mend(found, before, ["restart %s" % guilty.unit])
    done = tools.programs.run("systemctl", "restart", "--no-ask-password", "--no-block", "--", guilty.unit)
    left = words.plain(done.reason()) if done.status else units.ended_again(tools, guilty.unit, given["stable_seconds"])
    moment = watch(tools, given)
    taken = judge(moment, memory=memory)
    if left:
        left = "%s was restarted, and %s" % (guilty.unit, left)
    elif problem(moment, taken, given["percent"], memory=memory):
        left = "%s was restarted, and now %s" % (guilty.unit, "; ".join(tell(moment, taken, memory=memory)[:3]))
    return answer.acted(found, ["restarted %s" % guilty.unit], before, measured(moment, taken), left)


def watch(tools: Tools, given: dict[str, Any]) -> Moment:
    container = virtualisation.collect(tools.host)["type"] in virtualisation.CONTAINERS
    found = processes.watch(tools.host, given["sample_seconds"], own_kernel=not container)
    ours = ancestors(tools.host, os.getpid())
    # We and what started us are no culprit, nor what we have started.
    return found._replace(
        processes=[one for one in found.processes if one.number not in ours and one.parent != os.getpid()]
    )


# -- decisions, pure -----------------------------------------------------------------------------------------------


def judge(moment: Moment, *, memory: bool) -> Taken:
    """A container sees the count of the machine below it, so there its own processes are added up instead."""
    found = processes.takers(moment.processes, memory=memory)
    stuck = sum(1 for one in moment.processes if one.state == "D")
    if memory:
        share = 1 - moment.memory_available / moment.memory_total if moment.memory_total else 0.0
        return Taken(round(100 * share), found, float(moment.memory_total), stuck)
    own = sum(one.cpus for one in moment.processes) / moment.cpus
    share = own if moment.busy is None else moment.busy + (moment.waiting or 0.0)
    return Taken(min(100, round(100 * share)), found, float(moment.cpus), stuck)


def problem(moment: Moment, taken: Taken, most: int, *, memory: bool) -> bool:
    """Also where a disk holds up as many processes as there are processors: the load is high, and nothing computes."""
    return taken.percent >= most or (not memory and taken.stuck >= max(2, moment.cpus))


def culprit(taken: Taken, *, memory: bool) -> Taker | None:
    """The one that takes most of what is taken; None where there is none."""
    whole = sum(one.amount for one in taken.takers)
    first = taken.takers[0] if taken.takers else None
    if first is None or whole <= 0 or first.amount < CULPRIT * whole:
        return None
    # A machine that waits for its disk has no culprit among those who compute a little.
    return None if not memory and taken.stuck > first.amount else first


def not_ours(guilty: Taker | None, taken: Taken, restartable: Sequence[str], *, memory: bool) -> str:
    what = "memory" if memory else "processors' time"
    if guilty is None:
        if taken.stuck and not memory:
            return "%d processes wait for a disk: look at the disk, and at what is on the network" % taken.stuck
        most = "; ".join(processes.named(one, memory=memory) for one in taken.takers[:3])
        return "no single one takes most of the %s: %s" % (what, most)
    shown = processes.named(guilty, memory=memory)
    if not guilty.unit:
        return "most of the %s is taken by %s: ask whose it is before it is ended" % (what, shown)
    if guilty.unit not in restartable:
        return "most of the %s is taken by %s, which is not on the customer's list of what may be restarted" % (
            what,
            shown,
        )
    return ""


def tell(moment: Moment, taken: Taken, *, memory: bool) -> list[str]:
    if memory:
        free = words.size(moment.memory_available), words.size(moment.memory_total), words.size(moment.swap_used)
        found = ["%d %% of the memory is taken (%s free of %s, %s swapped out)" % (taken.percent, *free)]
    else:
        shape = "%d %% of the time of %d processors is taken, the load is %.2f"
        found = [shape % (taken.percent, moment.cpus, moment.load)]
        if moment.waiting:
            found[0] += ", of which %d %% waits for a disk" % round(100 * moment.waiting)
    found += [processes.named(one, memory=memory) for one in taken.takers[:SHOWN] if one.amount > 0]
    if taken.stuck:
        names = [words.plain(one.command, 40) for one in moment.processes if one.state == "D"]
        found.append("waiting for a disk: %s" % words.listed(sorted(names)))
    return found


def measured(moment: Moment, taken: Taken) -> dict[str, Any]:
    return {
        "percent_taken": taken.percent,
        "load_1_minute": moment.load,
        "processors": moment.cpus,
        "percent_waiting_for_disk": None if moment.waiting is None else round(100 * moment.waiting),
        "bytes_memory_available": moment.memory_available,
        "bytes_swap_used": moment.swap_used,
        "processes_waiting_for_disk": taken.stuck,
    }
