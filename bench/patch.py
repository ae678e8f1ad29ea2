"""A rollout on five real hosts against a plain apt upgrade of the same updates; and decisions for ten thousand hosts.

Ours runs as its users run it: playbooks/patch.yml again and again until the rollout is complete, with NetBox, the
evidence store, checks before and after, and the gate. Theirs is one task, ansible.builtin.apt with upgrade: dist, over
the same connections. The starting states are the same, and so must be the packages at the end.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.msp.ops.plugins.plugin_utils.evidence.store import Store
from bench import _made_patches as made
from bench import harness
from bench._patched_office import CUSTOMER, Office, office

ROUNDS = int(os.environ.get("MSP_BENCH_ROUNDS", "3"))
TIME = 1.3
DECIDED, MEMORY = 10.0, 1000.0
MOST_RUNS = 10
THEIRS = [
    {"hosts": "all", "gather_facts": False, "become": True, "tasks": [{"ansible.builtin.apt": {"upgrade": "dist"}}]}
]


def run() -> harness.Outcome:
    outcome = harness.Outcome("patch")
    with tempfile.TemporaryDirectory(prefix="msp-bench-") as directory:
        _decided(outcome, Path(directory))
    with tempfile.TemporaryDirectory(prefix="msp-bench-") as directory, office(Path(directory)) as place:
        _patched(outcome, place)
    return outcome


# Decisions


def _decided(outcome: harness.Outcome, place: Path) -> None:
    """What a run decides: when everything is new, and when a rollout is far on and its history long."""
    url = f"sqlite:///{place / 'large.db'}"

    def asked(what: str) -> tuple[harness.Process, Any]:
        command = [sys.executable, "-m", "bench._deciding", url, what]
        found = harness.measure(command, env={"PYTHONPATH": _path(), "MSP_DURABLE_PATHS": str(place)})
        return found, json.loads(found.output.strip().splitlines()[-1])

    print(f"making {made.HOSTS} hosts with {made.HOSTS * made.EACH} pending updates", flush=True)
    asked("make")
    for what, title in (("preview", "deciding, all new: a preview"), ("tick", "deciding, all new: a run")):
        _figures(outcome, title, *asked(what))
    far = asked("far")[1]
    _figures(outcome, f"deciding, {far['events']} events on: a run", *asked("tick"))
    rounds = [one.value for one in outcome.figures if one.unit == "s"]
    outcome.targets += [
        harness.Target("deciding, the slowest round", max(rounds), DECIDED),
        harness.Target("deciding, most memory in MB", max(o.value for o in outcome.figures if o.unit == "MB"), MEMORY),
    ]
    outcome.notes.append(
        f"deciding: {made.HOSTS} hosts of one customer, {made.HOSTS * made.EACH} pending updates, three rollouts, three"
        " rings; a round reads scans and histories from the store (SQLite), finds what is due, plans, decides, and says"
        " how far it is; NetBox's plans are given"
    )


def _figures(outcome: harness.Outcome, title: str, process: harness.Process, found: Any) -> None:
    for number, seconds in enumerate(found["seconds"], start=1):
        name = f"{title}, round {number}" if len(found["seconds"]) > 1 else title
        outcome.figures.append(
            harness.Figure(name, seconds, "s", f"{found['asked'][number - 1]} hosts are given something to do")
        )
    outcome.figures.append(harness.Figure(f"{title}: memory", process.peak_mb, "MB", "peak of the process"))


def _path() -> str:
    return os.pathsep.join((str(harness.ROOT), str(harness.ROOT / "collections")))


# Hosts


@dataclass(frozen=True)
class Ours:
    """One turn of ours: the scan before, and each run of patch.yml until the rollout was complete."""

    scan: harness.Process
    runs: tuple[harness.Process, ...]

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.runs)


def _patched(outcome: harness.Outcome, place: Office) -> None:
    ours: list[Ours] = []
    theirs: list[harness.Process] = []
    upgrade = place.place / "theirs.json"
    upgrade.write_text(json.dumps(THEIRS))
    inventory = place.static_inventory()
    moved = 0
    for number in range(1, ROUNDS + 1):
        print(f"turn {number} of {ROUNDS}", flush=True)
        place.next_turn()
        before = place.installed()
        theirs.append(place.play("-i", str(inventory), str(upgrade)))
        wanted = place.installed()
        moved = max(len(set(wanted[host]) - set(before[host])) for host in wanted)
        place.next_turn()
        ours.append(_rollout(place))
        _same(place.installed(), wanted)
    _outcome(outcome, ours, theirs, moved)


def _rollout(place: Office) -> Ours:
    scan = place.play("playbooks/patch_scan.yml", "-e", "patch_refresh=false")
    runs: list[harness.Process] = []
    while not runs or _open(place):
        runs.append(place.play("playbooks/patch.yml", "-e", f"customer={CUSTOMER}"))
        if len(runs) > MOST_RUNS:
            raise RuntimeError(f"the rollout is not over after {MOST_RUNS} runs: {runs[-1].output[-2000:]}")
    return Ours(scan, tuple(runs))


def _open(place: Office) -> bool:
    with Store.open(place.environment()["MSP_STORE_URL"]) as store:
        return bool(store.rollouts(CUSTOMER, open_only=True))


def _same(found: dict[str, list[str]], wanted: dict[str, list[str]]) -> None:
    """Both must have brought the hosts to the same packages, or the times compare nothing."""
    differing = {host: sorted(set(found[host]) ^ set(wanted[host])) for host in found if found[host] != wanted[host]}
    if differing:
        raise RuntimeError(f"the two ways end with different packages: {differing}")


def _outcome(outcome: harness.Outcome, ours: list[Ours], theirs: list[harness.Process], moved: int) -> None:
    own, other = (statistics.median(one.seconds for one in found) for found in (ours, theirs))
    outcome.figures += [
        harness.Figure("rollout: time", own, "s", f"median of {_spread([one.seconds for one in ours])}"),
        *(
            harness.Figure(
                f"rollout: run {number}",
                statistics.median(one.runs[number - 1].seconds for one in ours if len(one.runs) >= number),
                "s",
                "of it",
            )
            for number in range(1, max(len(one.runs) for one in ours) + 1)
        ),
        harness.Figure("rollout: CPU", statistics.median(_cpu(one) for one in ours), "s", "controller"),
        harness.Figure("scan before it", statistics.median(one.scan.seconds for one in ours), "s", "once a day"),
        harness.Figure("apt upgrade: time", other, "s", f"median of {_spread([one.seconds for one in theirs])}"),
        harness.Figure("apt upgrade: CPU", statistics.median(one.cpu_seconds for one in theirs), "s", "controller"),
    ]
    outcome.targets.append(harness.Target("time, rollout to apt upgrade", own / other, TIME))
    outcome.notes.append(
        f"hosts: five Debian 12 containers in one ring, {moved} packages move on each, fetched before; ours also checks"
        " units and ports before and after, restarts services, and judges the ring"
    )


def _cpu(one: Ours) -> float:
    return sum(each.cpu_seconds for each in one.runs)


def _spread(seconds: list[float]) -> str:
    return f"{len(seconds)}, {min(seconds):.1f} to {max(seconds):.1f}"
