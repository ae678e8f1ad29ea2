"""playbooks/standardise.yml on two real servers against a plain play that sets the same things, a module for each.

Ours runs as its users run it: with NetBox, the evidence store, a measurement before and after, and the guards against
locking oneself out. Theirs is bench/_plain_standard.yml over the same connections, with facts gathered. Both start from
the same hosts, and the same measurement, of which neither pays, must find every control held after either.
"""

from __future__ import annotations

import os
import re
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import harness
from bench._standard_wharf import CUSTOMER, MACHINES, Wharf, wharf

ROUNDS = int(os.environ.get("MSP_BENCH_ROUNDS", "5"))
RATIO = 0.5
FIRST, SECOND, CHECK = STEPS = ("first apply", "second apply", "check")
PLAIN = Path(__file__).with_name("_plain_standard.yml")
NAMES = [machine.name for machine in MACHINES]
# What a line of Ansible's recap says of one host.
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Turn:
    """One way of doing it, from fresh hosts on: the process of each step."""

    steps: Mapping[str, harness.Process]


def run() -> harness.Outcome:
    with tempfile.TemporaryDirectory(prefix="msp-bench-") as directory, wharf(Path(directory)) as place:
        return _measured(place)


def _measured(place: Wharf) -> harness.Outcome:
    ours: list[Turn] = []
    theirs: list[Turn] = []
    controls = 0
    for number in range(1, ROUNDS + 1):
        print(f"turn {number} of {ROUNDS}", flush=True)
        place.next_turn()
        theirs.append(_turn(place, "-i", str(place.for_a_plain_play()), str(PLAIN)))
        controls = _held(place)
        place.next_turn()
        ours.append(_turn(place, "playbooks/standardise.yml", "-e", f"customer={CUSTOMER}"))
        if _held(place) != controls:
            raise RuntimeError("other controls apply after the one way than after the other")
    return outcome(ours, theirs, controls)


def _turn(place: Wharf, *arguments: str) -> Turn:
    steps = {step: place.play(*arguments, *(["--check"] if step == CHECK else [])) for step in STEPS}
    for step in (SECOND, CHECK):
        if changed := sum(recap(steps[step])[name][1] for name in NAMES):
            raise RuntimeError(f"the {step} changes {changed} things: {steps[step].output[-4000:]}")
    return Turn(steps)


def _held(place: Wharf) -> int:
    """How many controls apply on the hosts. All must hold now, or the times compare nothing."""
    place.play("playbooks/standard_scan.yml")
    return applying(place.states())


def applying(states: Mapping[str, Sequence[str]]) -> int:
    """How many controls of all hosts apply there; RuntimeError where one does not hold."""
    wrong = {name: found for name, found in states.items() if set(found) - {"compliant", "fixed", "not applicable"}}
    if wrong or not states:
        raise RuntimeError(f"expected every control to hold, found {wrong or 'none'}")
    return sum(status != "not applicable" for found in states.values() for status in found)


def recap(process: harness.Process) -> dict[str, tuple[int, int]]:
    """By host how many tasks ran and how many changed something. RuntimeError where a host is missing or not well.

    The controller is one of them. In NetBox's inventory a host has its customer's name behind its own.
    """
    found = {
        row[1].partition(".")[0]: [int(number) for number in row.groups()[1:]] for row in RECAP.finditer(process.output)
    }
    if wrong := [name for name in NAMES if name not in found or any(found[name][2:])]:
        raise RuntimeError(f"these hosts are not well: {', '.join(wrong)}: {process.output[-4000:]}")
    return {name: (ok, changed) for name, (ok, changed, *_others) in found.items()}


def outcome(ours: Sequence[Turn], theirs: Sequence[Turn], controls: int) -> harness.Outcome:
    """controls: how many apply, of all hosts together."""
    result = harness.Outcome("standards")
    for title, turns in (("standardise", ours), ("plain play", theirs)):
        for step in STEPS:
            each = [turn.steps[step].seconds / len(NAMES) for turn in turns]
            seconds = statistics.median(each)
            spread = f"median of {len(each)}, {min(each):.2f} to {max(each):.2f}; per host"
            tasks = statistics.median(sum(ok for ok, _changed in recap(turn.steps[step]).values()) for turn in turns)
            result.figures += [
                harness.Figure(f"{title}, {step}: time", seconds, "s", spread),
                harness.Figure(f"{title}, {step}: tasks", tasks, "tasks", "run on all hosts and the controller"),
                harness.Figure(f"{title}, {step}: controls", controls / (seconds * len(NAMES)), "1/s", "all hosts"),
            ]
    for step in (SECOND, CHECK):
        own, other = (statistics.median(turn.steps[step].seconds for turn in turns) for turns in (ours, theirs))
        result.targets.append(harness.Target(f"{step}, ours to the plain play", own / other, RATIO))
    result.notes += [
        f"hosts: {len(NAMES)} Debian containers, 12 and 13, at once; {controls} controls apply on them together, and"
        " hold after either way by the same measurement; what a container leaves to its host (kernel, network, mounts,"
        " audit, clock) is set by neither",
        "ours reads the hosts and what they are held to from NetBox, measures before and after, audits what was"
        " changed, guards against lockout, keeps evidence and tells NetBox; the plain play has a static inventory, and"
        " none of that; each ran as a process of its own, with its start",
    ]
    return result
